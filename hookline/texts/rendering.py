"""
Rendering of one template, in a process of its own: what loops or grows without end, ends with it.

A template is a sandboxed Jinja2 text. An undefined name is an error, and what a Markdown or HTML template places is
escaped.
"""

import functools
from collections.abc import Callable, Iterator, Mapping
from datetime import date, time
from decimal import Decimal
from types import TracebackType
from typing import Any, Final, Literal

from jinja2 import (
    StrictUndefined,
    TemplateError,
    TemplateRuntimeError,
    TemplateSyntaxError,
    Undefined,
    pass_eval_context,
)
from jinja2 import Template as Compiled
from jinja2.nodes import EvalContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from hookline.text import markdown, one_line, storable

Form = Literal["plain", "markdown", "html"]
MAX_OUTPUT: Final = 1_000_000
"""Characters of one text."""
MAX_MESSAGE: Final = 200
_MAKE_HTML: Final = ("e", "escape", "forceescape", "tojson", "urlize", "xmlattr")
"""Filters whose result counts as escaped, which it is for HTML alone."""
_NOT_PLAIN: Final = ("pprint", "random")
_WRITTEN: Final = (str, int, float, Decimal, date, time)
_NOT_WRITTEN: Final = (
    "a {} is no text: of a list, write each one in a loop or use join, and after a method's name write ()"
)


class WrongTemplate(ValueError):
    """A template that cannot be used; the message begins with its line."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(line, message)
        self.line = line
        self.message = message

    def __str__(self) -> str:
        """Return the line and what is wrong there."""
        return f"line {self.line}: {self.message}"


class _Environment(ImmutableSandboxedEnvironment):
    """The sandbox; `license.items` is the value of that name, not Python's method."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, Mapping):
            return obj[attribute] if attribute in obj else self.undefined(obj=obj, name=attribute)
        return super().getattr(obj, attribute)


def _finalizer(escape: Callable[[object], str] | None) -> Callable[[EvalContext, Any], Any]:
    @pass_eval_context
    def finalize(_context: EvalContext, value: Any) -> Any:
        if value is None:
            return ""
        if isinstance(value, Undefined):
            str(value)  # which raises
        if not isinstance(value, _WRITTEN):
            raise TemplateRuntimeError(_NOT_WRITTEN.format(type(value).__name__))
        return value if escape is None or isinstance(value, Markup) else Markup(escape(value))  # noqa: S704

    return finalize


def _environment(form: Form) -> _Environment:
    made = _Environment(
        undefined=StrictUndefined,
        autoescape=form == "html",  # Jinja2 knows no Markdown: the finalizer alone escapes for it
        finalize=_finalizer(markdown if form == "markdown" else None),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.clear()  # nothing here needs to make long things, or to keep state
    for name in (
        *_NOT_PLAIN,
        *(_MAKE_HTML if form != "html" else ()),
        *(["safe"] if form == "markdown" else ()),
    ):
        del made.filters[name]
    return made


ENVIRONMENTS: Final = {form: _environment(form) for form in ("plain", "markdown", "html")}


def render_text(source: str, form: Form, values: Mapping[str, Any]) -> str:
    """
    Return a text, without empty lines around it.

    Raises:
        WrongTemplate: it cannot be compiled or rendered; names the line.
    """
    compiled = _compiled(source, form)
    return _rendered(compiled, compiled.root_render_func, values).strip("\n")


def render_blocks(source: str, form: Form, values: Mapping[str, Any]) -> dict[str, str]:
    """
    Return the text of each block by its name, in the order of the file.

    Raises:
        WrongTemplate: as `render_text`.
    """
    compiled = _compiled(source, form)
    blocks = compiled.blocks.items()
    return {name: _rendered(compiled, block, values).strip("\n") for name, block in blocks}


@functools.lru_cache(maxsize=256)
def _compiled(source: str, form: Form) -> Compiled:
    try:
        return ENVIRONMENTS[form].from_string(source)
    except TemplateSyntaxError as error:
        raise WrongTemplate(error.lineno, _sentence(error.message)) from None
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001  (Python's compiler refuses what is nested too deeply, in several ways)
        raise WrongTemplate(1, f"cannot be compiled: {type(error).__name__}: {_sentence(error)}") from None


def _rendered(compiled: Compiled, function: Callable[..., Iterator[str]], values: Mapping[str, Any]) -> str:
    pieces, length = [], 0
    try:
        for piece in function(compiled.new_context(dict(values))):
            pieces.append(piece)
            length += len(piece)
            if length > MAX_OUTPUT:
                break
    except MemoryError:
        raise
    except TemplateError as error:
        raise WrongTemplate(_line(compiled, error.__traceback__), _sentence(error.message)) from None
    except Exception as error:  # noqa: BLE001  (a template may divide by zero, index a number, …)
        message = f"{type(error).__name__}: {_sentence(error)}"
        raise WrongTemplate(_line(compiled, error.__traceback__), message) from None
    if length > MAX_OUTPUT:
        raise WrongTemplate(1, f"gives more than {MAX_OUTPUT:,} characters")
    return storable("".join(pieces))


def _line(compiled: Compiled, traceback: TracebackType | None) -> int:
    """Return the line of the template at which an error was raised."""
    line = 1
    while traceback is not None:
        if "__jinja_template__" in traceback.tb_frame.f_globals:
            line = compiled.get_corresponding_lineno(traceback.tb_lineno)
        traceback = traceback.tb_next
    return line


def _sentence(error: object) -> str:
    return one_line(error, MAX_MESSAGE)
