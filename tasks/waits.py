"""Waits of a flow, without a process meanwhile: for a delivery that comes later, and for a person's answer."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final, NoReturn, TypeAlias, TypeVar
from uuid import UUID

from pydantic import BaseModel, ValidationError
from pydantic_core import to_json

from hookline import context
from hookline.crash_points import crash_point
from hookline.database import pool
from hookline.database.types import Row
from hookline.delivery import Delivery, read_delivery
from hookline.errors import ConfigurationError, HooklineError
from hookline.hooks import hooks_in_force
from hookline.hooks.limits import bounded_key
from hookline.prefect_adapter import suspension
from hookline.prefect_adapter.suspension import ThisRun
from hookline.rehearsal import doors
from hookline.settings import settings
from hookline.text import do_you_mean, one_line
from hookline.waits import forms, matching, store
from hookline.waits.addresses import require_names
from hookline.waits.errors import TimedOut, WaitCancelled, WaitChanged, WaitOver
from hookline.waits.store import Answer, NewWait
from tasks.effects import BusinessKey

__all__ = ["TimedOut", "WaitCancelled", "WaitChanged", "WaitOver", "ask", "wait_for"]

F = TypeVar("F", bound=BaseModel)
Otherwise: TypeAlias = str | F | Sequence[str | F]

MAX_TIMEOUT: Final = timedelta(days=366)
MAX_QUESTION: Final = 500
UI: Final = "a person in the Prefect UI"
"""Who answered there: a Prefect server without accounts does not know more."""


async def wait_for(
    source: str,
    *,
    match: Mapping[str, object],
    timeout: timedelta,  # noqa: ASYNC109  (it lasts for days, without a process)
    since: datetime | timedelta | None = None,
    name: str | None = None,
    business: BusinessKey | None = None,
) -> Delivery:
    """
    Wait for a delivery of a source, and return it. The run is suspended meanwhile, and begins again when it came.

    What came after the start of the run counts too, also before this was called.

    Args:
        source: of `hooks.yaml`: its webhooks, or what is polled.
        match: the value at each path of the delivery, such as `{"body.licensecode": code}`; compared as text.
        timeout: for how long.
        since: also what came at this time or later, or so long before the start of the run.
        name: of this wait among those of the run; without it, what it waits for is its name.
        business: at a step: what answered it once answers it in every run of that business.

    Raises:
        TimedOut: none came in time.
        WaitCancelled: a person cancelled the wait.
        WaitChanged: the flow was changed, and waited for something else here before.
        ConfigurationError: there is no such source, or it is off; or a path or value cannot be compared.
        HooklineError: the run cannot be suspended.
    """
    run = _this_run("wait_for", timeout)
    conditions = matching.conditions_of(match)
    _require_source(source)
    what = matching.in_words(source, conditions)
    new = _new(
        run,
        business,
        name or what,
        what=what,
        kind="delivery",
        asked=[source, conditions],
        timeout=timeout,
        source=source,
        conditions=conditions,
        match_key=matching.digest(source, conditions),
        since=since if since is not None else timedelta(0),
    )
    row = await store.begin(await pool(settings()), new)
    crash_point("wait began")
    if row["state"] == "waiting":
        await _suspend(run, row)
    _require_answer(row)
    if row["delivery_id"] is None:
        raise HooklineError(f"The delivery that answered the wait {row['id']} is no longer in the inbox.")
    suspension.log(f"{what}: {row['reason']}")
    return await read_delivery(row["delivery_id"])


async def ask(
    who: str | Sequence[str],
    form: type[F],
    *,
    question: str,
    timeout: timedelta,  # noqa: ASYNC109  (as above)
    otherwise: "Otherwise[F]" = (),
    name: str | None = None,
    business: BusinessKey | None = None,
) -> F:
    """
    Ask a person, and return the answer. The run is suspended meanwhile, and begins again when it is there.

    It is answered by the link in the message, on the page of the wait, in the shell, or in the Prefect UI by resuming
    the run; the first answer holds.

    Args:
        who: the name of a person, or several names: each is asked, one answers.
        form: the fields of the answer: a pydantic model, such as a `RunInput` of Prefect.
        question: what it is about, in words; stands in the message and on the page.
        timeout: for how long each is waited for.
        otherwise: who is asked after that, one after another, and at last an answer that holds if nobody answers.
        name: of this wait among those of the run; without it, the question is its name.
        business: at a step: the answer holds in every run of that business.

    Raises:
        TimedOut: nobody answered in time; says who was asked.
        WaitCancelled: a person cancelled the wait.
        WaitChanged: the flow was changed, and asked something else here before.
        ConfigurationError: the form has fields that cannot be asked, or a name is none.
        HooklineError: the run cannot be suspended.
    """
    run = _this_run("ask", timeout)
    schema = suspension.schema_of(form)
    forms.fields_of(schema)
    people = require_names([who] if isinstance(who, str) else who)
    question = one_line(question, MAX_QUESTION)
    new = _new(
        run,
        business,
        name or question,
        what=f"an answer of {' or '.join(people)}: {question}",
        kind="answer",
        asked=form.__name__,
        timeout=timeout,
        form=schema,
        people=people,
        later=_later(otherwise, form),
    )
    row = await _begun(run, new, form)
    if row["state"] == "answered":
        suspension.log(f"{question} {row['reason']}")
        return form.model_validate(row["answer"])
    _require_answer(row)
    why = f" {row['reason']}." if row["reason"] else ""
    address = f"{settings().base_url}/waits/{row['id']}"
    return await _suspend(run, row, why, form=schema, title=f"{question}{why} ({address})")


async def _begun(run: ThisRun, new: NewWait, form: type[BaseModel]) -> Row:
    """Return the wait for an answer, with that of Prefect's dialog; an answer that the form refuses is asked again."""
    database = await pool(settings())
    row = await store.begin(database, new)
    crash_point("wait began")
    if row["state"] == "waiting" and (response := await _response(run, row, form)) is not None:
        await store.answer(database, row["id"], Answer(response, UI, "Prefect UI"))
        await suspension.forget_response(run, row["id"])  # it answers no later question
        row = await store.begin(database, new)
    if row["state"] == "answered" and (problem := _problem(form, row["answer"])):
        await store.refuse_answer(database, row, new, problem)
        row = await store.begin(database, new)
    return row


async def _response(run: ThisRun, row: Row, form: type[BaseModel]) -> dict[str, Any] | None:
    """Return what a person answered in Prefect's dialog, if it can be used."""
    response = await suspension.response(run, row["id"])
    if response is None:
        asked_at = row["until"] - row["patience"]
        may_be_empty = not row["form"].get("required")
        return {} if may_be_empty and await suspension.was_resumed(run, row["id"], asked_at) else None
    if problem := _problem(form, response):
        await suspension.forget_response(run, row["id"])
        suspension.log(f"The answer cannot be used: {problem}. Please answer again.")
        return None
    return response


def _later(otherwise: "Otherwise[F]", form: type[F]) -> list[dict[str, Any]]:
    """Return who is asked next, and the answer that holds at last."""
    steps = [otherwise] if isinstance(otherwise, str | BaseModel) else list(otherwise)
    later: list[dict[str, Any]] = []
    for number, step in enumerate(steps, 1):
        if isinstance(step, str):
            later.append({"people": require_names([step])})
        elif isinstance(step, form) and number == len(steps):
            later.append({"answer": step.model_dump(mode="json")})
        else:
            raise ConfigurationError(
                f"ask: otherwise has names, and at last an answer that is a {form.__name__}; {step!r} is neither."
            )
    return later


def _problem(form: type[BaseModel], answer: object) -> str | None:
    """Return why an answer cannot be used; None if it can."""
    try:
        form.model_validate(answer)
    except ValidationError as error:
        places = (f"{'.'.join(map(str, each['loc'])) or 'answer'}: {each['msg']}" for each in error.errors())
        return "; ".join(places)
    return None


def _this_run(what: str, timeout: timedelta) -> ThisRun:
    """Return the flow run here; raises HooklineError if it cannot wait."""
    if not timedelta(0) < timeout <= MAX_TIMEOUT:
        raise ConfigurationError(
            f"{what}: timeout must be more than nothing, and {MAX_TIMEOUT.days} days at most."
        )
    if (rehearsal := doors.current()) is not None:
        raise rehearsal.missing(f"the end of a wait by {what}")
    if context.in_batch():
        raise HooklineError(
            f"{what} needs a flow run of its own, for a batch is not suspended. To begin there at once, say so in the "
            "route: unbatched: true."
        )
    return suspension.this_run(what)


def _new(run: ThisRun, business: BusinessKey | None, name: str, *, asked: object, **fields: Any) -> NewWait:
    """Return a wait of this run, or of a business for all of its runs."""
    if business is None:
        scope, number = f"flow run {run.id}", run.nth(name)
    else:
        scope, number = f"{business.workflow} {business.key}", 1
        name = business.step_name or name
    return NewWait(
        scope=bounded_key(scope),
        name=bounded_key(name if number == 1 else f"{name} #{number}"),
        fingerprint=sha256(to_json([fields["kind"], asked])).hexdigest(),
        flow_run_id=run.id,
        dispatch_id=context.dispatch_id(),
        began=run.began,
        **fields,
    )


async def _suspend(run: ThisRun, row: Row, why: str = "", **form: Any) -> NoReturn:
    """Suspend the run until the wait is over; nothing cuts into it."""
    message = f"Waits until {row['until']:%Y-%m-%d %H:%M} UTC for {row['what']}.{why}"
    async with context.write_permit():
        await suspension.suspend(run, row["id"], message, **form)


def _require_answer(row: Row) -> None:
    wait_id: UUID = row["id"]
    match row["state"]:
        case "expired":
            raise TimedOut(
                f"It was waited for {row['what']}, but {row['reason']}. Replay it to wait again.", wait_id
            )
        case "cancelled":
            raise WaitCancelled(
                f"The wait for {row['what']} has no answer: {row['reason']}. Replay it to wait again.",
                wait_id,
            )


def _require_source(name: str) -> None:
    """Raise ConfigurationError for a source of which nothing can come."""
    current = settings()
    hooks = hooks_in_force(current.hooks, current.home, note=False)
    source = hooks.sources.get(name)
    if source is None:
        near = do_you_mean(name, hooks.sources)
        raise ConfigurationError(
            f"wait_for: {current.hooks} has no source {name!r}{near}; nothing can come of it."
        )
    if not source.enabled:
        raise ConfigurationError(
            f"wait_for: {current.hooks} switches the source {name} off; nothing can come of it."
        )
