"""State of a Zentitle account, and how its calls find what their inputs name."""

import secrets
from collections import Counter, defaultdict
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import Any

from hookline.simulators.control import Simulator, folded
from hookline.simulators.records import Document
from hookline.simulators.zentitle.inputs import NEVER, Inputs, escaped, failure, fresh_number, now
from hookline.simulators.zentitle.terms import Product, Profile, Terms

GLOBAL = "0"
"""The product of a company that all products share."""

Key = tuple[str, str]
"""A product's number and a license code: one code may be of several products."""


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
    """The amount that it has checked out of each feature that is counted."""

    @property
    def active(self) -> bool:
        """True until it is returned."""
        return self.deactivated == NEVER


@dataclass(slots=True)
class License:
    """A license code."""

    code: str
    product: str
    company: int
    profile: int
    reference: str
    terms: Terms
    created: str
    modified: str
    notes: dict[int, Document] = field(default_factory=dict)
    activity: list[Activation] = field(default_factory=list)

    @property
    def key(self) -> Key:
        """The key that no other license has."""
        return self.product, self.code

    @property
    def active(self) -> list[Activation]:
        """The activations that have not been returned."""
        return [each for each in self.activity if each.active]

    @property
    def used(self) -> Counter[int]:
        """The amount of each counted feature that is checked out, on all computers together."""
        used: Counter[int] = Counter()
        for each in self.active:
            used.update(each.uses)
        return used

    def on(self, computer: str) -> Activation | None:
        """Return its present activation on a computer."""
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
        self._consumers: defaultdict[str, list[Document]] = defaultdict(list)
        self._of_computer: defaultdict[tuple[str, str], list[Document]] = defaultdict(list)
        # Records in the vendor's spelling
        self._trials: dict[tuple[str, str], Document] = {}
        self._groups: dict[int, Document] = {}
        self._users: dict[int, Document] = {}
        self._assigned: dict[Key, Document] = {}
        self._events: list[Document] = []
        self._note_numbers: set[int] = set()

    # Adding

    def _add_license(self, each: License) -> License:
        self._licenses[each.key] = each
        self._of_company[each.company][each.key] = each
        self._note_numbers.update(each.notes)
        return each

    def _add_company(self, each: Company) -> None:
        self._companies[each.company] = each
        self._named[each.name, each.product].append(each)

    def _add_consumer(self, row: Document) -> None:
        self._consumers[row["productID"]].append(row)
        self._of_computer[row["productID"], row["computerID"]].append(row)

    def _move(self, moved: License, company: int) -> None:
        """Give a license to a company, or to none."""
        if company != moved.company:
            del self._of_company[moved.company][moved.key]
            self._of_company[company][moved.key] = moved
            moved.company = company

    def _allocate(self, code: str, product: str, profile: int, terms: Terms, company: int) -> License:
        created = now()
        return self._add_license(License(code, product, company, profile, "", terms, created, created))

    def _draw(self, product: str, number: int) -> list[str]:
        """Draw fresh codes of 18 digits at random: no two runs of the sandbox give the same."""
        codes: dict[str, None] = {}
        while len(codes) < number:
            code = str(secrets.randbelow(9 * 10**17) + 10**17)
            if (product, code) not in self._licenses:
                codes[code] = None
        return list(codes)

    def _note(self, kind: str, text: str) -> Document:
        number = fresh_number(self._note_numbers)
        self._note_numbers.add(number)
        return new_note(number, kind, text, now())

    # Finding what inputs name

    def _product(self, inputs: Inputs) -> Product:
        product = self._products.get(inputs.required("productid"))
        if product is None:
            raise failure("ProductID does not exist")
        return product

    def _license(self, inputs: Inputs) -> License:
        found = self._licenses.get((self._product(inputs).product, inputs.required("licensecode")))
        if found is None:
            raise failure("License code does not exist")
        return found

    def _reference(self, inputs: Inputs, name: str, rows: Container[int], kind: str, current: int = 0) -> int:
        """Return the number of the record to belong to: 0 for none, the current one when it is left out."""
        number = inputs.whole(name) if name in inputs else current
        if number and number not in rows:
            raise failure(f"{kind} does not exist")
        return number

    def _company_number(self, inputs: Inputs, current: int = 0) -> int:
        return self._reference(inputs, "companyid", self._companies, "Company", current)

    def _company_name(self, number: int) -> str:
        return self._companies[number].name if number else ""

    def _profile_number(self, inputs: Inputs, product: str) -> int:
        """Return the number of the profile named; 0 for the default."""
        name = inputs.text("profilename")
        return 0 if name.lower() in ("", "default", "none") else self._profile(product, name).profile

    def _profile(self, product: str, name: str) -> Profile:
        for each in self._profiles.values():
            if each.product == product and each.name.lower() == name.lower():
                return each
        raise failure("Profile does not exist")

    def _profile_name(self, number: int) -> str:
        return self._profiles[number].name if number else ""

    def _starting_terms(self, product: str, profile: int) -> Terms:
        return self._profiles[profile].terms if profile else self._products[product].terms

    def _reseller(self, inputs: Inputs, current: int = 0) -> int:
        """Return the number of the reseller named; the current one when none is named."""
        name = inputs.text("reseller")
        if name and name not in self._resellers:
            raise failure("Reseller does not exist")
        return self._resellers[name] if name else current


def new_note(number: int, kind: str, text: str, created: str, author: str = "") -> Document:
    """Return a note; its author is blank for what a web service wrote."""
    return {
        "noteID": number,
        "type": kind.capitalize(),
        "created": created,
        "createdBy": author,
        "description": text,
    }


def consumer_row(
    product: str, computer: str, code: str, information: Mapping[str, Any], created: str
) -> Document:
    """Return a consumer record; what can be searched is beside the information it comes from."""
    known = {name: "" if value is None else str(value) for name, value in folded(information).items()}
    searchable = {name: known.get(name.lower(), "") for name in ("firstName", "lastName", "company", "email")}
    return {
        "productID": product,
        "computerID": computer,
        "licenseCode": code,
        **searchable,
        "clientInfo": escaped(information),
        "created": created,
    }
