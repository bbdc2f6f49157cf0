"""Sensorpro's imports of contacts from a file on an FTP site, and the calls about them."""

import csv
import re
import time
from dataclasses import dataclass, field
from typing import Any

from hookline.simulators.control import Call, RefusedError, folded, operation
from hookline.simulators.records import Document
from hookline.simulators.sensorpro.contacts import ContactRoutes
from hookline.simulators.sensorpro.core import bad_request, body_of, part_of, refused, whole

NO_IMPORT = "IMPORT_NOT_FOUND"

RUNNING, COMPLETED, FAILED, DEFINED = "Running", "Completed", "Failed", "Defined"
NAME = re.compile("[a-z0-9]{1,16}")
QUOTE = re.compile(r"[!-+\-/:-@[-`{-~]")  # a mark of ASCII but the comma, which parts the columns


@dataclass(frozen=True, slots=True)
class Definition:
    """The definition of an import: its file, and the fields that its columns fill."""

    tag: str
    file: str
    fields: dict[str, str]
    """By the heading of a column the contact's field that it fills."""
    quote: str = '"'
    clear: bool = False
    delete: bool = False


@dataclass(slots=True)
class Import:
    """A run of an import, and its outcome."""

    number: int
    definition: Definition
    status: str = RUNNING
    failed: list[int] = field(default_factory=list)
    """The rows that hold no contact, counted from 0."""
    total: int = 0

    def row(self) -> Document:
        """Return its progress."""
        return {  # fact: import-status
            "ImportId": self.number,
            "Tag": self.definition.tag,
            "Status": self.status,
            "TotalRecords": self.total,
            "TotalImported": self.total - len(self.failed),
            "TotalFailed": len(self.failed),
        }


FILE = "customers.csv"
FILES = {
    FILE: (
        "Email,First name,Last name,Company\n"
        "priya.nair@northgateprinting.example,Priya,Nair,Northgate Printing\n"
        "tom.castell@harbourarchitects.example,Tom,Castell,Harbour Architects\n"
        "not an address,Lee,Moor,Moor Street Books\n"
        'jo@moorstreetbooks.example,Jo,"Moor, senior",Moor Street Books\n'
    )
}
"""The one file on the one FTP site that the sandbox can reach, whatever its address and password."""
KNOWN = {
    "Customers": Definition(
        "Customers",
        FILE,
        {"Email": "personalemail", "First name": "firstname", "Last name": "lastname", "Company": "Company"},
    )
}
"""The imports that were set up before, by their tag."""


class ImportRoutes(ContactRoutes):
    """The calls about imports."""

    def seed(self) -> None:
        """Set up a file to import, and nothing imported."""
        super().seed()
        self._imports: dict[int, Import] = {}
        self._files = dict(FILES)
        self._definitions = dict(KNOWN)

    def records(self) -> Document:
        """Return every import besides, without the passwords of its site."""
        return super().records() | {"imports": [each.row() for each in self._imports.values()]}

    @operation("POST", "/api/import/ExecuteFTPImport/{Token}")
    def execute_ftp_import(self, call: Call) -> Any:
        """Begin an import, another one each time: one known by its tag, or one that the body defines."""
        body = body_of(call)
        definition, run = self._definition(body)
        number = len(self._imports) + 1
        job = self._imports[number] = Import(number, definition, RUNNING if run else DEFINED)
        if run:
            self.do_at(time.monotonic() + self.import_seconds, lambda: self._import(job))
        return {"ImportId": number}

    @operation("POST", "/api/import/GetImportStatus/{Token}")
    def get_import_status(self, call: Call) -> Any:
        """Answer the progress of an import."""
        job = self._imports.get(whole(body_of(call), "ImportId"))
        if job is None:
            raise refused(NO_IMPORT, "There is no such import.")
        return job.row()

    def _definition(self, body: Document) -> tuple[Definition, bool]:
        """Return the import that a body asks for, and True if it is to run."""
        tag = str(body.get("tag") or "")  # fact: import-definition
        inputs = part_of(body, "ImportDefinition")
        if not inputs:
            if tag not in self._definitions:
                raise refused(NO_IMPORT, "There is no import of this tag.")
            return self._definitions[tag], True
        facts = part_of(inputs, "ImportData")
        site = part_of(inputs, "FTPConfiguration") or part_of(inputs, "FTP")
        name, quote = str(facts.get("name", "")), str(facts.get("quotechar") or '"')
        if not NAME.fullmatch(name):
            raise bad_request("Name takes up to 16 of a to z and 0 to 9.")
        if not QUOTE.fullmatch(quote):
            raise bad_request("QuoteChar takes one mark.")
        if not site.get("ftpfilename"):
            raise bad_request("FTPFileName must be given.")
        definition = Definition(
            tag or name,
            str(site["ftpfilename"]),
            _field_map(inputs),
            quote,
            clear=facts.get("clearcrossxref") is True,
            delete=site.get("deletefileafterimport") is True,
        )
        self._definitions[definition.tag] = definition
        return definition, facts.get("executeimport", True) is not False

    def _import(self, job: Import) -> None:
        definition = job.definition
        content = self._files.get(definition.file)
        if content is None:
            job.status = FAILED
            return
        if definition.clear:
            for contact in self.contacts(tag=definition.tag):
                contact["Tags"].remove(definition.tag)
        rows = list(csv.DictReader(content.splitlines(), quotechar=definition.quote))
        for number, row in enumerate(rows):
            try:
                self._add_row(row, definition)
            except RefusedError:
                job.failed.append(number)
        job.total = len(rows)
        job.status = COMPLETED
        if definition.delete:
            del self._files[definition.file]

    def _add_row(self, row: Document, definition: Definition) -> None:
        contact = {to: row[heading] for heading, to in definition.fields.items() if row.get(heading)}
        self.upsert(contact, [], {})
        tags = self.known(str(folded(contact)["personalemail"]))["Tags"]
        if definition.tag not in tags:
            tags.append(definition.tag)


def _field_map(inputs: Document) -> dict[str, str]:
    rows = inputs.get("fieldmap")
    pairs = [folded(row) for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    fields = {str(pair.get("fromfield", "")): str(pair.get("tofield", "")) for pair in pairs}
    if "personalemail" not in {to.lower() for to in fields.values()}:
        raise bad_request("FieldMap must lead a column to personalemail.")
    return fields
