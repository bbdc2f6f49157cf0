"""One harmless call with each block of credentials: the one that `hookline doctor` makes, too."""

import asyncio
from collections.abc import Sequence
from typing import Final

from pydantic import ValidationError

from blocks import BLOCKS, VendorCredentials
from blocks.stored import StoredBlock
from hookline.clients.errors import VendorAway, VendorError, VendorGivenUp
from hookline.credentials import Checked, Result
from hookline.errors import HooklineError
from hookline.health.finding import problem
from hookline.outages.watch import is_outage

AT_ONCE: Final = 8
TRY_SECONDS: Final = 20.0


async def try_all(
    stored: Sequence[StoredBlock], seconds: float = TRY_SECONDS
) -> list[Checked | BaseException]:
    """Try blocks side by side, a few at once; one that breaks its check does not keep the others from theirs."""
    room = asyncio.Semaphore(AT_ONCE)

    async def one(block: StoredBlock) -> Checked:
        async with room:
            return await _try_stored(block, seconds)

    return await asyncio.gather(*map(one, stored), return_exceptions=True)


async def _try_stored(stored: StoredBlock, seconds: float) -> Checked:
    try:
        block = await BLOCKS[stored.vendor].aload(stored.name)
    except ValidationError as error:  # its text would quote what was typed
        fields = sorted({str(each["loc"][0]) if each["loc"] else "the log-in" for each in error.errors()})
        return _checked(
            stored,
            "refused",
            f"the block cannot be read: {', '.join(fields)}",
            "Correct it in the Prefect UI.",
        )
    return await try_block(stored, block, seconds)


async def try_block(stored: StoredBlock, block: VendorCredentials, seconds: float) -> Checked:
    """Return what the vendor says to a call that changes nothing."""
    try:
        async with asyncio.timeout(seconds):
            connection = await block.check_connection()
    except TimeoutError:
        return _checked(stored, "away", f"no answer within {seconds:g} s", block=block)
    except HooklineError as error:
        finding = problem(stored.account, error)
        result: Result = "away" if _is_away(error) else "refused"
        return _checked(stored, result, finding.detail, finding.advice, block)
    return _checked(stored, "accepted", f"accepted as {connection.accepted_as}", block=block)


def _is_away(error: HooklineError) -> bool:
    """Return True where the vendor said nothing about the credentials."""
    return isinstance(error, VendorAway | VendorGivenUp) or (
        isinstance(error, VendorError) and is_outage(error)
    )


def _checked(
    stored: StoredBlock, result: Result, detail: str, advice: str = "", block: VendorCredentials | None = None
) -> Checked:
    expires = block.expires if block else None
    return Checked(stored.account, stored.vendor, stored.version, result, detail, advice, expires)
