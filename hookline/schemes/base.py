"""The declaration of a scheme: its fields in `hooks.yaml`, and how it verifies, signs, redacts and describes."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from hookline.schemes.redaction import REDACTED, SECRET_HEADERS, masked

HEADER = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$"

HeaderName: TypeAlias = Annotated[str, Field(pattern=HEADER)]
Tolerance: TypeAlias = Annotated[
    int, Field(ge=1, le=86_400, description="Seconds that a timestamp may be off, either way.")
]


@dataclass(frozen=True)
class SignedRequest:
    """The parts of a request that may authenticate its sender."""

    headers: Mapping[str, str]
    """By names in lower case; of a header that came several times, the values joined with a comma and a space."""
    query: Mapping[str, str] = field(default_factory=dict)
    path_secret: str = ""
    """The segment of the path after the source."""
    body: bytes = b""
    method: str = "POST"
    url: str = ""
    """The whole address, with its query, as the sender knows it: never from a header of the request."""
    document: bytes | None = None
    """What stands at the scheme's `address_of` this request, such as a certificate; fetched by the caller."""

    @property
    def content_type(self) -> str:
        """The media type that the sender names, without parameters, in lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


@dataclass(frozen=True)
class RequestAuth:
    """The parts that a sender adds to a request to authenticate."""

    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    path_secret: str = ""
    body: bytes | None = None
    """The body with the proof in it; None where the body stays as it was."""


class Redacted(NamedTuple):
    """The headers and the query of a request as they may be stored."""

    headers: dict[str, str]
    query: dict[str, str]


class Strict(BaseModel):
    """A part of `hooks.yaml`: a field that it does not know is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


SCHEMES: dict[str, type["AuthScheme"]] = {}
"""The schemes by their names in `hooks.yaml`."""


class AuthScheme(Strict, ABC):
    """
    A way in which a sender authenticates; its fields are those of a source in `hooks.yaml`.

    A subclass with a `name` is a scheme, and registered.
    """

    name: ClassVar[str]
    """The scheme's name in `hooks.yaml`."""
    in_path: ClassVar[bool] = False
    """The secret is a part of the address."""
    key_pairs: ClassVar[Literal["never", "possible", "always"]] = "never"
    """The sender signs with a private key, and we hold its public key."""
    replacement_hint: ClassVar[str] = "Make another: openssl rand -hex 32"
    """The doctor's advice where a secret is not good."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if "name" in vars(cls):
            SCHEMES[cls.name] = cls

    @abstractmethod
    def verify(self, request: SignedRequest, secrets: Sequence[SecretStr], *, now: float) -> bool:
        """Return True if the request proves one of the secrets; `now` in seconds since 1970. Never raises."""

    @abstractmethod
    def sign(self, secret: SecretStr, request: SignedRequest, *, identifier: str, now: float) -> RequestAuth:
        """
        Return what a sender would add to its request.

        Args:
            secret: the shared secret, or the sender's private key.
            request: as it is without a proof.
            identifier: the delivery's id, in schemes that have one.
            now: seconds since 1970.

        Raises:
            ValueError: the secret cannot sign; does not show it.
        """

    @abstractmethod
    def describe(self, source: str) -> str:
        """Return how the sender of a source authenticates, as a sentence."""

    def redact(
        self, headers: Mapping[str, str], query: Mapping[str, str], known: Sequence[SecretStr] = ()
    ) -> Redacted:
        """
        Return headers and query as they may be stored: without what authenticates, and without `known` secrets.

        A proxy may have written a secret into any of them, and a sender the parameter's name in any case.
        """
        secret = SECRET_HEADERS | ({self.auth_header.lower()} if self.auth_header else set())
        parameter = self.secret_parameter.lower() if self.secret_parameter else None
        return Redacted(
            {name: REDACTED if name in secret else masked(value, known) for name, value in headers.items()},
            {
                masked(name, known): REDACTED if name.strip().lower() == parameter else masked(value, known)
                for name, value in query.items()
            },
        )

    @property
    def signs_body(self) -> bool:
        """False: the proof is not over the body, so that the address, too, tells deliveries apart."""
        return True

    @property
    def reads_body(self) -> bool:
        """False: the sender is verified before a byte of the body is read."""
        return True

    @property
    def needs_secret(self) -> bool:
        """False: what proves the sender is fetched, or stands in `hooks.yaml`."""
        return True

    @property
    def secret_in_body(self) -> str | None:
        """The JSONPath of a secret that stands in the body, and so is never stored."""
        return None

    @property
    def signs_address(self) -> bool:
        """True: the proof is over the address that the sender was given, too."""
        return False

    @property
    def given_url(self) -> str | None:
        """The address that the sender was given, where it is not the one that the settings make."""
        return None

    def address_of(self, request: SignedRequest) -> str | None:  # noqa: ARG002  (a subclass looks at it)
        """Return the address of the document that verifies this request, one that `hooks.yaml` allows; else None."""
        return None

    def question(self, request: SignedRequest, secrets: Sequence[SecretStr]) -> bytes | None:  # noqa: ARG002
        """Return the JSON that is posted to that address; None where the document is there for anybody."""
        return None

    @property
    def auth_header(self) -> str | None:
        """The header that authenticates, beside those in `SECRET_HEADERS`."""
        return None

    @property
    def secret_parameter(self) -> str | None:
        """The query parameter that holds the secret."""
        return None

    @property
    def delivery_id_header(self) -> str | None:
        """The header in which the scheme itself carries the delivery's id."""
        return None

    def secret_length(self, secret: str) -> int | None:
        """
        Return the bytes of a secret; None for a public key, which may be short.

        Raises:
            ValueError: it is not of the scheme's form; does not show it.
        """
        return len(secret.encode())

    def is_public(self, secret: str) -> bool:  # noqa: ARG002  (a subclass looks at it)
        """Return True for a public key: it may be shown, and only the sender's private key can sign."""
        return False

    def unsendable(self, secret: str) -> str | None:  # noqa: ARG002  (the same)
        """Return why some senders cannot send this secret; None if all can."""
        return None


def plain(secrets: Sequence[SecretStr]) -> list[str]:
    """Return the secrets as texts."""
    return [secret.get_secret_value() for secret in secrets]
