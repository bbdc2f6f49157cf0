"""
Any HTTP API as tasks, for a vendor without a client: `await http.write(acme, step, "POST", "/orders", json=…)`.

A write is in the journal like that of a shipped vendor: done once for its step, and a lost answer is looked up, sent
again or *uncertain*, as the call says. docs/own-vendor-in-30-lines.md shows it.
"""

import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from functools import partial
from json import dumps
from typing import Any, Final, Literal

from pydantic import ValidationError
from pydantic_core import to_jsonable_python

from blocks.http import HttpCredentials
from hookline import journal
from hookline.clients.errors import InvalidInput, NotFound
from hookline.clients.http import HttpClient
from hookline.clients.http.addresses import name_of, query_of
from hookline.clients.http.lists import Pages, all_items, at
from hookline.clients.http.models import (
    UNVEIL,
    Form,
    Method,
    Read,
    Write,
    masked,
    masked_path,
    secrets_in,
    texts_in,
)
from hookline.clients.models import Input
from hookline.clients.operation import Repeat
from hookline.errors import HooklineError
from hookline.journal import Outcome
from hookline.shipped.http import is_header_name
from hookline.text import one_line
from tasks.effects import PYDANTIC_MASK, BusinessKey, run_write
from tasks.policies import vendor_task

__all__ = ["Find", "Incomplete", "Pages", "field_of", "find", "read", "write"]

EMPTY: Final = ""
"""An empty answer in the journal, where None is an answer that nobody knows."""
MAX_NAME: Final = 100
_NUMBER = re.compile(r"-?(0|[1-9]\d{0,30})(\.\d{1,30})?", re.ASCII)
"""A number as a text; with a zero before it, it is a number of an order or the like."""


class Incomplete(HooklineError):
    """An answer lacks a field that the flow needs; the text names the place."""

    transient = False


@dataclass(frozen=True)
class Find:
    """A read-back in a list, or of one record: see `find`."""

    path: str
    where: Mapping[str, Any] = field(default_factory=dict)
    holding: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    items: str = ""
    pages: Pages | None = None

    def is_it(self, record: Any) -> bool:
        """Return True for the record that is looked for."""
        try:
            return all(_is_same(at(record, place), value) for place, value in self.where.items()) and all(
                text in str(at(record, place)) for place, text in self.holding.items()
            )
        except LookupError:
            return False

    def place_in(self, answer: Any) -> str | None:
        """Return the place of a list within an answer that has the record; None if none has."""
        for name, inner in answer.items() if isinstance(answer, Mapping) else ():
            if isinstance(inner, list) and any(map(self.is_it, inner)):
                return str(name)
            if (place := self.place_in(inner)) is not None:
                return f"{name}.{place}"
        return None

    def secrets(self, secret_fields: tuple[str, ...]) -> list[str]:
        """Return the values that must not be stored."""
        return list(secrets_in([query_of(self.path), self.params, self.where, self.holding], secret_fields))


Readback = Find | Callable[[], Awaitable[Any]]
"""A read-back, or a function that returns the record, None where it is not there."""


def find(
    path: str,
    *,
    where: Mapping[str, Any] | None = None,
    holding: Mapping[str, str] | None = None,
    params: Mapping[str, Any] | None = None,
    items: str = "",
    pages: Pages | None = None,
) -> Find:
    """
    Declare a read-back: GET this path, and find the record whose fields are so.

    Vendors ignore filters that they do not know, so what `params` asks for is compared by `where` all the same.

    Args:
        path: of a list, or of one record by a number of ours; 404 means that it is not there.
        where: fields and their values, such as `{"reference": "order 17"}`; a place within as `customer.id`. A number
            is the same as a number or in a text: 12.5 and "12.50".
        holding: fields and a text that they hold, such as `{"note": step.token}`.
        params: parameters that narrow the list.
        items: where the list is in the answer, such as `data`; `pages` says it itself.
        pages: how the list comes in pages; None: it is whole.
    """
    if not (where or holding):
        raise TypeError("http.find needs `where` or `holding`: by what is the record known?")
    return Find(
        path, to_jsonable_python(dict(where or {})), dict(holding or {}), dict(params or {}), items, pages
    )


def field_of(answer: Any, place: str, *, of: str = "the answer") -> Any:
    """
    Return what an answer has at a place such as `data.0.id`.

    Raises:
        Incomplete: it has nothing there; names the part that is missing, and what is there.
    """
    try:
        return at(answer, place)
    except LookupError as error:
        raise Incomplete(
            f"{of} has no {place}: {error}. Compare it with the vendor's reference, then run this again."
        ) from None


def _does(parameters: Mapping[str, Any]) -> str:
    """Return what a call does, for the names of task runs; no query, and nothing that may be a person's address."""
    method, path = str(parameters.get("method", "GET")), str(parameters.get("path", ""))
    plain = path.partition("?")[0]
    is_private = "@" in plain or "%40" in plain or "://" in plain
    return name_of(method, path) if is_private else one_line(f"{method} {plain}", MAX_NAME)


async def _read(
    account: HttpCredentials | str,
    method: Literal["GET", "POST"],
    path: str,
    *,
    params: Mapping[str, Any] | None = None,
    json: Any = None,
    headers: Mapping[str, str] | None = None,
    pages: Pages | None = None,
    answer: Form = "json",
    secret_fields: tuple[str, ...] = (),
) -> Any:
    """
    Read what is at a path: the answer as plain values, or all items of a list that comes in pages.

    Safe to repeat: tried again after errors that may pass.

    Args:
        account: the credentials, or the name of their block.
        method: GET; POST for a search that takes a body and changes nothing.
        path: at the account's address; a whole address only where it begins with that.
        params: parameters of the address.
        json: body of a search.
        headers: headers beside those of the account.
        pages: how the list comes in pages; None: the answer is returned as it is.
        answer: its form, json, form or text; an empty one is None.
        secret_fields: names of fields whose values are masked wherever something is said about the call.

    Raises:
        InvalidInput: the call cannot be sent, or leads to another address.
        VendorError: it failed; says what to do.
    """
    credentials = await _credentials(account)
    call = _does({"method": method, "path": path})
    inputs = _checked(
        Read,
        method=method,
        path=path,
        params=dict(params or {}),
        body=_plain(call, json),
        headers=dict(headers or {}),
        answer=answer,
        secret_fields=secret_fields,
    )
    async with credentials.get_client() as client:
        if pages is None:
            return await client.call(inputs, repeat="safe")
        return await all_items(client, inputs, pages)


async def _write(
    account: HttpCredentials | str,
    business: BusinessKey,
    method: Method,
    path: str,
    *,
    json: Any = None,
    form: Mapping[str, Any] | None = None,
    text: str | None = None,
    params: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
    readback: Readback | Mapping[str, Any] | None = None,
    safe: bool = False,
    idempotency_header: str | None = None,
    reference: str = "id",
    done_at: tuple[int, ...] = (),
    answer: Form = "json",
    secret_fields: tuple[str, ...] = (),
) -> Any:
    """
    Change something at a path, once for the step of its business; return the answer as plain values.

    If the answer is lost: with `readback` it is looked up before it is sent again; with `safe` or an idempotency
    header it is sent again; else it is *uncertain*, a person decides, and None is returned where nobody knows the
    answer. What an answer has under a secret name is masked here too, as in the journal.

    Args:
        account: the credentials, or the name of their block.
        business: at its step: `business.step("invoice")`.
        method: POST, PUT, PATCH or DELETE.
        path: at the account's address; a whole address only where it begins with that.
        json: the body as JSON.
        form: or as a form.
        text: or as a text.
        params: parameters of the address.
        headers: headers beside those of the account.
        readback: finds the write; see `find`. Or an async function that returns the record or None.
        safe: a repeat changes nothing, as with most PUT and DELETE.
        idempotency_header: the header by which the vendor knows a repeat; its value is of the business and the step,
            so it stays the same. None: as the account says; "": none for this write. The vendor must remember it for as
            long as people replay; give a read-back too where it does not.
        reference: where the answer has the vendor's id of what was written, such as `data.id`.
        done_at: statuses that mean that it is done, beside 200 to 299, such as 404 of a DELETE that may be repeated.
        answer: its form, json, form or text; an empty one is None.
        secret_fields: names of fields whose values are masked everywhere, beside password, token and the like.

    Raises:
        InvalidInput: the call cannot be sent, or leads to another address.
        EffectUncertain: nobody can know if it happened.
        VendorError: it failed; says what to do.
    """
    credentials = await _credentials(account)
    call = _does({"method": method, "path": path})
    bodies = {"json": json, "form": form, "text": text}
    sent_as = [name for name, body in bodies.items() if body is not None] or ["json"]
    if len(sent_as) > 1:
        raise InvalidInput(f"{call} was not sent: give one of {', '.join(sent_as)}.")
    inputs = _checked(
        Write,
        method=method,
        path=path,
        params=dict(params or {}),
        body=_plain(call, bodies[sent_as[0]]),
        sent_as=sent_as[0],
        headers=dict(headers or {}),
        answer=answer,
        done_at=done_at,
        secret_fields=secret_fields,
    )
    if not business.step_name:
        raise InvalidInput(
            f"{call} was not sent: name its step, which is done once: business.step('invoice')."
        )
    name = credentials.idempotency_header if idempotency_header is None else idempotency_header
    if name and (name.lower() in map(str.lower, inputs.headers) or not is_header_name(name)):
        raise InvalidInput(
            f"{call} was not sent: {one_line(name, 100)} is the idempotency header, which is a word that "
            "Hookline sets; leave it out of headers, or give idempotency_header='' and a value that stays the same."
        )
    finder = Find(**_pages_of(readback)) if isinstance(readback, Mapping) else readback
    repeat: Repeat = "safe" if safe else "readback" if finder or name else "never"
    async with credentials.get_client() as client, client.slot():
        inputs = client.with_secrets(inputs)
        client.check(inputs)  # before it is in the journal: what cannot be sent may hold a password
        request = _request(inputs)
        idempotency = {name: _key_of(business, request)} if name else {}

        async def send() -> Outcome:
            value = await client.call(inputs, repeat=repeat, idempotency=idempotency)
            return _outcome(value, reference, inputs)

        outcome = await run_write(
            business,
            business.step_name,
            f"http.{name_of(method, path)}",
            request,
            send,
            readback=_readback(client, finder, reference, inputs.secret_fields),
            resend=business.resend or safe or bool(idempotency and finder is None),
            landing=credentials.landing_seconds,
            call=_call(credentials, inputs, finder, reference),
            account=client.account,
        )
        if outcome.answer is None and finder is not None:  # a person says that it happened
            found = await _found(client, finder, reference, inputs.secret_fields)
            return found and found.answer
    return None if outcome.answer == EMPTY else outcome.answer


_read.__name__ = _read.__qualname__ = "read"
_write.__name__ = _write.__qualname__ = "write"
read = vendor_task(_read, _does)
write = vendor_task(_write, _does)


def _reopen(client: HttpClient, inputs: Mapping[str, Any], _business: BusinessKey) -> journal.Readback | None:
    """Return the read-back of a stored write."""
    finder = Find(**_pages_of(inputs["readback"]))
    return _readback(client, finder, inputs["reference"], tuple(inputs["secret_fields"]))


write.reopen = _reopen


async def _credentials(account: HttpCredentials | str) -> HttpCredentials:
    return await HttpCredentials.named(account) if isinstance(account, str) else account


def _checked(kind: Callable[..., Any], **inputs: Any) -> Any:
    """Return checked inputs; raise `InvalidInput` that names the call and the wrong one."""
    try:
        return kind(**inputs)
    except ValidationError as error:
        problem = error.errors(include_input=False)[0]
        where = ".".join(map(str, problem["loc"]))
        raise InvalidInput(f"{_does(inputs)} was not sent: {where}: {problem['msg']}.") from None


def _plain(call: str, value: Any) -> Any:
    """Return a body as JSON values; raise `InvalidInput` that names the call and why it cannot be sent."""
    try:
        plain = to_jsonable_python(value)
    except (ValueError, TypeError, RecursionError) as error:
        problem = one_line(error, 200)
    else:
        if PYDANTIC_MASK not in texts_in(plain):
            return plain
        problem = f"it holds a SecretStr, of which only asterisks would be sent: {UNVEIL}"
    raise InvalidInput(f"{call} was not sent: body: {problem}.") from None


def _is_same(there: Any, ours: Any) -> bool:
    """Return True for equal values, and for numbers that are equal though vendors write them otherwise."""
    if str(there) == str(ours):
        return True
    numbers = [_number(each) for each in (there, ours)]
    has_number = any(isinstance(each, int | float) for each in (there, ours))
    return has_number and None not in numbers and numbers[0] == numbers[1]


def _number(value: Any) -> Decimal | None:
    is_plain = isinstance(value, int | float) and not isinstance(value, bool)
    return Decimal(str(value)) if is_plain or _NUMBER.fullmatch(str(value)) else None


def _request(inputs: Write) -> dict[str, Any]:
    """Return what makes it this write and no other, as the journal may store it: secrets as asterisks."""
    sent = inputs.model_dump(
        mode="json", exclude_none=True, include={"method", "path", "params", "headers", "body"}
    )
    full: dict[str, Any] = masked(
        {name: value for name, value in sent.items() if value != {}}, inputs.secret_fields
    )
    return full | {"path": masked_path(inputs.path, inputs.secret_fields)}


def _key_of(business: BusinessKey, request: Mapping[str, Any]) -> str:
    """
    Return the value of an idempotency header: the same for each attempt of this write, and for no other.

    A write that was refused and then corrected is another: vendors refuse a known value with another body.
    """
    content = dumps(request, sort_keys=True)
    parts = (business.workflow, business.key, business.step_name, str(business.generation), content)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:40]


def _outcome(value: Any, reference: str, inputs: Input) -> Outcome:
    stored = EMPTY if value is None else masked(value, getattr(inputs, "secret_fields", ()))
    return Outcome(_references([value], reference), stored)


def _references(records: list[Any], reference: str) -> list[str]:
    found = []
    for record in records:
        try:
            found.append(at(record, reference) if reference else None)
        except LookupError:
            continue
    return [str(each) for each in found if each not in (None, "")]


def _readback(
    client: HttpClient, finder: Readback | None, reference: str, secret_fields: tuple[str, ...]
) -> journal.Readback | None:
    return None if finder is None else partial(_found, client, finder, reference, secret_fields)


async def _found(
    client: HttpClient, finder: Readback, reference: str, secret_fields: tuple[str, ...]
) -> Outcome | None:
    """Return the write as the vendor shows it; None where it is not there."""
    if isinstance(finder, Find):
        records = await _matching(client, finder, secret_fields)
    else:
        record = await finder()
        records = [] if record is None else [record]
    if not records:
        return None
    copies = _references(records, reference)
    return Outcome(copies[:1], masked(records[0], secret_fields), copies if len(records) > 1 else [])


async def _matching(client: HttpClient, finder: Find, secret_fields: tuple[str, ...]) -> list[Any]:
    """
    Return the records that are looked for.

    Raises:
        Incomplete: it was looked for in the wrong place, or in a part of the list: to send again could do it twice.
    """
    inputs = _checked(
        Read, method="GET", path=finder.path, params=dict(finder.params), secret_fields=secret_fields
    )
    if finder.pages is not None:
        return [each for each in await all_items(client, inputs, finder.pages) if finder.is_it(each)]
    try:
        answer = await client.call(inputs, repeat="safe")
    except NotFound:
        return []
    call = f"GET {finder.path.partition('?')[0]}"
    rows = field_of(answer, finder.items, of=call)
    found = [each for each in (rows if isinstance(rows, list) else [rows]) if finder.is_it(each)]
    if not found and (place := finder.place_in(answer)) is not None:
        raise Incomplete(f"{call} has the record in the list {place}: give http.find items={place!r}.")
    if not found and "next" in client.links:
        raise Incomplete(f"{call} has more pages, where the record may be: give http.find pages=….")
    return found


def _call(
    credentials: HttpCredentials, inputs: Write, finder: Readback | None, reference: str
) -> dict[str, Any] | None:
    """Return what is stored to look for a write again; None where that cannot be stored."""
    if not (credentials.stored_as and isinstance(finder, Find)):
        return None
    if inputs.secrets() or finder.secrets(inputs.secret_fields):
        return None
    stored = {"readback": asdict(finder), "reference": reference, "secret_fields": inputs.secret_fields}
    return {
        "task": f"{__name__}:write",
        "vendor": "http",
        "account": credentials.stored_as,
        "inputs": to_jsonable_python(stored),
    }


def _pages_of(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parts of a `Find` that was stored as JSON."""
    pages = stored.get("pages")
    return {**stored, "pages": Pages(**pages) if isinstance(pages, Mapping) else pages}
