"""Jiwa's debtors, as it calls customers, and the calls about them."""

import json
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hookline.simulators.control import Call, RefusedError, operation
from hookline.simulators.jiwa import autoquery
from hookline.simulators.jiwa.core import JiwaCore
from hookline.simulators.jiwa.sessions import Caller, Table
from hookline.simulators.jiwa.values import (
    Document,
    against_the_rules,
    blank,
    body_of,
    fill,
    found,
    missing,
    money,
    objects,
    record_id,
    taken,
    timestamp,
)

# What a request may set. Whatever else it holds is dropped without a word, as at the vendor.
DEBTOR = (
    "Name",
    "AltAccountNo",
    "CompanyName",
    "TradingName",
    "Address1",
    "Address2",
    "Address3",
    "Address4",
    "Postcode",
    "Country",
    "Phone",
    "EmailAddress",
    "ABN",
    "ACN",
    "CreditLimit",
    "AccountOnHold",
    "IsCashOnly",
    "TermsDays",
    "TermsType",
    "TradingStatus",
)
CONTACT_NAME = (
    "Title",
    "FirstName",
    "Surname",
    "Phone",
    "Mobile",
    "EmailAddress",
    "DefaultContact",
    "ExternalAppRecID",
)
DEBTOR_FIELDS = (
    {"SettingID": "92f5b3a07c1e4d68a84b", "SettingName": "FleetCustomer", "PluginName": "Integration"},
)

DEBTOR_LIST: dict[str, type] = {
    "DebtorID": str,
    "AccountNo": str,
    "AltAccountNo": str,
    "Name": str,
    "EmailAddress": str,
    "Phone": str,
    "Country": str,
    "CurrentBalance": float,
    "AccountOnHold": bool,
    "LastSavedDateTime": datetime,
}


@dataclass(slots=True)
class Debtor:
    """A customer."""

    document: Document

    @property
    def key(self) -> str:
        """The DebtorID."""
        return str(self.document["DebtorID"])

    @property
    def debtor_id(self) -> str:
        """It is its own."""
        return self.key

    def draft(self) -> "Debtor":
        """A copy to change."""
        return Debtor(json.loads(json.dumps(self.document)))

    def stamp(self) -> None:
        """Put down that it is saved now."""
        self.document["LastSavedDateTime"] = timestamp()

    def change(self, body: Mapping[str, Any]) -> None:
        """Take over the fields of a POST or a PATCH; contacts without a key are appended."""
        self.document |= taken(body, ("AccountNo", *DEBTOR))
        fill(self.document["CustomFieldValues"], body)
        contacts = self.document["ContactNames"]
        for given in objects(body, "ContactNames"):
            key = taken(given, ("ContactNameID",)).get("ContactNameID")
            if not key:
                contacts.append({"ContactNameID": record_id(), "FirstName": "", "Surname": ""})
            contact = found(contacts, "ContactNameID", key) if key else contacts[-1]
            contact |= taken(given, CONTACT_NAME) | {"LastSavedDateTime": timestamp()}


def new_debtor(account: str) -> Debtor:
    """A debtor of whom only the account number is known."""
    return Debtor(
        {
            "DebtorID": record_id(),
            "AccountNo": account,
            "AltAccountNo": "",
            "Name": "",
            "EmailAddress": "",
            "Phone": "",
            "Country": "Australia",
            "CreditLimit": 0,
            "AccountOnHold": False,
            "IsCashOnly": False,
            "TermsDays": 30,
            "TermsType": "Invoice",
            "ContactNames": [],
            "DeliveryAddresses": [],
            "Notes": [],
            "TradingStatus": "e_DebtorTradingStatusActive",
            "CustomFieldValues": blank(DEBTOR_FIELDS),
            "LastSavedDateTime": timestamp(),
        }
    )


class DebtorRoutes(JiwaCore):
    """The calls about debtors."""

    def seed(self) -> None:
        """No debtors."""
        super().seed()
        self.debtors: Table[Debtor] = Table("Debtor", self.debtor_saved)

    def records(self) -> dict[str, Any]:
        """Every debtor besides."""
        debtors = [self._debtor_document(debtor) for debtor in self.debtors]
        return super().records() | {"debtors": json.loads(json.dumps(debtors))}

    @abstractmethod
    def debtor_saved(self, debtor: Debtor, new: bool) -> None:
        """Let the rest know that a debtor was saved."""

    @abstractmethod
    def transactions(self, debtor: Debtor) -> Iterator[Document]:
        """What a debtor was invoiced and has paid."""

    def name_of(self, debtor_id: str) -> str:
        """A debtor's name."""
        return str(self.debtors.named(debtor_id).document["Name"])

    # Debtors

    @operation("GET", "/Debtors")
    def get_api_key_debtor(self, call: Call) -> Any:
        """The debtor whose API key it is; with any other log-in there is none to return (assumed)."""
        debtor_id = self.caller(call).session.debtor_id
        return self._debtor_document(self.debtors.named(debtor_id)) if debtor_id else None

    @operation("GET", "/Debtors/{DebtorID}")
    def get_debtor(self, call: Call) -> Any:
        """A debtor."""
        return self._debtor_document(self.debtors.read(self.caller(call), call.path["DebtorID"]))

    @operation("POST", "/Debtors")
    def create_debtor(self, call: Call) -> Any:
        """Add a debtor; an account number that is taken is refused (assumed)."""
        body = body_of(call)
        given = taken(body, ("AccountNo", "Name"))
        if not given.get("AccountNo") or not given.get("Name"):
            raise RefusedError(400, "AccountNo and Name must be given.", "ArgumentException")
        self._check_account(given["AccountNo"])
        debtor = new_debtor(given["AccountNo"])
        debtor.change(body)
        return self._debtor_document(self.debtors.add(self.caller(call), debtor))

    @operation("PATCH", "/Debtors/{DebtorID}")
    def update_debtor(self, call: Call) -> Any:
        """Change a debtor; its orders show the new name and address at once."""
        caller, key, body = self.caller(call), call.path["DebtorID"], body_of(call)
        account = taken(body, ("AccountNo",)).get("AccountNo")
        if account and account != self.debtors.read(caller, key).document["AccountNo"]:
            self._check_account(account)
        self.debtors.change(caller, key, lambda debtor: debtor.change(body))
        return self._debtor_document(self.debtors.read(caller, key))

    @operation("GET", "/Debtors/{DebtorID}/Save")
    def save_debtor(self, call: Call) -> Any:
        """Save what the session has in work of a debtor."""
        return self._debtor_document(self.debtors.save(self.caller(call), call.path["DebtorID"]))

    @operation("GET", "/Queries/DebtorList")
    def query_debtors(self, call: Call) -> Any:
        """Debtors."""
        documents = map(self._debtor_document, self.debtors)
        rows = ({name: each[name] for name in DEBTOR_LIST} for each in documents)
        return autoquery.answer(rows, DEBTOR_LIST, call.query)

    @operation("GET", "/Queries/DebtorTransactionList")
    def query_debtor_transactions(self, call: Call) -> Any:
        """The debtors' ledger: invoices, credit notes and receipts."""
        rows = (
            row for debtor in self.debtors.seen_by(self.caller(call)) for row in self.transactions(debtor)
        )
        return autoquery.answer(rows, DEBTOR_TRANSACTION_LIST, call.query)

    def account(self, account: str) -> Debtor | None:
        """The debtor with an account number."""
        return next((each for each in self.debtors if each.document["AccountNo"] == account), None)

    def _check_account(self, account: str) -> None:
        if self.account(account):
            raise against_the_rules(f"Account number {account} is already in use.")

    def debtor_named_by(self, caller: Caller, body: Mapping[str, Any]) -> Debtor:
        """The customer of a new document; its key goes before its account number."""
        given = taken(body, ("DebtorID", "DebtorAccountNo"))
        key, account = given.get("DebtorID"), given.get("DebtorAccountNo")
        if caller.session.debtor_id or key:
            return self.debtors.named(caller.session.debtor_id or str(key))
        if not account:
            # The vendor tells its business rules with 500, as far as is known.
            raise RefusedError(500, "DebtorID or DebtorAccountNo must be given.", "JiwaException")
        debtor = self.account(account)
        if debtor is None:
            raise missing(f"Debtor with account number {account}")
        return debtor

    def _debtor_document(self, debtor: Debtor) -> Document:
        sign = {False: 1, True: -1}
        owed = money(sign[row["DebitCredit"]] * row["OutstandingAmount"] for row in self.transactions(debtor))
        return debtor.document | {"CurrentBalance": owed}


DEBTOR_TRANSACTION_LIST: dict[str, type] = {
    "TransID": str,
    "DebtorID": str,
    "AccountNo": str,
    "Name": str,
    "TranDate": datetime,
    "DueDate": datetime,
    "InvRemitNo": str,
    "DebitCredit": bool,
    "Amount": float,
    "AllocatedAmount": float,
    "GSTAmount": float,
    "OutstandingAmount": float,
    "DebitAmountIncTax": float,
    "CreditAmountIncTax": float,
    "Description": str,
    "SourceID": str,
    "Ref": str,
    "Remark": str,
    "Note": str,
    "AgedOut": bool,
    "CurrencyShortName": str,
}
