"""`hookline doctor`: run every check, and show what each found and what to do."""

import asyncio
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Final, TypeVar

from rich.console import Console
from rich.text import Text

from hookline import runtime
from hookline.account_keys import DEFAULT
from hookline.catalog import Catalog, read_catalog
from hookline.cli.output import AsJson, console, print_json
from hookline.database import schema
from hookline.errors import HooklineError
from hookline.health import environment, machine, processes, servers
from hookline.health.finding import CORRECT, Finding, broken, in_time, problem, redacted_line
from hookline.hooks import Hooks, load_hooks
from hookline.settings import VENDORS, Settings, dotenv_path, settings
from hookline.texts import Texts, read_texts
from hookline.texts.folder import FALLBACK

T = TypeVar("T")

STYLES: Final = {
    "ok": ("✓", "green"),
    "warning": ("!", "yellow"),
    "problem": ("✗", "bold red"),
    "skipped": ("-", "dim"),
}


def doctor(*, as_json: AsJson = False) -> int:
    """
    Check this machine, the files, the servers and the vendors, and say what to do.

    The exit code is 1 if there is a problem, and 0 if there are only warnings.

    It asks each vendor who we are, which opens a session at vendors that have them, and imports the flow files in a
    process of its own. It changes nothing, except that it makes HOOKLINE_HOME with its keys if it is missing.

    Try:
        hookline doctor
        hookline doctor --json
    """
    with _spinner():
        findings = examine()
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        width = max(len(finding.check) for finding in findings)
        for finding in findings:
            console().print(line(finding, width), soft_wrap=True)
    return int(any(finding.state == "problem" for finding in findings))


def examine() -> list[Finding]:
    """Run every check: first those of this machine and its files, then those of servers and vendors side by side."""
    findings = [machine.check_version(schema.head()), machine.check_python(sys.version_info[:2])]
    try:
        findings.append(machine.check_dotenv(dotenv_path()))
        if folder := settings().project:
            findings.append(machine.check_project(folder))
        home = settings().home
        findings.append(machine.check_home(home))
        if findings[-1].state == "problem":
            return [*findings, _rest("the data folder cannot be used")]
        current = runtime.bootstrap()
    except HooklineError as error:
        return [*findings, problem("environment", error), _rest("the environment is not right")]
    except Exception as error:  # noqa: BLE001  (what was found so far is shown)
        return [*findings, broken("environment", error), _rest("the environment is not right")]

    from hookline.provisioning import checks  # Prefect's settings

    hooks, hooks_finding = _read(
        "hooks.yaml",
        load_hooks,
        current.hooks,
        lambda hooks: f"{len(hooks.sources)} sources, {len(hooks.routes)} routes in {hooks.path}",
    )
    catalog, catalog_finding = _read(
        "catalog.yaml",
        read_catalog,
        current.catalog,
        lambda catalog: f"{len(catalog.products)} products",
    )
    language = catalog.language.default if catalog else FALLBACK
    texts = Texts.of_settings(current, language)
    _, texts_finding = _read(
        "texts",
        lambda _: asyncio.run(read_texts(texts)),
        texts.folder,
        lambda found: f"{len(found)} files, those of {texts.folder} first",
    )
    flows = checks.import_flows(current.deployments, current.hooks)
    findings += [
        *environment.check_vendors(),
        environment.check_variables(os.environ, hooks),
        hooks_finding,
        catalog_finding,
        texts_finding,
        *checks.check_flows(flows, hooks),
        *environment.check_secrets(hooks),
        *environment.check_shared_secrets(hooks),
        *environment.check_addresses(hooks, current.public_url),
        processes.check(home),
    ]
    return findings + asyncio.run(_check_servers(current, flows.work_pools or None, hooks, catalog))


async def _check_servers(
    current: Settings, work_pools: Mapping[str, str] | None, hooks: Hooks | None, catalog: Catalog | None
) -> list[Finding]:
    from hookline.provisioning import checks  # Prefect's settings

    found = await asyncio.gather(
        in_time("PostgreSQL", servers.check_database(current)),
        in_time("Prefect API", checks.check_prefect(current, work_pools), None),
        in_time("Redis", servers.check_redis(current)),
        in_time("encryption key", servers.check_encryption_key(current)),
        in_time("gateway", servers.check_gateway(current)),
        *(
            in_time(checks.name_of(vendor, account), checks.check_vendor(vendor, os.environ, account))
            for vendor, kind in VENDORS.items()
            for account in sorted({DEFAULT, *kind.accounts_in(os.environ)})
        ),
        in_time("blocks", checks.check_blocks(hooks, catalog)),
    )
    return [finding for findings in found for finding in findings]


def _read(
    check: str, read: Callable[[Path], T], path: Path, summary: Callable[[T], str]
) -> tuple[T, Finding] | tuple[None, Finding]:
    """Read a file; return its content, or None if it cannot be read, and a finding."""
    try:
        content = read(path)
    except HooklineError as error:
        return None, Finding(check, "problem", redacted_line(error), CORRECT)
    except Exception as error:  # noqa: BLE001  (whatever is in the file)
        return None, broken(check, error)
    return content, Finding(check, "ok", summary(content))


def line(finding: Finding, width: int) -> Text:
    """Return a finding as one line, its state in colour and in words."""
    sign, style = STYLES[finding.state]
    advice = f" → {finding.advice}" if finding.advice else ""
    return Text.assemble(
        (f"{sign} {finding.state:<8}", style), f" {finding.check:<{width}}  {finding.detail}{advice}"
    )


def _spinner() -> AbstractContextManager[object]:
    screen = Console(stderr=True)
    return screen.status("Checking…") if screen.is_terminal else nullcontext()


def _rest(why: str) -> Finding:
    return Finding("everything else", "skipped", why)
