"""
Operations are values: one vendor call each, declared in one line on the vendor's client class.

An operation builds the request and reads the answer without touching the network. Read on the class it is
this value, for tests, docs and the command line; read on a client it is a call to await.
"""

import copy
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any, ClassVar, Generic, Literal, ParamSpec, Protocol, Self, TypeVar, cast, overload
from urllib.parse import quote, unquote

import httpx
from pydantic import TypeAdapter, ValidationError

from hookline.clients.answers import (
    MAX_ANSWER_BYTES,
    giant_in,
    may_hold_giants,
    request_id,
    retry_after,
    texts_for_giants,
)
from hookline.clients.errors import InvalidInput, UnexpectedAnswer, VendorError
from hookline.clients.models import Input

P = ParamSpec("P")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
E = TypeVar("E", bound=VendorError)

Verb = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
Repeat = Literal["safe", "look", "never"]
Trust = Literal["seed", "public"]
Session = Literal["uses", "opens", "ends"]

HEADERS = {"Accept": "application/json", "User-Agent": "hookline"}
_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_ROUTE_CHANGING = re.compile(r"[/\\\x00-\x1f\x7f]")


class Vendor(Protocol):
    """What an operation must know of the client class it stands on."""

    vendor: ClassVar[str]
    reference: ClassVar[str]
    body_on_every_verb: ClassVar[bool]

    @classmethod
    def decode(cls, operation: "Operation[..., Any]", response: httpx.Response) -> Any:
        """The JSON value of a good answer; raises a `VendorError` for any other."""


class Sender(Protocol):
    """What an operation must know of a client."""

    async def send(self, operation: "Operation[..., T]", given: Input) -> T:
        """Send one call and read its answer."""


@dataclass(frozen=True, slots=True)
class Call(Generic[P, T_co]):
    """An operation on an open client; calling it sends it."""

    operation: "Operation[P, T_co]"
    client: Sender

    async def __call__(self, *args: P.args, **inputs: P.kwargs) -> T_co:
        """Send it and return the answer; raises `InvalidInput` or a `VendorError`."""
        return await self.client.send(self.operation, self.operation.given(*args, **inputs))


class Operation(Generic[P, T_co]):
    """
    One vendor call.

    Attributes:
        vendor: the vendor's short name.
        name: the operation's name on the client.
        verb: its HTTP verb.
        path: its path, with placeholders in braces; `{Token}` is filled by the log-in.
        input: the model of its inputs.
        answer: the type of its answer.
        effect: what it does, in one sentence.
        repeat: `safe` may be sent twice, `look` after looking whether it was done, `never` by a person only.
        trust: whether the vendor's own document (`seed`) or other public material tells of it.
        session: whether it uses, opens or ends a log-in session.
        says: what the vendor answers when it worked, where it answers in words.
        assumed: which part of it is our assumption, to be confirmed with the vendor; "" if none.
        headers: what is sent in the head of the request, beside the credentials.
        max_bytes: the longest answer that is read, unpacked.
    """

    vendor: str
    name: str
    owner: type[Vendor]

    def __init__(
        self,
        verb: Verb,
        path: str,
        inputs: Callable[P, Input],
        answer: type[T_co],
        effect: str,
        *,
        repeat: Repeat,
        trust: Trust,
        session: Session,
        says: str,
        assumed: str,
        headers: Mapping[str, str],
        max_bytes: int,
    ) -> None:
        self.verb = verb
        self.path = path
        self.input = cast("type[Input]", inputs)
        self.answer = answer
        self.effect = effect
        self.repeat = repeat
        self.trust = trust
        self.session = session
        self.says = says
        self.assumed = assumed
        self.headers = HEADERS | dict(headers)
        self.max_bytes = max_bytes

    def __set_name__(self, owner: type[Vendor], name: str) -> None:
        self.owner, self.vendor, self.name = owner, owner.vendor, name
        unsure = f" Assumed: {self.assumed}." if self.assumed else ""
        source = f"Source: {owner.reference}, {self.verb} {self.path} [{self.trust}].{unsure}"
        self.__doc__ = f"{self.effect}\n\n{source}"

    @overload
    def __get__(self, client: None, owner: Any) -> Self: ...
    @overload
    def __get__(self, client: Sender, owner: Any) -> Call[P, T_co]: ...
    def __get__(self, client: Sender | None, owner: Any) -> Self | Call[P, T_co]:
        return self if client is None else Call(self, client)

    def __repr__(self) -> str:
        return f"<{self.vendor} {self.name}: {self.verb} {self.path}>"

    @property
    def reads(self) -> bool:
        """Whether it changes nothing."""
        return self.verb == "GET" and self.repeat == "safe"

    @property
    def placeholders(self) -> list[str]:
        """The names in braces in the path, in order."""
        return _PLACEHOLDER.findall(self.path)

    def with_headers(self, headers: Mapping[str, str]) -> Self:
        """The same call, sent with these headers too."""
        other = copy.copy(self)
        other.headers = self.headers | dict(headers)
        return other

    def given(self, *args: P.args, **inputs: P.kwargs) -> Input:
        """The inputs, checked; raises `InvalidInput` naming the operation and the input that is wrong."""
        if args:
            raise InvalidInput(f"{self.vendor} {self.name} takes its inputs by name.")
        try:
            return self.input(**inputs)
        except ValidationError as error:
            problems = "; ".join(_problem(problem) for problem in error.errors(include_input=False))
            raise InvalidInput(f"{self.vendor} {self.name} was not sent: {problems}.") from None

    def request(self, base_url: str, /, *args: P.args, **inputs: P.kwargs) -> httpx.Request:
        """The request for these inputs; raises `InvalidInput`."""
        return self.build(base_url, self.given(*args, **inputs))

    def build(self, base_url: str, given: Input) -> httpx.Request:
        """The request for inputs already checked; raises `InvalidInput` if one would change the route."""
        values = given.values()
        path = _PLACEHOLDER.sub(lambda found: self._segment(found, values), self.path)
        rest = {name: value for name, value in values.items() if name not in self.placeholders}
        in_body = self.verb not in ("GET", "DELETE") or (self.owner.body_on_every_verb and bool(rest))
        place = {"json": rest} if in_body else {"params": rest or None}
        return httpx.Request(self.verb, base_url.rstrip("/") + path, headers=self.headers, **place)

    def read(self, response: httpx.Response) -> T_co:
        """The answer in the response; raises a `VendorError`, and nothing else, for every other response."""
        value = self.owner.decode(self, response)
        answer = self._validated(value, response)
        if not may_hold_giants(response) or self._giant_in(answer) is None:
            return answer
        answer = self._validated(
            texts_for_giants(value), response
        )  # what is no number by its type becomes a text
        if place := self._giant_in(answer):
            raise self.error(UnexpectedAnswer, response, f"{place}: an integer beyond 64 bits")
        return answer

    def _validated(self, value: Any, response: httpx.Response) -> T_co:
        try:
            return self._adapter.validate_python(value)
        except ValidationError as error:
            problem = _problem(error.errors(include_input=False)[0])
            raise self.error(UnexpectedAnswer, response, problem) from None

    def _giant_in(self, answer: Any) -> str | None:
        return giant_in(self._adapter.dump_python(answer))

    def dump(self, answer: Any) -> Any:
        """An answer as a JSON value, secrets as asterisks; raises `ValueError` if it is none of this operation."""
        return self._adapter.dump_python(self._adapter.validate_python(answer), mode="json")

    def load(self, value: Any) -> T_co:
        """The answer that was dumped so; raises pydantic's `ValidationError` for another value."""
        return self._adapter.validate_python(value)

    def error(
        self, kind: type[E], response: httpx.Response | None = None, detail: str = "", **facts: Any
    ) -> E:
        """An error of this kind about this operation, with what the response's head tells."""
        if response is not None:
            facts["status"] = response.status_code
            facts["retry_after"] = retry_after(response.headers.get("retry-after"))
            facts["request_id"] = facts.get("request_id") or request_id(response)
        unsure = kind.may_have_acted and self.repeat != "safe"
        error = kind(vendor=self.vendor, operation=self.name, detail=detail, maybe_applied=unsure, **facts)
        error.transient = kind.transient or (isinstance(error, UnexpectedAnswer) and self.reads)
        return error

    @cached_property
    def _adapter(self) -> TypeAdapter[T_co]:
        return TypeAdapter(self.answer)

    def _segment(self, found: re.Match[str], values: dict[str, Any]) -> str:
        name = found[1]
        if name not in values:
            return found[0]  # the log-in fills it
        if not is_one_segment(str(values[name])):
            raise InvalidInput(f"{self.vendor} {self.name} was not sent: {name} would change the address.")
        return quote(str(values[name]), safe="")


class Declare:
    """One HTTP verb; calling it declares an operation."""

    def __init__(self, verb: Verb) -> None:
        self.verb: Verb = verb

    def __call__(
        self,
        path: str,
        inputs: Callable[P, Input],
        answer: type[T],
        effect: str,
        *,
        repeat: Repeat,
        trust: Trust = "seed",
        session: Session = "uses",
        says: str = "",
        assumed: str = "",
        headers: Mapping[str, str] = MappingProxyType({}),
        max_bytes: int = MAX_ANSWER_BYTES,
    ) -> Operation[P, T]:
        """Declare an operation; see `Operation` for the meaning of each part."""
        return Operation(
            self.verb,
            path,
            inputs,
            answer,
            effect,
            repeat=repeat,
            trust=trust,
            session=session,
            says=says,
            assumed=assumed,
            headers=headers,
            max_bytes=max_bytes,
        )


get, post, put = Declare("GET"), Declare("POST"), Declare("PUT")
patch, delete = Declare("PATCH"), Declare("DELETE")


def operations(client: type[Vendor]) -> dict[str, Operation[..., Any]]:
    """The operations of a client class by name, in the order they are declared."""
    return {name: value for name, value in vars(client).items() if isinstance(value, Operation)}


def is_one_segment(value: str) -> bool:
    """Whether the value, however often a server decodes it, stays one segment of a path."""
    while True:
        if _ROUTE_CHANGING.search(value) or not value.strip(". "):
            return False
        if (decoded := unquote(value)) == value:
            return True
        value = decoded


def _problem(problem: Any) -> str:
    where = ".".join(str(part) for part in problem["loc"])
    said = str(problem["msg"]).removeprefix("Value error, ")
    return f"{where}: {said}" if where else said
