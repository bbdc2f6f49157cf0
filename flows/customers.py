"""A customer's company at Zentitle, made once by the workflow that needs it first."""

from dataclasses import dataclass
from typing import Final

from blocks.zentitle import ZentitleCredentials
from hookline.account_keys import DEFAULT, key_at
from tasks import zentitle as zentitle_tasks
from tasks.effects import BusinessKey, correct_reference, outcome_of

WORKFLOW: Final = "customer"


@dataclass(frozen=True)
class Account:
    """A customer, as Jiwa knows it."""

    account_no: str
    name: str
    email: str
    jiwa: str = DEFAULT
    """The name of the block of that Jiwa."""

    @property
    def key(self) -> str:
        """The account number as it is unique among all Jiwas; `search1` of the customer's company at Zentitle."""
        return key_at(self.account_no, jiwa=self.jiwa)

    def company_at(self, zentitle: ZentitleCredentials) -> BusinessKey:
        """Return the key of the customer's company there: one for the customer, for any order or request."""
        return BusinessKey(
            WORKFLOW,
            f"debtor {self.key} at {zentitle.stored_as}",
            f"customer {self.name} ({self.key})",
            step_name="company",
        )


async def company_of(zentitle: ZentitleCredentials, account: Account, product_id: str) -> int:
    """Return the id of the customer's company at Zentitle, found or created. Writes that need it name it."""
    company = account.company_at(zentitle)
    if (created := await outcome_of(company)) is not None and created.reference not in ([], ["0"]):
        return int(created.reference[0])
    found = await zentitle_tasks.find_company(zentitle, account.name, account.key)
    if found.id is not None:
        await correct_reference(company, str(found.id))  # a person may have created it again there
        return found.id
    return await zentitle_tasks.add_company(
        zentitle, company, found.name, account.key, account.email, product_id
    )
