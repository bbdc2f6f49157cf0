"""`hooks.yaml`: what is wrong is said with its place; and what a template may do with a stranger's body."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from hookline.errors import ConfigurationError
from hookline.hooks import TemplateError, load_hooks
from hookline.hooks.config import route_of
from hookline.hooks.templates import CONTEXT, MAX_OUTPUT, Template
from hookline.inbox.deliveries import template_context
from hookline.polling.fit import wrong_polls
from hookline.schemes.shared_secret import SharedSecret
from hookline.schemes.standard_webhooks import StandardWebhooks

SOURCE = "sources: {jiwa: {scheme: shared-secret}}\n"


@pytest.fixture
def load(tmp_path):
    def write_and_load(text):
        path = tmp_path / "hooks.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load_hooks(path)

    return write_and_load


@pytest.fixture
def complaint(tmp_path, load):
    """What is said of a `hooks.yaml`; it begins with the file and ends the command with exit code 2."""

    def of(text):
        with pytest.raises(ConfigurationError) as raised:
            load(text)
        assert 2 == raised.value.exit_code
        assert str(tmp_path / "hooks.yaml") in str(raised.value).splitlines()[0]
        return str(raised.value)

    return of


def context(body, **others):
    return {
        "body": body,
        "headers": {"x-event": "order"},
        "source": "jiwa",
        "delivery_id": "msg_1",
        "query": {},
        "method": "POST",
        "received_at": "2026-01-31T12:00:00Z",
        **others,
    }


def rendered(text, body=None, **kind):
    return Template(text, **kind).render(context(body))


def route(**fields):
    return SOURCE + "routes: " + json.dumps({"r": {"source": "jiwa", "deployment": "flow/default"} | fields})


def test_the_hooks_that_are_shipped_are_right(repository):
    hooks = load_hooks(repository / "deployments/hooks.yaml")

    assert (
        {"jiwa": SharedSecret, "standard": StandardWebhooks, "offline": SharedSecret},
        {
            "order-to-license/default",
            "credit-to-revoke/default",
            "renewal-paid/default",
            "activation-reminder/default",
            "license-on-loan/default",
            "offline-activation/default",
            "ticket-to-invoice/default",
            "supply-alert/default",
        },
    ) == (
        {name: type(source.auth_scheme) for name, source in hooks.sources.items() if source.takes_requests},
        hooks.deployments,
    )


def test_the_polls_that_are_shipped_fit_their_operations(repository):
    hooks = load_hooks(repository / "deployments/hooks.yaml")
    polled = [name for name, source in hooks.sources.items() if source.poll]

    assert {} == wrong_polls(hooks)
    assert ["jiwa-orders", "jiwa-payments"] == polled[:2]
    assert [None, "no route takes its deliveries, so it is only polled while a run waits for one"] == [
        hooks.why_off(name) for name in ("jiwa-orders", "zentitle-trials")
    ]


POLL = "poll: {operation: jiwa.query_sales_orders"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (POLL + ", every: 0s}", "poll.every: Value error, must be from 1s to 7d"),
        (POLL + ", every: soon}", "poll.every: Value error, write a duration such as 60s, 10m, 6h or 7d"),
        (POLL + ", time: '{{ body.a }}', position: '{{ body.b }}'}", "give time or position, not both"),
        (POLL + ", ordered: true}", "ordered needs time"),
        (POLL + ", time: '{{ body.a }}', window: 1d}", "window is for a list without a cursor"),
        (
            POLL + ", inputs: {InvoiceID: '{{ body.a }}'}}",
            "uses body, but only since, position, now are defined",
        ),
        (POLL + "}, scheme: hmac", ".scheme: nobody sends to this source; leave it out"),
        ("poll: {operation: everything}", "poll.operation: String should match pattern"),
    ],
)
def test_a_poll_with_a_mistake_is_refused_with_its_place(load, text, problem):
    with pytest.raises(ConfigurationError) as refused:
        load(f"sources: {{orders: {{{text}}}}}")

    assert problem in str(refused.value)


def test_a_poll_that_does_not_fit_its_operation_is_told_with_its_place(load):
    hooks = load("sources: {orders: {" + POLL + ", inputs: {Invoice: 1}}, id: {header: X-Id}}}")

    assert (
        "sources.orders.poll.inputs.Invoice: jiwa.query_sales_orders has no such input"
        in wrong_polls(hooks)["orders"]
    )
    assert "sources.orders.id: an item has no headers; give a template" in wrong_polls(hooks)["orders"]


def test_what_is_left_out_has_its_default(load):
    hooks = load(SOURCE + "routes: {r: {source: jiwa, deployment: flow/default}}")

    (only,) = hooks.routes
    assert ("X-Hookline-Key", 1_048_576) == (
        hooks.sources["jiwa"].auth_scheme.header,
        hooks.sources["jiwa"].max_body,
    )
    assert (True, {}, None) == (
        bool(only.when.render(context({}))),
        only.render_parameters(context({})),
        only.render_key(context({})),
    )


@pytest.mark.parametrize(
    ("name", "why"), [("hooks.yaml", "No such file or directory"), ("", "Is a directory")]
)
def test_a_file_that_cannot_be_read_is_named(tmp_path, name, why):
    path = tmp_path / name

    with pytest.raises(ConfigurationError) as raised:
        load_hooks(path)

    assert (2, f"Cannot read {path}: {why}.") == (raised.value.exit_code, str(raised.value))


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("sources: {", "line 1, column 11"),
        ("sources: [1", "line 1"),
        ("a: b: c", "line 1, column 5"),
        ("\tsources: 1", "line 1, column 1"),
        ("sources: &a\n  jiwa: *b", "line 2, column 9"),
        ("!!python/object/apply:os.getcwd []", "line 1, column 1"),
        (b"\x00", "not allowed"),
        ("sources: é".encode("latin-1"), "utf-8"),
    ],
)
def test_what_is_not_yaml_is_said_with_its_line(complaint, text, word):
    said = complaint(text)

    assert [True, True] == [part in said for part in ("is not YAML", word)]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "the file"),
        ("- sources", "the file"),
        ("routes: {}", "sources: Field required"),
        (SOURCE + "more: 1", "more: there is no such field"),
        ("sources: []", "sources"),
        ("sources: {jiwa: text}", "sources.jiwa"),
        ("sources: {jiwa: }", "sources.jiwa"),
        ("sources: {jiwa: {}}", "sources.jiwa.scheme: is missing"),
        ("sources: {jiwa: {scheme: secret}}", "sources.jiwa.scheme: there is no scheme 'secret'"),
        ("sources: {1: {scheme: shared-secret}}", "sources.1"),
        ("sources: {jiwa: {scheme: shared-secret, headr: X}}", "headr: there is no such field"),
        ("sources: {jiwa: {scheme: shared-secret, header: 'X Y'}}", "header: String should match"),
        ("sources: {jiwa: {scheme: shared-secret, header: ''}}", "header: String should match"),
        ("sources: {jiwa: {scheme: shared-secret, tolerance: 5}}", "tolerance: there is no such field"),
        (
            "sources: {jiwa: {scheme: shared-secret, max_body: lots}}",
            "max_body: Input should be a valid integer",
        ),
        ("sources: {jiwa: {scheme: shared-secret, max_body: 0}}", "max_body: Input should be greater"),
        ("sources: {jiwa: {scheme: shared-secret, max_body: 104857601}}", "max_body: Input should be less"),
        ("sources: {s: {scheme: standard-webhooks, tolerance: 0}}", "tolerance: Input should be greater"),
        ("sources: {s: {scheme: standard-webhooks, tolerance: 86401}}", "tolerance: Input should be less"),
        ("sources: {s: {scheme: standard-webhooks, tolerance: soon}}", "tolerance: Input should be a valid"),
        ("sources: {s: {scheme: standard-webhooks, header: X}}", "header: there is no such field"),
        (SOURCE + "routes: [1]", "routes: Input should be a valid dictionary"),
        (SOURCE + "routes:", "routes: Input should be a valid dictionary"),
        (SOURCE + "routes: {r: text}", "routes.r"),
        (SOURCE + "routes: {r: {deployment: a/b}}", "routes.r.source: Field required"),
        (SOURCE + "routes: {r: {source: jiwa}}", "routes.r.deployment: Field required"),
        (route(deployment="default"), "routes.r.deployment: String should match"),
        (route(deployment="a/b/c"), "routes.r.deployment: String should match"),
        (route(deployment="/default"), "routes.r.deployment: String should match"),
        (route(wen="true"), "routes.r.wen: there is no such field"),
        (route(when=True), "routes.r.when: Input should be a valid string"),
        (route(key=7), "routes.r.key: Input should be a valid string"),
        (route(parameters=[1]), "routes.r.parameters: Input should be a valid dictionary"),
        (route(parameters="x"), "routes.r.parameters: Input should be a valid dictionary"),
        (route(source="jwia"), "routes.r.source: there is no source 'jwia'"),
    ],
)
def test_what_does_not_fit_is_said_with_its_place(complaint, text, place):
    assert place in complaint(text)


@pytest.mark.parametrize("name", ["Jiwa", "ji_wa", "-jiwa", "ji wa", "ji/wa", "", "jiwa\n", "é", "j" * 64])
@pytest.mark.parametrize("section", ["sources", "routes"])
def test_a_name_that_cannot_stand_in_an_address_is_refused(complaint, section, name):
    file = {"sources": {"jiwa": {"scheme": "shared-secret"}}, "routes": {}}
    file[section][name] = (
        {"scheme": "shared-secret"} if section == "sources" else {"source": "jiwa", "deployment": "a/b"}
    )

    said = complaint(json.dumps(file))

    assert [True, True] == [part in said for part in (f"{section}.", f"{name!r} is not a name")]


@pytest.mark.parametrize("name", ["j", "7", "jiwa-2", "j" * 63])
def test_a_name_of_small_letters_digits_and_dashes_is_taken(load, name):
    assert [name] == list(load(f"sources: {{'{name}': {{scheme: shared-secret}}}}").sources)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (route(when="body is"), "routes.r.when: cannot be read: "),
        (route(when=""), "routes.r.when: cannot be read: "),
        (route(when="true }} {{ false"), "routes.r.when: cannot be read: "),
        (route(when="body.paid }} x"), "routes.r.when: cannot be read: "),
        (route(when="{{ body.paid }}"), "routes.r.when: cannot be read: "),
        (route(key="{{ body.x"), "routes.r.key: cannot be read: "),
        (route(key="{% if body %}x"), "routes.r.key: cannot be read: "),
        (route(parameters={"a": "{{ }}"}), "routes.r.parameters.a: cannot be read: "),
        (route(parameters={"a": "{{ body|nothing }}"}), "routes.r.parameters.a: cannot be read: "),
        (route(parameters={"a": "{{ body is nothing }}"}), "routes.r.parameters.a: cannot be read: "),
        (route(parameters={"a": "{% do body %}"}), "routes.r.parameters.a: cannot be read: "),
        (
            route(parameters={"a": [1, {"b": "{{ boddy.x }}"}]}),
            "routes.r.parameters.a[1].b: uses boddy, but only body",
        ),
        (route(when="boddy.x"), "routes.r.when: uses boddy, but only body"),
        (route(key="{{ x }}{{ y }}"), "routes.r.key: uses x, y, but only body"),
        (route(key="{{ range(9) }}"), "routes.r.key: uses range, but only body"),
        (route(key="{{ lipsum() }}"), "routes.r.key: uses lipsum, but only body"),
        (route(key="{{ flow.name }}"), "routes.r.key: uses flow, but only body"),
        (route(label="order {{ boddy.x }}"), "routes.r.label: uses boddy, but only body"),
        (route(about={"order": "{{ boddy.x }}"}), "routes.r.about.order: uses boddy, but only body"),
        (route(debounce="20s"), "routes.r.debounce: needs a `key`"),
        (
            route(key="k", debounce="soon"),
            "routes.r.debounce.quiet: String should match pattern",
        ),
        (route(key="k", debounce="2h"), "routes.r.debounce: Value error, `quiet` must be from 1s to 1h"),
        (route(key="k", debounce={"quiet": "20s", "at_most": "10s"}), "`at_most` must be from `quiet` to 1d"),
        (
            route(key="k", debounce={"quiet": "20s", "most": "1m"}),
            "routes.r.debounce.most: there is no such field",
        ),
        (route(key="k", debounce=20), "routes.r.debounce: Input should be a valid dictionary"),
        (route(about={"Order No": "1"}), "routes.r.about: Value error, 'Order No' is not a name"),
        (
            route(about={"delivery": "1"}),
            "routes.r.about: Value error, 'delivery' is a tag that Hookline itself",
        ),
        (route(about={f"n{n}": "1" for n in range(11)}), "routes.r.about: Value error, has 11 names"),
    ],
)
def test_a_template_that_cannot_work_is_said_with_its_place(complaint, text, place):
    assert place in complaint(text)


@pytest.mark.parametrize(
    ("written", "read"),
    [("20s", (20, 300)), ({"quiet": "1m"}, (60, 900)), ({"quiet": "20s", "at_most": "1h"}, (20, 3600))],
    ids=str,
)
def test_a_debounce_is_a_quiet_time_and_a_longest_wait(load, written, read):
    [one] = load(route(key="k", debounce=written)).routes

    assert read == (one.debounce.quiet.total_seconds(), one.debounce.at_most.total_seconds())
    assert one.debounce == route_of("r", one.spec).debounce


def test_every_route_that_is_wrong_is_told_at_once(complaint):
    said = complaint(
        SOURCE
        + "routes: {one: {source: nobody, deployment: a/b, when: nothing}, two: {source: jiwa, deployment: a/b, key: '{{'}}"
    )

    assert ["routes.one.source", "routes.one.when", "routes.two.key"] == [
        line.strip().split(":")[0] for line in said.splitlines()[1:]
    ]


def test_two_routes_of_one_name_are_refused(complaint):
    assert "routes" in complaint(
        SOURCE + "routes:\n  r: {source: jiwa, deployment: a/b}\n  r: {source: jiwa, deployment: c/d}\n"
    )


@pytest.mark.parametrize("value", ["2026-13-45", "0x_"])
def test_a_value_that_yaml_itself_cannot_read_is_said_as_such(complaint, value):
    assert "is not YAML" in complaint(f"sources: {value}")


# Templates -------------------------------------------------------------------------------------------------

ORDER = {
    "n": 7,
    "f": 1.5,
    "t": "text",
    "b": True,
    "no": None,
    "list": [1, 2],
    "map": {"a": {"b": 1}},
    "marks": "<&\"'>",
}


@pytest.mark.parametrize("field", ORDER)
@pytest.mark.parametrize("text", ["{{ body.%s }}", "{{body.%s}}", "  {{ body['%s'] }}\n"])
def test_a_template_of_one_expression_keeps_the_type(field, text):
    value = rendered(text % field, ORDER)

    assert (ORDER[field], type(ORDER[field])) == (value, type(value))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("order {{ body.n }}", "order 7"),
        ("{{ body.n }}{{ body.f }}", "71.5"),
        ("{{ body.n }} {{ body.t }}", "7 text"),
        ("{% if body.b %}yes{% endif %}", "yes"),
        ("{% for one in body.list %}{{ one }};{% endfor %}", "1;2;"),
        ("{% set x = body.n %}{{ x }}", "7"),
        ("{{ '}}' }}", "}}"),
        ("{{ body.n }}.", "7."),
        ("", ""),
        ("<{{ body.marks }}>", "<<&\"'>>"),
    ],
)
def test_a_template_of_more_than_one_expression_gives_text(text, expected):
    assert expected == rendered(text, ORDER)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{# a number #}{{ body.n }}", 7),
        ("{{ (body.n, 1) }}", [7, 1]),
        ("{{ body.n + 1 }}", 8),
        ("{{ body.list | sum }}", 3),
        ("{{ [body.n] }}", [7]),
        ("{{ {'a': body.n} }}", {"a": 7}),
        ("{{ {'a': {'b': body.n}} }}", {"a": {"b": 7}}),
        ("{{ body.list | map('string') }}", ["1", "2"]),
        ("{{ {'a': body.list | select('gt', 1)} }}", {"a": [2]}),
        ("{{ body.map | dictsort }}", [["a", {"b": 1}]]),
        ("{{ body.map | items }}", [["a", {"b": 1}]]),
        ("{{- body.n }}", 7),
        ("{{- body.n -}}", 7),
        ("{{ body.n -}}", 7),
        ("{{-body.t-}}", "text"),
        ("{{ body.missing | default(3) }}", 3),
        ("{{ body.missing is defined }}", False),
    ],
)
def test_an_expression_gives_its_value_and_what_is_lazy_or_a_tuple_a_list(text, expected):
    assert expected == rendered(text, ORDER)


def test_parameters_keep_their_shape_and_only_texts_with_braces_are_templates(load):
    parameters = {
        "a": ["{{ body.n }}", {"b": "no. {{ body.n }}"}],
        "c": "plain {text}",
        "d": 5,
        "e": None,
        "f": True,
    }

    (only,) = load(route(parameters=parameters)).routes

    assert {**parameters, "a": [7, {"b": "no. 7"}]} == only.render_parameters(context(ORDER))


def test_a_parameter_that_cannot_be_rendered_is_named(load):
    (only,) = load(route(parameters={"good": 1, "bad": ["{{ body.missing }}"]})).routes

    with pytest.raises(TemplateError) as raised:
        only.render_parameters(context({}))

    assert str(raised.value).startswith("parameter bad: ")
    assert "missing" in str(raised.value)


@pytest.mark.parametrize("field", ["items", "keys", "values", "get", "pop", "copy", "update", "clear"])
def test_a_field_of_the_body_is_its_own_whatever_python_calls_so(field):
    body = {field: "mine"}

    assert ["mine", "mine", "mine"] == [
        rendered(text % field, body)
        for text in ("{{ body.%s }}", "{{ body['%s'] }}", "{%% if body %%}{{ body.%s }}{%% endif %%}")
    ]


@pytest.mark.parametrize(
    ("when", "body", "verdict"),
    [
        ("body is mapping and body.InvoiceID is defined", {"InvoiceID": "1"}, True),
        ("body is mapping and body.InvoiceID is defined", {}, False),
        ("body is mapping and body.InvoiceID is defined", [], False),
        ("body.n > 5", {"n": 7}, True),
        ("body.n > 5", {"n": 3}, False),
        ("headers['x-event'] == 'order'", None, True),
        ("source == 'jiwa' and delivery_id == 'msg_1'", None, True),
        ("'' or 0 or none", None, False),
        ("body.type == 'order.paid'", {}, False),
        ("body.type == 'order.paid'", None, False),
        ("body.data.order.paid", {}, False),
        ("body.items", {}, False),
        ("body.items is defined", {}, False),
        ("'x' in body.list", {}, False),
        ("body.list | selectattr('paid') | list", {"list": [{"paid": False}, {}]}, False),
        ("body.list | selectattr('paid')", {"list": [{"paid": False}]}, False),
        ("body.n > 5", {}, False),
        ("5 < body.n", {}, False),
    ],
)
def test_a_condition_is_a_bare_expression(load, when, body, verdict):
    (only,) = load(route(when=when)).routes

    assert verdict is bool(only.when.render(context(body)))


@pytest.mark.parametrize(
    ("key", "expected"), [("{{ body.n }}", "7"), ("order {{ body.n }}", "order 7"), ("all", "all")]
)
def test_an_ordering_key_is_text(load, key, expected):
    (only,) = load(route(key=key)).routes

    assert expected == only.render_key(context(ORDER))


@pytest.mark.parametrize(
    "text",
    [
        "{{ body.missing }}",
        "no. {{ body.missing }}",
        "{{ body.missing.deeper }}",
        "{{ body['missing'] }}",
        "{{ body.list[9] }}",
        "{{ headers['x-missing'] }}",
        "{{ body.missing + 1 }}",
        "{% if body.missing %}x{% endif %}",
        "{% for one in body.missing %}x{% endfor %}",
        "{{ body.t.missing }}",
        "{{ [body.missing] }}",
        "{{ {'a': body.missing} }}",
        "{{ body.list | map(attribute='missing') }}",
        "{{ body.list | map(attribute='__class__') | list }}",
        "{{ body.items }}",
        "{{ body.t.title }}",
        "{{ [body.t.title] }}",
        "{{ cycler(1) }}",
        "{{ self }}",
        "{{ 1 / body.zero }}",
        "{{ body.zero.upper() }}",
        "{{ body.zero() }}",
        "{{ body.zero[0:1] }}",
        "{{ 'a' + body.zero }}",
    ],
)
def test_what_is_missing_wrong_or_no_json_at_any_depth_is_an_error_and_no_empty_text(text):
    with pytest.raises(TemplateError) as raised:
        rendered(text, ORDER | {"zero": 0})

    assert str(raised.value).endswith(": " + text)


@pytest.mark.parametrize(
    "text",
    [
        "{{ body.__class__ }}",
        "{{ body['__class__'] }}",
        "{{ body | attr('__class__') }}",
        "{{ ''.__class__.__mro__ }}",
        "{{ body.__init__.__globals__ }}",
        "{{ body.get.__self__ }}",
        "{{ '{0.__class__}'.format(body) }}",
        "{{ '{x.__class__}'.format_map({'x': body}) }}",
        "{{ body.update({'a': 1}) }}",
        "{{ body.pop('n') }}",
        "{{ body.clear() }}",
        "{{ body.setdefault('z', 1) }}",
        "{{ body.list.append(3) }}",
        "{{ body.list.sort() }}",
        "{{ headers.update({'a': 'b'}) }}",
        "{% include 'hooks.yaml' %}",
        "{% import 'os' as os %}{{ os }}",
        "{% extends body.t %}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{{ self.__class__ }}",
    ],
)
def test_the_sandbox_keeps_a_template_from_what_is_none_of_its_business(text):
    body = json.loads(json.dumps(ORDER))

    with pytest.raises(TemplateError):
        rendered(text, body)

    assert ORDER == body


@pytest.mark.parametrize("name", ["range", "lipsum", "os", "request", "config", "settings", "__builtins__"])
def test_nothing_but_the_delivery_has_a_name(name):
    with pytest.raises(TemplateError) as raised:
        Template("{{ " + name + " }}")

    assert f"uses {name}, but only {', '.join(CONTEXT)} are defined" in str(raised.value)


@pytest.mark.parametrize("text", ["{{ body.t }}", "{{ body.t }}{{ '' }}"])
def test_a_text_may_be_as_long_as_the_limit_and_no_longer(text):
    longest = "x" * MAX_OUTPUT

    assert longest == rendered(text, {"t": longest})
    with pytest.raises(TemplateError, match=f"gives {MAX_OUTPUT + 1} characters; {MAX_OUTPUT} are allowed"):
        rendered(text, {"t": longest + "x"})


fields = st.sampled_from(
    ["InvoiceID", "type", "data", "invoice_id", "items", "keys", "n", "list", "__class__"]
)
bodies = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.just("x" * (MAX_OUTPUT + 1))
    | st.just("order.paid"),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(fields | st.text(max_size=5), inner, max_size=5)
    ),
    max_leaves=15,
)
TEMPLATES = [
    Template(text)
    for text in (
        "{{ body.InvoiceID }}",
        "jiwa order {{ body.data.invoice_id }}",
        "{{ body.items[0].n + 1 }}",
        "{{ body.list | map(attribute='n') | join(',') }}",
        "{% for one in body %}{{ one.n / body.n }}{% endfor %}",
        "{{ (body | dictsort)[0] }}",
        "{{ body.n * body.n }}",
        "{{ body | tojson }}",
        "{{ body.data | upper | int }}",
        "{{ body[body.n] }}",
    )
]


@hypothesis_settings(deadline=None, max_examples=300)
@given(body=bodies)
def test_no_body_makes_a_template_raise_anything_but_its_own_error(body):
    given_context = context(body)
    for template in TEMPLATES:
        try:
            template.render(given_context)
        except TemplateError:
            continue


@hypothesis_settings(deadline=None)
@given(body=bodies)
def test_no_body_makes_a_shipped_route_raise_anything_but_a_template_error(shipped, body):
    for one in shipped:
        try:
            if one.when.render(context(body)):
                json.dumps(one.render_parameters(context(body)))
                one.render_key(context(body))
        except TemplateError:
            continue


@pytest.fixture(scope="module")
def shipped(repository):
    return load_hooks(repository / "deployments/hooks.yaml").routes


def test_a_body_nested_as_deep_as_json_goes_is_passed_on_as_it_is():
    deep = json.loads("[" * 900 + "]" * 900)

    assert deep == rendered("{{ body }}", deep)


def test_a_body_nested_too_deep_to_be_text_is_an_error_of_the_template():
    deep = []
    for _ in range(100_000):  # Python 3.13 goes 10,000 deep
        deep = [deep]

    with pytest.raises(TemplateError, match="RecursionError"):
        rendered("order {{ body }}", deep)


def test_a_template_sees_of_a_delivery_what_the_page_of_routes_says():
    seen = {"headers": {"a": "1"}, "query": {"b": "2"}, "method": "POST", "source": "shop"}
    received_at = datetime(2026, 11, 29, tzinfo=UTC)
    row = seen | {"external_id": "7", "changed": None, "received_at": received_at, "envelope": None}

    context = template_context(row, {"c": 3})

    expected = {
        "body": {"c": 3},
        "delivery_id": "7",
        "received_at": "2026-11-29T00:00:00+00:00",
        "envelope": {},
    }
    assert seen | expected == context
