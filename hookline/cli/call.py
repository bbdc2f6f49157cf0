"""`hookline call`: call one operation of a vendor by hand."""

import asyncio
import logging
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, cast

from cyclopts import App, Parameter
from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from hookline.accounts import from_environment
from hookline.cli.operations import find_client, find_operation, show_inputs, show_operations, unknown, usage
from hookline.cli.output import AsJson, confirm, console, print_json, show, show_record
from hookline.clients import InvalidInput, Operation, VendorClient, operations
from hookline.clients.models import Input
from hookline.errors import ConfigurationError, HooklineError
from hookline.redaction import MASK, MIN_SECRET
from hookline.vendors import vendors

if TYPE_CHECKING:
    from blocks import VendorCredentials

call = App(
    name="call",
    help_flags=[],  # after an operation, `--help` shows that operation
    usage="Usage: hookline call VENDOR [OPERATION] [INPUTS] [OPTIONS]",
)

_INPUT = re.compile(r"(?P<name>[^=:@\s]+)(?P<how>:=@|:=|=@|=)(?P<text>.*)", re.DOTALL)
_SECRET_NAME = re.compile(r"(?i)(password|secret|(?<!next_)token|api_?key|session_?id)$")
_MAX_COLUMNS: Final = 8


@call.default
def _call(
    vendor: Annotated[str | None, Parameter(help="Such as jiwa.")] = None,
    operation: Annotated[str | None, Parameter(help="Without it: list the vendor's operations.")] = None,
    /,
    *inputs: Annotated[str, Parameter(help="As `name=value`; see above.")],
    yes: Annotated[bool, Parameter(negative="", help="Send a write without asking.")] = False,
    block: Annotated[
        str | None, Parameter(help="Use this Prefect block's credentials, not the environment's.")
    ] = None,
    inputs_only: Annotated[
        bool, Parameter(name="--inputs", negative="", help="Show the operation's inputs; send nothing.")
    ] = False,
    help_only: Annotated[bool, Parameter(name=("--help", "-h"), negative="", help="The same.")] = False,
    as_json: AsJson = False,
) -> None:
    """
    Call one operation of a vendor and print the answer.

    Inputs are `name=value`; `name:=JSON` for lists and objects; `name=@file` (`@-`: standard input) for the
    text of a file, without the line break at its end; `name:=@file` for JSON in a file.

    Try:
        hookline call jiwa get_sales_order InvoiceID=5244dd5e199749f4b6fe
        hookline call zentitle create_license_codes --help
        hookline call jiwa create_sales_order_note InvoiceID=5244dd5e199749f4b6fe NoteText=@note.txt --yes
    """
    if vendor is None:
        if not help_only:
            raise ConfigurationError(f"Name a vendor: {', '.join(vendors())}. See: hookline call --help")
        call.help_print()
    elif operation is None:
        show_operations(operations(find_client(vendor)).values(), as_json=as_json)
    elif help_only or inputs_only:
        show_inputs(find_operation(vendor, operation), as_json=as_json)
    else:
        found = find_operation(vendor, operation)
        answer = _call_operation(found, read_inputs(found, inputs), yes=yes, block=block)
        print_json(answer) if as_json else show_answer(answer)


def _call_operation(found: Operation[..., Any], inputs: Input, *, yes: bool, block: str | None) -> Any:
    """Send a request, after confirmation if it is a write; return the answer as JSON values, without secrets."""
    from hookline import runtime  # loads the database's driver, which a list of operations does not need

    asks = found.repeat != "safe" and not yes
    if asks and not sys.stdin.isatty():
        raise ConfigurationError(
            f"{found.vendor} {found.name} changes something at the vendor, and there is no terminal to ask for "
            "confirmation. Nothing was sent; to send it, add --yes."
        )
    runtime.bootstrap()
    client = client_of(found.vendor, block)
    found.build(client.base_url, inputs)  # fails before the question if the request cannot be sent
    if asks:
        _ask(found, inputs, client.base_url)
    return asyncio.run(send(client, found, inputs))


async def send(client: VendorClient, found: Operation[..., Any], inputs: Input) -> Any:
    """Send one call; return the answer as JSON values, without secrets."""
    async with client:
        answer = await client.send(found, inputs)
        value = TypeAdapter(found.answer).dump_python(answer, mode="json")
        return without_secrets(value, [*client.auth.secrets(client.base_url), *inputs.secrets()])


def _ask(found: Operation[..., Any], inputs: Input, base_url: str) -> None:
    """Raise unless the person at the terminal agrees."""
    screen = console(stderr=True)
    screen.print(f"{found.effect}\n{found.verb} {base_url}{found.path}")
    for name, value in masked(inputs).items():
        screen.print(f"  {name} = {value}")
    if not confirm("Send it?"):
        raise HooklineError("Nothing was sent.")


def client_of(vendor: str, block: str | None) -> VendorClient:
    """
    Return a client for the account of a Prefect block, or without one for that of the environment.

    Raises:
        ConfigurationError: there is no such block, or a variable is missing or not right.
        HooklineError: Prefect does not answer.
    """
    return _from_block(vendor, block) if block else from_environment(vendor)


def _from_block(vendor: str, name: str) -> VendorClient:
    import httpx

    from blocks import BLOCKS  # Prefect

    logging.getLogger("EventsWorker").setLevel(logging.ERROR)  # it reports an event that is still being sent
    kind = BLOCKS[vendor].get_block_type_slug()
    try:
        credentials: VendorCredentials = asyncio.run(BLOCKS[vendor].aload(name))
    except ValueError:
        raise ConfigurationError(
            f"There is no block {kind}/{name}. See them with: prefect block ls"
        ) from None
    except (httpx.HTTPError, OSError, RuntimeError) as error:
        raise HooklineError(
            f"Cannot read the block {kind}/{name} from Prefect: {error}. Is `hookline up` running?"
        ) from None
    return credentials.get_client()


# Inputs -----------------------------------------------------------------------------------------------------


def read_inputs(operation: Operation[..., Any], words: Sequence[str]) -> Input:
    """
    Return the inputs of a command line, checked.

    Raises:
        ConfigurationError: a word is no input, or a file cannot be read.
        InvalidInput: an input is missing or not allowed.
    """
    model = operation.input
    values: dict[str, Any] = {}
    if sum(word.endswith("=@-") for word in words) > 1:
        raise ConfigurationError("Standard input can be read once: use @- for one input only.")
    for number, word in enumerate(words, 1):
        found = _INPUT.fullmatch(word)
        if found is None:  # not repeated in the message: it may be a secret
            raise ConfigurationError(
                f"Input {number} is not name=value, name:=JSON or name=@file. See: {_help(operation)}"
            )
        name = found["name"]
        if name not in model.model_fields and model.model_config.get("extra") != "allow":
            raise unknown(f"{operation.vendor} {operation.name} input", name, model.model_fields)
        if name in values:
            raise ConfigurationError(f"{name} is there twice.")
        values[name] = _value(model, name, found["how"], found["text"])
    try:
        return operation.validate(**values)
    except InvalidInput as error:
        raise InvalidInput(f"{error} As in: {usage(operation)}\nSee: {_help(operation)}") from None


def masked(inputs: Input) -> dict[str, Any]:
    """Return the inputs as they were entered, with secrets masked."""
    fields = {name: getattr(inputs, name) for name in inputs.model_fields_set}  # also those that are not sent
    values = TypeAdapter(Any).dump_python(fields, mode="json", exclude_unset=True)
    cleaned: dict[str, Any] = without_secrets(values, inputs.secrets())
    return cleaned


def _value(model: type[Input], name: str, how: str, text: str) -> Any:
    if how.endswith("@"):
        text = _text_of(name, text)
    if how.startswith(":"):
        try:
            return from_json(text, allow_inf_nan=False)
        except ValueError as error:
            raise ConfigurationError(f"{name} is not JSON: {error}. For text, write {name}=text.") from None
    return _from_text(model, name, text)


def _from_text(model: type[Input], name: str, text: str) -> Any:
    """Return the value of a text; the text itself if it fits no type, so that the model says why."""
    if name not in model.model_fields:
        return text
    field = model.model_fields[name]
    adapter: TypeAdapter[Any] = TypeAdapter(cast("Any", Annotated[field.annotation, field]))
    for read in (adapter.validate_python, adapter.validate_json):  # "1" may be a text, or one of 0 and 1
        try:
            return read(text)
        except ValidationError:
            continue
    return text


def _text_of(name: str, path: str) -> str:
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{name}: cannot read {path}: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{name}: {path} is not text in UTF-8.") from None
    return re.sub(r"\r?\n\Z", "", text)


def _help(operation: Operation[..., Any]) -> str:
    return f"hookline call {operation.vendor} {operation.name} --help"


# Answers ----------------------------------------------------------------------------------------------------


def without_secrets(value: Any, secrets: Iterable[str]) -> Any:
    """Return a JSON value without these secrets, and without texts whose name says that they are secret."""
    hidden = [secret for secret in secrets if len(secret) >= MIN_SECRET]
    match value:
        case str():
            for secret in hidden:
                value = value.replace(secret, MASK)
            return value
        case dict():
            return {
                name: MASK
                if isinstance(inner, str) and inner and _SECRET_NAME.search(name)
                else without_secrets(inner, hidden)
                for name, inner in value.items()
            }
        case list():
            return [without_secrets(inner, hidden) for inner in value]
        case _:
            return value


def show_answer(answer: Any) -> None:
    """Print an answer for people: records by name, lists as tables; empty values are left out."""
    match answer:
        case None:
            console().print("done")
        case dict():
            _show_record(answer)
        case list() if answer and all(isinstance(row, dict) for row in answer):
            _show_rows(answer)
        case list():
            console().print("\n".join(map(str, answer)) or "nothing found")
        case _:
            console().print(str(answer))


def _show_record(record: Mapping[str, Any]) -> None:
    flat = _flat(record)
    tables = {name: value for name, value in flat.items() if _is_rows(value)}
    facts = {name: value for name, value in flat.items() if name not in tables}
    if facts or not tables:
        show_record(facts)
    for name, rows in tables.items():
        console().print(f"\n{name}")
        _show_rows(rows)


def _show_rows(rows: list[dict[str, Any]]) -> None:
    flat = [_flat(row) for row in rows]
    columns = list(dict.fromkeys(name for row in flat for name, value in row.items() if not _is_rows(value)))
    show(flat, columns[:_MAX_COLUMNS], as_json=False)
    if len(columns) > _MAX_COLUMNS:
        console().print(f"and {', '.join(columns[_MAX_COLUMNS:])}: with --json", style="dim")


def _flat(record: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Return the values of a record that are not empty; nested names are joined by dots."""
    flat: dict[str, Any] = {}
    for name, value in record.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{before}{name}.")
        elif value not in (None, "", []):
            flat[before + name] = value
    return flat


def _is_rows(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(row, dict) for row in value)
