"""
Texts and numbers of flows and vendors, made storable before they are sent to Prefect.

Its PostgreSQL takes no NUL, no UTF-8 takes half of a surrogate pair, and its API cannot show a number of more than 64
bits that it has stored. A state with such a text could never be set, and its run would begin again for ever.

There are three ways to the server: requests of its clients (states, artifacts, logs, names, parameters), states as they
are made ready for such a request, and events (task runs), which Prefect measures, as JSON, as soon as they are made.
"""

import math
from typing import Any

import prefect.states
from prefect.client.base import PrefectHttpxAsyncClient, PrefectHttpxSyncClient
from prefect.client.schemas.objects import State
from prefect.events.schemas.events import Event

from hookline.prefect_adapter.patching import wrap
from hookline.text import storable

MAX = 2**63
"""The bound beyond which a number is sent as a text of its digits."""


def storable_json(value: Any) -> Any:
    """Return a JSON value that Prefect can store and show."""
    match value:
        case str():
            return storable(value)
        case int() | float():
            return _number(value)
        case dict():
            return {
                storable(name) if isinstance(name, str) else name: storable_json(inner)
                for name, inner in value.items()
            }
        case list() | tuple():
            return [storable_json(inner) for inner in value]
        case _:
            return value


def install() -> None:
    """
    Make all that this process sends to Prefect storable, from here on.

    Raises:
        RuntimeError: this version of Prefect has another way to its server.
    """
    wrap(PrefectHttpxAsyncClient, "build_request", _storable_requests)
    wrap(PrefectHttpxSyncClient, "build_request", _storable_requests)
    wrap(prefect.states, "to_state_create", _storable_states)
    wrap(Event, "__init__", _storable_events)


def _storable_requests(build: Any) -> Any:
    def build_request(client: Any, *arguments: Any, json: Any = None, **named: Any) -> Any:
        return build(client, *arguments, json=storable_json(json), **named)

    return build_request


def _storable_states(make: Any) -> Any:
    def to_state_create(state: State[Any]) -> Any:
        state.message = state.message and storable(state.message)
        state.name = state.name and storable(state.name)
        return make(state)

    return to_state_create


def _storable_events(init: Any) -> Any:
    def __init__(self: Event, /, **facts: Any) -> None:  # noqa: N807
        init(self, **storable_json(facts))

    return __init__


def _number(value: float) -> float | str:
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if -MAX <= value < MAX:
        return value
    try:
        return str(value)
    except ValueError:  # more digits than Python writes
        return hex(value)
