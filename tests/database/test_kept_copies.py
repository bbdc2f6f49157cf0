"""The copies by which a benchmark fills the inbox and the journal fit the schema, and are whole orders."""

from uuid import uuid4

import pytest
from rich.progress import Progress

from benchmarks.kept import Copies
from hookline.inbox import search


@pytest.fixture
async def original(database):
    """An order that is done: delivery, dispatch, effect."""
    delivery = await database.fetchval(
        "INSERT INTO deliveries (source, external_id, method, query, headers, content_type, state) "
        "VALUES ('jiwa', $1, 'POST', '{}', '{}', '', 'dispatched') RETURNING id",
        uuid4().hex,
    )
    dispatch = await database.fetchval(
        "INSERT INTO dispatches (delivery_id, source, route, deployment, parameters, label) "
        "VALUES ($1, 'jiwa', 'jiwa-order', 'f/d', '{}', 'order 1') RETURNING id",
        delivery,
    )
    for state in ("running", "done"):
        await database.execute("UPDATE dispatches SET state = $1 WHERE id = $2", state, dispatch)
    await database.execute(
        "INSERT INTO effects (workflow, key, step, label, operation, digest, request, reference, dispatch_id) "
        "VALUES ('w', '1', 's', 'order 1', 'v.o', '', '{}', ARRAY['code'], $1)",
        dispatch,
    )
    return delivery


async def test_each_copy_is_a_whole_order_under_other_names(database, connect, original):
    connection = await connect()
    copies = Copies(connection, Progress(disable=True))
    await copies.make(2)
    await copies.make(3)
    await connection.close()

    counts = [
        await database.fetchval(f"SELECT count(*) FROM {table}")
        for table in ("deliveries", "dispatches", "effects", "changes")
    ]
    [found] = (await search.find(database, search.Filter(key="K3"))).deliveries
    references = await database.fetchval("SELECT array_agg(reference[1] ORDER BY id) FROM effects")
    changes = await database.fetchval("SELECT count(*) FROM changes WHERE delivery_id = $1", original)
    assert [4, 4, 4, 4 * changes] == counts
    assert original != found["id"]
    assert ["code", "K1 code", "K2 code", "K3 code"] == references
