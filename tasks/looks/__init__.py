"""
How a write whose answer was lost is found again at its vendor, one module a vendor.

A look-up takes an open client, the inputs of the write and the mark of its business. It returns an `Outcome` with
the answer that the vendor would have given, or None where the write did not happen. It never changes anything.
"""

from typing import Any

from hookline.clients import NotFound, Operation, VendorClient
from hookline.clients.models import Input
from hookline.journal import Outcome
from tasks.operations import Look


def gone(read: Operation[..., Any]) -> Look[VendorClient, Input]:
    """For a deletion: it happened if the thing that `read` reads, by those inputs that it takes, is not there."""

    async def look(client: VendorClient, given: Input, _mark: str) -> Outcome | None:
        which = {name: value for name, value in given if name in read.input.model_fields}
        try:
            await client.send(read, read.given(**which))
        except NotFound:
            return Outcome()
        return None

    return look


def alike(listing: Operation[..., Any], *, within: str | None = None) -> Look[VendorClient, Input]:
    """
    For a creation: a record that holds all that was given, whoever made it.

    Args:
        listing: lists the records.
        within: an input of both that narrows the list.
    """

    async def look(client: VendorClient, given: Input, _mark: str) -> Outcome | None:
        narrowed = {} if within is None else {within: getattr(given, within)}
        wanted = given.model_dump(exclude_none=True)
        for record in await client.send(listing, listing.given(**narrowed)):
            if all(getattr(record, name, None) == value for name, value in wanted.items()):
                return Outcome(answer=record)
        return None

    return look
