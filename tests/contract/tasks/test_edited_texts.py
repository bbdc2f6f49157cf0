"""An edited text changes what is written from then on, and nothing that is done; previews change nothing at all."""

import json
import shutil

import pytest

from flows import order_to_license
from flows.previews import CASES, NOT_READ, preview, read_case
from hookline.errors import ConfigurationError, HooklineError
from hookline.gateway.engine_process import answer_of
from hookline.gateway.views.texts import PROCESS
from hookline.settings import settings
from hookline.texts import Texts, declared
from hookline.texts.in_force import judged

LINES = (("LIC-PRO", 1), ("LIC-TEAM", 2))
READS = ("get_", "query_", "list_", "login")


@pytest.fixture
def texts(repository, environment, tmp_path):
    """The shipped files, copied to a folder of the firm's own."""
    folder = tmp_path / "templates"
    shutil.copytree(repository / "deployments/templates", folder)
    environment.setenv("HOOKLINE_TEMPLATES", str(folder))
    return folder


@pytest.fixture
def accounts(sandbox, environment):
    """The vendors' accounts in the environment, as a command has them."""
    environment.setenv("JIWA_BASE_URL", sandbox.jiwa.url)
    environment.setenv("JIWA_API_KEY", "sandbox-jiwa-key")
    environment.setenv("ZENTITLE_BASE_URL", sandbox.zentitle.url)
    environment.setenv("ZENTITLE_CUSTOMER_ID", "1234")
    environment.setenv("ZENTITLE_API_KEY", "sandbox-zentitle-key")
    environment.setenv("JETADVICE_BASE_URL", sandbox.jetadvice.url)
    environment.setenv("JETADVICE_USERNAME", "api@sandbox.example")
    environment.setenv("JETADVICE_PASSWORD", "sandbox-jetadvice-password")
    environment.setenv("JIFELINE_BASE_URL", sandbox.jifeline.url)
    environment.setenv("JIFELINE_CLIENT_ID", "sandbox-jifeline")
    environment.setenv("JIFELINE_CLIENT_SECRET", "sandbox-jifeline-secret")


def mails(shop, order):
    return [
        each["parameters"]
        for each in shop.sandbox.sensorpro.records()["mails"]
        if each["parameters"].get("order") == order.InvoiceNo
    ]


async def test_a_text_that_is_edited_between_two_runs_sends_and_writes_nothing_again(shop, texts):
    order = await shop.paid_order(*LINES)
    assert (await shop.run(order)).is_done

    for name in ("mail.en.j2", "order-note.en.j2", "license-note.en.j2", "report.en.j2"):
        file = texts / "order-to-license" / name
        file.write_text(file.read_text().replace("order", "our ORDER", 1).replace("{{ our ORDER", "{{ order"))
    shop.forget_requests()
    end = await shop.run(order)

    assert (True, []) == (end.is_done, shop.wrong(order, *LINES))
    assert [] == [each for each in shop.requests() if each[1].startswith(("create_", "update_", "trigger_"))]


async def test_a_text_that_is_wrong_by_now_fails_nothing_that_is_done(shop, texts):
    order = await shop.paid_order(*LINES)
    assert (await shop.run(order)).is_done

    shutil.rmtree(settings().home / "in-force")  # no good version is remembered, as on another machine
    for name in ("mail.en.j2", "order-note.en.j2", "license-note.en.j2"):
        (texts / "order-to-license" / name).write_text("{{ wrong }}")
    report = texts / "order-to-license/report.en.j2"
    report.write_text(report.read_text() + "\n")
    end = await shop.run(order)

    assert (True, []) == (end.is_done, shop.wrong(order, *LINES))
    other = await shop.run(await shop.paid_order(*LINES))
    assert isinstance(other.error, ConfigurationError)
    assert "license-note.en.j2, line 1: wrong is not a value" in str(other.error)


async def test_an_order_gets_its_mail_in_the_language_of_its_country(shop, texts, environment, tmp_path):
    catalog = tmp_path / "catalog.yaml"
    catalog.write_text(settings().catalog.read_text() + "\nlanguage:\n  countries: {Nederland: nl}\n")
    environment.setenv("HOOKLINE_CATALOG", str(catalog))
    settings.cache_clear()
    order = await shop.paid_order(*LINES)
    async with shop.jiwa.get_client() as client:
        await client.update_sales_order(InvoiceID=order.InvoiceID, DeliveryAddressCountry="NEDERLAND")

    assert (await shop.run(order)).is_done

    assert [f"Uw licenties bij order {order.InvoiceNo}"] == [each["subject"] for each in mails(shop, order)]


async def test_an_edited_text_counts_from_the_next_order_on(shop, texts):
    file = texts / "order-to-license/mail.en.j2"
    file.write_text("{% block order %}{{ order }}{% endblock %}{% block licenses %}{{ licenses|map(attribute='code')|join('+') }}{% endblock %}")  # fmt: skip
    order = await shop.paid_order(("LIC-PRO", 2))

    assert (await shop.run(order)).is_done

    [sent] = mails(shop, order)
    assert {"order", "licenses"} == set(sent)
    assert 1 == sent["licenses"].count("+")


async def one(texts, name, about):
    workflow = name.partition("/")[0]
    template = Texts(texts).find(name)
    return await preview(template, await judged(template), await read_case(workflow, about))


async def test_a_preview_of_an_order_is_what_is_sent_and_changes_nothing(shop, texts, accounts, database):
    order = await shop.paid_order(*LINES)
    before = await one(texts, "order-to-license/mail", order.InvoiceNo)
    assert "example-1" in before.result["licenses"]
    assert "not licensed: its codes are examples" in before.remark
    assert 0 == await database.fetchval("SELECT count(*) FROM effects")

    assert (await shop.run(order)).is_done
    shop.forget_requests()
    effects = await database.fetch("SELECT * FROM effects ORDER BY id")
    after = await one(texts, "order-to-license/mail", order.InvoiceID)

    assert mails(shop, order) == [after.result]
    assert "" == after.remark
    assert effects == await database.fetch("SELECT * FROM effects ORDER BY id")
    assert [] == [each for each in shop.requests() if not each[1].startswith(READS)]


async def test_the_page_previews_a_real_order_in_a_process_of_its_own(shop, texts, accounts):
    order = await shop.paid_order(*LINES)
    question = {
        "text": "order-to-license/mail",
        "language": "de",
        "source": "{% block body %}Hallo {{ customer }}: {{ order }}{% endblock %}",
        "about": order.InvoiceNo,
    }

    made = json.loads(await answer_of(PROCESS, json.dumps(question).encode()))
    refused = json.loads(await answer_of(PROCESS, json.dumps(question | {"about": "999999"}).encode()))

    assert {"body": f"Hallo {order.DebtorName}: {order.InvoiceNo}"} == made["result"]
    assert f"order {order.InvoiceNo}" == made["about"]
    assert "Jiwa has no order" in refused["message"]


async def test_what_a_vendor_does_not_say_is_named_as_an_example(shop, texts, accounts):
    order = await shop.paid_order(*LINES)

    made = await one(texts, "order-to-license/declined-note", order.InvoiceNo)

    assert "Examples: comment." == made.remark.removeprefix("It is not licensed: its codes are examples. ")


@pytest.mark.parametrize(
    ("name", "about", "message"),
    [
        ("order-to-license/mail", "999999", "Jiwa has no order with the InvoiceID or the number '999999'"),
        (
            "license-on-loan/granted",
            "R-1",
            "Jiwa has no customer with the account number or the DebtorID 'R-1'",
        ),
        ("supply-alert/mail", "D-1", "JetAdvice has no printer with the serial number or id 'D-1'"),
        ("offline-activation/granted", "1", "The Zentitle account default has no license '1' of a product"),
        (
            "trial-nurture/mail",
            "a@b.example",
            "can be previewed with the examples only: a mail is about all trials",
        ),
        ("order-to-license/mail", " ", "Say what the text is about: an order, by its number or InvoiceID"),
    ],
)
async def test_what_cannot_be_previewed_says_why(shop, texts, accounts, name, about, message):
    with pytest.raises(HooklineError, match=message):
        await one(texts, name, about)


async def test_of_what_no_vendor_has_the_rest_is_read_and_the_examples_are_named(
    shop, texts, accounts, sandbox
):
    order = await shop.paid_order(*LINES)
    assert (await shop.run(order)).is_done
    code = next(each["licenseCode"] for each in sandbox.zentitle.records()["licenses"] if each["companyID"])
    printer = next(each for each in sandbox.jetadvice.records()["devices"] if each["supplies"])

    loan = await one(texts, "license-on-loan/license-note", order.DebtorAccountNo)
    offline = await one(texts, "offline-activation/granted", code)
    supply = await one(texts, "supply-alert/mail", printer["serialNumber"])

    assert order.DebtorName in loan.result
    assert "Examples: request." == loan.remark
    assert code in "".join(offline.result.values())
    assert "Examples: request, computer, certificate." == offline.remark
    assert f"{printer['model']} {printer['serialNumber']}" in "".join(supply.result.values())
    assert "Examples: order." == supply.remark


async def test_a_report_that_cannot_be_written_fails_no_order_that_is_done(shop, texts, monkeypatch):
    written = []

    async def write(**artifact):
        written.append(artifact)

    monkeypatch.setattr(order_to_license, "is_unbatched", lambda: True)
    monkeypatch.setattr(order_to_license, "acreate_markdown_artifact", write)
    (texts / "order-to-license/report.en.j2").write_text("{{ wrong }}")
    order = await shop.paid_order(*LINES)

    end = await shop.run(order)

    assert (True, []) == (end.is_done, shop.wrong(order, *LINES))
    [artifact] = written
    assert artifact["markdown"].startswith("The report cannot be written. ")
    assert "line 1: wrong is not a value of this text" in artifact["markdown"].replace("\\", "")
    assert order.InvoiceNo in artifact["description"].replace("\\", "")


async def test_an_order_is_no_credit_note(shop, texts, accounts):
    order = await shop.paid_order(*LINES)

    with pytest.raises(HooklineError, match="is an order, and this text is about a credit note"):
        await one(texts, "credit-to-revoke/mail", order.InvoiceNo)


def test_only_workflows_with_texts_are_previewed():
    assert {*CASES, *NOT_READ} <= {workflow for workflow, _ in declared()}
