"""Events: the changes of deliveries, sent to Prefect, so that people's own automations can react."""

import json
import logging
from collections.abc import Sequence
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

import asyncpg
import httpx
from prefect.client.orchestration import PrefectClient
from pydantic import SecretStr

from hookline import text
from hookline.hooks import Hooks
from hookline.hooks.bodies import AS_NAMED
from hookline.inbox.bodies import unseal
from hookline.inbox.holding import ADVICE
from hookline.prefect_adapter.errors import failed_inside, is_ready, is_refusal, message

logger = logging.getLogger(__name__)

BATCH = 100
DUE: Final = "EXISTS (SELECT FROM changes WHERE event_due) OR EXISTS (SELECT FROM lineage WHERE event_due)"
"""The condition that a change or a hold is to be told."""
MAX_BODY = 65_536
"""The most bytes of a body, as it is stored, that an event may carry."""
MAX_BODY_DEPTH = 50
"""The deepest nesting of a body; Prefect's own answers end at 255."""


async def send_events(
    database: asyncpg.Pool, client: PrefectClient, hooks: Hooks, body_keys: Sequence[SecretStr]
) -> int:
    """
    Send the changes that are due as Prefect events, a batch at most, and note that they were sent.

    After a crash in between they are sent again, with the same ids, by which Prefect deduplicates them. An event that
    Prefect refuses is left out, by itself.

    Returns:
        The number of changes.

    Raises:
        httpx.HTTPError: Prefect is unavailable; they stay due.
    """
    carrying = [name for name, source in hooks.sources.items() if source.event_body]
    async with database.acquire() as connection, connection.transaction():
        rows = await connection.fetch(
            """
            SELECT c.*, d.external_id, d.source, d.content_type, d.altered, d.envelope,
                   p.route, p.deployment, p.key, p.flow_run_id,
                   coalesce(p.label, d.label) AS label, d.about || coalesce(p.about, '{}') AS about,
                   d.source = ANY($2) AS carries_body, octet_length(d.body) AS size,
                   CASE WHEN d.source = ANY($2) AND octet_length(d.body) <= $3 THEN d.body END AS body
            FROM changes c JOIN deliveries d ON d.id = c.delivery_id LEFT JOIN dispatches p ON p.id = c.dispatch_id
            WHERE c.event_due ORDER BY c.id LIMIT $1 FOR UPDATE OF c SKIP LOCKED
            """,
            BATCH,
            carrying,
            MAX_BODY,
        )
        if rows:
            await post_events(client, [_event(row, hooks, body_keys) for row in rows])
            await connection.execute(
                "UPDATE changes SET event_due = false WHERE id = ANY($1)", [row["id"] for row in rows]
            )
    return len(rows)


async def post_events(client: PrefectClient, events: Sequence[dict[str, object]]) -> None:
    """Send events together, and each by itself where Prefect refuses them together."""
    try:
        await client.request("POST", "/events", json=events)
    except httpx.HTTPStatusError as error:
        is_poison = failed_inside(error) and await is_ready(client)
        if not is_refusal(error) and not is_poison:
            raise
        if len(events) == 1:
            logger.warning(
                "an event is left out, for Prefect refuses it: %s: %s", events[0]["id"], message(error)
            )
            return
        for event in events:
            await post_events(client, [event])


def event_id(what: str) -> str:
    """Return the id of an event: the same each time that it is sent."""
    return str(uuid5(NAMESPACE_URL, f"hookline:{what}"))


async def drop_events(database: asyncpg.Pool) -> None:
    """Let no event be due; for an engine that sends none."""
    await database.execute("UPDATE changes SET event_due = false WHERE event_due")


async def send_event_of_hold(database: asyncpg.Pool, client: PrefectClient) -> None:
    """
    Send the event that everything is held, once, by which people are notified.

    Raises:
        httpx.HTTPError: Prefect is unavailable; it stays due.
    """
    row = await database.fetchrow("SELECT id, held_since, held_reason FROM lineage WHERE event_due")
    if row is None:
        return
    since = row["held_since"].isoformat()
    event = {
        "id": str(uuid5(NAMESPACE_URL, f"hookline:held:{row['id']}:{since}")),
        "occurred": since,
        "event": "hookline.database.held",
        "resource": {"prefect.resource.id": f"hookline.database.{row['id']}"},
        "related": [],
        "payload": {"what": f"{row['held_reason']} Nothing starts. {ADVICE}"},
    }
    (await client.request("POST", "/events", json=[event])).raise_for_status()
    await database.execute("UPDATE lineage SET event_due = false WHERE held_since = $1", row["held_since"])


def _event(row: asyncpg.Record, hooks: Hooks, body_keys: Sequence[SecretStr]) -> dict[str, object]:
    related = [{"prefect.resource.id": f"hookline.source.{row['source']}", "prefect.resource.role": "source"}]
    if row["flow_run_id"]:
        flow_run = f"prefect.flow-run.{row['flow_run_id']}"
        related.append({"prefect.resource.id": flow_run, "prefect.resource.role": "flow-run"})
    facts = (
        "source",
        "external_id",
        "was",
        "reason",
        "actor",
        "route",
        "deployment",
        "key",
        "label",
        "about",
    )
    return {
        "id": event_id(f"change:{row['delivery_id']}:{row['id']}"),
        "occurred": row["at"].isoformat(),
        "event": f"hookline.delivery.{row['became']}",
        "resource": {
            "prefect.resource.id": f"hookline.delivery.{row['delivery_id']}",
            "prefect.resource.name": row["external_id"],
            "hookline.source": row["source"],
        },
        "related": related,
        "payload": {
            "delivery_id": str(row["delivery_id"]),
            "state": row["became"],
            **{fact: row[fact] for fact in facts},
            **(_body(row, hooks, body_keys) if row["carries_body"] else {}),
        },
    }


def _body(row: asyncpg.Record, hooks: Hooks, keys: Sequence[SecretStr]) -> dict[str, Any]:
    """Return the parsed body, or the reason why the event does not carry it."""
    if (row["size"] or 0) > MAX_BODY:
        return {"body_left_out": f"it has {row['size']} bytes; {MAX_BODY} are carried"}
    try:
        reading = AS_NAMED if row["envelope"] is not None else hooks.sources[row["source"]].reading
        body = reading.parse(row["content_type"], unseal(row, keys) or b"")
        _require_storable(body)
    except Exception as error:  # noqa: BLE001  (whatever a body does to its parser, its event is sent)
        return {"body_left_out": text.reason(error)}
    return {"body": body}


def _require_storable(body: Any) -> None:
    """Raise ValueError for a body that Prefect's database or its API cannot store: its whole batch would fail."""
    if _depth(body) > MAX_BODY_DEPTH:
        raise ValueError(f"it has more than {MAX_BODY_DEPTH} values within each other")
    try:
        written = json.dumps(body, ensure_ascii=False, allow_nan=False)
        written.encode()
    except ValueError:
        raise ValueError("it holds a number or a character that cannot be stored") from None
    if "\\u0000" in written:
        raise ValueError("it holds the character NUL")


def _depth(body: Any) -> int:
    """Return the depth of nesting, up to one more than is allowed."""
    depth, level = 0, [body]
    while level and depth <= MAX_BODY_DEPTH:
        depth += 1
        inner = [
            value.values() if isinstance(value, dict) else value
            for value in level
            if isinstance(value, dict | list)
        ]
        level = [value for values in inner for value in values]
    return depth
