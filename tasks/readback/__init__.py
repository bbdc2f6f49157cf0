"""
Read-backs: how a write whose answer was lost is found again at its vendor, one module a vendor.

A read-back takes an open client, the inputs of the write and the token of its business. It returns an `Outcome` with
the answer that the vendor would have given, or None where the write did not happen. It never changes anything.
"""

from collections.abc import AsyncIterator
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from hookline.clients import NotFound, Operation, VendorClient, pages
from hookline.clients.models import Answer, Input
from hookline.clients.paging import Paged
from hookline.errors import HooklineError
from hookline.journal import Outcome
from tasks.operations import FindReadback, value_at


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


def found_by(
    create: Operation[..., Any],
    listing: Operation[..., Any],
    field: str,
    *,
    key: str,
    asks: str = "",
    record_in: str = "",
    wraps: str = "",
    is_alike: bool = False,
) -> FindReadback[VendorClient, Input]:
    """
    Make a read-back for a creation: it finds the record with the value that the caller chose for a field.

    Args:
        create: creates the record.
        listing: lists the records, all of them.
        field: the field, of the inputs and of the records alike.
        key: the field that identifies a record.
        asks: the input of `listing` that asks for that value alone.
        record_in: the input that holds the record, or a list of them, where it is not the inputs themselves.
        wraps: the field of the answer of `create` that holds the record, `orders[]` for a list of them.
        is_alike: all other inputs must be those of the record too, because others may have chosen the same value.
    """

    async def find(client: VendorClient, inputs: Input, _token: str) -> Outcome | None:
        sent = getattr(inputs, record_in) if record_in else inputs
        records = sent if isinstance(sent, list) else [sent]
        chosen = [str(getattr(each, field) or "") for each in records]
        if not all(chosen):
            raise HooklineError(
                f"{create.vendor} {create.name} was sent without {field}, by which it would be found. Look at the "
                "vendor, and resolve the effect: hookline effects list."
            )
        # What both need says where the records are, such as the customer in the path.
        also = {name: value for name, value in inputs if name in listing.placeholders}
        narrowed = also | ({asks: chosen[0]} if asks and len(chosen) == 1 else {})
        found: list[list[Any]] = [[] for _ in records]
        async for row in _rows(client, listing, narrowed):
            for number, record in enumerate(records):
                there = str(getattr(row, field, None))
                if _same(there, chosen[number]) and (not is_alike or _has_all(row, record)):
                    found[number].append(row)
        if not any(found):
            return None
        if missing := [each for each, rows in zip(chosen, found, strict=True) if not rows]:
            raise HooklineError(
                f"{create.vendor} has only a part of what was sent: {field} {', '.join(missing)} is not there. Look at "
                "the vendor, and resolve the effect: hookline effects list."
            )
        answer = None
        if create.answer is not type(None):
            answer = create.load(_wrapped([rows[0] for rows in found], wraps))
        return Outcome(answer=answer, copies=[str(getattr(row, key, None)) for rows in found for row in rows])

    return find


def changed(
    change: Operation[..., Any], read: Operation[..., Any], *, record_in: str = ""
) -> FindReadback[VendorClient, Input]:
    """Make a read-back for a change: it happened if the record, as `read` reads it, has all the inputs."""

    async def find(client: VendorClient, inputs: Input, _token: str) -> Outcome | None:
        which = {name: value for name, value in inputs if name in read.placeholders}
        record = await client.send(read, read.validate(**which))
        if not _has_all(record, value_at(inputs, record_in) if record_in else inputs):
            return None
        return Outcome(answer=None if change.answer is type(None) else change.load(read.dump(record)))

    return find


def idempotency_key(_key: str | None, token: str) -> str:
    """Return the key by which a vendor knows the same write of a business again."""
    return str(uuid5(NAMESPACE_URL, token))


async def _rows(
    client: VendorClient, listing: Operation[..., Any], inputs: dict[str, Any]
) -> AsyncIterator[Any]:
    call = listing.__get__(client, None)
    if issubclass(listing.input, Paged):
        async for row in pages(call, **inputs):
            yield row
        return
    answer = await call(**inputs)
    for row in answer if isinstance(answer, list) else answer.Results:
        yield row


def _wrapped(rows: list[Answer], wraps: str) -> Any:
    records = [row.model_dump(mode="json", by_alias=True) for row in rows]
    value: Any = records if wraps.endswith("[]") else records[0]
    return {name: value} if (name := wraps.removesuffix("[]")) else value


def _has_all(record: Answer, inputs: Input) -> bool:
    """Return True if the record has the inputs; one that its vendor does not know, it may have dropped."""
    fields = {name.lower(): value for name, value in record.model_dump(mode="json", by_alias=True).items()}
    return all(_same(fields.get(name.lower(), value), value) for name, value in inputs.values().items())


def _same(there: Any, sent: Any) -> bool:
    """Return True for the same value; vendors trim texts, and some write them in capitals."""
    if isinstance(there, str) and isinstance(sent, str):
        return there.strip().casefold() == sent.strip().casefold()
    return bool(there == sent)
