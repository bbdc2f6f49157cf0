"""Jifeline's Partner API: tickets for remote services on vehicles, customers, connectors and events."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final, Self, Unpack

import httpx
from pydantic import SecretStr

from hookline.clients.answers import json_value, loose_json, start_of
from hookline.clients.auth import Session, SessionAuth, is_sendable, sendable
from hookline.clients.errors import NotAuthenticated, Refused, UnexpectedAnswer, VendorError, kind_of
from hookline.clients.jifeline import models
from hookline.clients.models import NoInput
from hookline.clients.operation import HEADERS, Operation, get, post, put
from hookline.clients.transport import Options, VendorClient, checked_address
from hookline.errors import ConfigurationError
from hookline.shipped.jifeline import JifelineSettings

MARGIN: Final = 60.0  # seconds before its end at which a token is renewed
_RECORD = re.compile(r"(https?://[^/?#]+)?/v2/([^?#]+/)?(?P<id>[0-9A-Fa-f-]{36})")
_WRONG_CLIENT = ("invalid_client", "unauthorized_client")


class JifelineClient(VendorClient):
    """Jifeline by an application of the Partner Portal (`JifelineApp`)."""

    vendor: ClassVar[str] = "jifeline"
    reference: ClassVar[str] = "Jifeline Partner API"

    # fmt: off
    # Token: https://partner-api-docs-001.prd.jifeline.cloud
    fetch_token = post("/oauth2/token", NoInput, models.AccessToken,
        "Exchange the client's id and secret for a token.", repeat="safe", trust="public", session="opens")

    # Tickets: https://partner-api-001.redoc.ly
    list_tickets = get("/v2/tickets/tickets", models.ListTickets, models.Envelope[models.Ticket],
        "Read a page of tickets.", repeat="safe", trust="public")
    get_ticket = get("/v2/tickets/tickets/{id}", models.ById, models.Ticket, "Read a ticket.", repeat="safe",
        trust="public")
    list_prepared_tickets = get("/v2/tickets/prepared-tickets", models.ListPreparedTickets,
        models.Envelope[models.Ticket], "Read a page of the tickets that wait for a workshop.", repeat="safe",
        trust="public")
    create_prepared_ticket = post("/v2/tickets/prepared-tickets", models.NewPreparedTicket,
        models.ChangedTicket, "Prepare a ticket for a workshop; a repeat prepares another.", repeat="readback",
        trust="public")
    list_pending_tickets = get("/v2/tickets/pending-tickets", models.TicketByNumber,
        models.Envelope[models.Ticket], "Read a page of the tickets that wait for an operator.", repeat="safe",
        trust="public")
    list_in_progress_tickets = get("/v2/tickets/in-progress-tickets", models.TicketByNumber,
        models.Envelope[models.Ticket], "Read a page of the tickets in progress.", repeat="safe",
        trust="public")
    list_outsourced_tickets = get("/v2/tickets/outsourced-tickets", models.TicketByNumber,
        models.Envelope[models.Ticket], "Read a page of the tickets that another provider works on.",
        repeat="safe", trust="public")
    list_closed_tickets = get("/v2/tickets/closed-tickets", models.ListClosedTickets,
        models.Envelope[models.Ticket], "Read a page of the tickets that are done.", repeat="safe", trust="public")
    list_cancelled_tickets = get("/v2/tickets/cancelled-tickets", models.TicketByNumber,
        models.Envelope[models.Ticket], "Read a page of the cancelled tickets.", repeat="safe", trust="public")
    mark_ticket_processed = put("/v2/tickets/tickets/{id}", models.MarkTicket, models.ChangedTicket,
        "Set our reference on a ticket, or whether we have processed it.", repeat="safe", trust="public")
    list_product_lines = get("/v2/tickets/product-lines", models.ListProductLines,
        models.Envelope[models.ProductLine], "Read a page of the services on tickets, with their prices.",
        repeat="safe", trust="public")
    list_channel_messages = get("/v2/tickets/messenger-channel/messages", models.ListChannelMessages,
        models.ChannelMessages, "Read a page of a ticket's chat.", repeat="safe", trust="public")

    # Customers, their places and people, and their connectors
    list_customers = get("/v2/customers/customers", models.ListCustomers, models.Envelope[models.Customer],
        "Read a page of customers.", repeat="safe", trust="public")
    get_customer = get("/v2/customers/customers/{id}", models.ById, models.Customer,
        "Read a customer.", repeat="safe", trust="public")
    list_locations = get("/v2/customers/locations", models.OfCustomer, models.Envelope[models.Location],
        "Read a page of customers' places.", repeat="safe", trust="public")
    get_location = get("/v2/customers/locations/{id}", models.ById, models.Location,
        "Read a customer's place.", repeat="safe", trust="public")
    list_employees = get("/v2/customers/employees", models.ListEmployees, models.Envelope[models.Employee],
        "Read a page of customers' employees.", repeat="safe", trust="public")
    get_employee = get("/v2/customers/employees/{id}", models.ById, models.Employee,
        "Read a customer's employee.", repeat="safe", trust="public")
    list_contact_points = get("/v2/customers/contact-points", models.ListContactPoints,
        models.Envelope[models.ContactPoint], "Read a page of customers' e-mail addresses and phone numbers.",
        repeat="safe", trust="public")
    get_contact_point = get("/v2/customers/contact-points/{id}", models.ById, models.ContactPoint,
        "Read an e-mail address and phone number of a customer.", repeat="safe", trust="public")
    list_connectors = get("/v2/customers/connectors", models.ListConnectors, models.Envelope[models.Connector],
        "Read a page of connectors.", repeat="safe", trust="public")
    get_connector = get("/v2/customers/connectors/{id}", models.ById, models.Connector,
        "Read a connector.", repeat="safe", trust="public")

    # Products, providers, vehicles
    list_products = get("/v2/products/products", models.ListProducts, models.Envelope[models.Product],
        "Read a page of the services that can be done.", repeat="safe", trust="public")
    get_product = get("/v2/products/products/{id}", models.ById, models.Product,
        "Read a service.", repeat="safe", trust="public")
    list_providers = get("/v2/providers/providers", models.ListProviders, models.Envelope[models.Provider],
        "Read a page of the organisations that serve vehicles.", repeat="safe", trust="public")
    get_provider = get("/v2/providers/providers/{id}", models.ById, models.Provider,
        "Read an organisation that serves vehicles.", repeat="safe", trust="public")
    list_vehicles = get("/v2/vehicles/vehicles", models.ListVehicles, models.Envelope[models.Vehicle],
        "Read a page of vehicles.", repeat="safe", trust="public")
    get_vehicle = get("/v2/vehicles/vehicles/{id}", models.ById, models.Vehicle,
        "Read a vehicle.", repeat="safe", trust="public")
    list_vehicle_models = get("/v2/vehicles/models", models.ListVehicleModels, models.Envelope[models.VehicleModel],
        "Read a page of vehicle models.", repeat="safe", trust="public")
    get_vehicle_model = get("/v2/vehicles/models/{id}", models.ByNumber, models.VehicleModel,
        "Read a vehicle model.", repeat="safe", trust="public")
    list_vehicle_makes = get("/v2/vehicles/makes", models.ListVehicleMakes, models.Envelope[models.VehicleMake],
        "Read a page of makes of vehicles.", repeat="safe", trust="public")
    get_vehicle_make = get("/v2/vehicles/makes/{id}", models.ByNumber, models.VehicleMake,
        "Read a make of vehicles.", repeat="safe", trust="public")

    # openOBD sessions
    list_openobd_sessions = get("/v2/open-obd/sessions", models.ListOpenobdSessions,
        models.Envelope[models.OpenobdSession], "Read a page of sessions.", repeat="safe", trust="public")
    get_openobd_session = get("/v2/open-obd/sessions/{id}", models.ById, models.OpenobdSession,
        "Read a session.", repeat="safe", trust="public")
    interrupt_openobd_session = put("/v2/open-obd/sessions/{id}/interrupt", models.ById,
        models.InterruptedSession, "Interrupt a session; it may only be accepted, and done a little later.",
        repeat="safe", trust="public")

    # Events
    list_system_events = get("/v2/system/events", models.ListSystemEvents, models.Envelope[models.SystemEvent],
        "Read what happened after an event or a moment.", repeat="safe", trust="public")
    # fmt: on

    @classmethod
    def connect(cls, account: JifelineSettings, **options: Unpack[Options]) -> Self:
        """Return a client of an account."""
        auth = JifelineApp(account.client_id, account.client_secret, account.token_url, account.api_key)
        return cls(account.base_url, auth, **options)

    @classmethod
    def decode(cls, operation: Operation[..., Any], response: httpx.Response) -> Any:
        """Return the JSON of a good answer, which a change may leave out; failures have a problem body."""
        changes = issubclass(operation.answer, models.Change)
        if changes and (record := _pointed_to(response)):
            return {"id": record}
        if not response.is_success:
            raise _failure(operation, response)
        try:
            value = None if changes and not response.content.strip() else json_value(response)
        except ValueError:
            raise operation.error(UnexpectedAnswer, response, _quoted(operation, response)) from None
        return _changed(operation, response, value) if changes else value


class JifelineApp(SessionAuth):
    """
    An application's id and secret, traded for tokens.

    Args:
        client_id: its id.
        client_secret: its secret; it goes to the token address only.
        token_url: the whole address of the token request, if it is not `/oauth2/token` at the API.
        api_key: the key that the API asked for beside the token in its older days, if it still does.
    """

    def __init__(
        self,
        client_id: str,
        client_secret: SecretStr,
        token_url: str | None = None,
        api_key: SecretStr | None = None,
    ) -> None:
        if not (client_id and client_secret.get_secret_value()):
            raise ConfigurationError("The Jifeline client's id or secret is empty. Set it again.")
        self.client_id = client_id
        self.client_secret = client_secret
        self.token_url = checked_address(token_url) if token_url else None
        self.api_key = sendable("Jifeline API key", api_key) if api_key else None

    def prepare_login(self, request: httpx.Request) -> httpx.Request:
        """Return the token request of OAuth 2: a form, sent to the address of the tokens."""
        form = {
            "grant_type": "client_credentials",
            "client_id": self.client_id,
            "client_secret": self.client_secret.get_secret_value(),
        }
        url = self.token_url or request.url
        token_request = httpx.Request(
            request.method, url, headers=HEADERS, data=form, extensions=request.extensions
        )
        return token_request if self.token_url else self._keyed(token_request)

    def login_request(self, base_url: str) -> httpx.Request:
        """Return the token request that `prepare_login` completes."""
        return JifelineClient.fetch_token.request(base_url)

    def open_session(self, _base_url: str, answer: httpx.Response, session: Session) -> None:
        """Use the token until shortly before it ends."""
        issued = JifelineClient.fetch_token.read(answer)
        token = issued.access_token.get_secret_value()
        if not is_sendable(token):
            raise JifelineClient.fetch_token.error(UnexpectedAnswer, answer, "the token cannot be sent")
        session.open(token, seconds=max(issued.expires_in - MARGIN, issued.expires_in / 2))

    def authenticate(self, request: httpx.Request, session: Session) -> httpx.Request:
        """Return the request with the token in its header; it goes to the API's own address only."""
        request.headers["Authorization"] = f"Bearer {session.token}"
        return self._keyed(request)

    def session_ended(self, answer: httpx.Response) -> bool:
        """Return True for a 401, which did nothing."""
        return answer.status_code == httpx.codes.UNAUTHORIZED

    def _keyed(self, request: httpx.Request) -> httpx.Request:
        if self.api_key:
            request.headers["x-api-key"] = self.api_key.get_secret_value()
        return request


def _pointed_to(response: httpx.Response) -> str | None:
    """Return the id of the record to which the answer to a change points (303), and not to a page such as a log-in."""
    if response.status_code != httpx.codes.SEE_OTHER:
        return None
    place = _RECORD.fullmatch(response.headers.get("location", ""))
    return place["id"] if place else None


def _failure(operation: Operation[..., Any], response: httpx.Response) -> VendorError:
    """Return the error in a problem body; OAuth 2 has its own form, with a 400 for a wrong client."""
    value = loose_json(response)
    problem = value if isinstance(value, Mapping) else {}
    errors = problem.get("errors")
    rows = [row for row in errors if isinstance(row, Mapping)] if isinstance(errors, list) else []
    head = [problem.get(name) for name in ("error", "error_description")]
    head = [part for part in head if part] or [problem.get("detail") or problem.get("title")]
    texts = [str(part) for part in (*head, *map(_row, rows)) if part]
    wrong_client = operation.session == "opens" and problem.get("error") in _WRONG_CLIENT
    kind = NotAuthenticated if wrong_client else kind_of(response.status_code)
    facts = {"rows": rows} if kind is Refused else {}
    return operation.error(kind, response, "; ".join(texts) or start_of(response), **facts)


def _row(row: Mapping[str, Any]) -> str:
    return " ".join(str(row[name]) for name in ("field", "message") if row.get(name))


def _changed(operation: Operation[..., Any], response: httpx.Response, value: Any) -> Any:
    """Return the answer to a change, which may be unfinished (202) and may leave out a record whose id we sent."""
    unfinished = response.status_code == httpx.codes.ACCEPTED
    known = {"id": ""} if operation.placeholders and (unfinished or value is None) else {}
    value = {} if value is None else value
    return {**known, **value, "unfinished": unfinished} if isinstance(value, Mapping) else value


def _quoted(operation: Operation[..., Any], response: httpx.Response) -> str:
    """Return the start of an unreadable answer, unless it may hold a token."""
    return "" if operation.session == "opens" else start_of(response)
