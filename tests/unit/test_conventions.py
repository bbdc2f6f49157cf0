"""What every task, block and flow has in common, anyone who writes the next one."""

import ast
import csv
import importlib
import inspect
import json
import pkgutil
import re
from collections import Counter
from importlib.metadata import entry_points
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import get_args, get_type_hints

import pytest
from prefect import Flow, Task
from prefect.blocks.core import Block
from prefect.cache_policies import NO_CACHE
from prefect.plugins import load_prefect_collections
from prefect.states import Failed
from prefect.testing.standard_test_suites.blocks import BlockStandardTestSuite
from prefect.utilities.dispatch import lookup_type
from pydantic import SecretStr

import blocks.collection
import flows
import tasks
from blocks import BLOCKS, VendorCredentials
from hookline.clients import CLIENTS, VendorClient, operations
from hookline.clients.errors import Unavailable, VendorAway, VendorError
from hookline.journal import EffectLanding
from hookline.prefect_adapter.retries import VENDOR_CALL
from hookline.provisioning.deployments import load_deployments
from hookline.settings import VENDORS
from tasks.about import say_failed
from tasks.effects import BusinessKey
from tasks.operations import AFTERWARDS
from tasks.policies import thing_of

SECRET_NAME = re.compile(r"(password|secret|(?<!next_)token|key)$")
VENDOR_TASKS = {f"tasks.{vendor}" for vendor in CLIENTS}


def found_in(package, kind):
    """Every `kind` that the modules of a package define at their top, by its full name."""
    found = {}
    for info in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        for name, value in vars(importlib.import_module(info.name)).items():
            if isinstance(value, kind) and value.fn.__module__ == info.name:
                found[f"{info.name}.{name}"] = value
    return found


TASKS = found_in(tasks, Task)
FLOWS = found_in(flows, Flow)
OPERATIONS = {
    f"{vendor}.{name}": (vendor, operation)
    for vendor, client in CLIENTS.items()
    for name, operation in operations(client).items()
}
BEYOND_ONE_OPERATION = {
    "zentitle": {
        "find_company",
        "add_company",
        "choose_license_codes",
        "choose_codes_to_revoke",
        "set_license_terms",
        "list_ending_licenses",
        "choose_license_end",
        "list_ending_trials",
        "find_trial_user",
        "find_licensed",
        "find_companies",
    }
}
"""Tasks that take more than one operation, by vendor."""

TYPED = {name: of for name, of in OPERATIONS.items() if of[0] != "http"}
"""Those whose inputs are known beforehand; `tasks.http` says itself what it takes."""
OF_A_BLOCK = {name: task for name, task in TASKS.items() if not name.startswith("tasks.http.")}
"""Those that take credentials alone; `tasks.http` takes the name of a block, too."""

every_block = pytest.mark.parametrize("block", BLOCKS.values(), ids=BLOCKS)


def breakers(rule, things=TASKS):
    """Names of the things that break a rule; of an empty list nothing can be said."""
    assert things
    return [name for name, thing in things.items() if not rule(thing)]


def types_in(annotation):
    """An annotation and whatever it is made of."""
    return [annotation, *chain.from_iterable(types_in(part) for part in get_args(annotation))]


def parameters(function):
    hints = get_type_hints(function)
    return {name: hints[name] for name in inspect.signature(function).parameters}


def test_the_tasks_and_flows_are_found():
    """Else what follows would hold for none."""
    assert {name.rpartition(".")[0] for name in TASKS} == VENDOR_TASKS
    processes = {"order-to-license", "credit-to-revoke", "license-on-loan", "ticket-to-invoice"}
    processes |= {
        "supply-alert",
        "renewal-reminder",
        "renewal-paid",
        "activation-reminder",
        "offline-activation",
        "trial-nurture",
        "customer-sync",
        "meter-billing",
    }
    assert processes | {"reconcile", "credential-check", "notify"} == {flow.name for flow in FLOWS.values()}


# Tasks -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("vendor", CLIENTS)
def test_each_operation_of_a_vendor_has_a_task_of_its_name(vendor, repository):
    with (repository / "tests/samples/operations.csv").open() as file:
        expected = {row["operation"] for row in csv.DictReader(file) if row["vendor"] == vendor}

    found = {name.rpartition(".")[2] for name in TASKS if name.startswith(f"tasks.{vendor}.")}

    assert expected | BEYOND_ONE_OPERATION.get(vendor, set()) == found


def test_a_task_takes_what_its_operation_takes_and_answers_what_it_answers():
    """Beside the credentials; and what the write is for, where it must not happen twice."""

    def fits(of):
        vendor, operation = of
        signature = inspect.signature(TASKS[f"tasks.{vendor}.{operation.name}"].fn)
        named = {
            name: each.annotation
            for name, each in signature.parameters.items()
            if each.kind is not inspect.Parameter.VAR_KEYWORD
        }
        first = [vendor] if operation.repeat == "safe" else [vendor, "business"]
        inputs = {name: field.annotation for name, field in operation.input.model_fields.items()}
        answer = operation.answer | None if operation.repeat == "never" else operation.answer
        return (
            first == list(named)[: len(first)]
            and inputs == {name: kind for name, kind in named.items() if name not in first}
            and answer == signature.return_annotation
        )

    assert [] == breakers(fits, TYPED)


def test_a_task_says_how_often_it_may_happen_and_how_that_is_known():
    def is_described(of):
        vendor, operation = of
        text = TASKS[f"tasks.{vendor}.{operation.name}"].fn.__doc__
        return (
            text.startswith(operation.effect)
            and AFTERWARDS[operation.repeat] in text
            and f"[{operation.trust}]" in text
        )

    assert [] == breakers(is_described, TYPED)


def test_a_task_says_what_it_does():
    assert [] == breakers(lambda task: re.match(r"\s*[A-Z].*[.:]", task.fn.__doc__ or "", re.DOTALL))


def test_a_task_is_tried_again_and_waits_before():
    assert [] == breakers(
        lambda task: (
            task.retries > 0
            and task.retry_delay_seconds
            and all(seconds > 0 for seconds in task.retry_delay_seconds)
        )
    )


async def test_a_task_is_tried_again_only_for_what_may_pass():
    errors = [kind(vendor="v", operation="o") for kind in VendorError.__subclasses__()]
    assert {True, False} == {error.transient for error in errors}
    expected = [*(error.transient for error in errors), False]

    async def again(task):
        failures = (*errors, ValueError("a bug"))
        first = SimpleNamespace(run_count=1)
        return [await task.retry_condition_fn(task, first, Failed(data=error)) for error in failures]

    assert [] == [name for name, task in TASKS.items() if await again(task) != expected]


async def test_only_waits_are_waited_for_longer_than_three_retries():
    async def retries(number, error):
        run = SimpleNamespace(id=number)
        return [await VENDOR_CALL["retry_condition_fn"](None, run, Failed(data=error)) for _ in range(5)]

    errors = [kind(vendor="v", operation="o") for kind in VendorError.__subclasses__()]
    errors.append(EffectLanding("license", "the answer was lost", 1.0))
    again = {type(error): await retries(number, error) for number, error in enumerate(errors)}

    assert {VendorAway, EffectLanding} == {kind for kind, each in again.items() if all(each)}
    assert all(each in ([True] * 3 + [False] * 2, [False] * 5, [True] * 5) for each in again.values())


async def test_a_task_within_another_does_not_begin_its_count_anew():
    error = Failed(data=Unavailable(vendor="v", operation="o"))
    again = VENDOR_CALL["retry_condition_fn"]
    outer, inner = SimpleNamespace(id="outer"), [SimpleNamespace(id=f"inner {number}") for number in range(4)]

    counted = [(await again(None, within, error), await again(None, outer, error)) for within in inner]

    assert [(True, True)] * 3 + [(True, False)] == counted


def test_a_task_is_never_answered_from_a_cache():
    """Two credentials that differ only in their secret would be one to it."""
    assert [] == breakers(lambda task: task.cache_policy == NO_CACHE)


def test_a_task_takes_its_vendor_s_credentials_first():
    def takes_them(task):
        vendor = task.fn.__module__.removeprefix("tasks.")
        return next(iter(parameters(task.fn).items())) == (vendor, BLOCKS[vendor])

    assert [] == breakers(takes_them, OF_A_BLOCK)


def test_a_task_takes_a_secret_as_one():
    """So that it is asterisks wherever the inputs of a task are shown."""
    assert [] == breakers(
        lambda task: all(
            SecretStr in types_in(kind)
            for name, kind in parameters(task.fn).items()
            if SECRET_NAME.search(name)
        )
    )


def test_a_task_is_async_and_named_as_its_function_is():
    assert [] == breakers(lambda task: inspect.iscoroutinefunction(task.fn) and task.fn.__name__ == task.name)


def test_the_run_of_a_task_is_named_for_its_thing_and_its_step():
    """In a list of runs, Prefect's own names differ by three letters."""
    business = BusinessKey("workflow", "key", "order 100123").step("mail")

    def inputs(task):
        block, *rest = inspect.signature(task.fn).parameters.values()
        asked = [each for each in rest if each.kind is not inspect.Parameter.VAR_KEYWORD]
        return {block.name: example(BLOCKS[block.name])} | {
            each.name: business if each.annotation is BusinessKey else "C-7" for each in asked
        }

    def is_named(task):
        given = inputs(task)
        thing = "order 100123: mail" if business in given.values() else "C-7"
        named = f"{task.name} · {thing}" if len(given) > 1 else task.name
        return task.task_run_name(parameters=given) == named

    assert [] == breakers(is_named, OF_A_BLOCK)


def test_no_address_and_no_secret_is_in_the_name_of_a_task_run():
    values = (example(BLOCKS["jiwa"]), "ann@shop.example", SecretStr("hidden-word"), True, None, "", 7)

    assert ["7", "", "a \\u{202e}b"] == [thing_of(values), thing_of(values[:-1]), thing_of(["a \u202eb"])]


# Flows -----------------------------------------------------------------------------------------------------


def test_a_flow_takes_the_names_of_blocks_and_not_blocks():
    """The stored parameters of a block are asterisks: a run begun again from the UI would log in with those."""

    def takes_names(flow):
        kinds = chain.from_iterable(types_in(kind) for kind in parameters(flow.fn).values())
        given = inspect.signature(flow.fn).parameters
        plain = parameters(flow.fn)
        return not any(inspect.isclass(kind) and issubclass(kind, Block) for kind in kinds) and {
            (plain[name], given[name].default) for name in BLOCKS if name in given
        } <= {(str, "default")}

    assert [] == breakers(takes_names, FLOWS)


def test_a_flow_is_named_as_its_file_and_its_function_are():
    def is_named(flow):
        file = flow.fn.__module__.removeprefix("flows.").replace("_", "-")
        return (file, file) == (flow.name, flow.fn.__name__.replace("_", "-"))

    assert [] == breakers(is_named, FLOWS)


def forms(rule):
    """The parameters of flows whose fields in Prefect's form break a rule."""
    fields = {
        f"{flow.name}: {name}": (name, field, [field, *field.get("anyOf", ())])
        for flow in FLOWS.values()
        for name, field in flow.parameters.properties.items()
    }
    return breakers(lambda field: rule(*field), fields)


def test_a_field_of_a_form_has_a_title_for_people():
    """Prefect writes the name of the parameter, where it has none."""
    assert [] == forms(lambda name, field, _: field["title"] != name and field["title"][0].isupper())


def test_a_field_of_a_form_has_the_bounds_of_its_value():
    """So that a mistake is seen in the form, and not in a run that fails."""
    bounds = {
        "integer": [{"minimum", "maximum"}],
        "number": [{"minimum", "maximum"}, {"exclusiveMinimum", "maximum"}],
        "string": [{"minLength"}, {"pattern"}, {"format"}, {"enum"}, {"const"}],
        "array": [{"maxItems"}],
    }

    def is_bounded(_, field, kinds):
        return all(
            ("default" in field and field["default"] == "")
            or any(each <= set(kind) for each in bounds[kind["type"]])
            for kind in kinds
            if kind.get("type") in bounds
        )

    assert [] == forms(is_bounded)


def test_a_field_of_a_form_for_a_time_or_a_choice_is_one():
    """Prefect shows a calendar for the one and a list for the other; a text would have to be guessed."""
    times = re.compile(r"(^|_)(date|day|since|until|at|from|to)$")

    def is_one(name, _, kinds):
        formats = {kind.get("format") for kind in kinds}
        return not times.search(name) or bool(formats & {"date", "date-time"})

    assert [] == forms(is_one)


def first_await(function):
    """What a function awaits first, by the name of what it calls."""
    (tree,) = ast.parse(inspect.getsource(function)).body
    awaited = min(
        (each for each in ast.walk(tree) if isinstance(each, ast.Await)), key=lambda each: each.lineno
    )
    return ast.unparse(awaited.value.func)


def test_a_run_is_named_before_its_flow_does_anything_and_when_it_fails():
    """Prefect's own names, such as brave-otter, say nothing in a list of runs."""
    assert [] == breakers(
        lambda flow: first_await(flow.fn) in {"about", "begin"} and flow.on_failure_hooks == [say_failed],
        FLOWS,
    )


KINDS = {"orders", "renewals", "customers", "fleet", "operations"}


def test_a_deployment_has_a_description_and_tags_by_which_the_lists_are_filtered(repository):
    """Of its kind, and of each vendor whose block its flow takes."""
    deployments = load_deployments(repository / "deployments/prefect.yaml")

    def is_described(deployment):
        tags, takes = set(deployment.tags), deployment.flow().parameters.properties
        return (
            re.match(r"[A-Z].*\.$", deployment.description)
            and "Args:" not in deployment.page()
            and len(tags & KINDS) == 1
            and {"hookline", *(vendor for vendor in BLOCKS if vendor in takes)} == tags - KINDS
        )

    assert [] == breakers(is_described, deployments)


def test_a_flow_says_what_it_does_and_what_each_parameter_is():
    """The Prefect UI shows it beside the form."""

    def says_so(flow):
        described = flow.parameters.properties.values()
        return re.match(r"\s*[A-Z].*\.", flow.fn.__doc__, re.DOTALL) and all(
            field.get("description", "").endswith(".") for field in described
        )

    assert [] == breakers(says_so, FLOWS)


# Blocks ----------------------------------------------------------------------------------------------------


def example(block):
    """A block with something in each of its fields."""
    filled = {
        name: "hidden-word"
        for name, field in block.model_fields.items()
        if SecretStr in types_in(field.annotation)
    }
    texts = {
        name: "x"
        for name in VENDORS[block.vendor].__annotations__
        if name in block.model_fields and str in types_in(block.model_fields[name].annotation)
    }
    addresses = {
        "base_url": "https://vendor.example",
        "token_url": "https://tokens.example",
        "headers": "X-Tenant: 17",
    }
    return block(
        **(texts | {name: each for name, each in addresses.items() if name in block.model_fields} | filled)
    )


@every_block
class TestBlock(BlockStandardTestSuite):
    """Prefect's own suite; it asks for a description, a documentation URL, described fields and a code example."""

    @pytest.fixture
    def block(self):
        """Overridden by the parameter."""

    @pytest.mark.skip(reason="it would fetch the logo from the network; ours is served by the gateway")
    def test_has_a_valid_image(self, block):
        """Not run."""


@every_block
def test_a_block_has_a_logo_that_the_gateway_serves(block):
    vendor = next(name for name, kind in BLOCKS.items() if kind is block)

    # `apply` sets the gateway's real port, also in this process if its tests ran before.
    assert re.fullmatch(rf"http://127\.0\.0\.1:\d+/logos/{vendor}\.svg", str(block._logo_url))


@every_block
def test_a_block_is_named_for_its_vendor(block):
    vendor = next(name for name, kind in BLOCKS.items() if kind is block)

    assert (
        f"{vendor} credentials",
        f"{vendor}-credentials",
        f"{vendor.capitalize()}Credentials",
        vendor,
    ) == (
        block._block_type_name.lower(),
        block._block_type_slug,
        block.__name__,
        block.vendor,
    )


@every_block
def test_a_block_describes_itself_and_is_documented_at_its_vendor(block):
    assert block.get_description().rstrip(".") in inspect.getdoc(block).replace("\n", " ")
    assert str(block._documentation_url).startswith("https://")


@every_block
def test_a_block_s_example_is_python(block):
    code = inspect.cleandoc(block.get_code_example().partition("```python")[2].partition("```")[0])

    compile(code, "example", "exec", flags=0x2000)  # ast.PyCF_ALLOW_TOP_LEVEL_AWAIT

    assert f'{block.__name__}.load("BLOCK_NAME")' in code


@every_block
def test_a_block_s_fields_are_told_alike_in_its_docstring(block):
    told = dict(re.findall(r"^    (\w+): (.+)$", inspect.getdoc(block), re.MULTILINE))

    assert [name for name in block.model_fields if name in vars(block)["__annotations__"]] == list(told)


@every_block
def test_whatever_is_named_like_a_secret_is_kept_like_one(block):
    named = {name for name in block.model_fields if SECRET_NAME.search(name)}

    assert named == {
        name for name, field in block.model_fields.items() if SecretStr in types_in(field.annotation)
    }
    assert named


@every_block
def test_no_secret_is_seen_in_a_block_that_is_shown(block):
    one = example(block)

    assert (
        "hidden-word" not in f"{one!r} {one} {one.model_dump()} {one.model_dump_json()} {one.get_client()!r}"
    )


@every_block
def test_each_client_of_a_block_is_a_fresh_one(block):
    """One that was closed cannot be opened again."""
    one = example(block)
    vendor = next(name for name, kind in BLOCKS.items() if kind is block)

    first, second = one.get_client(), one.get_client()

    assert (CLIENTS[vendor], CLIENTS[vendor]) == (type(first), type(second))
    assert first is not second


@every_block
def test_a_block_keeps_no_client(block):
    one = example(block)
    one.get_client()

    assert [] == [value for value in vars(one).values() if isinstance(value, VendorClient)]


@every_block
def test_a_block_s_fields_are_those_that_the_environment_fills(block):
    vendor = next(name for name, kind in BLOCKS.items() if kind is block)

    assert list(VENDORS[vendor].model_fields) == list(block.model_fields)


def test_every_vendor_s_block_is_there_and_no_other():
    defined = {
        value
        for info in pkgutil.iter_modules(blocks.__path__, "blocks.")
        for value in vars(importlib.import_module(info.name)).values()
        if inspect.isclass(value) and issubclass(value, VendorCredentials) and value is not VendorCredentials
    }

    assert (defined, set(CLIENTS)) == (set(BLOCKS.values()), set(BLOCKS))


def test_prefect_finds_the_blocks_by_their_entry_point():
    (ours,) = [point for point in entry_points(group="prefect.collections") if point.name == "hookline"]

    assert ("blocks.collection", blocks.collection) == (ours.value, load_prefect_collections()["hookline"])
    assert list(BLOCKS.values()) == [lookup_type(Block, f"{vendor}-credentials") for vendor in BLOCKS]


def swallowed(handlers):
    """The handlers that end an error of ours without raising again, before which no vendor that is away was let by."""
    let_by = False
    for handler in handlers:
        caught = ast.unparse(handler.type) if handler.type else "BaseException"
        raises = any(isinstance(each, ast.Raise) for each in ast.walk(handler))
        if "VendorAway" in caught and raises:
            let_by = True
        elif any(name in caught for name in ("HooklineError", "VendorError", "Exception")) and not (
            raises or let_by
        ):
            yield handler.lineno


def test_no_flow_takes_a_vendor_that_is_away_for_a_failure(repository):
    """Its run waits instead; a flow that goes on after each error would end it."""
    found = [
        f"{path.name}:{line}"
        for path in sorted((repository / "flows").glob("*.py"))
        for each in ast.walk(ast.parse(path.read_text()))
        if isinstance(each, ast.Try)
        for line in swallowed(each.handlers)
    ]

    assert [] == found


def test_no_two_files_of_tests_have_one_name(repository):
    """pytest imports each by its name alone, and would stop at the second."""
    files = (repository / "tests").rglob("test_*.py")
    names = Counter(file.name for file in files if "samples" not in file.parts)
    assert [] == [name for name, files in names.items() if files > 1]


def test_no_pattern_repeats_a_class_of_unicode_many_times():
    r"""One `[\w-]{1,100}` takes 3 MB in each process, in pydantic's expressions: the length is a bound of its own."""
    patterns = [
        (file.name, pattern)
        for file in Path("deployments/schemas").glob("*.json")
        for pattern in re.findall(r'"pattern": (".*")', file.read_text())
    ]

    costly = [
        each for each in patterns if re.search(r"\\[wWdDsS][^\[\]]*\]?\{\d+,\d{2,}\}", json.loads(each[1]))
    ]

    assert ([], True) == (costly, len(patterns) > 20)
