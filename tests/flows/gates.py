"""Flows for the tests of the engine: what they write stands in a file, and they wait where a test says so."""

import asyncio
import os
import signal
import sys
import time
from datetime import timedelta
from pathlib import Path

from prefect import flow, get_run_logger, task
from prefect.artifacts import acreate_table_artifact
from prefect.concurrency.asyncio import concurrency
from prefect.flow_runs import pause_flow_run, suspend_flow_run
from prefect.runtime import flow_run
from prefect.variables import Variable
from pydantic import BaseModel, Field, field_validator

from blocks.zentitle import ZentitleCredentials
from hookline.database import lent
from hookline.errors import HooklineError
from hookline.journal import Outcome
from hookline.settings import settings
from tasks import zentitle
from tasks.about import about
from tasks.effects import BusinessKey, run_write
from tasks.waits import TimedOut, ask, wait_for


class Away(HooklineError):
    """Something that passes by itself."""

    transient = True


@task
async def write(record: str, what: str, gate: str | None = None) -> None:
    """An effect: a line in a file, whose answer comes when the gate is open."""

    async def send() -> Outcome:
        _note(record, what)
        if gate:
            await passed(record, gate)
        return Outcome([what])

    await run_write(BusinessKey("gates", record, f"record {record}"), what, "test.write", {}, send)


def _note(record: str, what: str) -> None:
    with Path(record).open("a") as file:
        file.write(f"{what}\n")


def is_open(record: str, gate: str) -> bool:
    """Whether the test has opened the gate."""
    return Path(f"{record}.{gate}").exists()


def let_pass(record: str, gate: str) -> None:
    """Open the gate."""
    Path(f"{record}.{gate}").touch()


async def passed(record: str, gate: str) -> None:
    """Wait until the test opens the gate."""
    while not is_open(record, gate):
        await asyncio.sleep(0.02)


@flow(persist_result=False)
async def steps(record: str, answer: str | None = None) -> None:
    """Two effects, with a gate between them."""
    await write(record, "first", answer)
    await passed(record, "gate")
    await write(record, "second")


@flow(persist_result=False)
async def labelled(record: str, breaks: bool = False) -> None:
    """Finds out what it is about, twice, and breaks off where a test says so."""
    _note(record, flow_run.name or "")
    await passed(record, "gate")
    await about("order 7 · Ann", customer="C-7", nothing=None)
    await about(order=7)
    if breaks:
        raise Away("broken off")


@flow(persist_result=False)
async def curious(record: str) -> None:
    """Asks Prefect something between two effects."""
    await write(record, "first")
    await passed(record, "gate")
    await Variable.aget("whatever")
    await write(record, "second")


@flow(persist_result=False, retries=1, retry_delay_seconds=30)
async def impatient(record: str) -> None:
    """Fails, and waits for its own next attempt."""
    await write(record, "first")
    raise ValueError("not yet")


@flow(persist_result=False)
async def fragile(record: str) -> None:
    """Fails until the test lets it pass; then waits at a gate."""
    await write(record, "first")
    if not is_open(record, "fixed"):
        raise ValueError("not fixed")
    await passed(record, "gate")
    await write(record, "second")


@flow(persist_result=False)
async def approval(record: str) -> None:
    """Asks a person, without a process meanwhile."""
    await write(record, "asked")
    answer = await suspend_flow_run(wait_for_input=str)
    await write(record, f"answered {answer}")


@flow(persist_result=False)
async def pausing(record: str) -> None:
    """Waits for a person in its process."""
    await write(record, "asked")
    await pause_flow_run(timeout=600, poll_interval=1)
    await write(record, "answered")


@flow(persist_result=False)
async def ends(record: str) -> None:
    """Has nothing more to write when its gate is open."""
    await write(record, "first")
    await passed(record, "gate")


@flow(persist_result=False)
async def severed(record: str) -> None:
    """Loses its connection to PostgreSQL until the test has fixed it."""
    await write(record, "first")
    if not is_open(record, "fixed"):
        await cut()
    await write(record, "second")


@task
async def cut() -> None:
    """What a restart of the server does to each connection."""
    async with lent(settings()) as connection:
        await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")


@flow(persist_result=False)
async def mails(record: str) -> None:
    """Sends what cannot be looked up, and gets no answer until the test lets it."""

    async def send() -> Outcome:
        _note(record, "mail")
        if not is_open(record, "answers"):
            raise ConnectionError("the answer was lost")
        return Outcome()

    await run_write(BusinessKey("gates", record, f"record {record}"), "mail", "test.mail", {}, send)


@flow(persist_result=False)
async def passing(record: str) -> None:
    """Fails once, of what passes by itself."""
    await write(record, "first")
    if not is_open(record, "passed"):
        let_pass(record, "passed")
        raise Away("it passes")


@task(retries=1, retry_delay_seconds=600)
async def fails() -> None:
    """Fails, and waits for its next attempt."""
    raise ValueError("not yet")


@flow(persist_result=False)
async def patient(record: str) -> None:
    """Has a task that waits long for its next attempt."""
    _note(record, "begun")
    await fails()


@flow(persist_result=False)
async def nested(record: str) -> None:
    """Has a flow that waits for its next attempt."""
    await impatient(record)


@flow(persist_result=False)
async def limited(record: str) -> None:
    """Has the one slot of a limit in Prefect until its gate opens."""
    _note(record, "begun")
    async with concurrency("gates"):
        _note(record, "in")
        await passed(record, "gate")


@flow(persist_result=False)
async def calls(record: str) -> None:
    """Calls a vendor."""
    _note(record, "begun")
    await zentitle.list_products(await ZentitleCredentials.aload("default"))


@flow(persist_result=False)
async def undoable(record: str) -> None:
    """Writes what a rule's no would undo."""
    async with BusinessKey("gates", record, f"record {record}").compensated():
        await write(record, "first")


UNSTORABLE = "refused: a\x00b \ud800"
BEYOND = 10**30


@task
async def refuses() -> None:
    """Fails with a vendor's words, which no database takes."""
    raise ValueError(UNSTORABLE)


@flow
async def quotes(record: str, task: bool) -> None:
    """Says what no database takes wherever a flow can say something, and fails with it."""
    _note(record, "first")
    get_run_logger().warning("the vendor said %s", "a\x00b")
    await acreate_table_artifact([{"said": "a\x00b", "number": BEYOND}], key="quotes", description="a\x00b")
    if task:
        await refuses()
    raise ValueError(UNSTORABLE)


@flow
async def answers(record: str) -> dict[str, object]:
    """Ends well, with what no database takes."""
    _note(record, "first")
    return {"said": UNSTORABLE, "number": BEYOND}


@flow
async def kills(record: str) -> None:
    """Kills its process, as a lack of memory does."""
    _note(record, "begun")
    os.kill(os.getpid(), signal.SIGKILL)


@flow
async def hogs(record: str) -> None:
    """Blocks the event loop for ever."""
    _note(record, "begun")
    time.sleep(3600)  # noqa: ASYNC251


@flow
async def leaves(record: str, how: str) -> None:
    """Wants to end its process, or says that it was cancelled."""
    _note(record, "begun")
    match how:
        case "exit":
            sys.exit(3)
        case "interrupt":
            raise KeyboardInterrupt
        case "cancel":
            raise asyncio.CancelledError
        case "exit in a task":
            await exits()


@task
async def exits() -> None:
    """Wants to end its process."""
    sys.exit(3)


@flow(persist_result=False)
async def awaits(record: str, code: str, seconds: float = 600) -> None:
    """Waits for a delivery between two effects."""
    await write(record, "first")
    delivery = await wait_for(
        "standard", match={"body.licensecode": code}, timeout=timedelta(seconds=seconds)
    )
    await write(record, f"activated {delivery.body['licensecode']}")


@flow(persist_result=False)
async def reminds(record: str, code: str) -> None:
    """Does without the delivery when it does not come."""
    try:
        await wait_for("standard", match={"body.licensecode": code}, timeout=timedelta(seconds=1))
    except TimedOut:
        await write(record, "reminder")
    await passed(record, "gate")
    await write(record, "second")


@flow(persist_result=False)
async def reorders(record: str, code: str) -> None:
    """Waits for two deliveries, in another order once its code was changed."""
    for which in "ba" if is_open(record, "upgraded") else "ab":
        delivery = await wait_for(
            "standard", match={"body.licensecode": code + which}, timeout=timedelta(seconds=600)
        )
        _note(record, f"{which} {delivery.body['licensecode'][-1]}")


@flow(persist_result=False)
async def renames(record: str, code: str) -> None:
    """Waits at one name for something else, once its code was changed."""
    code += "x" if is_open(record, "upgraded") else ""
    await wait_for(
        "standard", match={"body.licensecode": code}, timeout=timedelta(seconds=600), name="activation"
    )


@task
async def wrong_place() -> None:
    """Waits where nothing can wait."""
    await wait_for("standard", match={"body.x": 1}, timeout=timedelta(seconds=1))


@flow(persist_result=False)
async def misplaced(record: str, how: str) -> None:
    """Waits in ways that cannot be."""
    match how:
        case "task":
            await wrong_place()
        case "subflow":
            await awaits(record, "x")
        case "source":
            await wait_for("standart", match={"body.x": 1}, timeout=timedelta(seconds=1))
        case "timeout":
            await wait_for("standard", match={"body.x": 1}, timeout=timedelta(0))


class Decision(BaseModel):
    """A person's answer."""

    approved: bool
    comment: str = Field("", max_length=200)

    @field_validator("comment")
    @classmethod
    def _clean(cls, comment: str) -> str:
        if "bad" in comment:
            raise ValueError("say it in other words")
        return comment


class Wish(BaseModel):
    """An answer that may be empty."""

    wish: str = "none"


@flow(persist_result=False)
async def asking(
    record: str,
    who: str = "anna",
    seconds: float = 600,
    otherwise: list[str] | None = None,
    default: bool = False,
) -> None:
    """Asks a person between two effects."""
    await write(record, "first")
    later: list[str | Decision] = [*(otherwise or []), *([Decision(approved=False)] if default else [])]
    decision = await ask(
        who, Decision, question="Approve order 100123?", timeout=timedelta(seconds=seconds), otherwise=later
    )
    await write(record, f"approved: {decision.approved} {decision.comment}".strip())


@flow(persist_result=False)
async def wishing(record: str) -> None:
    """Asks for an answer that may be empty."""
    answer = await ask("anna", Wish, question="What?", timeout=timedelta(seconds=600))
    await write(record, f"wish: {answer.wish}")


@flow(persist_result=False)
async def business(record: str, order: str) -> None:
    """Asks about an order, once for all runs of it."""
    step = BusinessKey("gates", order, f"order {order}").step("approval")
    decision = await ask("anna", Decision, question="Approve?", timeout=timedelta(seconds=600), business=step)
    await write(record, f"approved: {decision.approved}")


@flow(persist_result=False)
async def fickle(record: str, empty: bool) -> None:
    """Asks, and fails afterwards until the test has fixed it."""
    await ask("anna", Wish if empty else Decision, question="Sure?", timeout=timedelta(seconds=600))
    if not is_open(record, "fixed"):
        raise ValueError("not fixed")
