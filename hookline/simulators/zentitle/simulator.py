"""
A stand-in for Zentitle's Web API, version 1.

Every input travels in a JSON body, for GET and DELETE too; an error is a JSON string with status 200 in the
place of the answer; spellings of output fields differ from call to call. The facts, and how far they are known:
`hookline/clients/zentitle/facts.yaml`.
"""

import hmac
from collections.abc import Hashable
from typing import Any

from starlette.responses import JSONResponse, Response

from hookline.facts import facts_of
from hookline.simulators.control import Call, RefusedError, operation
from hookline.simulators.zentitle import seed as seeded
from hookline.simulators.zentitle.activations import Activations
from hookline.simulators.zentitle.companies import Companies, company_row
from hookline.simulators.zentitle.groups import Groups, user_row
from hookline.simulators.zentitle.inputs import inputs_of, now
from hookline.simulators.zentitle.licenses import Licenses
from hookline.simulators.zentitle.products import Products
from hookline.simulators.zentitle.profiles import Profiles
from hookline.simulators.zentitle.trials import Trials, trial_key, trial_row

CUSTOMER = "1234"
READ_WRITE, READ_ONLY, OFFLINE, DS = "READ-WRITE", "READ-ONLY", "Offline", "DS"
KEYS = {
    "sandbox-zentitle-key": READ_WRITE,
    "sandbox-zentitle-readonly": READ_ONLY,
    "sandbox-zentitle-offline": OFFLINE,
    "sandbox-zentitle-ds": DS,
}

EVENT_CREATED = "DataStreamer Event Created Successfully"  # fact: undocumented-sentences

UNDOCUMENTED = set(facts_of("zentitle")["undocumented-sentences"].about)
MAY_BE_EMPTY = set(facts_of("zentitle")["nothing-to-list"].about)

Rows = dict[Hashable, dict[str, Any]]


class ZentitleSimulator(Licenses, Activations, Products, Profiles, Trials, Companies, Groups):
    """Zentitle, with one account."""

    vendor = "zentitle"

    def seed(self) -> None:
        """Set up a small software firm: products, profiles, and what was sold before the web shop opened."""
        self._clear()
        self._resellers = dict(seeded.RESELLERS)
        self._products = {each.product: each for each in seeded.products()}
        self._profiles = {each.profile: each for each in seeded.profiles(self._products)}
        for company in seeded.companies():
            self._add_company(company)
        for each in seeded.licenses(self._products, self._profiles):
            self._add_license(each)
        for row in seeded.consumers():
            self._add_consumer(row)
        self._trials = {trial_key(each): each for each in seeded.trials()}
        self._groups = {each["groupID"]: each for each in seeded.groups()}
        self._users = {each["groupUserID"]: each for each in seeded.users()}
        self._assigned = seeded.assignments()
        self._from_seed = {kind: set(rows) for kind, rows in self._everything().items()}

    def records(self) -> dict[str, Any]:
        """Return what came since the seed, by kind; what there still is of the seed itself, under `seeded`."""
        old: dict[str, Any] = {}
        new: dict[str, Any] = {}
        for kind, rows in self._everything().items():
            seeds = self._from_seed[kind]
            new[kind] = [row for key, row in rows.items() if key not in seeds]
            old[kind] = [row for key, row in rows.items() if key in seeds]
        return new | {"seeded": old}

    def _everything(self) -> dict[str, Rows]:
        """Return everything, by kind and by key."""
        licenses = self._licenses.values()
        return {
            "licenses": {
                each.key: self._single(each)
                | {"reference": each.reference, "created": each.created, "modified": each.modified}
                for each in licenses
            },
            "consumer_records": {
                (product, place): dict(row)
                for product, rows in self._consumers.items()
                for place, row in enumerate(rows)
            },
            "companies": {
                each.company: {"companyID": each.company} | company_row(each)
                for each in self._companies.values()
            },
            "notes": {
                key: {"licenseCode": each.code, "productID": each.product} | note
                for each in licenses
                for key, note in each.notes.items()
            },
            "trials": {key: trial_row(each) for key, each in self._trials.items()},
            "groups": {key: dict(each) for key, each in self._groups.items()},
            "group_users": {key: user_row(each) for key, each in self._users.items()},
            "events": dict(enumerate(self._events)),
        }

    # The vendor's manners

    def authorize(self, call: Call) -> None:
        """Let a key in to what its kind opens."""
        scheme, _, token = call.headers.get("authorization", "").partition(" ")
        sent = token.strip().encode()
        kinds = [
            kind for key, kind in KEYS.items() if hmac.compare_digest(sent, f"{CUSTOMER}:{key}".encode())
        ]
        if scheme.lower() != "bearer" or not kinds:
            raise RefusedError(self._status(401), "Authorization has been denied for this request.")
        [kind] = kinds
        openers = _openers(call)
        if kind not in openers:
            raise RefusedError(
                self._status(403), f"This API key is {kind}; the call needs a {' or '.join(openers)} key."
            )

    def _status(self, usual: int) -> int:
        return {"status-401": usual, "status-403": 403, "sentence": 200}[self.dialect["wrong-key"]]

    def render(self, call: Call, value: Any) -> Response:
        """Answer the value as JSON; a message is a JSON string."""
        name = call.operation.name
        if name in UNDOCUMENTED:
            value = self._in_other_words(value)
        elif name in MAY_BE_EMPTY and value == []:
            return self._nothing_to_list()
        elif isinstance(value, int) and name in MAY_BE_EMPTY and self.dialect["form-of-the-count"] == "text":
            value = str(value)
        return JSONResponse(self._spelled(value))

    def _in_other_words(self, sentence: str) -> str | None:
        words = {"ok": "OK", "other": "Your request was processed.", "nothing": None}
        return words.get(self.dialect["undocumented-sentences"], sentence)

    def _nothing_to_list(self) -> Response:
        variant = self.dialect["nothing-to-list"]
        texts = {"sentence": "No records found", "other": "The result set is void.", "nothing": None}
        if variant == "status-404":
            return JSONResponse({"Message": "No HTTP resource was found."}, 404)
        return JSONResponse(texts.get(variant, []))

    def _spelled(self, value: Any) -> Any:
        """Return a value with the names in it as this account spells them."""
        spelling = self.dialect["case-of-names"]
        match value:
            case dict() if spelling != "samples":
                spell = str.lower if spelling == "lower" else _with_a_capital
                return {spell(name): self._spelled(inner) for name, inner in value.items()}
            case list() if spelling != "samples":
                return [self._spelled(each) for each in value]
            case _:
                return value

    def refusal(self, error: RefusedError) -> Response:
        """Answer a description in the answer's place; where HTTP itself refuses, in the form of ASP.NET."""
        variant = self.dialect["error-status"]
        if error.status == 200 and variant != "status-400":  # noqa: PLR2004
            return JSONResponse(f"Error: {error.message}" if variant == "error" else error.message)
        if error.status == 200:  # noqa: PLR2004
            return JSONResponse({"Message": error.message}, 400)
        return JSONResponse({"Message": error.message}, error.status)

    # Events

    @operation("POST", "/api/DataStreamer")
    def create_datastreamer_event(self, call: Call) -> Any:
        """Inject an event into the stream; another one each time."""
        inputs = inputs_of(call)
        event = inputs.required("event")
        product = self._product(inputs).product if inputs.text("productid") else ""
        payload = inputs.json("payload") if "payload" in inputs else ""
        self._events.append({"event": event, "productId": product, "payload": payload, "created": now()})
        return EVENT_CREATED


def _with_a_capital(name: str) -> str:
    return name[:1].upper() + name[1:]


def _openers(call: Call) -> tuple[str, ...]:
    """Return the kinds of key that open an operation."""
    path, reads = call.operation.path, call.request.method == "GET"
    if path == "/api/DataStreamer":
        return (DS,)
    kinds = (READ_WRITE, READ_ONLY) if reads else (READ_WRITE,)
    return (*kinds, OFFLINE) if path == "/api/OfflineActivation" else kinds
