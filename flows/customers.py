"""What more than one workflow needs of a customer: a company at Zentitle, made once whoever comes first."""

from dataclasses import dataclass
from typing import Final

from blocks import ZentitleCredentials
from tasks import zentitle as zentitle_tasks
from tasks.effects import BusinessKey, known, now_known_as

WORKFLOW: Final = "customer"


@dataclass(frozen=True)
class Account:
    """A customer, as Jiwa knows it."""

    account_no: str
    name: str
    email: str

    def company_at(self, zentitle: ZentitleCredentials) -> BusinessKey:
        """The customer's company there, made once for the customer, whichever order or request it is for."""
        return BusinessKey(
            WORKFLOW,
            f"debtor {self.account_no} at {zentitle.stored_as}",
            f"customer {self.name} ({self.account_no})",
            step="company",
        )


async def company_of(zentitle: ZentitleCredentials, account: Account, product_id: str) -> int:
    """The id of the customer's company at Zentitle: found, or made. What builds upon it says so (`uses`)."""
    company = account.company_at(zentitle)
    if (made := await known(company)) is not None and made.reference:
        return int(made.reference[0])
    found = await zentitle_tasks.find_company(zentitle, account.name, account.account_no)
    if found.id is not None:
        await now_known_as(company, str(found.id))  # somebody may have made it anew there
        return found.id
    return await zentitle_tasks.add_company(
        zentitle, company, found.name, account.account_no, account.email, product_id
    )
