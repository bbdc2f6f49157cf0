"""`hookline waits`: what runs wait for, a person's answer or a delivery; and the answer of a person."""

import re
from typing import Annotated, Any, Literal
from uuid import UUID

import asyncpg
from cyclopts import App, Parameter, validators

from hookline import runtime
from hookline.cli.inbox.filters import on_database, require_reason
from hookline.cli.output import AsJson, agree, console, print_json, show, show_more, show_record
from hookline.errors import ConfigurationError, HooklineError
from hookline.waits import forms, store
from hookline.waits.store import Answer

app = App(
    name="waits", help="What runs wait for, a person or a delivery: list, show, answer, cancel, reopen."
)

COLUMNS = ["id", "state", "what", "people", "until", "flow_run_id", "reason"]
MIN_PREFIX = 8

Yes = Annotated[bool, Parameter(name="--yes", negative="", help="Do not ask.")]
Number = Annotated[str, Parameter(help="The wait's id, or its beginning.")]
State = Literal["waiting", "answered", "expired", "cancelled", "all"]


@app.command(name="list")
def list_(
    *,
    state: Annotated[State, Parameter(help="Only waits in this state.")] = "waiting",
    kind: Annotated[
        Literal["answer", "delivery"] | None, Parameter(help="Only for a person's answer, or for a delivery.")
    ] = None,
    limit: Annotated[
        int, Parameter(help="Most waits.", validator=validators.Number(gte=1, lte=100_000))
    ] = 100,
    as_json: AsJson = False,
) -> None:
    """
    List waits: the open ones, the one that times out first above.

    Try:
        hookline waits list
        hookline waits list --kind answer
        hookline waits list --state all --json
    """
    only = None if state == "all" else state
    rows = on_database(lambda database: store.find(database, state=only, kind=kind, limit=limit + 1))
    show(rows[:limit], COLUMNS, as_json=as_json)
    if len(rows) > limit:
        show_more(limit, as_json=as_json)


@app.command(name="show")
def show_(number: Number, *, as_json: AsJson = False) -> None:
    """
    Show one wait: what it is for, who was asked, which answer came.

    Try:
        hookline waits show 3f0c6a52
    """
    wait = on_database(lambda database: _read(database, number))
    if as_json:
        print_json(wait)
        return
    fields = [field.name for field in forms.fields_of(wait["form"])] if wait["form"] else None
    record = {**wait, "form": fields, "questions": None}
    show_record({name: value for name, value in record.items() if value not in (None, [])})
    if wait["questions"]:
        show(wait["questions"], ["person", "sent_at", "tries", "error"], as_json=False, title="Asked")


@app.command
def answer(
    number: Number,
    *fields: Annotated[str, Parameter(help="A field of the answer, as in approved=yes.")],
    yes: Yes = False,
) -> None:
    """
    Answer in the place of the person who is asked; the run goes on.

    Try:
        hookline waits answer 3f0c6a52 approved=yes
        hookline waits answer 3f0c6a52 approved=no "comment=too much"
    """
    actor, raw = runtime.person(), _pairs(fields)

    async def give(database: asyncpg.Pool) -> str:
        wait = await _read(database, number)
        if wait["form"] is None:
            raise HooklineError(f"Wait {wait['id']} is for {wait['what']}, which only its sender can send.")
        value = forms.read(wait["form"], raw)
        await _agree(database, wait, f"Answer: {store.summary(value, wait['form'])}?", yes=yes)
        if not await store.answer(database, wait["id"], Answer(value, actor, "shell")):
            raise HooklineError(_over(await _read(database, number)))
        return f"Answered: {store.summary(value)}. The run goes on."

    console().print(on_database(give))


@app.command
def cancel(
    number: Number,
    *,
    reason: Annotated[str, Parameter(help="Reason, stored with the wait.")],
    yes: Yes = False,
) -> None:
    """
    End a wait without an answer: its run goes on, and fails unless its flow can do without.

    Try:
        hookline waits cancel 3f0c6a52 --reason "the order was withdrawn"
    """
    require_reason(reason)
    actor = runtime.person()

    async def end(database: asyncpg.Pool) -> str:
        wait = await _read(database, number)
        await _agree(
            database, wait, "Cancel it? Its run fails unless its flow can do without an answer.", yes=yes
        )
        if not await store.cancel(database, wait["id"], actor=actor, reason=reason):
            raise HooklineError(_over(await _read(database, number)))
        return f"Cancelled: {wait['what']}."

    console().print(on_database(end))


@app.command
def reopen(
    number: Number,
    *,
    reason: Annotated[str, Parameter(help="Reason, stored with the wait.")],
    yes: Yes = False,
) -> None:
    """
    Ask people again, whatever was answered; then replay the delivery, for what its run did stays done.

    Try:
        hookline waits reopen 3f0c6a52 --reason "pressed No by mistake"
    """
    require_reason(reason)
    actor = runtime.person()

    async def again(database: asyncpg.Pool) -> str:
        wait = await _read(database, number)
        await _agree(database, wait, "Ask again? What was done with the earlier answer stays done.", yes=yes)
        if not await store.reopen(database, wait["id"], actor=actor, reason=reason):
            raise HooklineError(
                f"Wait {wait['id']} is {wait['state']}, for {wait['what']}: only what a person answers, and is over, "
                "is reopened."
            )
        return (
            f"Asked again: {', '.join(wait['people'])}. Replay the delivery whose run is to use the answer."
        )

    console().print(on_database(again))


async def _agree(database: asyncpg.Pool, wait: dict[str, Any], question: str, *, yes: bool) -> None:
    """Show whom a wait concerns; raise HooklineError unless the person agrees."""
    known = {"question": store.question(wait), **await store.concerned(database, wait)}
    console(stderr=True).print("\n".join(f"{name}: {value}" for name, value in known.items()))
    agree(question, yes=yes)


def _pairs(fields: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for field in fields:
        name, separator, value = field.partition("=")
        if not separator:
            raise ConfigurationError(f"{field!r} is no field of an answer; write it as approved=yes.")
        pairs[name.strip()] = value
    return pairs


def _over(wait: dict[str, Any]) -> str:
    return f"Wait {wait['id']} is over, {wait['state']}: {wait['reason']}. The first answer holds."


async def _read(database: asyncpg.Pool, number: str) -> dict[str, Any]:
    """Return a wait by its id, or the beginning of it."""
    plain = number.replace("-", "").lower()
    if not re.fullmatch(r"[0-9a-f]{1,32}", plain) or len(plain) < MIN_PREFIX:
        raise ConfigurationError(f"{number!r} is no id of a wait; it has {MIN_PREFIX} characters or more.")
    found: list[UUID] = await store.with_prefix(database, plain)
    if len(found) > 1:
        raise HooklineError(f"Several waits begin with {number}; give more of the id.")
    wait = await store.read(database, found[0]) if found else None
    if wait is None:
        raise HooklineError(f"There is no wait {number}. See: hookline waits list")
    return wait
