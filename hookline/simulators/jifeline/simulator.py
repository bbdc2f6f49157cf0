"""
A stand-in for Jifeline's Partner API: tickets and what belongs to them, its feed of events, openOBD sessions.

Records have the fields that the vendor's reference publishes. What is not known stands in the table of facts.
"""

import copy
import hmac
import operator
import re
import secrets
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from http.client import responses
from typing import Any
from urllib.parse import parse_qsl

from starlette.responses import JSONResponse, Response

from hookline.simulators.control import Call, RefusedError, control, control_order, operation
from hookline.simulators.faults import InvalidControlError, is_number
from hookline.simulators.jifeline import tickets
from hookline.simulators.jifeline.events import ulid
from hookline.simulators.jifeline.queries import (
    USUAL_ROWS,
    Filter,
    after,
    applied,
    before,
    containing,
    envelope,
    invalid,
    matching,
    number,
    present,
    same,
    truth,
    value,
    whole,
    word,
)
from hookline.simulators.jifeline.seed import PRICES, Seed
from hookline.simulators.records import Clock, Document, Listing, RecordSimulator, Tokens, row, rows

CLIENT_ID = "sandbox-jifeline"
CLIENT_SECRET = "sandbox-jifeline-secret"  # noqa: S105  (opens nothing but the sandbox)

FIRST_TICKET = datetime(2025, 1, 1, tzinfo=UTC).timestamp()
MAX_REFERENCE = 255
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
VIN = re.compile(r"[0-9A-Z]{17}")
VOUCHER = re.compile(r"[0-9A-Z]{4,8}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")

BY_NUMBER = {"ticket_number": Filter("ticket_number", whole())}
OF_CUSTOMER = {"customer_id": same("customer_id")}
CREATED = {"created_after": after("created_at"), "created_before": before("created_at")}
PREPARED = OF_CUSTOMER | CREATED
PROCESSED = BY_NUMBER | {"externally_processed": Filter("externally_processed", truth)}
TICKETS = PROCESSED | OF_CUSTOMER | {"state": Filter("state", word(*tickets.STATES))}  # fact: ticket-filters
CLOSED = PROCESSED | {"finished_after": after("finished_at"), "finished_before": before("finished_at")}
LINES = {"ticket_id": same("ticket_id")}
EMPLOYEES = OF_CUSTOMER | {"enabled": Filter("enabled", truth)}
CONTACT_POINTS = OF_CUSTOMER | {"location_id": same("location_id")}
CONNECTORS = OF_CUSTOMER | {
    "name": containing("name"),
    "assigned": present("customer_id"),
    "type": Filter("type", word("physical", "virtual")),
}
PRODUCTS = {"product_number": same("product_number"), "type": same("type")}
VEHICLES = {"vin": same("vin"), "license_plate": same("license_plate")}  # fact: vehicles
MODELS = {"make_id": Filter("make_id", whole()), "model_group_id": Filter("model_group_id", whole())}
EVENTS = {
    "after_id": Filter("id", ulid, operator.gt),
    "occurred_after": after("occurred_at"),
    "type": same("type"),
}


class JifelineSimulator(RecordSimulator):
    """Jifeline's Partner API with one set of client credentials."""

    vendor = "jifeline"

    # fmt: off
    list_prepared_tickets    = rows("/v2/tickets/prepared-tickets", "tickets", PREPARED, state="prepared")
    list_pending_tickets     = rows("/v2/tickets/pending-tickets", "tickets", BY_NUMBER, state="pending")
    list_in_progress_tickets = rows("/v2/tickets/in-progress-tickets", "tickets", BY_NUMBER, state="in_progress")
    list_outsourced_tickets  = rows("/v2/tickets/outsourced-tickets", "tickets", BY_NUMBER, state="outsourced")
    list_closed_tickets      = rows("/v2/tickets/closed-tickets", "tickets", CLOSED, state="closed")
    list_cancelled_tickets   = rows("/v2/tickets/cancelled-tickets", "tickets", BY_NUMBER, state="cancelled")
    list_tickets             = rows("/v2/tickets/tickets", "tickets", TICKETS)

    list_customers      = rows("/v2/customers/customers", "customers", {})
    get_customer        = row("/v2/customers/customers/{id}", "customers")
    list_locations      = rows("/v2/customers/locations", "locations", OF_CUSTOMER)
    get_location        = row("/v2/customers/locations/{id}", "locations")
    get_employee        = row("/v2/customers/employees/{id}", "employees")
    list_contact_points = rows("/v2/customers/contact-points", "contact_points", CONTACT_POINTS)
    get_contact_point   = row("/v2/customers/contact-points/{id}", "contact_points")
    list_connectors     = rows("/v2/customers/connectors", "connectors", CONNECTORS)
    get_connector       = row("/v2/customers/connectors/{id}", "connectors")
    list_products       = rows("/v2/products/products", "products", PRODUCTS)
    get_product         = row("/v2/products/products/{id}", "products")
    list_providers      = rows("/v2/providers/providers", "providers", {})
    get_provider        = row("/v2/providers/providers/{id}", "providers")
    list_vehicles       = rows("/v2/vehicles/vehicles", "vehicles", VEHICLES)
    get_vehicle         = row("/v2/vehicles/vehicles/{id}", "vehicles")
    list_vehicle_models = rows("/v2/vehicles/models", "models", MODELS)
    get_vehicle_model   = row("/v2/vehicles/models/{id}", "models")
    list_vehicle_makes  = rows("/v2/vehicles/makes", "makes", {})
    get_vehicle_make    = row("/v2/vehicles/makes/{id}", "makes")
    # fmt: on

    def __init__(
        self, *, expires_in: int = 3600, cached_for: float = 1800, clock: Clock = time.monotonic
    ) -> None:
        self.expires_in = expires_in
        """Seconds for which a token is good at least."""
        self.cached_for = cached_for
        """
        Seconds in which asking again gives the same token, with the same `expires_in`. So that this is true
        of the last one, a token lives for both together: the 90 minutes of the vendor's text.
        """
        self._tokens: Tokens[bool] = Tokens(clock)
        self._cached: Tokens[str] = Tokens(clock)
        self._last_number = 0
        super().__init__()

    def seed(self) -> None:
        """Set up two customers with vehicles and connectors, tickets in every state, three sessions."""
        self._data = Seed()
        self.tables = self._data.tables
        self.end_sessions()
        self._stopping: set[str] = set()

    def records(self) -> Document:
        """Return everything that is stored, and every event."""
        more = {
            "product_lines": self._data.lines,
            "messages": self._data.messages,
            "events": self._data.feed.events,
        }
        return super().records() | copy.deepcopy(more)

    def end_sessions(self) -> None:
        """Let every token lapse, the one that would be given again included."""
        self._tokens.clear()
        self._cached.clear()

    # The vendor's manners

    def authorize(self, call: Call) -> None:
        """Let a live token in."""
        scheme, _, token = call.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not self._tokens.get(token.strip()):
            raise RefusedError(401, "The access token is missing, wrong or has expired.")

    def render(self, call: Call, value: Any) -> Response:
        """Answer 201 for what was created, otherwise 200."""
        return JSONResponse(self._spoken(value), 201 if call.request.method == "POST" else 200)

    def _spoken(self, value: Any) -> Any:
        """Return a value as this dialect writes its times and what is not set."""
        match value:
            case Mapping():
                left_out = self.dialect["unset-fields"] == "absent"
                kept = {name: each for name, each in value.items() if not (left_out and each is None)}
                return {name: self._spoken(each) for name, each in kept.items()}
            case list():
                return [self._spoken(each) for each in value]
            case str() if TIME.fullmatch(value):
                return self._time(value)
            case _:
                return value

    def _time(self, text: str) -> str:
        match self.dialect["times"]:
            case "offset":
                return datetime.fromisoformat(text).astimezone(timezone(timedelta(hours=1))).isoformat()
            case "fraction":
                return text.replace("Z", ".000+0000")
            case _:
                return text

    def refusal(self, error: RefusedError) -> Response:
        """Answer a problem; in one dialect, one about the input has a row for the field."""
        problem: Document = {
            "type": "about:blank",
            "title": responses.get(error.status, "Error"),
            "status": error.status,
            "detail": error.message,
        }
        if error.status == 400 and self.dialect["refusal-rows"] == "rows":  # noqa: PLR2004
            problem["errors"] = [{"field": error.code, "message": error.message}]
        headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else None  # noqa: PLR2004
        return JSONResponse(problem, error.status, headers, media_type="application/problem+json")

    def body(self, call: Call) -> Document:
        """Return the JSON object in the body."""
        return call.document(lambda why: invalid("body", why))

    def listed(self, call: Call, listing: Listing) -> Document:
        """Answer a page of a list, whose rows have the fields of that list; of tickets the newest first."""
        found, filters = self.select(listing), listing.filters
        if listing.table != "tickets":
            return envelope(call, found, filters)
        state = listing.where.get("state")
        if state == "closed" and self.dialect["closed-tickets-filters"] == "ignored":
            filters = BY_NUMBER
        page = envelope(call, found[::-1], filters)
        fields = tickets.FIELDS_IN[state] if state else tickets.FIELDS
        return page | {"result": [_with_fields(each, fields) for each in page["result"]]}

    @operation("POST", "/oauth2/token", public=True)
    def fetch_token(self, call: Call) -> Response:
        """Answer a token for the client's credentials, in a form; within its window the same one again."""
        if not call.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            return _oauth_error(400, "invalid_request")
        form = dict(parse_qsl(call.content.decode("latin-1")))
        if form.get("grant_type") != "client_credentials":
            return _oauth_error(400, "unsupported_grant_type")
        credentials = f"{form.get('client_id')}\n{form.get('client_secret')}"
        if not hmac.compare_digest(credentials.encode(), f"{CLIENT_ID}\n{CLIENT_SECRET}".encode()):
            return _oauth_error(
                401 if self.dialect["wrong-client"] == "unauthorized" else 400, "invalid_client"
            )
        token = {"access_token": self._token(), "expires_in": self.expires_in, "token_type": "Bearer"}
        return JSONResponse(token, headers={"Cache-Control": "no-store"})

    def _token(self) -> str:
        token = self._cached.get("")
        if token is None:
            token = self._cached.add("", self.cached_for, secrets.token_urlsafe(48))
            self._tokens.add(token, self.cached_for + self.expires_in, opens=True)
        return token

    # Tickets

    @operation("GET", "/v2/tickets/tickets/{id}")
    def get_ticket(self, call: Call) -> Any:
        """Answer a ticket, without what is its own in one state."""
        return _with_fields(self.tables["tickets"].one(call.path["id"].lower()), tickets.FIELDS)

    @operation("GET", "/v2/tickets/product-lines")
    def list_product_lines(self, call: Call) -> Any:
        """Answer what was done, on one ticket or on all."""  # fact: product-lines-path
        filters = LINES if self.dialect["product-lines-filter"] == "filtered" else {}
        return envelope(call, self._data.lines, filters)

    @operation("PUT", "/v2/tickets/tickets/{id}")
    def mark_ticket_processed(self, call: Call) -> Any:
        """Set what the vendor stores for others and never reads; what is left out stays."""  # fact: mark-path
        ticket = self.tables["tickets"].one(call.path["id"].lower())
        body = self.body(call)
        marks: Document = {}
        if "external_reference" in body:
            marks["external_reference"] = _reference(body, "external_reference")
        if "externally_processed" in body:
            marks["externally_processed"] = body["externally_processed"]
            if not isinstance(marks["externally_processed"], bool):
                raise invalid("externally_processed", "must be true or false")
        ticket |= marks
        match self.dialect["mark-answer"]:
            case "accepted":
                return Response(status_code=202)
            case "empty":
                return Response(status_code=204)
            case "see-other":
                return _see(ticket)
            case _:
                return _with_fields(ticket, tickets.FIELDS)

    @operation("POST", "/v2/tickets/prepared-tickets")
    def create_prepared_ticket(self, call: Call) -> Any:
        """Prepare a ticket for a customer's vehicle, another one each time."""  # fact: prepared-inputs
        body = self.body(call)
        customer_id = str(body.get("customer_id") or "").lower()
        if self.tables["customers"].get(customer_id) is None:
            raise invalid("customer_id", "must be the id of a customer")
        model = body.get("vehicle_model_id")
        if model is not None and not (isinstance(model, int) and self.tables["models"].get(model)):
            raise invalid("vehicle_model_id", "must be the number of a vehicle model")
        inputs = {
            "vehicle_model_id": model,
            "vin": _matched(body, "vin", VIN, "must be 17 capital letters and digits"),
            "preparer_external_reference": _reference(body, "preparer_external_reference"),
        }
        voucher = _matched(body, "voucher_code", VOUCHER, "must be 4 to 8 capital letters and digits")
        ticket = self._open(customer_id, inputs | ({"voucher_code": voucher} if voucher else {}))
        return _see(ticket) if self.dialect["prepared-answer"] == "see-other" else ticket

    @operation("GET", "/v2/tickets/messenger-channel/messages")
    def list_channel_messages(self, call: Call) -> Any:
        """Answer a channel's messages, oldest first, and where to go on."""  # fact: message-order
        channel = call.query.get("channel_id", "").lower()
        if not UUID.fullmatch(channel):
            raise invalid("channel_id", "must be the id of a channel")
        sides = ("customer_channel_id", "operator_channel_id")
        if not any(channel == each.get(side) for each in self.tables["tickets"] for side in sides):
            raise RefusedError(404, f"There is no channel {channel}.")
        messages = self._data.messages.get(channel, [])
        limit = number(call.query, "limit", USUAL_ROWS)
        start = 0
        if "next_token" in call.query:
            start = next((i for i, one in enumerate(messages) if one["id"] == call.query["next_token"]), -1)
            if start < 0:
                raise invalid("next_token", "must be as it was answered")
        page, rest = messages[start : start + limit], messages[start + limit :]
        query = applied(call.query, ("channel_id", "next_token")) | {"limit": limit}
        return {"query": query, "result": page, "next_token": rest[0]["id"] if rest else None}

    def _open(self, customer_id: str, inputs: Document) -> Document:
        """Store a new ticket, and emit its event."""
        # Counted from the clock: a restarted sandbox must not use a number twice.
        self._last_number = max(self._last_number + 1, int((time.time() - FIRST_TICKET) * 1000))
        ticket = tickets.prepared(self._last_number, customer_id, datetime.now(UTC), **inputs)
        self._emit("created", ticket)
        return self.tables["tickets"].put(ticket)

    def _emit(self, kind: str, ticket: Document) -> None:
        customer = self.tables["customers"].one(ticket["customer_id"])
        self._data.feed.emit(kind, ticket, customer, datetime.now(UTC))

    # Customers

    @operation("GET", "/v2/customers/employees")
    def list_employees(self, call: Call) -> Any:
        """Answer employees, those who are enabled unless others are asked for."""
        enabled = value(call.query, "enabled", truth) if "enabled" in call.query else True
        found = [each for each in self.tables["employees"] if each["enabled"] is enabled]
        page = envelope(call, found, EMPLOYEES)
        return page | {"query": page["query"] | {"enabled": enabled}}

    # The work of workshops and operators, which the API does not offer

    @control("POST", "/_sandbox/tickets")
    def _create_ticket(self, call: Call) -> Any:
        order = control_order(call, "customer", "vehicle")
        return self.create_ticket(order.get("customer"), order.get("vehicle"))

    def create_ticket(self, customer: Any, vehicle: Any = None) -> Document:
        """
        Let a customer ask for help: a pending ticket, and the event about it.

        Args:
            customer: Id, reference or name.
            vehicle: Id, VIN or license plate, if it is known.

        Raises:
            InvalidControlError: there is no such customer or vehicle.
        """
        key = self.tables["customers"].named(customer, "id", "reference", "company_name")["id"]
        inputs: Document = {}
        if vehicle is not None:
            car = self.tables["vehicles"].named(vehicle, "id", "vin", "license_plate")
            inputs = {"vin": car["vin"], "vehicle_model_id": car["vehicle_model_id"]}
        ticket = self._open(key, inputs)
        tickets.submit(ticket, self._data.connector_of(key))
        return copy.deepcopy(ticket)

    @control("POST", "/_sandbox/tickets/{ticket}/close")
    def _close_ticket(self, call: Call) -> Any:
        order = control_order(call, "product_lines")
        return self.close_ticket(call.path["ticket"], order.get("product_lines", []))

    def close_ticket(self, ticket: str | int, product_lines: Any = ()) -> Document:
        """
        Let an operator close a ticket that is open; the feed has each product added and that it is closed.

        Args:
            ticket: Id or ticket number.
            product_lines: `product` (number, id or name), `quantity` (1 if left out) and `price` of one, in EUR
                (the product's own if left out), of each.

        Raises:
            InvalidControlError: there is no such ticket or product, the ticket has ended, or a line makes
                no sense.
        """
        open_ticket = self.tables["tickets"].named(ticket, "id", "ticket_number")
        if open_ticket["state"] in tickets.ENDED:
            raise InvalidControlError(f"ticket: {ticket} is {open_ticket['state']}")
        if not isinstance(product_lines, list | tuple):
            raise InvalidControlError("product_lines: must be a list")
        lines = [self._line(open_ticket, each) for each in product_lines]
        for _ in lines:
            self._emit("product_added", open_ticket)
        self._data.lines += lines
        tickets.close(open_ticket, datetime.now(UTC))
        self._emit("closed", open_ticket)
        return copy.deepcopy(open_ticket)

    def _line(self, ticket: Document, order: Any) -> Document:
        if not isinstance(order, Mapping) or not order.keys() <= {"product", "quantity", "price"}:
            raise InvalidControlError("product_lines: each has product, and may have quantity and price")
        product = self.tables["products"].named(order.get("product"), "id", "product_number", "name")
        quantity, price = order.get("quantity", 1), order.get("price", PRICES[product["product_number"]])
        if not is_number(quantity, low=1) or not isinstance(quantity, int):
            raise InvalidControlError("quantity: must be a whole number from 1 on")
        if not is_number(price, low=float("-inf")):
            raise InvalidControlError("price: must be a number")
        return tickets.product_line(ticket, product, quantity, price)

    # openOBD sessions

    @operation("GET", "/v2/open-obd/sessions")
    def list_openobd_sessions(self, call: Call) -> Any:
        """Answer sessions; the token of one that has begun is used up."""  # fact: session-token
        answer = envelope(call, copy.deepcopy(list(self.tables["sessions"])), {})
        for session in answer["result"]:
            self._interrupt_polled(session["id"])
        return answer

    @operation("GET", "/v2/open-obd/sessions/{id}")
    def get_openobd_session(self, call: Call) -> Any:
        """Answer a session."""
        session = dict(self._session(call))
        self._interrupt_polled(session["id"])
        return session

    @operation("PUT", "/v2/open-obd/sessions/{id}/interrupt")
    def interrupt_openobd_session(self, call: Call) -> Any:
        """Stop a session: at once if it has not begun, else one poll after it is accepted."""  # fact: interrupt-path
        session = self._session(call)
        if session["state"] in {"finished", "failed"}:
            raise RefusedError(409, f"The session is {session['state']}.")
        if session["state"] == "active":
            self._stopping.add(session["id"])
            return Response(status_code=202)
        session |= {"state": "interrupted", "authentication_token": None}
        return session

    def _session(self, call: Call) -> Document:
        return self.tables["sessions"].one(call.path["id"].lower())

    def _interrupt_polled(self, session: str) -> None:
        """Stop a session that is to stop, now that it was seen active once more."""
        if session in self._stopping:
            self._stopping.remove(session)
            self.tables["sessions"].one(session)["state"] = "interrupted"

    # Events

    @operation("GET", "/v2/system/events")
    def list_system_events(self, call: Call) -> Any:
        """Answer events after an id or a time, or of a type, oldest first; no total."""
        if len(EVENTS.keys() & call.query.keys()) > 1:
            raise invalid("", "Only one filter parameter per request can be used.")
        limit = number(call.query, "limit", USUAL_ROWS)
        found = matching(call.query, self._data.feed.events, EVENTS)
        return {"query": applied(call.query, EVENTS) | {"limit": limit}, "result": found[:limit]}


def _with_fields(ticket: Document, fields: Sequence[str]) -> Document:
    return {name: ticket.get(name) for name in fields}


def _see(ticket: Document) -> Response:
    """Answer where a ticket is, in place of the ticket."""
    return Response(status_code=303, headers={"Location": f"/v2/tickets/tickets/{ticket['id']}"})


def _reference(body: Document, name: str) -> str | None:
    """Return a text of ours that the vendor stores."""
    raw = body.get(name)
    if raw is not None and (not isinstance(raw, str) or len(raw) > MAX_REFERENCE):
        raise invalid(name, f"must be a text of at most {MAX_REFERENCE} characters")
    return raw


def _matched(body: Document, name: str, pattern: re.Pattern[str], complaint: str) -> str | None:
    raw = body.get(name)
    if raw is not None and not (isinstance(raw, str) and pattern.fullmatch(raw)):
        raise invalid(name, complaint)
    return raw


def _oauth_error(status: int, code: str) -> Response:
    """Answer an error of the token endpoint, in OAuth's own form."""
    return JSONResponse({"error": code}, status, {"Cache-Control": "no-store"})
