"""A `hooks.yaml` with many sources and routes: what is read of it, and what of a route that takes nothing."""

import json

import pytest
import yaml

from benchmarks.routes import HOOKS, further
from hookline.hooks import config
from hookline.hooks.config import parse_hooks
from hookline.hooks.matching import Candidate, Incoming, match_routes

ORDER = {"InvoiceID": "A", "InvoiceNo": "1", "CreditNote": False, "DebtorAccountNo": "B001"}


def incoming(body):
    context = {"headers": {}, "query": {}, "method": "POST", "source": "jiwa", "external_id": "1"}
    return Incoming("application/json", json.dumps(body).encode(), [], context)


@pytest.fixture(scope="module")
def hooks():
    """The shipped file with three sources and twice as many routes more."""
    text = yaml.safe_dump(further(yaml.safe_load(HOOKS.read_text()), 3), sort_keys=False)
    return parse_hooks(text, HOOKS)


def test_the_file_of_the_benchmark_is_right_and_none_of_its_further_routes_takes_an_order(hooks):
    shipped = parse_hooks(HOOKS.read_text(), HOOKS)
    candidates = [Candidate(route.name, route.spec) for route in hooks.routes if route.source == "jiwa"]

    matches = match_routes(incoming(ORDER), candidates, ())

    assert (3, 6) == (len(hooks.sources) - len(shipped.sources), len(hooks.routes) - len(shipped.routes))
    assert (5, ["jiwa-order"]) == (len(candidates), [match.route for match in matches])


def test_a_further_route_takes_the_orders_of_its_own_customer(hooks):
    candidates = [Candidate(route.name, route.spec) for route in hooks.routes if route.source == "jiwa"]

    matches = match_routes(incoming(ORDER | {"DebtorAccountNo": "C-2"}), candidates, ())

    assert ["jiwa-order", "customer-2"] == [match.route for match in matches]


def test_of_a_route_that_does_not_take_a_delivery_only_the_condition_is_compiled(hooks):
    route = next(route for route in hooks.routes if route.name == "customer-1")
    spec = json.dumps(json.loads(route.spec) | {"key": "{{ not a template"})

    assert [] == match_routes(incoming(ORDER), [Candidate(route.name, spec)], ())
    with pytest.raises(ValueError, match="key"):
        match_routes(incoming(ORDER | {"DebtorAccountNo": "C-1"}), [Candidate(route.name, spec)], ())


def test_a_nearest_name_is_looked_for_only_where_a_source_is_not_there(monkeypatch):
    asked = []
    monkeypatch.setattr(config, "do_you_mean", lambda name, _: asked.append(name) or "")
    raw = further(yaml.safe_load(HOOKS.read_text()), 2)

    parse_hooks(yaml.safe_dump(raw), HOOKS)
    of_a_right_file = list(asked)
    raw["routes"]["customer-1"]["source"] = "jiwaa"
    with pytest.raises(config.ConfigurationError, match="there is no source 'jiwaa'"):
        parse_hooks(yaml.safe_dump(raw), HOOKS)

    assert ([], ["jiwaa"]) == (of_a_right_file, asked)
