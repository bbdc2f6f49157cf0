"""When two deliveries are the same one, as their source says; and what comes under an id that was there, and differs."""

import asyncio
from uuid import uuid4

import pytest

from hookline.health import servers
from hookline.inbox import bodies, commands, deliveries, search
from hookline.inbox.deliveries import OTHER_BODY

KEY = {"X-Hookline-Key": "sandbox-secret-of-all-of-them"}
HOOKS = """
sources:
  by-id: {{scheme: shared-secret, id: "{{{{ body.id }}}}"}}
  by-body: {{scheme: shared-secret, id: "{{{{ body.id }}}}", repeats: by-body}}
  never: {{scheme: shared-secret, id: "{{{{ body.id }}}}", repeats: never}}
  within: {{scheme: shared-secret, id: "{{{{ body.id }}}}", repeats: {{within: 60s}}}}
  sealed: {{scheme: shared-secret, id: "{{{{ body.id }}}}"}}
routes: {{}}
"""


@pytest.fixture(scope="module")
async def gateway(database_settings, serve, tmp_path_factory):
    hooks = tmp_path_factory.mktemp("hooks") / "hooks.yaml"
    hooks.write_text(HOOKS.format())
    patch = pytest.MonkeyPatch()
    for name in ("BY_ID", "BY_BODY", "NEVER", "WITHIN", "SEALED"):
        patch.setenv(f"HOOKLINE_SECRET_{name}", KEY["X-Hookline-Key"])
    async with serve(database_settings, hooks=hooks) as client:
        yield client
    patch.undo()


@pytest.fixture
def send(gateway):
    async def send(source, **body):
        answer = await gateway.post(f"/hooks/{source}", json=body, headers=KEY)
        return answer.json()

    return send


async def rows(database):
    return await database.fetch(
        "SELECT id::text, external_id, state, reason, body, duplicates, repeats_id::text FROM deliveries ORDER BY seq"
    )


@pytest.mark.parametrize(
    ("source", "verdicts"),
    [
        ("by-id", [False, True, True]),
        ("by-body", [False, True, False]),
        ("never", [False, False, False]),
        ("within", [False, True, True]),
    ],
)
async def test_what_is_a_repeat_is_what_the_source_says(send, database, source, verdicts):
    answers = [await send(source, id=1, n=n) for n in (1, 1, 2)]

    assert verdicts == [answer["duplicate"] for answer in answers]


async def test_a_repeat_with_another_body_is_kept_beside_the_first_and_starts_nothing(send, database):
    first = await send("by-id", id=1, n=1)
    other = await send("by-id", id=1, n=2)

    one, two = await rows(database)
    assert {"id": first["id"], "duplicate": True} == other
    assert ("received", 1, None) == (one["state"], one["duplicates"], one["repeats_id"])
    assert ("discarded", OTHER_BODY, one["id"]) == (two["state"], two["reason"], two["repeats_id"])
    assert [b'{"id":1,"n":1}', b'{"id":1,"n":2}'] == [one["body"], two["body"]]


async def test_the_same_other_body_is_kept_once_however_often_it_comes(send, database):
    await asyncio.gather(*(send("by-id", id=1, n=1) for _ in range(5)))
    await asyncio.gather(*(send("by-id", id=1, n=n) for n in (2, 3) for _ in range(5)))

    assert [(14, False), (4, True), (4, True)] == [
        (row["duplicates"], row["repeats_id"] is not None) for row in await rows(database)
    ]


async def test_a_person_can_let_a_swallowed_one_go_through(send, database):
    await send("by-id", id=1, n=1)
    await send("by-id", id=1, n=2)
    _, other = await rows(database)
    async with database.acquire() as connection:
        await commands.replay(connection, [other["id"]], actor="ann", reason="it is one of its own")

    assert ["received", "received"] == [row["state"] for row in await rows(database)]


async def test_those_that_came_under_an_id_are_found_by_the_first(send, database):
    first = await send("by-id", id=1, n=1)
    await send("by-id", id=1, n=2)

    found = await search.find(database, search.Filter(key=first["id"]))
    assert ["discarded", "received"] == [row["state"] for row in found.deliveries]


async def test_after_its_window_an_id_is_a_delivery_of_its_own(send, database):
    first = await send("within", id=1, n=1)
    await database.execute("UPDATE deliveries SET received_at = now() - interval '61 seconds'")
    later = await asyncio.gather(*(send("within", id=1, n=1) for _ in range(4)))

    assert [False, True, True, True] == sorted(answer["duplicate"] for answer in later)
    assert 1 == len({answer["id"] for answer in later} - {first["id"]})
    assert ["1 until", "1"] == [row["external_id"][:7] for row in await rows(database)]


async def test_encrypted_repeats_are_told_apart_by_their_content(database):
    keys = [bodies.SecretStr("bTFwS2V5bTFwS2V5bTFwS2V5bTFwS2V5bTFwS2V5bTE=")]

    async def accept(body):
        arrival = deliveries.Arrival("sealed", "1", "POST", {}, {}, "text/plain", *bodies.sealed(keys, body))
        return await deliveries.accept(database, arrival)

    for body in (b"one", b"one", b"two"):
        await accept(body)

    assert [None, True] == [row["repeats_id"] and True for row in await rows(database)]
    fingerprints = await database.fetch("SELECT fingerprint FROM deliveries")
    assert bodies.sealed([], b"one").fingerprints[0] not in [row["fingerprint"] for row in fingerprints]


OLD, NEW = (bodies.SecretStr(f"{letter * 42}A=") for letter in "bc")


@pytest.mark.parametrize(
    ("before", "after"),
    [([OLD], [NEW, OLD]), ([], [NEW]), ([OLD, NEW], [NEW, OLD]), ([OLD], [NEW, OLD, OLD])],
    ids=["rotated", "first key", "changed back", "named twice"],
)
async def test_after_the_key_was_changed_a_repeat_is_the_same_and_another_body_is_another(
    database, before, after
):
    async def accept(keys, body):
        arrival = deliveries.Arrival("sealed", "1", "POST", {}, {}, "text/plain", *bodies.sealed(keys, body))
        return (await deliveries.accept(database, arrival)).apart

    verdicts = [
        await accept(keys, body) for keys in (before, after) for body in (b"one", b"one", b"two", b"two")
    ]

    assert [False, False, True, True] * 2 == verdicts
    stored = await database.fetch(
        "SELECT duplicates, repeats_id IS NULL AS first FROM deliveries ORDER BY seq"
    )
    assert [(7, True), (3, False)] == [tuple(row) for row in stored]


async def test_what_has_no_fingerprint_is_a_repeat_as_before(database):
    identifier = uuid4().hex
    for body in (b"one", b"two"):
        await deliveries.accept(
            database, deliveries.Arrival("sealed", identifier, "POST", {}, {}, "text/plain", body)
        )

    assert [1] == [row["duplicates"] for row in await rows(database)]


async def test_doctor_names_the_source_whose_id_swallows(send, database):
    for n in (1, 1, 2):
        await send("by-id", id=1, n=n)
        await send("by-body", id=1, n=n)
    async with database.acquire() as connection:
        [finding] = await servers.check_repeats(connection)
        await connection.execute("UPDATE deliveries SET received_at = now() - interval '8 days'")
        later = await servers.check_repeats(connection)

    assert ("ids of by-id", "warning", []) == (finding.check, finding.state, later)
    assert finding.detail.endswith("were set aside: 1")
