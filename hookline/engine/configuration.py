"""The files that an engine works by: read again when somebody asks for it, and what is wrong with them told."""

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
from hookline.provisioning.flow_files import AGAIN_SECONDS, IMPORT_SECONDS
from hookline.settings import Settings, read_dotenv

logger = logging.getLogger(__name__)

REPORT_SECONDS = 30.0
PROCESS = configuration.process_on_this_machine("engine")


class Configuration:
    """Sources, routes and deployments that are in force in this engine; all who work by them hold the same objects."""

    def __init__(self, settings: Settings) -> None:
        """
        Read the files.

        Raises:
            ConfigurationError: one is wrong, and none was in force before; names the place.
        """
        self.settings = settings
        self.problems: list[Problem] = []
        self.due = False
        """Somebody asks for the files to be read again."""
        self._told = asyncio.Event()
        self.hooks, self.deployments = self._read(IMPORT_SECONDS)

    def ask(self) -> None:
        """Let the files be read again before the next turn."""
        self.due = True

    def reload(self) -> None:
        """Read the files again: what is right in them is in force from now on, and what runs goes on as it began."""
        self.due = False
        try:
            read_dotenv()
            hooks, deployments = self._read(AGAIN_SECONDS)
        except HooklineError as error:
            logger.error("the files cannot be read again, and all stays as it is: %s", error)  # noqa: TRY400
            return
        self.hooks.replace_by(hooks)
        self.deployments.replace_by(deployments)
        self._told.set()
        logger.info("the files were read again: %d sources, %d routes", len(hooks.sources), len(hooks.routes))

    async def keep_told(self, database: asyncpg.Pool, client: PrefectClient) -> None:
        """Tell the inbox and Prefect what is wrong, now and again, and let go on what waited for what is right."""
        while True:
            self._told.clear()
            try:
                await self._report(database)
                await tell_prefect(database, client)
            except (httpx.HTTPError, *CONNECTION_ERRORS) as error:
                logger.warning("cannot tell now what is wrong with the files: %s", error)
            except Exception:
                logger.exception("cannot tell what is wrong with the files")
            try:
                await asyncio.wait_for(self._told.wait(), REPORT_SECONDS)
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
        self.problems = [*problems, *([catalog] if catalog else [])]  # of which the catalog itself tells
        return hooks, deployments


async def tell_prefect(database: asyncpg.Pool, client: PrefectClient) -> None:
    """
    Send what is newly wrong as Prefect events, by which people are told.

    Raises:
        httpx.HTTPError: Prefect is away; they stay due.
    """
    async with database.acquire() as connection, connection.transaction():
        rows = await connection.fetch(
            "SELECT * FROM configuration_problems WHERE event_due ORDER BY since FOR UPDATE SKIP LOCKED"
        )
        news = {row["detail"]: row for row in rows}
        if news:
            answer = await client.request("POST", "/events", json=[_event(row) for row in news.values()])
            answer.raise_for_status()
            await connection.execute(
                "UPDATE configuration_problems SET event_due = false WHERE detail = ANY($1)", list(news)
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
