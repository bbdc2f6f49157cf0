"""Shipped parts taken by name: what a project lays over them, and its mistakes in words."""

import json

import pytest
import yaml

from hookline.errors import ConfigurationError
from hookline.hooks import hooks_in_force, load_hooks
from hookline.project import CHECKOUT, SHIPPED
from hookline.provisioning.automations import load_automations
from hookline.provisioning.deployments import deployments_in_force, load_deployments
from hookline.provisioning.missed import _policies
from hookline.shipped_parts import PARTS, UnknownPart, used, workflow_of

ORDER = "order-to-license"


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "file.yaml"
        path.write_text(text)
        return path

    return write


def shipped(name):
    return yaml.safe_load((SHIPPED / f"{name}.yaml").read_text())


def test_each_workflow_has_the_name_of_its_flow():
    entries = {f"{workflow_of(each)}/{each['name']}" for each in PARTS["workflow"]().values()}
    assert set(load_deployments(SHIPPED / "prefect.yaml")) == entries


def test_a_part_that_uses_none_is_as_it_is_written():
    for raw in ({"source": "jiwa"}, None, "jiwa", ["use"]):
        assert used("route", raw) is raw


def test_a_mapping_is_merged_tags_are_added_and_all_else_replaces():
    poll = used(
        "source", {"use": "jiwa-orders", "poll": {"every": "5m", "inputs": {"OrderBy": "InvoiceID"}}}
    )["poll"]
    of_shipped = PARTS["source"]()["jiwa-orders"]["poll"]
    assert poll == {**of_shipped, "every": "5m", "inputs": {**of_shipped["inputs"], "OrderBy": "InvoiceID"}}
    assert of_shipped["every"] == "60s"
    found = used(
        "workflow", {"use": "reconcile", "tags": ["jiwa", "acme"], "schedules": [], "concurrency_limit": 3}
    )
    assert found["tags"] == [*PARTS["workflow"]()["reconcile"]["tags"], "acme"]
    assert (found["schedules"], found["concurrency_limit"]) == ([], 3)


@pytest.mark.parametrize("kind", PARTS)
def test_a_part_that_is_not_there_is_answered_with_the_nearest_one(kind):
    name = next(iter(PARTS[kind]()))
    with pytest.raises(UnknownPart) as wrong:
        used(kind, {"use": f"{name}x"})
    assert f"there is no shipped {kind} '{name}x' (do you mean {name}?); there are: " in str(wrong.value)
    for odd in (None, 3, ["jiwa"], {"jiwa": 1}):
        with pytest.raises(UnknownPart):
            used(kind, {"use": odd})


def test_hooks_of_a_project_are_those_that_are_shipped(write):
    ours = load_hooks(SHIPPED / "hooks.yaml")
    text = {
        "sources": {name: {"use": name} for name in ours.sources},
        "routes": {route.name: {"use": route.name} for route in ours.routes},
    }
    found = load_hooks(write(json.dumps(text)))
    assert {name: each.spec for name, each in found.sources.items()} == {
        name: each.spec for name, each in ours.sources.items()
    }
    assert [route.spec for route in found.routes] == [route.spec for route in ours.routes]


def test_mistakes_in_hooks_are_named_with_their_line(write):
    path = write(
        "sources:\n  jiwa: {use: jiwa}\n  shop:\n    use: standart\nroutes:\n  r:\n    use: jiwa-order\n    wen: x\n"
    )
    with pytest.raises(ConfigurationError) as wrong:
        load_hooks(path)
    text = str(wrong.value)
    assert "sources.shop.use: there is no shipped source 'standart' (do you mean standard?)" in text
    assert "(line 4)" in text
    assert "routes.r.wen: there is no such field (do you mean when?) (line 8)" in text


def test_a_route_that_is_wrong_over_a_shipped_one_stops_no_other(write, tmp_path):
    text = "sources:\n  jiwa: {use: jiwa}\nroutes:\n  a: {use: jiwa-order}\n  b: {use: jiwa-order}\n"
    hooks_in_force(write(text), tmp_path / "home")
    found = hooks_in_force(
        write(text.replace("b: {use: jiwa-order", "b: {use: jiwa-order, key: 3")), tmp_path / "home"
    )
    assert [(route.name, bool(route.off)) for route in found.routes] == [("a", False), ("b", True)]


def test_a_deployment_of_a_shipped_workflow_is_the_shipped_one_with_what_stands_over_it(write):
    text = "deployments:\n  - use: reconcile\n    schedules: [{cron: 30 3 * * *, timezone: Europe/Vienna}]\n"
    ((name, found),) = load_deployments(write(text)).items()
    ours = load_deployments(SHIPPED / "prefect.yaml")[name]
    over = {"use", "schedules"}
    assert found.model_dump(exclude=over) == ours.model_dump(exclude=over)
    assert found.flow() is ours.flow()
    assert found.schedules[0].timezone == "Europe/Vienna"
    assert found.entrypoint_of_run == f"{CHECKOUT}/flows/reconcile.py:reconcile"
    assert ours.entrypoint_of_run == "flows/reconcile.py:reconcile"


def test_two_deployments_of_one_workflow_need_two_names(write):
    twice = "deployments:\n  - use: reconcile\n  - use: reconcile\n"
    with pytest.raises(
        ConfigurationError, match=r"deployments\.1: reconcile/default is there twice \(line 3\)"
    ):
        load_deployments(write(twice))
    assert set(load_deployments(write(twice + "    name: weekly\n"))) == {
        "reconcile/default",
        "reconcile/weekly",
    }


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("use: reconsile", r"deployments\.0: there is no shipped workflow 'reconsile' \(do you mean reconcile\?\).*\(line 2\)"),
        ("use: reconcile\n    entrypoint: flows/mine.py:mine", r"names a workflow by `use` and a flow by `entrypoint`"),
        ("use: reconcile\n    schedule: daily", r"schedule: there is no such field \(do you mean schedules\?\) \(line 3\)"),
        ("use: [reconcile]", r"there is no shipped workflow \['reconcile'\]"),
    ],
)  # fmt: skip
def test_mistakes_in_a_deployment_are_named_with_their_line(entry, message, write, tmp_path):
    path = write(f"deployments:\n  - {entry}\n")
    with pytest.raises(ConfigurationError, match=message):
        load_deployments(path)
    with pytest.raises(ConfigurationError, match="none of it can be used"):
        deployments_in_force(path, tmp_path / "home")


def test_the_last_good_version_of_a_used_workflow_stays_in_force(write, tmp_path):
    good = "deployments:\n  - use: reconcile\n    tags: [acme]\n"
    deployments_in_force(write(good), tmp_path / "home")
    found = deployments_in_force(write(good.replace("tags: [acme]", "tags: acme")), tmp_path / "home")
    assert [problem.instead for problem in found.problems] == ["its last good version stays in force"]
    assert found["reconcile/default"].tags[-1] == "acme"
    assert found["reconcile/default"].use == "reconcile"


def test_missed_runs_of_a_used_workflow_are_kept_as_its_schedule_says(write):
    path = write(
        'deployments:\n  - use: reconcile\n    schedules: [{cron: "1 2 * * *", missed: all}]\n  - use: nothing\n  - 3\n'
    )
    ((key, policies),) = _policies(path).items()
    assert key == ("default", f"{CHECKOUT}/flows/reconcile.py:reconcile")
    assert [policy for _, policy in policies] == ["all"]


def test_automations_are_taken_by_name_too(write):
    ours = {each.name: each.entry for each in load_automations(SHIPPED / "automations.yaml")}
    found = load_automations(
        write("automations:\n  - use: notify\n    enabled: false\n  - use: notify\n    name: mine\n")
    )
    assert [each.entry for each in found] == [
        {**ours["notify"], "enabled": False},
        {**ours["notify"], "name": "mine"},
    ]
    with pytest.raises(
        ConfigurationError, match=r"automations\.0: there is no shipped automation 'notfy'.*\(line 2\)"
    ):
        load_automations(write("automations:\n  - use: notfy\n"))
    with pytest.raises(ConfigurationError, match=r"automations\.1: notify is there twice \(line 3\)"):
        load_automations(write("automations:\n  - use: notify\n  - use: notify\n"))


@pytest.mark.parametrize(
    "text", ["", "deployments:\n", "- a\n", "deployments: [3, null]\n", "deployments: {use: x}\n"]
)
def test_an_empty_or_odd_file_is_answered_in_words(text, write):
    for load in (load_deployments, load_automations, load_hooks):
        with pytest.raises(ConfigurationError, match="is not right"):
            load(write(text))
