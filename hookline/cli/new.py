"""`hookline new`: write a new part of the files."""

import base64
import os
import re
import secrets
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from hookline import runtime
from hookline.cli.output import AsJson, console, print_json
from hookline.errors import ConfigurationError
from hookline.hooks import load_hooks
from hookline.hooks.adding import with_source
from hookline.hooks.config import NAME
from hookline.hooks.presets import SENDERS, Preset
from hookline.hooks.sources import read_source
from hookline.schemes import AuthScheme
from hookline.settings import Settings
from hookline.source_secrets import secret_variable, token_variable

app = App(name="new", help="Write a new part of the files: a source, by the preset of its sender.")

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

    A secret that we choose is made; one that the sender gives is left empty, to be filled in.

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
    _add_source(settings.hooks, chosen, preset)
    variables = _variables(chosen, preset, sender)
    missing = _add_variables(Path.cwd() / ".env", variables)
    scheme = read_source({"preset": preset}, Path()).auth_scheme
    _show(settings, chosen, sender, scheme, variables, missing, as_json=as_json)


def _add_source(path: Path, name: str, preset: str) -> None:
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    try:
        after = with_source(before, name, {"preset": preset})
    except ValueError as error:
        raise ConfigurationError(
            f"Nothing was written to {path}: {error}. Put these lines below `sources`, or use --name:\n"
            f"  {name}:\n    preset: {preset}"
        ) from None
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(after, encoding="utf-8")
    try:
        load_hooks(path)
    except ConfigurationError:
        path.write_text(before, encoding="utf-8") if before else path.unlink()
        raise


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
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    missing = {
        variable: value
        for variable, value in variables.items()
        if variable not in os.environ and not re.search(rf"^\s*{variable}\s*=", before, re.MULTILINE)
    }
    if missing:
        between = "" if not before or before.endswith("\n") else "\n"
        added = "".join(f"{variable}={value}\n" for variable, value in missing.items())
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "a") as file:
            file.write(between + added)
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
