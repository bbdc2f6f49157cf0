"""
Late checks and their undo, for the engine: the read-back of a stored write, and what takes its surplus back.

The engine finds both functions by their names: it knows effects and no tasks.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pkgutil import resolve_name
from typing import Final

from blocks import BLOCKS
from hookline.database.types import Row
from hookline.errors import HooklineError
from hookline.journal import Readback
from tasks.effects import BusinessKey, perform
from tasks.remedies import remedy_of

BY_HAND: Final = "No operation of the vendor takes it back: put it right there by hand"


@asynccontextmanager
async def reopened(row: Row) -> AsyncIterator[tuple[Readback | None, str]]:
    """
    Surround a late check: the read-back of a stored write, with its client open, and what would undo a surplus.

    Args:
        row: the effect, with its `call`.

    Raises:
        VendorError: the account cannot log in.
    """
    call = row["call"]
    account = await BLOCKS[call["vendor"]].named(call["account"])
    task = resolve_name(call["task"])
    async with account.get_client() as client, client.slot():
        yield task.reopen(client, call["inputs"], _business(row)), proposal(row)


def proposal(row: Row) -> str:
    """Return what would undo the surplus of an effect, in a sentence for people."""
    remedy, number = remedy_of(row["operation"]), row["id"]
    done_by_hand = f"Where it is no double, or once it is put right: hookline effects undo {number} --keep"
    if remedy is None:
        return f"{BY_HAND}. {done_by_hand}"
    return f"To {remedy.summary} that is too much: hookline effects undo {number}. {done_by_hand}"


async def undo(row: Row) -> str:
    """
    Undo the surplus of a doubled effect, each by an effect of its own.

    Returns:
        What was done, in a sentence.

    Raises:
        HooklineError: nothing takes it back, or a vendor refused.
    """
    remedy = remedy_of(row["operation"])
    if remedy is None or row["call"] is None:
        raise HooklineError(f"{BY_HAND}, then say so: hookline effects undo {row['id']} --keep")
    call = row["call"]
    account = await BLOCKS[call["vendor"]].named(call["account"])
    for reference in row["undo_surplus"]:
        inputs = await remedy.inputs(account, call["inputs"], reference)
        step = f"undo of effect {row['id']}: {reference}"
        task = f"{remedy.task.fn.__module__}:{remedy.task.fn.__name__}"
        await perform(_business(row, step), {**call, "task": task, "inputs": inputs})
    return f"Undone: {remedy.summary} {', '.join(row['undo_surplus'])}"


def _business(row: Row, step: str | None = None) -> BusinessKey:
    return BusinessKey(
        row["workflow"], row["key"], row["label"], step or row["step"], generation=row["generation"]
    )
