"""`hookline listen`: what a source sends to another Hookline comes here as well."""

import asyncio
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated

import asyncpg
from cyclopts import Parameter
from pydantic import SecretStr
from rich.progress import Progress, SpinnerColumn, TextColumn
from rich.text import Text

from hookline import runtime
from hookline.cli.inbox.filters import hooks_now, moment, on_database, pause_remarks
from hookline.cli.output import AsJson, confirm, console, print_json
from hookline.errors import ConfigurationError, HooklineError
from hookline.hooks import Source
from hookline.listening import Heard, Link, Reports, checked_address, exclusively
from hookline.listening import listen as listen_to
from hookline.settings import Settings
from hookline.text import one_line

TWICE = (
    "The other installation works on the same deliveries. With the same real accounts, everything is done twice: a "
    "journal knows only what its own installation did."
)


def listen(
    source: Annotated[str, Parameter(help="A source of hooks.yaml, here and at the other installation.")],
    *,
    from_: Annotated[
        str | None,
        Parameter(name="--from", help="Address of the other Hookline; without it, HOOKLINE_LISTEN_URL."),
    ] = None,
    since: Annotated[
        str | None,
        Parameter(
            help="Begin with what came there at this time or later: 2026-11-22T14:30, or 45m, 2h, 3d ago."
        ),
    ] = None,
    new: Annotated[
        bool, Parameter(negative="", help="Begin with what comes from now on, whatever was missed before.")
    ] = False,
    yes: Annotated[
        bool, Parameter(negative="", help="Do not ask, though flows here use real accounts.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """
    Listen to another Hookline until Ctrl-C: what the source sends there comes here, too, without a tunnel.

    The deliveries are stored in this inbox, marked with where they came from, and routed by the hooks.yaml of this
    side. The other one verified them; this side needs no secret of the sender. It needs the admin token of the other
    one, in HOOKLINE_LISTEN_TOKEN. Values that were redacted there stay so.

    Without --since and --new it goes on where it ended, or begins with what comes from now on. A connection that is
    lost is made again, and nothing is lost or stored twice.

    It first says which vendor accounts the flows here use, and asks if one of them is no simulator.

    Try:
        hookline listen jiwa --from https://hooks.example.com
        hookline listen jiwa --since 1h
        hookline listen jiwa --new --json
    """
    settings = runtime.bootstrap()
    known = _source(source)
    address, token = _other(settings, from_)
    if since is not None and new:
        raise ConfigurationError("--since and --new: choose one.")
    seconds = _seconds_since(since)
    _require_consent(settings, yes=yes, quiet=as_json)
    display = _Screen(source, address, as_json=as_json)

    async def work(database: asyncpg.Pool) -> None:
        for remark in [*await _engines_remark(database), *await pause_remarks(database, {source})]:
            console(stderr=True).print(remark)
        reports = Reports(display.heard, display.away, display.back, display.restored)
        async with exclusively(database, source), Link(address, token, source, runtime.person()) as link:
            await listen_to(
                database, link, source, known, settings.body_keys, reports, since=seconds, new=new,
                actor=runtime.person(),
            )  # fmt: skip

    with suppress(KeyboardInterrupt), display.progress:
        on_database(work)
    display.end()


def _source(name: str) -> Source:
    hooks = hooks_now()
    source = hooks.sources.get(name)
    if source is None:
        known = ", ".join(hooks.sources) or "none"
        raise ConfigurationError(f"{hooks.path} has no source {name!r}. There are: {known}.")
    if source.internal:
        raise ConfigurationError(f"Nobody sends to {name}: Hookline makes its deliveries itself.")
    return source


def _other(settings: Settings, from_: str | None) -> tuple[str, SecretStr]:
    """Return the address of the other Hookline, and its admin token."""
    address = from_ or settings.listen_url
    if address is None:
        raise ConfigurationError(
            "Which other Hookline? Use --from https://hooks.example.com, or HOOKLINE_LISTEN_URL."
        )
    if settings.listen_token is None:
        raise ConfigurationError(
            "HOOKLINE_LISTEN_TOKEN is not set: it is the admin token of the other Hookline. Put it into .env, "
            "not on the command line, where others see it."
        )
    return checked_address(address), settings.listen_token


def _seconds_since(since: str | None) -> float | None:
    """Return how long ago that was: a duration needs no common clock."""
    now = datetime.now(UTC)
    begin = moment("--since", since, now)
    if begin is None:
        return None
    if begin > now:
        raise ConfigurationError(f"--since {since} is still to come.")
    return (now - begin).total_seconds()


def _require_consent(settings: Settings, *, yes: bool, quiet: bool) -> None:
    """Say which accounts flows here use; raise unless they are simulators, or the person agrees."""
    from hookline.provisioning.accounts_in_use import accounts_in_use  # Prefect

    screen = console(stderr=True)
    try:
        accounts = asyncio.run(accounts_in_use(settings))
    except HooklineError as error:
        screen.print(f"It is not known which vendor accounts the flows here use. {error}")
        is_harmless = False
    else:
        is_harmless = all(account.is_simulator for account in accounts)
        for account in accounts if not (quiet and is_harmless) else []:
            kind = "simulator" if account.is_simulator else "REAL ACCOUNT"
            screen.print(f"  {account.name:<20} {kind:<12} {account.address}")
        if not accounts:
            screen.print("No vendor account is stored at this Prefect server.")
    if is_harmless or yes:
        return
    screen.print(TWICE)
    if not sys.stdin.isatty():
        raise ConfigurationError(
            "There is no terminal to ask for confirmation. Nothing was begun; add --yes if that is what you want, or "
            "start `hookline up --sandbox` instead."
        )
    if not confirm("Listen, with these accounts?"):
        raise HooklineError("Nothing was begun.")


async def _engines_remark(database: asyncpg.Pool) -> list[str]:
    alive = await database.fetchval(
        "SELECT EXISTS (SELECT FROM engines WHERE seen_at > now() - interval '1 minute')"
    )
    return [] if alive else ["No engine runs here: deliveries are stored, and wait for one."]


@dataclass
class _Screen:
    """What is display of a listener."""

    source: str
    address: str
    as_json: bool
    stored: int = 0
    progress: Progress = field(init=False)

    def __post_init__(self) -> None:
        screen = console(stderr=True)
        columns = (SpinnerColumn(), TextColumn("{task.description}"))
        self.progress = Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal)
        self._task = self.progress.add_task(self._state("listening"), total=None)

    def heard(self, heard: Heard) -> None:
        """Show a delivery."""
        self.stored += heard.receipt is not None
        if self.as_json:
            print_json(
                {
                    "id": heard.receipt and str(heard.receipt.id),
                    "listened_id": str(heard.offer.id),
                    "source": self.source,
                    "external_id": heard.offer.external_id,
                    "bytes": heard.offer.size,
                    "not_stored": heard.why_not,
                }
            )
        else:
            self._print(self._line(heard))
        sys.stdout.flush()
        self.progress.update(self._task, description=self._state("listening"))

    def away(self, why: str) -> None:
        """Say that the connection is lost."""
        console(stderr=True).print(f"Not connected, trying again: {why}")
        self.progress.update(self._task, description=self._state("waiting"))

    def back(self) -> None:
        """Say that it is there again."""
        console(stderr=True).print(f"Connected to {self.address}.")
        self.progress.update(self._task, description=self._state("listening"))

    def restored(self) -> None:
        """Say that the other side has another history."""
        console(stderr=True).print(
            f"{self.address} was restored from a backup, or is another installation: listening to what comes from now "
            "on. Use --since for what came before."
        )

    def end(self) -> None:
        """Say what was done."""
        console(stderr=True).print(
            f"Stored {self.stored:,} of {self.source} from {self.address}. The next `hookline listen` goes on there."
        )

    def _line(self, heard: Heard) -> Text:
        now = datetime.now(UTC)
        here = str(heard.receipt.id)[:8] if heard.receipt else "not here"
        why = f"  {one_line(heard.why_not)}" if heard.why_not else ""
        return Text(
            f"{now:%H:%M:%S}  {here:<8}  from {str(heard.offer.id)[:8]}  {one_line(heard.offer.external_id, 60)}  "
            f"{heard.offer.size:,} bytes{why}"
        )

    def _print(self, line: Text) -> None:
        console().print(line, soft_wrap=True)

    def _state(self, what: str) -> str:
        return f"{what}: {one_line(self.source)} of {self.address}, stored {self.stored:,}"
