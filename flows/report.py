"""The report of a flow in the Prefect UI, and the end of one over many things: with a table."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from prefect.artifacts import acreate_table_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed, Failed

from hookline import context
from hookline.text import markdown, one_line


@dataclass(frozen=True)
class Row:
    """The result for one thing."""

    what: str
    customer: str
    result: str = ""
    problem: str = ""
    """The reason why it could not be done, and what to do; "" where it was done."""


def is_unbatched() -> bool:
    """Return True if there is a flow run to name and describe: not in a batch, which many share."""
    return bool(flow_run.id) and not context.in_batch()


async def name_run(name: str, tags: Iterable[str] = ()) -> None:
    """Name the run in the Prefect UI, and add tags by which people find it."""
    if not is_unbatched():
        return
    async with get_client() as client:
        both = sorted(map(one_line, {*flow_run.tags, *tags}))
        await client.update_flow_run(flow_run.id, name=one_line(name), tags=both)


async def conclude(workflow: str, rows: Sequence[Row], *, nothing: str) -> State[None]:
    """
    Make the table and the final state of a run.

    Args:
        workflow: the flow's name; the key of the table.
        rows: the result for each thing, in order.
        nothing: the state's name where there was nothing to do.
    """
    if not rows:
        return Completed(name=nothing)
    problems = [row for row in rows if row.problem]
    done = f"{len(rows) - len(problems)} of {len(rows)} done"
    await acreate_table_artifact(
        key=workflow,
        description=done,
        table=[
            {
                "what": markdown(row.what),
                "customer": markdown(row.customer),
                "result": markdown(row.result or "not done"),
                "problem": markdown(row.problem),
            }
            for row in rows
        ],
    )
    if problems:
        reasons = "\n".join(f"{row.what} of {row.customer}: {row.problem}" for row in problems)
        return Failed(
            message=f"{done}. Once their causes are fixed, run it again: it tries the others.\n{reasons}"
        )
    return Completed(message="\n".join(f"{row.what} of {row.customer}: {row.result}" for row in rows))
