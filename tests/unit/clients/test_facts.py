"""What clients and simulators rely on stands in the tables of facts, and nothing there hangs in the air."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

import hookline.facts
from hookline.clients import CLIENTS, operations
from hookline.errors import HooklineError
from hookline.facts import Fact, Facts, facts_of
from hookline.simulators.dialect import Dialect
from hookline.simulators.faults import InvalidControlError
from hookline.vendors import vendors

SIMULATORS = Path(hookline.facts.__file__).with_name("simulators")
NAMED = re.compile(r"""dialect\[["']([\w-]+)["']\]|# fact: ([\w-]+)""")

VENDOR = """
from pathlib import Path
from hookline.vendors import Vendor

VENDOR = Vendor(name="acme", title="Acme", settings="none", client="none", block="none", tasks="none",
                facts=Path(__file__).with_name("facts.yaml"))
"""
FACT = {"id": "a", "fact": "It is so.", "trust": "public", "source": "S, page 1", "breaks": "All."}


def answer_models(vendor: str) -> dict[str, type[BaseModel]]:
    """The models that a vendor's answers are made of, by name."""
    found: dict[str, type[BaseModel]] = {}

    def visit(kind: object) -> None:
        for inner in get_args(kind):
            visit(inner)
        if isinstance(kind, type) and issubclass(kind, BaseModel) and kind not in found.values():
            found[kind.__name__] = kind
            for field in kind.model_fields.values():
                visit(field.annotation)

    for operation in operations(CLIENTS[vendor]).values():
        visit(operation.answer)
    return {name: kind for name, kind in found.items() if "[" not in name}


def declared_fields(vendor: str) -> Iterator[tuple[str, str]]:
    for name, kind in answer_models(vendor).items():
        yield from ((name, field) for field in kind.model_fields)  # those of its bases too


@pytest.mark.parametrize("vendor", CLIENTS)
def test_each_field_that_we_read_is_published_by_the_vendor_or_marked_as_assumed(vendor):
    known = facts_of(vendor)

    def is_known(model, field):
        # a model as a whole may be assumed only where the vendor publishes none of its fields
        record = known.records.get(model)
        published = {name.lower() for name in record.fields} if record else set()
        return (
            field.lower() in published
            or (record is not None and field in record.ours)
            or (not published and any(known.assumed_about(model)))
            or any(known.assumed_about(f"{model}.{field}"))
        )

    assert [] == [
        f"{model}.{field}" for model, field in declared_fields(vendor) if not is_known(model, field)
    ]


@pytest.mark.parametrize("vendor", CLIENTS)
def test_each_fact_is_about_an_operation_a_model_or_a_field_that_exists(vendor):
    models = answer_models(vendor)
    fields = {f"{name}.{field}" for name, kind in models.items() for field in kind.model_fields}
    names = {*operations(CLIENTS[vendor]), *models, *fields}

    assert [] == [name for fact in facts_of(vendor).facts for name in fact.about if name not in names]
    assert set(facts_of(vendor).records) <= set(models)


@pytest.mark.parametrize("vendor", [name for name in CLIENTS if vendors()[name].facts])
def test_what_a_simulator_says_of_a_fact_is_said_of_one_that_exists(vendor):
    known = {fact.id: fact for fact in facts_of(vendor).facts}
    text = "".join(path.read_text() for path in sorted((SIMULATORS / vendor).glob("*.py")))
    spoken, named = (set(filter(None, found)) for found in zip(*NAMED.findall(text), strict=True))

    assert set() == (spoken | named) - set(known)
    assert {name for name, fact in known.items() if fact.variants} == spoken, "each variant can be spoken"
    assert "assumed" not in text


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"trust": "assumed"}, "how the first account confirms"),
        ({"variants": {"only": "One."}}, "one variant is none"),
        ({"settings": {"b": {"X": "1"}}}, "no variant"),
        ({"source": "elsewhere"}, "no code of `sources`"),
    ],
)
def test_a_table_that_leaves_something_open_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        Facts.model_validate({"sources": {"S": {"title": "A book"}}, "facts": [FACT | wrong]})


def test_two_facts_of_one_id_are_refused():
    with pytest.raises(ValueError, match="same id: a"):
        Facts.model_validate({"sources": {"S": {"title": "A book"}}, "facts": [FACT, FACT]})


@pytest.fixture
def table(tmp_path, monkeypatch):
    """Writes a table of facts for a vendor of its own."""
    package = tmp_path / "vendors" / "acme"
    package.mkdir(parents=True)
    (package / "vendor.py").write_text(VENDOR)
    monkeypatch.syspath_prepend(tmp_path)
    yield package / "facts.yaml"
    facts_of.cache_clear()


def test_a_table_that_cannot_be_read_is_told_with_its_place(table: Path):
    table.write_text("facts: [{id: a}]")

    with pytest.raises(HooklineError, match=rf"{table}: facts.0.fact: Field required"):
        facts_of("acme")


@pytest.fixture
def polyglot(monkeypatch):
    variants = {"zero": "0", "empty": "Nothing", "absent": "No field"}
    facts = tuple(
        Fact.model_validate(FACT | {"id": f"fact-{number}", "variants": variants}) for number in range(8)
    )
    monkeypatch.setattr("hookline.simulators.dialect.facts_of", lambda _: Facts.model_construct(facts=facts))


def test_a_dialect_is_the_likeliest_variants_or_those_that_its_seed_draws(polyglot):
    assert {"zero"} == set(Dialect("acme").spoken.values())
    assert Dialect("acme", 3).spoken == Dialect("acme", 3).spoken
    assert {"zero", "empty", "absent"} == {Dialect("acme", seed)["fact-5"] for seed in range(1, 20)}


def test_a_dialect_speaks_what_it_is_told_and_refuses_what_it_does_not_know(polyglot):
    dialect = Dialect("acme")
    dialect.speak({"fact-1": "absent"})

    assert ("absent", "zero") == (dialect["fact-1"], dialect["fact-2"])
    with pytest.raises(InvalidControlError, match="one of zero, empty, absent"):
        dialect.speak({"fact-1": "loud"})
    with pytest.raises(InvalidControlError, match="no variants"):
        dialect.speak({"fact-9": "zero"})
