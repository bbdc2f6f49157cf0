"""
A person's answer: the fields of its form, read from text and checked, by the JSON Schema that the flow's form has.

Only plain fields, so that the same form can be asked on a phone, in the shell and in the Prefect UI.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Any, Final, Literal

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from hookline.errors import ConfigurationError, HooklineError
from hookline.text import do_you_mean, one_line, storable, typed

MAX_FIELDS: Final = 15
MAX_TEXT: Final = 5_000
"""Characters of a field."""
LONG_TEXT: Final = 200
"""A field that takes more characters has more than one line."""
MAX_DIGITS: Final = 40
MAX_MAGNITUDE: Final = 18
YES: Final = frozenset({"yes", "true", "1", "on", "y"})
NO: Final = frozenset({"no", "false", "0", "off", "n"})

Kind = Literal["text", "integer", "number", "decimal", "boolean", "choice", "date", "date-time"]


class NotUsable(HooklineError):
    """An answer does not fit its form; `problems` has a sentence for each field."""

    exit_code = 2

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__(
            "The answer does not fit: " + "; ".join(f"{name}: {why}" for name, why in problems.items())
        )
        self.problems = dict(problems)


@dataclass(frozen=True)
class Field:
    """One field of a form."""

    name: str
    title: str
    description: str
    kind: Kind
    required: bool
    default: Any = None
    choices: Sequence[Any] = ()
    max_length: int | None = None

    @property
    def is_long(self) -> bool:
        """Return True if its text may have more than one line."""
        return self.kind == "text" and (self.max_length is None or self.max_length > LONG_TEXT)


def fields_of(schema: Mapping[str, Any]) -> list[Field]:
    """
    Return the fields of a form.

    Raises:
        ConfigurationError: one is no plain value, or there are none or too many.
    """
    properties, required = schema.get("properties", {}), set(schema.get("required", ()))
    if not properties or len(properties) > MAX_FIELDS:
        raise ConfigurationError(
            f"The form {schema.get('title', '')} has {len(properties)} fields; a form has 1 to {MAX_FIELDS}."
        )
    in_order = sorted(properties.items(), key=lambda item: item[1].get("position", 0))
    return [_field(schema, name, raw, required=name in required) for name, raw in in_order]


def read(schema: Mapping[str, Any], raw: Mapping[str, str]) -> dict[str, Any]:
    """
    Return an answer, from the texts of its fields.

    Raises:
        NotUsable: it does not fit the form.
    """
    fields = {field.name: field for field in fields_of(schema)}
    problems = {
        name: f"there is no such field{do_you_mean(name, fields)}; there are: {', '.join(fields)}"
        for name in raw
        if name not in fields
    }
    answer: dict[str, Any] = {}
    for name, field in fields.items():
        text = _text(field, raw.get(name, ""))
        if text == "":
            if field.required:
                problems[name] = "is missing"
            continue
        try:
            answer[name] = _value(field, text)
        except ValueError as error:
            problems[name] = str(error)
    if problems:
        raise NotUsable(problems)
    require_fit(schema, answer)
    return answer


def require_fit(schema: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
    """Raise NotUsable if an answer does not fit the form."""
    problems: dict[str, str] = {}
    for error in Draft202012Validator(dict(schema)).iter_errors(dict(answer)):
        name = str(error.absolute_path[0]) if error.absolute_path else "the answer"
        problems.setdefault(name, _message(error))
    if problems:
        raise NotUsable(problems)


_SENTENCES: Final = {
    "minimum": "must be {} or more",
    "maximum": "must be {} or less",
    "exclusiveMinimum": "must be more than {}",
    "exclusiveMaximum": "must be less than {}",
    "maxLength": "has more than {} characters",
    "minLength": "needs {} characters or more",
}


def _message(error: ValidationError) -> str:
    sentence = _SENTENCES.get(str(error.validator))
    return sentence.format(error.validator_value) if sentence else one_line(error.message, 200)


def _field(schema: Mapping[str, Any], name: str, raw: Mapping[str, Any], *, required: bool) -> Field:
    plain = _resolved(schema, raw)
    kind = _kind(plain)
    if kind is None:
        raise ConfigurationError(
            f"The field {name} of the form {schema.get('title', '')} is no plain value. A form may have texts, "
            "numbers, true or false, dates, and choices of these."
        )
    return Field(
        name,
        title=str(raw.get("title") or plain.get("title") or name).removesuffix("RunInput"),
        description=str(raw.get("description", "")),
        kind=kind,
        required=required,
        default=raw.get("default"),
        choices=_choices(plain),
        max_length=plain.get("maxLength"),
    )


def _resolved(schema: Mapping[str, Any], raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a field's own schema: what it refers to, and of a field that may be empty what it else is."""
    for _ in range(5):
        if reference := raw.get("$ref"):
            name = str(reference).rpartition("/")[2]
            raw = {**schema.get("$defs", {}), **schema.get("definitions", {})}.get(name, {})
        elif len(one := raw.get("allOf", ())) == 1:
            raw = one[0]
        elif others := [each for each in raw.get("anyOf", ()) if each.get("type") != "null"]:
            if len(others) > 1:
                return {"type": "decimal"} if _is_decimal(others) else {}
            raw = others[0]
        else:
            return raw
    return {}


def _is_decimal(others: Sequence[Mapping[str, Any]]) -> bool:
    return {each.get("type") for each in others} == {"number", "string"}


_KINDS: Final[Mapping[object, Kind]] = {
    "string": "text",
    "integer": "integer",
    "number": "number",
    "boolean": "boolean",
    "decimal": "decimal",
}
_FORMATS: Final[Mapping[object, Kind]] = {"date": "date", "date-time": "date-time"}


def _kind(plain: Mapping[str, Any]) -> Kind | None:
    if _choices(plain):
        return "choice"
    kind = _KINDS.get(plain.get("type"))
    return _FORMATS.get(plain.get("format"), kind) if kind == "text" else kind


def _choices(plain: Mapping[str, Any]) -> Sequence[Any]:
    choices = [plain["const"]] if "const" in plain else plain.get("enum", ())
    return choices if all(isinstance(each, str | int | float) for each in choices) else ()


def _text(field: Field, raw: str) -> str:
    if not field.is_long:
        return typed(raw)
    lines = raw.replace("\r\n", "\n").split("\n")
    return storable("\n".join(map(typed, lines)).strip())


def _value(field: Field, text: str) -> Any:
    """Return the value that a text stands for; raises ValueError, for people."""
    if len(text) > MAX_TEXT:
        raise ValueError(f"has more than {MAX_TEXT} characters")
    read_value: Mapping[str, Callable[[str], Any]] = {
        "boolean": _boolean,
        "choice": partial(_choice, field),
        "integer": _integer,
        "number": lambda text: float(_decimal(text)),
        "decimal": lambda text: str(_decimal(text)),
        "date": partial(_moment, date, "a day, such as 2026-11-30"),
        "date-time": partial(_moment, datetime, "a time, such as 2026-11-30T14:00"),
    }
    return read_value.get(field.kind, str)(text)


def _boolean(text: str) -> bool:
    if text.lower() not in YES | NO:
        raise ValueError("must be yes or no")
    return text.lower() in YES


def _integer(text: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", text, re.ASCII):
        raise ValueError("must be a whole number")
    return int(text)


def _choice(field: Field, text: str) -> Any:
    for choice in field.choices:
        if text == str(choice):
            return choice
    raise ValueError(f"must be one of {', '.join(map(str, field.choices))}")


def _decimal(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ValueError("must be a number") from None
    if not number.is_finite() or len(text) > MAX_DIGITS or abs(number.adjusted()) > MAX_MAGNITUDE:
        raise ValueError("must be a number")
    return number


def _moment(kind: type[date], example: str, text: str) -> str:
    try:
        return kind.fromisoformat(text).isoformat()
    except ValueError:
        raise ValueError(f"must be {example}") from None
