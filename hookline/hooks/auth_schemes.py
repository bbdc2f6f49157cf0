"""The ways in which a sender proves itself, as `hooks.yaml` describes them; `hookline.gateway.schemes` checks."""

import re
from typing import Annotated, Literal, TypeAlias, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

HEADER = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$"
PIECE = re.compile(r"\{(timestamp|id|body)\}")
"""What a signing string is made of, besides fixed text."""


def _signing_string(text: str) -> str:
    if text.count("{body}") != 1:
        raise ValueError("must hold {body} once, or the body would not be proven")
    if unknown := re.search(r"\{\w*\}", PIECE.sub("", text)):
        raise ValueError(f"uses {unknown[0]}, but only {{timestamp}}, {{id}} and {{body}} are known")
    return text


HeaderName: TypeAlias = Annotated[str, Field(pattern=HEADER)]
Tolerance: TypeAlias = Annotated[
    int, Field(ge=1, le=86_400, description="Seconds that a timestamp may be off, either way.")
]


class Strict(BaseModel):
    """A part of `hooks.yaml`: what it does not know is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class _Scheme(Strict):
    scheme: str

    @property
    def kind(self) -> str:
        """The scheme's name in `hooks.yaml`."""
        return self.scheme


class SharedSecret(_Scheme):
    """The sender puts our secret into each request, as it is."""

    scheme: Literal["shared-secret"] = "shared-secret"
    place: Literal["header", "bearer", "basic", "query"] = Field(
        default="header", alias="in", description="Where the secret stands."
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

    @model_validator(mode="after")
    def _no_idle_field(self) -> "SharedSecret":
        used_by = {"header": "header", "username": "basic", "parameter": "query"}
        for field in sorted(self.model_fields_set & set(used_by)):
            if self.place != used_by[field]:
                raise ValueError(f"{field} is for `in: {used_by[field]}`, and this is `in: {self.place}`")
        return self

    def described(self, source: str) -> str:
        """How the sender proves itself, as a sentence."""
        place = {
            "header": f"in the header {self.header}",
            "bearer": "as a bearer token",
            "basic": f"as the password of {self.username}",
            "query": f"in the query parameter {self.parameter}",
        }[self.place]
        return f"The shared secret of {source}, {place}."


class UrlSecret(_Scheme):
    """The secret is the last segment of the address that the sender was given."""

    scheme: Literal["url-secret"] = "url-secret"

    def described(self, source: str) -> str:
        """How the sender proves itself, as a sentence."""
        return f"The secret of {source}, as the last part of the address."


class StandardWebhooks(_Scheme):
    """The sender signs as standardwebhooks.com says: v1 (HMAC-SHA256) or v1a (ed25519)."""

    scheme: Literal["standard-webhooks"] = "standard-webhooks"
    header_prefix: Literal["webhook", "svix"] = Field(
        default="webhook", description="What the three headers begin with: `webhook-id` or `svix-id`."
    )
    tolerance: Tolerance = 300

    def described(self, source: str) -> str:
        """How the sender proves itself, as a sentence."""
        return f"A Standard Webhooks signature over the raw bytes, with the secret of {source}."


class Parts(Strict):
    """One header with several named parts, such as `t=1614265330,v1=5257a8…`."""

    signature: str = Field(pattern=r"^[\w-]{1,32}$", description="The part that is a signature; may repeat.")
    timestamp: str | None = Field(
        default=None, pattern=r"^[\w-]{1,32}$", description="The part that is the timestamp."
    )
    separator: Literal[",", ";"] = Field(default=",", description="Stands between two parts.")


class Signature(_Scheme):
    """What all signatures in headers have in common."""

    header: HeaderName = Field(description="Carries the signature.")
    encoding: Literal["hex", "base64", "base64url"] = Field(
        default="hex", description="How the signature is written."
    )
    prefix: str = Field(
        default="", max_length=32, description="Stands before the signature, such as `sha256=`."
    )
    parts: Parts | None = Field(
        default=None, description="The names of the parts of such a header as `t=…,v1=…`."
    )
    signs: Annotated[str, AfterValidator(_signing_string)] = Field(
        default="{body}", max_length=200, description="What is signed, of `{timestamp}`, `{id}` and `{body}`."
    )
    timestamp_header: HeaderName | None = Field(default=None, description="Carries the time of sending.")
    timestamp_unit: Literal["seconds", "milliseconds"] = Field(
        default="seconds", description="What the timestamp counts since 1970."
    )
    id_header: HeaderName | None = Field(default=None, description="Carries the sender's id of the delivery.")
    tolerance: Tolerance = 300

    @model_validator(mode="after")
    def _fits(self) -> "Signature":
        in_parts = self.parts.timestamp if self.parts else None
        if self.timestamp_header and in_parts:
            raise ValueError("the timestamp stands in timestamp_header or in parts.timestamp, not in both")
        if bool(self.timestamp_header or in_parts) != ("{timestamp}" in self.signs):
            raise ValueError(
                "a timestamp needs both: {timestamp} in signs, and timestamp_header or parts.timestamp"
            )
        if bool(self.id_header) != ("{id}" in self.signs):
            raise ValueError("an id needs both: {id} in signs, and id_header (an unsigned id goes into `id`)")
        if "tolerance" in self.model_fields_set and "{timestamp}" not in self.signs:
            raise ValueError("tolerance is for a signature over a timestamp")
        if self.parts and self.prefix:
            raise ValueError("prefix is for a header without parts")
        return self


class Hmac(Signature):
    """The sender signs with a secret that we share."""

    scheme: Literal["hmac"] = "hmac"
    algorithm: Literal["sha1", "sha256", "sha384", "sha512"] = Field(
        default="sha256", description="The digest."
    )

    def described(self, source: str) -> str:
        """How the sender proves itself, as a sentence."""
        return f"An HMAC ({self.algorithm}) in the header {self.header}, with the secret of {source}."


class Asymmetric(Signature):
    """The sender signs with its private key, whose public half we hold."""

    scheme: Literal["asymmetric"] = "asymmetric"
    algorithm: Literal["ed25519", "rsa-pkcs1v15", "rsa-pss", "ecdsa"] = Field(
        description="The kind of the key, and for RSA the padding; ECDSA signatures are in DER."
    )
    digest: Literal["sha256", "sha384", "sha512"] = Field(
        default="sha256", description="The digest that RSA and ECDSA sign; ed25519 has its own."
    )

    def described(self, source: str) -> str:
        """How the sender proves itself, as a sentence."""
        return f"An {self.algorithm} signature in the header {self.header}, with the public key of {source}."


Scheme: TypeAlias = StandardWebhooks | Hmac | SharedSecret | UrlSecret | Asymmetric

SCHEMES: dict[str, type[Scheme]] = {each.model_fields["scheme"].default: each for each in get_args(Scheme)}
"""By their names in `hooks.yaml`."""
