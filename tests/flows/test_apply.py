"""What `hookline apply` makes of deployments, on the sandbox's real Prefect server."""

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import DeploymentUpdate
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL, temporary_settings

from blocks.zentitle import ZentitleCredentials
from hookline.provisioning.accounts_in_use import accounts_in_use
from hookline.provisioning.apply import apply as apply_to_prefect
from hookline.provisioning.automations import load_automations
from hookline.provisioning.changes import NOT_NAMED, REMOVED, Difference
from hookline.provisioning.deployments import load_deployments
from hookline.settings import VENDORS

COMPARISON = "reconcile/default"
SURPLUS = "reconcile/surplus"
MORE = {
    "prefect": """
  - name: surplus
    entrypoint: flows/reconcile.py:reconcile
    work_pool: *work_pool
""",
    "automations": """
  - name: surplus
    trigger: {type: event, posture: Reactive, expect: [hookline.never], threshold: 1, within: 0}
    actions: [{type: run-deployment, deployment: reconcile/surplus, parameters: {}}]
""",
}


@pytest.fixture
async def prefect(sandbox):
    with temporary_settings({PREFECT_API_URL: sandbox.settings.prefect_api_url}):
        async with get_client() as client:
            yield client


@pytest.fixture
def apply(sandbox, repository, prefect):
    """Apply; what was said of the deployments and schedules."""

    async def apply(of=repository / "deployments", **options):
        deployments = load_deployments(of / "prefect.yaml")
        automations = load_automations(of / "automations.yaml")
        options = {"dry_run": False} | options
        changes = await apply_to_prefect(sandbox.settings, deployments, automations, **options)
        return {(each.kind, each.name): each for each in changes}

    return apply


async def scheduled(prefect):
    deployment = await prefect.read_deployment_by_name(COMPARISON)
    return [schedule.active for schedule in deployment.schedules]


async def test_apply_again_changes_nothing(apply):
    await apply()

    again = await apply()

    assert [] == [each.name for each in again.values() if each.is_change]
    assert {"as it is"} == {each.change for (kind, _), each in again.items() if kind != "processes"}


async def test_a_dry_run_names_each_field_that_differs_and_changes_nothing(prefect, apply):
    await apply()
    there = await prefect.read_deployment_by_name(COMPARISON)
    update = DeploymentUpdate(description="Ours", tags=["ours"], paused=there.paused)
    await prefect.update_deployment(there.id, update)

    dry = [await apply(dry_run=True) for _ in range(2)]
    again = await apply()

    described = "Paid orders in Jiwa, the journal, and the licenses in Zentitle are compared, both ways.\n\n"
    more = (
        "It reads only. With `repair`, each order that lacks something becomes a delivery of the source `reconcile`, "
        "which\nstarts order-to-license: what the journal has as done is not repeated."
    )
    expected = (
        Difference("description", "Ours", described + more),
        Difference("tags", ["ours"], ["hookline", "operations", "jiwa", "zentitle"]),
    )
    assert [expected, expected] == [each["deployment", COMPARISON].differences for each in dry]
    assert (True, "changed") == (
        dry[1]["deployment", COMPARISON].is_change,
        again["deployment", COMPARISON].change,
    )


async def test_what_the_files_no_longer_name_goes_by_prune_alone_and_a_persons_own_never(
    prefect, apply, repository, tmp_path
):
    """A deployment of somebody else, and one that `prefect deploy` made of these files, are not ours."""
    for name in ("prefect", "automations"):
        text = (repository / f"deployments/{name}.yaml").read_text()
        (tmp_path / f"{name}.yaml").write_text(text + MORE[name])
    await apply(of=tmp_path)
    ours = await prefect.read_deployment_by_name(SURPLUS)
    theirs = await prefect.create_deployment(
        ours.flow_id, "theirs", entrypoint=ours.entrypoint, pull_steps=ours.pull_steps
    )

    left = await apply()
    dry = await apply(prune=True, dry_run=True)
    there = await prefect.read_deployment_by_name(SURPLUS)
    pruned = await apply(prune=True)

    surplus = [("deployment", SURPLUS), ("automation", "surplus")]
    assert {(NOT_NAMED, False)} == {(left[each].change, left[each].is_change) for each in surplus}
    assert {(REMOVED, True)} == {(dry[each].change, dry[each].is_change) for each in surplus}
    assert (ours.id, {REMOVED}) == (there.id, {pruned[each].change for each in surplus})
    with pytest.raises(ObjectNotFound):
        await prefect.read_deployment_by_name(SURPLUS)
    assert (theirs, []) == (
        (await prefect.read_deployment(theirs)).id,
        await prefect.read_automations_by_name("surplus"),
    )
    await prefect.delete_deployment(theirs)


async def test_gateways_and_engines_are_told_to_read_their_files_again(apply, sandbox, until):
    before = sandbox.log.read_text().count("the files were read again")

    told = await apply()

    assert "asked to read their files again" == told["processes", "gateways and engines"].change
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

    assert "off: there is no default of zentitle" == without["schedule", COMPARISON].change
    assert ([False], [True]) == (off, await scheduled(prefect))
    assert ("changed", None) == (again["deployment", COMPARISON].change, again.get(("schedule", COMPARISON)))


@pytest.mark.usefixtures("prefect")
async def test_the_accounts_that_flows_use_are_known_for_simulators(sandbox):
    accounts = await accounts_in_use(sandbox.settings)

    expected = {f"{vendor}/default" for vendor in VENDORS}
    assert expected <= {account.name for account in accounts if account.is_simulator}, accounts
