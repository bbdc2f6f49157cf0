"""The end of a flow over many things: a table in the Prefect UI, and the final state."""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from prefect.artifacts import acreate_progress_artifact, acreate_table_artifact, aupdate_progress_artifact
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed, Failed

from hookline import context
from hookline.record_links import Record, delivery_link, record_links
from hookline.settings import settings
from hookline.text import markdown
from tasks.about import about, is_unbatched

T = TypeVar("T")

STEPS: Final = 20


@dataclass(frozen=True)
class Row:
    """The result for one thing."""

    what: str
    customer: str
    result: str = ""
    problem: str = ""
    """The reason why it could not be done, and what to do; "" where it was done."""
    records: Sequence[Record] = ()
    """Those at vendors that it is about; a table links to them where the firm set their addresses."""


def artifact_key(text: str) -> str:
    """Return the key of the artifacts about one thing, by what people call it; another account's has another."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


async def with_progress(workflow: str, things: Sequence[T]) -> AsyncIterator[T]:
    """Yield things one after another; how far that is stands in the Prefect UI, in twenty steps at most."""
    artifact = None
    for number, thing in enumerate(things):
        if is_unbatched() and number * STEPS // len(things) > (number - 1) * STEPS // len(things):
            done = 100 * number / len(things)
            if artifact is None:
                artifact = await acreate_progress_artifact(done, key=artifact_key(f"{workflow} progress"))
            else:
                await aupdate_progress_artifact(artifact, done)
        yield thing
    if artifact is not None:
        await aupdate_progress_artifact(artifact, 100)


def table_of(rows: Sequence[Row], addresses: Mapping[str, str]) -> list[dict[str, str]]:
    """Return the rows of the table, inert in Markdown but for the links to records; no links, no column of them."""
    links = [record_links(row.records, addresses) for row in rows]
    return [
        {
            "what": markdown(row.what),
            "customer": markdown(row.customer),
            "result": markdown(row.result or "not done"),
            "problem": markdown(row.problem),
            **({"records": of_row} if any(links) else {}),
        }
        for row, of_row in zip(rows, links, strict=True)
    ]


def with_delivery(summary: str) -> str:
    """Return the summary of a report, with the link back to the delivery that the run is for, if there is one."""
    delivery_id = context.delivery_id()
    return (
        summary if delivery_id is None else f"{summary} · {delivery_link(delivery_id, settings().base_url)}"
    )


async def conclude(
    workflow: str, rows: Sequence[Row], *, nothing: str, name: str | None = None, done: str = "done"
) -> State[None]:
    """
    Make the table and the final state of a run.

    Args:
        workflow: the flow's name, of another account with that; it makes the key of the table.
        rows: the result for each thing, in order.
        nothing: the state's name where there was nothing to do.
        name: of the run, to which is added what was done; None: it keeps its name.
        done: what was done to a thing, in one word.
    """
    problems = [row for row in rows if row.problem]
    if name is not None:
        await about(f"{name}: {_counted(len(rows), len(problems), done) if rows else nothing.lower()}")
    if not rows:
        return Completed(name=nothing)
    summary = f"{len(rows) - len(problems)} of {len(rows)} done"
    if flow_run.id:
        await acreate_table_artifact(
            key=artifact_key(workflow),
            description=with_delivery(summary),
            table=table_of(rows, settings().record_urls),
        )
    if problems:
        reasons = "\n".join(f"{row.what} of {row.customer}: {row.problem}" for row in problems)
        return Failed(
            message=f"{summary}. Once their causes are fixed, run it again: it tries the others.\n{reasons}"
        )
    return Completed(message="\n".join(f"{row.what} of {row.customer}: {row.result}" for row in rows))


def _counted(rows: int, problems: int, done: str) -> str:
    """Return how many were done and how many not, such as `3 quoted, 1 problem`."""
    parts = [f"{rows - problems} {done}"] if rows > problems else []
    return ", ".join(
        parts + ([f"{problems} {'problem' if problems == 1 else 'problems'}"] if problems else [])
    )
