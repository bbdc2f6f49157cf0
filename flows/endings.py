"""A license that ends: its customer in Jiwa, and the quote that renews it."""

from dataclasses import dataclass
from datetime import date
from typing import Final

from blocks.jiwa import JiwaCredentials
from blocks.zentitle import ZentitleCredentials
from hookline.account_keys import DEFAULT, id_of, key_at
from hookline.catalog import Product
from hookline.clients.jiwa.queries import DebtorRow, SalesQuoteRow
from hookline.clients.jiwa.quotes import NewQuoteLine
from hookline.clients.zentitle.models import LicenseCode
from hookline.errors import HooklineError
from tasks import jiwa as jiwa_tasks
from tasks import zentitle as zentitle_tasks
from tasks.effects import BusinessKey, outcome_of

WORKFLOW: Final = "renewal-reminder"


@dataclass(frozen=True)
class Ending:
    """A license that ends soon."""

    existing: LicenseCode
    end: date
    product: Product
    renewal: str
    """The part in Jiwa that renews it."""

    @property
    def code(self) -> str:
        """The license code."""
        return self.existing.licenseCode

    @property
    def zentitle(self) -> str:
        """The name of the block of its Zentitle account."""
        return self.product.zentitle or DEFAULT

    @property
    def business(self) -> BusinessKey:
        """The key of its reminder: another end is another one."""
        key = BusinessKey(WORKFLOW, f"license {self.code} until {self.end}", str(self))
        return key.at(zentitle=self.zentitle)

    def __str__(self) -> str:
        """Return what people call it; the code stands last, so that `trace` finds it."""
        return f"end {self.end} of license {self.code}"


async def debtor_of(
    jiwa: JiwaCredentials, zentitle: ZentitleCredentials, existing: LicenseCode
) -> DebtorRow | None:
    """
    Return the customer of a license in Jiwa, by the account number at its company; None: it is another Jiwa's.

    Raises:
        HooklineError: there is no such customer.
    """
    company = await zentitle_tasks.get_company(zentitle, companyid=existing.companyID or 0)
    number = id_of(company.search1)
    if company.search1 != key_at(number, jiwa=jiwa.stored_as):
        return None
    found = await jiwa_tasks.query_debtors(jiwa, AccountNo=number) if number else None
    for row in found.Results if found else ():
        if row.AccountNo.casefold() == number.casefold():
            return row
    raise HooklineError(
        f"Its company {company.company} has no account number of a customer in Jiwa (search1 at Zentitle: "
        f"{company.search1!r}). Put it there; the next run tries again."
    )


async def quote_of(jiwa: JiwaCredentials, debtor: DebtorRow, ending: Ending, units: int) -> SalesQuoteRow:
    """Make the quote, once; return its row in the list."""
    step = ending.business.step("quote")
    if (made := await outcome_of(step)) is None:
        number = (
            await jiwa_tasks.create_sales_quote(
                jiwa,
                step,
                DebtorID=debtor.DebtorID,
                SOReference=f"Renewal {ending.code} {ending.end}",
                Lines=[
                    NewQuoteLine(PartNo=ending.renewal, QuantityOrdered=units),
                    NewQuoteLine(
                        CommentLine=True, CommentText=f"Renews license {ending.code}, which ends {ending.end}"
                    ),
                ],
            )
        ).QuoteNo
    else:
        [number] = made.reference
    found = await jiwa_tasks.query_sales_quotes(jiwa, InvoiceNo=number)
    for row in found.Results:
        if row.InvoiceNo == number and row.LocalInvoiceTotalIncTax > 0:
            return row
    raise HooklineError(
        f"Jiwa has no price for {ending.renewal}: quote {number} comes to nothing. Enter the price in the quote; "
        "the next run sends it."
    )
