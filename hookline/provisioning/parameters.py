"""
The parameters of a flow, and the check that values fit both the flow's own types and Prefect's server.

Prefect checks twice, by two sets of rules: its server by the JSON Schema of the flow, its engine by the flow's types.
A value that only the types accept is passed on as they write it in JSON, and is refused if that does not fit either.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any, get_type_hints

from prefect import Flow
from pydantic import TypeAdapter, ValidationError

from hookline.hooks.limits import MAX_DEPTH, deeper_than, shortened
from hookline.text import one_line, reason

ANYTHING: TypeAdapter[Any] = TypeAdapter(Any)
DIRECTIVES = {"$ref", "__prefect_kind"}
DELIVERY = "delivery"
"""The parameter of a flow for the id of its delivery."""
MAX_MESSAGE = 200
MAX_PROBLEMS = 3
"""The most problems to name of one parameter; the others are only counted."""
_MISFITS = BaseException
"""The errors of a flow's own validators, which may raise anything; each is reported of its value."""


def misfits(flow: Flow[..., Any], parameters: Mapping[str, Any]) -> list[str]:
    """Return the problems of values for a flow's parameters, one text for people for each parameter."""
    return [
        reason(f"parameter {name}: {problem}")
        for name, value in parameters.items()
        if (problem := _misfit(flow, name, value))
    ]


def unknown(flow: Flow[..., Any], names: Iterable[str]) -> list[str]:
    """Return the problems of names that are no parameters of a flow, one text for people for each."""
    known = flow.parameters.properties
    return [
        f"parameter {one_line(name, MAX_MESSAGE)}: the flow has no such parameter; it has: {', '.join(known) or 'none'}"
        for name in names
        if name not in known
    ]


def validated(flow: Flow[..., Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return a flow's parameters as it takes them, as Prefect would validate them, which makes a model for each run.

    Raises:
        ValidationError: one does not fit.
    """
    return {name: _type(flow, name).validate_python(value) for name, value in parameters.items()}


def converted(flow: Flow[..., Any], parameters: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Return the parameters, with those of these names as the flow's types write them in JSON; all must fit."""
    written = {name: _written(flow, name, parameters[name]) for name in names if name in parameters}
    return {**parameters, **written}


@cache
def takes_delivery(flow: Flow[..., Any]) -> bool:
    """Return True if the flow has a parameter `delivery` that accepts the id of one."""
    schema = flow.parameters.properties.get(DELIVERY)
    kinds = [] if schema is None else [schema, *schema.get("anyOf", [])]
    return any(kind.get("type") == "string" for kind in kinds)


def _misfit(flow: Flow[..., Any], name: str, value: Any) -> str | None:
    if deeper_than(value, MAX_DEPTH):
        return f"more than {MAX_DEPTH} values within each other"
    if directive := _directive(value):
        return f"holds {directive!r}, which Prefect would act upon; refused"
    try:
        _type(flow, name).validate_python(value)
    except ValidationError as error:
        return f"{_message(error)}, not {shortened(value)}"
    except _MISFITS as error:
        return f"the flow's own check ends in {type(error).__name__}: {one_line(error, MAX_MESSAGE)}"
    return None


def _message(error: ValidationError) -> str:
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    named = [one_line(problem["msg"], MAX_MESSAGE) for problem in problems[:MAX_PROBLEMS]]
    more = len(problems) - len(named)
    return "; ".join(named) + (f"; and {more} more" if more else "")


def _written(flow: Flow[..., Any], name: str, value: Any) -> Any:
    """Return the value as its type writes it in JSON; unchanged if the type cannot."""
    try:
        adapter = _type(flow, name)
        return adapter.dump_python(adapter.validate_python(value), mode="json")
    except _MISFITS:
        return value


def _type(flow: Flow[..., Any], name: str) -> TypeAdapter[Any]:
    return _types(flow).get(name, ANYTHING)


@cache
def _types(flow: Flow[..., Any]) -> dict[str, TypeAdapter[Any]]:
    hints = get_type_hints(flow.fn, include_extras=True)
    return {name: TypeAdapter(hint) for name, hint in hints.items() if name != "return"}


def _directive(value: Any) -> str | None:
    """Return a key that Prefect acts upon (loads a block, renders a template), which no stranger may send."""
    return next((key for key in _keys(value) if key in DIRECTIVES), None)


def _keys(value: Any) -> Iterator[str]:
    left = [value]
    while left:
        match left.pop():
            case dict() as mapping:
                yield from mapping
                left += mapping.values()
            case list() | tuple() as values:
                left += values
            case _:
                pass
