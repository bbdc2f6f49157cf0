"""Plain Prefect flows: synchronous, as Prefect's own tutorials write them."""

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from threading import current_thread, main_thread

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.deployments import arun_deployment, run_deployment
from prefect.flow_runs import pause_flow_run, suspend_flow_run
from prefect.runtime import flow_run
from prefect.states import Completed
from prefect.task_runners import ThreadPoolTaskRunner
from prefect.transactions import transaction
from prefect.variables import Variable
from pydantic import BaseModel

from tests.flows.gates import is_open, write


def note(record: str, what: object) -> None:
    """Write a line to the record."""
    with Path(record).open("a") as file:
        file.write(f"{what}\n")


def passed(record: str, gate: str = "gate") -> None:
    """Block until the test opens the gate."""
    while not is_open(record, gate):
        time.sleep(0.02)


@task
def double(number: int) -> int:
    """Work."""
    return number * 2


@task
def blocked(record: str) -> str:
    """Block its thread."""
    passed(record)
    return "through"


@flow
def child(number: int) -> int:
    """Call a task."""
    return double(number) + 1


@flow
async def async_child(number: int) -> int:
    """Do the same without blocking."""
    return number + 1


@flow(log_prints=True)
def everyday(record: str) -> None:
    """Use what tutorials use."""
    note(record, f"in the main thread: {current_thread() is main_thread()}")
    get_run_logger().info("begun")
    print("printed")  # noqa: T201
    note(record, f"called: {double(2)}")
    note(record, f"submitted: {double.submit(3).result()}")
    note(record, f"mapped: {double.map([1, 2, 3]).result()}")
    note(record, f"subflow: {child(4)}")
    note(record, f"named: {flow_run.name == flow_run.get_name()}")
    create_markdown_artifact("# Done", key="everyday")
    Variable.set("everyday", "7", overwrite=True)
    note(record, f"variable: {Variable.get('everyday')}")


@flow
async def mixed(record: str) -> None:
    """Call what blocks from an asynchronous flow."""
    note(record, f"in the main thread: {current_thread() is main_thread()}")
    note(record, blocked(record))
    note(record, f"subflows: {child(1)} {await async_child(1)}")
    await write(record, "effect")


@flow
def blocking(record: str) -> None:
    """Block for as long as the test wants it, in small parts."""
    note(record, "begun")
    passed(record)
    note(record, "ended")


@flow
def deaf(record: str, seconds: float) -> None:
    """Block where no exception reaches it, then try an effect."""
    note(record, "begun")
    time.sleep(seconds)
    note(record, "awake")


@flow
def stubborn(record: str) -> None:
    """Catch whatever is raised in it, then try an effect."""
    note(record, "begun")
    while not is_open(record, "gate"):
        with suppress(BaseException):
            time.sleep(0.02)
    try:
        write.submit(record, "effect").result()
    except Exception as error:  # noqa: BLE001
        note(record, type(error).__name__)


@flow
def effectful(record: str) -> None:
    """Have an effect by a task that is asynchronous."""
    write.submit(record, "effect", "answer").result()


class Colour(Enum):
    """A choice."""

    RED = "red"


class Line(BaseModel):
    """A part of an order."""

    part: str
    price: Decimal
    at: datetime


class Order(BaseModel):
    """An order."""

    number: int
    total: Decimal
    colour: Colour
    lines: list[Line]


@flow(persist_result=True)
def typed(record: str, order: Order, limit: Decimal, due: datetime) -> Order:
    """Take and return what JSON has no types for."""
    note(record, f"{order.total} {limit} {due.isoformat()} {order.colour} {order.lines[0].price}")
    return order


@flow(task_runner=ThreadPoolTaskRunner(max_workers=2))
def own_runner(record: str) -> None:
    """Have a task runner of its own."""
    note(record, sum(double.map(range(5)).result()))


@flow
def numbers(record: str) -> Iterator[int]:
    """Yield."""
    for number in range(3):
        note(record, number)
        yield number


@flow
async def async_numbers(record: str) -> AsyncIterator[int]:
    """Yield without blocking."""
    for number in range(3):
        note(record, number)
        yield number


@flow(retries=1, retry_delay_seconds=1)
def retried(record: str) -> None:
    """Fail once."""
    note(record, f"run {flow_run.run_count}")
    if flow_run.run_count == 1:
        raise ValueError("once")


@flow(timeout_seconds=0.3)
def slow(record: str) -> None:
    """Take too long."""
    note(record, "begun")
    for _ in range(1000):
        time.sleep(0.01)


def tell(_flow: object, run: object, state: State) -> None:
    """Be a hook."""
    note(
        run.parameters["record"],
        f"hook: {state.name} in the main thread: {current_thread() is main_thread()}",
    )  # type: ignore[attr-defined]


@flow(on_failure=[tell], on_completion=[tell])
def hooked(record: str, fail: bool) -> None:
    """Have hooks."""
    if fail:
        raise ValueError("as asked")


@flow
def says(record: str) -> State:
    """Return a state."""
    return Completed(message="said so", name="Said")


@task
def undone(record: str) -> None:
    """Be rolled back."""
    note(record, "done")


@undone.on_rollback
def _undo(_transaction: object) -> None:
    note(_undo.record, "undone")  # type: ignore[attr-defined]


@flow
def transacted(record: str) -> None:
    """Fail in a transaction."""
    _undo.record = record  # type: ignore[attr-defined]
    with transaction():
        undone(record)
        raise ValueError("rolls back")


@flow
def asks(record: str) -> None:
    """Wait for a person without a process."""
    note(record, "asked")
    answer = suspend_flow_run(wait_for_input=str)
    note(record, f"answered {answer}")


@flow
def pauses(record: str) -> None:
    """Wait for a person in its thread."""
    note(record, "asked")
    pause_flow_run(timeout=60, poll_interval=1)
    note(record, "answered")


@flow
def quits(record: str) -> None:
    """Want to end its process."""
    note(record, "begun")
    raise SystemExit(3)


def _plain(record: str) -> None:
    note(record, "renamed")


optioned = flow(_plain, name="optioned").with_options(retries=2, description="Otherwise")


@flow
def child_of(record: str) -> None:
    """Be started by another flow."""
    note(record, "child")


CHILD = "child-of/test"


@flow
def starts_another(record: str, gate: str | None = None) -> None:
    """Start a run of another deployment, once however often it begins, and wait for its end."""
    note(record, "begun")
    key = f"{flow_run.id} child"
    child = run_deployment(CHILD, parameters={"record": record}, idempotency_key=key, poll_interval=0.2)
    note(record, child.state.name)
    if gate:
        passed(record, gate)


@flow
async def starts_another_async(record: str) -> None:
    """Do the same in the event loop."""
    key = f"{flow_run.id} child"
    child = await arun_deployment(
        CHILD, parameters={"record": record}, idempotency_key=key, poll_interval=0.2
    )
    note(record, child.state.name)


@flow
def pooled(record: str) -> None:
    """Be for a work pool."""
    note(record, "it ran in an engine")
