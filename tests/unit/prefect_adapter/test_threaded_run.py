"""Which flows block, how a thread is interrupted, and what an interrupted one may still report."""

import asyncio
import threading
import time
from types import ModuleType

import pytest
from prefect import flow, task

from hookline.prefect_adapter.control import Stop
from hookline.prefect_adapter.threaded_run import DistantControl, Interrupted, blocks, interrupt


@task
def blocking_task() -> None:
    """Block."""


elsewhere = ModuleType("elsewhere")
elsewhere.blocking_elsewhere = blocking_task


@task
async def task_beside() -> None:
    """Let others go on."""


@flow
def blocking() -> None:
    """Block."""


@flow
async def calls_task() -> None:
    """Call what blocks."""
    blocking_task()


@flow
async def calls_flow() -> None:
    """Call a flow that blocks."""
    blocking()


@flow
async def calls_in_a_list() -> None:
    """Call what blocks, in a comprehension."""
    [blocking_task() for _ in range(2)]


@flow
async def calls_of_a_module() -> None:
    """Call what blocks, and is elsewhere."""
    elsewhere.blocking_elsewhere()


@flow
async def beside() -> None:
    """Let others go on."""
    await task_beside()
    await asyncio.gather(calls_nothing())


@flow
async def calls_nothing() -> None:
    """Do nothing."""


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (blocking, True),
        (calls_task, True),
        (calls_flow, True),
        (calls_in_a_list, True),
        (calls_of_a_module, True),
        (calls_task.with_options(name="other"), True),
        (beside, False),
        (calls_nothing, False),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_a_flow_blocks_if_it_is_synchronous_or_names_what_is(one, expected):
    assert expected == blocks(one)


def test_a_thread_is_interrupted_as_soon_as_it_executes_python():
    begun, caught = threading.Event(), []

    def work() -> None:
        try:
            begun.set()
            while True:
                time.sleep(0.01)
        except Interrupted as error:
            caught.append(type(error))

    thread = threading.Thread(target=work)
    thread.start()
    begun.wait()
    interrupt(thread)
    thread.join(10)

    assert ([Interrupted], False) == (caught, thread.is_alive())


def test_what_interrupts_a_thread_is_nothing_that_a_flow_catches():
    assert not issubclass(Interrupted, Exception)


def test_nothing_is_raised_in_a_thread_that_has_ended():
    thread = threading.Thread(target=lambda: None)
    thread.start()
    thread.join()

    interrupt(thread)


class Engine:
    """The control of an engine, which notes in which thread it is asked."""

    stop = None

    def __init__(self):
        self.asked_in = []

    async def ensure_lease(self):
        self.asked_in.append(threading.get_ident())
        return True


async def test_the_engine_is_asked_in_its_own_loop_by_threads_and_by_loops_of_their_own():
    engine = Engine()
    control = DistantControl(engine, asyncio.get_running_loop())

    answers = [
        await asyncio.to_thread(control.ensure_lease_here),
        await asyncio.to_thread(lambda: asyncio.run(control.ensure_lease())),
    ]

    assert ([True, True], [threading.get_ident()] * 2) == (answers, engine.asked_in)


async def test_a_thread_that_was_left_has_no_lease_and_may_report_no_state():
    engine = Engine()
    control = DistantControl(engine, asyncio.get_running_loop())
    control.left.set()

    assert (False, False, Stop.LEASE_LOST, []) == (
        control.ensure_lease_here(),
        await control.ensure_lease(),
        control.stop,
        engine.asked_in,
    )
    assert control.stop.forbids_states


def test_a_thread_of_an_engine_that_has_ended_has_no_lease():
    loop = asyncio.new_event_loop()
    loop.close()
    control = DistantControl(Engine(), loop)

    assert (False, Stop.LEASE_LOST) == (control.ensure_lease_here(), control.stop)
