"""The flow of docs/own-vendor-in-30-lines.md, as it stands there, against the simulator and the real journal."""

import re
import sys
import time
from pathlib import Path
from uuid import uuid4

import pytest

from blocks.base import _loaded
from blocks.http import HttpCredentials
from hookline import context

PAGE = Path(__file__).parents[3] / "docs" / "own-vendor-in-30-lines.md"
CODE = re.search(
    r"^```python own-vendor\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
)[1]


@pytest.fixture
def flow(tmp_path, monkeypatch):
    """The page's flow, from a file as a firm has it."""
    (tmp_path / "order_to_invoice.py").write_text(CODE, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    from order_to_invoice import order_to_invoice

    yield order_to_invoice
    del sys.modules["order_to_invoice"]


@pytest.fixture
def acme(sandbox, environment):
    """The account of the page, by its variables; stored, as `hookline apply` does."""
    environment.setenv("HTTP_ACME_BASE_URL", sandbox.http.url)
    environment.setenv("HTTP_ACME_LOGIN", "bearer")
    environment.setenv("HTTP_ACME_TOKEN", "sandbox-http-token")
    environment.setenv("HTTP_ACME_CHECK_PATH", "/records/orders")
    account = HttpCredentials.from_environment("acme")
    account._block_document_name = "acme"
    _loaded[HttpCredentials, "acme"] = (time.monotonic() + 3600, account)
    yield account
    del _loaded[HttpCredentials, "acme"]


async def run(flow, tries=6):
    """Run it as an engine runs a batch: tasks are plain calls, and what may pass is tried again."""
    for number in range(tries):
        try:
            with context.working_on(uuid4(), uuid4(), in_batch=True):
                return await flow.fn(number="100123", amount=99.5)
        except Exception as error:
            if not getattr(error, "transient", False) or number == tries - 1:
                raise
    return None


def test_the_flow_of_the_page_has_as_many_lines_as_it_says():
    lines = [line for line in CODE.splitlines() if line.strip()]

    assert 30 >= len([line for line in lines if not line.startswith(("import", "from", '"""'))])


@pytest.mark.parametrize("lost", [None, "create_record", "change_record"])
async def test_an_order_is_invoiced_once_whatever_answer_is_lost(sandbox, acme, flow, lost):
    if lost:
        sandbox.http.faults.add(lost, "lose")
    for _ in range(3):
        await run(flow)

    [invoice] = sandbox.http.records()["invoices"]
    [order] = [each for each in sandbox.http.records()["orders"] if each["number"] == "100123"]
    assert ("100123", 99.5) == (invoice["order"], invoice["amount"])
    assert ("invoiced", invoice["id"]) == (order["status"], order["invoice"])


async def test_the_account_of_the_page_is_accepted_by_its_check_path(acme, sandbox):
    connection = await acme.check_connection()

    assert "the holder of a key (bearer) (GET /records/orders)" == connection.accepted_as
    assert ["list_records"] == [row["operation"] for row in sandbox.http.requests()]
