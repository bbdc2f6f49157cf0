"""What the suspension of a run assumes of Prefect; see `hookline.prefect_adapter.suspension`."""

import inspect
from enum import Enum
from typing import Literal
from uuid import uuid4

from prefect.context import FlowRunContext
from prefect.exceptions import Pause
from prefect.flow_engine import AsyncFlowRunEngine
from prefect.server.api import flow_runs as api
from prefect.server.orchestration.core_policy import HandlePausingFlows, HandleResumingPausedFlows
from prefect.server.services import pause_expirations
from prefect.states import Running, Suspended
from pydantic import BaseModel, Field

from hookline.prefect_adapter import suspension
from hookline.waits import forms


class Colour(Enum):
    """A choice."""

    RED = "red"


class Form(BaseModel):
    """A form with a field of each kind."""

    zeta: bool
    alpha: str = Field("x", max_length=20)
    number: int | None = Field(None, ge=1)
    colour: Colour = Colour.RED
    kind: Literal["a", "b"] = "a"


def test_a_flow_cannot_catch_by_mistake_what_leaves_a_suspended_run():
    assert not issubclass(Pause, Exception)
    assert "except (Abort, Pause) as exc:" in inspect.getsource(AsyncFlowRunEngine.initialize_run)


def test_prefect_deletes_what_is_under_the_keys_of_a_form_when_it_suspends_so_we_write_it_afterwards():
    source = inspect.getsource(HandlePausingFlows.after_transition)

    assert "delete_flow_run_input(" in source
    assert "run_input_keyset.values()" in source


def test_the_same_pause_key_is_refused_a_second_time_so_each_suspension_has_its_own():
    assert "if self.key in pause_keys" in inspect.getsource(HandlePausingFlows.before_transition)


def test_a_resumed_run_is_scheduled_by_a_name_that_we_know_and_its_answer_is_stored_unless_it_is_empty():
    source = inspect.getsource(api.resume_flow_run)

    assert f'name="{suspension.RESUMING}"' in source
    assert "keyset\n            and run_input\n            and orchestration_result.status" in source
    assert 'key=keyset["response"]' in source


def test_a_run_without_a_time_out_of_prefect_s_is_never_failed_by_it():
    state = Suspended(pause_key="x")

    assert (None, True) == (state.state_details.pause_timeout, state.state_details.pause_reschedule)
    assert "pause_timeout is not None" in inspect.getsource(pause_expirations)
    assert "if pause_timeout and" in inspect.getsource(HandleResumingPausedFlows.before_transition)


def test_the_context_of_a_run_counts_its_pauses():
    assert "observed_flow_pauses" in FlowRunContext.model_fields


def test_a_state_is_ours_by_its_key():
    ours = Suspended(pause_key=f"hookline {uuid4()} 1")

    assert [True, False, False] == [
        suspension.is_ours(state) for state in (ours, Suspended(pause_key="1"), Running())
    ]


def test_the_schema_of_a_form_keeps_the_order_of_its_fields_and_can_be_asked():
    schema = suspension.schema_of(Form)
    stored = {**schema, "properties": dict(sorted(schema["properties"].items()))}  # as jsonb has them

    fields = forms.fields_of(stored)
    assert ("Form", False) == (schema["title"], schema["additionalProperties"])
    assert [
        ("zeta", "boolean", True),
        ("alpha", "text", False),
        ("number", "integer", False),
        ("colour", "choice", False),
        ("kind", "choice", False),
    ] == [(field.name, field.kind, field.required) for field in fields]
    assert {"zeta": True, "colour": "red"} == forms.read(stored, {"zeta": "yes", "colour": "red"})
