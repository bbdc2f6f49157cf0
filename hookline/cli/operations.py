"""`hookline operations`: list the vendors' operations; and how `hookline call` describes one."""

from collections.abc import Collection, Iterable, Mapping
from typing import Annotated, Any

from cyclopts import Parameter

from hookline.cli.output import AsJson, console, print_json, show
from hookline.clients import CLIENTS, Operation, VendorClient
from hookline.clients import operations as operations_of
from hookline.errors import ConfigurationError
from hookline.text import nearest

_LIMITS = {
    "minimum": "at least {}",
    "ge": "at least {}",
    "exclusiveMinimum": "more than {}",
    "maximum": "at most {}",
    "le": "at most {}",
    "exclusiveMaximum": "less than {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} of them",
    "maxItems": "at most {} of them",
    "pattern": "like {}",
}
_TEXTS = {"date-time": "date and time", "date": "date", "time": "time", "password": "secret"}
_TYPES = {"integer": "whole number", "number": "number", "boolean": "true or false", "object": "object"}
_REPEATS = {
    "safe": "safe: it may be sent again",
    "readback": "readback: before it is sent again, look whether it was done",
    "never": "never: only a person may send it again",
}


def operations(
    vendor: Annotated[str | None, Parameter(help="Only this vendor's.")] = None,
    name: Annotated[str | None, Parameter(help="Only this one, with its inputs.")] = None,
    /,
    *,
    as_json: AsJson = False,
) -> None:
    """
    List every operation of every vendor, or show one and its inputs.

    `repeat` says what may be done when an answer was lost: `safe`, send it again; `readback`, look first whether
    it was done; `never`, leave it to a person.

    Try:
        hookline operations
        hookline operations zentitle --json
        hookline operations jifeline get_ticket
    """
    if vendor is not None and name is not None:
        return show_inputs(find_operation(vendor, name), as_json=as_json)
    clients = CLIENTS.values() if vendor is None else [find_client(vendor)]
    found = [operation for client in clients for operation in operations_of(client).values()]
    return show_operations(found, as_json=as_json)


def show_operations(found: Iterable[Operation[..., Any]], *, as_json: bool) -> None:
    """Print operations, one a row."""
    rows = [described(operation) for operation in found]
    show(rows, ["vendor", "operation", "verb", "path", "repeat", "effect"], as_json=as_json)


def show_inputs(operation: Operation[..., Any], *, as_json: bool) -> None:
    """Print everything that a person must know to call an operation."""
    facts = described(operation)
    if as_json:
        print_json(facts)
        return
    source = "the vendor's own document" if operation.trust == "seed" else "public material"
    lines = [
        operation.effect,
        "",
        f"call    {usage(operation)}",
        f"source  {operation.owner.reference}, {operation.verb} {operation.path} (from {source})",
        *(f"assumed {fact.fact} To confirm it: {fact.confirm}" for fact in operation.assumed),
        f"repeat  {_REPEATS[operation.repeat]}",
        f"inputs  {facts['about']}",
        "",
    ]
    console().print("\n".join(lines))
    rows = [row | {"needed": "yes" if row["needed"] else _default(row["default"])} for row in facts["inputs"]]
    if rows:
        show(rows, ["name", "type", "needed", "limits", "description"], as_json=False)


def find_client(vendor: str) -> type[VendorClient]:
    """Return a vendor's client class; raise `ConfigurationError` that names the nearest vendor, or what is wrong."""
    try:
        return CLIENTS[vendor]
    except KeyError:
        raise unknown("vendor", vendor, CLIENTS) from None


def find_operation(vendor: str, name: str) -> Operation[..., Any]:
    """Return an operation by name; raises `ConfigurationError` naming the nearest vendor or operation."""
    found = operations_of(find_client(vendor))
    if name not in found:
        raise unknown(f"{vendor} operation", name, found, f" All of them: hookline operations {vendor}")
    return found[name]


def unknown(kind: str, name: str, known: Collection[str], more: str = "") -> ConfigurationError:
    """Return the error for a name that does not exist, with the nearest that does."""
    near = nearest(name, known)
    hint = f" Do you mean {near}?" if near else "" if more else f" There is: {', '.join(known) or 'none'}."
    return ConfigurationError(f"There is no {kind} {name!r}.{hint}{more}")


def described(operation: Operation[..., Any]) -> dict[str, Any]:
    """Return an operation and its inputs as JSON values."""
    return {
        "vendor": operation.vendor,
        "operation": operation.name,
        "verb": operation.verb,
        "path": operation.path,
        "repeat": operation.repeat,
        "trust": operation.trust,
        "assumed": [fact.id for fact in operation.assumed],
        "effect": operation.effect,
        "about": " ".join((operation.input.__doc__ or "").split()),
        "inputs": inputs_of(operation),
    }


def inputs_of(operation: Operation[..., Any]) -> list[dict[str, Any]]:
    """Return the inputs of an operation, one mapping each, in words for people; required ones first."""
    schema = operation.input.model_json_schema(by_alias=False)
    needed = schema.get("required", [])
    rows = [
        {
            "name": name,
            "type": _type(part, schema.get("$defs", {})),
            "needed": name in needed,
            "default": part.get("default"),
            "limits": ", ".join(_limits(part)),
            "description": part.get("description", ""),
        }
        for name, part in schema.get("properties", {}).items()
    ]
    return sorted(rows, key=lambda row: not row["needed"])


def usage(operation: Operation[..., Any]) -> str:
    """Return a command line that calls it with its required inputs."""
    needed = [
        f"{row['name']}{':=JSON' if 'object' in row['type'] or 'list of' in row['type'] else '=…'}"
        for row in inputs_of(operation)
        if row["needed"]
    ]
    return " ".join(["hookline call", operation.vendor, operation.name, *needed])


def _type(schema: Mapping[str, Any], models: Mapping[str, Any]) -> str:
    match schema:
        case {"$ref": str(place)}:
            return _object(models[place.rpartition("/")[2]])
        case {"anyOf": list(parts)}:
            return _either([_type(part, models) for part in parts if part.get("type") != "null"])
        case {"enum": list(values)}:
            return f"one of {', '.join(map(_word, values))}"
        case {"type": "array"}:
            return f"list of {_type(schema.get('items', {}), models)}"
        case _:
            return _plain(schema)


def _plain(schema: Mapping[str, Any]) -> str:
    if "const" in schema:
        return f"only {_word(schema['const'])}"
    if schema.get("type") == "string":
        return _TEXTS.get(schema.get("format", ""), "text")
    return _TYPES.get(schema.get("type", ""), "any JSON")


def _object(model: Mapping[str, Any]) -> str:
    """Return the names in an object, optional ones with a question mark."""
    needed = model.get("required", [])
    names = [name if name in needed else f"{name}?" for name in model.get("properties", {})]
    return f"object ({', '.join(names)})"


def _either(types: list[str]) -> str:
    # The schema of a decimal number also allows text; a person need not know.
    listed = [each for each in types if "number" not in types or each not in ("text", "whole number")]
    return " or ".join(dict.fromkeys(listed))


def _limits(schema: Mapping[str, Any]) -> list[str]:
    inner = [limit for part in schema.get("anyOf", []) for limit in _limits(part)]
    return [text.format(schema[name]) for name, text in _LIMITS.items() if name in schema] + inner


def _default(value: Any) -> str:
    return "no" if value in (None, "", [], {}) else f"no ({_word(value)})"


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
