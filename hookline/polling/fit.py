"""Whether a poll of `hooks.yaml` fits its operation: the gateway knows no operations, so it is not checked there."""

from collections.abc import Iterator

from hookline.clients import CLIENTS, operations
from hookline.clients.operation import Operation
from hookline.hooks import Hooks
from hookline.hooks.poll import Poll
from hookline.hooks.sources import IdHeader, Source
from hookline.vendors import UnusableVendor


def misfits(name: str, source: Source) -> list[str]:
    """Return the mistakes in the poll of a source, each with its place; none if it is not polled."""
    return [f"sources.{name}.{problem}" for problem in _problems(source)] if source.poll else []


def wrong_polls(hooks: Hooks) -> dict[str, str]:
    """Return the polled sources that cannot be polled, and why."""
    found = {name: misfits(name, source) for name, source in hooks.sources.items()}
    return {name: "; ".join(problems) for name, problems in found.items() if problems}


def operation_of(poll: Poll) -> Operation[..., object]:
    """
    Return the operation that a poll reads by.

    Raises:
        ValueError: there is none, or it is no read.
    """
    vendor, _, name = poll.operation.partition(".")
    try:
        found = operations(CLIENTS[vendor]).get(name)
    except KeyError:
        raise ValueError(f"there is no vendor {vendor!r}; there are: {', '.join(CLIENTS)}") from None
    except UnusableVendor as error:
        raise ValueError(str(error)) from None
    if found is None:
        raise ValueError(f"{vendor} has no operation {name!r}; see: hookline operations {vendor}")
    if not found.reads or found.session != "uses":
        raise ValueError(f"{poll.operation} is no read, and a poll must change nothing")
    return found


def _problems(source: Source) -> Iterator[str]:
    assert source.poll is not None  # noqa: S101  (for mypy)
    try:
        operation = operation_of(source.poll)
    except ValueError as error:
        yield f"poll.operation: {error}"
        return
    model = operation.input
    if model.model_config.get("extra") != "allow":
        for name in source.poll.inputs:
            if name not in model.model_fields:
                known = ", ".join(model.model_fields) or "none"
                yield f"poll.inputs.{name}: {source.poll.operation} has no such input; it has: {known}"
    if isinstance(source.id, IdHeader):
        yield "id: an item has no headers; give a template"
