"""Jifeline's seed data: a remote diagnosis firm with two garages for customers. Times count back from now."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from hookline.simulators.jifeline import tickets
from hookline.simulators.jifeline.events import Feed
from hookline.simulators.jifeline.tickets import OPERATOR, OUR_PROVIDER, new_id, written
from hookline.simulators.records import Document, Kind, Table

SANDBOX = uuid.UUID("0e9d3c52-7f1b-5a64-8b2d-31f0c6a4d7e8")
FIRST_NUMBER = 17_386_041
NOT_BEGUN = 4
ENDPOINT = "grpc.openobd.example:443"


def fixed_id(name: str) -> str:
    """Return the same identifier for the same thing in every sandbox."""
    return str(uuid.uuid5(SANDBOX, name))


GARAGE, MOTORS = fixed_id("Mill Road Garage"), fixed_id("Elm Street Motors")
TRUCK_PARTNER = fixed_id("Trailer Remote")

KINDS = {
    "tickets": Kind("ticket", "id"),
    "customers": Kind("customer", "id name email phone address debtor_number branding created_at"),
    "connectors": Kind("connector", "id customer_id name type hardware_version software_version pin"),
    "products": Kind("product", "id code name description price active"),
    "providers": Kind("provider", "id name"),
    "models": Kind("vehicle model", "id name make_id make_name"),
    "vehicles": Kind("vehicle", "id vin license_plate vehicle_model_id"),
    "sessions": Kind("session", "id state authentication_token created_at grpc_endpoint"),
}

# fmt: off
CUSTOMERS = (
    (GARAGE, "Mill Road Garage", "office@millroadgarage.example", "+31 20 555 0131",
     ("Mill Road", "14", "1052 AB", "Amsterdam", "NL"), "3001", 412),
    (MOTORS, "Elm Street Motors", "workshop@elmstreetmotors.example", "+31 30 555 0178",
     ("Elm Street", "203b", "3512 KL", "Utrecht", "NL"), "3002", 187),
)
CONNECTORS = (
    (GARAGE, "23568", "physical", "2.1", "4.18.3", "40713"),
    (GARAGE, "23571", "physical", "2.1", "4.18.3", "95526"),
    (MOTORS, "24102", "physical", "2.2", "4.19.0", "11840"),
    (MOTORS, "90017", "virtual", None, "4.19.0", "73309"),
    (None, "24977", "physical", "2.2", "4.19.0", "60258"),  # on the shelf
)
PRODUCTS = (
    ("DIAG-INIT", "Initialise trailer module", "The module is told of the tow bar.", 85.0, True),
    ("DIAG-CODE", "Code a control unit", "A replaced unit is coded to the vehicle.", 120.0, True),
    ("DIAG-CALIB", "Calibrate a camera", "Static calibration of one camera.", 145.0, True),
    ("DIAG-READ", "Read trouble codes", "Replaced by the connector's own report.", None, False),
)
PROVIDERS = (
    (OUR_PROVIDER, "Hookline Sandbox Diagnostics"),
    (TRUCK_PARTNER, "Trailer Remote"),
    (fixed_id("Camera Works"), "Camera Works"),
)
MODELS = (
    (5101, "Trek 2.0", 51, "Halden"),
    (5104, "Trek Estate", 51, "Halden"),
    (6212, "Corvo 1.2", 62, "Bellamy"),
    (7030, "Haul 350", 70, "Nordvan"),
)
VEHICLES = (
    ("XHDTR20B7NA104466", "J-482-KX", 5101),
    ("XHDTE15C4PA220917", "N-071-GB", 5104),
    ("YBLCV12A9MB003381", "L-955-ZT", 6212),
    ("ZNVHL350XRC417702", "V-306-HN", 7030),
)
# One that waits for its program, one whose program has used the token up, and one that has ended; minutes ago
SESSIONS = (("available", 2), ("active", 11), ("finished", 190))

MECHANIC = {"id": fixed_id("mechanic"), "name": "Mill Road Garage", "type": "customer"}
REMOTE = {"id": OPERATOR, "name": "Remote operator", "type": "operator"}
PHOTO = {"name": "towbar.jpg", "content_type": "image/jpeg", "size": 184_220}
TALK: tuple[tuple[Document, str, Document | None], ...] = (
    (MECHANIC, "Tow bar fitted, the trailer module does not answer.", None),
    (REMOTE, "Thank you. Ignition on, please, and a charger on the battery.", None),
    (MECHANIC, "", PHOTO),
    (REMOTE, "The module is initialised. Please try the lights.", None),
    (MECHANIC, "All lights work, thanks!", None),
)
# fmt: on


class Seed:
    """The state of a new sandbox: its tables, the messages by channel, and the feed of what happened."""

    def __init__(self) -> None:
        self._now = datetime.now(UTC)
        rows: dict[str, tuple[tuple[Any, ...], ...]] = {
            "customers": tuple(self._customer(*each) for each in CUSTOMERS),
            "connectors": tuple((fixed_id(f"connector {each[1]}"), *each) for each in CONNECTORS),
            "products": tuple((fixed_id(each[0]), *each) for each in PRODUCTS),
            "providers": PROVIDERS,
            "models": MODELS,
            "vehicles": tuple((fixed_id(each[0]), *each) for each in VEHICLES),
            "sessions": tuple(self._session(*each) for each in SESSIONS),
        }
        self.tables = {name: Table(kind, kind.rows(*rows.get(name, ()))) for name, kind in KINDS.items()}
        self.messages: dict[str, list[Document]] = {}
        self.feed = Feed()
        self._happened: list[tuple[datetime, str, Document]] = []
        self._add_tickets()
        for at, kind, ticket in sorted(self._happened, key=lambda one: one[0]):
            self.feed.emit(kind, ticket, self.tables["customers"].one(ticket["customer_id"]), at)

    def connector_of(self, customer: str) -> str | None:
        """Return the first connector of a customer, if there is one."""
        owned = (each["id"] for each in self.tables["connectors"] if each["customer_id"] == customer)
        return next(owned, None)

    def _ago(self, **time: float) -> datetime:
        return self._now - timedelta(**time)

    def _customer(
        self, key: str, name: str, email: str, phone: str, place: tuple[str, ...], debtor: str, days: int
    ) -> tuple[Any, ...]:
        names = ("street", "house_number", "postal_code", "city", "country")
        address = dict(zip(names, place, strict=True))
        return key, name, email, phone, address, debtor, "default", written(self._ago(days=days))

    def _session(self, state: str, minutes: int) -> tuple[Any, ...]:
        token = new_id() if state == "available" else None
        return fixed_id(f"session {state}"), state, token, written(self._ago(minutes=minutes)), ENDPOINT

    # Tickets: one or more in each state

    def _add_tickets(self) -> None:
        billed = self._submitted("billed", GARAGE, "XHDTR20B7NA104466", 121, customer_reference="WO 5512")
        self._close(billed, 119, "DIAG-CODE")
        billed |= {"external_reference": "billed by hand", "externally_processed": True}

        forgotten = self._submitted("forgotten", MOTORS, "YBLCV12A9MB003381", 76)
        tickets.cancel(forgotten, self._ago(hours=74), NOT_BEGUN)
        self._happened.append((self._ago(hours=74), "cancelled", forgotten))

        trailer = self._submitted("trailer", GARAGE, "XHDTE15C4PA220917", 23, customer_reference="WO 5587")
        self._close(trailer, 20, "DIAG-INIT")
        self._add_messages(trailer, self._ago(hours=22))

        camera = self._submitted("camera", MOTORS, "YBLCV12A9MB003381", 6)
        self._close(camera, 3, "DIAG-CODE", "DIAG-CALIB")

        truck = self._submitted("truck", MOTORS, "ZNVHL350XRC417702", 2.5)
        tickets.begin(truck, self._ago(hours=2))
        tickets.outsource(truck, TRUCK_PARTNER)

        tickets.begin(self._submitted("at work", GARAGE, "XHDTR20B7NA104466", 1), self._ago(minutes=40))
        self._submitted("waiting", MOTORS, "YBLCV12A9MB003381", 0.2)
        self._opened("planned", GARAGE, "XHDTE15C4PA220917", 0.1, preparer_external_reference="PLAN-118")

    def _opened(self, name: str, customer: str, vehicle: str, hours: float, **inputs: Any) -> Document:
        car, at = self.tables["vehicles"].one(fixed_id(vehicle)), self._ago(hours=hours)
        inputs |= {name: car[name] for name in ("vin", "vehicle_model_id")}
        number = FIRST_NUMBER + len(self.tables["tickets"])
        ticket = tickets.prepared(number, customer, at, id=fixed_id(f"ticket {name}"), **inputs)
        self._happened.append((at, "created", ticket))
        return self.tables["tickets"].put(ticket)

    def _submitted(self, name: str, customer: str, vehicle: str, hours: float, **inputs: Any) -> Document:
        ticket = self._opened(name, customer, vehicle, hours, **inputs)
        tickets.submit(ticket, self.connector_of(customer))
        return ticket

    def _close(self, ticket: Document, hours: float, *codes: str) -> None:
        at, products = self._ago(hours=hours), self.tables["products"]
        tickets.begin(ticket, at - timedelta(minutes=35))
        tickets.close(ticket, at, [tickets.product_line(products.one(fixed_id(code))) for code in codes])
        self._happened += [(at, "product_added", ticket)] * len(codes) + [(at, "closed", ticket)]

    def _add_messages(self, ticket: Document, start: datetime) -> None:
        self.messages[ticket["customer_channel_id"]] = [
            {
                "id": new_id(),
                "content": content,
                "created_at": written(start + timedelta(minutes=4 * place)),
                "redacted": False,
                "sender": sender,
                "type": "attachment" if attachment else "text",
                "attachment": attachment,
            }
            for place, (sender, content, attachment) in enumerate(TALK)
        ]
