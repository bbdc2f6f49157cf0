"""`hookline probe`: try a vendor's account, and say which assumptions hold there."""

import asyncio
import json
import os
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

from cyclopts import Parameter
from rich.text import Text

from hookline import runtime
from hookline.cli.call import client_of
from hookline.cli.operations import find_client
from hookline.cli.output import AsJson, console, print_json, show
from hookline.clients import VendorClient
from hookline.errors import ConfigurationError
from hookline.probe import frame
from hookline.probe.frame import Done, Probe, Seen
from hookline.probe.shapes import sentence

STOPPED: Final = 130
"""The exit code of what Ctrl-C stopped."""
MARKS: Final = {
    "done": ("✓", "green"),
    "skipped": ("-", "dim"),
    "failed": ("✗", "bold red"),
    "unheard": ("✗", "bold red"),
}


def probe(
    vendor: Annotated[str, Parameter(help="Such as zentitle.")],
    /,
    *inputs: Annotated[str, Parameter(help="What a step asks for, as `name=value`.")],
    write: Annotated[
        bool, Parameter(negative="", help="Also make one marked record of each kind, and undo it.")
    ] = False,
    block: Annotated[
        str | None, Parameter(help="Use this Prefect block's credentials, not the environment's.")
    ] = None,
    record: Annotated[
        Path | None,
        Parameter(help="The file for what was answered; under HOOKLINE_HOME/probes unless given."),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """
    Try a vendor's account: which assumptions hold there, and what to set where not.

    It only reads, unless `--write` is given. What was answered is recorded in a file with the letters and digits of all
    data replaced, so that the file may be shown to others. The exit code is 1 if a step failed or something is not as
    assumed, else 0.

    Try:
        hookline probe jiwa
        hookline probe zentitle --write product=6453300110
    """
    find_client(vendor)
    settings = runtime.bootstrap()
    values = _read(inputs)
    client = client_of(vendor, block)
    found, steps, findings, is_stopped = asyncio.run(_run(client, values, write=write, quiet=as_json))
    report = {
        "vendor": vendor,
        "address": client.base_url,
        "steps": [{"step": each.step.name, "outcome": each.outcome, "detail": each.detail} for each in steps],
        "facts": [asdict(each) for each in findings],
        "settings": {name: value for each in findings for name, value in each.settings.items()},
        "left": found.left,
    }
    path = record or settings.home / "probes" / f"{vendor}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    masked = [
        {"step": each.step.name, "outcome": each.outcome, "detail": sentence(each.detail)} for each in steps
    ]
    _write(path, report | {"steps": masked, "exchanges": found.exchanges})
    if as_json:
        print_json(report | {"record": str(path)})
    else:
        _show(found, findings, path)
    if is_stopped:
        return STOPPED
    is_well = all(each.outcome in ("done", "skipped") for each in steps) and not found.left
    return int(not is_well or any(each.verdict == "otherwise" for each in findings))


async def _run(
    client: VendorClient, inputs: dict[str, str], *, write: bool, quiet: bool
) -> tuple[Probe, list[Done], list[Seen], bool]:
    """Run all steps; whether it was stopped before the end comes last: what was seen and left is told all the same."""
    steps, ended, is_stopped = frame.steps_of(client.vendor), [], False
    async with client:
        found = Probe(client, inputs)
        try:
            async for each in frame.run(found, steps, write=write):
                ended.append(each)
                if not quiet:
                    _show_step(each)
        except asyncio.CancelledError:
            is_stopped = True
    return found, ended, frame.findings(found, steps), is_stopped


def _show_step(each: Done) -> None:
    mark, style = MARKS[each.outcome]
    detail = f": {each.detail}" if each.detail else ""
    console().print(Text.assemble((mark, style), f" {each.step.title}{detail}"), soft_wrap=True)


def _show(found: Probe, findings: list[Seen], path: Path) -> None:
    console().print()
    rows = [
        {
            "fact": found.facts[each.fact].fact,
            "known_as": each.fact,
            "here": each.verdict,
            "seen": " ".join(part for part in (each.variant, each.evidence) if part),
        }
        for each in findings
        if each.verdict != "not seen"
    ]
    show(rows, ["here", "fact", "seen", "known_as"], as_json=False)
    unseen = [each.fact for each in findings if each.verdict == "not seen"]
    if unseen:
        console().print(f"\nNot seen: {', '.join(unseen)}", style="dim")
    for each in findings:
        if each.verdict == "otherwise":
            console().print(f"\n{each.fact}: {found.facts[each.fact].breaks}", soft_wrap=True)
        for name, value in each.settings.items():
            console().print(f"  set  {name}={value}", style="bold", soft_wrap=True)
    for what in found.left:
        console().print(f"Left at {found.client.vendor}, take it away by hand: {what}", style="bold red")
    console().print(f"\nWhat was answered, without data of anybody: {path}", soft_wrap=True)


def _read(words: tuple[str, ...]) -> dict[str, str]:
    values = {}
    for number, word in enumerate(words, 1):
        name, sign, value = word.partition("=")
        if not (name and sign):
            raise ConfigurationError(f"Input {number} is not name=value, as in product=6453300110.")
        values[name] = value
    return values


def _write(path: Path, report: dict[str, Any]) -> None:
    """Write what was answered into a file of ours alone."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(file, "w", encoding="utf-8") as stream:
            json.dump(report, stream, indent=1, ensure_ascii=False, default=str)
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be written: {error.strerror}. Name another: --record FILE"
        ) from None
