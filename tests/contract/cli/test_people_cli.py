"""`hookline people …` on a real PostgreSQL."""

import asyncio
import json
import os
import re

import pytest
from commands import run_here

from hookline import people
from hookline.people import Role


@pytest.fixture
def hookline(database, database_settings):
    """Runs `hookline people …`: its exit code, and what it prints on each stream."""

    async def run(*words):
        env = {**os.environ, "HOOKLINE_HOME": str(database_settings.home)}
        ended = await asyncio.to_thread(run_here, "people", *words, env=env)
        return ended.returncode, ended.stdout, ended.stderr

    return run


async def test_a_person_is_added_with_a_token_that_stands_alone_on_stdout_and_is_listed(
    hookline, session_pool
):
    code, token, words = await hookline("add", "anna", "--role", "decide")
    _, listed, _ = await hookline("list", "--json")
    _, table, _ = await hookline("list")
    stored = await session_pool.fetchval("SELECT token FROM people")

    assert (0, people.digest(token.strip())) == (code, stored)
    assert "shown this once" in words
    assert re.fullmatch(r"[\w-]{43}\n", token)
    assert [("anna", "decide", True, None)] == [
        (each["name"], each["role"], each["token"], each["identity"]) for each in json.loads(listed)
    ]
    assert ("anna" in table, token.strip() in table + listed) == (True, False)


async def test_one_whom_a_proxy_names_gets_no_token(hookline, session_pool):
    code, out, _ = await hookline("add", "ben", "--role", "operate", "--identity", "Ben@Example.com")

    assert (0, "ben may operate. The proxy names them as Ben@Example.com.\n") == (code, out)
    assert (None, "ben@example.com") == tuple(
        await session_pool.fetchrow("SELECT token, identity FROM people")
    )


async def test_a_role_is_changed_a_token_renewed_and_a_person_removed(hookline, session_pool):
    _, first, _ = await hookline("add", "anna")
    await hookline("change", "anna", "--role", "operate")
    _, second, _ = await hookline("change", "anna", "--new-token")
    person = await session_pool.fetchrow("SELECT role, token FROM people")
    asked = await hookline("remove", "anna")
    code, out, _ = await hookline("remove", "anna", "--yes")

    assert first != second
    assert (Role.OPERATE, people.digest(second.strip())) == tuple(person)
    assert (1, True) == (asked[0], "Nobody was removed. Without a terminal, add --yes." in asked[2])
    assert (0, "anna is removed, and every session of theirs has ended.\n") == (code, out)
    assert 0 == await session_pool.fetchval("SELECT count(*) FROM people")


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("add", "anna", "--role", "admin"), 2, "'admin' is no role; there are look, operate, decide."),
        (("add", "Anna"), 2, "'Anna' can be no name here"),
        (("add", "admin"), 2, "'admin' can be no name here"),
        (("add", "anna", "--identity", "a@b.c, d@e.f"), 2, "can be no proxy's name of a person"),
        (("change", "anna", "--role", "look"), 1, "There is no anna. See: hookline people list"),
        (("change", "anna"), 2, "Nothing to change"),
        (("remove", "anna", "--yes"), 1, "There is no anna."),
    ],
)
async def test_a_mistake_is_named_in_words(hookline, words, code, message):
    ended = await hookline(*words)

    assert (code, True, "") == (ended[0], message in ended[2], ended[1])


async def test_the_same_name_twice_is_refused(hookline):
    await hookline("add", "anna")
    code, _, words = await hookline("add", "anna")

    assert (1, True) == (
        code,
        "There is anna already. To change the role: hookline people change anna" in words,
    )
