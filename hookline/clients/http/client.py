"""Any HTTP API: one operation that reads and one that writes; path, body and form come with each call."""

import copy
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Final, Self, Unpack
from urllib.parse import parse_qsl

import httpx

from hookline.clients.answers import MAX_ANSWER_BYTES, json_value, loose_json, start_of, texts_for_giants
from hookline.clients.auth import Exchange
from hookline.clients.errors import Conflict, InvalidInput, Refused, UnexpectedAnswer, VendorError, kind_of
from hookline.clients.http.account import login_of
from hookline.clients.http.addresses import address_of, name_of
from hookline.clients.http.logins import Grants
from hookline.clients.http.models import Call, Read, Write, ensure_flat
from hookline.clients.models import Input
from hookline.clients.operation import Operation, P, Repeat, T
from hookline.clients.transport import Options, VendorClient
from hookline.shipped.http import HttpSettings, pairs_of
from hookline.text import storable

TYPES: Final = {"json": "application/json", "form": "application/x-www-form-urlencoded", "text": "text/plain"}
MAX_FIELDS: Final = 10_000
MAX_SENTENCES: Final = 20
ERROR_FIELDS: Final = (
    "title",
    "error",
    "error_description",
    "code",
    "message",
    "detail",
    "details",
    "errors",
)
"""The fields in which vendors say what is wrong, in the order in which they are read."""


class AnyOperation(Operation[P, Any]):
    """An operation whose verb and path come with each call."""

    is_one_call = False
    account_headers: Mapping[str, str] = MappingProxyType({})
    """Those of the account, with the one by which the vendor knows a repeat."""
    has_idempotency = False
    """True if the vendor knows a repeat of it by a header."""

    def of(
        self,
        inputs: Read | Write,
        repeat: Repeat,
        client: "HttpClient",
        idempotency: Mapping[str, str] | None = None,
    ) -> Self:
        """Return this one call as an operation: its name says what it does, `repeat` what a repeat would do."""
        one = copy.copy(self)
        one.is_one_call = True
        one.verb = inputs.method
        one.name = name_of(one.verb, inputs.path)
        one.repeat, one.max_bytes, one.has_idempotency = repeat, client.max_bytes, bool(idempotency)
        one.account_headers = client.headers | dict(idempotency or {})
        return one

    @property
    def reads(self) -> bool:
        """Return True if the operation changes nothing."""
        return self.input is Read

    def build(self, base_url: str, inputs: Input) -> httpx.Request:
        """Return the request for checked inputs; raise `InvalidInput` if it would go to another address."""
        assert isinstance(inputs, Read | Write)  # noqa: S101  (as declared below)
        try:
            url = httpx.URL(address_of(base_url, inputs.path))
            if inputs.params:
                url = url.copy_merge_params(inputs.params)
            headers = httpx.Headers(self.headers)  # where names are one in any spelling
            headers.update({"Accept": f"{TYPES[inputs.answer]}, */*;q=0.1"})
            headers.update(self.account_headers)
            headers.update(inputs.headers)
            extensions = {"call": inputs}
            return httpx.Request(
                inputs.method, url, headers=headers, extensions=extensions, **_content(inputs)
            )
        except (ValueError, TypeError, RecursionError, httpx.InvalidURL) as error:
            raise InvalidInput(f"{self.vendor} {self.name} was not sent: {error}.") from None


class StillAtWork(Conflict):
    """The vendor works on an earlier attempt of the same write, which it knows by the header (409)."""

    happened = "met its own earlier attempt"
    advice = "It is tried again by itself; if it stays so, look at the vendor whether it was done."


class HttpClient(VendorClient):
    """
    Any HTTP API, by one of the `logins`.

    Args:
        headers: the headers of every call, such as that of a tenant.
        max_bytes: the longest answer that is read, unpacked.
        secret_fields: the account's own names of what is masked everywhere.
        options: those of `VendorClient`.
    """

    vendor: ClassVar[str] = "http"
    reference: ClassVar[str] = "The reference of the API that is called"

    # fmt: off
    read = AnyOperation("GET", "/", Read, Any, "Read what is at a path.", repeat="safe", trust="public")
    write = AnyOperation("POST", "/", Write, Any, "Change something at a path.", repeat="never", trust="public")
    # fmt: on

    def __init__(
        self,
        *args: Any,
        headers: Mapping[str, str] | None = None,
        max_bytes: int = MAX_ANSWER_BYTES,
        secret_fields: Iterable[str] = (),
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        self.headers = dict(headers or {})
        self.max_bytes = max_bytes
        self.secret_fields = tuple(secret_fields)
        self.links: dict[str, str] = {}
        """The links in the head of the last answer, by their relation."""
        self.heard = self._note_links

    @classmethod
    def connect(cls, account: HttpSettings, grants: Grants | None = None, **options: Unpack[Options]) -> Self:
        """Return a client of an account; `grants` has the tokens where a person connects it."""
        names = (account.secret_fields or "").split(",")
        return cls(
            account.base_url,
            login_of(account, grants),
            headers=dict(pairs_of(account.headers)),
            max_bytes=int(account.max_answer_mb * 2**20),
            secret_fields=[each.strip() for each in names if each.strip()],
            **options,
        )

    async def call(
        self, inputs: Read | Write, *, repeat: Repeat, idempotency: Mapping[str, str] | None = None
    ) -> Any:
        """
        Send one call and return its answer.

        Args:
            inputs: what is sent.
            repeat: what a repeat would do; see `Operation`.
            idempotency: the header by which the vendor knows a repeat.

        Raises:
            InvalidInput: it would go to another address, or cannot be sent.
            VendorError: as `VendorClient.send`.
        """
        kind = HttpClient.read if isinstance(inputs, Read) else HttpClient.write
        operation = kind.of(inputs, repeat, self, idempotency)
        return await self.send(operation, self.with_secrets(inputs))

    async def send(self, operation: Operation[..., T], inputs: Input) -> T:
        """Send one call, also by the operations as they are declared; see `VendorClient`."""
        if isinstance(operation, AnyOperation) and not operation.is_one_call:
            assert isinstance(inputs, Read | Write)  # noqa: S101  (as declared above)
            answer: T = await self.call(inputs, repeat=operation.repeat)
            return answer
        operation.build(self.base_url, inputs)  # fails before the account is asked whether it may be called
        return await super().send(operation, inputs)

    def check(self, inputs: Write) -> None:
        """Raise `InvalidInput` if a call cannot be sent, or would go to another address."""
        HttpClient.write.of(inputs, "never", self).build(self.base_url, inputs)

    def with_secrets(self, inputs: Call) -> Any:
        """Return the inputs with the account's own names of what is masked."""
        return inputs.model_copy(update={"secret_fields": (*inputs.secret_fields, *self.secret_fields)})

    def _note_links(self, response: httpx.Response) -> None:
        self.links = {name: link["url"] for name, link in response.links.items() if name and "url" in link}

    def _log(self, request: httpx.Request, exchange: Exchange, outcome: str, seconds: float) -> None:
        """Log a call without its parameters, of which any may be secret."""
        plain = httpx.Request(request.method, request.url.copy_with(query=None))
        super()._log(plain, exchange, outcome, seconds)

    @classmethod
    def decode(cls, operation: Operation[..., Any], response: httpx.Response) -> Any:
        """Return the value of a good answer; raise a `VendorError` for any other."""
        inputs = _inputs_of(response)
        if response.is_redirect:
            raise operation.error(UnexpectedAnswer, response, _redirected(response))
        done_before = response.status_code in getattr(inputs, "done_at", ())
        if not response.is_success and not done_before:
            raise _failure(operation, response)
        if done_before or not response.content.strip():
            return None
        try:
            return _value(inputs, response)
        except ValueError as error:
            detail = f"{error}; it begins: {start_of(response)}"
            raise operation.error(UnexpectedAnswer, response, detail) from None


def _inputs_of(response: httpx.Response) -> Read | Write:
    """Return the inputs of the call that this answers; those of a plain read where it belongs to no call."""
    try:
        inputs: Read | Write = response.request.extensions["call"]
    except (RuntimeError, KeyError):
        return Read(path="/")
    return inputs


def _content(inputs: Read | Write) -> dict[str, Any]:
    """Return the body as httpx takes it."""
    if inputs.body is None:
        return {}
    match getattr(inputs, "sent_as", "json"):
        case "form":
            ensure_flat(inputs.body)
            return {"data": inputs.body}
        case "text":
            return {"content": inputs.body}
        case _:
            return {"json": inputs.body}


def _value(inputs: Read | Write, response: httpx.Response) -> Any:
    """Return an answer in the form that was asked for; raises ValueError if it is none."""
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    match inputs.answer:
        case "json":
            try:
                return texts_for_giants(json_value(response))
            except ValueError as error:
                raise ValueError(f"it is no JSON but {kind or 'without a type'} ({error})") from None
        case "form":
            if kind != TYPES["form"]:
                raise ValueError(f"it is no form but {kind or 'without a type'}")
            pairs = parse_qsl(response.text, keep_blank_values=True, max_num_fields=MAX_FIELDS)
            return {storable(name): storable(value) for name, value in pairs}
        case _:
            if not (kind.startswith("text/") or kind.endswith(("json", "xml", "csv"))) or kind == "text/html":
                raise ValueError(f"it is no text but {kind or 'without a type'}")
            return storable(response.text)


def _redirected(response: httpx.Response) -> str:
    """Return the reason why a redirect is not followed."""
    place = response.headers.get("location", "")
    there = httpx.URL(place).copy_with(query=None, fragment=None) if _is_url(place) else "another address"
    return f"it leads to {there}, where the log-in is not sent: set the account's address or the path to that"


def _is_url(text: str) -> bool:
    try:
        return bool(httpx.URL(text).host)
    except httpx.InvalidURL:
        return False


def _failure(operation: Operation[..., Any], response: httpx.Response) -> VendorError:
    """Return the error for a status that is no success, with what the vendor says."""
    value = loose_json(response)
    rows = value.get("errors") if isinstance(value, Mapping) else None
    kind: type[VendorError] = kind_of(response.status_code)
    if response.status_code == httpx.codes.CONFLICT and getattr(operation, "has_idempotency", False):
        kind = StillAtWork
    facts = {}
    if issubclass(kind, Refused) and isinstance(rows, list):
        facts["rows"] = [row for row in rows if isinstance(row, Mapping)]
    return operation.error(kind, response, "; ".join(_sentences(value)) or start_of(response), **facts)


def _sentences(value: Any) -> Iterator[str]:
    """Yield what a vendor says of an error, from the forms that are usual."""
    match value:
        case str() | int() | float():
            yield str(value)
        case Mapping():
            known = [value[name] for name in ERROR_FIELDS if value.get(name)]
            for each in known:
                yield from _sentences(each)
            if not known:
                yield from (f"{name}: {text}" for name, each in value.items() for text in _sentences(each))
        case list():
            for each in value[:MAX_SENTENCES]:
                yield from _sentences(each)
        case _:
            return
