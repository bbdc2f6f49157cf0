"""`hookline effects`: the journal of vendor writes, and a person's word on what is uncertain or doubled."""

import asyncio
from typing import Annotated, Any, Literal

import asyncpg
from cyclopts import App, Parameter

from hookline import runtime
from hookline.cli.inbox.filters import on_database
from hookline.cli.output import AsJson, confirm, console, show, show_record
from hookline.errors import ConfigurationError, HooklineError
from hookline.journal import store
from hookline.journal.resolution import keep
from hookline.journal.resolution import resolve as resolve_effect
from hookline.journal.resolution import undo as undo_effect

app = App(
    name="effects",
    help="The journal of vendor writes: list, show, resolve what is uncertain, undo what is doubled.",
)

COLUMNS = ["id", "state", "label", "step", "operation", "reference", "attempts", "reason"]
State = Literal["intended", "done", "failed", "uncertain", "doubled", "undone", "kept"]


@app.command(name="list")
def list_(
    *,
    state: Annotated[State | None, Parameter(help="Only effects in this state.")] = None,
    key: Annotated[
        str | None, Parameter(help="An order's number or id, a flow run's id, or a vendor's reference.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """
    List effects.

    Try:
        hookline effects list --state uncertain
        hookline effects list --key 100123 --json
    """
    rows = on_database(lambda database: _find(database, state, key))
    show(rows, COLUMNS, as_json=as_json)


@app.command(name="show")
def show_(number: Annotated[int, Parameter(help="The effect's number.")], *, as_json: AsJson = False) -> None:
    """
    Show everything about one effect.

    Try:
        hookline effects show 17
    """
    row = on_database(lambda database: _read(database, number))
    if as_json:
        show([row], [], as_json=True)
    else:
        show_record(row)


@app.command
def resolve(
    number: Annotated[int, Parameter(help="The effect's number.")],
    *,
    happened: Annotated[bool, Parameter(negative="", help="The vendor did it.")] = False,
    send_again: Annotated[
        bool, Parameter(negative="", help="The vendor did not do it: send it again.")
    ] = False,
    reference: Annotated[
        list[str] | None,
        Parameter(help="The vendor's reference, such as a license code; repeat the option for each."),
    ] = None,
) -> None:
    """
    Tell Hookline what happened to an uncertain effect; its run then goes on.

    Check at the vendor first: Hookline cannot find it out.

    Try:
        hookline effects resolve 17 --happened
        hookline effects resolve 12 --happened --reference 646186717608805844
        hookline effects resolve 17 --send-again
    """
    if happened == send_again:
        raise ConfigurationError("Use either --happened or --send-again.")
    settings = runtime.bootstrap()
    message = asyncio.run(
        resolve_effect(settings, number, happened=happened, reference=reference or [], actor=runtime.person())
    )
    console().print(message)


@app.command
def undo(
    number: Annotated[int, Parameter(help="The effect's number.")],
    *,
    keep_it: Annotated[
        bool,
        Parameter(
            name="--keep", negative="", help="It is no double, or was put right by hand: undo nothing."
        ),
    ] = False,
    yes: Annotated[bool, Parameter(name="--yes", negative="", help="Do not ask.")] = False,
) -> None:
    """
    Undo what a doubled effect brought too often, such as a second license; an engine does it.

    Look at the vendor first: what a person made there by hand can look like a double.

    Try:
        hookline effects list --state doubled
        hookline effects undo 17
        hookline effects undo 17 --keep
    """
    settings = runtime.bootstrap()
    row = on_database(lambda database: _read(database, number))
    if row["state"] == "doubled" and not yes:
        console(stderr=True).print(row["reason"])
        if not confirm("Keep it all, and undo nothing?" if keep_it else f"Undo {', '.join(row['surplus'])}?"):
            raise HooklineError("Nothing was changed.")
    actor = runtime.person()
    if keep_it:
        message = asyncio.run(keep(settings, number, actor=actor))
    else:
        message = asyncio.run(undo_effect(settings, number, surplus=row["surplus"], actor=actor))
    console().print(message)


async def _find(database: asyncpg.Pool, state: str | None, key: str | None) -> list[dict[str, Any]]:
    async with database.acquire() as connection:
        return [dict(row) for row in await store.find(connection, state=state, key=key)]


async def _read(database: asyncpg.Pool, number: int) -> dict[str, Any]:
    async with database.acquire() as connection:
        row = await store.read(connection, number)
    if row is None:
        raise HooklineError(f"There is no effect {number}. See: hookline effects list")
    return dict(row)
