"""The automations of `automations.yaml` on the Prefect server; what a person changed there is left alone."""

from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from functools import partial
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.exceptions import ObjectNotFound

from hookline.provisioning.automations import Automation, Thing, applied_digest, content, digest
from hookline.provisioning.changes import (
    CHANGED,
    MADE,
    NOT_NAMED,
    REMOVED,
    Change,
    differences,
    unchanged,
)

KIND = "automation"


async def automation_changes(
    client: PrefectClient, automations: Iterable[Automation], deployments: Collection[str]
) -> AsyncIterator[Change]:
    """
    Yield the change of each automation; what is no longer in the file stays on the server.

    Args:
        client: of the Prefect server.
        automations: of `automations.yaml`.
        deployments: names of those that `apply` makes itself.
    """
    for automation in automations:
        ids = {thing: await _id(client, thing) for thing in automation.things}
        missing = [thing for thing in automation.things if ids[thing] is None]
        if not missing:
            found = {thing: id_ for thing, id_ in ids.items() if id_ is not None}
            yield await _change(client, automation, found)
        elif all(kind == "deployment" and name in deployments for kind, name in missing):
            yield Change(KIND, automation.name, MADE)  # a dry run, before there is anything
        else:
            names = ", ".join(f"{kind} {name}" for kind, name in missing)
            yield unchanged(KIND, automation.name, f"left alone: there is no {names}")


async def _change(client: PrefectClient, automation: Automation, ids: Mapping[Thing, UUID]) -> Change:
    desired = automation.resolved(ids)
    found = await client.read_automations_by_name(automation.name)
    if not found:
        return Change(KIND, automation.name, MADE, partial(client.create_automation, desired))
    # Of two with the same name, the one that `apply` made, not a person's own.
    existing = max(found, key=lambda each: applied_digest(each) is not None)
    if digest(existing) == digest(desired):
        return unchanged(KIND, automation.name)
    if digest(existing) != applied_digest(existing):
        result = "left alone: changed in the Prefect UI; delete it there, and it is made as the file says"
        return unchanged(KIND, automation.name, result)
    desired = desired.model_copy(update={"enabled": existing.enabled})
    update = partial(client.update_automation, existing.id, desired)
    return Change(KIND, automation.name, CHANGED, update, differences(content(existing), content(desired)))


async def surplus_automations(
    client: PrefectClient, names: Collection[str], *, prune: bool
) -> AsyncIterator[Change]:
    """
    Yield the automations that `apply` made, that no person changed, and that the file no longer names.

    Args:
        client: of the Prefect server.
        names: those of the file.
        prune: remove them; else they are only named.
    """
    for each in await client.read_automations():
        if each.name in names or applied_digest(each) is None:
            continue
        if applied_digest(each) != digest(each):
            yield unchanged(KIND, each.name, "left alone: no file names it, and a person changed it")
        elif prune:
            yield Change(KIND, each.name, REMOVED, partial(client.delete_automation, each.id))
        else:
            yield unchanged(KIND, each.name, NOT_NAMED)


async def _id(client: PrefectClient, thing: Thing) -> UUID | None:
    kind, name = thing
    try:
        if kind == "deployment":
            return (await client.read_deployment_by_name(name)).id
        block_type, _, block = name.partition("/")
        return (await client.read_block_document_by_name(block, block_type)).id
    except (ObjectNotFound, ValueError):
        return None
