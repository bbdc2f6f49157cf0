"""The place in Prefect where a task learns of its error; see `hookline.prefect_adapter.vendor_waits`."""

import inspect
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import prefect.task_engine
import pytest
from prefect.states import StateType

from hookline import context
from hookline.clients.errors import Unavailable, VendorAway
from hookline.prefect_adapter import vendor_waits

ENGINE = prefect.task_engine.AsyncTaskRunEngine
AT = datetime.now(UTC) + timedelta(minutes=4)
AWAY = VendorAway(vendor="zentitle", operation="get_company", account="zentitle/default", next_try=AT)
OTHER = Unavailable(vendor="zentitle", operation="get_company")


class Engine:
    """A task's engine, as far as the wrapper asks it."""

    def __init__(self):
        self.states = []
        self.handled = []

    async def set_state(self, state, force=False):
        assert force
        self.states.append(state)

    async def handle(self, error):
        async def original(engine, error):
            engine.handled.append(error)

        await vendor_waits._waiting(original)(self, error)


def test_an_error_of_a_task_comes_to_handle_exception_and_what_that_raises_to_the_flow():
    source = inspect.getsource(ENGINE.run_context)
    outermost = inspect.getsource(ENGINE.initialize_run)

    assert ["self", "exc"] == list(inspect.signature(ENGINE.handle_exception).parameters)
    assert "except Exception as exc:\n                await self.handle_exception(exc)" in source
    assert "except Exception:\n                    # regular exceptions are caught and re-raised" in outermost


@pytest.mark.parametrize("in_batch", [True, False])
async def test_a_task_in_an_engine_says_that_it_waits_ends_and_leaves(in_batch):
    engine = Engine()
    with context.working_on(uuid4(), uuid4(), in_batch=in_batch), pytest.raises(VendorAway):
        await engine.handle(AWAY)

    [state] = engine.states
    assert (vendor_waits.LEFT, True, False) == (state.name, state.is_final(), state.is_failed())
    assert "zentitle/default" in state.message


async def test_any_other_error_and_a_run_in_prefects_worker_are_left_to_prefect():
    engine = Engine()
    await engine.handle(AWAY)
    with context.working_on(uuid4(), uuid4()):
        await engine.handle(OTHER)

    assert ([AWAY, OTHER], []) == (engine.handled, engine.states)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (AWAY, AWAY),
        (ExceptionGroup("two", [AWAY, AWAY]), AWAY),
        (ExceptionGroup("two", [OTHER, AWAY]), None),
        (ExceptionGroup("two", [AWAY, OTHER]), None),
        (OTHER, None),
    ],
    ids=["away", "both away", "one failed first", "one failed last", "failed"],
)
def test_a_run_waits_only_where_nothing_else_went_wrong(error, expected):
    assert expected is vendor_waits.vendor_away(error)


def test_a_flow_run_that_waits_is_not_due_in_prefects_worker():
    state = vendor_waits.awaiting_retry(AWAY)

    assert (StateType.PENDING, "AwaitingRetry") == (state.type, state.name)
    assert None is state.state_details.scheduled_time
