"""Models of Jifeline's Partner API, in its own spelling."""

# ruff: noqa: RUF012  (pydantic copies a model's defaults)

from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Generic, Literal, Self, TypeVar

from pydantic import AfterValidator, AwareDatetime, Field, PlainSerializer, SecretStr, model_validator

from hookline.clients.models import Answer, Flag, Input, IntOrNone, Moment, Money
from hookline.clients.paging import Paged

R = TypeVar("R")

MAX_LIMIT = 1000
MAX_REFERENCE = 255
MAX_INT = 2**63 - 1

TicketState = Literal["prepared", "pending", "in_progress", "outsourced", "closed", "cancelled"]
SessionState = Literal["available", "active", "interrupted", "finished", "failed"]


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("it is no year between 1 and 9999") from None


Uuid = Annotated[str, Field(pattern=r"^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$")]
"""An id, as in 2f500382-0f8e-4298-83ee-e205a6a419df."""

Number = Annotated[int, Field(ge=0, le=MAX_INT)]
"""A number that identifies something, such as a ticket."""

Vin = Annotated[str, Field(min_length=17, max_length=17)]
"""A vehicle's identification number: 17 characters."""

Voucher = Annotated[str, Field(pattern=r"^[A-Z0-9]{4,8}$")]
"""A voucher's code: 4 to 8 capitals and digits."""

Reference = Annotated[str, Field(max_length=MAX_REFERENCE)]
"""A ticket's id in another application: at most 255 characters."""

Instant = Annotated[AwareDatetime, AfterValidator(_in_utc)]
"""A moment with its zone, sent in UTC."""


# Common models ----------------------------------------------------------------------------------------------


class AccessToken(Answer):
    """A token, and the seconds until it ends."""

    access_token: SecretStr
    expires_in: float = Field(ge=0, le=10_000_000)
    token_type: str = ""


class ById(Input):
    """A record by its id."""

    id: Uuid


class OffsetPaging(Paged):
    """
    A page of a list: at most `limit` rows (25 if it is absent), after the first `offset`.

    The order is not documented: filter so that the list does not change while it is read.
    """

    limit: int | None = Field(default=None, ge=0, le=MAX_LIMIT)
    offset: int | None = Field(default=None, ge=0)

    page_size: ClassVar[int | None] = 250

    @classmethod
    def page(cls, start: int, number: int, before: Any) -> dict[str, Any]:
        """Return the inputs for the rows after the first `start`."""
        del number, before
        return {"limit": cls.page_size, "offset": start}


class Envelope(Answer, Generic[R]):
    """A page of a list, and the total on all pages."""

    result: list[R]
    total: int | None = None

    @property
    def Results(self) -> list[R]:  # noqa: N802  (the name that `pages` knows)
        """Return the rows of this page."""
        return self.result

    @property
    def Total(self) -> int | None:  # noqa: N802
        """Return the number of rows on all pages, if the vendor gives it."""
        return self.total


class Change(Answer):
    """The answer to a change; `unfinished` means accepted (202): read the result later."""

    unfinished: bool = False


# Tickets ----------------------------------------------------------------------------------------------------


class TicketFilters(OffsetPaging):
    """Filters of the tickets in one state."""

    ticket_number: Number | None = None
    customer_id: Uuid | None = None
    created_after: Instant | None = None
    created_before: Instant | None = None


class EndedTicketFilters(TicketFilters):
    """Filters of the tickets that are closed or cancelled."""

    finished_after: Instant | None = None
    finished_before: Instant | None = None
    externally_processed: bool | None = None


class ListTickets(TicketFilters):
    """Filters of the tickets in every state."""

    state: TicketState | None = None
    externally_processed: bool | None = None


class NewPreparedTicket(Input):
    """
    A ticket that waits for a workshop to pick it up.

    `preparer_external_reference` is our own key: only by it can the ticket be found again.
    """

    customer_id: Uuid
    vehicle_model_id: Number | None = None
    vin: Vin | None = None
    voucher_code: Voucher | None = None
    preparer_external_reference: Reference | None = None


class MarkTicket(Input):
    """The two fields of a ticket that are ours: Jifeline itself never changes them."""

    id: Uuid
    external_reference: Reference | None = None
    externally_processed: bool | None = None

    @model_validator(mode="after")
    def _has_a_change(self) -> Self:
        if self.external_reference is None and self.externally_processed is None:
            raise ValueError("give external_reference, externally_processed or both")
        return self


class ProductLine(Answer):
    """A service on a ticket; `price` is in EUR, None if there is none."""

    id: str
    product_id: str = ""
    name: str = ""
    quantity: Money | None = None
    price: Money | None = None


class Ticket(Answer):
    """
    A request to serve a vehicle.

    `state` is one of `TicketState`, or an unknown text. Each state has fields of its own: prepared
    `preparer_external_reference`; in_progress `service_started_at` and `outsourced`; outsourced
    `outsource_…` and `reclaimable`; closed `vehicle_battery_voltage` and `product_lines`; cancelled
    `cancel_reason_id`; the last two `finished_at`.
    """

    id: str
    state: str = ""
    ticket_number: IntOrNone = None
    created_at: Moment = None
    assigned_at: Moment = None
    service_started_at: Moment = None
    finished_at: Moment = None
    connection_id: str = ""
    customer_id: str = ""
    customer_channel_id: str = ""
    customer_connector_id: str = ""
    customer_reference: str = ""
    operator_id: str = ""
    operator_channel_id: str = ""
    operator_reference: str = ""
    source_provider_id: str = ""
    external_reference: str = ""
    externally_processed: Flag = False
    preparer_external_reference: str = ""
    vehicle_model_id: IntOrNone = None
    vehicle_battery_voltage: str = ""
    vin: str = ""
    voucher_code: str = ""
    cancel_reason_id: IntOrNone = None
    outsourced: Flag = False
    outsource_provider_id: str = ""
    outsource_ticket_id: str = ""
    reclaimable: Flag = False
    product_lines: list[ProductLine] = []


class ChangedTicket(Ticket, Change):
    """A ticket as a change left it; while `unfinished` it may hold nothing, not even its id."""


class ListChannelMessages(Paged):
    """The messages of a channel, as a ticket names it; `next_token` of a page asks for the next."""

    channel_id: str = Field(min_length=1)
    next_token: str | None = None

    page_size: ClassVar[int | None] = None
    ends_when_empty: ClassVar[bool] = False

    @classmethod
    def page(cls, start: int, number: int, before: Any) -> dict[str, Any] | None:
        """Return the `next_token` of the page before; None at the end."""
        del start, number
        if before is None:
            return {}
        return {"next_token": before.next_token} if before.next_token else None


class ChannelMessage(Answer):
    """A message in a ticket's chat; `type` is text or attachment."""

    id: str
    content: str = ""
    created_at: Moment = None
    redacted: Flag = False
    sender: dict[str, Any] = {}
    type: str = ""
    attachment: Any = None


class ChannelMessages(Envelope[ChannelMessage]):
    """A page of messages; `next_token` is "" on the last."""

    next_token: str = ""


# Customers and connectors -----------------------------------------------------------------------------------


class ListNamed(OffsetPaging):
    """A filter by name."""

    name: str | None = None


class Address(Answer):
    """A customer's address."""

    street: str = ""
    house_number: str = ""
    postal_code: str = ""
    city: str = ""
    country: str = ""


class Customer(Answer):
    """A workshop that is served; `debtor_number` is the partner's own number for it, or ""."""

    id: str
    name: str = ""
    email: str = ""
    phone: str = ""
    address: Address = Address()
    debtor_number: str = ""
    branding: str = ""
    created_at: Moment = None


class ListConnectors(OffsetPaging):
    """Filters of the connectors; `assigned` ones belong to a customer."""

    assigned: bool | None = None
    customer_id: Uuid | None = None
    name: str | None = None
    type: Literal["physical", "virtual"] | None = None


class Connector(Answer):
    """A device between a vehicle and Jifeline; `name` is its serial number."""

    id: str
    customer_id: str = ""
    name: str = ""
    hardware_version: str = ""
    software_version: str = ""
    pin: SecretStr | None = None
    type: str = ""


# Products, providers, vehicles ------------------------------------------------------------------------------


class Product(Answer):
    """A service that is done remotely; `price` is in EUR."""

    id: str
    name: str = ""
    description: str = ""
    price: Money | None = None
    active: Flag | None = None


class Provider(Answer):
    """An organisation that serves vehicles."""

    id: str
    name: str = ""


class ListVehicles(OffsetPaging):
    """Filters of the vehicles."""

    vin: Vin | None = None
    license_plate: str | None = None


class Vehicle(Answer):
    """A vehicle; `get_vehicle_model` reads its model by `vehicle_model_id`."""

    id: str
    vin: str = ""
    license_plate: str = ""
    vehicle_model_id: IntOrNone = None


class OneVehicleModel(Input):
    """A vehicle model by its number."""

    id: Annotated[Number, PlainSerializer(str)]


class VehicleModel(Answer):
    """A model and its make."""

    id: int
    name: str = ""
    make_id: IntOrNone = None
    make_name: str = ""


# openOBD sessions -------------------------------------------------------------------------------------------


class ListOpenobdSessions(OffsetPaging):
    """A filter of the sessions."""

    state: SessionState | None = None


class OpenobdSession(Answer):
    """A connection to a vehicle; `state` is one of `SessionState`, or an unknown text."""

    id: str
    authentication_token: SecretStr | None = None
    created_at: Moment = None
    grpc_endpoint: str = ""
    state: str = ""


class InterruptedSession(OpenobdSession, Change):
    """A session as its interruption left it; while `unfinished` it may hold nothing, not even its id."""


# Events -----------------------------------------------------------------------------------------------------


class ListSystemEvents(Paged):
    """
    Events after the one with the id `after_id`, a ULID that is passed unchanged, or after a moment.

    Store the last id of each feed and the ids seen: an event may come twice.
    """

    after_id: str | None = Field(default=None, min_length=1)
    occurred_after: Instant | None = None
    type: str | None = None
    limit: int | None = Field(default=None, ge=0, le=MAX_LIMIT)

    page_size: ClassVar[int | None] = 250

    @classmethod
    def page(cls, start: int, number: int, before: Any) -> dict[str, Any]:
        """Return the inputs for the events after the last one of the page before."""
        del start, number
        place = {"after_id": before.result[-1].id, "occurred_after": None} if before else {}
        return place | {"limit": cls.page_size}


class EventCustomer(Answer):
    """The customer that an event is about."""

    id: str = ""
    name: str = ""


class EventTicket(Answer):
    """The ticket that an event is about; the meaning of `number` is not documented."""

    id: str = ""
    number: IntOrNone = None
    ticket_number: IntOrNone = None


class EventPayload(Answer):
    """The subject of an event as it was then; read the record itself for its current state."""

    customer: EventCustomer | None = None
    ticket: EventTicket | None = None
    parent_ticket: EventTicket | None = None


class SystemEvent(Answer):
    """An event; `type` as in tickets.ticket.created."""

    id: str = Field(min_length=1)
    type: str = ""
    occurred_at: Moment = None
    payload: EventPayload = EventPayload()
