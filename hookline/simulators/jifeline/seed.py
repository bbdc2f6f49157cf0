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
    "customers": Kind("customer", "id company_name locale primary_location_id reference vat_number"),
    "locations": Kind("location", "id customer_id label street_name number postal_code city country"),
    "employees": Kind(
        "employee",
        "id customer_id contact_point_id correspondence_locale enabled family_name given_name username",
    ),
    "contact_points": Kind("contact point", "id customer_id email_address label location_id phone_number"),
    "connectors": Kind("connector", "id customer_id name type hardware_version software_version pin"),
    "products": Kind("product", "id enabled name product_number type"),
    "providers": Kind("provider", "id name"),
    "models": Kind(
        "vehicle model", "id enabled make_id manufactured_from manufactured_till model_group_id name"
    ),
    "makes": Kind("vehicle make", "id enabled name"),
    "vehicles": Kind("vehicle", "id vin license_plate vehicle_model_id"),
    "sessions": Kind("session", "id state authentication_token created_at grpc_endpoint"),
}

# fmt: off
CUSTOMERS = (
    (GARAGE, "Mill Road Garage", "en-GB", fixed_id("Mill Road"), "3001", "NL004495445B01"),
    (MOTORS, "Elm Street Motors", "nl-NL", fixed_id("Elm Street"), "3002", "NL001234567B02"),
)
LOCATIONS = (
    (fixed_id("Mill Road"), GARAGE, "Workshop", "Mill Road", "14", "1052 AB", "Amsterdam", "NL"),
    (fixed_id("Quay"), GARAGE, "Paint shop", "Houtkade", "2", "1016 GC", "Amsterdam", "NL"),
    (fixed_id("Elm Street"), MOTORS, "Elm Street", "Elm Street", "203b", "3512 KL", "Utrecht", "NL"),
)
CONTACT_POINTS = (
    (fixed_id("paint"), GARAGE, "paint@millroadgarage.example", "Paint shop", fixed_id("Quay"), "+31 20 555 0139"),
    (fixed_id("office"), GARAGE, "office@millroadgarage.example", "Office", fixed_id("Mill Road"), "+31 20 555 0131"),
    (fixed_id("workshop"), MOTORS, "workshop@elmstreetmotors.example", "Workshop", None, "+31 30 555 0178"),
    (fixed_id("yard"), MOTORS, None, "Yard", fixed_id("Elm Street"), "+31 30 555 0180"),
)
EMPLOYEES = (
    (fixed_id("Ann"), GARAGE, fixed_id("paint"), "en-GB", True, "Ames", "Ann", None),
    (fixed_id("Bas"), GARAGE, fixed_id("office"), "nl-NL", True, "Smit", "Bas", "bas@millroadgarage.example"),
    (fixed_id("Cor"), GARAGE, fixed_id("office"), "nl-NL", False, "Aalders", "Cor", None),  # has left
    (fixed_id("Dee"), MOTORS, None, "nl-NL", True, "Vos", "Dee", "dee@elmstreetmotors.example"),
)
CONNECTORS = (
    (GARAGE, "23568", "physical", "2.1", "4.18.3", "40713"),
    (GARAGE, "23571", "physical", "2.1", "4.18.3", "95526"),
    (MOTORS, "24102", "physical", "2.2", "4.19.0", "11840"),
    (MOTORS, "90017", "virtual", None, "4.19.0", "73309"),
    (None, "24977", "physical", "2.2", "4.19.0", "60258"),  # on the shelf
)
PRODUCTS = (
    (True, "Initialise trailer module", "DIAG-INIT", "base"),
    (True, "Code a control unit", "DIAG-CODE", "base"),
    (True, "Calibrate a camera", "DIAG-CALIB", "custom"),
    (False, "Read trouble codes", "DIAG-READ", "custom"),  # replaced by the connector's own report
)
PRICES = {"DIAG-INIT": 85.0, "DIAG-CODE": 120.0, "DIAG-CALIB": 145.0, "DIAG-READ": 40.0}
PROVIDERS = (
    (OUR_PROVIDER, "Hookline Sandbox Diagnostics"),
    (TRUCK_PARTNER, "Trailer Remote"),
    (fixed_id("Camera Works"), "Camera Works"),
)
MODELS = (
    (5101, True, 51, "2010-01-01", "2015-06-30", 5100, "Trek 2.0"),
    (5104, True, 51, "2012-09-01", None, 5100, "Trek Estate"),
    (6212, True, 62, "2019-03-01", None, 6210, "Corvo 1.2"),
    (7030, False, 70, "1998-01-01", "2006-12-31", 7000, "Haul 350"),
)
MAKES = ((51, True, "Halden"), (62, True, "Bellamy"), (70, True, "Nordvan"))
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
    """The state of a new sandbox: its tables, product lines, the messages by channel, and the feed of what happened."""

    def __init__(self) -> None:
        self._now = datetime.now(UTC)
        rows: dict[str, tuple[tuple[Any, ...], ...]] = {
            "customers": CUSTOMERS,
            "locations": LOCATIONS,
            "employees": EMPLOYEES,
            "contact_points": CONTACT_POINTS,
            "connectors": tuple((fixed_id(f"connector {each[1]}"), *each) for each in CONNECTORS),
            "products": tuple((fixed_id(each[2]), *each) for each in PRODUCTS),
            "providers": PROVIDERS,
            "models": MODELS,
            "makes": MAKES,
            "vehicles": tuple((fixed_id(each[0]), *each) for each in VEHICLES),
            "sessions": tuple(self._session(*each) for each in SESSIONS),
        }
        self.tables = {name: Table(kind, kind.rows(*rows.get(name, ()))) for name, kind in KINDS.items()}
        self.lines: list[Document] = []
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
        tickets.close(ticket, at)
        self.lines += [
            tickets.product_line(ticket, products.one(fixed_id(code)), 1, PRICES[code]) for code in codes
        ]
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
