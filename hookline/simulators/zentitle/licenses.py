"""Zentitle's license codes: allocated or imported, acquired, changed, listed, and their notes."""

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import islice
from typing import Any

from hookline.simulators.control import Call, operation
from hookline.simulators.records import Document
from hookline.simulators.zentitle.inputs import Inputs, failure, inputs_of, later, now, page
from hookline.simulators.zentitle.state import Account, License
from hookline.simulators.zentitle.terms import CODE, CODES, Terms, changed, terms_row

MAX_CODES = 10_000
_END = "subscriptionEnddate"

CREATED = "License Codes Created Successfully : "
IMPORTED = "OK"
UPDATED = "License Code Details Updated Successfully"
NOTE_CREATED = "License Note Created Successfully"  # fact: undocumented-sentences
NOTE_UPDATED = "License Note Updated Successfully"
NOTE_DELETED = "License Note Deleted Successfully"


class Licenses(Account):
    """LicenseCode, LicenseCodes, NextLicenseCode and LicenseNote."""

    @operation("GET", "/api/LicenseCode")
    def get_license_code(self, call: Call) -> Any:
        """Answer a code's details, once for each product that has it."""
        inputs = inputs_of(call)
        code, notes, functions = inputs.required("licensecode"), inputs.bit("getnotes"), inputs.bit("getsfs")
        only_on = inputs.word("showfeatures", "on", "all") == "on"
        # Breakdowns by computer and by user: how they look is not documented, so only the totals are shown.
        inputs.bit("details")
        inputs.bit("userdetails")
        products = [self._product(inputs).product] if inputs.text("productid") else list(self._products)
        found = [self._licenses[each, code] for each in products if (each, code) in self._licenses]
        if not found:
            raise failure("License code does not exist")
        return [self._single(each, notes=notes, functions=functions, only_on=only_on) for each in found]

    @operation("POST", "/api/LicenseCode")
    def create_license_codes(self, call: Call) -> Any:
        """Import the codes in the inputs, all or none; without any, draw as many as asked."""
        inputs = inputs_of(call)
        product = self._product(inputs).product
        company = self._company_number(inputs)
        profile = self._profile_number(inputs, product)
        reference = inputs.text("reference")
        imported = [code.strip() for code in inputs.text("licensecodes").split(",") if code.strip()]
        if imported:
            self._check_importable(product, imported)
        codes = imported or self._draw(product, _amount(inputs))
        terms = self._starting_terms(product, profile)
        for code in codes:
            self._allocate(code, product, profile, terms, company).reference = reference
        return IMPORTED if imported else CREATED + ",".join(codes)

    @operation("PUT", "/api/LicenseCode")
    def update_license_code(self, call: Call) -> Any:
        """Change what is named and leave the rest; nothing at all when one value is wrong."""
        inputs = inputs_of(call)
        found = self._license(inputs)
        company = self._company_number(inputs, found.company)
        profile = self._profile_number(inputs, found.product) if "profilename" in inputs else found.profile
        terms = found.terms
        if inputs.truth("inheritprofile"):
            terms = self._starting_terms(found.product, profile)
        terms = self._with_days(changed(terms, inputs, self._products[found.product]), found.terms, inputs)
        reference = inputs.text("reference", found.reference)
        notes = self._changed_notes(found.notes, inputs)
        self._move(found, company)
        found.profile, found.terms, found.notes, found.reference = profile, terms, notes, reference
        found.modified = now()
        return UPDATED

    def _with_days(self, terms: Terms, before: Terms, inputs: Inputs) -> Terms:
        """Return changed terms with the days that a subscription, or what was one, has then."""
        kind, days = inputs.text("licensetype").lower(), inputs.whole("subscriptionperiod")
        if kind == "subscriptionperiod" and days and self.dialect["subscription-days"] == "set":
            return replace(terms, subscriptionperiod=days)
        if kind == "perpetual" and self.dialect["perpetual-clears-days"] == "kept":
            return replace(terms, subscriptionperiod=before.subscriptionperiod)
        return terms

    @operation("GET", "/api/LicenseCodes")
    def list_license_codes(self, call: Call) -> Any:
        """Answer a page of codes, or their number on page 0."""
        inputs = inputs_of(call)
        matches, functions = _filter(inputs), inputs.bit("getsfs")
        profiles = self._profiles_named(inputs)
        found = [
            each
            for each in self._candidates(inputs)
            if matches(each) and (profiles is None or each.profile in profiles)
        ]
        return page(call, inputs, found, lambda each: self._listed(each, functions=functions))

    @operation("GET", "/api/NextLicenseCode")
    def take_next_license_codes(self, call: Call) -> Any:
        """Acquire codes that nobody has used or acquired: a GET that changes the state, and may find too few."""
        inputs = inputs_of(call)
        product = self._product(inputs).product
        profile = self._profile_number(inputs, product)
        amount = inputs.whole("amount", 1, low=1, high=MAX_CODES)
        free = (
            each
            for each in self._licenses.values()
            if (each.product, each.profile) == (product, profile)
            and not each.activity
            and not each.terms.acquired
        )
        acquired = list(islice(free, amount))
        for each in acquired:
            each.terms, each.modified = replace(each.terms, acquired=True), now()
        codes = [each.code for each in acquired]
        match self.dialect["taken-codes"]:
            case "commas":
                return ",".join(codes)
            case "records":
                return [{"licenseCode": each} for each in codes]
            case _:
                return codes

    def _profiles_named(self, inputs: Inputs) -> set[int] | None:
        """Return the numbers of the profiles of this name, of any product; none when none is named."""
        name = inputs.text("profilename").lower()
        if not name:
            return None
        if name == "default":
            return {0}
        return {each.profile for each in self._profiles.values() if each.name.lower() == name}

    def _candidates(self, inputs: Inputs) -> Iterable[License]:
        """Return the codes of the company named by number or by name; all codes when none is named."""
        name, number = inputs.text("company"), inputs.whole("companyid")
        if name and number:
            raise failure("Please supply either company or companyID, not both")
        if number:
            return self._of_company[number].values() if number in self._of_company else ()
        if not name:
            return self._licenses.values()
        named = [each.company for each in self._companies.values() if each.name == name]
        return [each for company in named for each in self._of_company[company].values()]

    def _check_importable(self, product: str, codes: list[str]) -> None:
        known = [code for code in codes if (product, code) in self._licenses]
        if known:
            raise failure("License codes already exist : " + ",".join(known))
        if len(set(codes)) < len(codes):
            raise failure("License codes must be unique")
        if not all(re.fullmatch(r"[0-9]{17,19}", code) for code in codes):
            raise failure("License codes must have 17 to 19 digits")  # fact: codes-to-import

    # Notes

    @operation("GET", "/api/LicenseNote")
    def list_license_notes(self, call: Call) -> Any:
        """Answer the notes of a code."""
        return list(self._license(inputs_of(call)).notes.values())

    @operation("POST", "/api/LicenseNote")
    def create_license_note(self, call: Call) -> Any:
        """Add a note; its number is not answered."""
        inputs = inputs_of(call)
        found = self._license(inputs)
        inputs.required("type")
        note = self._note(inputs.word("type", "general", "system"), inputs.required("description"))
        found.notes[note["noteID"]] = note
        return NOTE_CREATED

    @operation("PUT", "/api/LicenseNote")
    def update_license_note(self, call: Call) -> Any:
        """Change a note's text or type."""
        inputs = inputs_of(call)
        note = _note_of(self._license(inputs), inputs.number("noteid"))
        kind = inputs.word("type", "general", "system", default=note["type"])
        note |= {
            "description": inputs.text("description", note["description"]),
            "type": kind.capitalize(),
        }
        return NOTE_UPDATED

    @operation("DELETE", "/api/LicenseNote")
    def delete_license_note(self, call: Call) -> Any:
        """Delete a note; without a number, or with 0, every note of the code."""
        inputs = inputs_of(call)
        found, number = self._license(inputs), inputs.whole("noteid")
        if number:
            del found.notes[_note_of(found, number)["noteID"]]
        else:
            found.notes.clear()
        return NOTE_DELETED

    def _changed_notes(self, notes: dict[int, Document], inputs: Inputs) -> dict[int, Document]:
        """Return the notes after a PUT: all deleted, then some deleted, then new ones added, in this order."""
        changes = [
            (each.word("type", "general", "system", "delete", "deleteall"), each)
            for each in inputs.each("notes")
        ]
        left = {} if any(kind == "deleteall" for kind, _ in changes) else dict(notes)
        for kind, each in changes:
            if kind == "delete" and left.pop(each.whole("description"), None) is None:
                raise failure("Note does not exist")
        for kind, each in changes:
            if kind in ("general", "system"):
                note = self._note(kind, each.required("description"))
                left[note["noteID"]] = note
        return left

    # Output

    def _single(
        self, each: License, *, notes: bool = False, functions: bool = False, only_on: bool = False
    ) -> Document:
        """Return a code as GET LicenseCode spells it: "True", companyID, clientsallowed, and no dates of its own."""
        return self._row(each, CODE, functions=functions, only_on=only_on) | {
            "companyID": each.company,
            "profilename": self._profile_name(each.profile) or "Default",
            "notes": list(each.notes.values()) if notes else [],
        }

    def _listed(self, each: License, *, functions: bool) -> Document:
        """Return a code as GET LicenseCodes spells it: "true", activationsAllowed, dates, and no companyID."""
        row = self._row(each, CODES, functions=functions)
        return (
            row
            | {name: row[name].lower() for name in ("enabledforuse", "acquiredbywebservice")}
            | {
                "profilename": self._profile_name(each.profile),
                "numDeActivations": len(each.activity) - len(each.active),
                "created": each.created,
                "modified": each.modified,
            }
        )

    def _row(
        self, each: License, spelling: tuple[str, ...], *, functions: bool, only_on: bool = False
    ) -> Document:
        product = self._products[each.product]
        terms = terms_row(each.terms, product, spelling, each.used, functions=functions, only_on=only_on)
        last = max((one.activated for one in each.activity), default=None)
        if last and each.terms.subscriptionperiod and self.dialect["end-of-a-subscription"] == "shown":
            terms[_END] = terms[_END] or later(last, hours=24 * each.terms.subscriptionperiod)
        return terms | {
            "licenseCode": each.code,
            "productID": each.product,
            "company": self._company_name(each.company),
            "numActivations": len(each.active),
            "subscriptionlastActivated": last,
        }


def _amount(inputs: Inputs) -> int:
    amount = inputs.whole("numcodes", high=MAX_CODES)
    if not amount:
        raise failure("numcodes is mandatory when no licensecodes are supplied")
    return amount


def _filter(inputs: Inputs) -> Callable[[License], bool]:
    product = inputs.text("productid")
    acquired, used, activated = (inputs.truth(name) for name in ("acquiredbywebservice", "used", "activated"))

    def matches(each: License) -> bool:
        return (
            (not product or each.product == product)
            and acquired in (None, each.terms.acquired)
            and used in (None, bool(each.activity))
            and activated in (None, bool(each.active))
        )

    return matches


def _note_of(found: License, number: int) -> Document:
    if number not in found.notes:
        raise failure("Note does not exist")
    return found.notes[number]
