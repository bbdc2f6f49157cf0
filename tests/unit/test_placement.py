"""Where the dispatches of a deployment run, by what it and its flow are."""

from pkgutil import resolve_name

import pytest
from prefect import flow, task
from prefect.task_runners import ProcessPoolTaskRunner, ThreadPoolTaskRunner

from hookline.provisioning.deployments import Deployment, load_deployments
from hookline.provisioning.placement import POOL_TAG, Where, placement


@task
def step() -> None:
    """Block."""


@flow
async def beside() -> None:
    """Let others go on."""


@flow
def blocking() -> None:
    """Block."""


@flow
async def mixed() -> None:
    """Call what blocks."""
    step()


@flow(task_runner=ThreadPoolTaskRunner(max_workers=2))
async def threaded() -> None:
    """Have threads for its tasks."""


@flow(task_runner=ProcessPoolTaskRunner(max_workers=2))
async def in_processes() -> None:
    """Have processes for its tasks."""


def deployed(a_flow, pool="hookline", **fields):
    made = Deployment(
        name="d", entrypoint="some/file.py:x", work_pool={"name": pool, **fields.pop("more", {})}, **fields
    )
    made._flow = a_flow
    return made


@pytest.mark.parametrize(
    ("made", "where", "why"),
    [
        (deployed(beside), Where.LOOP, "beside is `async def`"),
        (deployed(threaded), Where.LOOP, "threaded is `async def`"),
        (deployed(blocking), Where.THREAD, "blocking is not `async def`"),
        (deployed(mixed), Where.THREAD, "mixed calls a task or a flow that is not `async def`"),
        (deployed(beside, pool="gpu"), Where.POOL, "gpu, because its work pool is not `hookline`"),
        (
            deployed(beside, more={"job_variables": {"env": {"A": "b"}}}),
            Where.POOL,
            "hookline, because its work pool has job variables: env",
        ),
        (
            deployed(blocking, pull=[{"prefect.deployments.steps.git_clone": {"repository": "r"}}]),
            Where.POOL,
            "hookline, because its code is fetched by `pull` steps",
        ),
        (
            deployed(beside, tags=[POOL_TAG]),
            Where.POOL,
            "hookline, because it has the tag `work-pool`",
        ),
        (
            deployed(in_processes),
            Where.POOL,
            "hookline, because its task runner is a ProcessPoolTaskRunner",
        ),
    ],
    ids=lambda value: str(value) if isinstance(value, str) else None,
)
def test_a_deployment_runs_where_what_it_is_lets_it(made, where, why):
    assert (where, why) == (made.placement().where, made.placement().why)


@pytest.mark.parametrize(
    "used",
    [
        "multiprocessing",
        "multiprocessing.pool",
        "multiprocessing:Pool",
        "concurrent.futures:ProcessPoolExecutor",
    ],
)
def test_a_flow_whose_file_uses_processes_does_not_fork_the_engine(used):
    def forking() -> None:
        """Fork."""

    made = flow(type(forking)(forking.__code__, {"used": resolve_name(used)}))

    assert Where.POOL is placement(deployed(made)).where


@pytest.mark.parametrize("made", [deployed(blocking), deployed(beside, pool="gpu"), deployed(mixed)])
def test_what_does_not_run_in_the_loop_is_not_batched(made):
    assert made.must_not_batch()


def test_a_plain_asynchronous_flow_is_batched():
    assert not deployed(beside).must_not_batch()


@pytest.mark.parametrize(
    ("hook", "must_not"),
    [
        ("on_running", True),
        ("on_completion", True),
        ("on_failure", False),
        ("on_cancellation", False),
        ("on_crashed", False),
    ],
)
def test_a_flow_with_a_hook_is_batched_if_a_run_of_its_own_calls_that_hook(hook, must_not):
    def tell(flow, flow_run, state):
        """Tell somebody."""

    async def told() -> None:
        """Tell."""

    assert must_not is deployed(flow(told, **{hook: [tell]})).must_not_batch()


@pytest.mark.parametrize(
    "workflow", ["order-to-license", "credit-to-revoke", "supply-alert", "ticket-to-invoice"]
)
def test_the_shipped_workflows_of_which_many_may_wait_are_batched(workflow, repository):
    shipped = load_deployments(repository / "deployments" / "prefect.yaml")

    assert not shipped[f"{workflow}/default"].must_not_batch()
