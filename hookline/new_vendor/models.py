"""The models of a vendor's inputs and answers, made from the schemas of its specification."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from hookline.new_vendor.document import Document, LeftOut
from hookline.new_vendor.names import camel, class_name, field_name, singular, snake
from hookline.new_vendor.paging import Paging, paging_of
from hookline.new_vendor.spec import Call, Parameter, plain_text

MAX_MODELS: Final = 1500
MAX_NESTED: Final = 8
"""Objects within each other that become models; deeper ones stay as they come."""
MAX_CHOICES: Final = 8
LINE: Final = 110

Side = Literal["in", "out"]

_OUT: Final = {"integer": "int", "number": "Money", "boolean": "Flag", "string": "str"}
_IN: Final = {"integer": "int", "number": "Amount", "boolean": "bool", "string": "str"}


def quoted(text: str) -> str:
    """Return a text as a literal of Python, in ASCII."""
    escaped = text.encode("unicode_escape").decode("ascii")
    if '"' in escaped and "'" not in escaped:
        return f"'{escaped}'"
    escaped = escaped.replace('"', '\\"')
    return f'"{escaped}"'


@dataclass(frozen=True)
class Attribute:
    """A field of a model, or one of its class variables."""

    name: str
    annotation: str
    default: str = ""
    """What is behind the equals sign."""

    @property
    def is_required(self) -> bool:
        """Return True if it has no default."""
        return not self.default or (self.default.startswith("spelt(") and ", default=" not in self.default)

    def __str__(self) -> str:
        return f"{self.name}: {self.annotation}" + (f" = {self.default}" if self.default else "")


@dataclass
class Model:
    """One class."""

    name: str
    base: str
    about: str
    variables: list[Attribute] = field(default_factory=list)
    fields: list[Attribute] = field(default_factory=list)
    by_name: bool = False
    """True where a field has another name than the vendor's, so that both must be taken."""


@dataclass
class Made:
    """The models of one call, and the places of its rows and its record."""

    call: Call
    input: str
    answer: str
    paging: Paging
    fields: dict[str, str]
    """The inputs: the name in Python, by the vendor's."""
    rows: str = ""
    """The field of the answer that holds the rows; "": the answer is the list itself, or none."""
    row: str = ""
    """The model of a row."""
    record: str = ""
    """The field of the body that holds the record, where it holds nothing else."""


class Models:
    """The models of some calls, each made once."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.made: list[Model] = []
        self.used: set[str] = set()
        """Names that the models use of others."""
        self._names: set[str] = set()
        self._by_place: dict[tuple[str, Side], str] = {}
        self._open: set[str] = set()
        self._merges: dict[int, dict[str, Any]] = {}
        self._field_names = set(_property_names(document.root))

    def of(self, call: Call) -> Made:
        """Make the models of a call."""
        paging = paging_of(call, self.document)
        fields: dict[str, str] = {}
        input_name, record = self._input(call, paging, fields)
        answer, row = self._answer(call, paging)
        return Made(call, input_name, answer, paging, fields, paging.rows, row, record)

    # Inputs

    def _input(self, call: Call, paging: Paging, fields: dict[str, str]) -> tuple[str, str]:
        model = Model("", "Input", call.summary)
        names: set[str] = set()
        for each in call.parameters:
            self._add_parameter(model, each, names, fields, is_paged=bool(paging.base))
        record = self._add_body(model, call, names, fields) if call.body is not None else ""
        if paging.base:
            self._add_paging(model, paging, fields)
        if not model.fields:
            self.used.add("NoInput")
            return "NoInput", ""
        apart = [("sent_in_headers", call.inputs("header")), ("sent_in_query", call.inputs("query"))]
        for name, inputs in apart:
            in_body = call.body is not None or call.verb not in ("GET", "DELETE")
            if inputs and (name == "sent_in_headers" or in_body):
                texts = "".join(f"{quoted(each.name)}, " for each in inputs)
                texts = texts if len(inputs) == 1 else texts.removesuffix(" ").removesuffix(",")
                model.variables.append(Attribute(name, "ClassVar[tuple[str, ...]]", f"({texts.rstrip()})"))
                self.used.add("ClassVar")
        model.name = self._name(camel(call.name))
        self._add(model)
        return model.name, record

    def _add_parameter(
        self,
        model: Model,
        parameter: Parameter,
        names: set[str],
        fields: dict[str, str],
        *,
        is_paged: bool,
    ) -> None:
        annotation = self._annotation(parameter.schema, "in", f"{camel(parameter.name)}Input", 0)
        if parameter.joined:
            self.used.add("Joined")
            annotation = "Joined"
        if parameter.place == "path":
            annotation = annotation if annotation in ("int", "str") else "str"
        self._add_field(
            model, parameter.name, annotation, names, required=parameter.required, is_paged=is_paged
        )
        fields[parameter.name] = model.fields[-1].name

    def _add_body(self, model: Model, call: Call, names: set[str], fields: dict[str, str]) -> str:
        """Add what the body holds; return the field in which it holds its record alone."""
        assert call.body is not None  # noqa: S101  (the caller asked)
        schema = self._merged(call.body)
        properties = _properties(schema)
        other = {each.name for each in call.parameters if each.place != "path"}
        if not properties or other & set(properties) or schema.get("oneOf") or schema.get("anyOf"):
            name = "items" if schema.get("type") == "array" else "body"
            hint = f"{camel(call.name)}Body"
            annotation = self._annotation(call.body, "in", hint, 0)
            annotation = "dict[str, Any]" if annotation == "Any" else annotation
            self.used |= {"Any"} if "Any" in annotation else set()
            self._add_field(model, name, annotation, names, required=True)
            fields[name] = model.fields[-1].name
            model.variables.append(Attribute("sent_alone", "ClassVar[str]", quoted(name)))
            self.used.add("ClassVar")
            return name
        required = set(_texts(schema.get("required")))
        only = _only(call, properties)
        required |= {only} if only else set()
        for name, each in sorted(properties.items(), key=lambda one: one[0] not in required):
            if isinstance(each, dict) and each.get("readOnly") is True:
                continue
            annotation = self._annotation(each, "in", f"{camel(call.name)}{camel(name)}", 0)
            self._add_field(model, name, annotation, names, required=name in required)
            fields[name] = model.fields[-1].name
        if not only:
            return ""
        inner = self._merged(properties[only]) if isinstance(properties[only], dict) else {}
        if inner.get("type") == "array":
            return f"{only}[]"
        return only if _properties(inner) else ""

    def _add_paging(self, model: Model, paging: Paging, fields: dict[str, str]) -> None:
        model.base = paging.base
        self.used.add(paging.base)
        for name, value in paging.variables.items():
            text = fields.get(value, value) if isinstance(value, str) and name.endswith("_input") else value
            kind = "str" if isinstance(text, str) else "int"
            model.variables.append(
                Attribute(name, f"ClassVar[{kind}]", quoted(text) if isinstance(text, str) else str(text))
            )
            self.used.add("ClassVar")
        # Paging fills these in, so nobody needs to.
        filled = {
            fields.get(str(value)) for name, value in paging.variables.items() if name.endswith("_input")
        }
        model.fields = sorted(
            (_optional(each) if each.name in filled else each for each in model.fields),
            key=lambda each: not each.is_required,
        )

    # Answers

    def _answer(self, call: Call, paging: Paging) -> tuple[str, str]:
        """Return the type of the answer, and that of a row."""
        if call.answer is None:
            return "type(None)", ""
        hint = f"{camel(call.name)}Answer"
        if not paging.has_rows:
            annotation = self._annotation(call.answer, "out", hint, 0)
            return annotation, ""
        items = paging.items
        row_hint = camel(singular(paging.rows or call.tag or call.name))
        row = self._annotation(items, "out", row_hint, 0)
        if not paging.rows:
            return f"list[{row}]", row
        model = Model(
            self._name(f"{camel(call.name)}Page"), f"Rows[{row}]", f"A page of what {call.name} reads."
        )
        self.used.add("Rows")
        rows = field_name(paging.rows, ())
        model.variables.append(Attribute("rows_in", "ClassVar[str]", quoted(rows)))
        self.used.add("ClassVar")
        names: set[str] = set()
        self._add_answer_field(model, paging.rows, f"list[{row}]", names, required=True)
        for name, each in _properties(self._merged(call.answer)).items():
            if name != paging.rows:
                annotation = self._annotation(each, "out", f"{model.name}{camel(name)}", 0)
                self._add_answer_field(model, name, annotation, names)
        if paging.total:
            total = next(
                (each.name for each in model.fields if paging.total in (each.name, _alias(each))), ""
            )
            model.variables.append(Attribute("total_in", "ClassVar[str]", quoted(total)))
        self._add(model)
        return model.name, row

    # Types

    def _annotation(self, raw: Any, side: Side, hint: str, depth: int) -> str:
        """Return the annotation of a schema; its models are made on the way."""
        schema = self._merged(raw)
        kind = schema.get("type")
        kind = next((each for each in kind if each != "null"), None) if isinstance(kind, list) else kind
        if _properties(schema):
            return self._object(raw, schema, side, hint, depth)
        names = _OUT if side == "out" else _IN
        match kind:
            case "array":
                return f"list[{self._annotation(schema.get('items'), side, singular(hint), depth)}]"
            case "object":
                made = "dict[str, Any]"
            case "string":
                made = self._text(schema, side)
            case "integer" | "number" | "boolean":
                made = names[kind]
            case _:
                made = self._text(schema, side) if "enum" in schema else "Any"
        self.used |= set(re.findall(r"[A-Za-z_]\w*", made))
        return made

    def _text(self, schema: dict[str, Any], side: Side) -> str:
        form, choices = schema.get("format"), schema.get("enum")
        if form == "password":
            name = "Secret" if side == "in" else "SecretStr"
        elif side == "out":
            name = "Moment" if form in ("date-time", "date") else "str"
        elif isinstance(choices, list) and choices and all(isinstance(each, str) for each in choices):
            texts = list(dict.fromkeys(each for each in choices if isinstance(each, str)))
            inside = ", ".join(map(quoted, texts))
            if len(texts) > MAX_CHOICES or len(inside) > LINE // 2:
                return "str"
            self.used.add("Literal")
            return f"Literal[{inside}]"
        else:
            name = {"date-time": "datetime", "date": "date"}.get(str(form), "str")
        self.used.add(name)
        return name

    def _object(self, raw: dict[str, Any], schema: dict[str, Any], side: Side, hint: str, depth: int) -> str:
        if depth >= MAX_NESTED or len(self.made) >= MAX_MODELS:
            self.used.add("Any")
            return "dict[str, Any]"
        reference = raw.get("$ref")
        place = (str(reference or id(raw)), side)
        if place in self._by_place:
            name = self._by_place[place]
            return f'"{name}"' if name in self._open else name
        known = str(reference).rsplit("/", 1)[-1] if reference else hint
        name = self._name(
            camel(known) + ("Input" if side == "in" and not camel(known).endswith("Input") else "")
        )
        self._by_place[place] = name
        self._open.add(name)
        about = _about(schema, name)
        model = Model(name, "Input" if side == "in" else "Answer", about)
        names: set[str] = set()
        required = set(_texts(schema.get("required"))) if side == "in" else set()
        for prop, each in sorted(_properties(schema).items(), key=lambda one: one[0] not in required):
            flags = each if isinstance(each, dict) else {}
            if flags.get("readOnly" if side == "in" else "writeOnly") is True:
                continue
            annotation = self._annotation(each, side, f"{name.removesuffix('Input')}{camel(prop)}", depth + 1)
            if side == "out":
                self._add_answer_field(model, prop, annotation, names)
            else:
                self._add_field(model, prop, annotation, names, required=prop in required)
        self._open.discard(name)
        if not model.fields:
            model.about = about
        self._add(model)
        return name

    def _merged(self, raw: Any) -> dict[str, Any]:
        """Return a schema whose references are followed, and whose `allOf` is one; each is merged once."""
        try:
            schema = self.document.resolve(raw)
        except LeftOut:  # what nobody can follow may be anything
            return {}
        if id(schema) not in self._merges:
            self._merges[id(schema)] = {}  # what is within itself adds nothing
            self._merges[id(schema)] = self._merge(schema)
        return self._merges[id(schema)]

    def _merge(self, schema: dict[str, Any]) -> dict[str, Any]:
        for union in ("oneOf", "anyOf"):
            options = [each for each in _dicts(schema.get(union)) if each.get("type") != "null"]
            if len(options) == 1 and not _properties(schema):
                return self._merged(options[0])
        parts = _dicts(schema.get("allOf"))
        merged: dict[str, Any] = {name: each for name, each in schema.items() if name != "allOf"}
        for part in parts:
            inner = self._merged(part)
            merged = inner | merged | {"properties": _properties(inner) | _properties(merged)}
            merged["required"] = [*_texts(inner.get("required")), *_texts(merged.get("required"))]
        if parts and not merged["properties"]:
            del merged["properties"]
        return merged

    # Fields

    def _add_field(
        self,
        model: Model,
        name: str,
        annotation: str,
        names: set[str],
        *,
        required: bool = False,
        is_paged: bool = False,
    ) -> None:
        python = field_name(name, names, is_paged=is_paged)
        names.add(python)
        optional = annotation == "Any"
        wide = annotation if required or optional else _or_none(annotation)
        default = "" if required else "None"
        model.fields.append(Attribute(python, wide, self._with_alias(model, python, name, default)))

    def _add_answer_field(
        self, model: Model, name: str, annotation: str, names: set[str], *, required: bool = False
    ) -> None:
        python = field_name(name, names)
        if python.lower() in {each.lower() for each in names}:
            return  # read in any case: the other one has it
        names.add(python)
        simple = {"str": '""', "Moment": "None", "Any": "None", "Flag": "False"}
        default = "" if required else simple.get(annotation, "None")
        wide = annotation if required or annotation in simple else _or_none(annotation)
        model.fields.append(Attribute(python, wide, self._with_alias(model, python, name, default)))

    def _with_alias(self, model: Model, python: str, name: str, default: str) -> str:
        if python == name:
            return default
        model.by_name = True
        self.used |= {"spelt", "ConfigDict"}
        return f"spelt({quoted(name)}{f', default={default}' if default else ''})"

    def _name(self, text: str) -> str:
        name = class_name(text, self._names | self._field_names)
        self._names.add(name)
        return name

    def _add(self, model: Model) -> None:
        self.used.add(model.base.split("[")[0])
        self.made.append(model)


def _only(call: Call, properties: dict[str, Any]) -> str:
    """Return the field of a body that holds its record: the only one, or the one that is named as the path ends."""
    last = next((part for part in reversed(call.path.split("/")) if part and "{" not in part), "")
    named = [name for name in properties if snake(name) == snake(last)]
    return next(iter(properties)) if len(properties) == 1 else next(iter(named), "")


def _or_none(annotation: str) -> str:
    """Return the annotation of what may be left out; a name in quotes stands for a class that is not there yet."""
    return f'"{annotation.strip(chr(34))} | None"' if annotation.startswith('"') else f"{annotation} | None"


def _optional(attribute: Attribute) -> Attribute:
    if attribute.is_required:
        default = attribute.default.removesuffix(")") + ", default=None)" if attribute.default else "None"
        return Attribute(attribute.name, f"{attribute.annotation} | None", default)
    return attribute


def _alias(attribute: Attribute) -> str:
    found = re.match(r'spelt\("((?:[^"\\]|\\.)*)"', attribute.default)
    return found[1] if found else attribute.name


def _about(schema: dict[str, Any], name: str) -> str:
    """Return the sentence about a model."""
    sentence = plain_text(schema.get("description")).split(". ")[0].rstrip(".!?:, ")
    if sentence and len(sentence) <= 90 and sentence[0].isalpha():  # noqa: PLR2004
        return f"{sentence[0].upper()}{sentence[1:]}."
    return f"{name} as the vendor has it."


def _properties(schema: dict[str, Any]) -> dict[str, Any]:
    found = schema.get("properties")
    return found if isinstance(found, dict) else {}


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _texts(value: Any) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def _property_names(value: Any) -> Iterable[str]:
    """Yield every name of a property in a specification: no model may be called so."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            properties = one.get("properties")
            if isinstance(properties, dict):
                yield from properties
            if isinstance(one.get("name"), str):
                yield one["name"]
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
