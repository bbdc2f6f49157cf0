"""The automations of `automations.yaml` on the Prefect server, made and changed without undoing a person's work."""

from collections.abc import AsyncIterator, Collection
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

from hookline.provisioning.changes import AS_IT_IS, Change, nothing

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient

    from hookline.provisioning.automations import Automation, Thing


async def automation_changes(
    client: "PrefectClient", automations: "list[Automation]", deployments: Collection[str]
) -> AsyncIterator[Change]:
    """
    What becomes of each automation; what is no longer in the file stays on the server.

    Args:
        client: of the Prefect server.
        automations: of `automations.yaml`.
        deployments: names of those that `apply` makes itself.
    """
    for automation in automations:
        ids = {thing: await _id(client, thing) for thing in automation.things}
        missing = [thing for thing in automation.things if ids[thing] is None]
        if not missing:
            known = {thing: found for thing, found in ids.items() if found is not None}
            yield await _change(client, automation, known)
        elif all(kind == "deployment" and name in deployments for kind, name in missing):
            yield Change(
                "automation", automation.name, "made", nothing
            )  # a dry run, before there is anything
        else:
            told = ", ".join(f"{kind} {name}" for kind, name in missing)
            yield Change("automation", automation.name, f"left alone: there is no {told}", nothing)


async def _change(client: "PrefectClient", automation: "Automation", ids: "dict[Thing, UUID]") -> Change:
    from hookline.provisioning.automations import applied, digest  # Prefect's settings

    wanted = automation.wanted(ids)
    found = await client.read_automations_by_name(automation.name)
    if not found:
        return Change("automation", automation.name, "made", partial(client.create_automation, wanted))
    stands = max(
        found, key=lambda each: applied(each) is not None
    )  # not one that is a person's own, if there are two
    if digest(stands) == digest(wanted):
        return Change("automation", automation.name, AS_IT_IS, nothing)
    if digest(stands) != applied(stands):
        told = "left alone: changed in the Prefect UI; delete it there, and it is made as the file says"
        return Change("automation", automation.name, told, nothing)
    wanted = wanted.model_copy(update={"enabled": stands.enabled})
    return Change(
        "automation", automation.name, "changed", partial(client.update_automation, stands.id, wanted)
    )


async def _id(client: "PrefectClient", thing: "Thing") -> UUID | None:
    from prefect.exceptions import ObjectNotFound

    kind, name = thing
    try:
        if kind == "deployment":
            return (await client.read_deployment_by_name(name)).id
        block_type, _, block = name.partition("/")
        return (await client.read_block_document_by_name(block, block_type)).id
    except (ObjectNotFound, ValueError):
        return None
