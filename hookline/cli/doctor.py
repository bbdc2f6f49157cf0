"""`hookline doctor`: is everything as it must be, and if not, what to do."""

import asyncio
import math
import os
import platform
import stat
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, redirect_stdout
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import asyncpg
from rich.console import Console
from rich.text import Text

from hookline import runtime
from hookline.catalog import Catalog, read_catalog
from hookline.cli.operations import nearest
from hookline.cli.output import AsJson, console, print_json
from hookline.confined import Confined, TooCostly
from hookline.database.connection import connect, prefect_database_url
from hookline.database.migrate import head as schema_of_this_version
from hookline.errors import HooklineError
from hookline.health import processes, running
from hookline.health.finding import Finding, State
from hookline.health.privacy import check_dotenv
from hookline.hooks import Hooks, load_hooks
from hookline.redaction import redact
from hookline.settings import (
    VENDORS,
    EnvironmentSettings,
    Settings,
    settings,
)
from hookline.source_secrets import PREFIXES, check_secrets, secret_variable, token_variable, webhook_secrets
from hookline.text import one_line

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient

T = TypeVar("T")

PYTHONS: Final = ((3, 11), (3, 14))  # from, and below
SECONDS_EACH: Final = 5.0
IMPORT_SECONDS: Final = 60.0
MAX_CLOCK_DIFFERENCE: Final = 30.0  # seconds
HALF_AN_HOUR: Final = 1800
INTERNAL_VARIABLES: Final = {"HOOKLINE_READY_FILE"}
LOOKS: Final = {
    "ok": ("✓", "green"),
    "warning": ("!", "yellow"),
    "problem": ("✗", "bold red"),
    "skipped": ("-", "dim"),
}
START: Final = "Start it with: hookline up"
MEND: Final = "Mend the place that it names."
KEEP_TIME: Final = "Let both machines take their time from the network (NTP)."


def doctor(*, as_json: AsJson = False) -> int:
    """
    Check this machine, the files, the servers and the vendors, and say what to do.

    The exit code is 1 where there is a problem, and 0 where there are warnings at most.

    It asks vendors who we are, which opens a session where the vendor has them, and imports the flow files in a
    process of its own. It mends nothing; HOOKLINE_HOME with its keys is made where there is none.

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
    """Make every check: first what lies on this machine, then side by side what must be asked."""
    findings = [check_python(sys.version_info[:2]), check_dotenv(Path.cwd() / ".env")]
    try:
        home = settings().home
        findings.append(check_home(home))
        if findings[-1].state == "problem":
            return [*findings, _rest("the data folder cannot be used")]
        current = runtime.enter()
    except HooklineError as error:
        return [*findings, problem("environment", error), _rest("the environment is not right")]
    except Exception as error:  # noqa: BLE001  (whatever is broken, what was found is told)
        return [*findings, _broke("environment", error), _rest("the environment is not right")]
    hooks, hooks_finding = _read("hooks.yaml", load_hooks, current.hooks, _count_hooks)
    findings.append(check_variables(os.environ, hooks))
    catalog = _read("catalog.yaml", read_catalog, current.catalog, _count_products)[1]
    flows = examine_flows(current.deployments, current.hooks)
    findings += [
        hooks_finding,
        catalog,
        *check_flows(flows, hooks),
        *_check_secrets(hooks),
        processes.check(home),
    ]
    import blocks  # noqa: F401  (Prefect, loaded before the clocks of the checks run)

    return findings + asyncio.run(_ask_everybody(current, flows.work_pools or None))


def line(finding: Finding, width: int) -> Text:
    """A finding on one line, its mark in colour and in words."""
    mark, style = LOOKS[finding.state]
    advice = f" → {finding.advice}" if finding.advice else ""
    return Text.assemble(
        (f"{mark} {finding.state:<8}", style), f" {finding.check:<{width}}  {finding.detail}{advice}"
    )


def problem(check: str, error: HooklineError) -> Finding:
    """An error as a finding: its last line, or else its last sentence, is what to do."""
    *happened, advice = str(error).splitlines()
    if not happened:
        text, stop, advice = advice.rpartition(". ")
        happened = [text + stop.strip()]
    detail = "; ".join(each.strip().rstrip(".:") for each in happened)
    return Finding(check, "problem", redact(detail), redact(advice.strip()))


def _spinner() -> AbstractContextManager[object]:
    screen = Console(stderr=True)
    return screen.status("Having a look…") if screen.is_terminal else nullcontext()


def _rest(why: str) -> Finding:
    return Finding("everything else", "skipped", why)


def _broke(check: str, error: Exception) -> Finding:
    detail = f"the check broke: {type(error).__name__}: {_one_line(error)}"
    return Finding(check, "problem", detail, "Tell the maintainers.")


def _one_line(error: object) -> str:
    return redact(one_line(error))


# This machine -----------------------------------------------------------------------------------------------


def check_python(version: tuple[int, ...]) -> Finding:
    """Whether Hookline runs on this Python and system."""
    lowest, below = PYTHONS
    said = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if not lowest <= version < below:
        wanted = f"{_dotted(lowest)} or later, below {_dotted(below)}"
        return Finding("Python", "problem", said, f"Use Python {wanted}: make PYTHON=python3.11 setup")
    if platform.system() not in ("Linux", "Darwin"):
        return Finding("Python", "problem", said, "Use Linux or macOS; on Windows, WSL.")
    return Finding("Python", "ok", said)


def check_home(home: Path) -> Finding:
    """Whether the data folder can be written to, and by nobody else; it is made where it is missing."""
    check = "HOOKLINE_HOME"
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home):
            pass
        others = stat.S_IRWXG | stat.S_IRWXO
        # Passing through a folder is harmless; as root, PostgreSQL's own user must.
        open_folder = [home] * bool(home.stat().st_mode & others & ~(stat.S_IXGRP | stat.S_IXOTH))
        open_files = [path for path in home.glob("secrets/*") if path.stat().st_mode & others]
    except (OSError, ValueError) as error:
        advice = "Set HOOKLINE_HOME to a folder that you may write to."
        why = getattr(error, "strerror", None) or error
        return Finding(check, "problem", f"cannot be used: {home}: {why}", advice)
    if open_files:
        names = " ".join(map(str, open_files))
        return Finding(check, "problem", f"secrets that others may read: {names}", f"chmod 600 {names}")
    if open_folder:
        return Finding(check, "warning", f"others may read or write {home}", f"chmod go-rw {home}")
    return Finding(check, "ok", f"{home}, writable and private")


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


# The environment --------------------------------------------------------------------------------------------


def variables_of(kind: type[EnvironmentSettings]) -> set[str]:
    """The names of the variables that these settings are read from."""
    return {f"{_prefix(kind)}{name.upper()}" for name in kind.model_fields}


def check_variables(environment: Iterable[str], hooks: Hooks | None) -> Finding:
    """Whether every variable that begins as ours do is one of ours."""
    kinds: list[type[EnvironmentSettings]] = [Settings, *VENDORS.values()]
    known = {name for kind in kinds for name in variables_of(kind)}
    sources = hooks.sources if hooks else {}
    known |= {variable(source) for source in sources for variable in (secret_variable, token_variable)}
    ours = [name for name in environment if name.upper().startswith(tuple(map(_prefix, kinds)))]
    if hooks is None:
        ours = [name for name in ours if not name.startswith(PREFIXES)]
    strange = sorted(name for name in ours if name.upper() not in known | INTERNAL_VARIABLES)
    if not strange:
        return Finding("environment", "ok", f"{len(ours)} variables, all known")
    return Finding(
        "environment",
        "warning",
        f"not a variable of Hookline: {', '.join(strange)}",
        " ".join(_meant(name, known) for name in strange),
    )


def _meant(name: str, known: set[str]) -> str:
    near = nearest(name, known)
    return f"Rename {name} to {near}." if near else f"Remove {name}."


def _prefix(kind: type[EnvironmentSettings]) -> str:
    return kind.model_config.get("env_prefix", "")


# The files --------------------------------------------------------------------------------------------------


def _read(
    check: str, read: Callable[[Path], T], path: Path, say: Callable[[T], str]
) -> tuple[T, Finding] | tuple[None, Finding]:
    """What a file holds, and a finding that says so in words; None where it cannot be read."""
    try:
        found = read(path)
    except HooklineError as error:
        return None, Finding(check, "problem", _one_line(error), MEND)
    except Exception as error:  # noqa: BLE001  (whatever is in the file)
        return None, _broke(check, error)
    return found, Finding(check, "ok", say(found))


def _count_hooks(hooks: Hooks) -> str:
    return f"{len(hooks.sources)} sources, {len(hooks.routes)} routes in {hooks.path}"


def _count_products(catalog: Catalog) -> str:
    return f"{len(catalog.products)} products"


@dataclass(frozen=True)
class Flows:
    """What became of the flows of `prefect.yaml`, imported in a process of its own."""

    work_pools: Mapping[str, str] = field(default_factory=dict)
    """By deployment."""
    problems: Sequence[str] = ()
    wrong_routes: Sequence[str] = ()


def examine_flows(deployments: Path, hooks: Path) -> Flows:
    """Import the flows where one that ends its process, or never ends, does not end this one."""
    from hookline.provisioning.flow_files import (
        being_imported,  # the engine's package; not for the other commands
    )

    confined = Confined(seconds=IMPORT_SECONDS, megabytes=4000)
    with tempfile.TemporaryDirectory() as folder:  # of a home where nothing was good before
        try:
            return asyncio.run(confined.run(_import_flows, deployments, hooks, Path(folder)))
        except TooCostly:
            file = being_imported(Path(folder)) or "a flow file"
            why = f"{file} ends the process that imports it, or takes longer than {IMPORT_SECONDS:g} s"
            return Flows(problems=[f"{deployments}: {why}"])
        except Exception as error:  # noqa: BLE001  (whatever is broken, what was found is told)
            return Flows(problems=[_one_line(error)])
        finally:
            confined.close()


def _import_flows(path: Path, hooks: Path, home: Path) -> Flows:
    from hookline.provisioning.deployments import deployments_in_force, wrong_routes

    with redirect_stdout(sys.stderr):
        found = deployments_in_force(path, home)
        try:
            wrong = wrong_routes(load_hooks(hooks), found)
        except HooklineError:
            wrong = []  # which another check tells
    pools = {name: deployment.work_pool.name for name, deployment in found.items()}
    return Flows(pools, [problem.detail for problem in found.problems], wrong)


def check_flows(flows: Flows, hooks: Hooks | None) -> list[Finding]:
    """Whether every flow can be loaded, and the routes fit the parameters of their flows."""
    findings = [Finding("prefect.yaml", "problem", _one_line(each), MEND) for each in flows.problems]
    findings = findings or [Finding("prefect.yaml", "ok", ", ".join(flows.work_pools))]
    if hooks is None or not flows.work_pools:
        return [*findings, Finding("routes", "skipped", "a file they are in cannot be read")]
    if flows.wrong_routes:
        detail = f"{hooks.path}: {'; '.join(flows.wrong_routes)}"
        return [*findings, Finding("routes", "problem", _one_line(detail), MEND)]
    return [*findings, Finding("routes", "ok", "all fit the parameters of their flows")]


def _check_secrets(hooks: Hooks | None) -> list[Finding]:
    if hooks is None:
        return [Finding("webhook secrets", "skipped", "hooks.yaml cannot be read")]
    return [
        check_secrets(name, source.auth_scheme, webhook_secrets(name))
        for name, source in hooks.sources.items()
    ]


# What must be asked -----------------------------------------------------------------------------------------


async def _ask_everybody(current: Settings, work_pools: Mapping[str, str] | None) -> list[Finding]:
    found = await asyncio.gather(
        in_time("PostgreSQL", _database(current)),
        in_time("Prefect API", _prefect(current, work_pools)),
        in_time("encryption key", _encryption_key(current)),
        in_time("gateway", _gateway(current)),
        *(in_time(vendor, _vendor(vendor, os.environ)) for vendor in VENDORS),
    )
    return [finding for findings in found for finding in findings]


async def in_time(
    check: str, asked: Awaitable[list[Finding]], seconds: float = SECONDS_EACH
) -> list[Finding]:
    """What a check finds, or that it found nothing in its time, or broke: the other checks go on."""
    try:
        async with asyncio.timeout(seconds):
            return await asked
    except TimeoutError:
        advice = "Check its address and the network, and whether it is up."
        return [Finding(check, "problem", f"no answer within {seconds:g} s", advice)]
    except HooklineError as error:
        return [problem(check, error)]
    except Exception as error:  # noqa: BLE001  (a doctor that breaks helps nobody)
        return [_broke(check, error)]


def clock(ahead: float) -> tuple[State, str]:
    """What to think of a clock that is this many seconds ahead of ours."""
    off = f"{abs(ahead):.0f} s {'ahead' if ahead > 0 else 'behind'}"
    half_hours = round(ahead / HALF_AN_HOUR)
    if abs(ahead) <= MAX_CLOCK_DIFFERENCE:
        return "ok", "clock as ours" if abs(ahead) < 1 else f"clock {off}"
    if abs(ahead - half_hours * HALF_AN_HOUR) <= MAX_CLOCK_DIFFERENCE:
        return "ok", f"clock {half_hours / 2:+g} h: a time zone"
    return "warning", f"clock {off}"


async def _database(current: Settings) -> list[Finding]:
    """PostgreSQL itself, the schema in it, and the work in that."""
    schema, work = "database schema", "open work"
    try:
        connection = await connect(current)
    except HooklineError as error:
        away = "PostgreSQL does not answer"
        return [
            problem("PostgreSQL", error),
            Finding(schema, "skipped", away),
            Finding(work, "skipped", away),
        ]
    try:
        server = await _server(connection)
        revision = await _revision(connection)
        if revision != schema_of_this_version():
            detail = f"{revision or 'none'}; this version needs {schema_of_this_version()}"
            return [
                server,
                Finding(schema, "problem", detail, "Bring it up to date: python -m hookline.database"),
                Finding(work, "skipped", "the schema is another"),
            ]
        return [
            server,
            Finding(schema, "ok", f"at {revision}, the latest"),
            await _open_work(connection),
            *running.check(await running.look(connection)),
        ]
    finally:
        await connection.close()


async def _server(connection: asyncpg.Connection) -> Finding:
    version = await connection.fetchval("SHOW server_version")
    before = datetime.now(UTC)
    there = await connection.fetchval("SELECT clock_timestamp()")
    here = before + (datetime.now(UTC) - before) / 2
    state, said = clock((there - here).total_seconds())
    advice = KEEP_TIME if state == "warning" else ""
    return Finding("PostgreSQL", state, f"{version.split()[0]}, {said}", advice)


async def _revision(connection: asyncpg.Connection) -> str | None:
    try:
        return str(await connection.fetchval("SELECT version_num FROM alembic_version"))
    except asyncpg.UndefinedTableError:
        return None


async def _open_work(connection: asyncpg.Connection) -> Finding:
    rows = await connection.fetch(
        """
        SELECT 'inbox' AS place, state, count(*) AS n FROM deliveries
        WHERE state IN ('failed', 'uncertain', 'rejected')
              OR (state = 'held' AND source NOT IN (SELECT source FROM pauses))   -- its flow waits for an answer
        GROUP BY state
        UNION ALL SELECT 'effects', state, count(*) FROM effects WHERE state = 'uncertain' GROUP BY state
        """
    )
    paused = await connection.fetch("SELECT source FROM pauses ORDER BY source")
    counts = {(row["place"], row["state"]): row["n"] for row in rows}
    return open_work(counts, [row["source"] for row in paused])


def open_work(counts: Mapping[tuple[str, str], int], paused: Sequence[str] = ()) -> Finding:
    """What waits for a person, by command and state, and paused sources; how to look at it, or to end it."""
    things = {"inbox": "deliveries", "effects": "effects"}
    waiting = [(place, state, n) for (place, state), n in sorted(counts.items()) if n]
    if not waiting and not paused:
        return Finding("open work", "ok", "nothing waits for a person")
    told = [f"{things[place]} {state}: {n}" for place, state, n in waiting]
    advice = [f"hookline {place} list --state {state}" for place, state, _ in waiting]
    told += [f"{source} is paused" for source in paused]
    advice += [f"hookline inbox resume {source}" for source in paused]
    return Finding("open work", "warning", ", ".join(told), "; ".join(advice))


async def _prefect(current: Settings, work_pools: Mapping[str, str] | None) -> list[Finding]:
    """The Prefect API, and what `apply` makes there."""
    from prefect.client.orchestration import get_client

    from hookline.health import schedules

    own = current.prefect_api_url == current.own_prefect_api_url
    async with get_client() as client:
        if failure := await client.api_healthcheck():
            detail = (
                f"{current.prefect_api_url} does not answer: {_one_line(failure) or type(failure).__name__}"
            )
            away = "the Prefect API does not answer"
            return [
                Finding("Prefect API", "problem", detail, START if own else "Check PREFECT_API_URL."),
                Finding("deployments", "skipped", away),
                Finding("work pool", "skipped", away),
            ]
        if work_pools is None:
            unread = "prefect.yaml cannot be read"
            rest = [Finding(check, "skipped", unread) for check in ("deployments", "work pool")]
        else:
            pools = sorted(set(work_pools.values()))
            rest = [await _applied(client, work_pools), *[await _work_pool(client, pool) for pool in pools]]
            rest.append(await schedules.check(client))
        return [await _prefect_version(client, current), *rest]


async def _prefect_version(client: "PrefectClient", current: Settings) -> Finding:
    from prefect import __version__ as ours

    theirs = await client.api_version()
    if theirs != ours:
        detail = f"{current.prefect_api_url} is {theirs}, and we are {ours}"
        return Finding("Prefect API", "warning", detail, "Let both be the same version.")
    return Finding("Prefect API", "ok", f"{theirs} at {current.prefect_api_url}")


async def _applied(client: "PrefectClient", deployments: Iterable[str]) -> Finding:
    from prefect.exceptions import ObjectNotFound

    missing = []
    for name in deployments:
        try:
            await client.read_deployment_by_name(name)
        except ObjectNotFound:
            missing.append(name)
    if missing:
        return Finding("deployments", "problem", f"missing: {', '.join(missing)}", "hookline apply")
    return Finding("deployments", "ok", ", ".join(deployments))


async def _work_pool(client: "PrefectClient", name: str) -> Finding:
    from prefect.client.schemas.objects import WorkerStatus
    from prefect.exceptions import ObjectNotFound

    try:
        workers = await client.read_workers_for_work_pool(name)
    except ObjectNotFound:
        return Finding("work pool", "problem", f"{name} is missing", "hookline apply")
    online = [worker for worker in workers if worker.status == WorkerStatus.ONLINE]
    if not online:
        detail = f"{name} has no worker online: schedules and runs from the Prefect UI wait"
        return Finding("work pool", "warning", detail, "hookline up, or: hookline worker")
    return Finding("work pool", "ok", f"{name}, workers online: {len(online)}")


async def _encryption_key(current: Settings) -> list[Finding]:
    """Where the key is that Prefect encrypts credentials with: not beside what it encrypts."""
    check = "encryption key"
    if current.prefect_api_url != current.own_prefect_api_url:
        return [Finding(check, "skipped", "the Prefect server of PREFECT_API_URL keeps its own")]
    if not os.environ.get("PREFECT_SERVER_ENCRYPTION_KEY"):
        detail = "PREFECT_SERVER_ENCRYPTION_KEY is empty, so Prefect keeps the key beside what it encrypts"
        return [Finding(check, "problem", detail, "Remove the empty variable.")]
    stored = await _key_in_database(current)
    if stored is None:
        return [Finding(check, "ok", "set; Prefect's database was not asked")]
    if stored:
        detail = (
            "one lies in Prefect's database, from a server that ran without PREFECT_SERVER_ENCRYPTION_KEY"
        )
        return [
            Finding(check, "warning", detail, "Credentials of that time: change them, and save them again.")
        ]
    return [Finding(check, "ok", "set, and not in the database")]


async def _key_in_database(current: Settings) -> bool | None:
    """Whether Prefect has made a key of its own; None where its database cannot be asked."""
    url = prefect_database_url(current)
    if not url.startswith("postgresql+asyncpg://"):
        return None
    try:
        connection = await asyncpg.connect(url.replace("+asyncpg", "", 1), timeout=SECONDS_EACH)
    except (OSError, asyncpg.PostgresError):
        return None
    try:
        return bool(
            await connection.fetchval("SELECT count(*) FROM configuration WHERE key = 'ENCRYPTION_KEY'")
        )
    except asyncpg.UndefinedTableError:
        return False
    finally:
        await connection.close()


async def _gateway(current: Settings) -> list[Finding]:
    import httpx

    url = f"{current.gateway_url}/readyz"
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=SECONDS_EACH) as client:
            answer = await client.get(url)
    except httpx.HTTPError as error:
        detail = f"{url} does not answer: {_one_line(error) or type(error).__name__}"
        return [Finding("gateway", "problem", detail, START)]
    if answer.is_success:
        return [Finding("gateway", "ok", f"ready at {current.gateway_url}")]
    detail = f"{url} answers {answer.status_code}: {_one_line(answer.text)[:200]}"
    return [
        Finding("gateway", "problem", detail, "Look at the gateway's log, and at what else uses the port.")
    ]


async def _vendor(vendor: str, environment: Mapping[str, str]) -> list[Finding]:
    from blocks import BLOCKS  # Prefect

    prefix = _prefix(VENDORS[vendor])
    if not any(name.upper().startswith(prefix) and value for name, value in environment.items()):
        return [Finding(vendor, "skipped", f"not configured: no variable {prefix}… is set")]
    credentials = BLOCKS[vendor].from_environment()
    connection = await credentials.check_connection()
    said = f"{credentials.get_client().base_url} lets us in as {connection.accepted_as}"
    ahead = connection.clock_difference
    if ahead is None or not math.isfinite(ahead):
        return [Finding(vendor, "ok", said)]
    state, words = clock(ahead)
    advice = KEEP_TIME if state == "warning" else ""
    return [Finding(vendor, state, f"{said}, {words}", advice)]
