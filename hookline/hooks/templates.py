"""
Templates of `hooks.yaml`: sandboxed Jinja2 for conditions, parameters and ordering keys.

A template that is one `{{ expression }}` gives the expression's value with its type; any other gives text.
A name that is not defined is an error, never an empty string: a typo must not start a flow on nothing.
"""

import json
from collections.abc import Callable, ItemsView, Iterator, KeysView, Mapping, ValuesView
from itertools import islice
from types import GeneratorType
from typing import Any, Final

from jinja2 import ChainableUndefined, StrictUndefined, TemplateSyntaxError, Undefined, meta, nodes
from jinja2 import TemplateError as JinjaError
from jinja2.environment import TemplateExpression
from jinja2.sandbox import ImmutableSandboxedEnvironment

from hookline.hooks.limits import shortened
from hookline.text import one_line

CONTEXT = {
    "body": "the parsed body",
    "headers": "the request's headers, names in lower case",
    "query": "the parameters of the request's address, the last value of each",
    "method": "the request's method",
    "source": "the source's name",
    "delivery_id": "the sender's id of the delivery, or a digest of its body",
    "received_at": "when the delivery came, ISO 8601 in UTC",
    "envelope": "of an item of a bundle, the plain values around it",
}
MAX_OUTPUT = 20_000
MAX_LOOKUPS = 20
MISSING: Final = "missing"
"""In place of a value that a delivery does not have; a text would have quotes."""
MAX_MESSAGE = 200
"""Characters of the error that Jinja or Python raise for a template."""


class _Environment(ImmutableSandboxedEnvironment):
    """The sandbox; `body.items` is the body's own field of that name, not Python's method."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, Mapping):
            return obj[attribute] if attribute in obj else self.undefined(obj=obj, name=attribute)
        return super().getattr(obj, attribute)


class _Lacking(ChainableUndefined):
    """An undefined value in a condition: any comparison with it is false."""

    def _never(self, *_others: object) -> Any:
        return False

    __lt__ = __le__ = __gt__ = __ge__ = _never


_environment = _Environment(undefined=StrictUndefined, autoescape=False)
_conditions = _Environment(undefined=_Lacking, autoescape=False)
for _each in (_environment, _conditions):
    _each.globals.clear()  # nothing here needs to make long things, or to keep state


class TemplateError(ValueError):
    """A template that cannot be compiled or rendered; the text says why."""


class Template:
    """One template of `hooks.yaml`, compiled and checked when made."""

    def __init__(self, text: str, *, expression: bool = False, values: Mapping[str, str] = CONTEXT) -> None:
        """
        Compile a template; with `expression`, the text is a bare Jinja2 expression, such as a condition.

        Args:
            text: the template.
            expression: True for a condition.
            values: the names that it may use; unless given, those of a delivery.

        Raises:
            TemplateError: it cannot be compiled, or uses another name.
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
        self.variables = frozenset(meta.find_undeclared_variables(tree))
        """The values of a delivery that it uses."""
        if unknown := sorted(self.variables - set(values)):
            defined = f"only {', '.join(values)} {'are' if len(values) > 1 else 'is'} defined"
            raise TemplateError(f"uses {', '.join(unknown)}, but {defined}: {text}")

    def lookups(self, context: Mapping[str, Any]) -> dict[str, str]:
        """Return the beginnings of the values that the template looks up in one delivery, by how it names them."""
        environment = _conditions if self.is_condition else _environment
        tree = environment.parse("{{ " + self.text + " }}" if self.is_condition else self.text)
        return {
            path: MISSING if isinstance(value, Undefined) else shortened(value)
            for path, node in islice(_paths(tree), MAX_LOOKUPS)
            for value in [_looked_up(node, context)]
        }

    def render(self, context: Mapping[str, Any]) -> Any:
        """
        Return the template's value for one delivery; `context` has the values that `CONTEXT` names.

        Raises:
            TemplateError: something it uses is not in this delivery, or the result is too long.
        """
        try:
            value = _as_json(self._value(**context))
        except TemplateError as error:
            raise TemplateError(f"{error}: {self.text}") from None
        except JinjaError as error:
            raise TemplateError(f"{one_line(error.message, MAX_MESSAGE)}: {self.text}") from None
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001  (a template may divide by zero, index a number, …)
            message = one_line(error, MAX_MESSAGE)  # it may quote the body
            raise TemplateError(f"{type(error).__name__}: {message}: {self.text}") from None
        if isinstance(value, str) and len(value) > MAX_OUTPUT:
            raise TemplateError(f"gives {len(value)} characters; {MAX_OUTPUT} are allowed: {self.text}")
        return value


def _paths(node: nodes.Node) -> Iterator[tuple[str, nodes.Node]]:
    """Yield each lookup of a template, such as `body.order.id`, with its text; none within another."""
    if text := _path(node):
        yield text, node
        return
    for child in node.iter_child_nodes():
        yield from _paths(child)


def _path(node: nodes.Node) -> str:
    """Return the text of a lookup in the values of a delivery; "" for anything else."""
    match node:
        case nodes.Name(name=name, ctx="load") if name in CONTEXT:
            return str(name)
        case nodes.Getattr(node=inner, attr=name) if before := _path(inner):
            return f"{before}.{name}"
        case nodes.Getitem(node=inner, arg=nodes.Const(value=key)) if before := _path(inner):
            return f"{before}[{key!r}]"
        case _:
            return ""


def _looked_up(node: nodes.Node, context: Mapping[str, Any]) -> Any:
    """Return the value of a lookup, as a condition sees it."""
    match node:
        case nodes.Getattr(node=inner, attr=name):
            return _conditions.getattr(_looked_up(inner, context), name)
        case nodes.Getitem(node=inner, arg=nodes.Const(value=key)):
            return _conditions.getitem(_looked_up(inner, context), key)
        case nodes.Name(name=name):
            return context[name]
        case _:
            raise TypeError("not a lookup")


def _one_expression(tree: nodes.Template) -> nodes.Expr | None:
    """Return the expression that the template is; None if there is anything else in it."""
    match tree.body:
        case [nodes.Output(nodes=[nodes.Expr() as only])] if not isinstance(only, nodes.TemplateData):
            return only
        case _:
            return None


def _as_json(value: Any) -> Any:
    """Return the value as JSON gives it back."""
    try:
        text = json.dumps(value)
    except TypeError:
        text = json.dumps(_plain(value))
    return json.loads(text)


def _plain(value: Any) -> Any:
    """Return the value with lazy ones made lists; a strict undefined value raises its own error."""
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
            raise TemplateError(f"gives a {type(value).__name__}, which is not a value of JSON")
