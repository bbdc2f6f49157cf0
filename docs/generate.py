"""
Write `.env.example`, deployments/schemas/, and the generated parts of the pages.

The parts are of docs/{glossary,people,settings,cli,states,senders,texts,watching}.md, docs/vendors/ and
docs/first-account/, each between two marks. `docs/glossary.yaml` is the source of the glossary, hookline/settings.py of
the settings, the command line itself of the commands, `hookline.states` of the states, `flows.texts` of the texts,
`hookline.health` of the metrics, the models of the files of the schemas, the gateway of its addresses, and the clients
of the vendors' operations.
"""
# ruff: noqa: INP001  (a script, not a package)

import inspect
import json
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from cyclopts import App
from cyclopts.argument import Argument
from prometheus_client.metrics import MetricWrapperBase
from pydantic_core import PydanticUndefined

from hookline import timings
from hookline.cli import app
from hookline.clients import CLIENTS, Operation, VendorClient, operations
from hookline.facts import facts_of
from hookline.gateway.app import create_app
from hookline.gateway.endpoints import SocketEndpoint, endpoints
from hookline.gateway.prefect_access import IN_WORDS, listed
from hookline.health import metrics
from hookline.hooks import Source, load_hooks
from hookline.hooks.presets import SENDERS
from hookline.hooks.sources import IdHeader, read_source
from hookline.hooks.templates import Template
from hookline.people import MEANINGS, Role
from hookline.provisioning.file_schemas import SCHEMAS
from hookline.schemes.shared_secret import SharedSecret
from hookline.schemes.signature import Signature
from hookline.schemes.url_secret import UrlSecret
from hookline.settings import VENDORS, FromEnvironment, Settings
from hookline.source_secrets import secret_variable
from hookline.states import MACHINES, STATES, WORST_FIRST, Machine, Phase, Transition
from hookline.texts import declared
from hookline.vendors import vendors

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- generated: run docs/generate.py -->", "<!-- end of the generated part -->"
FACTS, END_OF_FACTS = "<!-- facts: run docs/generate.py -->", "<!-- end of the facts -->"
SOURCES = {"seed": "vendor", "public": "public"}


ENV_HEAD = """# Every variable of Hookline. Copy this file to `.env`, take the number sign away from what you set.
# A variable in the environment wins over `.env`; one that is empty counts as not set.
"""


@dataclass(frozen=True)
class Variable:
    """A variable of the environment, as `.env.example` and docs/settings.md describe it."""

    name: str
    meaning: str
    default: str
    example: str = ""


OWN_PREFECT = Variable(
    "PREFECT_API_URL",
    "A Prefect API to use instead of Hookline's own server",
    "Hookline's own, on HOOKLINE_PREFECT_PORT",
    "http://prefect.example.com:4200/api",
)
A_PERSON = Variable(
    "HOOKLINE_PERSON_ANNA",
    "Where `anna` is reached, in Apprise's notation, when a flow asks her (docs/waiting.md)",
    "she is asked on the page alone",
    "mailtos://user:password@smtp.example.com?to=anna@example.com",
)
SECRET_MEANINGS = {
    "shared-secret": "Secret that {} sends with each message, 24 characters or more; the new one, the old one",
    "standard-webhooks": "Secret of the source {}, as in `whsec_` and base64; the new one, the old one",
}


def pages() -> dict[Path, str]:
    """Return every generated file, and every page with a generated part, as it must be."""
    docs = ROOT / "docs"
    parts = {
        docs / "glossary.md": glossary_tables(),
        docs / "people.md": role_tables(),
        docs / "settings.md": settings_tables(),
        docs / "cli.md": command_sections(),
        docs / "states.md": state_sections(),
        docs / "senders.md": sender_table(),
        docs / "texts.md": text_sections(),
        docs / "watching.md": metric_table(),
    } | {docs / "vendors" / f"{vendor}.md": operation_table(client) for vendor, client in CLIENTS.items()}
    written = {path: _with(path.read_text(encoding="utf-8"), "\n".join(part)) for path, part in parts.items()}
    for vendor in (name for name in CLIENTS if vendors()[name].facts):
        page, account = docs / "vendors" / f"{vendor}.md", docs / "first-account" / f"{vendor}.md"
        written[page] = _with(written[page], "\n".join(fact_table(vendor)), FACTS, END_OF_FACTS)
        text = account.read_text(encoding="utf-8")
        written[account] = _with(text, "\n".join(to_confirm(vendor)), FACTS, END_OF_FACTS)
    schemas = {
        ROOT / "deployments" / "schemas" / f"{name}.json": json.dumps(schema(), indent=1) + "\n"
        for name, schema in SCHEMAS.items()
    }
    return {ROOT / ".env.example": "\n".join(env_example()), **schemas, **written}


def sections() -> Iterator[tuple[str, list[Variable]]]:
    """Yield the sections of `.env.example`, each with its variables."""
    yield "Hookline", [*_variables(Settings), OWN_PREFECT]
    yield "Webhook secrets: HOOKLINE_SECRET_<SOURCE> for each source of hooks.yaml", list(_secrets())
    yield (
        "People who are asked: HOOKLINE_PERSON_<NAME> for each name that a flow or the catalog has",
        [A_PERSON],
    )
    for kind in VENDORS.values():
        yield (inspect.getdoc(kind) or "").rstrip("."), list(_variables(kind))


def env_example() -> Iterator[str]:
    """Yield the lines of `.env.example`."""
    yield ENV_HEAD
    for title, variables in sections():
        yield f"\n# {title} {'-' * (109 - len(title))}\n"
        for each in variables:
            yield f"# {each.meaning}. Default: {each.default}.\n# {each.name}={each.example}\n"


def glossary() -> dict[str, Any]:
    """Return `docs/glossary.yaml`: `words` with their meanings, and `retired` words."""
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docs" / "glossary.yaml").read_text(encoding="utf-8"))
    return loaded


def glossary_tables() -> Iterator[str]:
    """Yield a table of the words, and one of those that are retired."""
    yield "| word | meaning |\n| --- | --- |"
    for word, meaning in glossary()["words"].items():
        yield f"| {word} | {meaning} |"
    yield "\n## Retired words\n\n| retired | as | use | where |\n| --- | --- | --- | --- |"
    for entry in glossary()["retired"]:
        kind, word = next(iter(entry.items()))
        places = ", ".join(f"`{place}`" for place in entry.get("in", ())) or "everywhere"
        yield f"| `{word.replace('|', chr(92) + '|')}` | {kind} | {entry['use']} | {places} |"


def role_tables() -> Iterator[str]:
    """Yield a table of the roles, one of the gateway's addresses, and one of Prefect's."""
    yield "| role | what a person with it does |\n| --- | --- |"
    for role, meaning in MEANINGS.items():
        yield f"| {role} | {meaning} |"
    yield "\nThe addresses of the gateway:\n\n| address | methods | needs |\n| --- | --- | --- |"
    with tempfile.TemporaryDirectory() as home:
        app = create_app(Settings(home=Path(home), hooks=ROOT / "deployments" / "hooks.yaml"))
    for endpoint in endpoints(app):
        methods = (
            "websocket"
            if isinstance(endpoint, SocketEndpoint)
            else ", ".join(sorted(endpoint.methods or ["all"]))
        )
        needs = endpoint.needs if isinstance(endpoint.needs, Role) else f"no person: {endpoint.needs.to}"
        yield f"| `{endpoint.path}` | {methods} | {needs} |"
    yield "\nOf Prefect's API, below `/prefect/api`; all else is the admin's:\n"
    yield "| address | method | needs |\n| --- | --- | --- |"
    for (method, path), role in listed().items():
        yield f"| `{path}` | {method} | {role if isinstance(role, Role) else IN_WORDS[role]} |"


def text_sections() -> Iterator[str]:
    """Yield a section for each text, with its values."""
    for (workflow, name), text in declared().items():
        yield f"\n### {workflow}/{name}\n"
        yield f"{inspect.getdoc(text)}\n"
        yield "| value | meaning |\n| --- | --- |"
        for value, meaning in text.described().items():
            yield f"| `{value}` | {meaning} |"


def metric_table() -> Iterator[str]:
    """Yield every metric of `/metrics`, in alphabetical order."""
    found = [each for each in vars(metrics).values() if isinstance(each, MetricWrapperBase)]
    rows = [(each.describe()[0], each._labelnames) for each in found]  # noqa: SLF001  (nothing public says them)
    all_rows = [
        *(
            (f"{one.name}_total" if one.type == "counter" else one.name, one.type, one.documentation, labels)
            for one, labels in rows
        ),
        *((each.name, "histogram", each.help, each.labels) for each in timings.ALL.values()),
    ]
    yield "| metric | type | by | value |"
    yield "| --- | --- | --- | --- |"
    for name, kind, text, labels in sorted(all_rows):
        yield _cells(f"`{name}`", kind, ", ".join(labels), text.removesuffix("."))


def sender_table() -> Iterator[str]:
    """Yield a table of the presets."""
    yield "| preset | sender | verified by | the delivery's id | answer | its secret is | to know |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for name, preset in SENDERS.items():
        source = read_source({"preset": name}, ROOT)
        cells = [
            f"`{name}`",
            f"[{preset.sender}]({preset.page})",
            _proof(source),
            _id_of(source),
            _answer_of(source),
            preset.holds,
            " ".join(part for part in (preset.note, _handshakes_of(source)) if part),
        ]
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _proof(source: Source) -> str:
    scheme = source.auth_scheme
    signs = getattr(scheme, "signs", "{body}")
    over = "" if signs == "{body}" else f" over `{signs}`"
    place = {UrlSecret: "the address"}.get(type(scheme)) or f"`{scheme.auth_header or 'webhook-signature'}`"
    if isinstance(scheme, SharedSecret):
        shown = {"bearer": "`Authorization`", "basic": "`Authorization`", "query": "the address"}
        place = shown.get(scheme.place, f"`{scheme.field or scheme.header}`")
    if isinstance(scheme, Signature) and scheme.field:
        place = f"`{scheme.field}` of the body"
    return f"`{scheme.name}` in {place}{over}"


def _id_of(source: Source) -> str:
    match source.id:
        case Template() as template:
            return f"`{template.text}`"
        case IdHeader() as place:
            return f"the header `{place.header}`"
        case _:
            header = source.auth_scheme.delivery_id_header
            return f"the header `{header}`" if header else "a digest of the body"


def _answer_of(source: Source) -> str:
    declared = source.response
    return f"{declared.status or 202}" + (f" `{declared.body}`" if declared.body else "")


def _handshakes_of(source: Source) -> str:
    methods = list(dict.fromkeys(each.method for each in source.handshakes))
    return f"Its check of the address by {' and '.join(methods)} is answered." if methods else ""


def settings_tables() -> Iterator[str]:
    """Yield a table for each section of `.env.example`."""
    for title, variables in sections():
        heading = title.replace("<", "\\<")
        yield f"## {heading}\n\n| variable | meaning | default | as in |\n| --- | --- | --- | --- |"
        for each in variables:
            is_told = each.example and each.example not in each.default
            example = f"`{each.example}`" if is_told else ""
            yield f"| `{each.name}` | {each.meaning} | {each.default} | {example} |"
        yield ""


def _secrets() -> Iterator[Variable]:
    for name, source in load_hooks(ROOT / "deployments" / "hooks.yaml").sources.items():
        if not source.takes_requests:
            continue
        meaning = SECRET_MEANINGS[source.auth_scheme.name].format(name)
        yield Variable(secret_variable(name), meaning, "refused")


def _variables(kind: type[FromEnvironment]) -> Iterator[Variable]:
    for name, variable in kind.variables().items():
        field = kind.model_fields[name]
        set_by_default = field.default not in (None, (), PydanticUndefined)
        default = str(field.default).lower() if isinstance(field.default, bool) else str(field.default)
        text = (field.json_schema_extra or {}).get("default_text") or (default if set_by_default else "none")
        example = (field.examples or [default if set_by_default else ""])[0]
        yield Variable(variable, (field.description or "").rstrip("."), text, example)


def commands(parent: App = app, names: tuple[str, ...] = ("hookline",)) -> Iterator[tuple[str, App]]:
    """Yield every command with its full name; of groups, those that do something by themselves."""
    for name in parent:
        if not name.startswith("-"):
            command = parent[name]
            children = list(commands(command, (*names, name)))
            if not children or command.default_command is not None:
                yield " ".join((*names, name)), command
            yield from children


def command_sections() -> Iterator[str]:
    """Yield a section for each command: purpose, arguments, examples."""
    for name, command in commands():
        purpose, examples = _parts(inspect.getdoc(command.default_command) or "")
        yield f"## `{name}`\n\n{purpose}\n"
        rows = [_row(argument) for argument in command.assemble_argument_collection() if argument.show]
        if rows:
            yield "\n".join(["| argument | meaning | default |", "| --- | --- | --- |", *rows, ""])
        yield "\n".join(["```bash", *examples, "```", ""])


def operation_table(client: type[VendorClient]) -> Iterator[str]:
    """Yield a row for each operation of a vendor, in the order of its client."""
    yield "| operation | call | what it does | repeat | source | assumed |\n| --- | --- | --- | --- | --- | --- |"
    yield from map(_operation_row, operations(client).values())


def fact_table(vendor: str) -> Iterator[str]:
    """Yield a row for each fact about a vendor, and the sources below."""
    known = facts_of(vendor)
    yield "| fact | known as | source | if it is not so |\n| --- | --- | --- | --- |"
    for fact in known.facts:
        trust = fact.trust if fact.trust != "assumed" else "**assumed**"
        yield _cells(fact.fact, f"`{fact.id}`", f"{trust}: {fact.source}", fact.breaks)
    if known.sources:
        yield "\nThe sources:\n"
    for code, source in known.sources.items():
        seen = f", read on {source.seen}" if source.seen else ""
        yield f"- {code}: {source.title}{f', <{source.url}>' if source.url else ''}{seen}"


def to_confirm(vendor: str) -> Iterator[str]:
    """Yield a row for each assumption about a vendor: how an account confirms it."""
    yield "| assumed | known as | how an account confirms it | by `hookline probe` |\n| --- | --- | --- | --- |"
    for fact in facts_of(vendor).facts:
        if fact.trust == "assumed":
            yield _cells(
                fact.fact, f"`{fact.id}`", fact.confirm, f"step `{fact.probe}`" if fact.probe else "no"
            )


def _cells(*cells: str) -> str:
    return f"| {' | '.join(' '.join(cell.split()).replace('|', chr(92) + '|') for cell in cells)} |"


def state_sections() -> Iterator[str]:
    """A figure and two tables for each machine of states."""
    for machine in MACHINES.values():
        yield f"## {machine.table.capitalize()}\n"
        yield "\n".join(["```mermaid", "stateDiagram-v2", *_edges(machine), "```", ""])
        yield "| state | on the page | meaning | phase |\n| --- | --- | --- | --- |"
        for state in (STATES[name] for name in machine.states):
            yield f"| `{state.name}` | {state.word} | {state.meaning} | {state.phase} |"
        yield "\n| event | from | to | caused by |\n| --- | --- | --- | --- |"
        yield from map(_transition_row, machine.transitions)
        yield ""
    yield (
        "A delivery that has dispatches follows them: it has the state of the one that needs a person most, first "
        f"{', '.join(WORST_FIRST)}."
    )


def _edges(machine: Machine) -> Iterator[str]:
    """The transitions as Mermaid draws them, one line for each pair of states."""
    yield from (f"    [*] --> {state}" for state in machine.initial)
    events: dict[tuple[str, str], list[str]] = {}
    for transition in machine.transitions:
        for pair in transition.pairs:
            events.setdefault(pair, []).append(transition.event)
    yield from (f"    {before} --> {after}: {', '.join(names)}" for (before, after), names in events.items())
    yield from (f"    {state} --> [*]" for state in machine.of(Phase.CLOSED))


def _transition_row(transition: Transition) -> str:
    return f"| {transition.event} | {', '.join(transition.before)} | {', '.join(transition.after)} | {transition.by} |"


def _operation_row(operation: Operation[..., Any]) -> str:
    cells = (
        f"`{operation.name}`",
        f"`{operation.verb} {operation.path}`",
        operation.effect.rstrip("."),
        operation.repeat,
        SOURCES[operation.trust],
        ", ".join(f"`{fact.id}`" for fact in operation.assumed),
    )
    return f"| {' | '.join(cells)} |"


def _parts(docstring: str) -> tuple[str, list[str]]:
    """Return what a command does, one sentence a line, and its examples as a shell reads them."""
    text, _, examples = re.sub(r"\n(Try|Examples?):\n", "\0", docstring, count=1).partition("\0")
    paragraphs = [" ".join(paragraph.split()) for paragraph in text.strip().split("\n\n")]
    purpose = "\n\n".join(re.sub(r"(?<=[.:]) (?=[A-Z])", "\n", paragraph) for paragraph in paragraphs)
    return purpose, [re.sub(r" {3,}", "  # ", line.strip()) for line in examples.splitlines() if line.strip()]


def _row(argument: Argument) -> str:
    names = argument.names if argument.index is None else (argument.names[0].strip("-").upper(),)
    default: Any = argument.field_info.default
    text = "required" if argument.required else "" if default in (None, False, ()) else default
    text = "" if text is inspect.Parameter.empty else text
    meaning = (argument.parameter.help or "").rstrip(".")
    return f"| {', '.join(f'`{name}`' for name in names)} | {meaning} | {text} |"


def _with(page: str, part: str, begin: str = BEGIN, end: str = END) -> str:
    before, _, rest = page.partition(begin)
    return f"{before}{begin}\n\n{part.strip()}\n\n{end}{rest.partition(end)[2]}"


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
