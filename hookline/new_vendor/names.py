"""Names for Python made of a vendor's: operations, models and fields."""

import builtins
import keyword
import re
import unicodedata
from collections.abc import Collection
from typing import Final

from pydantic import BaseModel

from hookline.clients.models import Answer, Input
from hookline.clients.paging import Cursors, Offsets, PageNumbers, Sized

MAX_NAME: Final = 50

RESERVED: Final = frozenset(
    {
        "Any",
        "ClassVar",
        "Field",
        "Literal",
        "Money",
        "Amount",
        "Moment",
        "Flag",
        "Secret",
        "Joined",
        "SecretStr",
        "Answer",
        "Input",
        "NoInput",
        "Paged",
        "Rows",
        "bool",
        "bytes",
        "date",
        "datetime",
        "dict",
        "float",
        "int",
        "list",
        "object",
        "set",
        "str",
        "tuple",
        "type",
        "models",
        "self",
        "spelt",
        "cls",
        "Results",
        "Total",
        "business",
    }
)
"""Names that generated code uses itself."""
_ATTRIBUTES: Final = frozenset(
    name for kind in (BaseModel, Input, Answer) for name in dir(kind) if not name.startswith("__")
)
_PAGED: Final = frozenset(name for kind in (PageNumbers, Offsets, Cursors) for name in dir(kind)) | frozenset(
    name for kind in (PageNumbers, Offsets, Cursors, Sized) for name in kind.__annotations__
)
_METHODS: Final = frozenset(
    {
        "vendor",
        "reference",
        "decode",
        "send",
        "account",
        "slot",
        "clock_ahead",
        "auth",
        "limiter",
        "timeout",
        "connect_timeout",
        "transport",
        "watch",
        "heard",
        "base_url",
        "body_on_every_verb",
        "url",
        "dialect",
        "faults",
        "log",
        "landing",
        "seed",
        "records",
        "authorize",
        "render",
        "refusal",
        "end_sessions",
        "shared",
        "reset",
        "speak",
        "requests",
        "operations",
        "tables",
        "login",
        "secret_placeholders",
    }
)
"""Names that a client or a simulator has already."""


def ascii_words(text: str) -> list[str]:
    """Return the words of a name, in ASCII and lower case: `createHTTPInvoice` is create, http, invoice."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return [part.lower() for part in re.findall(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+\d*|[A-Z]+\d*|\d+", plain)]


def snake(text: str) -> str:
    """Return a name in snake_case that Python takes; "" if nothing is left of it."""
    words = "_".join(ascii_words(text))
    return f"n{words}" if words[:1].isdigit() else words


def camel(text: str) -> str:
    """Return a name in CamelCase that Python takes; "" if nothing is left of it."""
    words = "".join(word.capitalize() for word in ascii_words(text))
    return f"N{words}" if words[:1].isdigit() else words


def function_name(text: str, taken: Collection[str]) -> str:
    """Return the name of an operation, which no keyword, builtin, method or other operation has."""
    name = snake(text)[:MAX_NAME].strip("_") or "call"
    if keyword.iskeyword(name) or hasattr(builtins, name) or name in _METHODS or name in RESERVED:
        name = f"{name}_"
    return unique(name, taken)


def class_name(text: str, taken: Collection[str]) -> str:
    """Return the name of a model, which no keyword, builtin, field or other model has."""
    name = camel(text)[:MAX_NAME] or "Record"
    if keyword.iskeyword(name) or hasattr(builtins, name) or name in RESERVED or name in taken:
        name = f"{name}Record"
    return unique(name, taken)


def field_name(text: str, taken: Collection[str], *, is_paged: bool = False) -> str:
    """Return the name of a field: the vendor's own where Python and pydantic take it."""
    name = text if text.isascii() and text.isidentifier() and text[0] != "_" else snake(text) or "value"
    is_taken = (
        keyword.iskeyword(name) or name in RESERVED or name in _ATTRIBUTES or (is_paged and name in _PAGED)
    )
    if is_taken or name.startswith("model_"):
        name = f"{name}_"
    return unique(name, taken)


def unique(name: str, taken: Collection[str]) -> str:
    """Return the name, or with a number behind it where it is taken."""
    number, made = 2, name
    while made in taken:
        made, number = f"{name}_{number}" if name.islower() else f"{name}{number}", number + 1
    return made


def singular(word: str) -> str:
    """Return the singular of an English plural, as far as its end says it."""
    for end, instead in (("ies", "y"), ("sses", "ss"), ("xes", "x"), ("ches", "ch"), ("s", "")):
        if word.endswith(end) and not word.endswith("ss"):
            return word.removesuffix(end) + instead
    return word
