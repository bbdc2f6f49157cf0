"""Jifeline's seed data: a remote diagnosis firm with two garages for customers. Times count back from now."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from hookline.simulators.jifeline import tickets
from hookline.simulators.jifeline.events import Feed
from hookline.simulators.jifeline.tickets import OPERATOR, OUR_PROVIDER, Document, new_id, written

SANDBOX = uuid.UUID("0e9d3c52-7f1b-5a64-8b2d-31f0c6a4d7e8")
FIRST_NUMBER = 17_386_041
NOT_TAKEN_UP = 4


def fixed_id(name: str) -> str:
    """The same identifier for the same thing in every sandbox."""
    return str(uuid.uuid5(SANDBOX, name))


GARAGE, MOTORS = fixed_id("Mill Road Garage"), fixed_id("Elm Street Motors")
TRUCK_PARTNER = fixed_id("Trailer Remote")


@dataclass(slots=True)
class Seed:
    """What Jifeline holds, each kind by its identifier."""

    customers: dict[str, Document]
    connectors: dict[str, Document]
    products: dict[str, Document]
    providers: dict[str, Document]
    models: dict[str, Document]
    vehicles: dict[str, Document]
    sessions: dict[str, Document]
    tickets: dict[str, Document] = field(default_factory=dict)
    messages: dict[str, list[Document]] = field(default_factory=dict)
    """By channel."""
    feed: Feed = field(default_factory=Feed)


def seed() -> Seed:
    """Everything as it is in a new sandbox."""
    now = datetime.now(UTC)
    made = Seed(
        customers=_by_id(_customers(now)),
        connectors=_by_id(_connectors()),
        products=_by_id(_products()),
        providers=_by_id(_providers()),
        models=_by_id(_models()),
        vehicles=_by_id(_vehicles()),
        sessions=_by_id(_sessions(now)),
    )
    _add_tickets(made, now)
    return made


def _by_id(rows: Iterable[Document]) -> dict[str, Document]:
    return {str(row["id"]): row for row in rows}


def _customers(now: datetime) -> list[Document]:
    return [
        {
            "id": GARAGE,
            "name": "Mill Road Garage",
            "email": "office@millroadgarage.example",
            "phone": "+31 20 555 0131",
            "address": {
                "street": "Mill Road",
                "house_number": "14",
                "postal_code": "1052 AB",
                "city": "Amsterdam",
                "country": "NL",
            },
            "debtor_number": "3001",
            "branding": "default",
            "created_at": written(now - timedelta(days=412)),
        },
        {
            "id": MOTORS,
            "name": "Elm Street Motors",
            "email": "workshop@elmstreetmotors.example",
            "phone": "+31 30 555 0178",
            "address": {
                "street": "Elm Street",
                "house_number": "203b",
                "postal_code": "3512 KL",
                "city": "Utrecht",
                "country": "NL",
            },
            "debtor_number": "3002",
            "branding": "default",
            "created_at": written(now - timedelta(days=187)),
        },
    ]


def _connectors() -> list[Document]:
    rows = (
        ("23568", GARAGE, "physical", "2.1", "4.18.3", "40713"),
        ("23571", GARAGE, "physical", "2.1", "4.18.3", "95526"),
        ("24102", MOTORS, "physical", "2.2", "4.19.0", "11840"),
        ("90017", MOTORS, "virtual", None, "4.19.0", "73309"),
        ("24977", None, "physical", "2.2", "4.19.0", "60258"),  # on the shelf
    )
    return [
        {
            "id": fixed_id(f"connector {name}"),
            "customer_id": customer,
            "name": name,
            "type": kind,
            "hardware_version": hardware,
            "software_version": software,
            "pin": pin,
        }
        for name, customer, kind, hardware, software, pin in rows
    ]


def _products() -> list[Document]:
    rows: tuple[tuple[str, str, str, float | None, bool], ...] = (
        ("DIAG-INIT", "Initialise trailer module", "The module is told of the tow bar.", 85.0, True),
        ("DIAG-CODE", "Code a control unit", "A replaced unit is coded to the vehicle.", 120.0, True),
        ("DIAG-CALIB", "Calibrate a camera", "Static calibration of one camera.", 145.0, True),
        ("DIAG-READ", "Read trouble codes", "Replaced by the connector's own report.", None, False),
    )
    return [
        {
            "id": fixed_id(code),
            "code": code,
            "name": name,
            "description": description,
            "price": price,
            "active": active,
        }
        for code, name, description, price, active in rows
    ]


def _providers() -> list[Document]:
    return [
        {"id": OUR_PROVIDER, "name": "Hookline Sandbox Diagnostics"},
        {"id": TRUCK_PARTNER, "name": "Trailer Remote"},
        {"id": fixed_id("Camera Works"), "name": "Camera Works"},
    ]


def _models() -> list[Document]:
    rows = (
        (5101, "Trek 2.0", 51, "Halden"),
        (5104, "Trek Estate", 51, "Halden"),
        (6212, "Corvo 1.2", 62, "Bellamy"),
        (7030, "Haul 350", 70, "Nordvan"),
    )
    return [
        {"id": key, "name": name, "make_id": make, "make_name": make_name}
        for key, name, make, make_name in rows
    ]


def _vehicles() -> list[Document]:
    rows = (
        ("XHDTR20B7NA104466", "J-482-KX", 5101),
        ("XHDTE15C4PA220917", "N-071-GB", 5104),
        ("YBLCV12A9MB003381", "L-955-ZT", 6212),
        ("ZNVHL350XRC417702", "V-306-HN", 7030),
    )
    return [
        {"id": fixed_id(vin), "vin": vin, "license_plate": plate, "vehicle_model_id": model}
        for vin, plate, model in rows
    ]


def _sessions(now: datetime) -> list[Document]:
    """One that waits for its program, one whose program has used the token up, and one that is over."""
    rows = (("available", new_id(), 2), ("active", None, 11), ("finished", None, 190))
    return [
        {
            "id": fixed_id(f"session {state}"),
            "state": state,
            "authentication_token": token,
            "created_at": written(now - timedelta(minutes=minutes)),
            "grpc_endpoint": "grpc.openobd.example:443",
        }
        for state, token, minutes in rows
    ]


def _add_tickets(made: Seed, now: datetime) -> None:
    """A ticket or more in each state; what happened to them, in the order in which it did."""
    happened: list[tuple[datetime, str, Document]] = []

    def opened(name: str, customer: str, vehicle: str, hours: float, **given: Any) -> Document:
        found = made.vehicles[fixed_id(vehicle)]
        at = now - timedelta(hours=hours)
        ticket = tickets.prepared(
            FIRST_NUMBER + len(made.tickets),
            customer,
            at,
            key=fixed_id(f"ticket {name}"),
            vin=found["vin"],
            vehicle_model_id=found["vehicle_model_id"],
            **given,
        )
        made.tickets[ticket["id"]] = ticket
        happened.append((at, "created", ticket))
        return ticket

    def submitted(name: str, customer: str, vehicle: str, hours: float, **given: Any) -> Document:
        ticket = opened(name, customer, vehicle, hours, **given)
        tickets.submit(ticket, _connector_of(made, customer))
        return ticket

    def closed(ticket: Document, hours: float, *codes: str) -> None:
        at = now - timedelta(hours=hours)
        tickets.take_up(ticket, at - timedelta(minutes=35))
        tickets.close(ticket, at, [tickets.product_line(made.products[fixed_id(code)]) for code in codes])
        happened.extend([(at, "product_added", ticket)] * len(codes))
        happened.append((at, "closed", ticket))

    billed = submitted("billed", GARAGE, "XHDTR20B7NA104466", 121, customer_reference="WO 5512")
    closed(billed, 119, "DIAG-CODE")
    billed |= {"external_reference": "billed by hand", "externally_processed": True}

    forgotten = submitted("forgotten", MOTORS, "YBLCV12A9MB003381", 76)
    tickets.cancel(forgotten, now - timedelta(hours=74), NOT_TAKEN_UP)
    happened.append((now - timedelta(hours=74), "cancelled", forgotten))

    trailer = submitted("trailer", GARAGE, "XHDTE15C4PA220917", 23, customer_reference="WO 5587")
    closed(trailer, 20, "DIAG-INIT")

    camera = submitted("camera", MOTORS, "YBLCV12A9MB003381", 6)
    closed(camera, 3, "DIAG-CODE", "DIAG-CALIB")

    truck = submitted("truck", MOTORS, "ZNVHL350XRC417702", 2.5)
    tickets.take_up(truck, now - timedelta(hours=2))
    tickets.outsource(truck, TRUCK_PARTNER)

    tickets.take_up(submitted("at work", GARAGE, "XHDTR20B7NA104466", 1), now - timedelta(minutes=40))
    submitted("waiting", MOTORS, "YBLCV12A9MB003381", 0.2)
    opened("planned", GARAGE, "XHDTE15C4PA220917", 0.1, preparer_external_reference="PLAN-118")

    for at, kind, ticket in sorted(happened, key=lambda one: one[0]):
        made.feed.tell(kind, ticket, made.customers[ticket["customer_id"]], at)
    _add_messages(made, trailer, now - timedelta(hours=22))


def _connector_of(made: Seed, customer: str) -> str:
    return next(key for key, each in made.connectors.items() if each["customer_id"] == customer)


def _add_messages(made: Seed, ticket: Document, start: datetime) -> None:
    workshop = {"id": fixed_id("mechanic"), "name": "Mill Road Garage", "type": "customer"}
    operator = {"id": OPERATOR, "name": "Remote operator", "type": "operator"}
    photo = {"name": "towbar.jpg", "content_type": "image/jpeg", "size": 184_220}
    talk: tuple[tuple[Document, str, Document | None], ...] = (
        (workshop, "Tow bar fitted, the trailer module does not answer.", None),
        (operator, "Thank you. Ignition on, please, and a charger on the battery.", None),
        (workshop, "", photo),
        (operator, "The module is initialised. Please try the lights.", None),
        (workshop, "All lights work, thanks!", None),
    )
    made.messages[ticket["customer_channel_id"]] = [
        {
            "id": new_id(),
            "content": content,
            "created_at": written(start + timedelta(minutes=4 * place)),
            "redacted": False,
            "sender": sender,
            "type": "attachment" if attachment else "text",
            "attachment": attachment,
        }
        for place, (sender, content, attachment) in enumerate(talk)
    ]
