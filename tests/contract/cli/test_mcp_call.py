"""The tools of `hookline mcp` that ask a vendor, against real simulators."""

import json

import pytest
from mcp.client import Client
from test_call_and_doctor import of_simulators

from hookline.cli.mcp.server import Server
from hookline.settings import Settings
from hookline.simulators.server import running


@pytest.fixture(scope="module")
async def simulators():
    async with running() as sandbox:
        yield sandbox


async def ask(tmp_path, tool, **inputs):
    async with Client(Server(Settings(home=tmp_path), ("replay",), "anna")) as client:
        return await client.call_tool(tool, inputs)


@pytest.fixture
def accounts(simulators, environment):
    """The accounts of the environment are those of the simulators."""
    for name, value in of_simulators(simulators).items():
        environment.setenv(name, value)
    return simulators


async def test_a_vendor_is_read_and_its_texts_are_marked_without_secrets(accounts, tmp_path):
    answer = await ask(tmp_path, "call", vendor="zentitle", operation="list_products")
    text = answer.content[0].text

    assert not answer.is_error, text
    assert "zentitle.list_products" == answer.structured_content["operation"]
    assert "⟦" in json.dumps(answer.structured_content["answer"], ensure_ascii=False)
    assert not [secret for secret in of_simulators(accounts).values() if secret in text]


async def test_what_a_vendor_refuses_is_said_in_words_that_are_marked(accounts, tmp_path):
    answer = await ask(
        tmp_path, "call", vendor="jiwa", operation="get_sales_order", inputs={"InvoiceID": "nothing"}
    )
    text = answer.content[0].text

    assert answer.is_error
    assert text.startswith("⟦jiwa get_sales_order")
    assert "Traceback" not in text


async def test_an_account_that_is_not_set_is_said_in_words(environment, tmp_path):
    answer = await ask(tmp_path, "call", vendor="zentitle", operation="list_products")

    assert answer.is_error
    assert "ZENTITLE_" in answer.content[0].text
