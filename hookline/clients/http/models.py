"""The inputs of a call to any HTTP API, and which of their values are secret."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Literal
from urllib.parse import unquote_plus

from pydantic import Field, SecretStr, field_validator

from hookline.clients.http.addresses import query_of
from hookline.clients.models import Input
from hookline.redaction import MASK
from hookline.shipped.http import NOT_HERE
from hookline.text import storable_json

Form = Literal["json", "form", "text"]
Method = Literal["POST", "PUT", "PATCH", "DELETE"]

MAX_BODY: Final = 10 * 2**20
UNVEIL: Final = "give its get_secret_value(), and its name in secret_fields"
_RARE = re.compile(r"\\u(?:0000|d[89a-f])")
"""In JSON, what may be a null character or half of a pair."""
SECRET_FIELDS: Final = (
    "access_token",
    "api_key",
    "api_secret",
    "api_token",
    "auth_token",
    "authorization",
    "client_secret",
    "id_token",
    "passphrase",
    "passwd",
    "password",
    "private_key",
    "refresh_token",
    "secret",
    "secret_key",
    "session_token",
    "token",
    "x_api_key",
    "x_auth_token",
)
"""Fields, headers and parameters whose values are masked everywhere, beside those that an account or a call names."""


class Call(Input):
    """The inputs that every call has."""

    path: str = Field(description="Path at the account's address, such as /orders/17.")
    params: dict[str, Any] = Field(default={}, description="Parameters of the address.")
    headers: dict[str, str] = Field(default={}, description="Headers beside those of the account.")
    answer: Form = Field(
        default="json", description="Form of the answer; an empty one is None in every form."
    )
    secret_fields: tuple[str, ...] = Field(
        default=(), description="Names whose values are masked everywhere."
    )

    @field_validator("headers")
    @classmethod
    def _are_ours_to_set(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, value in headers.items():
            if name.lower() in NOT_HERE:
                raise ValueError(f"{name} is set by the account or the connection")
            if not (name and name.isascii() and name.isprintable() and " " not in name and ":" not in name):
                raise ValueError("a header's name is a word of ASCII letters")
            if not (value.isascii() and (value.isprintable() or not value)):
                raise ValueError(f"the value of {name} cannot be sent in a header")
        return headers

    @field_validator("params")
    @classmethod
    def _can_be_in_an_address(cls, params: dict[str, Any]) -> dict[str, Any]:
        ensure_flat(params)
        _ensure_storable(params, json.dumps(params, default=str))
        return params

    def secrets(self) -> list[str]:
        """Return the values that must not be shown."""
        return list(secrets_in([query_of(self.path), self.params, self.headers], self.secret_fields))


class Read(Call):
    """The inputs of a call that changes nothing: `POST` for a search that takes a body."""

    method: Literal["GET", "POST"] = "GET"
    body: Any = Field(default=None, description="Body of a search by POST, as JSON.")


class Write(Call):
    """The inputs of a call that changes something."""

    method: Method
    body: Any = Field(default=None, description="Body, in the form that `sent_as` says.")
    sent_as: Form = Field(default="json", description="Form of the body.")
    done_at: tuple[int, ...] = Field(
        default=(),
        description="Statuses that mean that it is done, beside 200 to 299: 404 of a DELETE that may be repeated.",
    )

    @field_validator("body")
    @classmethod
    def _can_be_sent(cls, body: Any) -> Any:
        try:
            text = body if isinstance(body, str) else json.dumps(body, allow_nan=False)
            size = len(text.encode())
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"it cannot be sent: {error}") from None
        if size > MAX_BODY:
            raise ValueError(f"it has {size} bytes; {MAX_BODY} are the most")
        _ensure_storable(body, text)
        return body

    def secrets(self) -> list[str]:
        """Return the values that must not be shown."""
        return [*super().secrets(), *secrets_in(self.body, self.secret_fields)]


def ensure_flat(fields: Any) -> None:
    """Raise ValueError unless each field is one value or a list of them: no address and no form holds more."""
    if not isinstance(fields, Mapping):
        return
    values = [
        (name, each)
        for name, value in fields.items()
        for each in (value if isinstance(value, list | tuple) else [value])
    ]
    veiled = [name for name, each in values if isinstance(each, SecretStr)]
    if veiled:
        raise ValueError(f"{veiled[0]} is a SecretStr, of which only asterisks would be sent: {UNVEIL}")
    deep = [name for name, each in values if isinstance(each, Mapping | list | tuple | set | bytes)]
    if deep:
        raise ValueError(f"{deep[0]} holds a list or object, and an address or a form has single values")


def _ensure_storable(value: Any, text: str) -> None:
    """Raise ValueError for texts that PostgreSQL cannot store; `text` is the value as JSON."""
    plain = value if isinstance(value, str) else json.loads(text) if _RARE.search(text) else None
    if storable_json(plain) != plain:
        raise ValueError("it holds a null character or half an emoji, which the journal cannot store")


def secrets_in(value: Any, names: Iterable[str] = ()) -> Iterator[str]:
    """Yield the texts in a JSON value whose names are secret, anywhere in it, or that are below such a name."""
    return _texts_in(value, _folded(names), all_of_it=False)


def texts_in(value: Any) -> Iterator[str]:
    """Yield all texts in a JSON value."""
    return _texts_in(value, frozenset(), all_of_it=True)


def _texts_in(value: Any, secret: frozenset[str], *, all_of_it: bool) -> Iterator[str]:
    waiting = [(value, all_of_it)]
    while waiting:
        match waiting.pop():
            case Mapping() as fields, is_secret:
                waiting += [(inner, is_secret or _fold(name) in secret) for name, inner in fields.items()]
            case (list() | tuple()) as rows, is_secret:
                waiting += [(each, is_secret) for each in rows]
            case (str() | int() | float()) as text, True:
                yield str(text)


def masked(value: Any, names: Iterable[str] = ()) -> Any:
    """Return a JSON value with asterisks in place of what has a secret name or is below one, anywhere in it."""
    return _masked(value, _folded(names), is_secret=False)


def masked_path(path: str, names: Iterable[str] = ()) -> str:
    """Return a path with asterisks in place of what has a secret name in its query, however that is quoted."""
    plain, mark, query = path.partition("?")
    secret = _folded(names)
    pairs = [pair.partition("=") for pair in query.split("&")]
    masked_pairs = [
        f"{name}={MASK}" if value and _fold(unquote_plus(name)) in secret else f"{name}{equals}{value}"
        for name, equals, value in pairs
    ]
    return plain + mark + "&".join(masked_pairs)


def _masked(value: Any, secret: frozenset[str], *, is_secret: bool) -> Any:
    match value:
        case Mapping():
            return {
                name: _masked(inner, secret, is_secret=is_secret or _fold(name) in secret)
                for name, inner in value.items()
            }
        case list() | tuple():
            return [_masked(each, secret, is_secret=is_secret) for each in value]
        case str() | int() | float() if is_secret and value != "":
            return MASK
        case _:
            return value


def _folded(names: Iterable[str]) -> frozenset[str]:
    return frozenset(map(_fold, (*SECRET_FIELDS, *names)))


def _fold(name: object) -> str:
    """Return a name without what its spelling adds: `X-Api-Key`, `xApiKey` and `x_api_key` are one."""
    return str(name).lower().replace("_", "").replace("-", "")
