"""The dashboard and the alert rules: by the tools of those who read them, and with metrics that there are."""

import json
import re
import shutil
import subprocess

import pytest
import yaml
from documents import ROOT
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard
from prometheus_client import REGISTRY

from hookline.health import metrics  # noqa: F401  (registers them)

DASHBOARD = json.loads((ROOT / "deploy/grafana/hookline.json").read_text())
RULES = ROOT / "deploy/prometheus/alerts.yml"
CASES = ROOT / "deploy/prometheus/alerts.test.yml"
PAGE = (ROOT / "docs/watching.md").read_text()
NEEDS_PROMTOOL = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="needs promtool, of Debian's package prometheus"
)


def alerts():
    return {
        rule["alert"]: rule
        for group in yaml.safe_load(RULES.read_text())["groups"]
        for rule in group["rules"]
    }


def named(text):
    """The metrics that a text names, without the ends that a histogram gives to its own."""
    found = re.findall(r"\bhookline_[a-z_]+", text)
    return {re.sub(r"_(bucket|count|sum)$", "", name) for name in found}


def shown():
    return {
        f"{family.name}_total" if family.type == "counter" else family.name
        for family in REGISTRY.collect()
        if family.name.startswith("hookline_")
    }


def targets():
    return [target for panel in DASHBOARD["panels"] for target in panel.get("targets", [])]


def queries():
    return [target["expr"] for target in targets()]


def labels():
    """The labels of each metric, as the page has them, and those that Prometheus adds."""
    rows = re.findall(r"^\| `(hookline_\w+)` \| \w+ \| ([\w, ]*) \|", PAGE, re.MULTILINE)
    return {name: {"job", "instance", "le", *re.findall(r"\w+", by)} for name, by in rows}


def unknown_labels(query, shown=""):
    """The labels that a query and the names of its lines ask for, and that its metrics have not."""
    known = labels()
    every = set().union(*(known[name] for name in named(query)))
    grouped = [set(re.findall(r"\w+", by)) for by in re.findall(r"\b(?:by|on) \(([^)]*)\)", query)]
    unknown = set().union(*grouped) - every
    unknown |= set(re.findall(r"{{(\w+)}}", shown)) - (set.intersection(*grouped) if grouped else every)
    for name, matchers in re.findall(r"\b(hookline_[a-z_]+){([^}]*)}", query):
        [metric] = named(name)
        unknown |= set(re.findall(r"(\w+)(?:=|!)", matchers)) - known[metric]
    return unknown


@pytest.mark.parametrize(
    "text", [" ".join(queries()), RULES.read_text(), CASES.read_text()], ids=["dashboard", "rules", "cases"]
)
def test_every_metric_that_is_named_is_one_of_ours(text):
    assert set() == named(text) - shown()


def test_every_label_that_is_asked_for_is_one_of_the_metric():
    """Prometheus takes any, and shows nothing."""
    asked = [(target["expr"], target["legendFormat"]) for target in targets()]
    asked += [
        (
            alert["expr"],
            " ".join(alert["annotations"].values()).replace("{{ $labels.", "{{").replace(" }}", "}}"),
        )
        for alert in alerts().values()
        if named(alert["expr"])
    ]

    assert [] == [each for each in asked if unknown_labels(*each)]
    assert {"vendors"} == unknown_labels('sum by (vendors) (hookline_vendor_call_seconds_count{job="j"})')
    assert {"vendor"} == unknown_labels('max by (account) (hookline_vendor_away{vendor="x"})')
    assert {"operation"} == unknown_labels(
        "sum by (vendor) (hookline_vendor_call_seconds_sum)", "{{operation}}"
    )


def test_what_an_operator_must_know_is_on_the_page_and_has_two_cases():
    page = set(re.findall(r"^\| `(Hookline\w+)` \|", PAGE, re.MULTILINE))
    cases = {case["name"] for case in yaml.safe_load(CASES.read_text())["tests"]}

    assert set(alerts()) == page
    assert {f"{name} {what}" for name in alerts() for what in ("fires", "does not fire")} == cases
    assert all({"summary", "action"} == set(rule["annotations"]) for rule in alerts().values())


@NEEDS_PROMTOOL
def test_each_alert_fires_and_does_not_fire():
    for check in (["check", "rules", str(RULES)], ["test", "rules", str(CASES)]):
        checked = subprocess.run(["promtool", *check], capture_output=True, text=True)

        assert 0 == checked.returncode, checked.stdout + checked.stderr


@NEEDS_PROMTOOL
def test_each_query_of_the_dashboard_is_one_for_prometheus(tmp_path):
    """A rule has the syntax of a query, and `promtool` of this version checks rules."""
    plain = [query.replace("$__rate_interval", "5m").replace("$job", "hookline") for query in queries()]
    rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(plain)]
    path = tmp_path / "queries.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    checked = subprocess.run(["promtool", "check", "rules", str(path)], capture_output=True, text=True)

    assert (0, True) == (checked.returncode, f"{len(rules)} rules found" in checked.stdout), checked.stderr
    assert len(rules) > 20


def test_the_dashboard_is_made_of_what_grafana_knows():
    """Its own types read and write it again, and leave out what they do not know."""
    register_default_plugins()
    again = json.loads(JSONEncoder().encode(Dashboard.from_json(DASHBOARD)))

    assert [] == list(_lost(DASHBOARD, again))
    assert [".panel"] == list(_lost({**DASHBOARD, "panel": []}, again))


def _lost(ours, again, place=""):
    """The places of what is not there again."""
    if isinstance(ours, dict) and isinstance(again, dict):
        for name, value in ours.items():
            yield from _lost(value, again.get(name), f"{place}.{name}")
    elif isinstance(ours, list) and isinstance(again, list) and len(ours) == len(again):
        for number, (one, other) in enumerate(zip(ours, again, strict=True)):
            yield from _lost(one, other, f"{place}[{number}]")
    elif ours != again:
        yield place
