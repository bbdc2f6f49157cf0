"""Jiwa's debtors, as it calls customers, and the calls about them."""

import json
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hookline.simulators.control import Call, RefusedError, operation
from hookline.simulators.jiwa import autoquery
from hookline.simulators.jiwa.core import JiwaCore
from hookline.simulators.jiwa.sessions import Caller, Table
from hookline.simulators.jiwa.values import (
    blank,
    body_of,
    fill,
    found,
    missing,
    money,
    objects,
    read_fields,
    record_id,
    rule_violation,
    timestamp,
)
from hookline.simulators.records import Document, names

# The fields that a request may set. Whatever else it holds is dropped without a word, as at the vendor.
DEBTOR = names("""
    Name AltAccountNo CompanyName TradingName Address1 Address2 Address3 Address4 Postcode Country Phone
    EmailAddress ABN ACN CreditLimit AccountOnHold IsCashOnly TermsDays TermsType TradingStatus
""")
CONTACT_NAME = names("""
    Title FirstName Surname Phone Mobile EmailAddress DefaultContact ExternalAppRecID
""")
DEBTOR_FIELDS = (
    {"SettingID": "92f5b3a07c1e4d68a84b", "SettingName": "FleetCustomer", "PluginName": "Integration"},
)

DEBTOR_LIST = autoquery.columns(
    text="DebtorID AccountNo AltAccountNo Name EmailAddress Phone Country",
    number="CurrentBalance",
    flag="AccountOnHold",
    date="LastSavedDateTime",
)
DEBTOR_TRANSACTION_LIST = autoquery.columns(
    text="""
        TransID DebtorID AccountNo Name InvRemitNo Description SourceID Ref Remark Note CurrencyShortName
    """,
    number="""
        Amount AllocatedAmount GSTAmount OutstandingAmount DebitAmountIncTax CreditAmountIncTax
    """,
    flag="DebitCredit AgedOut",
    date="TranDate DueDate",
)


@dataclass(slots=True)
class Debtor:
    """A customer."""

    document: Document

    @property
    def key(self) -> str:
        """Its DebtorID."""
        return str(self.document["DebtorID"])

    @property
    def debtor_id(self) -> str:
        """Its own key."""
        return self.key

    def draft(self) -> "Debtor":
        """Return a copy to change."""
        return Debtor(json.loads(json.dumps(self.document)))

    def stamp(self) -> None:
        """Write down that it is saved now."""
        self.document["LastSavedDateTime"] = timestamp()

    def change(self, body: Mapping[str, Any]) -> None:
        """Set the fields of a POST or a PATCH; contacts without a key are appended."""
        self.document |= read_fields(body, ("AccountNo", *DEBTOR))
        fill(self.document["CustomFieldValues"], body)
        contacts = self.document["ContactNames"]
        for inputs in objects(body, "ContactNames"):
            key = read_fields(inputs, ("ContactNameID",)).get("ContactNameID")
            if not key:
                contacts.append({"ContactNameID": record_id(), "FirstName": "", "Surname": ""})
            contact = found(contacts, "ContactNameID", key) if key else contacts[-1]
            contact |= read_fields(inputs, CONTACT_NAME) | {"LastSavedDateTime": timestamp()}


def new_debtor(account: str) -> Debtor:
    """Return a debtor of whom only the account number is known."""
    unset = dict.fromkeys(("AltAccountNo", "Name", "EmailAddress", "Phone"), "")
    return Debtor(
        unset
        | {
            "DebtorID": record_id(),
            "AccountNo": account,
            "Country": "Australia",
            "CreditLimit": 0,
            "AccountOnHold": False,
            "IsCashOnly": False,
            "TermsDays": 30,
            "TermsType": "Invoice",
            "TradingStatus": "e_DebtorTradingStatusActive",
            "ContactNames": [],
            "DeliveryAddresses": [],
            "Notes": [],
            "CustomFieldValues": blank(DEBTOR_FIELDS),
            "LastSavedDateTime": timestamp(),
        }
    )


class DebtorRoutes(JiwaCore):
    """The calls about debtors."""

    def seed(self) -> None:
        """Forget the debtors."""
        super().seed()
        self.debtors: Table[Debtor] = Table("Debtor", self.debtor_saved)

    def records(self) -> dict[str, Any]:
        """Return every debtor besides."""
        debtors = [self._debtor_document(debtor) for debtor in self.debtors]
        return super().records() | {"debtors": json.loads(json.dumps(debtors))}

    @abstractmethod
    def debtor_saved(self, debtor: Debtor, new: bool) -> None:
        """Let the rest know that a debtor was saved."""

    @abstractmethod
    def transactions(self, debtor: Debtor) -> Iterator[Document]:
        """Yield a debtor's invoices and payments."""

    def name_of(self, debtor_id: str) -> str:
        """Return a debtor's name."""
        return str(self.debtors.named(debtor_id).document["Name"])

    # Debtors

    @operation("GET", "/Debtors")
    def get_api_key_debtor(self, call: Call) -> Any:
        """Answer the debtor whose API key it is; with any other log-in there is none to return."""
        debtor_id = self.caller(call).session.debtor_id
        if not debtor_id and self.dialect["staff-key-debtor"] == "not-found":
            raise missing("The debtor of the API key")
        return self._debtor_document(self.debtors.named(debtor_id)) if debtor_id else None

    @operation("GET", "/Debtors/{DebtorID}")
    def get_debtor(self, call: Call) -> Any:
        """Answer a debtor."""
        return self._debtor_document(self.debtors.read(self.caller(call), call.path["DebtorID"]))

    @operation("POST", "/Debtors")
    def create_debtor(self, call: Call) -> Any:
        """Add a debtor; an account number in use is refused."""  # fact: numbers-unique
        body = body_of(call)
        inputs = read_fields(body, ("AccountNo", "Name"))
        if not inputs.get("AccountNo") or not inputs.get("Name"):
            raise RefusedError(400, "AccountNo and Name must be given.", "ArgumentException")
        self._check_account(inputs["AccountNo"])
        debtor = new_debtor(inputs["AccountNo"])
        debtor.change(body)
        return self._debtor_document(self.debtors.add(self.caller(call), debtor))

    @operation("PATCH", "/Debtors/{DebtorID}")
    def update_debtor(self, call: Call) -> Any:
        """Change a debtor; its orders show the new name and address at once."""
        caller, key, body = self.caller(call), call.path["DebtorID"], body_of(call)
        account = read_fields(body, ("AccountNo",)).get("AccountNo")
        if account and account != self.debtors.read(caller, key).document["AccountNo"]:
            self._check_account(account)
        self.debtors.change(caller, key, lambda debtor: debtor.change(body))
        return self._debtor_document(self.debtors.read(caller, key))

    @operation("GET", "/Debtors/{DebtorID}/Save")
    def save_debtor(self, call: Call) -> Any:
        """Save the debtor that the session has in work."""
        return self._debtor_document(self.debtors.save(self.caller(call), call.path["DebtorID"]))

    @operation("GET", "/Queries/DebtorList")
    def query_debtors(self, call: Call) -> Any:
        """Answer a list of debtors."""
        documents = map(self._debtor_document, self.debtors)
        rows = ({name: each[name] for name in DEBTOR_LIST} for each in documents)
        return self.queried(rows, DEBTOR_LIST, call)

    @operation("GET", "/Queries/DebtorTransactionList")
    def query_debtor_transactions(self, call: Call) -> Any:
        """Answer the debtors' ledger: invoices, credit notes and receipts."""
        rows = (
            row for debtor in self.debtors.seen_by(self.caller(call)) for row in self.transactions(debtor)
        )
        return self.queried(rows, DEBTOR_TRANSACTION_LIST, call)

    def account(self, account: str) -> Debtor | None:
        """Return the debtor with an account number."""
        return next((each for each in self.debtors if each.document["AccountNo"] == account), None)

    def _check_account(self, account: str) -> None:
        if self.account(account):
            raise rule_violation(f"Account number {account} is already in use.")

    def debtor_named_by(self, caller: Caller, body: Mapping[str, Any]) -> Debtor:
        """Return the customer of a new document; its key goes before its account number."""
        inputs = read_fields(body, ("DebtorID", "DebtorAccountNo"))
        key, account = inputs.get("DebtorID"), inputs.get("DebtorAccountNo")
        if caller.session.debtor_id or key:
            return self.debtors.named(caller.session.debtor_id or str(key))
        if not account:
            # The vendor answers its business rules with 500, as far as is known.
            raise RefusedError(500, "DebtorID or DebtorAccountNo must be given.", "JiwaException")
        debtor = self.account(account)
        if debtor is None:
            raise missing(f"Debtor with account number {account}")
        return debtor

    def _debtor_document(self, debtor: Debtor) -> Document:
        sign = {False: 1, True: -1}
        owed = money(sign[row["DebitCredit"]] * row["OutstandingAmount"] for row in self.transactions(debtor))
        return debtor.document | {"CurrentBalance": owed}
