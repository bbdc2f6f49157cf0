"""The configuration of an engine: its files, read again on request, and their problems, reported to people."""

import asyncio
import logging
from uuid import NAMESPACE_URL, uuid5

import asyncpg
import httpx
from prefect.client.orchestration import PrefectClient

from hookline.catalog import catalog_in_force
from hookline.database import CONNECTION_ERRORS
from hookline.errors import HooklineError
from hookline.gateway.configuration import require_readable_secrets
from hookline.hooks import Hooks, hooks_in_force
from hookline.in_force import Problem
from hookline.inbox import configuration
from hookline.provisioning.deployments import Deployments, deployments_in_force, fit_routes
from hookline.provisioning.flow_files import IMPORT_SECONDS, REIMPORT_SECONDS
from hookline.settings import Settings, read_dotenv

logger = logging.getLogger(__name__)

REPORT_SECONDS = 30.0
PROCESS = configuration.process_on_this_machine("engine")


class Configuration:
    """The sources, routes and deployments in force in this engine; all its parts share the same objects."""

    def __init__(self, settings: Settings) -> None:
        """
        Read the files.

        Raises:
            ConfigurationError: a file is wrong, and none was in force before; names the place.
        """
        self.settings = settings
        self.problems: list[Problem] = []
        self.due = False
        """True if the files are to be read again."""
        self._reloaded = asyncio.Event()
        self.hooks, self.deployments = self._read(IMPORT_SECONDS)

    def request_reload(self) -> None:
        """Let the files be read again before the next turn."""
        self.due = True

    def reload(self) -> None:
        """Read the files again: their valid parts are in force from now on, and runs go on as they began."""
        self.due = False
        try:
            read_dotenv()
            hooks, deployments = self._read(REIMPORT_SECONDS)
        except HooklineError as error:
            logger.error("the files cannot be read again, and all stays as it is: %s", error)  # noqa: TRY400
            return
        self.hooks.replace_by(hooks)
        self.deployments.replace_by(deployments)
        self._reloaded.set()
        logger.info("the files were read again: %d sources, %d routes", len(hooks.sources), len(hooks.routes))

    async def report_problems(self, database: asyncpg.Pool, client: PrefectClient) -> None:
        """Report problems to the inbox and Prefect until cancelled, and release deliveries that waited for a fix."""
        while True:
            self._reloaded.clear()
            try:
                await self._report(database)
                await send_events(database, client)
            except (httpx.HTTPError, *CONNECTION_ERRORS) as error:
                logger.warning("cannot report the problems of the files now: %s", error)
            except Exception:
                logger.exception("cannot report the problems of the files")
            try:
                await asyncio.wait_for(self._reloaded.wait(), REPORT_SECONDS)
            except TimeoutError:
                continue

    async def _report(self, database: asyncpg.Pool) -> None:
        await configuration.report(database, PROCESS, self.problems)
        await configuration.note_broken(database, self.deployments.broken)
        in_force = [route.name for route in self.hooks.routes if not route.off]
        if released := await configuration.release(database, in_force):
            logger.info("%d deliveries go on: the routes that they waited for are in force", released)

    def _read(self, seconds: float) -> tuple[Hooks, Deployments]:
        current = self.settings
        hooks = hooks_in_force(current.hooks, current.home, require_readable_secrets)
        deployments = deployments_in_force(current.deployments, current.home, seconds)
        fit_routes(hooks, deployments, current.home)
        _, catalog = catalog_in_force(current.catalog, current.home)
        problems = [*hooks.problems, *deployments.problems]
        for problem in problems:
            logger.error("%s", problem)
        self.problems = [*problems, *([catalog] if catalog else [])]  # which the catalog itself logs
        return hooks, deployments


async def send_events(database: asyncpg.Pool, client: PrefectClient) -> None:
    """
    Send new problems as Prefect events, by which people are notified.

    Raises:
        httpx.HTTPError: Prefect is unavailable; the events stay due.
    """
    async with database.acquire() as connection, connection.transaction():
        rows = await connection.fetch(
            "SELECT * FROM configuration_problems WHERE event_due ORDER BY since FOR UPDATE SKIP LOCKED"
        )
        new_problems = {row["detail"]: row for row in rows}
        if new_problems:
            answer = await client.request(
                "POST", "/events", json=[_event(row) for row in new_problems.values()]
            )
            answer.raise_for_status()
            await connection.execute(
                "UPDATE configuration_problems SET event_due = false WHERE detail = ANY($1)",
                list(new_problems),
            )


def _event(row: asyncpg.Record) -> dict[str, object]:
    return {
        "id": str(uuid5(NAMESPACE_URL, f"hookline:configuration:{row['since']}:{row['detail']}")),
        "occurred": row["since"].isoformat(),
        "event": "hookline.configuration.broken",
        "resource": {
            "prefect.resource.id": f"hookline.configuration.{row['kind'].replace(' ', '-')}.{row['name']}",
            "prefect.resource.name": row["name"],
        },
        "related": [],
        "payload": {fact: row[fact] for fact in ("kind", "name", "detail", "process")},
    }
