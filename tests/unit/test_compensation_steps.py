"""How something is undone is written down so that another process can do it, or refused at once."""

import pytest
from prefect import task
from pydantic import SecretStr

from blocks.jiwa import JiwaCredentials
from blocks.zentitle import ZentitleCredentials
from hookline.clients.jiwa.models import NewLine
from tasks import jiwa, zentitle
from tasks.effects import BusinessKey, Compensation

BUSINESS = BusinessKey("workflow", "key", "order 7", generation=2)


def stored(block):
    block._block_document_name = "shop"
    return block


@pytest.fixture
def zentitle_account():
    return stored(
        ZentitleCredentials(base_url="https://z.example", customer_id="1", api_key=SecretStr("a-secret-key"))
    )


@pytest.fixture
def jiwa_account():
    return stored(JiwaCredentials(base_url="https://j.example", api_key=SecretStr("a-secret-key")))


@pytest.fixture
def saga():
    return Compensation(BUSINESS)


def test_it_holds_all_that_another_process_needs_and_no_secret(saga, zentitle_account):
    saga.compensate(saga.step("license")).by(zentitle.delete_company, zentitle_account, companyid=7)

    [step] = saga.steps
    assert ("workflow", "key", "license", "zentitle.delete_company", "delete company") == (
        step.workflow,
        step.key,
        step.step,
        step.operation,
        step.summary,
    )
    assert {
        "task": "tasks.zentitle:delete_company",
        "vendor": "zentitle",
        "account": "shop",
        "inputs": {"companyid": 7},
    } == step.call


def test_inputs_given_by_their_place_are_kept_by_name(saga, zentitle_account):
    saga.compensate(saga.step("terms")).by(
        zentitle.set_license_terms, zentitle_account, "p", "c", clients=1, days=None
    )

    assert {"product_id": "p", "code": "c", "clients": 1, "days": None} == saga.steps[0].call["inputs"]


def test_models_are_kept_as_json_that_the_task_takes_again(saga, jiwa_account):
    lines = [NewLine(PartNo="A", QuantityOrdered=2)]

    saga.compensate(saga.step("order")).by(
        jiwa.create_sales_order, jiwa_account, DebtorAccountNo="1", OrderNo="credit", Lines=lines
    )

    from hookline.clients.jiwa import JiwaClient

    inputs = saga.steps[0].call["inputs"]
    assert lines == JiwaClient.create_sales_order.validate(**inputs).Lines


def test_what_is_done_within_is_of_its_generation_and_marked_so(saga):
    assert (2, 2, "[workflow key: license, generation 2]") == (
        saga.business.generation,
        saga.step("license").generation,
        saga.step("license").token,
    )


def test_the_first_generation_is_marked_as_if_there_were_no_others():
    assert (
        BusinessKey("w", "k", "k").step("a").token
        == Compensation(BusinessKey("w", "k", "k", generation=1)).step("a").token
    )


def test_what_it_builds_upon_is_kept_as_text(saga):
    assert ("7", "8") == saga.step("license", depends_on=[7, "8"]).depends_on


@task
async def of_this_test(zentitle: ZentitleCredentials, business: BusinessKey) -> None:
    """A task that its module does not hold under its name."""


hidden, of_this_test = of_this_test, None


@pytest.mark.parametrize(
    ("undone", "inputs", "complaint"),
    [
        (zentitle.delete_company, {}, "companyid"),
        (zentitle.delete_company, {"companyid": 7, "company": 8}, "company"),
        (hidden, {}, "of_this_test cannot undo anything: it must be a task of a module"),
        (
            zentitle.update_group_user_password,
            {"username": "a", "password": SecretStr("a-secret")},
            "takes a secret, which is not stored",
        ),
    ],
)
def test_what_cannot_be_done_by_another_process_is_refused_at_once(
    saga, zentitle_account, undone, inputs, complaint
):
    with pytest.raises(TypeError, match=complaint):
        saga.compensate(saga.step("license")).by(undone, zentitle_account, **inputs)

    assert [] == saga.steps


def test_an_account_that_is_not_stored_is_refused_at_once(saga, zentitle_account):
    zentitle_account._block_document_name = None

    with pytest.raises(TypeError, match=r"zentitle account is not stored.*ZentitleCredentials\.named"):
        saga.compensate(saga.step("company")).by(zentitle.delete_company, zentitle_account, companyid=7)


def test_what_is_to_be_undone_has_a_step(saga):
    with pytest.raises(TypeError, match="needs a step"):
        saga.compensate(saga.business)
