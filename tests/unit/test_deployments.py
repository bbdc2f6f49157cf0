"""`prefect.yaml`, and whether the routes of `hooks.yaml` fit the flows that it names."""

import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from hookline.errors import ConfigurationError
from hookline.hooks import load_hooks
from hookline.provisioning.deployments import check_routes, load_deployments
from hookline.provisioning.parameters import misfits
from tests.conftest import with_routes

MAIN = "flows/order_to_license.py:order_to_license"
SAMPLE = "hookline_sample_flows.py:greet"
SAMPLE_FLOWS = '''
from prefect import flow

not_a_flow = 7


@flow(name="greet")
async def greet(name: str, times: int = 1, tags: list[str] | None = None, anything=None) -> None:
    """Greet somebody."""


@flow(name="block")
def block() -> None:
    """Let nothing else run meanwhile."""
'''


@pytest.fixture(scope="module")
def flows_folder(tmp_path_factory):
    """A folder of flows that Python finds, as it does the checkout's."""
    folder = tmp_path_factory.mktemp("flows")
    (folder / "hookline_sample_flows.py").write_text(SAMPLE_FLOWS)
    patch = pytest.MonkeyPatch()
    patch.syspath_prepend(folder)
    yield folder
    patch.undo()


@pytest.fixture
def load(flows_folder, tmp_path):
    def write_and_load(*deployments, **others):
        path = tmp_path / "prefect.yaml"
        path.write_text(json.dumps({"name": "hookline", "deployments": deployments, **others}))
        return load_deployments(path)

    return write_and_load


@pytest.fixture
def load_text(flows_folder, tmp_path):
    def write_and_load(text):
        path = tmp_path / "prefect.yaml"
        path.write_text(text)
        return load_deployments(path)

    return write_and_load


@pytest.fixture
def complaint(load, tmp_path):
    """What is said of a `prefect.yaml`; it begins with the file and ends the command with exit code 2."""

    def of(*deployments, **others):
        with pytest.raises(ConfigurationError) as raised:
            load(*deployments, **others)
        assert (2, f"{tmp_path / 'prefect.yaml'} is not right:") == (
            raised.value.exit_code,
            str(raised.value).splitlines()[0],
        )
        return str(raised.value)

    return of


@pytest.fixture
def greet(load):
    (deployment,) = load(entry()).values()
    return deployment.flow()


def entry(**fields):
    return {"name": "default", "entrypoint": SAMPLE, "work_pool": {"name": "hookline"}} | fields


def without(name):
    return {field: value for field, value in entry().items() if field != name}


def test_the_deployments_that_are_shipped_fit_the_routes_that_are_shipped(repository):
    deployments = load_deployments(repository / "deployments/prefect.yaml")

    check_routes(load_hooks(repository / "deployments/hooks.yaml"), deployments)

    assert {
        "order-to-license/default": MAIN,
        "credit-to-revoke/default": "flows/credit_to_revoke.py:credit_to_revoke",
        "renewal-reminder/default": "flows/renewal_reminder.py:renewal_reminder",
        "renewal-paid/default": "flows/renewal_paid.py:renewal_paid",
        "trial-nurture/default": "flows/trial_nurture.py:trial_nurture",
        "customer-sync/default": "flows/customer_sync.py:customer_sync",
        "license-on-loan/default": "flows/license_on_loan.py:license_on_loan",
        "activation-reminder/default": "flows/activation_reminder.py:activation_reminder",
        "offline-activation/default": "flows/offline_activation.py:offline_activation",
        "ticket-to-invoice/default": "flows/ticket_to_invoice.py:ticket_to_invoice",
        "supply-alert/default": "flows/supply_alert.py:supply_alert",
        "meter-billing/default": "flows/meter_billing.py:meter_billing",
        "reconcile/default": "flows/reconcile.py:reconcile",
        "credential-check/default": "flows/credential_check.py:credential_check",
        "notify/default": "flows/notify.py:notify",
    } == {name: one.entrypoint for name, one in deployments.items()}


def test_the_routes_that_are_shipped_as_comments_are_right(repository, tmp_path):
    text = (repository / "deployments/hooks.yaml").read_text()
    (tmp_path / "hooks.yaml").write_text(with_routes(text, "jiwa-debtor-polled", "jiwa-debtor"))

    hooks = load_hooks(tmp_path / "hooks.yaml")

    check_routes(hooks, load_deployments(repository / "deployments/prefect.yaml"))
    assert "customer-sync/default" in hooks.deployments


def test_a_deployment_is_known_by_its_flow_and_its_name(load):
    assert ["greet/default", "greet/other"] == list(load(entry(), entry(name="other")))


def test_what_else_prefect_keeps_in_its_file_is_left_to_it(load):
    assert ["greet/default"] == list(
        load(entry(), **{"prefect-version": "3.8.8", "pull": [], "definitions": {}})
    )


def test_a_file_that_is_missing_is_named(tmp_path):
    with pytest.raises(ConfigurationError) as raised:
        load_deployments(tmp_path / "prefect.yaml")

    assert f"Cannot read {tmp_path / 'prefect.yaml'}: No such file or directory." == str(raised.value)


@pytest.mark.parametrize(
    ("wrong", "place"),
    [
        (without("name"), "deployments.0.name: Field required"),
        (without("entrypoint"), "deployments.0.entrypoint: Field required"),
        (without("work_pool"), "deployments.0.work_pool: Field required"),
        (entry(name=7), "deployments.0.name: Input should be a valid string"),
        (entry(entrypoint="flows.order_to_license"), "deployments.0.entrypoint: String should match"),
        (entry(entrypoint="flows/order.py"), "deployments.0.entrypoint: String should match"),
        (entry(entrypoint="../flows/order.py:flow"), "deployments.0.entrypoint: String should match"),
        (entry(entrypoint="flows/order-to.py:flow"), "deployments.0.entrypoint: String should match"),
        (entry(work_pool="hookline"), "deployments.0.work_pool: Input should be"),
        (entry(work_pool={}), "deployments.0.work_pool.name: Field required"),
        (
            entry(work_pool={"name": "p", "queue": "q"}),
            "deployments.0.work_pool.queue: there is no such field",
        ),
        (entry(tags="one"), "deployments.0.tags: Input should be a valid list"),
        (entry(parameters=[1]), "deployments.0.parameters: Input should be a valid dictionary"),
        (entry(schedules={"cron": "* * * * *"}), "deployments.0.schedules: Input should be a valid list"),
        (entry(schedules=["* * * * *"]), "deployments.0.schedules.0: Input should be a valid dictionary"),
        (entry(schedule={"cron": "* * * * *"}), "deployments.0.schedule: there is no such field"),
        ("default", "deployments.0: Input should be"),
        (
            entry(entrypoint="flows/nowhere.py:flow"),
            "deployments.0: entrypoint flows/nowhere.py:flow: No module named 'flows.nowhere'",
        ),
        (
            entry(entrypoint="hookline_sample_flows.py:gone"),
            "deployments.0: entrypoint hookline_sample_flows.py:gone: module 'hookline_sample_flows' has no",
        ),
        (
            entry(entrypoint="hookline_sample_flows.py:not_a_flow"),
            "deployments.0: entrypoint hookline_sample_flows.py:not_a_flow: not_a_flow is not a flow",
        ),
    ],
)
def test_what_does_not_fit_is_said_with_its_place(complaint, wrong, place):
    assert place in complaint(wrong)


def test_a_merge_may_change_what_it_merges(load_text):
    read = load_text(
        "pool: &pool {name: small}\n"
        "deployments:\n"
        "  - &first {name: one, entrypoint: 'hookline_sample_flows.py:greet', work_pool: *pool}\n"
        "  - {<<: *first, name: two, work_pool: {<<: *pool, name: large}}\n"
    )

    assert {"greet/one": "small", "greet/two": "large"} == {
        name: one.work_pool.name for name, one in read.items()
    }


def test_a_merge_of_a_merge_may_change_what_it_merges(load_text):
    read = load_text(
        "pool: &pool {name: small}\n"
        "deep: {deeper: {deepest: &large {<<: *pool, name: large}}}\n"
        "work: {<<: *large, name: larger}\n"
        "deployments: [{name: one, entrypoint: 'hookline_sample_flows.py:greet', work_pool: *large}]\n"
    )

    assert "large" == read["greet/one"].work_pool.name


@pytest.mark.parametrize(
    ("deployments", "said"), [(None, "valid list"), ({}, "valid list"), ("x", "valid list")]
)
def test_deployments_must_be_a_list(complaint, deployments, said):
    assert f"deployments: Input should be a {said}" in complaint(deployments=deployments)


def test_the_deployment_that_is_wrong_is_named_among_others(complaint):
    assert "deployments.1: entrypoint" in complaint(
        entry(), entry(name="second", entrypoint="flows/gone.py:f")
    )


def test_an_entrypoint_outside_the_checkout_is_refused(complaint):
    assert "entrypoint" in complaint(entry(entrypoint="/srv/flows/order.py:flow"))


def test_two_deployments_of_one_name_are_refused(complaint):
    assert "default" in complaint(entry(), entry(description="another"))


# Schedules -------------------------------------------------------------------------------------------------


def schedules(load, *entries):
    (deployment,) = load(entry(schedules=entries)).values()
    return deployment.prefect_schedules()


def test_a_deployment_without_schedules_has_none(load):
    assert [] == schedules(load)


@pytest.mark.parametrize(
    ("given", "field", "expected"),
    [
        ({"cron": "0 6 * * 1-5"}, "cron", "0 6 * * 1-5"),
        ({"cron": "0 6 * * *", "timezone": "Europe/Vienna"}, "timezone", "Europe/Vienna"),
        ({"interval": 90}, "interval", timedelta(seconds=90)),
        ({"interval": 90, "anchor_date": "2026-01-31T00:00:00Z"}, "interval", timedelta(seconds=90)),
        ({"rrule": "FREQ=DAILY;COUNT=3", "timezone": "Europe/Vienna"}, "timezone", "Europe/Vienna"),
    ],
)
def test_a_schedule_of_each_kind_is_read(load, given, field, expected):
    (only,) = schedules(load, given)

    assert (expected, True) == (getattr(only.schedule, field), only.active)


def test_a_schedule_may_rest_and_bring_parameters_and_a_slug(load):
    given = {"cron": "0 6 * * *", "active": False, "slug": "morning", "parameters": {"name": "you"}}

    (only,) = schedules(load, given)

    assert (False, "morning", {"name": "you"}) == (only.active, only.slug, only.parameters)


def test_several_schedules_keep_their_order(load):
    read = schedules(load, {"cron": "1 * * * *"}, {"cron": "2 * * * *"})

    assert ["1 * * * *", "2 * * * *"] == [one.schedule.cron for one in read]


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"cron": "0 6 * * *", "interval": 60}, "Only one of interval, cron, or rrule"),
        ({"rrule": "FREQ=DAILY", "interval": 60}, "Only one of interval, cron, or rrule"),
        ({}, "Either interval, cron, or rrule must be provided"),
        ({"timezone": "UTC"}, "A timezone can only be provided with interval, cron, or rrule"),
        ({"interval": 0}, "interval"),
        ({"interval": -5}, "greater than 0 seconds"),
        ({"interval": "soon"}, "interval"),
        ({"cron": "every day"}, 'Invalid cron string: "every day"'),
        ({"cron": 5}, "cron"),
        ({"rrule": "whenever"}, 'Invalid RRule string "whenever"'),
        ({"cron": "0 6 * * *", "timezone": "Mars/Base"}, 'Invalid timezone: "Mars/Base"'),
        ({"cron": "0 6 * * *", "actve": True}, "actve"),
        ({"cron": "0 6 * * *", "active": "perhaps"}, "active"),
        ({"interval": 60, "anchor_date": "long ago"}, "anchor_date"),
    ],
)
def test_a_schedule_that_cannot_be_is_said_to_be_wrong(load, given, word):
    with pytest.raises(ConfigurationError) as raised:
        schedules(load, given)

    assert (2, True) == (raised.value.exit_code, "\n  deployments.0.schedules.0" in str(raised.value))
    assert word in str(raised.value)


# Routes ----------------------------------------------------------------------------------------------------


@pytest.fixture
def check(load, tmp_path):
    """Check one route to the flow that greets."""

    def of(deployed=None, **route):
        path = tmp_path / "hooks.yaml"
        sources = {"jiwa": {"scheme": "shared-secret"}}
        whole = {"source": "jiwa", "deployment": "greet/default"} | route
        path.write_text(json.dumps({"sources": sources, "routes": {"r": whole}}))
        check_routes(load_hooks(path), load(entry(**deployed or {})))

    return of


@pytest.mark.parametrize(
    "parameters",
    [
        {"name": "you"},
        {"name": "{{ body.name }}"},
        {"name": "you", "times": 3, "tags": ["a"], "anything": {"deep": [1, None]}},
        {"name": "you", "times": "{{ body.times }}", "tags": ["{{ body.tag }}", 7]},
        {"name": "you", "times": "3"},
    ],
)
def test_a_route_that_fits_its_flow_is_taken(check, parameters):
    check(parameters=parameters)


def test_what_the_deployment_gives_the_route_need_not(check):
    check(deployed={"parameters": {"name": "you"}})


@pytest.mark.parametrize(
    ("route", "said"),
    [
        (
            {"deployment": "greet/other"},
            "routes.r.deployment: there is no deployment 'greet/other'; there are: greet/default",
        ),
        ({}, "routes.r.parameters: name is missing; the flow needs it"),
        ({"parameters": {"times": 2}}, "routes.r.parameters: name is missing; the flow needs it"),
        (
            {"parameters": {"name": "you", "tims": 2}},
            "routes.r.parameters.tims: the flow has no such parameter (do you mean times?); it has: name, times, tags, anything",
        ),
        (
            {"parameters": {"name": "you", "times": "often"}},
            "routes.r.parameters.times: Input should be a valid integer, unable to parse string as an integer, not 'often'",
        ),
        ({"parameters": {"name": 7}}, "routes.r.parameters.name: Input should be a valid string, not 7"),
        (
            {"parameters": {"name": None}},
            "routes.r.parameters.name: Input should be a valid string, not None",
        ),
        (
            {"parameters": {"name": "you", "tags": ["a", 7]}},
            "routes.r.parameters.tags: Input should be a valid string, not ['a', 7]",
        ),
        (
            {"parameters": {"name": "you", "anything": {"$ref": {"block_document_id": "x"}}}},
            "routes.r.parameters.anything: holds '$ref', which Prefect would act upon; refused",
        ),
    ],
)
def test_a_route_that_does_not_fit_is_said_with_its_place(check, tmp_path, route, said):
    with pytest.raises(ConfigurationError) as raised:
        check(**route)

    assert (2, f"{tmp_path / 'hooks.yaml'} is not right:\n  {said} (line 1)") == (
        raised.value.exit_code,
        str(raised.value),
    )


def test_all_that_is_wrong_with_a_route_is_told_at_once(check):
    with pytest.raises(ConfigurationError) as raised:
        check(parameters={"tims": 1, "times": "often"})

    assert ["parameters.tims", "parameters", "parameters.times"] == [
        line.strip().removeprefix("routes.r.").split(":")[0] for line in str(raised.value).splitlines()[1:]
    ]


def test_a_flow_that_blocks_may_be_started_by_a_route_and_runs_in_a_thread(load, tmp_path):
    hooks = tmp_path / "hooks.yaml"
    hooks.write_text(
        "sources: {s: {scheme: shared-secret}}\nroutes: {r: {source: s, deployment: block/default}}"
    )
    deployments = load(entry(entrypoint="hookline_sample_flows.py:block"))

    check_routes(load_hooks(hooks), deployments)

    assert "thread of the engine: block is not `async def`" == str(deployments["block/default"].placement())


def test_where_nothing_is_deployed_a_route_is_told_so(check, load, tmp_path):
    path = tmp_path / "hooks.yaml"
    path.write_text("sources: {s: {scheme: shared-secret}}\nroutes: {r: {source: s, deployment: a/b}}")

    with pytest.raises(ConfigurationError, match="there is no deployment 'a/b'; there are: none"):
        check_routes(load_hooks(path), {})


# Values for a flow -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("directive", ["$ref", "__prefect_kind"])
@pytest.mark.parametrize(
    "around",
    [
        lambda it: it,
        lambda it: {"deep": it},
        lambda it: [it],
        lambda it: [1, {"a": [{"b": {"c": [None, it]}}]}],
        lambda it: {"first": 1, "second": [[[[it]]]]},
    ],
    ids=["itself", "map", "list", "deep", "deep list"],
)
@pytest.mark.parametrize("parameter", ["anything", "name", "unknown"])
def test_a_directive_of_prefect_is_refused_at_any_depth(greet, directive, around, parameter):
    value = around({directive: "json", "value": "1"})

    assert [f"parameter {parameter}: holds {directive!r}, which Prefect would act upon; refused"] == misfits(
        greet, {parameter: value}
    )


@pytest.mark.parametrize("around", [lambda it: (it,), lambda it: [("a", it)], lambda it: {"a": ((it,),)}])
def test_a_directive_is_refused_in_a_tuple_too(greet, around):
    assert [] != misfits(greet, {"anything": around({"$ref": {"block_document_id": "x"}})})


@pytest.mark.parametrize(
    "value", ["$ref", "__prefect_kind", ["$ref"], {"ref": "$ref"}, {"$reff": 1}, "{{ x }}"]
)
def test_a_word_that_only_looks_like_a_directive_is_taken(greet, value):
    assert [] == misfits(greet, {"anything": value})


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@hypothesis_settings(deadline=None)
@given(data=st.data(), around=plain, directive=st.sampled_from(["$ref", "__prefect_kind"]))
def test_wherever_a_directive_stands_it_is_found(module_greet, data, around, directive):
    value = {directive: around}
    for _ in range(data.draw(st.integers(0, 5))):
        value = data.draw(
            st.sampled_from(
                [[value], [around, value], {"x": value}, {"a": around, "b": value}, [[], {}, value]]
            )
        )

    assert "refused" in misfits(module_greet, {"anything": value})[0]


@hypothesis_settings(deadline=None)
@given(value=plain)
def test_any_json_is_judged_in_short_words(module_greet, value):
    for problem in misfits(module_greet, {"name": value, "times": value, "tags": value, "anything": value}):
        assert len(problem) <= 500


@pytest.fixture(scope="module")
def module_greet(flows_folder):
    import hookline_sample_flows

    return hookline_sample_flows.greet


def test_of_a_long_value_no_more_than_its_beginning_is_told(greet):
    (problem,) = misfits(greet, {"times": "x" * 1000})

    assert problem.startswith("parameter times: Input should be a valid integer")
    assert len(problem) < 200


def test_of_many_misfits_the_first_are_told_and_the_others_counted(greet):
    (problem,) = misfits(greet, {"tags": [1] * 1000})

    assert problem.count("valid string") == 3
    assert "and 997 more" in problem


def test_a_value_nested_as_deep_as_is_taken_is_judged_and_one_level_more_refused(greet):
    deep, deeper = (json.loads("[" * levels + "]" * levels) for levels in (100, 101))

    assert [] == misfits(greet, {"anything": deep})
    assert 1 == len(misfits(greet, {"name": deep}))
    assert ["parameter anything: more than 100 values within each other"] == misfits(
        greet, {"anything": deeper}
    )
