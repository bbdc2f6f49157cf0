"""`hookline doctor` says where the dispatches of each deployment run, and why, unless in the event loop of an engine."""

from hookline.health.finding import Finding
from hookline.provisioning.checks import Flows, check_flows

POOLS = {"quote/d": "hookline", "train/d": "gpu", "order/d": "hookline"}


def test_what_runs_in_a_thread_or_a_pool_is_named_with_the_reason():
    elsewhere = {
        "quote/d": "thread of the engine: quote is not `async def`",
        "train/d": "work pool: gpu, because its work pool is not `hookline`",
    }

    found = check_flows(Flows(POOLS, elsewhere), None)

    assert (
        Finding(
            "places",
            "ok",
            "quote/d in a thread of the engine: quote is not `async def`; train/d in a work pool: gpu, because its "
            "work pool is not `hookline`; all others in the event loop of an engine",
        )
        in found
    )


def test_where_all_run_in_the_loop_nothing_is_said():
    assert ["prefect.yaml", "routes"] == [finding.check for finding in check_flows(Flows(POOLS), None)]
