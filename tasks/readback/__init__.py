"""
How a write whose answer was lost is found again at its vendor, one module a vendor.

A look-up takes an open client, the inputs of the write and the mark of its business. It returns an `Outcome` with
the answer that the vendor would have given, or None where the write did not happen. It never changes anything.
"""

from typing import Any

from hookline.clients import NotFound, Operation, VendorClient
from hookline.clients.models import Answer, Input
from hookline.journal import Outcome
from tasks.operations import Readback


def gone(read: Operation[..., Any]) -> Readback[VendorClient, Input]:
    """For a deletion: it happened if the thing that `read` reads, by those inputs that it takes, is not there."""

    async def look(client: VendorClient, given: Input, _token: str) -> Outcome | None:
        which = {name: value for name, value in given if name in read.input.model_fields}
        try:
            await client.send(read, read.validate(**which))
        except NotFound:
            return Outcome()
        return None

    return look


def alike(listing: Operation[..., Any], *, within: str | None = None) -> Readback[VendorClient, Input]:
    """
    For a creation: a record that holds all that was given, whoever made it.

    Args:
        listing: lists the records.
        within: an input of both that narrows the list.
    """

    async def look(client: VendorClient, given: Input, _token: str) -> Outcome | None:
        narrowed = {} if within is None else {within: getattr(given, within)}
        for record in await client.send(listing, listing.validate(**narrowed)):
            if _is_like(record, given):
                return Outcome(answer=record)
        return None

    return look


def _is_like(record: Answer, given: Input) -> bool:
    """By what the record shows: what its vendor does not know of the inputs, it may have dropped."""
    shown = {name.lower(): value for name, value in record.model_dump(mode="json").items()}
    return all(shown.get(name.lower(), value) == value for name, value in given.values().items())
