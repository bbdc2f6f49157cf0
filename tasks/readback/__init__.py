"""
Read-backs: how a write whose answer was lost is found again at its vendor, one module a vendor.

A read-back takes an open client, the inputs of the write and the token of its business. It returns an `Outcome` with
the answer that the vendor would have given, or None where the write did not happen. It never changes anything.
"""

from typing import Any

from hookline.clients import NotFound, Operation, VendorClient
from hookline.clients.models import Answer, Input
from hookline.journal import Outcome
from tasks.operations import FindReadback


def gone(read: Operation[..., Any]) -> FindReadback[VendorClient, Input]:
    """Make a read-back for a deletion: it happened if what `read` reads, by its own inputs, is not there."""

    async def find(client: VendorClient, inputs: Input, _token: str) -> Outcome | None:
        which = {name: value for name, value in inputs if name in read.input.model_fields}
        try:
            await client.send(read, read.validate(**which))
        except NotFound:
            return Outcome()
        return None

    return find


def alike(listing: Operation[..., Any], *, within: str | None = None) -> FindReadback[VendorClient, Input]:
    """
    Make a read-back for a creation: it finds a record that has all the inputs, made by anyone.

    Args:
        listing: lists the records.
        within: an input of both that narrows the list.
    """

    async def find(client: VendorClient, inputs: Input, _token: str) -> Outcome | None:
        narrowed = {} if within is None else {within: getattr(inputs, within)}
        for record in await client.send(listing, listing.validate(**narrowed)):
            if _has_all(record, inputs):
                return Outcome(answer=record)
        return None

    return find


def _has_all(record: Answer, inputs: Input) -> bool:
    """Return True if the record has the inputs; one that its vendor does not know, it may have dropped."""
    fields = {name.lower(): value for name, value in record.model_dump(mode="json").items()}
    return all(fields.get(name.lower(), value) == value for name, value in inputs.values().items())
