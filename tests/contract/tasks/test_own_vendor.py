"""A vendor that the core does not know, in a project: its writes are journaled like the shipped vendors'."""

import importlib

import pytest
from projects import add_lager7, new_project, on_path
from pydantic import SecretStr

from blocks import BLOCKS
from hookline.clients import AnswerLost, NotAuthenticated
from hookline.simulators import running
from hookline.vendors import part


@pytest.fixture
async def lager7(tmp_path, database, database_settings, environment):
    """Its simulator on a socket, beside those of the shipped vendors, and an empty journal."""
    environment.setenv("HOOKLINE_HOME", str(database_settings.home))
    environment.setenv("HOOKLINE_LANDING_SECONDS", "0")
    folder = new_project(tmp_path / "acme")
    add_lager7(folder)
    with on_path(folder):
        async with running() as sandbox:
            yield sandbox.lager7


@pytest.fixture
def account(lager7):
    return BLOCKS["lager7"](base_url=lager7.url, api_key=SecretStr("sandbox-lager7-key"))


async def test_a_flow_calls_it_by_the_module_of_its_folder(lager7, account):
    tasks = importlib.import_module("vendors.lager7.tasks")

    parcels = await tasks.list_parcels.fn(account)

    assert tasks is part("lager7", "tasks")
    assert ["first"] == [parcel.reference for parcel in parcels]
    assert "the sender of 1 parcels" == (await account.check_connection()).accepted_as


async def test_a_write_whose_answer_was_lost_is_read_back_and_not_sent_again(
    lager7, account, business, database
):
    tasks, step = part("lager7", "tasks"), business.step("parcel")
    lager7.faults.add("create_parcel", "lose")
    with pytest.raises(AnswerLost):
        await tasks.create_parcel.fn(account, step, reference="second")

    parcel = await tasks.create_parcel.fn(account, step, reference="second")
    again = await tasks.create_parcel.fn(account, step, reference="second")

    row = await database.fetchrow("SELECT operation, state FROM effects")
    assert ("lager7.create_parcel", "done") == tuple(row)
    assert ("2", "2") == (parcel.id, again.id)
    assert ["first", "second"] == [each["reference"] for each in lager7.records()["parcels"]]
    assert 1 == len(lager7.requests(operation="create_parcel"))


async def test_a_wrong_key_is_refused_in_its_words(lager7):
    stranger = BLOCKS["lager7"](base_url=lager7.url, api_key=SecretStr("another-key"))

    with pytest.raises(NotAuthenticated, match=r"lager7 list_parcels .*Who are you"):
        await part("lager7", "tasks").list_parcels.fn(stranger)
