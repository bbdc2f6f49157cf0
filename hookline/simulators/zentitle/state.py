"""What a Zentitle account holds, and how its calls find what their inputs name."""

import secrets
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from hookline.simulators.control import Simulator, folded
from hookline.simulators.zentitle.inputs import (
    NEVER,
    Inputs,
    escaped,
    failure,
    fresh_number,
    now,
)
from hookline.simulators.zentitle.terms import Product, Profile, Terms

GLOBAL = "0"
"""What stands for the product of a company that all products share."""

Key = tuple[str, str]
"""A product's number and a license code: one code may be of several products."""


@dataclass(slots=True)
class Note:
    """A note of a license code."""

    note: int
    kind: str
    text: str
    created: str = field(default_factory=now)
    author: str = ""
    """Who wrote it in the dashboard; blank for whatever a web service wrote."""

    def row(self) -> dict[str, Any]:
        """The note as it is shown."""
        return {
            "noteID": self.note,
            "type": self.kind,
            "created": self.created,
            "createdBy": self.author,
            "description": self.text,
        }


@dataclass(slots=True)
class Activation:
    """A license code on a computer, now or once."""

    computer: str
    activated: str
    system: dict[str, str]
    lease_ends: str | None = None
    deactivated: str = NEVER
    username: str = ""
    uses: dict[int, int] = field(default_factory=dict)
    """How much it has checked out of each feature that is counted."""

    @property
    def active(self) -> bool:
        """Has it not been returned?"""
        return self.deactivated == NEVER


@dataclass(slots=True)
class License:
    """One license code."""

    code: str
    product: str
    company: int
    profile: int
    reference: str
    terms: Terms
    created: str
    modified: str
    notes: dict[int, Note] = field(default_factory=dict)
    activity: list[Activation] = field(default_factory=list)

    @property
    def key(self) -> Key:
        """What no other license has."""
        return self.product, self.code

    @property
    def active(self) -> list[Activation]:
        """The activations that have not been returned."""
        return [each for each in self.activity if each.active]

    @property
    def used(self) -> Counter[int]:
        """How much of each counted feature is checked out, on all computers together."""
        used: Counter[int] = Counter()
        for each in self.active:
            used.update(each.uses)
        return used

    def on(self, computer: str) -> Activation | None:
        """Its present activation on a computer."""
        return next((each for each in self.active if each.computer == computer), None)


@dataclass(slots=True)
class Company:
    """A company, of one product or of all."""

    company: int
    product: str
    name: str
    data: dict[str, Any]
    search: list[str]
    reseller: int
    created: str


@dataclass(slots=True)
class Trial:
    """A trial of a product on a computer; converted once a code is activated there."""

    product: str
    computer: str
    days: int
    created: str
    modified: str
    lease_ends: str
    expires: str
    system: dict[str, str]
    code: str = ""

    @property
    def running(self) -> bool:
        """Has it not expired? Moments in the vendor's form compare as text."""
        return self.expires > now()


@dataclass(slots=True)
class Group:
    """A group of end users."""

    group: int
    kind: str
    name: str
    description: str
    master: int
    company: int
    created: str
    modified: str


@dataclass(slots=True)
class User:
    """An end user, of one group."""

    user: int
    group: int
    name: str
    password: str = field(repr=False)
    first: str
    last: str
    email: str
    telephone: str
    more: str
    """Additional data, as JSON."""
    created: str
    modified: str


@dataclass(slots=True)
class Assignment:
    """That a license code belongs to a group."""

    group: int
    created: str


class Account(Simulator):
    """The state that all calls share; each subject's calls are a subclass."""

    def _clear(self) -> None:
        """Forget everything."""
        self._products: dict[str, Product] = {}
        self._profiles: dict[int, Profile] = {}
        self._licenses: dict[Key, License] = {}
        # The codes of each company, so that looking for an order's codes does not read all there are.
        self._of_company: defaultdict[int, dict[Key, License]] = defaultdict(dict)
        self._companies: dict[int, Company] = {}
        self._named: defaultdict[tuple[str, str], list[Company]] = defaultdict(list)
        self._resellers: dict[str, int] = {}
        self._consumers: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        self._of_computer: defaultdict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
        self._trials: dict[tuple[str, str], Trial] = {}
        self._groups: dict[int, Group] = {}
        self._users: dict[int, User] = {}
        self._assigned: dict[Key, Assignment] = {}
        self._events: list[dict[str, str]] = []
        self._note_numbers: set[int] = set()

    # Adding

    def _add_license(self, each: License) -> None:
        self._licenses[each.key] = each
        self._of_company[each.company][each.key] = each
        self._note_numbers.update(each.notes)

    def _add_company(self, each: Company) -> None:
        self._companies[each.company] = each
        self._named[each.name, each.product].append(each)

    def _add_consumer(self, row: dict[str, Any]) -> None:
        self._consumers[row["productID"]].append(row)
        self._of_computer[row["productID"], row["computerID"]].append(row)

    def _add_trial(self, each: Trial) -> None:
        self._trials[each.product, each.computer] = each

    def _move(self, found: License, company: int) -> None:
        """Give a license to a company, or to none."""
        if company != found.company:
            del self._of_company[found.company][found.key]
            self._of_company[company][found.key] = found
            found.company = company

    def _allocate(self, code: str, product: str, profile: int, terms: Terms, company: int) -> License:
        created = now()
        found = License(code, product, company, profile, "", terms, created, created)
        self._add_license(found)
        return found

    def _draw(self, product: str, number: int) -> list[str]:
        """Fresh codes of 18 digits, drawn at random: no two runs of the sandbox give the same."""
        codes: dict[str, None] = {}
        while len(codes) < number:
            code = str(secrets.randbelow(9 * 10**17) + 10**17)
            if (product, code) not in self._licenses:
                codes[code] = None
        return list(codes)

    def _note(self, kind: str, text: str) -> Note:
        number = fresh_number(self._note_numbers)
        self._note_numbers.add(number)
        return Note(number, kind.capitalize(), text)

    # Finding what inputs name

    def _product(self, inputs: Inputs) -> Product:
        found = self._products.get(inputs.required("productid"))
        if found is None:
            raise failure("ProductID does not exist")
        return found

    def _license(self, inputs: Inputs) -> License:
        found = self._licenses.get((self._product(inputs).product, inputs.required("licensecode")))
        if found is None:
            raise failure("License code does not exist")
        return found

    def _company_number(self, inputs: Inputs) -> int:
        """The number of the company to belong to; 0 for none."""
        number = inputs.whole("companyid")
        if number and number not in self._companies:
            raise failure("Company does not exist")
        return number

    def _company_name(self, number: int) -> str:
        return self._companies[number].name if number else ""

    def _profile_number(self, inputs: Inputs, product: str) -> int:
        """The number of the profile named; 0 for the default."""
        name = inputs.text("profilename")
        if name.lower() in ("", "default", "none"):
            return 0
        return self._profile(product, name).profile

    def _profile(self, product: str, name: str) -> Profile:
        for each in self._profiles.values():
            if each.product == product and each.name.lower() == name.lower():
                return each
        raise failure("Profile does not exist")

    def _profile_name(self, number: int) -> str:
        return self._profiles[number].name if number else ""

    def _starting_terms(self, product: str, profile: int) -> Terms:
        return self._profiles[profile].terms if profile else self._products[product].terms

    def _reseller(self, inputs: Inputs, before: int = 0) -> int:
        """The number of the reseller named; the one before when none is named."""
        name = inputs.text("reseller")
        if not name:
            return before
        if name not in self._resellers:
            raise failure("Reseller does not exist")
        return self._resellers[name]


def consumer_row(
    product: str, computer: str, code: str, information: dict[str, Any], created: str
) -> dict[str, Any]:
    """A consumer record; what can be searched stands beside the information that it was taken from."""
    known = {name: "" if value is None else str(value) for name, value in folded(information).items()}
    return {
        "productID": product,
        "computerID": computer,
        "licenseCode": code,
        "firstName": known.get("firstname", ""),
        "lastName": known.get("lastname", ""),
        "company": known.get("company", ""),
        "email": known.get("email", ""),
        "clientInfo": escaped(information),
        "created": created,
    }
