"""PostgreSQL has the states and transitions of `hookline.states`, and no other."""

from itertools import permutations, product

import asyncpg
import pytest
from rows import bring

from hookline.states import DISPATCHES, MACHINES, worst

INSERT = {
    "deliveries": """
        INSERT INTO deliveries (source, external_id, method, query, headers, content_type, state)
        VALUES ('jiwa', gen_random_uuid(), 'POST', '{}', '{}', '', $1) RETURNING id""",
    "dispatches": """
        INSERT INTO dispatches (delivery_id, source, route, deployment, parameters, state)
        SELECT id, 'jiwa', gen_random_uuid(), 'f/d', '{}', $1 FROM deliveries RETURNING id""",
    "effects": """
        INSERT INTO effects (workflow, key, step, label, operation, digest, request, state)
        VALUES ('w', gen_random_uuid(), 's', 'order', 'a.b', '', '{}', $1) RETURNING id""",
    "waits": """
        INSERT INTO waits (scope, name, kind, fingerprint, what, flow_run_id, until, state)
        VALUES (gen_random_uuid(), 'w', 'answer', '', 'an answer', gen_random_uuid(), now(), $1) RETURNING id""",
}


@pytest.fixture
async def connection(database):
    async with database.acquire() as connection:
        await connection.execute(INSERT["deliveries"].replace("RETURNING id", ""), "received")
        yield connection


async def _goes(connection, machine, before, after):
    """Whether the database lets a row go from one state to another; nothing of it stays."""
    transaction = connection.transaction()
    await transaction.start()
    id_ = await connection.fetchval(INSERT[machine.table], machine.initial[0])
    await bring(connection, machine.table, before, "id = $1", id_)
    try:
        await connection.execute(f"UPDATE {machine.table} SET state = $2 WHERE id = $1", id_, after)
    except asyncpg.CheckViolationError as error:
        refused = error.message
    else:
        refused = None
    await transaction.rollback()

    assert refused in {None, f"{machine.table} do not go from {before} to {after}"}
    return refused is None


@pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES)
async def test_the_database_lets_a_row_go_where_the_table_says_and_nowhere_else(connection, machine):
    pairs = [pair for pair in permutations(machine.states, 2) if await _goes(connection, machine, *pair)]

    assert machine.pairs == set(pairs)


@pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES)
async def test_the_database_knows_no_other_state(connection, machine):
    for state in {state for each in MACHINES.values() for state in each.states} - {*machine.states}:
        with pytest.raises(asyncpg.CheckViolationError):
            await connection.execute(INSERT[machine.table].replace("RETURNING id", ""), state)


@pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES)
def test_every_state_is_reached_from_a_new_row(machine):
    reached = {*machine.initial}
    while more := {after for before, after in machine.pairs if before in reached} - reached:
        reached |= more

    assert {*machine.states} == reached


async def test_a_delivery_is_where_that_of_its_dispatches_is_that_needs_a_person_most(connection):
    await connection.fetchval(INSERT["dispatches"], "dispatched")
    await connection.fetchval(INSERT["dispatches"], "dispatched")
    for states in product(DISPATCHES.states, repeat=2):
        for seq, state in zip(("min(seq)", "max(seq)"), states, strict=True):
            await bring(connection, "dispatches", state, f"seq = (SELECT {seq} FROM dispatches)")

        assert worst(*states) == await connection.fetchval("SELECT state FROM deliveries"), states
