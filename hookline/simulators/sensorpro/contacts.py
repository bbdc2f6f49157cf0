"""Sensorpro's contacts, and the calls about them."""

import copy
import math
import time
import uuid
from collections.abc import Callable
from typing import Any

from hookline.simulators.control import Call, RefusedError, folded, operation
from hookline.simulators.records import Document, names
from hookline.simulators.sensorpro.core import (
    SensorproCore,
    bad_request,
    body_of,
    message,
    part_of,
    refused,
    texts,
    whole,
)

BAD_CONTACT = "CONTACT_INVALID"
CONTACT_EXISTS = "CONTACT_EXISTS"
NO_CONTACT = "CONTACT_NOT_FOUND"
ADDED = "CONTACT_ADDED"
UPDATED = "CONTACT_UPDATED"
DONE = {ADDED: "The contact was added.", UPDATED: "The contact was updated."}

FIELDS = names("""
    Title FirstName LastName Gender DateofBirth DateOfLastPurchase PersonalEmail1 BusinessEmail
""")
"""The fields that the vendor names; it has more, and each organization its own."""
OURS = frozenset(("contactid", "personalemail", "tags", "optout"))
PAGE_SIZE = 100
LISTED = {"contact": "Contact", "contacts": "Contacts"}


class ContactRoutes(SensorproCore):
    """The calls about contacts."""

    def seed(self) -> None:
        """Forget the contacts and mails."""
        super().seed()
        self._contacts: dict[str, Document] = {}
        self._mails: list[Document] = []

    def records(self) -> Document:
        """Return every contact and every mail besides."""
        return super().records() | copy.deepcopy(
            {"mails": self._mails, "contacts": list(self._contacts.values())}
        )

    def contact(self, address: str) -> Document | None:
        """Return the contact with an address, if there is one."""
        return self._contacts.get(address.lower())

    def contacts(self, *, tag: Any = None) -> list[Document]:
        """Return all contacts, or those with a tag."""
        return [each for each in self._contacts.values() if not tag or tag in each["Tags"]]

    def mail(self, to: str, **rest: Any) -> None:
        """Send a mail."""
        unset: Document = {"campaign": None, "broadcast": None, "parameters": {}}
        self._mails.append({"id": len(self._mails) + 1, "at": time.time(), "to": to} | unset | rest)

    # Writing

    @operation("POST", "/api/Contact/UpdateAdd/{Token}")
    def upsert_contacts(self, call: Call) -> Any:
        """Add or update each contact; a bad row is reported by its index and the others are applied."""
        return self._write_all(call, lambda row, body: self.upsert(row, texts(body, "AddToList"), body))

    @operation("POST", "/api/Contact/Add/{Token}")
    def add_contacts(self, call: Call) -> Any:
        """Add each contact; one that is there already is an error of its row."""
        return self._write_all(call, self._add)

    @operation("PUT", "/api/Contact/Update/{Token}")
    def update_contacts(self, call: Call) -> Any:
        """Update each contact; one that is not there is an error of its row."""
        return self._write_all(call, self._update)

    def _write_all(self, call: Call, write: Callable[[Any, Document], str]) -> Any:
        body = body_of(call)
        texts(body, "AddToList")
        options = part_of(body, "Options")
        if self.dialect["upsert-needs-options"] == "needed" and not {"parameters", "action"} <= set(options):
            raise bad_request("Options must have Parameters and Action.")
        if str(body.get("updatebykey", "email")).lower() != "email":
            raise bad_request("UpdateByKey must be email.")
        rows = body.get("contact")
        if not isinstance(rows, list) or not rows:
            raise bad_request("Contact must be a list of contacts.")
        errors, statuses = [], []
        for sequence, row in enumerate(rows):
            try:
                code = write(row, body)
                statuses.append(message(sequence, DONE[code], code))
            except RefusedError as error:
                errors.append(message(sequence, error.message, error.code))
        answer: Document = {"Result": self.result(errors, statuses)}
        if body.get("returnfailedrequests"):
            answer["FailedRequests"] = [rows[error["Sequence"]] for error in errors]
        return answer

    def upsert(self, row: Any, tags: list[str], options: Document) -> str:
        """Update a contact, or add it with these tags; return the code of which."""
        address = address_in(row)
        code = UPDATED if self.contact(address) else ADDED
        if code == ADDED:
            self._contacts[address.lower()] = {
                "ContactId": str(uuid.uuid4()),
                "PersonalEMail": address,
                "Tags": list(tags),
                "OptOut": False,
            }
        elif self.dialect["tags-of-known-contacts"] == "added":
            known = self._contacts[address.lower()]["Tags"]
            known += [tag for tag in tags if tag not in known]
        _fill(self._contacts[address.lower()], row)
        if options.get("sendwelcomeemail"):
            self.mail(address, kind="welcome")  # fact: welcome-each-time
        return code

    def _add(self, row: Any, body: Document) -> str:
        if self.contact(address_in(row)):
            raise refused(CONTACT_EXISTS, "The contact exists already.")
        return self.upsert(row, texts(body, "AddToList"), body)

    def _update(self, row: Any, body: Document) -> str:
        self.known(address_in(row))
        return self.upsert(row, [], body)

    # Reading

    @operation("POST", "/api/Contact/GetContacts/{Token}")
    def get_contacts(self, call: Call) -> Any:
        """Answer the contacts with this address or tag; all of them without a filter."""
        return self._listed(self._found(body_of(call)))  # fact: contacts-filter

    @operation("POST", "/api/Contact/GetContactsPaged/{Token}")
    def get_contacts_paged(self, call: Call) -> Any:
        """Answer a page of the contacts, counted from 1."""
        body = body_of(call)  # fact: contacts-have-pages
        number, size = whole(body, "PageNumber", 1), whole(body, "PageSize", PAGE_SIZE)
        if not number or not size:
            raise bad_request("PageNumber and PageSize begin with 1.")
        found, start = self._found(body), call.start((number - 1) * size)
        page = self._listed(found[start : start + size]) | {"PageNumber": number, "PageSize": size}
        if self.dialect["pages-are-counted"] == "uncounted":
            return page
        return page | {"TotalPages": math.ceil(len(found) / size), "TotalRecords": self.figure(len(found))}

    def _listed(self, contacts: list[Document]) -> Document:
        none = self.dialect["no-contact-is"]
        if not contacts and none == "absent":
            return {}
        if self.dialect["opted-out-shown"] == "hidden":
            contacts = [{name: each[name] for name in each if name != "OptOut"} for each in contacts]
        rows = None if not contacts and none == "nothing" else contacts
        return {LISTED[self.dialect["contacts-are-listed-as"]]: rows}

    def _found(self, body: Document) -> list[Document]:
        address = str(body.get("personalemail") or "").lower()
        return [
            each
            for each in self.contacts(tag=body.get("tag"))
            if address in ("", each["PersonalEMail"].lower())
        ]

    # Opting out

    @operation("PUT", "/api/Contact/ChangeOptOutStatus/{Token}")
    def change_opt_out_status(self, call: Call) -> Any:
        """Opt a contact out of mails, or in again."""
        body = body_of(call)  # fact: opting-out
        contact, out = self.known(address_in(body)), body.get("optout")
        if not isinstance(out, bool):
            raise bad_request("OptOut must be true or false.")
        contact["OptOut"] = out
        return {}

    @operation("POST", "/api/Contact/ForgetMe/{Token}")
    def forget_contact(self, call: Call) -> Any:
        """Erase a contact for good."""
        contact = self.known(address_in(body_of(call)))  # fact: forgetting
        del self._contacts[contact["PersonalEMail"].lower()]
        return {}

    def known(self, address: str) -> Document:
        """Return the contact with an address, which there must be."""
        contact = self.contact(address)
        if contact is None:
            raise refused(NO_CONTACT, "There is no such contact.")
        return contact


def address_in(row: Any) -> str:
    """Return a contact's address, which must be there and could be one."""
    address = folded(row).get("personalemail") if isinstance(row, dict) else None
    if not is_address(address):
        raise refused(BAD_CONTACT, "PersonalEMail is missing or no e-mail address.")
    return str(address)


def is_address(value: Any) -> bool:
    """Return True if it could be an e-mail address."""
    name, _, domain = value.partition("@") if isinstance(value, str) else ("", "", "")
    return bool(name.strip() and domain.strip())


def _fill(contact: Document, row: Document) -> None:
    """Set a contact's fields, those the vendor names in its spelling; what is no text or number is dropped."""
    spelt = {name.lower(): name for name in (*FIELDS, *contact)}
    for name, value in row.items():
        if name.lower() not in OURS and isinstance(value, str | int | float):
            contact[spelt.get(name.lower(), name)] = value
