"""A sentence of a vendor's that nobody knows is reported once, with the setting to which it can be added."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from hookline.clients import UnknownSentence
from hookline.database import DatabaseUnavailable, lent
from hookline.issues import store
from hookline.journal import Outcome, Send
from hookline.settings import settings

logger = logging.getLogger(__name__)

_understood: Final[set[str]] = set()
"""The operations whose issue is known to be closed, so that not every write asks for it."""


@asynccontextmanager
async def reporting(operation: str, send: Send) -> AsyncIterator[Send]:
    """
    Give the same `send`, and report at the end whether its answer was an unknown sentence.

    The issue of the operation is opened, or counts one more; an answer that is understood closes it. The write itself
    does not suffer from any of that.
    """
    unknown: list[UnknownSentence] = []
    sent: list[Outcome] = []

    async def noting() -> Outcome:
        try:
            sent.append(await send())
        except UnknownSentence as error:
            unknown.append(error)
            raise
        return sent[-1]

    try:
        yield noting
    finally:
        try:
            for each in unknown:
                await _open(operation, each)
            if sent and operation not in _understood:
                await _close(operation)
        except DatabaseUnavailable as failure:
            logger.warning("the issue of the sentences of %s stays as it is: %s", operation, failure)


async def _open(operation: str, error: UnknownSentence) -> None:
    logger.warning("%s", error)
    _understood.discard(operation)
    call = f"{error.vendor} {error.operation}"
    async with lent(settings()) as connection:
        await store.report(
            connection,
            cause=_cause(operation),
            kind="sentence",
            title=f"{call} answers “{error.sentence}”, which is no sentence that is known.",
            advice=f"Each time it is looked up whether it was done. {error.advice}",
        )


async def _close(operation: str) -> None:
    async with lent(settings()) as connection:
        await store.close(connection, cause=_cause(operation))
    _understood.add(operation)


def _cause(operation: str) -> str:
    return f"sentence of {operation}"
