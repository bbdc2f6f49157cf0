"""
A stand-in for Jifeline's Partner API: tickets and what belongs to them, its feed of events, openOBD sessions.

Facts and how far they are known: the vendor notes, section 2.
"""

import copy
import hmac
import operator
import re
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from http.client import responses
from typing import Any
from urllib.parse import parse_qsl

from starlette.responses import JSONResponse, Response

from hookline.simulators.control import Call, RefusedError, Simulator, control, control_order, operation
from hookline.simulators.faults import InvalidControlError
from hookline.simulators.jifeline import seed as jifeline_seed
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
    equal,
    invalid,
    matching,
    number,
    present,
    same,
    truth,
    whole,
    word,
)

Document = dict[str, Any]

CLIENT_ID = "sandbox-jifeline"
CLIENT_SECRET = "sandbox-jifeline-secret"  # noqa: S105  (opens nothing but the sandbox)

FIRST_TICKET = datetime(2025, 1, 1, tzinfo=UTC).timestamp()
LONGEST_REFERENCE = 255
VIN = re.compile(r"[0-9A-Z]{17}")
VOUCHER = re.compile(r"[0-9A-Z]{4,8}")

SESSION_STATES = ("available", "active", "interrupted", "finished", "failed")

LIST: dict[str, Filter] = {
    "ticket_number": equal("ticket_number", whole()),
    "customer_id": same("customer_id"),
    "created_after": after("created_at"),
    "created_before": before("created_at"),
}
PROCESSED = {"externally_processed": equal("externally_processed", truth)}
TICKETS = LIST | PROCESSED | {"state": equal("state", word(*tickets.STATES))}
ENDED = LIST | PROCESSED | {"finished_after": after("finished_at"), "finished_before": before("finished_at")}
NAMED = {"name": containing("name")}
CONNECTORS = NAMED | {
    "assigned": present("customer_id"),
    "customer_id": same("customer_id"),
    "type": equal("type", word("physical", "virtual")),
}
VEHICLES = {"vin": same("vin"), "license_plate": same("license_plate")}
SESSIONS = {"state": equal("state", word(*SESSION_STATES))}
EVENTS = {
    "after_id": Filter("id", ulid, operator.gt),
    "occurred_after": after("occurred_at"),
    "type": same("type"),
}


class JifelineSimulator(Simulator):
    """Jifeline's Partner API with one set of client credentials."""

    vendor = "jifeline"

    def __init__(
        self,
        *,
        expires_in: int = 3600,
        cached_for: float = 1800,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.expires_in = expires_in
        """Seconds for which a token is good at least."""
        self.cached_for = cached_for
        """
        Seconds in which asking again gives the same token, with the same `expires_in`. So that this is true
        of the last asked for, a token lives for both together: the 90 minutes that the vendor's text tells.
        """
        self._clock = clock
        self._last_number = 0
        super().__init__()

    def seed(self) -> None:
        """Two customers with vehicles and connectors, tickets in every state, three sessions; nobody logged in."""
        self._data = jifeline_seed.seed()
        self._tokens: dict[str, float] = {}
        self._cached: tuple[str, float] = ("", float("-inf"))
        self._stopping: set[str] = set()

    def records(self) -> dict[str, Any]:
        """Everything that is held, and every event."""
        data = self._data
        return copy.deepcopy(
            {
                "tickets": list(data.tickets.values()),
                "customers": list(data.customers.values()),
                "connectors": list(data.connectors.values()),
                "products": list(data.products.values()),
                "providers": list(data.providers.values()),
                "models": list(data.models.values()),
                "vehicles": list(data.vehicles.values()),
                "sessions": list(data.sessions.values()),
                "messages": data.messages,
                "events": data.feed.events,
            }
        )

    def end_sessions(self) -> None:
        """Let every token lapse, the one that would be given again included."""
        self._tokens.clear()
        self._cached = ("", float("-inf"))

    # The vendor's manners

    def authorize(self, call: Call) -> None:
        """Let a live token in."""
        scheme, _, token = call.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or self._tokens.get(token.strip(), float("-inf")) <= self._clock():
            raise RefusedError(401, "The access token is missing, wrong or has expired.")

    def render(self, call: Call, value: Any) -> Response:
        """201 for what was created, otherwise 200."""
        return JSONResponse(value, 201 if call.request.method == "POST" else 200)

    def refusal(self, error: RefusedError) -> Response:
        """A problem; one about the input names the field (assumed)."""
        problem: Document = {
            "type": "about:blank",
            "title": responses.get(error.status, "Error"),
            "status": error.status,
            "detail": error.message,
        }
        if error.status == 400:  # noqa: PLR2004
            problem["errors"] = [{"field": error.code, "message": error.message}]
        headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else None  # noqa: PLR2004
        return JSONResponse(problem, error.status, headers, media_type="application/problem+json")

    @operation("POST", "/oauth2/token", public=True)
    def fetch_token(self, call: Call) -> Response:
        """A token for the client's credentials, in a form; within its window the same one again."""
        if not call.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            return _oauth_error(400, "invalid_request")
        form = dict(parse_qsl(call.content.decode("latin-1")))
        if form.get("grant_type") != "client_credentials":
            return _oauth_error(400, "unsupported_grant_type")
        given = f"{form.get('client_id')}\n{form.get('client_secret')}"
        if not hmac.compare_digest(given.encode(), f"{CLIENT_ID}\n{CLIENT_SECRET}".encode()):
            return _oauth_error(401, "invalid_client")
        token = {"access_token": self._token(), "expires_in": self.expires_in, "token_type": "Bearer"}
        return JSONResponse(token, headers={"Cache-Control": "no-store"})

    def _token(self) -> str:
        now = self._clock()
        token, until = self._cached
        if until <= now:
            token = secrets.token_urlsafe(48)
            self._cached = (token, now + self.cached_for)
            self._tokens = {each: end for each, end in self._tokens.items() if end > now}
            self._tokens[token] = now + self.cached_for + self.expires_in
        return token

    # Tickets

    @operation("GET", "/v2/tickets/tickets")
    def list_tickets(self, call: Call) -> Any:
        """Tickets of every state, the newest first."""
        return envelope(call.query, reversed(self._data.tickets.values()), TICKETS)

    @operation("GET", "/v2/tickets/tickets/{id}")
    def get_ticket(self, call: Call) -> Any:
        """A ticket; by its id, not by its number."""
        return _one(self._data.tickets, "ticket", call)

    @operation("PUT", "/v2/tickets/tickets/{id}")
    def mark_ticket_processed(self, call: Call) -> Any:
        """Set what the vendor keeps for others and never looks at; what is left out stays (assumed)."""
        ticket = _one(self._data.tickets, "ticket", call)
        body = _body(call)
        marks: Document = {}
        if "external_reference" in body:
            marks["external_reference"] = _reference(body, "external_reference")
        if "externally_processed" in body:
            marks["externally_processed"] = body["externally_processed"]
            if not isinstance(marks["externally_processed"], bool):
                raise invalid("externally_processed", "must be true or false")
        ticket |= marks
        return ticket

    @operation("GET", "/v2/tickets/prepared-tickets")
    def list_prepared_tickets(self, call: Call) -> Any:
        """Tickets that wait for the workshop."""
        return envelope(call.query, self._in("prepared"), LIST)

    @operation("POST", "/v2/tickets/prepared-tickets")
    def create_prepared_ticket(self, call: Call) -> Any:
        """Prepare a ticket for a customer's vehicle, another one each time."""
        body = _body(call)
        customer_id = str(body.get("customer_id") or "").lower()
        if customer_id not in self._data.customers:
            raise invalid("customer_id", "must be the id of a customer")
        model = body.get("vehicle_model_id")
        if model is not None and not (isinstance(model, int) and str(model) in self._data.models):
            raise invalid("vehicle_model_id", "must be the number of a vehicle model")
        given = {
            "vehicle_model_id": model,
            "vin": _matched(body, "vin", VIN, "must be 17 capital letters and digits"),
            "preparer_external_reference": _reference(body, "preparer_external_reference"),
        }
        voucher = _matched(body, "voucher_code", VOUCHER, "must be 4 to 8 capital letters and digits")
        if voucher:
            given["voucher_code"] = voucher
        return self._open(customer_id, given)

    @operation("GET", "/v2/tickets/pending-tickets")
    def list_pending_tickets(self, call: Call) -> Any:
        """Tickets that wait for an operator."""
        return envelope(call.query, self._in("pending"), LIST)

    @operation("GET", "/v2/tickets/in-progress-tickets")
    def list_in_progress_tickets(self, call: Call) -> Any:
        """Tickets on which an operator works."""
        return envelope(call.query, self._in("in_progress"), LIST)

    @operation("GET", "/v2/tickets/outsourced-tickets")
    def list_outsourced_tickets(self, call: Call) -> Any:
        """Tickets that another provider has."""
        return envelope(call.query, self._in("outsourced"), LIST)

    @operation("GET", "/v2/tickets/closed-tickets")
    def list_closed_tickets(self, call: Call) -> Any:
        """Tickets whose work is done."""
        return envelope(call.query, self._in("closed"), ENDED)

    @operation("GET", "/v2/tickets/cancelled-tickets")
    def list_cancelled_tickets(self, call: Call) -> Any:
        """Tickets that came to nothing."""
        return envelope(call.query, self._in("cancelled"), ENDED)

    @operation("GET", "/v2/tickets/messenger-channel/messages")
    def list_channel_messages(self, call: Call) -> Any:
        """A channel's messages, oldest first, and where to go on; a limit is taken too (assumed)."""
        channel = call.query.get("channel_id", "").lower()
        if not channel:
            raise invalid("channel_id", "must be given")
        if not any(
            channel in (each.get("customer_channel_id"), each.get("operator_channel_id"))
            for each in self._data.tickets.values()
        ):
            raise _missing("channel", channel)
        messages = self._data.messages.get(channel, [])
        limit = number(call.query, "limit", USUAL_ROWS)
        start = 0
        if "next_token" in call.query:
            ids = {each["id"]: place for place, each in enumerate(messages)}
            start = ids.get(call.query["next_token"], -1)
            if start < 0:
                raise invalid("next_token", "must be as it was told")
        page, rest = messages[start : start + limit], messages[start + limit :]
        asked = applied(call.query, ("channel_id", "next_token")) | {"limit": limit}
        return {"query": asked, "result": page, "next_token": rest[0]["id"] if rest else None}

    def _in(self, state: str) -> Iterable[Document]:
        return (each for each in reversed(self._data.tickets.values()) if each["state"] == state)

    def _open(self, customer_id: str, given: Document) -> Document:
        """Keep a new ticket, and tell of it."""
        ticket = tickets.prepared(self._ticket_number(), customer_id, datetime.now(UTC), **given)
        self._data.tickets[ticket["id"]] = ticket
        self._tell("created", ticket)
        return ticket

    def _ticket_number(self) -> int:
        """The next number. Counted from the clock: a restarted sandbox must not use a number twice."""
        self._last_number = max(self._last_number + 1, int((time.time() - FIRST_TICKET) * 1000))
        return self._last_number

    def _tell(self, kind: str, ticket: Document) -> None:
        customer = self._data.customers[ticket["customer_id"]]
        self._data.feed.tell(kind, ticket, customer, datetime.now(UTC))

    # What workshops and operators do, which the API does not offer

    @control("POST", "/_sandbox/tickets")
    def _create_ticket(self, call: Call) -> Any:
        order = control_order(call, "customer", "vehicle")
        return self.create_ticket(order.get("customer"), order.get("vehicle"))

    def create_ticket(self, customer: Any, vehicle: Any = None) -> Document:
        """
        A customer asks for help: a pending ticket, and the event that tells of it.

        Args:
            customer: Id, debtor number or name.
            vehicle: Id, VIN or license plate, if it is known.

        Raises:
            InvalidControlError: there is no such customer or vehicle.
        """
        found = _named(self._data.customers, "customer", customer, "id", "debtor_number", "name")
        given: Document = {}
        if vehicle is not None:
            car = _named(self._data.vehicles, "vehicle", vehicle, "id", "vin", "license_plate")
            given = {"vin": car["vin"], "vehicle_model_id": car["vehicle_model_id"]}
        ticket = self._open(found["id"], given)
        owned = (key for key, each in self._data.connectors.items() if each["customer_id"] == found["id"])
        tickets.submit(ticket, next(owned, None))
        return copy.deepcopy(ticket)

    @control("POST", "/_sandbox/tickets/{ticket}/close")
    def _close_ticket(self, call: Call) -> Any:
        order = control_order(call, "product_lines")
        return self.close_ticket(call.path["ticket"], order.get("product_lines", []))

    def close_ticket(self, ticket: str | int, product_lines: Any = ()) -> Document:
        """
        An operator closes a ticket that is open; the feed tells each product added and that it is closed.

        Args:
            ticket: Id or ticket number.
            product_lines: `product` (code, id or name), `quantity` (1 if left out) and `price` in EUR
                (the product's own if left out; may be none) of each.

        Raises:
            InvalidControlError: there is no such ticket or product, the ticket has ended, or a line makes
                no sense.
        """
        found = _named(self._data.tickets, "ticket", ticket, "id", "ticket_number")
        if found["state"] in tickets.ENDED:
            raise InvalidControlError(f"ticket: {ticket} is {found['state']}")
        if not isinstance(product_lines, list | tuple):
            raise InvalidControlError("product_lines: must be a list")
        lines = [self._line(each) for each in product_lines]
        for _ in lines:
            self._tell("product_added", found)
        tickets.close(found, datetime.now(UTC), lines)
        self._tell("closed", found)
        return copy.deepcopy(found)

    def _line(self, order: Any) -> Document:
        if not isinstance(order, Mapping) or not order.keys() <= {"product", "quantity", "price"}:
            raise InvalidControlError("product_lines: each has product, and may have quantity and price")
        product = _named(self._data.products, "product", order.get("product"), "id", "code", "name")
        quantity = order.get("quantity", 1)
        if not _is_number(quantity) or quantity <= 0:
            raise InvalidControlError("quantity: must be a number above 0")
        if order.get("price") is not None and not _is_number(order["price"]):
            raise InvalidControlError("price: must be a number, or none")
        price = {"price": order["price"]} if "price" in order else {}
        return tickets.product_line(product, quantity, **price)

    # Customers, products, providers and vehicles

    @operation("GET", "/v2/customers/customers")
    def list_customers(self, call: Call) -> Any:
        """Customers."""
        return envelope(call.query, self._data.customers.values(), NAMED)

    @operation("GET", "/v2/customers/customers/{id}")
    def get_customer(self, call: Call) -> Any:
        """A customer."""
        return _one(self._data.customers, "customer", call)

    @operation("GET", "/v2/customers/connectors")
    def list_connectors(self, call: Call) -> Any:
        """Connectors, with a customer or without."""
        return envelope(call.query, self._data.connectors.values(), CONNECTORS)

    @operation("GET", "/v2/customers/connectors/{id}")
    def get_connector(self, call: Call) -> Any:
        """A connector."""
        return _one(self._data.connectors, "connector", call)

    @operation("GET", "/v2/products/products")
    def list_products(self, call: Call) -> Any:
        """Products, those no longer offered included."""
        return envelope(call.query, self._data.products.values(), NAMED)

    @operation("GET", "/v2/products/products/{id}")
    def get_product(self, call: Call) -> Any:
        """A product."""
        return _one(self._data.products, "product", call)

    @operation("GET", "/v2/providers/providers")
    def list_providers(self, call: Call) -> Any:
        """Providers, ourselves included."""
        return envelope(call.query, self._data.providers.values(), NAMED)

    @operation("GET", "/v2/providers/providers/{id}")
    def get_provider(self, call: Call) -> Any:
        """A provider."""
        return _one(self._data.providers, "provider", call)

    @operation("GET", "/v2/vehicles/vehicles")
    def list_vehicles(self, call: Call) -> Any:
        """Vehicles."""
        return envelope(call.query, self._data.vehicles.values(), VEHICLES)

    @operation("GET", "/v2/vehicles/vehicles/{id}")
    def get_vehicle(self, call: Call) -> Any:
        """A vehicle."""
        return _one(self._data.vehicles, "vehicle", call)

    @operation("GET", "/v2/vehicles/models/{id}")
    def get_vehicle_model(self, call: Call) -> Any:
        """A vehicle model; its id is a number."""
        return _one(self._data.models, "vehicle model", call)

    # openOBD sessions

    @operation("GET", "/v2/open-obd/sessions")
    def list_openobd_sessions(self, call: Call) -> Any:
        """Sessions; the token of one that has begun is used up (assumed to be none)."""
        answer = envelope(call.query, copy.deepcopy(list(self._data.sessions.values())), SESSIONS)
        for session in answer["result"]:
            self._look_at(session["id"])
        return answer

    @operation("GET", "/v2/open-obd/sessions/{id}")
    def get_openobd_session(self, call: Call) -> Any:
        """A session."""
        session = dict(_one(self._data.sessions, "session", call))
        self._look_at(session["id"])
        return session

    @operation("PUT", "/v2/open-obd/sessions/{id}/interrupt")
    def interrupt_openobd_session(self, call: Call) -> Any:
        """Stop a session: at once if it has not begun, otherwise accepted, and done one look later (assumed)."""
        session = _one(self._data.sessions, "session", call)
        if session["state"] in {"finished", "failed"}:
            raise RefusedError(409, f"The session is {session['state']}.")
        if session["state"] == "active":
            self._stopping.add(session["id"])
            return Response(status_code=202)
        session |= {"state": "interrupted", "authentication_token": None}
        return session

    def _look_at(self, session: str) -> None:
        """Who looks at a session that is to stop sees it active once more."""
        if session in self._stopping:
            self._stopping.remove(session)
            self._data.sessions[session]["state"] = "interrupted"

    # Events

    @operation("GET", "/v2/system/events")
    def list_system_events(self, call: Call) -> Any:
        """Events after an id or a time, oldest first; no total."""
        limit = number(call.query, "limit", USUAL_ROWS)
        found = matching(call.query, self._data.feed.events, EVENTS)
        return {"query": applied(call.query, EVENTS) | {"limit": limit}, "result": found[:limit]}


def _one(rows: Mapping[str, Document], kind: str, call: Call) -> Document:
    """The row whose id is in the path."""
    key = call.path["id"].lower()
    if key not in rows:
        raise _missing(kind, key)
    return rows[key]


def _missing(kind: str, key: str) -> RefusedError:
    return RefusedError(404, f"There is no {kind} {key}.")


def _body(call: Call) -> Document:
    try:
        body = call.json()
    except ValueError:
        raise invalid("body", "must be JSON") from None
    if not isinstance(body, dict):
        raise invalid("body", "must be a JSON object")
    return body


def _reference(body: Document, name: str) -> str | None:
    """A text of ours that the vendor keeps."""
    given = body.get(name)
    if given is not None and (not isinstance(given, str) or len(given) > LONGEST_REFERENCE):
        raise invalid(name, f"must be a text of at most {LONGEST_REFERENCE} characters")
    return given


def _matched(body: Document, name: str, pattern: re.Pattern[str], complaint: str) -> str | None:
    given = body.get(name)
    if given is not None and not (isinstance(given, str) and pattern.fullmatch(given)):
        raise invalid(name, complaint)
    return given


def _oauth_error(status: int, code: str) -> Response:
    """An error of the token endpoint, in OAuth's own form."""
    return JSONResponse({"error": code}, status, {"Cache-Control": "no-store"})


def _named(rows: Mapping[str, Document], kind: str, wanted: Any, *names: str) -> Document:
    """The row of which one of these fields is what an order names."""
    for row in rows.values():
        if str(wanted) in {str(row[name]) for name in names}:
            return row
    raise InvalidControlError(f"{kind}: there is no {kind} {wanted!r}")


def _is_number(given: Any) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool)
