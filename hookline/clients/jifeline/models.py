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


class ListPreparedTickets(OffsetPaging):
    """Filters of the tickets that wait for a workshop."""

    customer_id: Uuid | None = None
    created_after: Instant | None = None
    created_before: Instant | None = None


class TicketByNumber(OffsetPaging):
    """The one filter of the tickets in any other state."""

    ticket_number: Number | None = None


class ListClosedTickets(TicketByNumber):
    """
    Filters of the tickets that are done.

    All but `ticket_number` are assumed: expect more rows than they ask for.
    """

    finished_after: Instant | None = None
    finished_before: Instant | None = None
    externally_processed: bool | None = None


class ListTickets(TicketByNumber):
    """Filters of the tickets in every state; `customer_id` is assumed."""

    customer_id: Uuid | None = None
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


class ListProductLines(OffsetPaging):
    """The product lines of a ticket; the filter is assumed, so compare each line's `ticket_id`."""

    ticket_id: Uuid | None = None


class CustomerMoney(Answer):
    """An amount in the provider's currency, and the same in the customer's."""

    amount: Money | None = None
    currency: str = ""
    customer_amount: Money | None = None
    customer_currency: str = ""


class ProductLine(Answer):
    """A service on a ticket: a product and how many of it; its price is that of the day on which it was added."""

    ticket_id: str = Field(min_length=1)
    product_id: str = Field(min_length=1)
    quantity: int = Field(ge=1, le=2**31 - 1)
    unit_gross_price: CustomerMoney | None = None
    gross_price: CustomerMoney | None = None
    order_debtor_monetary_discount: Money | None = None
    order_debtor_percentual_discount: Money | None = None


class Ticket(Answer):
    """
    A request to serve a vehicle.

    `state` is one of `TicketState`, or an unknown text; the lists of one state leave it out, and have fields that
    a ticket read by its id has not: prepared `preparer_external_reference`; in_progress `service_started_at`;
    outsourced `outsource_…` and `reclaimable`; closed and cancelled `vehicle_battery_voltage`.
    `finished_at` and `cancel_reason_id` are there once a ticket has ended. What was done is in its product lines.
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


class ListCustomers(OffsetPaging):
    """A page of the customers: no filter of theirs is known."""


class OfCustomer(OffsetPaging):
    """What belongs to a customer."""

    customer_id: Uuid | None = None


class ListEmployees(OfCustomer):
    """Filters of the employees; without `enabled`, those that are not enabled are left out."""

    enabled: bool | None = None


class ListContactPoints(OfCustomer):
    """Filters of the contact points."""

    location_id: Uuid | None = None


class Customer(Answer):
    """A workshop that is served; `reference` is the partner's own for it, or ""."""

    id: str
    company_name: str = ""
    locale: str = ""
    primary_location_id: str = ""
    reference: str = ""
    vat_number: str = ""


class Location(Answer):
    """A place of a customer, with its address."""

    id: str
    customer_id: str = ""
    label: str = ""
    street_name: str = ""
    number: str = ""
    postal_code: str = ""
    city: str = ""
    country: str = ""


class Employee(Answer):
    """A person at a customer; `contact_point_id` tells where to reach it, `username` is for the Customer Portal."""

    id: str
    customer_id: str = ""
    contact_point_id: str = ""
    correspondence_locale: str = ""
    enabled: Flag = True
    family_name: str = ""
    given_name: str = ""
    username: str = ""


class ContactPoint(Answer):
    """An e-mail address and a phone number of a customer, at one of its places."""

    id: str
    customer_id: str = ""
    email_address: str = ""
    label: str = ""
    location_id: str = ""
    phone_number: str = ""


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


class ListProducts(OffsetPaging):
    """Filters of the products."""

    product_number: str | None = None
    type: Literal["base", "custom", "voucher"] | None = None


class Product(Answer):
    """
    A service that is done remotely; what it costs is said by a ticket's product lines.

    `type` is base, custom, or voucher: the discount that a voucher gives.
    """

    id: str
    enabled: Flag | None = None
    name: str = ""
    product_number: str = ""
    type: str = ""


class ListProviders(OffsetPaging):
    """A page of the providers: they have no filter."""


class Provider(Answer):
    """An organisation that serves vehicles."""

    id: str
    name: str = ""


class ListVehicles(OffsetPaging):
    """Filters of the vehicles."""

    vin: Vin | None = None
    license_plate: str | None = None


class Vehicle(Answer):
    """A vehicle; `get_vehicle_model` reads its model by `vehicle_model_id`, and `get_vehicle_make` that one's make."""

    id: str
    vin: str = ""
    license_plate: str = ""
    vehicle_model_id: IntOrNone = None


class ByNumber(Input):
    """A vehicle model or make by its number."""

    id: Annotated[Number, PlainSerializer(str)]


class ListVehicleModels(OffsetPaging):
    """Filters of the vehicle models."""

    make_id: Number | None = None
    model_group_id: Number | None = None


class VehicleModel(Answer):
    """A model, and the number of its make; one that is not enabled takes no new tickets."""

    id: int
    enabled: Flag | None = None
    make_id: IntOrNone = None
    manufactured_from: str = ""
    manufactured_till: str = ""
    model_group_id: IntOrNone = None
    name: str = ""


class ListVehicleMakes(OffsetPaging):
    """A page of the makes: they have no filter."""


class VehicleMake(Answer):
    """A make of vehicles."""

    id: int
    enabled: Flag | None = None
    name: str = ""


# openOBD sessions -------------------------------------------------------------------------------------------


class ListOpenobdSessions(OffsetPaging):
    """A page of the sessions: they have no filter."""


class OpenobdSession(Answer):
    """A connection to a vehicle; `state` is available, active, interrupted, finished, failed, or an unknown text."""

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
    Events after the one with the id `after_id`, a ULID that is passed unchanged, or after a moment, or of a type.

    Jifeline takes one of them a call. Follow the feed by `after_id` and pick the types yourself: events of one type
    are a single page. Store the last id of each feed and the ids seen: an event may come twice.
    """

    after_id: str | None = Field(default=None, min_length=1)
    occurred_after: Instant | None = None
    type: str | None = None
    limit: int | None = Field(default=None, ge=0, le=MAX_LIMIT)

    page_size: ClassVar[int | None] = 250

    @model_validator(mode="after")
    def _has_one_filter(self) -> Self:
        filters = [name for name in ("after_id", "occurred_after", "type") if getattr(self, name) is not None]
        if len(filters) > 1:
            raise ValueError(f"Jifeline takes one filter of events a call: give {' or '.join(filters)}")
        return self

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
