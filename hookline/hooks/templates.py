"""
Sandboxed Jinja2 for conditions, parameters and ordering keys.

A template that is one `{{ expression }}` gives the expression's value with its type; any other gives text.
A name that is not defined is an error, never an empty string: a typo must not start a flow on nothing.
"""

import json
from collections.abc import Callable, ItemsView, KeysView, Mapping, ValuesView
from types import GeneratorType
from typing import Any

from jinja2 import ChainableUndefined, StrictUndefined, TemplateSyntaxError, Undefined, meta, nodes
from jinja2 import TemplateError as JinjaError
from jinja2.environment import TemplateExpression
from jinja2.sandbox import ImmutableSandboxedEnvironment

from hookline.text import one_line

NAMES = {
    "body": "the parsed body",
    "headers": "the request's headers, names in lower case",
    "query": "the parameters of the request's address, the last value of each",
    "method": "the request's method",
    "source": "the source's name",
    "delivery_id": "the sender's id of the delivery, or a digest of its body",
    "received_at": "when the delivery came, ISO 8601 in UTC",
}
MAX_OUTPUT = 20_000
MAX_TOLD = 200
"""Characters of what Jinja or Python say of a template that fails."""


class _Environment(ImmutableSandboxedEnvironment):
    """The sandbox; `body.items` is the body's own field of that name, not Python's method."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, Mapping):
            return obj[attribute] if attribute in obj else self.undefined(obj=obj, name=attribute)
        return super().getattr(obj, attribute)


class _Lacking(ChainableUndefined):
    """A condition may ask for what a body lacks: then it does not hold."""

    def _never(self, *_others: object) -> Any:
        return False

    __lt__ = __le__ = __gt__ = __ge__ = _never


_environment = _Environment(undefined=StrictUndefined, autoescape=False)
_conditions = _Environment(undefined=_Lacking, autoescape=False)
for _each in (_environment, _conditions):
    _each.globals.clear()  # nothing here needs to make long things, or to keep state


class TemplateError(ValueError):
    """A template that cannot be read or rendered; the text says what is wrong with it."""


class Template:
    """One template of `hooks.yaml`, checked when made."""

    def __init__(self, text: str, *, expression: bool = False) -> None:
        """
        Compile a template; with `expression`, the text is a bare Jinja2 expression, such as a condition.

        Raises:
            TemplateError: it cannot be read, or uses a name that no delivery has.
        """
        self.text = text
        self.is_condition = expression
        self._value: Callable[..., Any]
        environment = _conditions if expression else _environment
        try:
            tree = environment.parse("{{ " + text + " }}" if expression else text.strip())
            whole = _one_expression(tree)
            if whole is None and expression:
                raise TemplateError(f"cannot be read: it is not one expression: {text}")
            if whole is None:
                self._value = environment.from_string(text).render
            else:
                result = nodes.Template(
                    [nodes.Assign(nodes.Name("result", "store"), whole, lineno=1)], lineno=1
                )
                result.set_environment(environment)
                self._value = TemplateExpression(environment.from_string(result), undefined_to_none=False)
        except TemplateSyntaxError as error:
            raise TemplateError(f"cannot be read: {error.message}: {text}") from None
        self.uses = frozenset(meta.find_undeclared_variables(tree))
        """The names of a delivery that it asks for."""
        if unknown := sorted(self.uses - set(NAMES)):
            raise TemplateError(f"uses {', '.join(unknown)}, but only {', '.join(NAMES)} are defined: {text}")

    def render(self, names: Mapping[str, Any]) -> Any:
        """
        The template's value for one delivery.

        Raises:
            TemplateError: something it uses is not in this delivery, or the result is too long.
        """
        try:
            value = _as_json(self._value(**names))
        except TemplateError as error:
            raise TemplateError(f"{error}: {self.text}") from None
        except JinjaError as error:
            raise TemplateError(f"{one_line(error.message, MAX_TOLD)}: {self.text}") from None
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001  (a template may divide by zero, index a number, …)
            told = one_line(error, MAX_TOLD)  # it may quote the body
            raise TemplateError(f"{type(error).__name__}: {told}: {self.text}") from None
        if isinstance(value, str) and len(value) > MAX_OUTPUT:
            raise TemplateError(f"gives {len(value)} characters; {MAX_OUTPUT} are allowed: {self.text}")
        return value


def _one_expression(tree: nodes.Template) -> nodes.Expr | None:
    """The expression that a template is, if it is one and nothing else."""
    match tree.body:
        case [nodes.Output(nodes=[nodes.Expr() as only])] if not isinstance(only, nodes.TemplateData):
            return only
        case _:
            return None


def _as_json(value: Any) -> Any:
    """The value as JSON gives it back."""
    try:
        text = json.dumps(value)
    except TypeError:
        text = json.dumps(_plain(value))
    return json.loads(text)


def _plain(value: Any) -> Any:
    """The value with what is lazy made a list; a strict undefined explains itself by raising."""
    match value:
        case Undefined():
            return str(value)
        case None | bool() | int() | float():
            return value
        case str():
            return str(value)
        case Mapping():
            return {str(key): _plain(inner) for key, inner in value.items()}
        case list() | tuple() | set() | GeneratorType() | ItemsView() | KeysView() | ValuesView():
            return [_plain(inner) for inner in value]
        case _:
            raise TemplateError(f"gives a {type(value).__name__}, which is no value of JSON")
