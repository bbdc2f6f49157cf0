"""The main job through real processes and real signals."""

import json
import os
import signal
from datetime import datetime, timedelta

import httpx
import pytest
from commands import run_here, run_process

from hookline.provisioning.subscriptions import GIVEN, subscribe_jiwa

ONE_OF_EACH = {"licenses": 1, "consumer_records": 1, "mails": 1, "notes": 1}


def flow_runs(prefect_api, delivery):
    answer = prefect_api.post(
        "flow_runs/filter", json={"flow_runs": {"tags": {"all_": [f"delivery:{delivery['id']}"]}}}
    )
    return answer.raise_for_status().json()


async def test_a_webhook_of_jiwa_brings_one_of_each_and_the_trace_tells_of_it(business, prefect_api):
    order = await business.order(("LIC-PRO", 1))

    await business.noted(order)
    deliveries = await business.finished(order)

    trace = business.cli("trace", order.InvoiceNo, "--json")
    effects = business.cli("effects", "list", "--key", order.InvoiceNo, "--json")
    assert ONE_OF_EACH == business.counts(order)
    assert {"done"} == {d["state"] for row in deliveries for d in row["dispatches"]}
    assert [1] * len(deliveries) == [len(flow_runs(prefect_api, row)) for row in deliveries]
    assert {row["id"] for row in deliveries} == {row["id"] for row in trace["deliveries"]}
    assert {"done"} == {effect["state"] for effect in effects}
    [code] = next(effect["reference"] for effect in effects if effect["step"] == "license LIC-PRO")
    assert trace == business.cli("trace", code, "--json")


async def test_an_order_that_is_not_paid_is_found_by_its_number_and_its_customer(business, prefect_api):
    order = await business.order(("LIC-PRO", 1), paid=False)

    ids = {row["id"] for row in await business.finished(order)}

    by_number = business.cli("inbox", "list", "--about", f"order={order.InvoiceNo}", "--json")
    by_customer = business.cli("inbox", "list", "--key", order.DebtorAccountNo, "--json")
    trace = business.cli("trace", order.InvoiceNo, "--json")
    label = f"order {order.InvoiceNo}: not paid"
    runs = [run for row in by_number for run in flow_runs(prefect_api, row)]
    assert [ids] * 3 == [
        {row["id"] for row in rows} for rows in (by_number, by_customer, trace["deliveries"])
    ]
    assert {label} == {each["label"] for row in by_number for each in row["dispatches"]}
    assert {label} == {run["name"] for run in runs}
    assert all(
        {f"order:{order.InvoiceNo}", f"customer:{order.DebtorAccountNo}"} <= {*run["tags"]} for run in runs
    )


async def test_the_same_webhook_again_starts_nothing(business, tmp_path):
    order = await business.order(("LIC-PRO", 1))
    await business.noted(order)
    [first, *_] = await business.finished(order)
    body = tmp_path / "order.json"
    body.write_text(json.dumps({"InvoiceID": order.InvoiceID}))

    answers = [business.cli("send", "jiwa", str(body), "--json") for _ in range(2)]
    await business.finished(order)

    assert [False, True] == [answer["duplicate"] for answer in answers]
    assert answers[0]["id"] == answers[1]["id"] != first["id"]
    assert ONE_OF_EACH == business.counts(order)


async def test_an_engine_killed_in_the_middle_of_a_run_leaves_one_license_and_one_flow_run(
    business, prefect_api, until, sandbox
):
    sandbox.fault("zentitle", operation="create_license_codes", kind="latency", seconds=2)
    seen = max((row["seq"] for row in sandbox.requests("zentitle")), default=0)
    order = await business.order(("LIC-PRO", 1))
    # The call is on its way, and Zentitle will act on it although nobody waits for the answer any more.
    await until(
        lambda: (
            business.requested("get_company", since=seen) or business.requested("create_company", since=seen)
        ),
        "the run did not begin",
    )
    await until(
        lambda: [r for r in sandbox.faults("zentitle") if r["operation"] == "create_license_codes"] == [], "-"
    )
    killed = business.process("hookline", "engine")
    killed.send_signal(signal.SIGKILL)

    await business.noted(order)
    deliveries = await business.finished(order)

    runs = [run for row in deliveries for run in flow_runs(prefect_api, row)]
    assert killed.pid != business.process("hookline", "engine").pid
    assert ONE_OF_EACH == business.counts(order)
    assert {"COMPLETED"} == {run["state_type"] for run in runs}
    assert len(deliveries) == len(runs)
    assert 2 == max(run["run_count"] for run in runs)
    assert "engine died (signal 9), restarting" in sandbox.log.read_text(errors="replace")


async def test_a_gateway_that_is_killed_comes_back_and_jiwa_sends_again(business, until, sandbox):
    business.process("hookline", "gateway").send_signal(signal.SIGKILL)
    order = await business.order(("LIC-PRO", 1))

    await business.noted(order)

    assert ONE_OF_EACH == business.counts(order)


async def test_while_prefect_is_away_deliveries_are_accepted_and_wait(business, until, sandbox):
    business.process("hookline.prefect_adapter.server").send_signal(signal.SIGKILL)
    order = await business.order(("LIC-PRO", 1))
    accepted = await until(
        lambda: business.cli("inbox", "list", "--source", "jiwa", "--key", order.InvoiceID, "--json"),
        "nothing was accepted",
    )

    await business.noted(order)

    assert accepted
    assert ONE_OF_EACH == business.counts(order)


async def test_a_failed_run_that_is_retried_in_the_prefect_ui_completes_and_the_inbox_says_so(
    business, prefect_api, until
):
    order = await business.order(("LIC-PRO", 1), email=None)
    told = await business.finished(order)
    delivery = told[-1]
    [failed] = flow_runs(prefect_api, delivery)
    await business.jiwa.update_sales_order(
        InvoiceID=order.InvoiceID, DeliveryAddressEmailAddress="late@customer.example"
    )
    await business.finished(order, after=told)
    before = business.counts(order)

    # What the button does: the run is scheduled again, and the process worker takes it.
    prefect_api.post(
        f"flow_runs/{failed['id']}/set_state",
        json={"state": {"type": "SCHEDULED", "name": "AwaitingRetry"}, "force": True},
    ).raise_for_status()

    def adopted():
        row = business.cli("inbox", "show", delivery["id"], "--json")
        return [d for d in row["dispatches"] if d["state"] == "done"]

    [dispatch] = await until(adopted, "the inbox does not say that the run completed")
    assert "FAILED" == failed["state_type"]
    assert "retried in the Prefect UI" in dispatch["reason"]
    assert ONE_OF_EACH == before == business.counts(order)


async def test_an_uncertain_mail_is_resolved_from_the_command_line_and_the_run_goes_on(business, sandbox):
    sandbox.fault("sensorpro", operation="trigger_email", kind="lose")
    order = await business.order(("LIC-PRO", 1))
    deliveries = await business.finished(order)
    [effect] = business.cli("effects", "list", "--state", "uncertain", "--key", order.InvoiceNo, "--json")

    finished = run_process("effects", "resolve", str(effect["id"]), "--happened", "--yes")
    await business.noted(order)

    states = {d["state"] for row in deliveries for d in row["dispatches"]}
    assert "uncertain" in states
    assert 0 == finished.returncode, finished.stderr
    assert f"Noted for mail of order {order.InvoiceNo}: it happened." in finished.stdout
    assert ONE_OF_EACH == business.counts(order)


async def test_a_body_that_fits_no_route_is_kept_and_shown(business, until, tmp_path):
    body = tmp_path / "part.json"
    body.write_text('{"PartNo": "1170"}')

    sent = business.cli("send", "jiwa", str(body), "--json")
    await until(
        lambda: business.cli("inbox", "show", sent["id"], "--json")["state"] == "unrouted", "it is not routed"
    )

    shown = business.cli("inbox", "show", sent["id"], "--json")
    assert ({"PartNo": "1170"}, "no route's condition holds") == (shown["body"], shown["reason"])


async def test_no_secret_stands_in_any_log(business, sandbox):
    order = await business.order(("LIC-PRO", 1))
    await business.noted(order)

    written = sandbox.log.read_text(errors="replace")
    secrets = [
        "sandbox-jiwa-key",
        "sandbox-zentitle-key",
        "sandbox-sensorpro-password",
        os.environ["HOOKLINE_SECRET_JIWA"],
        *(path.read_text() for path in (sandbox.settings.home / "secrets").iterdir()),
    ]
    assert [] == [secret for secret in secrets if secret in written]


async def test_the_doctor_finds_everything_well(business):
    told = run_process("doctor", "--json")

    checks = json.loads(told.stdout)
    assert (0, []) == (told.returncode, [check for check in checks if check["state"] == "problem"])


async def test_a_new_secret_reaches_jiwa_with_the_next_apply_and_the_old_one_is_still_taken(
    environment, sandbox
):
    old = os.environ["HOOKLINE_SECRET_JIWA"]

    async def subscribed():
        rows = await subscribe_jiwa(sandbox.settings, sandbox.settings.gateway_url, dry_run=False)
        return [row.change for row in rows]

    environment.setenv("HOOKLINE_SECRET_JIWA", f"the-new-secret-of-jiwa,{old}")
    rotated = await subscribed()
    environment.setenv("HOOKLINE_SECRET_JIWA", old)
    back, after = await subscribed(), await subscribed()

    assert [[GIVEN] * 2, [GIVEN] * 2, ["as it is"] * 2] == [rotated, back, after]


async def test_a_secret_is_not_rotated_before_the_gateway_accepts_the_new_one(environment, sandbox):
    old = os.environ["HOOKLINE_SECRET_JIWA"]
    current = run_process("secrets", "rotate", "jiwa", "--json")
    environment.setenv("HOOKLINE_SECRET_JIWA", f"the-new-secret-of-jiwa,{old}")
    early = run_process("secrets", "rotate", "jiwa")

    assert ["as it is"] * 2 == [row["result"] for row in json.loads(current.stdout)]
    assert "does not accept the first secret of HOOKLINE_SECRET_JIWA yet (HTTP 401)" in early.stderr
    assert (0, 2) == (current.returncode, early.returncode)


async def test_a_second_up_on_the_same_home_is_refused(business, sandbox):
    second = run_process("up", "--sandbox")

    assert 1 == second.returncode
    assert f"already running on this home (pid {sandbox.process.pid})" in second.stderr


@pytest.mark.parametrize(
    ("run", "arguments", "message"),
    [
        (run_here, ["inbox", "show", "nonsense"], "There is no delivery nonsense"),
        (run_here, ["inbox", "replay", "nonsense"], "There is no delivery nonsense"),
        (run_here, ["effects", "show", "999999"], "There is no effect 999999"),
        (run_here, ["effects", "resolve", "1"], "Use one of --happened, --by-hand and --send-again"),
        (run_process, ["trace", "nonsense"], "Nothing was found for nonsense"),
        (run_here, ["send", "nobody", "-"], "has no source 'nobody'"),
        (run_here, ["send", "jiwa", "no-such-file.json"], "Cannot read no-such-file.json"),
        (run_here, ["inbox", "list", "--limit", "many"], "many"),
        (run_process, ["nonsense"], "nonsense"),
    ],
)
async def test_a_wrong_argument_is_told_in_words(business, run, arguments, message):
    ended = run(*arguments)

    assert ended.returncode in (1, 2)
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr


async def test_the_gateway_is_there_for_whoever_asks(sandbox):
    answers = [
        httpx.get(f"{sandbox.settings.gateway_url}{path}").status_code for path in ("/healthz", "/readyz")
    ]

    assert [200, 200] == answers


async def test_a_scheduled_workflow_runs_from_the_start_through_the_process_worker(prefect_api, until):
    flow = "reconcile"

    def first_run():
        found = prefect_api.post(
            "flow_runs/filter",
            json={"flows": {"name": {"any_": [flow]}}, "sort": "START_TIME_ASC"},
        )
        return [run for run in found.raise_for_status().json() if run["state_type"] == "COMPLETED"][:1]

    [run] = await until(first_run, f"{flow} has not run")
    assert run["name"].startswith("orders of ")
    [deployment] = prefect_api.post("deployments/filter", json={"flows": {"name": {"any_": [flow]}}}).json()
    assert (run["deployment_id"], "hookline", 1) == (
        deployment["id"],
        deployment["work_pool_name"],
        len(deployment["schedules"]),
    )


async def test_prefect_s_scheduler_makes_the_runs_that_a_schedule_calls_for(prefect_api, until):
    def planned():
        asked = {"flows": {"name": {"any_": ["reconcile"]}}, "sort": "EXPECTED_START_TIME_ASC"}
        found = prefect_api.post("flow_runs/filter", json=asked).raise_for_status().json()
        return [run["expected_start_time"] for run in found if run["auto_scheduled"]][:2]

    first, second = await until(planned, "no run of reconcile is planned")

    assert timedelta(days=1) == datetime.fromisoformat(second) - datetime.fromisoformat(first)
