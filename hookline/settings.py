"""
The settings of Hookline and of the vendors' accounts, each declared once.

Settings come from the environment; a file `.env` in the project's folder, or in the working directory where there is
no project, fills in what the environment leaves open. `.env.example` and docs/settings.md are written from the
declarations here (`make docs`).
"""

import os
import re
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from datetime import date
from functools import cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from math import isfinite
from pathlib import Path
from typing import Any, ClassVar, Final, Self, TypeAlias
from urllib.parse import parse_qsl, unquote, urlsplit

from dotenv import load_dotenv
from pydantic import (
    BaseModel,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import EnvSettingsSource, SettingsConfigDict

from hookline.account_keys import DEFAULT
from hookline.errors import ConfigurationError
from hookline.local_time import time_zone
from hookline.log import Format
from hookline.project import VARIABLE, find_project
from hookline.record_links import parse_record_urls
from hookline.vendors import Parts, sandbox_ports, unusable_prefixes

PREFECT_PATH = "/prefect"
"""Path at which the gateway serves the Prefect UI."""
NO_DOTENV = "HOOKLINE_NO_DOTENV"
"""Variable of a sandbox's processes, which must not reach the vendors of `.env`."""
MIN_TOKEN = 16
"""Least number of characters in a token that people choose."""

NOT_OURS: Final = frozenset({"HTTP_PROXY"})
"""Variables of others that begin like a vendor's: that of the proxy, in capitals or not."""

SECRET_VARIABLES = (
    "PREFECT_API_AUTH_STRING",
    "PREFECT_SERVER_API_AUTH_STRING",
    "PREFECT_REDIS_MESSAGING_URL",
    "PREFECT_REDIS_WORKER_CLEANUP_QUEUE_URL",
    "PREFECT_SERVER_DOCKET_URL",
)
"""Beginnings of the names of variables that hold secrets, beside those of the settings."""

Network: TypeAlias = IPv4Network | IPv6Network


class FromEnvironment(BaseModel):
    """Values that variables of the environment fill, each named by a prefix and the field."""

    prefix: ClassVar[str]

    @classmethod
    def prefix_of(cls, account: str) -> str:
        """Return the beginning of the variables of an account, such as `JIWA_NORTH_`."""
        return cls.prefix if account == DEFAULT else f"{cls.prefix}{account.upper().replace('-', '_')}_"

    @classmethod
    def variables(cls, account: str = DEFAULT) -> dict[str, str]:
        """Return the variable of each field."""
        return {name: f"{cls.prefix_of(account)}{name.upper()}" for name in cls.model_fields}

    @classmethod
    def secret_variables(cls, account: str = DEFAULT) -> set[str]:
        """Return the variables that hold secrets."""
        return {
            variable
            for name, variable in cls.variables(account).items()
            if "SecretStr" in str(cls.model_fields[name].annotation)
        }

    @classmethod
    def from_environment(cls, account: str = DEFAULT) -> Self:
        """
        Read the environment and `.env`; an empty variable counts as not set.

        Args:
            account: of a vendor with several, which one.

        Raises:
            ConfigurationError: a variable is missing or cannot be read; names it and says why.
        """
        read_dotenv()
        # A `BaseSettings` would read the environment whenever a block is made, and blocks are these same models.
        prefix = cls.prefix_of(account)
        source = EnvSettingsSource(cls, env_prefix=prefix, env_ignore_empty=True)  # type: ignore[arg-type]
        try:
            return cls(**source())
        except ValidationError as error:
            named = cls.variables(account)
            problems = [
                _problem(named, each["loc"], each["msg"].replace(cls.prefix, prefix))
                for each in error.errors()
            ]
            raise ConfigurationError(
                "The environment is not right.\n  " + "\n  ".join(problems) + "\nSee .env.example."
            ) from None


def _problem(variables: Mapping[str, str], place: tuple[int | str, ...], message: str) -> str:
    return f"{variables[str(place[0])]}: {message}" if place else message


def dotenv_path() -> Path:
    """Return the path of `.env`: in the project's folder, or in the working directory where there is no project."""
    return (find_project() or Path.cwd()) / ".env"


def read_dotenv() -> None:
    """
    Fill in what the environment leaves open; a variable that is there but empty stays as it is.

    Raises:
        ConfigurationError: the file is there and cannot be read, or names a project.
    """
    if os.environ.get(NO_DOTENV):
        return
    path = dotenv_path()
    before = os.environ.get(VARIABLE)
    try:
        load_dotenv(path, override=False)
    except (UnicodeDecodeError, OSError) as error:
        raise ConfigurationError(f"Cannot read {path}: {error}. It must be text in UTF-8.") from None
    if os.environ.get(VARIABLE) != before:
        del os.environ[VARIABLE]
        raise ConfigurationError(
            f"{path} sets {VARIABLE}, by which .env itself is found. Set it in the environment, or use --project."
        )


def _setting(
    default: object, description: str, *, default_text: str = "", example: str = "", **limits: Any
) -> Any:
    """Declare a setting; the text and the example are for `.env.example`, where the default says too little."""
    return Field(
        default,
        description=description,
        examples=[example] if example else None,
        json_schema_extra={"default_text": default_text},
        **limits,
    )


_FILES_OF_PROJECT = {
    "home": ".hookline",
    "hooks": "hooks.yaml",
    "catalog": "catalog.yaml",
    "deployments": "prefect.yaml",
    "automations": "automations.yaml",
}
_PATHS = {*_FILES_OF_PROJECT, "high_water", "templates"}


class Settings(FromEnvironment):
    """The settings of Hookline itself: variables that begin with `HOOKLINE_`."""

    model_config = SettingsConfigDict(frozen=True, validate_default=True, enable_decoding=False)
    prefix = "HOOKLINE_"

    project: Path | None = _setting(
        None,
        "Project: the firm's own folder, in which all other paths begin. Only in the environment, not in `.env`.",
        default_text="the working directory, or the nearest folder above it, that has hooks.yaml and prefect.yaml",
        example="/srv/acme",
    )
    home: Path = _setting(
        Path(".hookline"),
        "Data folder: databases, keys, logs.",
        default_text="`.hookline` in the project, or in the working directory",
    )
    database_url: SecretStr | None = _setting(
        None,
        "PostgreSQL to use instead of the embedded one.",
        default_text="the embedded one, under HOOKLINE_HOME",
        example="postgresql://hookline:password@db.example.com/hookline",
    )
    high_water: Path | None = _setting(
        None,
        "Folder that remembers how far the database was, better on another disk than it.",
        default_text="`high-water` in HOOKLINE_HOME",
    )
    gateway_host: str = _setting(
        "127.0.0.1",
        "Address the gateway listens on; 0.0.0.0 is every address of this machine.",
        default_text="this machine only",
    )
    gateway_port: int = _setting(8400, "Port the gateway listens on.", ge=1, le=65535)
    public_url: str | None = _setting(
        None,
        "Address at which people reach the gateway; every link begins with it.",
        default_text="HOOKLINE_GATEWAY_HOST and its port",
        example="https://hooks.example.com",
    )
    record_urls: Mapping[str, str] = _setting(
        {},
        "Addresses of records in the vendors' web UIs, by which reports link to them: `{id}` and, if it helps, "
        "`{kind}`; by commas, of another account as jiwa/north=.",
        example="jiwa=https://erp.example.com/{kind}/{id}",
    )
    send_seconds: float = _setting(
        10, "Seconds that a sender has for its headers, and again for its body.", ge=0.1, le=300
    )
    max_connections: int = _setting(
        500, "Connections to the gateway at once; more are answered 503.", ge=1, le=10_000
    )
    max_address_connections: int = _setting(
        100, "Of these, connections of one address; trusted proxies may have all.", ge=1, le=10_000
    )
    max_unproven_mb: int = _setting(
        64,
        "MB of bodies in memory from senders that are not verified yet; a quarter of it for one address.",
        ge=1,
        le=100_000,
    )
    max_failed_auth: int = _setting(
        30,
        "Failed verifications of one address at one source in a minute; then it is answered 429 there.",
        ge=1,
        le=100_000,
    )
    trusted_proxies: tuple[Network, ...] = _setting(
        (),
        "Proxies whose X-Forwarded-For and -Proto are believed: addresses and networks, separated by commas.",
        example="127.0.0.1,10.0.0.0/8",
    )
    identity_header: str | None = _setting(
        None,
        "Header in which such a proxy names the person who asks, as `hookline people` has it under --identity.",
        default_text="none: people log in with a token",
        example="X-Forwarded-Email",
    )
    identity_secret: SecretStr | None = _setting(
        None,
        "Secret that this proxy sends in X-Hookline-Proxy, of 16 characters or more; without it, it names nobody.",
    )
    identity_look: bool = _setting(
        default=False,
        description="Let anyone look whom this proxy names, also who is not among the people.",
    )
    identity_logout: str | None = _setting(
        None,
        "Address at which this proxy logs people out.",
        default_text="the pages have no log-out for those whom it names",
        example="/oidc?logout=https%3A%2F%2Fhooks.example.com%2F",
    )
    max_backlog: int = _setting(
        100_000, "Open deliveries; with more, senders are answered 503.", ge=1, le=100_000_000
    )
    min_free_mb: int = _setting(
        500,
        "Free disk space of HOOKLINE_HOME in MB; with less, senders are answered 503.",
        ge=0,
        le=1_000_000_000,
    )
    metrics_token: SecretStr | None = _setting(
        None,
        "Bearer token for /metrics, of 16 characters or more.",
        default_text="none, and /metrics is open to this machine only",
    )
    send_traceparent: tuple[str, ...] = _setting(
        (),
        "Vendors, or accounts such as `jiwa/north`, whose calls carry the header `traceparent` while traces are on.",
        default_text="none: a vendor may refuse a header that it does not know",
        example="zentitle,jiwa/north",
    )
    prefect_host: str = _setting(
        "127.0.0.1",
        "Address Hookline's own Prefect server listens on; another one only in a network that is yours alone.",
        default_text="this machine only",
        example="10.0.0.11",
    )
    prefect_port: int = _setting(4200, "Port of Hookline's own Prefect server.", ge=1, le=65535)
    prefect_redis_url: SecretStr | None = _setting(
        None,
        "Redis by which several Prefect servers work as one, at PREFECT_API_URL; then `hookline prefect` serves the "
        "API alone, and `hookline prefect-services` does what a single server does beside it.",
        default_text="one Prefect server, which needs none",
        example="rediss://hookline:password@redis.example.com:6379/0",
    )
    worker_port: int = _setting(4201, "Port of the worker's health check.", ge=1, le=65535)
    sandbox_port: int = _setting(
        8410, "First port of the simulators; each next one has the next port.", ge=1, le=65000
    )
    sandbox: bool = _setting(
        default=False, description="Use the simulators for vendors that are not set, as with `--sandbox`."
    )
    first_runs: bool = _setting(
        default=True,
        description="In the sandbox, start each scheduled deployment once when it is first made.",
    )
    hooks: Path = _setting(
        Path("deployments/hooks.yaml"),
        "File with the sources and the routes.",
        default_text="`hooks.yaml` in the project, or `deployments/hooks.yaml`",
    )
    catalog: Path = _setting(
        Path("deployments/catalog.yaml"),
        "File with the products of an order, and the mails that go out.",
        default_text="`catalog.yaml` in the project, or `deployments/catalog.yaml`",
    )
    templates: Path | None = _setting(
        None,
        "Folder with the texts of mails, notes and artifacts; what it does not have is taken from the shipped ones.",
        default_text="`templates` beside the catalog, or the shipped ones alone",
        example="/etc/hookline/templates",
    )
    deployments: Path = _setting(
        Path("deployments/prefect.yaml"),
        "File with the Prefect deployments.",
        default_text="`prefect.yaml` in the project, or `deployments/prefect.yaml`",
    )
    automations: Path = _setting(
        Path("deployments/automations.yaml"),
        "File with the Prefect automations.",
        default_text="`automations.yaml` in the project, or `deployments/automations.yaml`",
    )
    admin_token: SecretStr | None = _setting(
        None,
        "Token that opens the inbox page and the Prefect UI; 16 characters or more.",
        default_text="one made on first use, in HOOKLINE_HOME/secrets/admin-token",
    )
    mcp_token: SecretStr | None = _setting(
        None,
        "Bearer token of `hookline mcp --http`, of 16 characters or more.",
        default_text="one made on first use, in HOOKLINE_HOME/secrets/mcp-token",
    )
    listen_url: str | None = _setting(
        None,
        "Address of the other Hookline that `hookline listen` listens to, if not `--from`.",
        example="https://hooks.example.com",
    )
    listen_token: SecretStr | None = _setting(
        None, "Admin token of the other Hookline, for `hookline listen`; never of this one."
    )
    keep_days: int = _setting(
        30,
        "Days that a delivery is kept after its last change; what needs a person stays.",
        ge=1,
        le=3650,
    )
    keep_bodies_days: int | None = _setting(
        None,
        "Days that its body is kept, if fewer.",
        default_text="as many as the delivery",
        example="7",
        ge=1,
        le=3650,
    )
    keep_runs_days: int = _setting(
        30,
        "Days that Prefect keeps a run after its end, with its task runs and logs.",
        ge=1,
        le=3650,
    )
    body_keys: tuple[SecretStr, ...] = _setting(
        (),
        "Fernet keys that encrypt bodies in the database: the new key first, then the old ones.",
        default_text="bodies are stored as they came",
    )
    polls: bool = _setting(default=True, description="Let the engine read the lists of polled sources.")
    events: bool = _setting(
        default=True, description="Report to Prefect, as events, what happens to deliveries."
    )
    notify_urls: SecretStr | None = _setting(
        None,
        "Addresses to notify when a person is needed: mail, Slack, Teams and more, in Apprise's notation.",
        default_text="nobody is notified",
        example="mailtos://user:password@smtp.example.com?to=ann@example.com",
    )
    engine_concurrency: int = _setting(8, "Flow runs at once in one engine, 1 to 200.", ge=1, le=200)
    engine_threads: int = _setting(
        8,
        "Flow runs at once in threads of one engine, of flows that are not `async def`; 1 to 200.",
        ge=1,
        le=200,
    )
    batch_backlog: int = _setting(
        10,
        "Dispatches that wait, or that came within two seconds, from which one flow run handles them; 0: never.",
        ge=0,
        le=1_000_000,
    )
    batch_size: int = _setting(500, "Most dispatches of one batch.", ge=1, le=10000)
    log_format: Format = _setting(
        "text", "Format of what the processes write to stderr: text, or json with the delivery on each line."
    )
    lease_seconds: float = _setting(
        30, "Seconds without a heartbeat after which another engine takes over the runs.", ge=1, le=3600
    )
    blocked_seconds: float = _setting(
        60,
        "Seconds that a flow may block the event loop of its engine; then the engine ends and is started again.",
        ge=1,
        le=3600,
    )
    retry_seconds: float = _setting(
        2,
        "Seconds before a failed vendor call is tried again; the later waits are 5 and 25 times as long.",
        ge=0.1,
        le=3600,
    )
    call_seconds: float = _setting(
        30, "Seconds that a vendor call may take in all, its log-in included.", ge=1, le=300
    )
    landing_seconds: float = _setting(
        120,
        "Seconds after which a write whose answer was lost can no longer appear at a vendor, where its account does "
        "not say; until then it is not sent again.",
        ge=0,
        le=86_400,
    )
    probe_seconds: float = _setting(
        240,
        "Longest time in seconds between two tries of a vendor that is away.",
        ge=0.1,
        le=3600,
    )
    give_up_hours: float = _setting(
        72,
        "Hours for which a delivery waits for a vendor that is away; then it is failed.",
        ge=0.001,
        le=1000,
    )
    late_check_seconds: tuple[float, ...] = _setting(
        (60, 600, 3600, 86_400),
        "Seconds after which a write that took more than one attempt is looked for again, in case it happened twice; "
        "separated by commas.",
        default_text="60,600,3600,86400",
    )

    take_back_seconds: float = _setting(
        30,
        "Seconds that a run waits after a person's decision, which can be taken back until then; 0: it goes on at "
        "once.",
        ge=0,
        le=90,
    )
    time_zone: str | None = _setting(
        None,
        "Time zone in which people read times, by its IANA name; UTC is beside it. JSON is always in UTC.",
        default_text="that of the machine",
        example="Europe/Amsterdam",
    )

    @model_validator(mode="before")
    @classmethod
    def _in_project(cls, raw: dict[str, Any]) -> dict[str, Any]:
        """Let every path begin in the project's folder, if there is a project; its own files are the defaults."""
        project = find_project()
        if project is None:
            return raw
        paths = {
            name: str(path) for name, path in {**_FILES_OF_PROJECT, **raw}.items() if name in _PATHS and path
        }
        inside = {name: path if path.startswith("~") else project / path for name, path in paths.items()}
        return {**raw, **inside, "project": project}

    @field_validator("home", "high_water")
    @classmethod
    def _absolute(cls, folder: Path | None) -> Path | None:
        try:
            return folder and folder.expanduser().resolve()
        except RuntimeError as error:
            raise ValueError(str(error)) from None

    @field_validator("public_url")
    @classmethod
    def _origin(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url.rstrip("/"))
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.port == 0:
            raise ValueError("must be an address such as https://hooks.example.com")
        if url.rstrip("/") != f"{parts.scheme}://{parts.netloc}" or "@" in parts.netloc:
            raise ValueError("must end with the host or its port: no path, user or query")
        return f"{parts.scheme}://{parts.netloc.lower()}"

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str | None) -> str | None:
        return name and time_zone(name).key

    @field_validator("admin_token", "metrics_token", "mcp_token", "identity_secret")
    @classmethod
    def _strong(cls, token: SecretStr | None) -> SecretStr | None:
        if token is None:
            return None
        if len(token.get_secret_value().strip()) < MIN_TOKEN:
            raise ValueError(
                f"must have at least {MIN_TOKEN} characters; make one with: openssl rand -hex 32"
            )
        return token

    @field_validator("identity_header")
    @classmethod
    def _header_name(cls, name: str | None) -> str | None:
        if name is not None and not re.fullmatch(r"[A-Za-z0-9_-]{1,100}", name):
            raise ValueError("must be the name of a header, such as X-Forwarded-Email")
        return name

    @field_validator("identity_logout")
    @classmethod
    def _address(cls, address: str | None) -> str | None:
        if address is not None and not re.match(r"/(?![/\\])|https?://", address):
            raise ValueError("must begin with / or https://")
        return address

    @model_validator(mode="after")
    def _named_by_a_proxy(self) -> Self:
        if self.identity_header and not (self.identity_secret and self.trusted_proxies):
            raise ValueError(
                "HOOKLINE_IDENTITY_HEADER is believed only from HOOKLINE_TRUSTED_PROXIES with "
                "HOOKLINE_IDENTITY_SECRET; set both"
            )
        return self

    @field_validator("late_check_seconds", mode="before")
    @classmethod
    def _ascending(cls, raw: object) -> object:
        if not isinstance(raw, str):
            return raw
        try:
            seconds = tuple(float(part) for part in raw.split(",") if part.strip())
        except ValueError:
            seconds = (-1.0,)
        if any(each < 0 or not isfinite(each) for each in seconds) or list(seconds) != sorted(set(seconds)):
            raise ValueError("must be seconds that grow, such as 60,600,3600")
        return seconds

    @field_validator("send_traceparent", mode="before")
    @classmethod
    def _names(cls, raw: object) -> object:
        return tuple(part.strip() for part in raw.split(",") if part.strip()) if isinstance(raw, str) else raw

    @field_validator("record_urls", mode="before")
    @classmethod
    def _record_urls(cls, raw: object) -> object:
        return parse_record_urls(raw) if isinstance(raw, str) else raw

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _networks(cls, raw: object) -> object:
        if not isinstance(raw, str):
            return raw
        try:
            return tuple(ip_network(part.strip()) for part in raw.split(",") if part.strip())
        except ValueError as error:
            raise ValueError(f"{error}; separate addresses and networks by commas") from None

    @field_validator("body_keys", mode="before")
    @classmethod
    def _fernet_keys(cls, raw: object) -> object:
        if not isinstance(raw, str):
            return raw
        keys = tuple(SecretStr(part.strip()) for part in raw.split(",") if part.strip())
        for number, key in enumerate(keys, 1):
            if not _is_fernet_key(key):
                raise ValueError(
                    f"key {number} of {len(keys)} is no Fernet key, which is 32 random bytes in URL-safe base64; "
                    "make one with: openssl rand -base64 32 | tr '+/' '-_'"
                )
        return keys

    @field_validator("database_url")
    @classmethod
    def _postgresql(cls, url: SecretStr | None) -> SecretStr | None:
        if url is None:
            return None
        if not url.get_secret_value().startswith(("postgresql://", "postgres://")):
            raise ValueError("must begin with postgresql://")
        parts = urlsplit(url.get_secret_value())
        if not parts.path.strip("/"):
            raise ValueError("must name a database, as postgresql://host/hookline does")
        if odd := sorted(
            name for name, _ in parse_qsl(parts.query) if name.startswith("ssl") and name != "sslmode"
        ):
            raise ValueError(f"of the ssl settings, only sslmode is known, not {', '.join(odd)}")
        return url

    @field_validator("prefect_redis_url")
    @classmethod
    def _redis(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not url.get_secret_value().startswith(("redis://", "rediss://")):
            raise ValueError("must begin with redis://, or with rediss:// for TLS")
        return url

    @property
    def prefect_api_url(self) -> str:
        """Address of the Prefect API: `PREFECT_API_URL` where set, else Hookline's own server."""
        return os.environ.get("PREFECT_API_URL") or self.own_prefect_api_url

    @property
    def own_prefect_api_url(self) -> str:
        """Address of the Prefect API that `hookline up` starts itself."""
        return f"{_address(self.prefect_host, self.prefect_port)}/api"

    @property
    def has_own_prefect(self) -> bool:
        """True where Hookline runs the Prefect server itself, or several of them on several machines."""
        return self.prefect_redis_url is not None or self.prefect_api_url == self.own_prefect_api_url

    @property
    def prefect_ui_url(self) -> str:
        """Address of the Prefect UI: the gateway's, behind its log-in; of another server, that server's own."""
        if self.has_own_prefect:
            return f"{self.base_url}{PREFECT_PATH}"
        return self.prefect_api_url.rstrip("/").removesuffix("/api")

    @property
    def base_url(self) -> str:
        """Address that every link begins with: `HOOKLINE_PUBLIC_URL`, else the gateway's own."""
        return self.public_url or self.gateway_url

    @property
    def gateway_url(self) -> str:
        """Address of the gateway, as seen from this machine."""
        return _address(self.gateway_host, self.gateway_port)


def _address(host: str, port: int) -> str:
    """Return the address of what listens there, as seen from this machine."""
    here = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104
    return f"http://{f'[{here}]' if ':' in here else here}:{port}"


def _is_fernet_key(key: SecretStr) -> bool:
    try:
        return len(urlsafe_b64decode(key.get_secret_value())) == 32  # noqa: PLR2004  (Fernet's 256 bits)
    except ValueError:
        return False


class VendorSettings(FromEnvironment):
    """
    A vendor's account: address, log-in and limits.

    Declared once: the environment fills it here, and Prefect's form fills the block that inherits from it.
    """

    sandbox_login: ClassVar[dict[str, str]]
    """Log-in of the vendor's simulator, by variable without the prefix."""

    @classmethod
    def accounts_in(cls, environment: Mapping[str, str]) -> list[str]:
        """Return the accounts of which a variable is set: `north` for `JIWA_NORTH_API_KEY`."""
        fields = sorted((name.upper() for name in cls.model_fields), key=len, reverse=True)
        form = re.compile(f"{cls.prefix}(?:([A-Z0-9]+(?:_[A-Z0-9]+)*?)_)?(?:{'|'.join(fields)})")
        found = [form.fullmatch(name.upper()) for name, value in environment.items() if value]
        return sorted({(match[1] or DEFAULT).lower().replace("_", "-") for match in found if match})

    @classmethod
    def set_in(cls, environment: Mapping[str, str]) -> list[str]:
        """Return the variables that are set and begin as the vendor's do, known or not."""
        named = {name: name.upper() for name, value in environment.items() if value}
        return [each for each, name in named.items() if name.startswith(cls.prefix) and name not in NOT_OURS]

    base_url: str = Field(description="Address of the vendor's API.")
    concurrent_calls: int | None = Field(
        None, ge=1, le=1000, description="Most calls at once, from all processes; empty for no limit."
    )
    calls_per_second: float | None = Field(
        None, gt=0, le=1000, description="Most calls a second, from all processes; empty for no limit."
    )
    landing_seconds: float | None = Field(
        None,
        ge=0,
        le=86_400,
        description="Seconds after which a write whose answer was lost can no longer appear here; empty for "
        "HOOKLINE_LANDING_SECONDS.",
    )
    expires: date | None = Field(
        None,
        description="Day on which the key or password ends, as the vendor shows it where it is made; "
        "credential-check warns before it. Empty: it does not end.",
        examples=["2027-06-30"],
    )


VENDORS: Final[Mapping[str, type[VendorSettings]]] = Parts("settings")
"""The settings of an account, by vendor."""


def secrets_of_environment() -> list[str]:
    """Return every secret in the environment, also where the settings that it belongs to are not complete."""
    names = Settings.secret_variables()
    for kind in VENDORS.values():
        for account in {DEFAULT, *kind.accounts_in(os.environ)}:
            names |= kind.secret_variables(account)
    beginnings = (*SECRET_VARIABLES, *unusable_prefixes())
    found = [
        part.strip()
        for name, value in os.environ.items()
        if name.upper() in names or name.startswith(beginnings)
        for part in (value, *value.split(","))
    ]
    return found + [password for url in found if (password := _password_in(url))]


def _password_in(url: str) -> str | None:
    try:
        password = urlsplit(url).password
    except ValueError:
        return None
    return unquote(password) if password else None


def simulator_environment(settings: Settings) -> dict[str, str]:
    """
    Return the variables that lead to the simulators, for vendors that the environment does not set.

    A vendor of which anything is set is left as it is: a half-set vendor must not reach a simulator unnoticed.
    """
    environment: dict[str, str] = {}
    for vendor, port in sandbox_ports(settings.sandbox_port).items():
        if (kind := VENDORS.get(vendor)) is None:
            continue
        accounts = kind.accounts_in(os.environ)
        others = {v for each in accounts if each != DEFAULT for v in kind.variables(each).values()}
        if not set(kind.set_in(os.environ)) - others:
            address = {"BASE_URL": f"http://127.0.0.1:{port}"}
            environment |= {
                kind.prefix + name: value for name, value in (address | kind.sandbox_login).items()
            }
    return environment


@cache
def settings() -> Settings:
    """Return the settings of this process, read once."""
    return Settings.from_environment()
