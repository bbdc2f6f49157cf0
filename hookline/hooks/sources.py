"""A source of `hooks.yaml`: how its sender authenticates, or what is polled; what is accepted, and the answer."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

from jsonschema.protocols import Validator
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    model_validator,
)

from hookline.files import mistakes
from hookline.hooks.bodies import Reading, kind
from hookline.hooks.poll import DurationText, Poll, Polled, duration
from hookline.hooks.presets import PRESETS
from hookline.hooks.redaction import JSONPath, compile_path, redact
from hookline.hooks.schemas import load_schema, read_schema
from hookline.hooks.templates import CONTEXT, Template
from hookline.schemes import SCHEMES, AuthScheme
from hookline.schemes.base import HeaderName, Strict
from hookline.schemes.crypto import Encoding
from hookline.schemes.fields import FieldPath
from hookline.schemes.url_secret import UrlSecret

Model = TypeVar("Model", bound=BaseModel)

DEFAULT_MAX_BODY = 1_048_576
CONTENT_TYPE = r"^[\w.+-]+/[\w.+-]+(; ?charset=[\w-]+)?$"
CONTENT_TYPES = {
    "json": "application/json",
    "form": "application/x-www-form-urlencoded",
    "xml": "application/xml",
    "multipart": "multipart/form-data",
}
OF_REQUESTS = {
    "scheme",
    "preset",
    "accept",
    "response",
    "handshakes",
    "repeats",
    "split",
    "parse",
    "charset",
    "json_fields",
    "confirm",
}
"""The fields of a source that only a sender's request needs."""
NOT_IN_REQUESTS = {"delivery_id", "received_at", "envelope"}
"""The template values that exist only once a delivery is stored, or a bundle split."""
SIGNATURE = "signature"
"""The template value of a handshake's answer that is an HMAC of ours."""


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("Input should be a valid string")  # noqa: TRY004  (pydantic adds the place to a ValueError)
    return value


def _template(value: object) -> Template:
    return _of_a_request(Template(_text(value)))


def _condition(value: object) -> Template:
    return _of_a_request(Template(_text(value), expression=True))


def _answer(value: object) -> Template:
    return _of_a_request(Template(_text(value), values=CONTEXT | {SIGNATURE: "what `sign` gives"}))


def _of_a_request(template: Template, *, but: str = "") -> Template:
    if early := sorted((template.variables & NOT_IN_REQUESTS) - {but}):
        raise ValueError(f"uses {', '.join(early)}, which a request does not have yet: {template.text}")
    return template


def _path(value: object) -> JSONPath:
    return compile_path(_text(value))


def _id(value: object) -> "IdHeader | Template":
    if isinstance(value, Mapping):
        return IdHeader.model_validate(value)
    return _of_a_request(Template(_text(value)), but="envelope")


def _schema(value: object) -> Validator:
    return load_schema(value)


RequestTemplate: TypeAlias = Annotated[Template, PlainValidator(_template, json_schema_input_type=str)]
HostPattern: TypeAlias = Annotated[
    str, Field(max_length=200, pattern=r"^[a-z0-9*-]+(\.[a-z0-9*-]+)*\.[a-z]+$")
]
"""A host with `*` for letters, digits and dashes: never for a dot."""
AnswerTemplate: TypeAlias = Annotated[Template, PlainValidator(_answer, json_schema_input_type=str)]
Condition: TypeAlias = Annotated[Template, PlainValidator(_condition, json_schema_input_type=str)]


class IdHeader(Strict):
    """The header in which a sender gives its id of a delivery."""

    header: HeaderName


class CharsetField(Strict):
    """The field of a form in which a sender names the charset of the others."""

    field: str = Field(min_length=1, max_length=100)


def _charset(value: object) -> str | CharsetField:
    if isinstance(value, Mapping):
        return CharsetField.model_validate(value)
    charset = _text(value)
    Reading(charset=charset).parse("text/plain", b"")
    return charset


class Response(Strict):
    """The gateway's answer to an accepted delivery."""

    status: int | None = Field(
        default=None, ge=200, le=299, description="Otherwise 202, or 200 for a repeat."
    )
    body: str | None = Field(
        default=None, max_length=1000, description="Otherwise the delivery's id, as JSON."
    )
    content_type: str = Field(
        default="text/plain; charset=utf-8", pattern=CONTENT_TYPE, description="Of `body`."
    )


class AnswerSignature(Strict):
    """An HMAC of a value of the request, by which the answer to a handshake proves that we hold the secret."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    value: RequestTemplate = Field(description="A template of what is signed.")
    by: Literal["secret", "token"] = Field(
        default="secret", description="The key: the source's secret, or its token."
    )
    algorithm: Literal["sha1", "sha256", "sha384", "sha512"] = "sha256"
    encoding: Encoding = Field(default="hex", description="How the signature is written.")


class Handshake(Strict):
    """A request that is answered at once and makes no delivery, such as a challenge."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    method: Literal["GET", "POST", "HEAD", "OPTIONS"]
    when: Condition = Field(
        default=Template("true", expression=True),
        description="A request that does not fulfil this condition is no handshake.",
    )
    token: RequestTemplate | None = Field(
        default=None, description="Must give the source's token, `HOOKLINE_TOKEN_<SOURCE>`."
    )
    sign: AnswerSignature | None = Field(
        default=None, description="Makes an HMAC, which the answer's templates name `signature`."
    )
    reply: AnswerTemplate = Field(default=Template(""), description="A template of the answer's body.")
    headers: dict[HeaderName, AnswerTemplate] = Field(
        default_factory=dict, max_length=10, description="Templates of the answer's own headers, by name."
    )
    status: int = Field(default=200, ge=200, le=299)
    content_type: str = Field(default="text/plain", max_length=100, pattern=CONTENT_TYPE)
    verified: bool = Field(default=True, description="The sender must authenticate first.")

    @property
    def templates(self) -> list[Template]:
        """All of its templates."""
        signed = [self.sign.value] if self.sign else []
        return [self.when, *([self.token] if self.token else []), *signed, self.reply, *self.headers.values()]

    @model_validator(mode="after")
    def _unverified_bodies_stay_unread(self) -> "Handshake":
        if not self.verified and any("body" in each.variables for each in self.templates):
            raise ValueError(
                "without `verified` it cannot use the body, which is not read before the sender is verified"
            )
        return self

    @model_validator(mode="after")
    def _signs_what_it_names(self) -> "Handshake":
        named = any(SIGNATURE in each.variables for each in (self.reply, *self.headers.values()))
        if named != bool(self.sign):
            raise ValueError("a signature needs both: `sign`, and signature in reply or in a header")
        return self

    def answer(self, context: Mapping[str, Any]) -> str:
        """Return the answer's body: a text as it is, all else as JSON; raises TemplateError."""
        value = self.reply.render(context)
        return value if isinstance(value, str) else json.dumps(value)


class Within(Strict):
    """The time within which two deliveries of one id are the same, as people write it."""

    within: DurationText


@dataclass(frozen=True)
class Repeats:
    """When two deliveries are the same one."""

    kind: Literal["by-id", "by-body", "never", "within"] = "by-id"
    window: timedelta | None = None
    """With `within`: for so long after the first one."""

    @classmethod
    def read(cls, value: object) -> "Repeats":
        """Read `by-id`, `by-body`, `never` or `{within: 60s}`; raises ValueError."""
        if isinstance(value, Repeats):
            return value
        if isinstance(value, Mapping) and set(value) == {"within"}:
            return cls("within", duration(value["within"]))
        if value == "by-id" or value == "by-body" or value == "never":  # noqa: PLR1714  (mypy reads each)
            return cls(value)
        raise ValueError("write by-id, by-body, never, or {within: 60s}")


class Confirmation(Strict):
    """A delivery by which a sender asks that an address of its own be visited; a person allows it."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    when: Condition = Field(description="A delivery that fulfils this condition asks for a visit.")
    field: FieldPath = Field(description="The field of the body with the address.")
    hosts: tuple[HostPattern, ...] = Field(
        min_length=1, max_length=20, description="The hosts that may be visited."
    )

    @model_validator(mode="after")
    def _needs_no_body(self) -> "Confirmation":
        if "body" in self.when.variables:
            raise ValueError("when cannot use the body; a header tells which delivery asks")
        return self


class Source(BaseModel):
    """A sender, or a vendor's list that is polled: how it authenticates, and what is done with its deliveries."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    auth_scheme: AuthScheme
    enabled: bool = Field(default=True, description="False: its address answers 404, and it is not polled.")
    poll: Poll | None = Field(
        default=None, description="The list at a vendor that an engine reads, where nobody sends."
    )
    internal: bool = Field(
        default=False, description="Nobody sends here: its deliveries are made by Hookline itself."
    )
    silent_after: (
        Annotated[timedelta, PlainValidator(duration, json_schema_input_type=DurationText)] | None
    ) = Field(default=None, description="Without a delivery for so long, it is an issue.")
    max_body: int = Field(default=DEFAULT_MAX_BODY, ge=1, le=100 * DEFAULT_MAX_BODY, description="Bytes.")
    accept: tuple[Literal["json", "form", "xml", "multipart", "any"], ...] = Field(
        default=("json",), min_length=1, description="The kinds of content that are accepted."
    )
    parse: Literal["json", "form", "xml", "multipart", "text"] | None = Field(
        default=None, description="How bodies are read, whatever their content type says."
    )
    charset: (
        Annotated[str | CharsetField, PlainValidator(_charset, json_schema_input_type=str | CharsetField)]
        | None
    ) = Field(default=None, description="The charset of bodies, or the field of a form that names it.")
    json_fields: tuple[str, ...] = Field(
        default=(), max_length=20, description="The fields whose text is JSON, and is read as such."
    )
    id: Annotated[IdHeader | Template, PlainValidator(_id, json_schema_input_type=str | IdHeader)] | None = (
        Field(default=None, description="The place of the sender's id of a delivery.")
    )
    repeats: Annotated[
        Repeats,
        PlainValidator(Repeats.read, json_schema_input_type=Literal["by-id", "by-body", "never"] | Within),
    ] = Field(default=Repeats(), description="When two deliveries are the same one.")
    split: Annotated[JSONPath, PlainValidator(_path, json_schema_input_type=str)] | None = Field(
        default=None, description="The items of a bundle, each of which is a delivery of its own."
    )
    response: Response = Response()
    handshakes: tuple[Handshake, ...] = Field(default=(), max_length=10)
    confirm: Confirmation | None = Field(
        default=None, description="The deliveries that ask for a visit: `hookline sources confirm`."
    )
    schema_: (
        Annotated[Validator, PlainValidator(_schema, json_schema_input_type=str | dict[str, Any] | bool)]
        | None
    ) = Field(default=None, alias="schema", description="The JSON Schema that a body must fit.")
    redact: tuple[Annotated[JSONPath, PlainValidator(_path, json_schema_input_type=str)], ...] = Field(
        default=(), description="The values of a body that are never stored."
    )
    event_body: bool = Field(default=False, description="Its Prefect events carry the body.")
    keep_days: int | None = Field(default=None, ge=1, le=3650, description="Otherwise as the settings say.")
    keep_bodies_days: int | None = Field(
        default=None, ge=1, le=3650, description="Otherwise as the settings say."
    )

    @model_validator(mode="after")
    def _no_body_outlives_its_delivery(self) -> "Source":
        if self.keep_days and self.keep_bodies_days and self.keep_bodies_days > self.keep_days:
            raise ValueError("keep_bodies_days is more than keep_days")
        return self

    @model_validator(mode="after")
    def _one_origin(self) -> "Source":
        if self.poll and self.internal:
            raise ValueError("it is polled or internal, not both")
        return self

    @model_validator(mode="after")
    def _only_items_have_an_envelope(self) -> "Source":
        if self.split is None and isinstance(self.id, Template) and "envelope" in self.id.variables:
            raise ValueError("id uses envelope, which only the items of a `split` have")
        return self

    @model_validator(mode="after")
    def _signs_no_delivery_for_strangers(self) -> "Source":
        signs = any(each.sign and each.sign.by == "secret" and not each.verified for each in self.handshakes)
        if signs and "{body}" not in getattr(self.auth_scheme, "signs", "{body}"):
            raise ValueError(
                "a handshake without `verified` signs by the secret what could prove a delivery, for the scheme does "
                "not sign {body}: sign it by the token"
            )
        return self

    @property
    def takes_requests(self) -> bool:
        """Return True if senders may send to it."""
        return self.poll is None and not self.internal

    @model_validator(mode="after")
    def _only_what_can_be_redacted(self) -> "Source":
        kinds = {self.parse} if self.parse else set(self.accept)
        if self.redact and (odd := sorted(kinds - {"json", "form"})):
            raise ValueError(f"redact works on json and form; with {odd[0]} accepted, values would be stored")
        if self.redact and (self.charset or self.json_fields):
            raise ValueError("redact does not work with charset or json_fields: values would be stored")
        return self

    spec: str = Field(
        default="", repr=False, description="All of it as JSON, schema included: `source_of` reads it."
    )

    @classmethod
    def ours(cls) -> "Source":
        """Return a source whose deliveries Hookline makes itself."""
        return cls(auth_scheme=Polled(), internal=True)

    @cached_property
    def reading(self) -> Reading:
        """Return how its bodies are read."""
        of_field = self.charset.field if isinstance(self.charset, CharsetField) else None
        return Reading(
            kind="other" if self.parse == "text" else self.parse,
            charset=self.charset if isinstance(self.charset, str) else None,
            charset_field=of_field,
            json_fields=self.json_fields,
        )

    def require_accepted(self, content_type: str) -> None:
        """Raise ValueError, for people, where the source does not accept bodies of this content type."""
        if self.parse is None and "any" not in self.accept and kind(content_type) not in self.accept:
            accepted = " or ".join(CONTENT_TYPES[kind] for kind in self.accept)
            came = content_type.partition(";")[0] or "nothing"
            raise ValueError(f"The content type is {came}; `accept` of the source says {accepted}.")

    def redacted(self, content_type: str, body: bytes) -> bytes:
        """Return the body without the values that are never stored; raises ValueError, for people, where it cannot."""
        return redact(self.redact, content_type, body, self.reading)


class Mistakes(ValueError):
    """A part of `hooks.yaml` with mistakes."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems
        """The mistakes, each after its place in the part, such as `.header: …`; that of the whole part is empty."""


@cache
def source_of(spec: str) -> Source:
    """Return the source that a `Source.spec` describes, in a process that was given only the text."""
    return read_source(json.loads(spec), Path())


def read_source(raw: Mapping[str, Any], folder: Path) -> Source:
    """
    Read a source as `hooks.yaml` describes it; a path in it is relative to `folder`.

    Raises:
        Mistakes: has every mistake.
    """
    filled = _with_keys(_with_schema(_with_preset(raw), folder), folder)
    polled = "poll" in filled or filled.get("internal") is True
    if polled and (ours_alone := sorted(OF_REQUESTS & set(filled))):
        raise Mistakes([f".{ours_alone[0]}: nobody sends to this source; leave it out"])
    scheme = Polled if polled else _scheme(filled.get("scheme"))
    ours = {field.alias or name for name, field in Source.model_fields.items()} - {"auth_scheme", "spec"}
    of_scheme = {name: value for name, value in filled.items() if name not in {"scheme", *ours}}
    auth_scheme, problems = _checked(scheme, of_scheme, also={"scheme", "preset", *ours})
    rest = {name: value for name, value in filled.items() if name in ours}
    if auth_scheme and auth_scheme.secret_in_body:
        rest["redact"] = [*rest.get("redact", ()), auth_scheme.secret_in_body]
    spec = json.dumps(filled, default=str, sort_keys=True)
    source, more = _checked(Source, rest | {"auth_scheme": auth_scheme or UrlSecret(), "spec": spec})
    if auth_scheme is None or source is None:
        raise Mistakes(problems + more)
    return source


def _with_schema(fields: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return the fields with the schema itself in place of its path."""
    if not isinstance(path := fields.get("schema"), str):
        return fields
    try:
        return {**fields, "schema": read_schema(folder / path)}
    except ValueError as error:
        raise Mistakes([f".schema: {error}"]) from None


def _with_keys(fields: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return the fields with the sender's public keys themselves in place of their path."""
    jwks = fields.get("jwks")
    if not isinstance(jwks, str) or "://" in jwks:
        return fields
    try:
        return {**fields, "jwks": read_schema(folder / jwks)}
    except ValueError as error:
        raise Mistakes([f".jwks: {error}"]) from None


def _with_preset(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields with those of the preset."""
    if "preset" not in raw:
        return dict(raw)
    fields = {name: value for name, value in raw.items() if name != "preset"}
    preset = PRESETS.get(raw["preset"]) if isinstance(raw["preset"], str) else None
    if preset is None:
        raise Mistakes([f".preset: there is no preset {raw['preset']!r}; there are: {', '.join(PRESETS)}"])
    if "scheme" in fields:
        raise Mistakes([f".scheme: the preset {raw['preset']} has one already; leave one of them out"])
    return {**preset, **fields}


def _scheme(name: object) -> type[AuthScheme]:
    if isinstance(name, str) and name in SCHEMES:
        return SCHEMES[name]
    if name is None:
        raise Mistakes([f".scheme: is missing; name one of {', '.join(SCHEMES)}, or a preset"])
    raise Mistakes([f".scheme: there is no scheme {name!r}; there are: {', '.join(SCHEMES)}"])


def _checked(
    model: type[Model], fields: Mapping[str, Any], also: Collection[str] = ()
) -> tuple[Model | None, list[str]]:
    """Return the model and no problem, or no model and every problem; `also`: fields that stand beside its own."""
    try:
        return model.model_validate(fields), []
    except ValidationError as error:
        return None, mistakes(error, model, also)
