"""
Operations as values: one vendor call each, declared in one line on the vendor's client class.

An operation builds the request and reads the answer without touching the network. Read on the class it is
this value, for tests, docs and the command line; read on a client it is a call to await.
"""

import copy
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import (
    Any,
    ClassVar,
    Generic,
    Literal,
    ParamSpec,
    Protocol,
    Self,
    TypedDict,
    TypeVar,
    Unpack,
    cast,
    get_args,
    overload,
)
from urllib.parse import quote, unquote

import httpx
from pydantic import BaseModel, TypeAdapter, ValidationError

from hookline.clients.answers import (
    MAX_ANSWER_BYTES,
    absent_from,
    giant_in,
    may_hold_giants,
    request_id,
    retry_after,
    texts_for_giants,
)
from hookline.clients.errors import InvalidInput, UnexpectedAnswer, VendorError
from hookline.clients.models import Input
from hookline.facts import Fact, facts_of
from hookline.text import do_you_mean

P = ParamSpec("P")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
E = TypeVar("E", bound=VendorError)

Verb = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
Repeat = Literal["safe", "readback", "never"]
Trust = Literal["seed", "public"]
Session = Literal["uses", "opens", "ends"]

HEADERS = {"Accept": "application/json", "User-Agent": "hookline"}
_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_ROUTE_CHANGING = re.compile(r"[/\\\x00-\x1f\x7f]")


class Vendor(Protocol):
    """The part of a client class that an operation uses."""

    vendor: ClassVar[str]
    reference: ClassVar[str]
    body_on_every_verb: ClassVar[bool]

    @classmethod
    def decode(cls, operation: "Operation[..., Any]", response: httpx.Response) -> Any:
        """Return the JSON value of a good answer; raise a `VendorError` for any other."""


class Sender(Protocol):
    """The part of a client that an operation uses."""

    async def send(self, operation: "Operation[..., T]", inputs: Input) -> T:
        """Send one call and return its answer."""


@dataclass(frozen=True, slots=True)
class Call(Generic[P, T_co]):
    """An operation on an open client; calling it sends it."""

    operation: "Operation[P, T_co]"
    client: Sender

    async def __call__(self, *args: P.args, **inputs: P.kwargs) -> T_co:
        """Send the call and return its answer; raise `InvalidInput` or a `VendorError`."""
        return await self.client.send(self.operation, self.operation.validate(*args, **inputs))


class Options(TypedDict, total=False):
    """The options of an operation that have a default; `Operation` says what they mean."""

    trust: Trust
    session: Session
    confirmation: str
    shows: str
    headers: Mapping[str, str]
    max_bytes: int


class Operation(Generic[P, T_co]):
    """
    One vendor call.

    Attributes:
        vendor: the vendor's short name.
        name: the operation's name on the client.
        verb: its HTTP verb.
        path: its path, with placeholders in braces; the log-in fills `{Token}`.
        input: the model of its inputs.
        answer: the type of its answer.
        effect: its effect, in one sentence.
        repeat: `safe` may be sent twice, `readback` after a look whether it was done, `never` by a person only.
        trust: its source: the vendor's own document (`seed`) or other public material (`public`).
        session: whether it uses, opens or ends a log-in session.
        confirmation: the sentence that the vendor answers when it worked, where it documents one.
        shows: the fields that every good answer has, where flows and read-backs decide by them: one that was left out
            would be taken for "no" or for none. See `answers.absent_from`.
        headers: the headers of the request, beside the credentials.
        max_bytes: the longest answer that is read, unpacked.
    """

    vendor: str
    name: str
    declared: str
    """The name on the client, also where that of one call says more."""
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
        **options: Unpack[Options],
    ) -> None:
        self.verb = verb
        self.path = path
        self.input = cast("type[Input]", inputs)
        self.answer = answer
        self.effect = effect
        self.repeat = repeat
        self.trust: Trust = options.get("trust", "seed")
        self.session: Session = options.get("session", "uses")
        self.confirmation = options.get("confirmation", "")
        self.shows = options.get("shows", "")
        self.headers = HEADERS | dict(options.get("headers", {}))
        self.max_bytes = options.get("max_bytes", MAX_ANSWER_BYTES)

    def __set_name__(self, owner: type[Vendor], name: str) -> None:
        self.owner, self.vendor, self.name = owner, owner.vendor, name
        self.declared = name
        source = f"Source: {owner.reference}, {self.verb} {self.path} [{self.trust}]."
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
        """Return True if the operation changes nothing."""
        return self.verb == "GET" and self.repeat == "safe"

    @property
    def assumed(self) -> list[Fact]:
        """Return what is assumed about it: the first account confirms it or not."""
        return list(facts_of(self.vendor).assumed_about(self.name))

    @property
    def placeholders(self) -> list[str]:
        """Return the names in braces in the path, in order."""
        return _PLACEHOLDER.findall(self.path)

    def with_headers(self, headers: Mapping[str, str]) -> Self:
        """Return the same operation, sent with these headers too."""
        other = copy.copy(self)
        other.headers = self.headers | dict(headers)
        return other

    def unchecked(self) -> Self:
        """Return the same operation, whose answer stays as the vendor wrote it: a wrong row spoils no other."""
        other = copy.copy(self)
        other.__dict__["_adapter"] = TypeAdapter(Any)
        return other

    def validate(self, *args: P.args, **inputs: P.kwargs) -> Input:
        """Return the checked inputs; raise `InvalidInput` that names the operation and the wrong input."""
        if args:
            raise InvalidInput(f"{self.vendor} {self.name} takes its inputs by name.")
        try:
            return self.input(**inputs)
        except ValidationError as error:
            known = _names_in(self.input)
            problems = "; ".join(_problem(problem, known) for problem in error.errors(include_input=False))
            raise InvalidInput(f"{self.vendor} {self.name} was not sent: {problems}.") from None

    def request(self, base_url: str, /, *args: P.args, **inputs: P.kwargs) -> httpx.Request:
        """Return the request for these inputs; raise `InvalidInput`."""
        return self.build(base_url, self.validate(*args, **inputs))

    def build(self, base_url: str, inputs: Input) -> httpx.Request:
        """Return the request for checked inputs; raise `InvalidInput` if one would change the route."""
        values = inputs.values()
        path = _PLACEHOLDER.sub(lambda match: self._segment(match, values), self.path)
        rest = {name: value for name, value in values.items() if name not in self.placeholders}
        headers = self.headers | {
            name: self._header(name, rest.pop(name)) for name in self.input.sent_in_headers if name in rest
        }
        query = {name: rest.pop(name) for name in self.input.sent_in_query if name in rest}
        in_body = self.verb not in ("GET", "DELETE") or (self.owner.body_on_every_verb and bool(rest))
        place = (
            {"params": query or None, "json": self._body(rest)}
            if in_body
            else {"params": query | rest or None}
        )
        return httpx.Request(self.verb, base_url.rstrip("/") + path, headers=headers, **place)

    def read(self, response: httpx.Response) -> T_co:
        """Return the answer in the response; raise a `VendorError`, and nothing else, for any other response."""
        value = self.owner.decode(self, response)
        answer = self._validated(value, response)
        if response.content.strip() and (absent := absent_from(value, self.shows)):
            raise self.error(UnexpectedAnswer, response, f"it has no {absent}")
        if not may_hold_giants(response) or self._giant_in(answer) is None:
            return answer
        # An integer beyond 64 bits becomes a text where the field is no number.
        answer = self._validated(texts_for_giants(value), response)
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
        """Return an answer as a JSON value, secrets as asterisks; raise `ValueError` for any other value."""
        return self._adapter.dump_python(self._adapter.validate_python(answer), mode="json")

    def load(self, value: Any) -> T_co:
        """Return the answer that `dump` turned into this value; raise pydantic's `ValidationError`."""
        return self._adapter.validate_python(value)

    def error(
        self, kind: type[E], response: httpx.Response | None = None, detail: str = "", **facts: Any
    ) -> E:
        """Return an error of this kind about this operation, with the facts in the response's head."""
        if response is not None:
            facts["status"] = response.status_code
            facts["retry_after"] = retry_after(response.headers.get("retry-after"))
            facts["request_id"] = facts.get("request_id") or request_id(response)
        unsure = kind.may_have_acted and self.repeat != "safe"
        error = kind(vendor=self.vendor, operation=self.name, detail=detail, maybe_applied=unsure, **facts)
        error.transient = kind.transient or (isinstance(error, UnexpectedAnswer) and self.repeat == "safe")
        return error

    @cached_property
    def _adapter(self) -> TypeAdapter[T_co]:
        return TypeAdapter(self.answer)

    def _body(self, inputs: dict[str, Any]) -> Any:
        return inputs[self.input.sent_alone] if self.input.sent_alone else inputs

    def _header(self, name: str, value: Any) -> str:
        text = str(value).lower() if isinstance(value, bool) else str(value)
        if not (text.isascii() and text.isprintable()):
            raise InvalidInput(f"{self.vendor} {self.name} was not sent: {name} cannot be sent in a header.")
        return text

    def _segment(self, match: re.Match[str], values: dict[str, Any]) -> str:
        name = match[1]
        if name not in values:
            return match[0]  # the log-in fills it
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
        **options: Unpack[Options],
    ) -> Operation[P, T]:
        """Declare an operation; `Operation` says what each part means."""
        return Operation(self.verb, path, inputs, answer, effect, repeat=repeat, **options)


get, post, put = Declare("GET"), Declare("POST"), Declare("PUT")
patch, delete = Declare("PATCH"), Declare("DELETE")


def operations(client: type[Vendor]) -> dict[str, Operation[..., Any]]:
    """Return the operations of a client class by name, in the order of their declaration."""
    return {name: value for name, value in vars(client).items() if isinstance(value, Operation)}


def is_one_segment(value: str) -> bool:
    """Return True if the value stays one segment of a path, however often a server decodes it."""
    while True:
        if _ROUTE_CHANGING.search(value) or not value.strip(". "):
            return False
        if (decoded := unquote(value)) == value:
            return True
        value = decoded


def _names_in(kind: Any) -> set[str]:
    """Return the names of the fields of a model, and of the models in it."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        inner = (_names_in(field.annotation) for field in kind.model_fields.values())
        return set(kind.model_fields).union(*inner)
    return set().union(*(_names_in(each) for each in get_args(kind)))


def _problem(problem: Any, known: Collection[str] = ()) -> str:
    where = ".".join(str(part) for part in problem["loc"])
    message = str(problem["msg"]).removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        message = f"there is no such input{do_you_mean(str(problem['loc'][-1]), known)}"
    return f"{where}: {message}" if where else message
