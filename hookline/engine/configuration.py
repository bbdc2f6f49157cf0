"""The configuration of an engine: its files, read again on request, and their problems, reported to people."""

import logging
from functools import partial
from uuid import NAMESPACE_URL, uuid5

import asyncpg
import httpx
from prefect.client.orchestration import PrefectClient

from hookline.catalog import catalog_in_force
from hookline.database import CONNECTION_ERRORS
from hookline.hooks import Hooks, hooks_in_force
from hookline.in_force import Problem
from hookline.inbox import configuration
from hookline.polling.fit import wrong_polls
from hookline.provisioning.deployments import Deployments, deployments_in_force, fit_routes
from hookline.provisioning.flow_files import IMPORT_SECONDS, REIMPORT_SECONDS
from hookline.reloading import Reloadable
from hookline.settings import Settings
from hookline.source_secrets import require_usable
from hookline.texts import Texts
from hookline.texts.in_force import problems_of

logger = logging.getLogger(__name__)

NOT_POLLED = "it is not polled"


class Configuration(Reloadable):
    """Sources, routes and deployments that are in force in this engine."""

    unavailable = (httpx.HTTPError, *CONNECTION_ERRORS)

    def __init__(self, settings: Settings) -> None:
        """
        Read the files.

        Raises:
            ConfigurationError: a file is wrong, and none was in force before; names the place.
        """
        super().__init__("engine")
        self.settings = settings
        self.problems: list[Problem] = []
        self.due = False
        """True if the files are to be read again."""
        self.unread: Texts | None = None
        """The texts that are to be read for mistakes, which may take a while."""
        self.hooks, self.deployments = self._read(IMPORT_SECONDS)

    def request_reload(self) -> None:
        """Let the files be read again before the next turn."""
        self.due = True

    def reload(self) -> None:
        """Read the files again; the request is done with, whatever is in them."""
        self.due = False
        super().reload()

    def _read_again(self) -> str:
        hooks, deployments = self._read(REIMPORT_SECONDS)
        self.hooks.replace_by(hooks)
        self.deployments.replace_by(deployments)
        return f"{len(hooks.sources)} sources, {len(hooks.routes)} routes"

    async def report_problems(self, database: asyncpg.Pool, client: PrefectClient) -> None:
        """Report problems to the inbox and Prefect until cancelled, and release deliveries that waited for a fix."""
        await self.report_forever(partial(self._report, database, client))

    async def _report(self, database: asyncpg.Pool, client: PrefectClient) -> None:
        await self._read_texts()
        await configuration.report(database, self.process, self.problems)
        await configuration.note_broken(database, self.deployments.broken)
        in_force = [route.name for route in self.hooks.routes if not route.off]
        if released := await configuration.release(database, in_force):
            logger.info("%d deliveries go on: the routes that they waited for are in force", released)
        await send_events(database, client)

    async def _read_texts(self) -> None:
        """Read the texts for mistakes, once after the other files were read."""
        if self.unread is None:
            return
        texts, self.unread = self.unread, None
        wrong = await problems_of(texts, self.settings.home)
        for problem in wrong:
            logger.error("%s", problem)
        self.problems = [*self.problems, *wrong]

    def _read(self, seconds: float) -> tuple[Hooks, Deployments]:
        current = self.settings
        hooks = hooks_in_force(current.hooks, current.home, require_usable)
        deployments = deployments_in_force(current.deployments, current.home, seconds)
        fit_routes(hooks, deployments, current.home)
        rules, catalog = catalog_in_force(current.catalog, current.home)
        self.unread = Texts.of_settings(current, rules.language.default)
        polls = [Problem("source", name, detail, NOT_POLLED) for name, detail in wrong_polls(hooks).items()]
        problems = [*hooks.problems, *deployments.problems, *polls]
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
