"""
A stand-in for Zentitle's Web API, version 1.

Every input travels in a JSON body, for GET and DELETE too; an error is a JSON string with status 200 in the
place of the answer; spellings of output fields differ from call to call. Facts and how far they are known:
the vendor notes, part B.
"""

import copy
import hmac
import json
import secrets
from collections import defaultdict
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from starlette.responses import JSONResponse, Response

from hookline.simulators.control import (
    Call,
    RefusedError,
    Simulator,
    control,
    control_body,
    folded,
    operation,
)
from hookline.simulators.faults import InvalidControlError

CUSTOMER = "1234"
READ_WRITE_KEY = "sandbox-zentitle-key"
READ_ONLY_KEY = "sandbox-zentitle-readonly"

PRO = "6453300110"
TEAM = "6872450105"
TEAM_PROFILE = "Team"

GLOBAL = "0"
"""What stands for the product of a company that all products share."""

MOST_CODES = 10_000
PAGE = 10_000
NEVER = "1900-01-01T00:00:00"

CREATED = "License Codes Created Successfully : "
IMPORTED = "OK"
UPDATED = "License Code Details Updated Successfully"


@dataclass(slots=True)
class Terms:
    """
    The license properties that codes and profiles share, in the vendor's output vocabulary.

    Never changed in place (`_changed` makes new ones), so codes may share those of their profile.
    """

    enabled: bool = True
    licensetype: str = "Perpetual"
    clientsallowed: int = 1
    clientleaseperiod: int = 0
    vmleaseperiod: int = 0
    offline_hours: int = 0
    acquired: bool = False
    networkseats: int = 0
    heartbeat: int = 0
    concurrentprocesses: int = 0
    concurrencymode: str = "None"
    subscriptionperiod: int = 0
    subscriptionenddate: str | None = None
    maintenanceenddate: str | None = None
    features: list[dict[str, Any]] = field(default_factory=list)
    udfs: dict[str, str] = field(default_factory=dict)
    checkout_days: int | None = None
    """The server function LTCO: days for which a license may be checked out; off when not set."""


@dataclass(slots=True)
class Product:
    """A product, and the terms of codes that belong to no profile."""

    product: str
    name: str
    trial_days: int
    terms: Terms


@dataclass(slots=True)
class Profile:
    """A code profile: the terms with which its codes begin."""

    profile: int
    product: str
    name: str
    terms: Terms
    created: str
    modified: str


@dataclass(slots=True)
class License:
    """One license code."""

    code: str
    product: str
    company: int
    profile: str
    reference: str
    terms: Terms
    created: str
    modified: str
    notes: dict[int, dict[str, Any]] = field(default_factory=dict)
    activity: list[dict[str, Any]] = field(default_factory=list)

    @property
    def active(self) -> int:
        """Activations that have not been returned."""
        return sum(each["deactivated"] == NEVER for each in self.activity)


@dataclass(slots=True)
class Company:
    """A company, of one product or of all."""

    company: int
    product: str
    name: str
    data: dict[str, Any]
    search: list[str]
    reseller: str
    created: str


class Inputs:
    """A call's inputs: names without regard to case, numbers and booleans also as strings."""

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = folded(values)

    def __contains__(self, name: str) -> bool:
        return self._values.get(name) is not None

    def text(self, name: str, default: str = "") -> str:
        """A string; a number counts as one."""
        value = self._values.get(name)
        if value is None:
            return default
        if isinstance(value, bool | list | dict):
            raise _failure(f"{name} must be a string")
        return str(value)

    def required(self, name: str) -> str:
        """A string that must be there."""
        value = self.text(name).strip()
        if not value:
            raise _failure(f"{name} is mandatory")
        return value

    def whole(self, name: str, default: int = 0, *, low: int = 0, high: int = 2_147_483_647) -> int:
        """A whole number within limits."""
        value = self._values.get(name)
        if value is None or value == "":
            return default
        try:
            number = int(value)
        except (TypeError, ValueError):
            raise _failure(f"{name} must be an integer") from None
        if not low <= number <= high:
            raise _failure(f"{name} must be between {low} and {high}")
        return number

    def word(self, name: str, *words: str, default: str | None = None) -> str | None:
        """One of the words allowed, in lower case."""
        if name not in self:
            return default
        value = str(self._values[name]).lower()
        if value not in words:
            raise _failure(f"{name} must be {' or '.join(words)}")
        return value

    def truth(self, name: str) -> bool | None:
        """True, false, or nothing when it was left out."""
        value = self.word(name, "true", "false")
        return None if value is None else value == "true"

    def date(self, name: str) -> str:
        """A date or a date with a time, in the vendor's form."""
        try:
            return _written(datetime.fromisoformat(self.text(name)))
        except ValueError:
            raise _failure(f"{name} must be a datetime") from None

    def each(self, name: str) -> list["Inputs"]:
        """A list of objects."""
        values = self._values.get(name) or []
        if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
            raise _failure(f"{name} must be a list of objects")
        return [Inputs(value) for value in values]

    def object(self, name: str) -> dict[str, Any]:
        """An object; one that is written as a JSON string counts too."""
        value = self._values.get(name)
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except ValueError:
                value = None
        if not isinstance(value, dict):
            raise _failure(f"{name} must be JSON")
        return value


class ZentitleSimulator(Simulator):
    """Zentitle: products, profiles, license codes with notes and activity, companies, consumer data."""

    vendor = "zentitle"

    def seed(self) -> None:
        """Two products; the team product has a profile. No codes, companies or consumers."""
        now = _now()
        self._products = {each.product: each for each in _products()}
        team = Profile(_number(()), TEAM, TEAM_PROFILE, self._products[TEAM].terms, now, now)
        self._profiles = {(team.product, team.name.lower()): team}
        self._licenses: dict[tuple[str, str], License] = {}
        # The codes of each company, so that looking for an order's codes does not read all there are.
        self._of_company: defaultdict[int, dict[tuple[str, str], License]] = defaultdict(dict)
        self._companies: dict[int, Company] = {}
        self._named: defaultdict[tuple[str, str], list[Company]] = defaultdict(list)
        self._consumers: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        self._of_computer: defaultdict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
        self._note_numbers: set[int] = set()

    def records(self) -> dict[str, Any]:
        """Every license, consumer record, company and note."""
        licenses = self._licenses.values()
        return {
            "licenses": [
                self._single(each)
                | {"reference": each.reference, "created": each.created, "modified": each.modified}
                for each in licenses
            ],
            "consumer_records": [dict(row) for rows in self._consumers.values() for row in rows],
            "companies": [self._company(each) for each in self._companies.values()],
            "notes": [
                {"licenseCode": each.code, "productID": each.product} | note
                for each in licenses
                for note in each.notes.values()
            ],
        }

    # The vendor's manners

    def authorize(self, call: Call) -> None:
        """Let a key in; a read-only one only for GET."""
        scheme, _, token = call.headers.get("authorization", "").partition(" ")
        given = token.strip().encode()
        writes = hmac.compare_digest(given, f"{CUSTOMER}:{READ_WRITE_KEY}".encode())
        reads = hmac.compare_digest(given, f"{CUSTOMER}:{READ_ONLY_KEY}".encode())
        if scheme.lower() != "bearer" or not (writes or reads):
            raise RefusedError(401, "Authorization has been denied for this request.")
        if call.request.method != "GET" and not writes:
            raise RefusedError(403, "This API key is READ-ONLY; the call needs a READ-WRITE key.")

    def render(self, _: Call, value: Any) -> Response:
        """The value as JSON; a message is a JSON string."""
        return JSONResponse(value)

    def refusal(self, error: RefusedError) -> Response:
        """A description in the answer's place; where HTTP itself refuses, the form of ASP.NET (assumed)."""
        if error.status == 200:  # noqa: PLR2004
            return JSONResponse(error.message)
        return JSONResponse({"Message": error.message}, error.status)

    # License codes

    @operation("GET", "/api/LicenseCode")
    def get_license_code(self, call: Call) -> Any:
        """A code's details, once for each product that has it."""
        inputs = _inputs(call)
        code, product = inputs.required("licensecode"), inputs.text("productid")
        notes, functions = inputs.whole("getnotes", high=1), inputs.whole("getsfs", high=1)
        only_on = inputs.word("showfeatures", "on", "all") == "on"
        products = [product] if product else list(self._products)
        found = [self._licenses[each, code] for each in products if (each, code) in self._licenses]
        if not found:
            raise _failure("License code does not exist")
        return [
            self._single(each, notes=bool(notes), functions=bool(functions), only_on=only_on)
            for each in found
        ]

    @operation("POST", "/api/LicenseCode")
    def create_license_codes(self, call: Call) -> Any:
        """Import the codes given, all or none; without any, draw as many as asked."""
        inputs = _inputs(call)
        product = self._product(inputs)
        company = self._company_number(inputs)
        profile = self._profile_name(inputs, product)
        reference = inputs.text("reference")
        imported = [code.strip() for code in inputs.text("licensecodes").split(",") if code.strip()]
        if imported:
            self._check_importable(product, imported)
            codes = imported
        else:
            codes = self._draw(product, inputs.whole("numcodes", low=1, high=MOST_CODES))
        for code in codes:
            self._allocate(code, product, company, profile, reference)
        return IMPORTED if imported else CREATED + ",".join(codes)

    @operation("PUT", "/api/LicenseCode")
    def update_license_code(self, call: Call) -> Any:
        """Change what is named and leave the rest; nothing at all when one value is wrong."""
        inputs = _inputs(call)
        found = self._license(inputs)
        company = self._company_number(inputs) if "companyid" in inputs else found.company
        profile = self._profile_name(inputs, found.product) if "profilename" in inputs else found.profile
        terms = found.terms
        if inputs.truth("inheritprofile"):
            terms = self._starting_terms(found.product, profile)
        terms = _changed(terms, inputs)
        notes = self._changed_notes(found.notes, inputs)
        self._move(found, company)
        found.profile, found.terms, found.notes = profile, terms, notes
        found.reference = inputs.text("reference", found.reference)
        found.modified = _now()
        return UPDATED

    @operation("GET", "/api/LicenseCodes")
    def list_license_codes(self, call: Call) -> Any:
        """A page of codes, or their number on page 0."""
        inputs = _inputs(call)
        matches = self._license_filter(inputs)
        found = [each for each in self._candidates(inputs) if matches(each)]
        functions = bool(inputs.whole("getsfs", high=1))
        return _page(inputs, found, lambda each: self._listed(each, functions=functions))

    def _license_filter(self, inputs: Inputs) -> Callable[[License], bool]:
        product, profile = inputs.text("productid"), inputs.text("profilename")
        acquired, used, activated = (
            inputs.truth(name) for name in ("acquiredbywebservice", "used", "activated")
        )
        wanted_profile = "" if profile.lower() == "default" else profile.lower()

        def matches(each: License) -> bool:
            return (
                (not product or each.product == product)
                and (not profile or each.profile.lower() == wanted_profile)
                and acquired in (None, each.terms.acquired)
                and used in (None, bool(each.activity))
                and activated in (None, each.active > 0)
            )

        return matches

    def _candidates(self, inputs: Inputs) -> Iterable[License]:
        """The codes of the company named by number or by name; all codes when none is named."""
        name, number = inputs.text("company"), inputs.whole("companyid")
        if name and number:
            raise _failure("Please supply either company or companyID, not both")
        if number:
            return self._of_company[number].values() if number in self._of_company else ()
        if not name:
            return self._licenses.values()
        named = [each.company for each in self._companies.values() if each.name == name]
        return [each for company in named for each in self._of_company[company].values()]

    @operation("GET", "/api/LicenseCodeActivity")
    def list_license_code_activity(self, call: Call) -> Any:
        """Where a code is activated; an empty list when nowhere, an object when in one place."""
        inputs = _inputs(call)
        found = self._license(inputs)
        only_active = inputs.whole("activated", high=1)
        with_system = inputs.whole("getsysinfo", high=1)
        rows = [
            row if with_system else {name: each for name, each in row.items() if name != "systemInfo"}
            for row in found.activity
            if not only_active or row["deactivated"] == NEVER
        ]
        # "One or more sets" by the vendor's text, a bare object in its sample: both, as it is.
        return rows[0] if len(rows) == 1 else rows

    @control("POST", "/_sandbox/licenses/{licenseCode}/activate")
    def _activate(self, call: Call) -> Any:
        computer = control_body(call).get("computerID")
        return self.activate(call.path["licenseCode"], computer)

    def activate(self, code: str, computer: str | None = None) -> dict[str, Any]:
        """Activate a code on a computer, as the licensed program would."""
        found = next((each for each in self._licenses.values() if each.code == code), None)
        if found is None:
            raise InvalidControlError(f"licenseCode: there is no code {code}")
        computer = computer or secrets.token_urlsafe(15)
        row = {
            "licenseCode": code,
            "computerID": computer,
            "systemInfo": {"computerID": computer, "bitage": "64", "cores": "4", "memory": "8090"},
            "status": "ACTIVATED",
            "vmLeaseperiod": found.terms.vmleaseperiod,
            "clientleaseenddate": None,
            "vmPlatform": "",
            "username": "",
            "activated": _now(),
            "deactivated": NEVER,
        }
        found.activity.append(row)
        return dict(row)

    # Products and profiles

    @operation("GET", "/api/Products")
    def list_products(self, call: Call) -> Any:
        """Every product."""
        _inputs(call)
        return [_product_row(each) for each in self._products.values()]

    @operation("GET", "/api/Product")
    def get_product(self, call: Call) -> Any:
        """One product, in a list."""
        return [_product_row(self._products[self._product(_inputs(call))])]

    @operation("GET", "/api/Profile")
    def get_profile(self, call: Call) -> Any:
        """One profile, in a list."""
        inputs = _inputs(call)
        key = (self._product(inputs), inputs.required("profilename").lower())
        if key not in self._profiles:
            raise _failure("Profile does not exist")
        return [_profile_row(self._profiles[key], functions=bool(inputs.whole("getsfs", high=1)))]

    @operation("GET", "/api/Profiles")
    def list_profiles(self, call: Call) -> Any:
        """A page of profiles, or their number on page 0."""
        inputs = _inputs(call)
        product = inputs.text("productid")
        found = [each for each in self._profiles.values() if product in ("", each.product)]
        functions = bool(inputs.whole("getsfs", high=1))
        return _page(inputs, found, lambda each: _listed_profile(each, functions=functions))

    # Consumer data

    @operation("GET", "/api/ConsumerData")
    def list_consumer_data(self, call: Call) -> Any:
        """A page of consumer records: the last of each computer, unless all are asked for."""
        inputs = _inputs(call)
        product, computer = self._product(inputs), inputs.text("computerid")
        kind = inputs.word("type", "trials", "activations", "all", default="all")
        start = inputs.date("startdate") if "startdate" in inputs else ""
        # A day without a time means the whole of it.
        end = inputs.date("enddate").replace("T00:00:00", "T23:59:59.999") if "enddate" in inputs else "9"
        rows = [
            row
            for row in (
                self._of_computer.get((product, computer), ()) if computer else self._consumers[product]
            )
            if kind in ("all", "activations" if row["licenseCode"] else "trials")
            and start <= row["created"] <= end
        ]
        if inputs.truth("justlast") is not False:
            rows = list({row["computerID"]: row for row in rows}.values())
        return _page(inputs, rows, dict)

    @operation("POST", "/api/ConsumerData")
    def create_consumer_data(self, call: Call) -> Any:
        """Add a consumer record, another one each time."""
        inputs = _inputs(call)
        product, computer = self._product(inputs), inputs.required("computerid")
        information, code = inputs.object("clientinfo"), inputs.text("licensecode")
        if code and (product, code) not in self._licenses:
            raise _failure("License code does not exist")
        found = folded(information)
        row = {
            "productID": product,
            "computerID": computer,
            "licenseCode": code,
            "firstName": str(found.get("firstname", "")),
            "lastName": str(found.get("lastname", "")),
            "company": str(found.get("company", "")),
            "email": str(found.get("email", "")),
            "clientInfo": _escaped(information),
            "created": _now(),
        }
        self._consumers[product].append(row)
        self._of_computer[product, computer].append(row)
        return "Consumer Data Created Successfully"  # the vendor prints no literal; this one is assumed

    # Companies

    @operation("GET", "/api/Company")
    def get_company(self, call: Call) -> Any:
        """A company, which does not repeat its number."""
        inputs = _inputs(call)
        found = self._existing_company(inputs)
        product = inputs.text("productid")
        if product and found.product not in (GLOBAL, product):
            raise _failure("Company does not exist")
        return {name: each for name, each in self._company(found).items() if name != "companyID"}

    @operation("POST", "/api/Company")
    def create_company(self, call: Call) -> Any:
        """Add a company; a second one of the same name is another company."""
        inputs = _inputs(call)
        name, product = inputs.required("company"), self._product(inputs)
        company = Company(
            company=_number(self._companies),
            product=GLOBAL if inputs.whole("global", high=1) else product,
            name=name,
            data=inputs.object("companydata") if "companydata" in inputs else {},
            search=[inputs.text(f"search{number}") for number in (1, 2, 3)],
            reseller=inputs.text("reseller"),
            created=_now(),
        )
        self._companies[company.company] = company
        self._named[name, company.product].append(company)
        return "Company Created Successfully"  # assumed, as above; the number has to be looked up

    @operation("PUT", "/api/Company")
    def update_company(self, call: Call) -> Any:
        """Change what is named and leave the rest; a new name must be free."""
        inputs = _inputs(call)
        product, company = self._product(inputs), self._existing_company(inputs)
        scope = company.product
        if "global" in inputs:
            scope = GLOBAL if inputs.whole("global", high=1) else product
        name = inputs.text("company", company.name)
        if any(other is not company for other in self._named.get((name, scope), ())) and name != company.name:
            raise _failure("Company name already exists")
        if "companydata" in inputs:
            company.data = inputs.object("companydata")
        self._named[company.name, company.product].remove(company)
        company.name, company.product = name, scope
        self._named[name, scope].append(company)
        company.search = [
            inputs.text(f"search{number}", before) for number, before in enumerate(company.search, start=1)
        ]
        company.reseller = inputs.text("reseller", company.reseller)
        return "Company Updated Successfully"

    @operation("GET", "/api/CompanyID")
    def get_company_id(self, call: Call) -> Any:
        """The number of the company with exactly this name; of several, the oldest."""
        inputs = _inputs(call)
        name, product = inputs.required("company"), inputs.text("productid") or GLOBAL
        found = self._named.get((name, product))
        if not found:
            raise _failure("Company does not exist")
        return self._company_key(found[0])

    @operation("GET", "/api/CompaniesProducts")
    def list_companies_products(self, call: Call) -> Any:
        """Every company with its product."""
        _inputs(call)
        return [self._company_key(each) for each in self._companies.values()]

    # Notes

    @operation("GET", "/api/LicenseNote")
    def list_license_notes(self, call: Call) -> Any:
        """The notes of a code."""
        return list(self._license(_inputs(call)).notes.values())

    @operation("POST", "/api/LicenseNote")
    def create_license_note(self, call: Call) -> Any:
        """Add a note; its number is not told."""
        inputs = _inputs(call)
        found = self._license(inputs)
        if "type" not in inputs:
            raise _failure("type is mandatory")
        kind, text = inputs.word("type", "general", "system"), inputs.required("description")
        note = self._note(str(kind), text)
        found.notes[note["noteID"]] = note
        return "License Note Created Successfully"

    @operation("PUT", "/api/LicenseNote")
    def update_license_note(self, call: Call) -> Any:
        """Change a note's text or type."""
        inputs = _inputs(call)
        note = self._existing_note(self._license(inputs), inputs)
        kind = inputs.word("type", "general", "system", default=note["type"].lower())
        note |= {
            "type": str(kind).capitalize(),
            "description": inputs.text("description", note["description"]),
        }
        return "License Note Updated Successfully"

    @operation("DELETE", "/api/LicenseNote")
    def delete_license_note(self, call: Call) -> Any:
        """Delete a note; without a number, or with 0, every note of the code."""
        inputs = _inputs(call)
        found = self._license(inputs)
        if inputs.whole("noteid"):
            del found.notes[self._existing_note(found, inputs)["noteID"]]
        else:
            found.notes.clear()
        return "License Note Deleted Successfully"

    def _existing_note(self, found: License, inputs: Inputs) -> dict[str, Any]:
        note = found.notes.get(inputs.whole("noteid"))
        if note is None:
            raise _failure("Note does not exist")
        return note

    def _note(self, kind: str, text: str) -> dict[str, Any]:
        number = _number(self._note_numbers)
        self._note_numbers.add(number)
        return {
            "noteID": number,
            "type": kind.capitalize(),
            "created": _now(),
            "createdBy": "",  # blank for whatever a web service wrote
            "description": text,
        }

    def _changed_notes(self, notes: dict[int, dict[str, Any]], inputs: Inputs) -> dict[int, dict[str, Any]]:
        """The notes after a PUT: all deleted, then some deleted, then new ones added, in this order."""
        wanted = [
            (str(each.word("type", "general", "system", "delete", "deleteall")), each)
            for each in inputs.each("notes")
        ]
        kept = {} if any(kind == "deleteall" for kind, _ in wanted) else dict(notes)
        for kind, each in wanted:
            if kind == "delete" and kept.pop(each.whole("description"), None) is None:
                raise _failure("Note does not exist")
        for kind, each in wanted:
            if kind in ("general", "system"):
                note = self._note(kind, each.required("description"))
                kept[note["noteID"]] = note
        return kept

    # Finding what inputs name

    def _product(self, inputs: Inputs) -> str:
        product = inputs.required("productid")
        if product not in self._products:
            raise _failure("ProductID does not exist")
        return product

    def _license(self, inputs: Inputs) -> License:
        found = self._licenses.get((self._product(inputs), inputs.required("licensecode")))
        if found is None:
            raise _failure("License code does not exist")
        return found

    def _company_number(self, inputs: Inputs) -> int:
        number = inputs.whole("companyid")
        if number and number not in self._companies:
            raise _failure("Company does not exist")
        return number

    def _existing_company(self, inputs: Inputs) -> Company:
        inputs.required("companyid")
        found = self._companies.get(inputs.whole("companyid"))
        if found is None:
            raise _failure("Company does not exist")
        return found

    def _profile_name(self, inputs: Inputs, product: str) -> str:
        name = inputs.text("profilename")
        if name.lower() in ("", "default", "none"):
            return ""
        profile = self._profiles.get((product, name.lower()))
        if profile is None:
            raise _failure("Profile does not exist")
        return profile.name

    # Changing the state

    def _starting_terms(self, product: str, profile: str) -> Terms:
        source: Product | Profile = self._products[product]
        if profile:
            source = self._profiles[product, profile.lower()]
        return source.terms

    def _check_importable(self, product: str, codes: list[str]) -> None:
        taken = [code for code in codes if (product, code) in self._licenses]
        if taken:
            raise _failure("License codes already exist : " + ",".join(taken))
        if len(set(codes)) < len(codes):
            raise _failure("License codes must be unique")
        if not all(code.isdigit() and 17 <= len(code) <= 19 for code in codes):  # noqa: PLR2004
            raise _failure("License codes must have 17 to 19 digits")

    def _draw(self, product: str, number: int) -> list[str]:
        """Fresh codes of 18 digits, drawn at random: no two runs of the sandbox give the same."""
        if not number:
            raise _failure("numcodes is mandatory when no licensecodes are supplied")
        codes: dict[str, None] = {}
        while len(codes) < number:
            code = str(secrets.randbelow(9 * 10**17) + 10**17)
            if (product, code) not in self._licenses:
                codes[code] = None
        return list(codes)

    def _allocate(self, code: str, product: str, company: int, profile: str, reference: str) -> None:
        now = _now()
        terms = self._starting_terms(product, profile)
        found = License(code, product, company, profile, reference, terms, now, now)
        self._licenses[product, code] = found
        self._of_company[company][product, code] = found

    def _move(self, found: License, company: int) -> None:
        if company != found.company:
            key = (found.product, found.code)
            del self._of_company[found.company][key]
            self._of_company[company][key] = found
            found.company = company

    # Output

    def _single(
        self, each: License, *, notes: bool = False, functions: bool = False, only_on: bool = False
    ) -> dict[str, Any]:
        """A code as GET LicenseCode shows it: "True", companyID, clientsallowed, and no dates of its own."""
        terms = each.terms
        row = {
            "licenseCode": each.code,
            "productID": each.product,
            "company": self._company_name(each.company),
            "companyID": each.company,
            "enabledforuse": str(terms.enabled),
            "licensetype": terms.licensetype,
            "clientsallowed": terms.clientsallowed,
            **_leases(terms),
            "acquiredbywebservice": str(terms.acquired),
            "profilename": each.profile or "Default",
            **_limits(terms),
            "numActivations": each.active,
            **_subscription(terms),
            "features": [
                feature for feature in terms.features if not only_on or feature["featureAvailability"] == "ON"
            ],
            "udfValues": _udf_rows(terms),
            "notes": list(each.notes.values()) if notes else [],
        }
        return row | {"serverFunctions": _functions(terms)} if functions else row

    def _listed(self, each: License, *, functions: bool = False) -> dict[str, Any]:
        """A code as GET LicenseCodes shows it: "true", activationsAllowed, dates, and no companyID."""
        terms = each.terms
        row = {
            "licenseCode": each.code,
            "productID": each.product,
            "company": self._company_name(each.company),
            "enabledforuse": str(terms.enabled).lower(),
            "licensetype": terms.licensetype,
            "profilename": each.profile,
            "acquiredbywebservice": str(terms.acquired).lower(),
            "activationsAllowed": terms.clientsallowed,
            **_leases(terms),
            **_limits(terms),
            "numActivations": each.active,
            "numDeActivations": len(each.activity) - each.active,
            **_subscription(terms),
            "created": each.created,
            "modified": each.modified,
            "features": terms.features,
            "udfValues": _udf_rows(terms),
        }
        return row | {"serverFunctions": _functions(terms)} if functions else row

    def _company_name(self, number: int) -> str:
        return self._companies[number].name if number else ""

    def _company(self, each: Company) -> dict[str, Any]:
        known = folded(each.data)
        return {
            "companyID": each.company,
            "company": each.name,
            "companyData": _escaped(each.data),
            "firstName": str(known.get("firstname", "")),
            "email": str(known.get("email", "")),
            "search1": each.search[0],
            "search2": each.search[1],
            "search3": each.search[2],
            "created": each.created,
            "productID": each.product,
        }

    def _company_key(self, each: Company) -> dict[str, Any]:
        product = self._products.get(each.product)
        return {
            "companyID": str(each.company),  # a string here, a number with the license codes
            "company": each.name,
            "productID": each.product,
            "productName": product.name if product else "",
        }


def _inputs(call: Call) -> Inputs:
    """The inputs in the body. A query string is refused: the vendor documents none, so none may work."""
    if call.query:
        raise RefusedError(400, "Inputs go into a JSON body; a query string is not read.")
    if call.content and not call.headers.get("content-type", "").lower().startswith("application/json"):
        raise RefusedError(415, "The request entity's media type is not supported for this resource.")
    try:
        body = call.json()
    except ValueError:
        raise RefusedError(400, "The request is invalid.") from None
    if not isinstance(body, dict):
        raise RefusedError(400, "The request is invalid.")
    return Inputs(body)


def _failure(description: str) -> RefusedError:
    """An error as the vendor tells it: a description, with status 200."""
    return RefusedError(200, description)


def _changed(before: Terms, inputs: Inputs) -> Terms:
    """The terms after a PUT; a field left out stays as it was."""
    terms = copy.deepcopy(before)
    terms.clientleaseperiod = inputs.whole("clientleaseperiod", terms.clientleaseperiod, high=8760)
    if "clientofflineleaseperiod" in inputs:
        # Days in, hours out: the vendor's own trap.
        terms.offline_hours = 24 * inputs.whole("clientofflineleaseperiod", high=500)
    terms.vmleaseperiod = inputs.whole("vmleaseperiod", terms.vmleaseperiod, high=500)
    terms.clientsallowed = inputs.whole("clientsallowed", terms.clientsallowed)
    terms.concurrentprocesses = inputs.whole("concurrentprocesses", terms.concurrentprocesses)
    terms.networkseats = inputs.whole("networkseats", terms.networkseats)
    terms.heartbeat = inputs.whole("heartbeat", terms.heartbeat, low=5, high=1440)
    enabled, acquired = inputs.truth("enabledforuse"), inputs.truth("acquiredbywebservice")
    terms.enabled = terms.enabled if enabled is None else enabled
    terms.acquired = terms.acquired if acquired is None else acquired
    mode = inputs.word("concurrencymode", "off", "cloud", "network")
    if mode:
        terms.concurrencymode = {"off": "None"}.get(mode, mode.capitalize())
    if "maintenanceenddate" in inputs:
        terms.maintenanceenddate = _date_or_reset(inputs, "maintenanceenddate")
    _change_type(terms, inputs)
    _change_features(terms, inputs)
    _change_udfs(terms, inputs)
    _change_functions(terms, inputs)
    return terms


def _change_type(terms: Terms, inputs: Inputs) -> None:
    """Change the license type, its period or its end; the type must be sent for any of them."""
    kind = inputs.word("licensetype", "perpetual", "subscriptionperiod", "expirationdate")
    if kind is None:
        if "subscriptionperiod" in inputs or "subscriptionenddate" in inputs:
            raise _failure("Please supply the licensetype to update the subscription")
        return
    if kind == "subscriptionperiod":
        _change_period(terms, inputs)
        if "subscriptionenddate" in inputs:
            terms.subscriptionenddate = _date_or_reset(inputs, "subscriptionenddate")
    elif kind == "expirationdate":
        inputs.required("subscriptionenddate")
        terms.licensetype = "ExpirationDate"
        terms.subscriptionenddate = inputs.date("subscriptionenddate")
    else:
        terms.licensetype = "Perpetual"
        terms.subscriptionperiod, terms.subscriptionenddate = 0, None


def _change_period(terms: Terms, inputs: Inputs) -> None:
    inputs.required("subscriptionperiod")
    if terms.licensetype == "SubscriptionPeriod":
        # "Extend" may mean add. The reading that hurts a careless client is the one to rehearse with.
        terms.subscriptionperiod += inputs.whole("subscriptionperiod", low=1, high=1000)
    else:
        terms.subscriptionperiod = inputs.whole("subscriptionperiod", low=1, high=5000)
    terms.licensetype = "SubscriptionPeriod"


def _date_or_reset(inputs: Inputs, name: str) -> str | None:
    return None if inputs.text(name).lower() == "reset" else inputs.date(name)


LIMITED = {"Floating": "MaximumActive", "ElementPool": "ElementLimit"}


def _change_features(terms: Terms, inputs: Inputs) -> None:
    for each in inputs.each("features"):
        code = each.required("featurecode")
        feature = next((one for one in terms.features if one["featureCode"] == code), None)
        if feature is None:
            raise _failure(f"Feature {code} does not exist")
        wanted = each.word("featureavailability", "on", "off")
        if wanted:
            feature["featureAvailability"] = wanted.upper()
        if "limit" in each and feature["featureType"] in LIMITED:
            feature["featureDetails"][0] = f"{LIMITED[feature['featureType']]} : {each.whole('limit')}"


def _change_udfs(terms: Terms, inputs: Inputs) -> None:
    for each in inputs.each("udfvalues"):
        name = each.required("fieldname")
        if name not in terms.udfs:
            raise _failure(f"UDF {name} does not exist")
        terms.udfs[name] = each.text("defaultvalue")


def _change_functions(terms: Terms, inputs: Inputs) -> None:
    for each in inputs.each("serverfunctions"):
        if each.required("functionname") == "LTCO":
            on = each.word("enabled", "on", "off", default="on") == "on"
            terms.checkout_days = each.whole("parametervalue", terms.checkout_days or 0) if on else None


def _page(inputs: Inputs, found: list[Any], row: Callable[[Any], dict[str, Any]]) -> Any:
    """The rows of a page; on page 0, which is what leaving it out means, only how many there are."""
    number, size = inputs.whole("pagenumber"), inputs.whole("pagesize") or PAGE
    if not number:
        return len(found)
    size = min(size, PAGE)
    return [row(each) for each in found[(number - 1) * size : number * size]]


def _leases(terms: Terms) -> dict[str, Any]:
    return {
        "clientLeaseperiod": terms.clientleaseperiod,
        "vmLeaseperiod": terms.vmleaseperiod,
        "clientOfflineLeaseperiod": terms.offline_hours,
    }


def _limits(terms: Terms) -> dict[str, Any]:
    return {
        "networkseats": terms.networkseats,
        "heartbeat": terms.heartbeat,
        "concurrentProcesses": terms.concurrentprocesses,
        "concurrencyMode": terms.concurrencymode,
    }


def _subscription(terms: Terms) -> dict[str, Any]:
    return {
        "subscriptionperiod": terms.subscriptionperiod,
        "subscriptionEnddate": terms.subscriptionenddate,
        "subscriptionlastActivated": None,
        "maintenanceEnddate": terms.maintenanceenddate,
    }


def _udf_rows(terms: Terms) -> list[dict[str, str]]:
    return [{"fieldName": name, "defaultValue": value} for name, value in terms.udfs.items()]


def _functions(terms: Terms) -> list[dict[str, str]]:
    days = terms.checkout_days
    return [
        {
            "functionName": "LTCO",
            "enabled": "OFF" if days is None else "ON",
            "parameterValue": "" if days is None else str(days),  # a number as a string, as the vendor has it
        }
    ]


def _profile_row(each: Profile, *, functions: bool) -> dict[str, Any]:
    """A profile as GET Profile shows it: the spelling of GET LicenseCode."""
    terms = each.terms
    row = {
        "profileName": each.name,
        "profileID": each.profile,
        "enabledforuse": str(terms.enabled),
        "licensetype": terms.licensetype,
        "clientsallowed": terms.clientsallowed,
        **_leases(terms),
        "acquiredbywebservice": str(terms.acquired),
        **_limits(terms),
        "resellerID": 0,
        "subscriptionperiod": terms.subscriptionperiod,
        "subscriptionEnddate": terms.subscriptionenddate,
        "maintenanceEnddate": terms.maintenanceenddate,
        "created": each.created,
        "modified": each.modified,
        "features": terms.features,
        "udfValues": _udf_rows(terms),
    }
    return row | {"serverFunctions": _functions(terms)} if functions else row


def _listed_profile(each: Profile, *, functions: bool) -> dict[str, Any]:
    """A profile as GET Profiles shows it: camel case throughout, and words in lower case."""
    terms = each.terms
    row = {
        "productId": each.product,
        "profileName": each.name,
        "profileId": each.profile,
        "enabledForUse": str(terms.enabled).lower(),
        "licenseType": terms.licensetype.lower(),
        "clientsAllowed": terms.clientsallowed,
        "clientLeasePeriod": terms.clientleaseperiod,
        "vmLeasePeriod": terms.vmleaseperiod,
        "clientOfflineLeasePeriod": terms.offline_hours,
        "acquiredByWebservice": str(terms.acquired).lower(),
        "networkSeats": terms.networkseats,
        "heartBeat": terms.heartbeat,
        "concurrentProcesses": terms.concurrentprocesses,
        "resellerId": 0,
        "concurrencyMode": terms.concurrencymode.lower(),
        "subscriptionPeriod": terms.subscriptionperiod,
        "subscriptionEndDate": terms.subscriptionenddate,
        "maintenanceEndDate": terms.maintenanceenddate,
        "created": each.created,
        "modified": each.modified,
        "features": [_with_small_details(feature) for feature in terms.features],
        "udfValues": _udf_rows(terms),
    }
    return row | {"serverFunctions": _functions(terms)} if functions else row


def _with_small_details(feature: dict[str, Any]) -> dict[str, Any]:
    return feature | {"featureDetails": [each[0].lower() + each[1:] for each in feature["featureDetails"]]}


def _product_row(each: Product) -> dict[str, Any]:
    """A product: `productId`, though the vendor's table says productID."""
    terms = each.terms
    return {
        "productName": each.name,
        "productId": each.product,
        "clientLeasePeriod": terms.clientleaseperiod,
        "vmLeasePeriod": terms.vmleaseperiod,
        "clientOfflineLeasePeriod": terms.offline_hours,
        "trialPeriod": each.trial_days,
        "licenseType": terms.licensetype.lower(),
        "clientsAllowed": terms.clientsallowed,
        "features": [
            {name: value for name, value in feature.items() if name != "featureDetails"}
            | {"featureName": feature["featureCode"].title(), "featureNotes": "", "featureGroup": "Default"}
            for feature in terms.features
        ],
        "udfValues": _udf_rows(terms),
    }


def _escaped(value: dict[str, Any]) -> str:
    """JSON within JSON: an object on the way in is a string on the way out."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _number(taken: Container[int]) -> int:
    """A fresh number, drawn at random: one of an earlier run must not mean something else in this one."""
    while True:
        number = secrets.randbelow(2_000_000_000) + 1000
        if number not in taken:
            return number


def _now() -> str:
    return _written(datetime.now(UTC))


def _written(moment: datetime) -> str:
    """A datetime as the vendor writes it: no zone, and no more of the fraction than needed."""
    if moment.tzinfo:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    text = moment.isoformat(timespec="milliseconds")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _feature(code: str, kind: str = "Normal", *details: str, on: bool = True) -> dict[str, Any]:
    return {
        "featureCode": code,
        "featureAvailability": "ON" if on else "OFF",
        "featureType": kind,
        "featureDetails": list(details),
    }


def _products() -> list[Product]:
    """The products of a small firm: a program for one desk, and the same for a team."""
    pro = Terms(
        clientleaseperiod=24,
        offline_hours=720,
        features=[_feature("EXPORT"), _feature("CLOUDSYNC", on=False)],
        udfs={"EDITION": "Pro"},
    )
    team = Terms(
        licensetype="SubscriptionPeriod",
        clientsallowed=5,
        clientleaseperiod=24,
        offline_hours=168,
        subscriptionperiod=365,
        concurrencymode="Cloud",
        features=[
            _feature("EXPORT"),
            _feature("CLOUDSYNC"),
            _feature("SEATS", "Floating", "MaximumActive : 5", "TotalActive : 0"),
        ],
        udfs={"EDITION": "Team"},
    )
    return [Product(PRO, "Draftline Pro", 30, pro), Product(TEAM, "Draftline Team", 14, team)]
