"""
Write the generated parts of docs/glossary.md, docs/settings.md, docs/cli.md, docs/states.md and docs/vendors/.

Each stands between two marks. `docs/glossary.yaml` is the source of the glossary, `.env.example` of the settings (a
test holds it to them), the command line itself of the commands, `hookline.states` of the states, and the clients of the
vendors' operations.
"""
# ruff: noqa: INP001  (a script, not a package)

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from cyclopts import App
from cyclopts.argument import Argument

from hookline.cli import app
from hookline.clients import CLIENTS, Operation, VendorClient, operations
from hookline.states import MACHINES, STATES, WORST_FIRST, Machine, Phase, Transition

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- generated: run docs/generate.py -->", "<!-- end of the generated part -->"
VARIABLE = re.compile(
    r"# (?P<meaning>.+?) Default: (?P<default>.+)\.\n# (?P<name>[A-Z][A-Z_]+)=(?P<example>.*)"
)
SOURCES = {"seed": "vendor", "public": "public"}


def pages() -> dict[Path, str]:
    """Return every page with a generated part, as it must be."""
    docs = ROOT / "docs"
    parts = {
        docs / "glossary.md": glossary_tables(),
        docs / "settings.md": settings_tables(),
        docs / "cli.md": command_sections(),
        docs / "states.md": state_sections(),
    } | {docs / "vendors" / f"{vendor}.md": operation_table(client) for vendor, client in CLIENTS.items()}
    return {path: _with(path.read_text(encoding="utf-8"), "\n".join(part)) for path, part in parts.items()}


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


def settings_tables() -> Iterator[str]:
    """Yield a table for each section of `.env.example`."""
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    sections = re.split(r"^# (.+?) -{3,}$", text, flags=re.MULTILINE)
    for title, body in zip(sections[1::2], sections[2::2], strict=True):
        heading = title.replace("<", "\\<")
        yield f"## {heading}\n\n| variable | meaning | default | as in |\n| --- | --- | --- | --- |"
        for found in VARIABLE.finditer(body):
            adds = found["example"] and found["example"] not in found["default"]
            example = f"`{found['example']}`" if adds else ""
            yield f"| `{found['name']}` | {found['meaning'].rstrip('.')} | {found['default']} | {example} |"
        yield ""


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
        operation.assumed,
    )
    return f"| {' | '.join(cells)} |"


def _parts(docstring: str) -> tuple[str, list[str]]:
    """Return what a command does, one sentence a line, and its examples as a shell takes them."""
    text, _, examples = re.sub(r"\n(Try|Examples?):\n", "\0", docstring, count=1).partition("\0")
    paragraphs = [" ".join(paragraph.split()) for paragraph in text.strip().split("\n\n")]
    purpose = "\n\n".join(re.sub(r"(?<=[.:]) (?=[A-Z])", "\n", paragraph) for paragraph in paragraphs)
    return purpose, [re.sub(r" {3,}", "  # ", line.strip()) for line in examples.splitlines() if line.strip()]


def _row(argument: Argument) -> str:
    names = argument.names if argument.index is None else (argument.names[0].strip("-").upper(),)
    default: Any = argument.field_info.default
    column = "required" if argument.required else "" if default in (None, False, ()) else default
    column = "" if column is inspect.Parameter.empty else column
    meaning = (argument.parameter.help or "").rstrip(".")
    return f"| {', '.join(f'`{name}`' for name in names)} | {meaning} | {column} |"


def _with(page: str, part: str) -> str:
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{part.strip()}\n\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
