"""
Answers of vendors in a rehearsal: from what was recorded; with a person's leave, reads from the vendor itself.

What nobody recorded is answered by nobody: an empty list in its place would send a flow another way.
"""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import asyncpg
from pydantic import ValidationError

from hookline.clients import CLIENTS, Operation, VendorClient, operations
from hookline.clients.answers import absent_from
from hookline.clients.models import Input
from hookline.database import pool
from hookline.database.types import Row
from hookline.errors import ConfigurationError
from hookline.inbox import bodies
from hookline.journal import Journal
from hookline.rehearsal import network, recorded
from hookline.rehearsal.doors import NotRecorded
from hookline.rehearsal.report import text_of
from hookline.rehearsal.writes import RehearsedJournal, current_run
from hookline.settings import VENDORS, Settings

NOWHERE: Final = "http://127.0.0.1:9"
"""In place of the address of an account that the environment does not set: it is never called."""


@dataclass
class Recorded:
    """The doors of a rehearsal; see `doors.Doors`."""

    recorded: Settings
    read_from_vendors: bool = False
    accounts: dict[tuple[type[Any], str], Any] = field(default_factory=dict)

    @cached_property
    def journal(self) -> Journal:
        """The recorded journal."""
        return RehearsedJournal(self.recorded)

    def account(self, kind: type[Any], name: str) -> Any:
        """
        Return the credentials of this kind and name, as the environment has them.

        Where nothing is called, an account that it does not set stands for one that is stored at Prefect alone.

        Raises:
            NotRecorded: they are not complete.
        """
        if (kind, name) not in self.accounts:
            vendor = VENDORS[kind.vendor]
            if not self.read_from_vendors and not any(map(os.environ.get, vendor.variables(name).values())):
                for field_name, value in ({"BASE_URL": NOWHERE} | vendor.sandbox_login).items():
                    os.environ[vendor.prefix_of(name) + field_name] = value
            try:
                credentials = kind.from_environment(name)
            except ConfigurationError as error:
                raise self.missing(f"the account {kind.vendor}/{name}", str(error)) from None
            credentials._block_document_name = name  # noqa: SLF001  (Prefect's name for it)
            self.accounts[kind, name] = credentials
        return self.accounts[kind, name]

    async def answer(
        self,
        client: VendorClient,
        operation: Operation[..., Any],
        inputs: Input,
        send: Callable[[Operation[..., Any], Input], Awaitable[Any]],
    ) -> Any:
        """
        Return the answer to a vendor call.

        Raises:
            NotRecorded: nobody knows it, or it would change something.
            VendorError: the vendor was asked, and failed.
        """
        name = f"{operation.vendor}.{operation.name}"
        if not operation.reads:  # a write that is not in the journal, or a read that looks like one
            raise self.missing(f"what follows {name}", _which(inputs))
        if (found := await self._found(client, operation, inputs)) is not None:
            return operation.load(found)
        if not self.read_from_vendors:
            raise self.missing(f"the answer to {name}", _which(inputs))
        with network.opened():
            return await send(operation, inputs)

    async def generation(self, workflow: str, key: str) -> int:
        """Return the generation of a business that is compensated as a whole, as it was recorded."""
        return await recorded.generation(await self._database(), workflow, key)

    def missing(self, what: str, details: str = "") -> NotRecorded:
        """Note that the run here needs what nobody recorded; return the error to raise."""
        current_run().misses(what, details)
        return NotRecorded(what, details)

    async def _found(self, client: VendorClient, operation: Operation[..., Any], inputs: Input) -> Any:
        """Return a recorded answer as JSON; None if there is none."""
        if len(operation.placeholders) != 1:
            return None
        [name] = operation.placeholders
        value = str(inputs.values().get(name, ""))
        async for body in self._bodies(value):
            if is_record(operation, body) and str(body.get(name)) == value:
                return body
        alike = [
            f"{each.vendor}.{each.name}"
            for each in operations(CLIENTS[operation.vendor]).values()
            if each.answer is operation.answer and each.repeat != "safe"
        ]
        return await recorded.answer_with(await self._database(), alike, client.account, name, value)

    async def _bodies(self, value: str) -> AsyncIterator[Any]:
        """Yield the body of the delivery that is rehearsed, then those of others of this record, the nearest first."""
        of = current_run().delivery
        if of is None:
            return
        yield self._parsed({**of.row, "body": of.body})
        for row in await recorded.about_the_same(await self._database(), of, value):
            yield self._parsed(row)

    def _parsed(self, row: Row) -> Any:
        if "redacted" in row["altered"]:
            return None
        with suppress(ValueError):  # none of the keys decrypts it
            return bodies.as_json(bodies.unseal(row, self.recorded.body_keys))
        return None

    async def _database(self) -> asyncpg.Pool:
        return await pool(self.recorded)


def is_record(operation: Operation[..., Any], body: Any) -> bool:
    """Return True if a body is the whole record that an operation reads: it has all by which flows decide."""
    if not isinstance(body, dict) or not operation.shows or absent_from(body, operation.shows):
        return False
    try:
        operation.load(body)
    except ValidationError:
        return False
    return True


def _which(inputs: Input) -> str:
    """Return the inputs of a call for people, without secrets."""
    secrets = inputs.secrets()
    return text_of({name: value for name, value in inputs.values().items() if value not in secrets})
