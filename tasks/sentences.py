"""A sentence of a vendor's that nobody knows is reported once, with the setting to which it can be added."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hookline.clients import UnknownSentence
from hookline.database import DatabaseUnavailable, lent
from hookline.issues import store
from hookline.journal import Outcome, Send
from hookline.settings import settings

logger = logging.getLogger(__name__)


@asynccontextmanager
async def reporting(send: Send) -> AsyncIterator[Send]:
    """Give the same `send`; whatever comes of it, an unknown sentence that it met is reported at the end."""
    met: list[UnknownSentence] = []

    async def noting() -> Outcome:
        try:
            return await send()
        except UnknownSentence as error:
            met.append(error)
            raise

    try:
        yield noting
    finally:
        for each in met:
            await _report(each)


async def _report(error: UnknownSentence) -> None:
    """Open an issue for it, or count one more; the write itself must not suffer from that."""
    call = f"{error.vendor} {error.operation}"
    logger.warning("%s", error)
    try:
        async with lent(settings()) as connection:
            await store.report(
                connection,
                cause=f"sentence of {call}",
                kind="sentence",
                title=f"{call} answers “{error.sentence}”, which is no sentence that is known.",
                advice=f"Each time it is looked up whether it was done. {error.advice}.",
            )
    except DatabaseUnavailable as failure:
        logger.warning("the sentence of %s is in no issue: %s", call, failure)
