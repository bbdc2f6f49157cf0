"""
What a template names, judged by reading it: nothing of it is run.

So each mistake is found, also in a part that the examples do not come by: an undefined value, a field that it does not
have, an unknown filter, what would be lost outside of the blocks of a mail.
"""

from collections.abc import Collection, Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Any, Final, get_args, get_origin

from jinja2 import TemplateSyntaxError, meta, nodes
from pydantic import BaseModel

from hookline.text import do_you_mean, one_line
from hookline.texts.declared import Text
from hookline.texts.rendering import ENVIRONMENTS, Form, WrongTemplate

UNKNOWN: Final = Any
"""The type of what cannot be judged by reading."""
MAX_MISTAKES: Final = 50
"""The first ones of a file: nobody reads thousands, and no log holds them."""
_FOREIGN: Final = (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)


def mistakes(source: str, form: Form, text: type[Text]) -> list[WrongTemplate]:
    """Return what is wrong with a template of a text, by its line."""
    try:
        tree = ENVIRONMENTS[form].parse(source)
        found = list(_unknown(tree, form))
        assigned = _assigned(tree)
        types = {**_types(text), **dict.fromkeys(assigned, UNKNOWN)}
        found += [*_fields(tree, types, assigned), *([] if found else _undefined(tree, form, text))]
    except TemplateSyntaxError as error:
        return [WrongTemplate(error.lineno, one_line(error.message))]
    except RecursionError:
        return [WrongTemplate(1, "is nested too deeply")]
    except ValueError as error:  # of a number that is too long for Python
        return [WrongTemplate(1, one_line(error))]
    found += [WrongTemplate(node.lineno, _no_other(node)) for node in tree.find_all(_FOREIGN)]
    if text.blocks:
        found += _outside(tree)
    return sorted(found, key=lambda each: each.line)[:MAX_MISTAKES]


def _no_other(node: nodes.Node) -> str:
    return f"a template is one file: {type(node).__name__.lower()} is not possible"


def _undefined(tree: nodes.Template, form: Form, text: type[Text]) -> Iterator[WrongTemplate]:
    known = text.model_fields
    tracker = meta.TrackingCodeGenerator(ENVIRONMENTS[form])
    tracker.optimizer = None  # which would run what is constant, however long that takes
    tracker.visit(tree)
    lines: dict[str, int] = {}
    for node in tree.find_all(nodes.Name):
        lines[node.name] = min(node.lineno, lines.get(node.name, node.lineno))
    unknown = sorted(tracker.undeclared_identifiers - set(known), key=lambda name: (lines.get(name, 1), name))
    for name in unknown[:MAX_MISTAKES]:
        message = f"{name} is not a value of this text{do_you_mean(name, known)}: it has {', '.join(known)}"
        yield WrongTemplate(lines.get(name, 1), message)


def _unknown(tree: nodes.Template, form: Form) -> Iterator[WrongTemplate]:
    """Yield the filters and tests that there are not."""
    environment = ENVIRONMENTS[form]
    for kind, known in ((nodes.Filter, environment.filters), (nodes.Test, environment.tests)):
        for node in tree.find_all(kind):
            if node.name not in known:
                what = kind.__name__.lower()
                yield WrongTemplate(
                    node.lineno, f"there is no {what} {node.name}{do_you_mean(node.name, known)}"
                )


def _outside(tree: nodes.Template) -> Iterator[WrongTemplate]:
    """Yield what stands outside of the blocks of a mail."""
    blocks = [node for node in tree.body if isinstance(node, nodes.Block)]
    if not blocks:
        yield WrongTemplate(
            1, "has no block: each value of the broadcast is one, as {% block subject %}…{% endblock %}"
        )
    for node in tree.body:
        parts = node.nodes if isinstance(node, nodes.Output) else [node]
        for part in parts:
            blank = isinstance(part, nodes.TemplateData) and not part.data.strip()
            if not isinstance(part, nodes.Block) and not blank:
                yield WrongTemplate(part.lineno, "stands outside of the blocks, so that it would be lost")
                return


# Fields of values


def _types(model: type[BaseModel]) -> dict[str, Any]:
    return {name: field.annotation for name, field in model.model_fields.items()}


def _fields(node: nodes.Node, types: Mapping[str, Any], assigned: Collection[str]) -> Iterator[WrongTemplate]:
    """Yield the fields that values do not have; `types` are those of the names at this place."""
    match node:
        case nodes.For():
            targets = _targets(node.target, _item(_type(node.iter, types)))
            within = {**types, **{name: of for name, of in targets.items() if name not in assigned}}
            yield from _fields(node.iter, types, assigned)
            for inner in (*([node.test] if node.test else []), *node.body):
                yield from _fields(inner, within, assigned)
            for inner in node.else_:
                yield from _fields(inner, types, assigned)
            return
        case (
            nodes.Getattr(node=inner, attr=field)
            | nodes.Getitem(node=inner, arg=nodes.Const(value=str(field)))
        ):
            of = _type(inner, types)
            if isinstance(node, nodes.Getattr) and (plain := _plain(of)) and not hasattr(plain, field):
                what = "list" if plain is list else f"{plain.__name__}, and no group of values"
                yield WrongTemplate(node.lineno, f"{_path(inner)} has no {field}: it is a {what}")
            if _is_model(of) and field not in of.model_fields:
                known = of.model_fields
                yield WrongTemplate(
                    node.lineno,
                    f"{field} is not a field of {_path(inner)}{do_you_mean(field, known)}: it has {', '.join(known)}",
                )
    for inner in node.iter_child_nodes():
        yield from _fields(inner, types, assigned)


def _assigned(tree: nodes.Template) -> Collection[str]:
    """Return the names that the template gives to something, but by a loop alone: they are no values of ours."""
    of_loops = {id(name) for loop in tree.find_all(nodes.For) for name in _names(loop.target)}
    return {
        name.name
        for name in tree.find_all(nodes.Name)
        if name.ctx in {"store", "param"} and id(name) not in of_loops
    }


def _names(target: nodes.Node) -> Iterator[nodes.Name]:
    """Yield the names of a loop's target: one, or those of a tuple."""
    if isinstance(target, nodes.Name):
        yield target
    yield from target.find_all(nodes.Name)


def _targets(target: nodes.Node, item: Any) -> dict[str, Any]:
    if isinstance(target, nodes.Name):
        return {target.name: item}
    return {each.name: UNKNOWN for each in _names(target)}


def _type(node: nodes.Node, types: Mapping[str, Any]) -> Any:
    """Return the type of an expression, as far as it is a path from a value."""
    match node:
        case nodes.Name(name=name):
            return types.get(name, UNKNOWN)
        case (
            nodes.Getattr(node=inner, attr=field)
            | nodes.Getitem(node=inner, arg=nodes.Const(value=str(field)))
        ):
            of = _type(inner, types)
            found = of.model_fields.get(field) if _is_model(of) else None
            return found.annotation if found else UNKNOWN
        case nodes.Getitem(node=inner, arg=nodes.Const(value=int())):
            return _item(_type(inner, types))
        case nodes.Filter(name="first" | "last", node=nodes.Node() as inner):
            return _item(_type(inner, types))
        case nodes.Filter(name="sort" | "list" | "reverse" | "unique", node=nodes.Node() as inner):
            return _type(inner, types)
        case _:
            return UNKNOWN


def _item(annotation: Any) -> Any:
    """Return the type of an item of a list."""
    return get_args(annotation)[0] if get_origin(annotation) in {list, tuple} else UNKNOWN


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _plain(annotation: Any) -> type | None:
    """Return the type of a single value or a list, whose fields are Python's; None if it is not known."""
    annotation = get_origin(annotation) or annotation
    return annotation if annotation in {str, int, bool, list, tuple, date, Decimal} else None


def _path(node: nodes.Node) -> str:
    match node:
        case nodes.Name(name=name):
            return str(name)
        case nodes.Getattr(node=inner, attr=field):
            return f"{_path(inner)}.{field}"
        case _:
            return "it"
