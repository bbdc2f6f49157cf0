"""Any HTTP API: its registration, and the settings of an account."""

import re
from collections.abc import Iterator
from typing import ClassVar, Final, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from hookline.settings import VendorSettings
from hookline.vendors import Vendor

VENDOR = Vendor(
    name="http",
    title="HTTP",
    settings="hookline.shipped.http:HttpSettings",
    client="hookline.clients.http:HttpClient",
    block="blocks.http:HttpCredentials",
    tasks="tasks.http",
    simulator="hookline.simulators.http:HttpSimulator",
    letters="//",
    colour="#374151",
    rank=6,
)

NOT_HERE: Final = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "authorization", "cookie"}
)
"""Headers that the log-in or the connection sets."""
_WORD = re.compile(r"[A-Za-z0-9_.-]{1,100}", re.ASCII)
Login = Literal["none", "bearer", "basic", "header", "query", "client_credentials", "authorization_code"]

NEEDS: Final[dict[Login, tuple[str, ...]]] = {
    "none": (),
    "bearer": ("token",),
    "basic": ("username", "password"),
    "header": ("login_name", "token"),
    "query": ("login_name", "token"),
    "client_credentials": ("client_id", "client_secret", "token_url"),
    "authorization_code": ("client_id", "token_url", "authorize_url"),
}
"""By log-in, the settings without which there is none."""


class HttpSettings(VendorSettings):
    """An account at any HTTP API, which flows call by its paths (docs/own-vendor-in-30-lines.md)."""

    prefix = "HTTP_"
    sandbox_login: ClassVar[dict[str, str]] = {
        "LOGIN": "bearer",
        "TOKEN": "sandbox-http-token",
        "CHECK_PATH": "/records/orders",
    }

    base_url: str = Field(
        description="Address of the API, up to where the paths begin; calls go nowhere else.",
        examples=["https://api.example.com/v1"],
    )
    login: Login = Field(
        "none",
        description="How calls are let in: none, bearer, basic, header, query, client_credentials or "
        "authorization_code.",
    )
    token: SecretStr | None = Field(
        None, description="The bearer token, or the key in the header or parameter `login_name`."
    )
    login_name: str | None = Field(
        None,
        description="Name of the header or parameter that holds the key, for `header` and `query`.",
        examples=["X-Api-Key"],
    )
    username: str | None = Field(None, description="User, for `basic`.")
    password: SecretStr | None = Field(None, description="Password of the user.")
    client_id: str | None = Field(None, description="Client id, for OAuth 2.")
    client_secret: SecretStr | None = Field(
        None, description="Client secret, for OAuth 2; a public client has none."
    )
    token_url: str | None = Field(
        None,
        description="Address that issues tokens, for OAuth 2.",
        examples=["https://login.example.com/oauth/token"],
    )
    authorize_url: str | None = Field(
        None,
        description="Address at which a person agrees, for `authorization_code`.",
        examples=["https://login.example.com/oauth/authorize"],
    )
    scope: str | None = Field(None, description="Scopes to ask for, with blanks between.")
    secret_in: Literal["header", "body"] = Field(
        "header", description="Where token requests hold the client secret: header or body."
    )
    token_params: str | None = Field(
        None, description="More fields of token requests.", examples=["audience=https://api.example.com"]
    )
    authorize_params: str | None = Field(
        None,
        description="More parameters of the address at which a person agrees.",
        examples=["access_type=offline&prompt=consent"],
    )
    headers: str | None = Field(
        None,
        description="Headers of every call, separated by semicolons; no secrets.",
        examples=["X-Tenant: 17; X-Version: 2"],
    )
    idempotency_header: str | None = Field(
        None,
        description="Header by which the vendor knows a repeated write; with it, a write whose answer was lost is "
        "sent again. Only if the vendor documents it.",
        examples=["Idempotency-Key"],
    )
    secret_fields: str | None = Field(
        None,
        description="Names of fields, parameters and headers that are masked everywhere, beside password, token and "
        "the like; separated by commas.",
        examples=["iban,taxNumber"],
    )
    check_path: str | None = Field(
        None,
        description="A path whose GET changes nothing, by which doctor and credential-check try the account.",
        examples=["/me"],
    )
    max_answer_mb: float = Field(
        10, gt=0, le=100, description="Longest answer that is read, unpacked, in MB."
    )

    @field_validator("idempotency_header")
    @classmethod
    def _is_a_header(cls, name: str | None) -> str | None:
        if name and not is_header_name(name):
            raise ValueError("a header's name is a word of ASCII letters, digits and dashes, and no log-in's")
        return name

    @field_validator("headers")
    @classmethod
    def _are_headers(cls, text: str | None) -> str | None:
        for name, value in pairs_of(text):
            plain = f"{name}{value}"
            is_word = name.replace("-", "").replace("_", "").isalnum() and name.lower() not in NOT_HERE
            if not (is_word and value and plain.isascii() and plain.isprintable()):
                raise ValueError(
                    "write headers as `Name: value; Name: value`, and those of the log-in or the connection not at all"
                )
        return text

    @model_validator(mode="after")
    def _has_a_login(self) -> Self:
        missing = [f"HTTP_{name.upper()}" for name in NEEDS[self.login] if not getattr(self, name)]
        if missing:
            raise ValueError(f"the log-in {self.login} needs {', '.join(missing)}")
        if self.login == "header" and not _WORD.fullmatch(self.login_name or ""):
            raise ValueError(
                "HTTP_LOGIN_NAME must be a header's name: a word of ASCII letters, digits and dashes"
            )
        return self


def is_header_name(name: str) -> bool:
    """Return True for the name of a header that neither the log-in nor the connection sets."""
    return bool(_WORD.fullmatch(name)) and name.lower() not in NOT_HERE


def pairs_of(text: str | None) -> Iterator[tuple[str, str]]:
    """Yield headers as a setting writes them."""
    for each in (text or "").split(";"):
        if each.strip():
            name, _, value = each.partition(":")
            yield name.strip(), value.strip()
