"""`hookline effects`: the journal of vendor writes, and a person's word on what is uncertain or doubled."""

import asyncio
from typing import Annotated, Any, Literal

import asyncpg
from cyclopts import App, Parameter, validators
from pydantic import ValidationError

from hookline import runtime
from hookline.cli.inbox.filters import on_database
from hookline.cli.output import AsJson, agree, console, show, show_more, show_record
from hookline.database import lent
from hookline.errors import ConfigurationError, HooklineError
from hookline.journal import choices, store
from hookline.journal.resolution import by_hand as by_hand_effect
from hookline.journal.resolution import keep
from hookline.journal.resolution import resolve as resolve_effect
from hookline.journal.resolution import take_back as take_back_decision
from hookline.journal.resolution import undo as undo_effect
from hookline.settings import Settings

app = App(
    name="effects",
    help="The journal of vendor writes: list, show, resolve what is uncertain or was done by hand, undo what is "
    "doubled, take a decision back.",
)

COLUMNS = ["id", "state", "label", "step", "operation", "reference", "attempts", "reason"]
Yes = Annotated[bool, Parameter(name="--yes", negative="", help="Do not ask.")]
State = Literal["intended", "done", "failed", "uncertain", "doubled", "undone", "kept"]


@app.command(name="list")
def list_(
    *,
    state: Annotated[State | None, Parameter(help="Only effects in this state.")] = None,
    key: Annotated[
        str | None, Parameter(help="An order's number or id, a flow run's id, or a vendor's reference.")
    ] = None,
    limit: Annotated[
        int, Parameter(help="Most effects: the latest.", validator=validators.Number(gte=1))
    ] = 100,
    as_json: AsJson = False,
) -> None:
    """
    List effects, the latest last.

    Try:
        hookline effects list --state uncertain
        hookline effects list --key 100123 --json
    """
    rows = on_database(lambda database: find(database, state, key, limit + 1))
    show(rows[-limit:], COLUMNS, as_json=as_json)
    if len(rows) > limit:
        show_more(limit, as_json=as_json)


@app.command(name="show")
def show_(number: Annotated[int, Parameter(help="The effect's number.")], *, as_json: AsJson = False) -> None:
    """
    Show everything about one effect.

    Try:
        hookline effects show 17
    """
    row = on_database(lambda database: read(database, number))
    if as_json:
        show([row], [], as_json=True)
    else:
        show_record(row)


@app.command
def resolve(
    number: Annotated[int, Parameter(help="The effect's number.")],
    *,
    happened: Annotated[bool, Parameter(negative="", help="The vendor did it.")] = False,
    by_hand: Annotated[
        bool,
        Parameter(
            negative="", help="You did it in the vendor's own UI, also where the vendor refused it here."
        ),
    ] = False,
    send_again: Annotated[
        bool, Parameter(negative="", help="The vendor did not do it: send it again.")
    ] = False,
    reference: Annotated[
        list[str] | None,
        Parameter(help="The vendor's reference, such as a license code; repeat the option for each."),
    ] = None,
    answer: Annotated[
        list[str] | None,
        Parameter(
            help="With --by-hand: NAME=VALUE of the record that the vendor shows; repeat the option for each."
        ),
    ] = None,
    dry_run: Annotated[
        bool, Parameter(negative="", help="With --by-hand: say what would be noted, and note nothing.")
    ] = False,
    yes: Yes = False,
) -> None:
    """
    Tell Hookline what happened to an effect that is uncertain, or that you did by hand; its run then goes on.

    Check at the vendor first: Hookline cannot find it out. Whom it concerns, and what follows, is asked before it
    counts; then it can be taken back until its run goes on.

    Try:
        hookline effects resolve 17 --happened
        hookline effects resolve 12 --happened --reference 646186717608805844
        hookline effects resolve 17 --send-again --yes
        hookline effects resolve 12 --by-hand --reference 646186717608805844
        hookline effects resolve 19 --by-hand --answer InvoiceID=5244dd5e --answer InvoiceNo=100123
    """
    if happened + by_hand + send_again != 1:
        raise ConfigurationError("Use one of --happened, --by-hand and --send-again.")
    if not by_hand and (answer or dry_run):
        raise ConfigurationError("--answer and --dry-run go with --by-hand.")
    settings, actor = runtime.bootstrap(), runtime.person()
    record, named = _fields(answer or []), reference or []

    def note(*, dry_run: bool) -> str:
        if not by_hand:
            return asyncio.run(
                resolve_effect(
                    settings, number, happened=happened, reference=named, actor=actor, dry_run=dry_run
                )
            )
        return on_database(
            lambda database: note_by_hand(
                settings, database, number, reference=named, answer=record, actor=actor, dry_run=dry_run
            )
        )

    would_be = note(dry_run=True)  # what cannot be noted is not asked about
    if not dry_run:
        chosen: choices.Name = "happened" if happened else "by hand" if by_hand else "send again"
        _agree_to(settings, number, chosen, named, yes=yes)
    console().print(would_be if dry_run else note(dry_run=False))


@app.command(name="take-back")
def take_back(number: Annotated[int, Parameter(help="The effect's number.")]) -> None:
    """
    Take the last decision about an effect back, as long as nothing is built on it; it is what it was before.

    Try:
        hookline effects take-back 17
    """
    settings = runtime.bootstrap()
    console().print(asyncio.run(take_back_decision(settings, number, actor=runtime.person())))


def _agree_to(
    settings: Settings, number: int, chosen: choices.Name, reference: list[str], *, yes: bool
) -> None:
    """Show whom a decision concerns and what follows from it; raise HooklineError unless the person agrees."""

    async def read_choice() -> choices.Choice:
        async with lent(settings) as connection:
            return await choices.choice(settings, connection, number, chosen, reference)

    console(stderr=True).print(str(asyncio.run(read_choice())))
    agree("Is that so?", yes=yes)


async def note_by_hand(
    settings: Settings,
    database: asyncpg.Pool,
    number: int,
    *,
    reference: list[str],
    answer: dict[str, str],
    actor: str,
    dry_run: bool = False,
) -> str:
    """Note what a person did at the vendor, as `resolution.by_hand`, if the answer can be one of its operation."""
    row = await read(database, number)
    _ensure_readable(row["operation"], answer)
    return await by_hand_effect(
        settings, number, reference=reference, answer=answer, actor=actor, dry_run=dry_run
    )


def _fields(words: list[str]) -> dict[str, str]:
    """Return `NAME=VALUE` words by their names."""
    if wrong := [word for word in words if "=" not in word]:
        raise ConfigurationError(f"--answer {wrong[0]!r} is not NAME=VALUE, such as InvoiceNo=100123.")
    return {name: value for name, _, value in (word.partition("=") for word in words)}


def _ensure_readable(operation: str, record: dict[str, str]) -> None:
    """Raise unless these fields can be fields of the operation's answer."""
    from hookline.clients import CLIENTS, operations  # which the other commands here need not load

    vendor, _, name = operation.partition(".")
    found = operations(CLIENTS[vendor]).get(name) if vendor in CLIENTS else None
    if found is None or not record:
        return
    try:
        found.load(record)
    except ValidationError as error:
        missing = [".".join(map(str, each["loc"])) for each in error.errors() if each["type"] == "missing"]
        wrong = [
            f"{'.'.join(map(str, each['loc']))}: {each['msg']}"
            for each in error.errors()
            if each["type"] != "missing"
        ]
        needed = [f"{', '.join(missing)} is needed"] if missing else []
        raise ConfigurationError(
            f"--answer is none that {operation} could give: {'; '.join([*needed, *wrong])}."
        ) from None


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
    yes: Yes = False,
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
    row = on_database(lambda database: read(database, number))
    if row["state"] == "doubled":
        console(stderr=True).print(row["reason"])
        _agree_to(settings, number, "keep" if keep_it else "undo", [], yes=yes)
    actor = runtime.person()
    if keep_it:
        message = asyncio.run(keep(settings, number, actor=actor))
    else:
        message = asyncio.run(undo_effect(settings, number, surplus=row["surplus"], actor=actor))
    console().print(message)


async def find(
    database: asyncpg.Pool, state: str | None, key: str | None, limit: int
) -> list[dict[str, Any]]:
    """Return effects as `store.find` does."""
    return [dict(row) for row in await store.find(database, state=state, key=key, limit=limit)]


async def read(database: asyncpg.Pool, number: int) -> dict[str, Any]:
    """Return one effect; raises HooklineError if there is none of this number."""
    async with database.acquire() as connection:
        row = await store.read(connection, number)
    if row is None:
        raise HooklineError(f"There is no effect {number}. See: hookline effects list")
    return dict(row)
