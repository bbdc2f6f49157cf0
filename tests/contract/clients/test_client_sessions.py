"""Sessions of every vendor with a log-in: shared, renewed once, and refused once."""

import asyncio
from typing import NamedTuple

import pytest

from hookline.clients import NotAuthenticated


class Login(NamedTuple):
    """How a vendor's client is made, what it calls, which operation logs in, and what a wrong password is told."""

    client: str
    call: str
    operation: str
    refusal: str


LOGINS = {
    "jiwa": Login("jiwa_by_user", "get_system_info", "login", ""),
    "sensorpro": Login("sensorpro", "get_contacts", "sign_in", ""),
    "jetadvice": Login("jetadvice", "list_tags", "login", "password is wrong"),
    "jifeline": Login("jifeline", "list_tickets", "fetch_token", "invalid_client"),
}
EVERY_LOGIN = pytest.mark.parametrize(("vendor", "login"), LOGINS.items(), ids=LOGINS)


def log_ins(sandbox, vendor):
    return len(getattr(sandbox, vendor).requests(operation=LOGINS[vendor].operation))


@EVERY_LOGIN
async def test_one_log_in_serves_many_clients(sandbox, clients, vendor, login):
    for _ in range(3):
        async with getattr(clients, login.client)(sandbox) as client:
            await getattr(client, login.call)()

    assert 1 == log_ins(sandbox, vendor)


@EVERY_LOGIN
async def test_a_session_that_ended_is_renewed_once_for_fifty_calls(sandbox, clients, vendor, login):
    async with getattr(clients, login.client)(sandbox) as client:
        call = getattr(client, login.call)
        await call()
        getattr(sandbox, vendor).end_sessions()
        answers = await asyncio.gather(*(call() for _ in range(50)))

    assert (50, 2) == (len(answers), log_ins(sandbox, vendor))


@EVERY_LOGIN
async def test_a_wrong_password_is_tried_once_however_many_calls_wait_for_it(sandbox, clients, vendor, login):
    """To try it again for each call could lock the account."""
    async with getattr(clients, login.client)(sandbox, password="wrong-password") as client:
        calls = (getattr(client, login.call)() for _ in range(20))
        failures = await asyncio.gather(*calls, return_exceptions=True)

    assert {NotAuthenticated} == set(map(type, failures))
    assert login.refusal in str(failures[0])
    assert 1 == len(getattr(sandbox, vendor).requests())
