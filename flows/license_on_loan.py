"""A license on loan for a customer, undone where Jiwa says that its account may not have one."""

from typing import Annotated, Final

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from blocks.jiwa import JiwaCredentials
from blocks.sensorpro import SensorproCredentials
from blocks.zentitle import ZentitleCredentials
from flows.customers import Account, company_of
from flows.mail import Mailer, contact_of
from flows.parameters import DebtorId, JiwaBlock, PartNo, SensorproBlock, ZentitleBlock, identifier
from flows.texts.license_on_loan import DeclinedMail, GrantedMail, LicenseNote
from flows.wording import worded
from hookline.account_keys import id_of
from hookline.catalog import Loans, Stock, load_catalog
from hookline.clients import NotFound
from hookline.clients.jiwa.debtors import Debtor
from hookline.errors import HooklineError
from hookline.journal import BusinessFailure
from hookline.settings import settings
from tasks import jiwa as jiwa_tasks
from tasks import zentitle as zentitle_tasks
from tasks.about import about, begin, say_failed
from tasks.effects import BusinessKey, Compensation

WORKFLOW: Final = "license-on-loan"


@flow(name=WORKFLOW, persist_result=False, on_failure=[say_failed])
async def license_on_loan(
    request_id: Annotated[str, identifier("Number of the request")],
    debtor_id: DebtorId,
    part_no: PartNo,
    jiwa: JiwaBlock = "default",
    zentitle: ZentitleBlock = "default",
    sensorpro: SensorproBlock = "default",
) -> State[None]:
    """
    Lend a license to a customer who has not paid yet, and tell the customer.

    The license is taken first, for there are few; then the customer's account is read. If it may not have one, all
    is undone and the customer gets a mail that says so: the run completes, named "Declined".

    Args:
        request_id: the request's number where it was made.
        debtor_id: Jiwa's DebtorID of the customer.
        part_no: Jiwa's PartNo of what is lent.
        jiwa: name of the Jiwa Credentials block.
        zentitle: name of the Zentitle Credentials block.
        sensorpro: name of the Sensorpro Credentials block.
    """
    await begin(f"loan {request_id}")
    loans, stock = _rules(part_no, jiwa)
    jiwa_account = await JiwaCredentials.named(jiwa)
    debtor = await _debtor(jiwa_account, debtor_id)
    customer = Account(debtor.AccountNo, debtor.Name, debtor.EmailAddress, jiwa)
    who = f"customer {debtor.Name} ({debtor.AccountNo})"
    contact = contact_of(who, debtor.EmailAddress, debtor.Name, kept_in="Jiwa", so_far="Nothing was lent.")
    language = load_catalog(settings().catalog).of(jiwa=jiwa).language.of(debtor.AccountNo, debtor.Country)
    mailer = Mailer(await SensorproCredentials.named(sensorpro), contact, language)
    business = BusinessKey(WORKFLOW, request_id, f"loan {request_id}").at(jiwa=jiwa)
    await about(f"{business.label} · {debtor.Name}", loan=request_id, customer=debtor.AccountNo)

    try:
        async with business.compensated() as loan:
            code = await _lend(stock.zentitle or zentitle, loan, customer, stock, loans.days)
            await _within_credit(jiwa_account, debtor_id)
    except BusinessFailure as no:
        step = business.step("mail: declined")
        refusal = DeclinedMail(request=request_id, customer=debtor.Name, contact=debtor.Name, part=part_no)
        await mailer.send(step, loans.declined, refusal)
        return Completed(name="Declined", message=f"{business.label}: {no}")

    step = business.step("mail: granted")
    text = GrantedMail(
        request=request_id,
        customer=debtor.Name,
        contact=debtor.Name,
        part=part_no,
        license=code,
        days=loans.days,
    )
    await mailer.send(step, loans.granted, text)
    return Completed(message=f"{business.label} for {debtor.Name}: {code} for {loans.days} days.")


def _rules(part_no: str, jiwa: str) -> tuple[Loans, Stock]:
    loans = load_catalog(settings().catalog).of(jiwa=jiwa).loans
    if loans is None:
        raise HooklineError("catalog.yaml has no part `loans`, which says what may be lent. Add it.")
    if part_no not in loans.stock:
        raise HooklineError(
            f"catalog.yaml names nothing to lend for the part {part_no!r}. Add it to loans.stock, or tell the "
            "sender of the request that it is not lent."
        )
    return loans, loans.stock[part_no]


async def _debtor(jiwa: JiwaCredentials, debtor_id: str) -> Debtor:
    try:
        return await jiwa_tasks.get_debtor(jiwa, DebtorID=debtor_id)
    except NotFound:
        raise HooklineError(
            f"Jiwa has no customer with the DebtorID {debtor_id!r}. Ask the sender of the request for the right one."
        ) from None


async def _lend(zentitle_name: str, loan: Compensation, customer: Account, stock: Stock, days: int) -> str:
    """Take a license out of the stock and make it the customer's for so many days; return its code."""
    zentitle = await ZentitleCredentials.named(zentitle_name)
    company = await company_of(zentitle, customer, stock.product_id)
    loan.compensate(customer.company_at(zentitle)).by(
        zentitle_tasks.delete_company, zentitle, companyid=company
    )

    license_key = loan.step("license")
    [code] = await zentitle_tasks.take_next_license_codes(
        zentitle, license_key, productid=stock.product_id, profilename=stock.profile
    )
    loan.compensate(license_key).by(
        zentitle_tasks.update_license_code,
        zentitle,
        productid=stock.product_id,
        licensecode=code,
        companyid=0,
        licensetype="perpetual",
        enabledforuse=False,
        acquiredbywebservice=False,
    )
    await zentitle_tasks.update_license_code(
        zentitle,
        loan.step(f"company of {code}", depends_on=[company]),
        productid=stock.product_id,
        licensecode=code,
        companyid=company,
    )
    await zentitle_tasks.set_license_terms(
        zentitle, loan.business, stock.product_id, code, clients=1, days=days
    )
    step = loan.step(f"license note of {code}")
    note = LicenseNote(request=id_of(loan.business.key), customer=customer.name, account=customer.account_no)
    await zentitle_tasks.create_license_note(
        zentitle, step, productid=stock.product_id, licensecode=code, description=await worded(step, note)
    )
    return code


async def _within_credit(jiwa: JiwaCredentials, debtor_id: str) -> None:
    """
    Raise unless the customer may have a license on loan, by its account as it is now. A credit limit of 0 is none.

    Raises:
        BusinessFailure: it may not.
    """
    debtor = await jiwa_tasks.get_debtor(jiwa, DebtorID=debtor_id)
    if debtor.AccountOnHold:
        raise BusinessFailure(f"The account of {debtor.Name} ({debtor.AccountNo}) is on hold in Jiwa")
    if debtor.CurrentBalance > debtor.CreditLimit > 0:
        raise BusinessFailure(
            f"{debtor.Name} ({debtor.AccountNo}) owes {debtor.CurrentBalance:.2f}, more than its credit limit of "
            f"{debtor.CreditLimit:.2f} in Jiwa"
        )
