"""
What flows and vendors say, made storable before Prefect is told of it.

Its PostgreSQL takes no NUL, no UTF-8 takes half of a surrogate pair, and its API cannot show a number of more than 64
bits that it has stored. A state with such a text could never be set, and its run would begin again for ever.

There are three ways to the server: requests of its clients (states, artifacts, logs, names, parameters), states as they
are made ready for such a request, and events (task runs), which Prefect measures, as JSON, as soon as they are made.
"""

import math
from collections.abc import Callable
from typing import Any

import prefect.states
from prefect.client.base import PrefectHttpxAsyncClient, PrefectHttpxSyncClient
from prefect.client.schemas.objects import State
from prefect.events.schemas.events import Event

from hookline.text import storable

MAX = 2**63
"""Beyond it a number is told as its digits."""


def told(value: Any) -> Any:
    """Return JSON, as Python holds it, that Prefect can store and show."""
    match value:
        case str():
            return storable(value)
        case int() | float():
            return _number(value)
        case dict():
            return {
                storable(name) if isinstance(name, str) else name: told(inner)
                for name, inner in value.items()
            }
        case list() | tuple():
            return [told(inner) for inner in value]
        case _:
            return value


def install() -> None:
    """
    Let all that this process tells Prefect be storable, from here on.

    Raises:
        AttributeError: this version of Prefect has another way to its server.
    """
    _wrap(PrefectHttpxAsyncClient, "build_request", _telling)
    _wrap(PrefectHttpxSyncClient, "build_request", _telling)
    _wrap(prefect.states, "to_state_create", _making)
    _wrap(Event, "__init__", _happening)


def _telling(build: Any) -> Any:
    def build_request(client: Any, *arguments: Any, json: Any = None, **named: Any) -> Any:
        return build(client, *arguments, json=told(json), **named)

    return build_request


def _making(make: Any) -> Any:
    def to_state_create(state: State[Any]) -> Any:
        state.message = state.message and storable(state.message)
        state.name = state.name and storable(state.name)
        return make(state)

    return to_state_create


def _happening(begin: Any) -> Any:
    def happening(this: Event, /, **facts: Any) -> None:
        begin(this, **told(facts))

    return happening


def _wrap(owner: Any, name: str, wrapper: Callable[[Any], Any]) -> None:
    """Put a wrapper around a function of Prefect's, once."""
    original = getattr(owner, name)
    if not hasattr(original, "wrapped_by_hookline"):
        wrapped = wrapper(original)
        wrapped.wrapped_by_hookline = True
        setattr(owner, name, wrapped)


def _number(value: float) -> float | str:
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if -MAX <= value < MAX:
        return value
    try:
        return str(value)
    except ValueError:  # more digits than Python writes
        return hex(value)
