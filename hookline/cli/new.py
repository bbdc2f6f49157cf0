"""`hookline new`: write a new part of the project."""

import base64
import os
import re
import secrets
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from hookline import runtime
from hookline.cli.new_vendor import vendor
from hookline.cli.output import AsJson, console, print_json
from hookline.errors import ConfigurationError, HooklineError
from hookline.file_writes import changing, replace
from hookline.health.machine import check_dotenv
from hookline.hooks import load_hooks
from hookline.hooks.adding import with_source
from hookline.hooks.config import NAME
from hookline.hooks.presets import SENDERS, Preset
from hookline.hooks.sources import read_source
from hookline.new_flow import make_flow
from hookline.schemes import AuthScheme
from hookline.settings import Settings, dotenv_path
from hookline.source_secrets import secret_variable, token_variable

app = App(
    name="new",
    help="Write a new part of the project: a source by preset, a vendor by its OpenAPI text, a flow with its test.",
)
app.command(vendor)

SECRET_BYTES = 24


@app.command
def source(
    preset: Annotated[str, Parameter(help="The sender: a preset of docs/senders.md.")],
    *,
    name: Annotated[str | None, Parameter(help="The source's name; unless given, the preset's.")] = None,
    as_json: AsJson = False,
) -> None:
    """
    Add a source to hooks.yaml by the preset of its sender, and its variables to .env.

    A secret that we choose is made; one that the sender gives is left empty, to be filled in. Nothing is written where
    others may read .env.

    Try:
        hookline new source stripe
        hookline new source stripe --name payments
    """
    settings = runtime.bootstrap()
    sender = SENDERS.get(preset)
    if sender is None:
        raise ConfigurationError(f"There is no preset {preset!r}. There are: {', '.join(SENDERS)}.")
    chosen = name or preset
    if not NAME.fullmatch(chosen):
        raise ConfigurationError(f"{chosen!r} is not a name: use lower-case letters, digits and dashes.")
    dotenv = dotenv_path()
    _require_private(dotenv)
    variables = _variables(chosen, preset, sender)
    with changing(settings.hooks.parent, dotenv.parent):
        before = _add_source(settings.hooks, chosen, preset)
        try:
            missing = _add_variables(dotenv, variables)
        except (HooklineError, OSError, ValueError):
            _restore(settings.hooks, before)
            raise
    scheme = read_source({"preset": preset}, Path()).auth_scheme
    _show(settings, chosen, sender, scheme, variables, missing, as_json=as_json)


@app.command
def flow(
    name: Annotated[str, Parameter(help="The flow's name, such as late-orders.")],
    *,
    source: Annotated[
        str, Parameter(help="The source of hooks.yaml whose deliveries start it.")
    ] = "standard",
    as_json: AsJson = False,
) -> None:
    """
    Make a flow of your own: its file in flows/, its test in tests/, its deployment and its route.

    It is right as it is written; then it is yours to change.

    Try:
        hookline new flow late-orders
        hookline new flow parcels --source shop
    """
    settings = runtime.bootstrap()
    if settings.project is None:
        raise ConfigurationError(
            "There is no project here. Make one with `hookline init FOLDER`, or name yours by --project."
        )
    made = make_flow(settings.project, name, source, hooks=settings.hooks, prefect=settings.deployments)
    written = [os.path.relpath(path, settings.project) for path in made]
    if as_json:
        print_json({"flow": name.replace("_", "-"), "project": str(settings.project), "files": written})
        return
    console().print(
        f"Written in {settings.project}: {', '.join(written)}.\n"
        "Next: python -m pytest, then hookline apply --dry-run, then hookline apply.",
        markup=False,
    )


def _require_private(path: Path) -> None:
    """Raise where others may read the file of the secrets, or it cannot be read: what is in it must stay."""
    finding = check_dotenv(path)
    if finding.state == "problem":
        raise ConfigurationError(
            f"Nothing was written: {finding.detail}, and secrets belong there. Do this first: {finding.advice}"
        )


def _add_source(path: Path, name: str, preset: str) -> bytes | None:
    """Add a source to a file; return what it held before, None if it was not there."""
    before = path.read_bytes() if path.exists() else None
    try:
        after = with_source((before or b"").decode(), name, {"preset": preset})
    except ValueError as error:
        raise ConfigurationError(
            f"Nothing was written to {path}: {error}. Put these lines below `sources`, or use --name:\n"
            f"  {name}:\n    preset: {preset}"
        ) from None
    replace(path, after.encode(), mode=0o644)
    try:
        load_hooks(path)
    except ConfigurationError:
        _restore(path, before)
        raise
    return before


def _restore(path: Path, before: bytes | None) -> None:
    if before is None:
        path.unlink()
    else:
        replace(path, before, mode=0o644)


def _variables(name: str, preset: str, sender: Preset) -> dict[str, str]:
    """Return the variables of a source; empty is what the sender gives."""
    fields = sender.fields
    made = {secret_variable(name): _made(fields["scheme"], chosen=sender.chosen or preset == "hookline")}
    if any("token" in each for each in fields.get("handshakes", ())):
        made[token_variable(name)] = secrets.token_hex(SECRET_BYTES)
    return made


def _made(scheme: str, *, chosen: bool) -> str:
    if not chosen:
        return ""
    if scheme == "standard-webhooks":
        return "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
    return secrets.token_hex(SECRET_BYTES)


def _add_variables(path: Path, variables: dict[str, str]) -> dict[str, str]:
    """Add variables to a file that only we may read, but for those that are there; return what was added."""
    before = path.read_bytes() if path.exists() else b""
    missing = {
        variable: value
        for variable, value in variables.items()
        if variable not in os.environ
        and not re.search(rf"^\s*(export\s+)?{variable}\s*=".encode(), before, re.MULTILINE)
    }
    if missing:
        between = b"" if not before or before.endswith(b"\n") else b"\n"
        added = "".join(f"{variable}={value}\n" for variable, value in missing.items())
        replace(path, before + between + added.encode(), mode=0o600)
    return missing


def _show(
    settings: Settings,
    name: str,
    sender: Preset,
    scheme: AuthScheme,
    variables: dict[str, str],
    added: dict[str, str],
    *,
    as_json: bool,
) -> None:
    """Show what was written and what is to be done; never a secret."""
    address = f"{settings.base_url}/hooks/{name}" + ("/<its secret>" if scheme.in_path else "")
    if as_json:
        to_fill = [variable for variable, value in added.items() if not value]
        print_json(
            {
                "source": name,
                "address": address,
                "variables": list(variables),
                "fill_in": to_fill,
                "secret": sender.holds,
                "page": sender.page,
                "note": sender.note,
            }
        )
        return
    lines = [f"{settings.hooks} has the source {name}, of {sender.sender}."]
    for variable in variables:
        if variable not in added:
            lines.append(f"{variable} is set already.")
        elif added[variable]:
            lines.append(f".env has {variable}, made just now.")
        else:
            lines.append(f".env has {variable}, empty: fill it in.")
    lines += [
        f"The secret is {sender.holds}.",
        f"Give the sender this address: {address}",
        f"How: {sender.page}",
        *([sender.note] if sender.note else []),
        "Then: hookline apply, and a route for it in the same file.",
    ]
    console().print("\n".join(lines), markup=False)
