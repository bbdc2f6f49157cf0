"""What a run is about, as far as its flow finds out: for the inbox, and for the run's name and tags in Prefect."""

from collections.abc import Iterable
from typing import Any, Final
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.runtime import flow_run

from hookline import context
from hookline.database import lent
from hookline.inbox import dispatches
from hookline.labels import MAX_LABEL, Label, about_value, label_text, require_names
from hookline.prefect_adapter import run_names
from hookline.prefect_adapter.run_names import PREFECT_PREAMBLE
from hookline.settings import settings

ROOM: Final = MAX_LABEL - len(": failed")


async def about(label: str | None = None, /, **known: object) -> None:
    """
    Label this run by what its flow found out.

    `await about("order 100123", order="100123", customer="1001")`

    It adds to what `label` and `about` of the route say: the inbox finds it by that, and the run is so named in the
    Prefect UI. A second time it changes nothing. In a batch, which many share, only the inbox has it.

    Args:
        label: what people call it; absent: as before.
        known: names and values by which people find it; one that is None or "" is left out.

    Raises:
        ValueError: a name cannot be used.
        DatabaseUnavailable: PostgreSQL is unavailable.
        httpx.HTTPError: Prefect is unavailable.
    """
    require_names(known)
    values = {name: about_value(value) for name, value in known.items()}
    new = Label(label_text(label), {name: value for name, value in values.items() if value is not None})
    await _label_dispatch(new)
    if is_unbatched():
        await _name_run(new)


async def begin(label: str) -> None:
    """
    Name a run for what it will do, where no route did: one by a schedule, or by a person in the Prefect UI.

    Raises:
        httpx.HTTPError: Prefect is unavailable.
    """
    if is_unbatched() and not _of_a_route(flow_run.tags):
        await _name_run(Label(label_text(label)))


async def say_failed(flow: object, flow_run: FlowRun, state: State[Any]) -> None:  # noqa: ARG001  (a hook)
    """
    Add to the name of a run that an error ended, that it failed; a hook (`on_failure`) of its flow.

    Not where the flow itself said how it ended, and not where a route named the run: its delivery is called so too.
    """
    if _of_a_route(flow_run.tags) or not (state.message or "").startswith(PREFECT_PREAMBLE):
        return
    async with get_client() as client:
        await client.update_flow_run(flow_run.id, name=label_text(f"{flow_run.name[:ROOM]}: failed"))


def is_unbatched() -> bool:
    """Return True if there is a flow run to name and describe: not in a batch, which many share."""
    return bool(flow_run.id) and not context.in_batch()


def _of_a_route(tags: Iterable[str]) -> bool:
    return any(tag.startswith("route:") for tag in tags)


async def _label_dispatch(label: Label) -> None:
    """Label the dispatch of this run; one that Prefect's worker runs again is found by the flow run."""
    dispatch_id = context.dispatch_id()
    if dispatch_id is None and not flow_run.id:
        return
    async with lent(settings()) as connection:
        if dispatch_id is None:
            dispatch_id = await dispatches.of_flow_run(connection, UUID(str(flow_run.id)))
        if dispatch_id is not None:
            await dispatches.add_label(connection, dispatch_id, label)


async def _name_run(label: Label) -> None:
    """Name the flow run, unless it has this name, and replace its tags of these names."""
    prefixes = tuple(f"{name}:" for name in label.about)
    others = [tag for tag in flow_run.tags if not tag.startswith(prefixes)]
    tags, name = sorted({*others, *label.tags}), label.text or flow_run.name
    if (name, tags) == (flow_run.name, sorted(flow_run.tags)):
        return
    async with get_client() as client:
        await client.update_flow_run(flow_run.id, name=name, tags=tags)
    run_names.note(name, tags)  # what it is about is added to this the next time
