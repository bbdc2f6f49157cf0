"""What `hookline apply` makes of deployments, on the sandbox's real Prefect server."""

import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from blocks import ZentitleCredentials
from hookline.provisioning.apply import apply as apply_to_prefect
from hookline.provisioning.automations import load_automations
from hookline.provisioning.deployments import load_deployments

COMPARISON = "reconcile/default"


@pytest.fixture
async def prefect(sandbox):
    with temporary_settings({PREFECT_API_URL: sandbox.settings.prefect_api_url}):
        async with get_client() as client:
            yield client


@pytest.fixture
def apply(sandbox, repository, prefect):
    """Apply; what was said of the deployments and schedules."""

    async def apply():
        deployments = load_deployments(repository / "deployments/prefect.yaml")
        automations = load_automations(repository / "deployments/automations.yaml")
        changes = await apply_to_prefect(sandbox.settings, deployments, automations, dry_run=False)
        return {(each.kind, each.name): each.change for each in changes}

    return apply


async def scheduled(prefect):
    deployment = await prefect.read_deployment_by_name(COMPARISON)
    return [schedule.active for schedule in deployment.schedules]


async def test_apply_again_changes_nothing(apply):
    await apply()

    again = await apply()

    told = {"block type", "processes"}
    assert {"as it is"} == {change for (kind, _), change in again.items() if kind not in told}


async def test_gateways_and_engines_are_told_to_read_their_files_again(apply, sandbox, until):
    before = sandbox.log.read_text().count("the files were read again")

    told = await apply()

    assert "asked to read their files again" == told["processes", "gateways and engines"]
    await until(
        lambda: sandbox.log.read_text().count("the files were read again") >= before + 2, "nobody does"
    )


async def test_a_schedule_is_off_until_all_its_vendors_are_set(prefect, apply, monkeypatch):
    for name in ("BASE_URL", "CUSTOMER_ID", "API_KEY"):
        monkeypatch.delenv(f"ZENTITLE_{name}")
    block = await prefect.read_block_document_by_name("default", ZentitleCredentials.get_block_type_slug())
    await prefect.delete_block_document(block.id)

    without = await apply()
    off = await scheduled(prefect)
    monkeypatch.undo()
    again = await apply()

    assert "off: there is no default of zentitle" == without["schedule", COMPARISON]
    assert ([False], [True]) == (off, await scheduled(prefect))
    assert ("changed", None) == (again["deployment", COMPARISON], again.get(("schedule", COMPARISON)))
