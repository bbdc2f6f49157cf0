"""Requests as the gateway stores them; rows in a state, reached by transitions that the database accepts."""

from typing import Any

from hookline.inbox.deliveries import Arrival
from hookline.states import MACHINES, Machine


def arrival(external_id: str, source: str = "jiwa", **fields: Any) -> Arrival:
    """A request of a source, as it is stored; its `fields` as far as they matter."""
    plain = {"method": "POST", "query": {}, "headers": {}, "content_type": "application/json", "body": b"{}"}
    return Arrival(source, external_id, **(plain | fields))


def way(machine: Machine, before: str, after: str) -> list[str]:
    """The shortest way from one state to another, without the first."""
    ways = [[before]]
    for states in ways:
        if states[-1] == after:
            return states[1:]
        ways += [[*states, state] for state in machine.after(states[-1]) if state not in states]
    raise LookupError(f"{machine.table} never get from {before} to {after}")


async def bring(database, table, state, condition="true", *arguments):
    """Bring the rows of a table that a condition names into a state."""
    for row in await database.fetch(f"SELECT id, state FROM {table} WHERE {condition}", *arguments):
        for step in way(MACHINES[table], row["state"], state):
            await database.execute(f"UPDATE {table} SET state = $2 WHERE id = $1", row["id"], step)
