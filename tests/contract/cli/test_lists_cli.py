"""What is listed is bounded, and a list that leaves something out says so."""

import asyncio
import json
import os

import pytest
from commands import run_here

THREE = {
    "effects": """
        INSERT INTO effects (workflow, key, step, label, operation, digest, request)
        SELECT 'w', 'k', 's' || i, 'order 1', 'v.o', '', '{}' FROM generate_series(1, 3) i""",
    "issues": "INSERT INTO issues (cause, kind, title) SELECT i, 'failed', i FROM generate_series(1, 3) i",
    "waits": """
        INSERT INTO waits (scope, name, kind, what, fingerprint, flow_run_id, until)
        SELECT 's' || i, 'n', 'delivery', 'w', 'f', gen_random_uuid(), now() + interval '1 h' FROM generate_series(1, 3) i""",
    "inbox": """
        INSERT INTO deliveries (source, external_id, method, query, headers, content_type, state)
        SELECT 'jiwa', i, 'POST', '{}', '{}', '', 'received' FROM generate_series(1, 3) i""",
}


@pytest.mark.parametrize("group", THREE)
async def test_a_list_that_is_cut_at_its_limit_says_so_and_a_whole_one_does_not(
    group, database, database_settings
):
    await database.execute(THREE[group])

    async def listed(*words):
        env = {**os.environ, "HOOKLINE_HOME": str(database_settings.home)}
        ended = await asyncio.to_thread(run_here, group, "list", *words, env=env)
        assert 0 == ended.returncode, ended.stderr
        return ended

    cut, table, whole = [
        await listed(*words)
        for words in (("--limit", "2", "--json"), ("--limit", "2"), ("--limit", "3", "--json"))
    ]

    told = "There are more than these 2: raise --limit"
    assert (2, 3) == (len(json.loads(cut.stdout)), len(json.loads(whole.stdout)))
    assert [True, True, False] == [told in out for out in (cut.stderr, table.stdout, whole.stderr)]


async def test_of_more_effects_than_the_limit_the_latest_are_listed(database, database_settings):
    await database.execute(THREE["effects"])
    env = {**os.environ, "HOOKLINE_HOME": str(database_settings.home)}

    ended = await asyncio.to_thread(run_here, "effects", "list", "--limit", "2", "--json", env=env)

    assert ["s2", "s3"] == [row["step"] for row in json.loads(ended.stdout)]
