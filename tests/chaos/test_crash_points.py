"""A process that dies at each place where it could cost something: afterwards there is one of everything."""

import pytest

BACKLOG = 10
ONE_OF_EACH = {"licenses": 1, "consumer_records": 1, "mails": 1, "notes": 1}
LICENSE = "zentitle.create_license_codes"
MAIL = "sensorpro.trigger_email"


@pytest.fixture
def crash(crash_file, sandbox):
    """Let the next process that comes to a place die there."""

    def crash(place):
        crash_file.write_text(place)

    yield crash
    crash_file.unlink(missing_ok=True)


def flow_runs(prefect_api, delivery):
    """All flow runs of a delivery."""
    asked = {"flow_runs": {"tags": {"all_": [f"delivery:{delivery['id']}"]}}}
    return prefect_api.post("flow_runs/filter", json=asked).raise_for_status().json()


def batches(prefect_api, *states):
    """The flow runs of backlogs that are in one of these states."""
    asked = {"flows": {"name": {"any_": ["backlog"]}}, "flow_runs": {"state": {"type": {"any_": states}}}}
    return prefect_api.post("flow_runs/filter", json=asked).raise_for_status().json()


@pytest.mark.parametrize(
    ("place", "run_count"),
    [
        ("dispatch claimed", 1),
        ("flow run created", 2),  # it was made as running
        (f"intended {LICENSE}", 2),
        (f"sent {LICENSE}", 2),
        (f"done {LICENSE}", 2),
        ("sent zentitle.create_consumer_data", 2),
        (f"done {MAIL}", 2),
        ("sent jiwa.create_sales_order_note", 2),
        ("flow run ended", 1),
    ],
)
async def test_an_engine_that_dies_there_leaves_one_of_everything_and_one_flow_run(
    place, run_count, business, crash, crash_file, deliver, prefect_api
):
    order = await business.order(("LIC-PRO", 1))
    crash(place)

    deliver(order)
    [delivery] = await business.finished(order)

    [dispatch] = delivery["dispatches"]
    [run] = flow_runs(prefect_api, delivery)
    assert not crash_file.exists(), "nobody came by"
    assert ONE_OF_EACH == business.counts(order)
    assert ("done", 2, run["id"]) == (dispatch["state"], dispatch["attempts"], dispatch["flow_run_id"])
    assert ("COMPLETED", run_count) == (run["state_type"], run["run_count"])


@pytest.mark.parametrize("place", ["dispatch in batch", f"intended {LICENSE}", f"sent {LICENSE}"])
async def test_an_engine_that_dies_with_a_backlog_claimed_leaves_one_of_everything_and_no_run_open(
    place, business, crash, crash_file, deliver, prefect_api, until
):
    orders = [await business.order(("LIC-PRO", 1)) for _ in range(BACKLOG)]
    business.run("inbox", "pause", "jiwa", "--reason", "until many wait")
    for order in orders:
        deliver(order)
    crash(place)
    business.run("inbox", "resume", "jiwa")

    dispatches = [
        dispatch
        for order in orders
        for delivery in await business.finished(order)
        for dispatch in delivery["dispatches"]
    ]
    await until(lambda: not batches(prefect_api, "RUNNING", "PENDING"), "the run of a backlog is left open")

    assert not crash_file.exists(), "nobody came by"
    assert [ONE_OF_EACH] * BACKLOG == [business.counts(order) for order in orders]
    assert ["done"] * BACKLOG == [dispatch["state"] for dispatch in dispatches]
    assert "Interrupted" in {run["state_name"] for run in batches(prefect_api, "CANCELLED")}


@pytest.mark.parametrize(("place", "went_out"), [(f"intended {MAIL}", False), (f"sent {MAIL}", True)])
async def test_where_nobody_can_know_whether_the_mail_went_out_a_person_is_asked(
    place, went_out, business, crash, crash_file, deliver, prefect_api
):
    order = await business.order(("LIC-PRO", 1))
    crash(place)

    deliver(order)
    [delivery] = await business.finished(order)
    asked, mails = delivery["state"], business.counts(order)["mails"]
    [effect] = business.cli("effects", "list", "--state", "uncertain", "--key", order.InvoiceNo, "--json")
    answer = "--happened" if went_out else "--send-again"
    business.run("effects", "resolve", str(effect["id"]), answer, "--yes")
    await business.noted(order)
    await business.finished(order)

    [run] = flow_runs(prefect_api, delivery)
    assert (False, "uncertain", int(went_out)) == (crash_file.exists(), asked, mails)
    assert ONE_OF_EACH == business.counts(order)
    assert "COMPLETED" == run["state_type"]


async def test_a_gateway_that_dies_before_its_answer_has_the_delivery_and_counts_the_next_as_a_repeat(
    business, crash, crash_file, deliver, prefect_api, until
):
    order = await business.order(("LIC-PRO", 1))
    crash("gateway stored")

    answers = [deliver(order)]

    def answered():
        answers.append(deliver(order))
        return 0 == answers[-1].returncode

    await until(answered, "the gateway does not come back")
    [delivery] = await business.finished(order)

    assert (1, False) == (answers[0].returncode, crash_file.exists())
    assert '"duplicate": true' in answers[-1].stdout
    assert ONE_OF_EACH == business.counts(order)
    assert 1 == len(flow_runs(prefect_api, delivery))
