"""`shared-secret`: the secret itself in a header, in a log-in or in a query parameter."""

import base64
from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field, SecretStr, model_validator

from hookline.schemes.base import AuthScheme, HeaderName, RequestAuth, SignedRequest, plain
from hookline.schemes.crypto import any_equal, decode, is_one_of, octets
from hookline.schemes.fields import FieldPath, items_at, read_body, text_at, with_text


class SharedSecret(AuthScheme):
    """The sender puts our secret into each request, as it is."""

    name: ClassVar[str] = "shared-secret"

    place: Literal["header", "bearer", "basic", "query", "body"] = Field(
        default="header", alias="in", description="The place of the secret."
    )
    header: HeaderName = Field(default="X-Hookline-Key", description="With `in: header`: carries the secret.")
    username: str = Field(
        default="hookline",
        pattern=r"^[\x21-\x39\x3b-\x7e]{1,64}$",
        description="With `in: basic`: the user whose password the secret is.",
    )
    parameter: str = Field(
        default="key", pattern=r"^[A-Za-z0-9._~-]{1,64}$", description="With `in: query`: carries the secret."
    )
    field: FieldPath | None = Field(
        default=None, description="With `in: body`: the field that is the secret; it is never stored."
    )
    each: FieldPath | None = Field(
        default=None, description="With `in: body`: the list of which every item has the field."
    )

    @model_validator(mode="after")
    def _no_idle_field(self) -> "SharedSecret":
        used_by = {
            "header": "header",
            "username": "basic",
            "parameter": "query",
            "field": "body",
            "each": "body",
        }
        for field in sorted(self.model_fields_set & set(used_by)):
            if self.place != used_by[field]:
                raise ValueError(f"{field} is for `in: {used_by[field]}`, and this is `in: {self.place}`")
        if self.place == "body" and not self.field:
            raise ValueError("with `in: body`, name the field that is the secret")
        return self

    @property
    def signs_body(self) -> bool:
        """Return False: the secret stands by itself, also in a body."""
        return False

    @property
    def reads_body(self) -> bool:
        """Return True if the secret stands in the body."""
        return self.place == "body"

    @property
    def secret_in_body(self) -> str | None:
        """The JSONPath of the secret, with `in: body`."""
        if self.field is None:
            return None
        list_of = f"{_json_path(self.each)}[*]" if self.each else ""
        return f"${list_of}{_json_path(self.field)}"

    def verify(self, request: SignedRequest, secrets: Sequence[SecretStr], *, now: float) -> bool:  # noqa: ARG002
        """Return True if one of the secrets is in its place."""
        match self.place:
            case "header":
                return _is_in_header(request.headers.get(self.header.lower(), ""), secrets)
            case "bearer":
                return _is_in_header(_credentials(request, "bearer"), secrets)
            case "basic":
                received = decode(_credentials(request, "basic"), "base64") or b""
                return any_equal([received], [self._login(secret) for secret in plain(secrets)])
            case "query":
                return is_one_of(request.query.get(self.parameter, ""), secrets)
            case "body":
                return self._is_in_body(request, secrets)

    def sign(self, secret: SecretStr, request: SignedRequest, *, identifier: str, now: float) -> RequestAuth:  # noqa: ARG002
        """Return the secret in its place."""
        text = secret.get_secret_value()
        match self.place:
            case "header":
                return RequestAuth(headers={self.header: text})
            case "bearer":
                return RequestAuth(headers={"Authorization": f"Bearer {text}"})
            case "basic":
                login = base64.b64encode(self._login(text)).decode()
                return RequestAuth(headers={"Authorization": f"Basic {login}"})
            case "query":
                return RequestAuth(query={self.parameter: text})
            case "body":
                body = with_text(request.content_type, request.body, str(self.field), text, each=self.each)
                return RequestAuth(body=body)

    def describe(self, source: str) -> str:
        """Return the place of the secret."""
        place = {
            "header": f"in the header {self.header}",
            "bearer": "as a bearer token",
            "basic": f"as the password of {self.username}",
            "query": f"in the query parameter {self.parameter}",
            "body": f"in the field {self.field} of the body",
        }[self.place]
        return f"The shared secret of {source}, {place}."

    @property
    def auth_header(self) -> str:
        """The header of the secret, wherever else this source expects it."""
        return self.header

    @property
    def secret_parameter(self) -> str | None:
        """The parameter of the secret, with `in: query`."""
        return self.parameter if self.place == "query" else None

    def unsendable(self, secret: str) -> str | None:
        """Return the reason that a header cannot carry it."""
        plain_text = secret.isascii() and secret.isprintable()
        return None if plain_text else "holds a character that no header can carry"

    def _is_in_body(self, request: SignedRequest, secrets: Sequence[SecretStr]) -> bool:
        """Return True if the field is one of the secrets; with `each`, in every item."""
        items = items_at(read_body(request.content_type, request.body), self.each)
        found = [is_one_of(text_at(item, str(self.field)) or "", secrets) for item in items]
        return bool(found) and all(found)

    def _login(self, secret: str) -> bytes:
        return octets(f"{self.username}:{secret}")


def _is_in_header(received: str, secrets: Sequence[SecretStr]) -> bool:
    """Return True if a header is one of the secrets; it comes as Latin-1, whatever encoding its sender meant."""
    return any_equal([received.encode("latin-1", "replace")], [octets(secret) for secret in plain(secrets)])


def _json_path(path: str) -> str:
    """Return what selects all that such a path may lead to: a number names an item of a list, or a field."""
    return "".join(
        f"[{int(name)},'{name}']" if name.isdecimal() else f"['{name}']" for name in path.split(".")
    )


def _credentials(request: SignedRequest, kind: str) -> str:
    named, _, credentials = request.headers.get("authorization", "").partition(" ")
    return credentials if named.lower() == kind else ""
