"""
Every setting of Hookline, once.

Settings come from the environment; a file `.env` in the working directory fills in what the environment
leaves open. `.env.example` lists them all with their meaning.
"""

import os
from base64 import urlsafe_b64decode
from functools import cache, cached_property
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Self, TypeAlias
from urllib.parse import parse_qsl, unquote, urlsplit

from dotenv import load_dotenv
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from hookline.errors import ConfigurationError
from hookline.log import Format

PREFECT_PATH = "/prefect"
"""Where the gateway serves the Prefect UI."""
MIN_TOKEN = 16
"""Characters of a token that people choose."""

SECRET_VARIABLES = ("PREFECT_API_AUTH_STRING", "PREFECT_SERVER_API_AUTH_STRING")
"""What the names of variables begin with that hold secrets, beside the settings' own."""

Network: TypeAlias = IPv4Network | IPv6Network


class EnvironmentSettings(BaseSettings):
    """Settings read from the environment, whose mistakes are told by the variable's name."""

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore", frozen=True)

    @classmethod
    def load(cls) -> Self:
        """
        Read the environment and `.env`.

        Raises:
            ConfigurationError: a variable is missing or cannot be read; names it and says why.
        """
        read_dotenv()
        try:
            return cls()
        except ValidationError as error:
            prefix = cls.model_config.get("env_prefix", "")
            problems = [
                f"{prefix}{''.join(map(str, problem['loc'])).upper()}: {problem['msg']}"
                for problem in error.errors()
            ]
            raise ConfigurationError(
                "The environment is not right.\n  " + "\n  ".join(problems) + "\nSee .env.example."
            ) from None


def read_dotenv() -> None:
    """
    Fill in what the environment leaves open; a variable that is there but empty stays as it is.

    Raises:
        ConfigurationError: the file is there and cannot be read.
    """
    path = Path.cwd() / ".env"
    try:
        load_dotenv(path, override=False)
    except (UnicodeDecodeError, OSError) as error:
        raise ConfigurationError(f"Cannot read {path}: {error}. It must be text in UTF-8.") from None


class Settings(EnvironmentSettings):
    """Hookline's own settings: variables that begin with `HOOKLINE_`."""

    model_config = SettingsConfigDict(env_prefix="HOOKLINE_")

    home: Path = Field(Path(".hookline"), description="Data folder: databases, keys, logs.")
    database_url: SecretStr | None = Field(
        None, description="PostgreSQL to use instead of the embedded one, as postgresql://…"
    )
    gateway_host: str = Field("127.0.0.1", description="Address the gateway listens on.")
    gateway_port: int = Field(8400, ge=1, le=65535, description="Port the gateway listens on.")
    public_url: str | None = Field(
        None, description="Address that people reach the gateway at, which every link begins with."
    )
    send_seconds: float = Field(
        10, ge=0.1, le=300, description="Time a sender is given for its headers, and again for its body."
    )
    max_connections: int = Field(
        500, ge=1, le=10_000, description="Connections to the gateway at once; more are answered 503."
    )
    max_address_connections: int = Field(
        100,
        ge=1,
        le=10_000,
        description="Of these, connections of one address; trusted proxies may have all.",
    )
    max_unproven_mb: int = Field(
        64,
        ge=1,
        le=100_000,
        description="MB of bodies held of senders who have not proved who they are; a quarter for one address.",
    )
    max_failed_auth: int = Field(
        30,
        ge=1,
        le=100_000,
        description="Failed proofs of one address at one source in a minute; then it is answered 429 there.",
    )
    trusted_proxies: Annotated[tuple[Network, ...], NoDecode] = Field(
        (), description="Addresses and networks of proxies whose `X-Forwarded-For` and `-Proto` are believed."
    )
    max_backlog: int = Field(
        100_000, ge=1, le=100_000_000, description="Open deliveries; with more, senders are answered 503."
    )
    min_free_mb: int = Field(
        500,
        ge=0,
        le=1_000_000_000,
        description="Free disk space of the home, in MB; with less, senders are answered 503.",
    )
    metrics_token: SecretStr | None = Field(
        None, description="Bearer token that opens `/metrics`; without one it is open to this machine only."
    )
    prefect_port: int = Field(4200, ge=1, le=65535, description="Port of Hookline's own Prefect server.")
    worker_port: int = Field(4201, ge=1, le=65535, description="Port of the worker's health check.")
    sandbox_port: int = Field(8410, ge=1, le=65000, description="First port of the simulators, one each.")
    sandbox: bool = Field(default=False, description="Vendors that are not set are the simulators.")
    first_runs: bool = Field(
        default=True,
        description="In the sandbox, start each scheduled deployment once when it is first made.",
    )
    hooks: Path = Field(Path("deployments/hooks.yaml"), description="Sources and routes.")
    catalog: Path = Field(Path("deployments/catalog.yaml"), description="Products and what they bring.")
    deployments: Path = Field(Path("deployments/prefect.yaml"), description="Prefect deployments.")
    automations: Path = Field(Path("deployments/automations.yaml"), description="Prefect automations.")
    admin_token: SecretStr | None = Field(None, description="Opens the inbox page and the Prefect UI.")
    keep_days: int = Field(
        30, ge=1, le=3650, description="Days that a delivery is kept after the last that happened to it."
    )
    keep_bodies_days: int | None = Field(
        None, ge=1, le=3650, description="Days that its body is kept; absent, as long as the delivery."
    )
    body_keys: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        (), description="Fernet keys, the newest first; the first seals the bodies that are kept."
    )
    events: bool = Field(default=True, description="Tell Prefect, as events, what becomes of deliveries.")
    notify_urls: SecretStr | None = Field(
        None, description="Where people are told what waits for them: addresses in Apprise's notation."
    )
    engine_concurrency: int = Field(8, ge=1, le=200, description="Flow runs at once in one engine.")
    batch_backlog: int = Field(
        20,
        ge=0,
        le=1_000_000,
        description="Where so many dispatches wait, one flow run carries many of them; 0: never.",
    )
    batch_size: int = Field(
        500, ge=1, le=10000, description="Dispatches that one such flow run carries at most."
    )
    retry_seconds: float = Field(
        2,
        ge=0.1,
        le=3600,
        description="Wait before a failed vendor call is tried again; the second wait is 5 times it, the third 25.",
    )
    lease_seconds: float = Field(30, ge=1, le=3600, description="A silent engine's runs pass on after this.")
    blocked_seconds: float = Field(
        60, ge=1, le=3600, description="An engine whose event loop a flow blocks for so long ends itself."
    )
    readback_grace_seconds: float = Field(
        5, ge=0, le=600, description="Time a write still in flight is given to land before it is looked for."
    )

    log_format: Format = Field("text", description="What the processes write to stderr: text, or json.")

    @field_validator("home")
    @classmethod
    def _absolute(cls, home: Path) -> Path:
        try:
            return home.expanduser().resolve()
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

    @field_validator("admin_token", "metrics_token")
    @classmethod
    def _strong(cls, token: SecretStr | None) -> SecretStr | None:
        if token is None:
            return None
        if len(token.get_secret_value().strip()) < MIN_TOKEN:
            raise ValueError(
                f"must have at least {MIN_TOKEN} characters; make one with: openssl rand -hex 32"
            )
        return token

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _networks(cls, given: object) -> object:
        if not isinstance(given, str):
            return given
        try:
            return tuple(ip_network(part.strip()) for part in given.split(",") if part.strip())
        except ValueError as error:
            raise ValueError(f"{error}; separate addresses and networks by commas") from None

    @field_validator("body_keys", mode="before")
    @classmethod
    def _fernet_keys(cls, given: object) -> object:
        if not isinstance(given, str):
            return given
        keys = tuple(SecretStr(part.strip()) for part in given.split(",") if part.strip())
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

    @cached_property
    def prefect_api_url(self) -> str:
        """Address of the Prefect API: `PREFECT_API_URL` where set, else Hookline's own server."""
        return os.environ.get("PREFECT_API_URL") or self.own_prefect_api_url

    @property
    def own_prefect_api_url(self) -> str:
        """Address of the Prefect API that `hookline up` starts itself."""
        return f"http://127.0.0.1:{self.prefect_port}/api"

    @property
    def has_own_prefect(self) -> bool:
        """True where Hookline runs the Prefect server itself."""
        return self.prefect_api_url == self.own_prefect_api_url

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
        host = "127.0.0.1" if self.gateway_host in ("0.0.0.0", "::") else self.gateway_host  # noqa: S104
        return f"http://{f'[{host}]' if ':' in host else host}:{self.gateway_port}"


def _is_fernet_key(key: SecretStr) -> bool:
    try:
        return len(urlsafe_b64decode(key.get_secret_value())) == 32  # noqa: PLR2004  (Fernet's 256 bits)
    except ValueError:
        return False


class VendorSettings(EnvironmentSettings):
    """Where a vendor is, how to log in, and how much may be asked of it."""

    base_url: str
    concurrent_calls: int | None = Field(None, ge=1, le=1000)
    calls_per_second: float | None = Field(None, gt=0, le=1000)


class JiwaSettings(VendorSettings):
    """Where Jiwa is and how to log in: an API key, or a user with a password."""

    model_config = SettingsConfigDict(env_prefix="JIWA_")

    api_key: SecretStr | None = None
    username: str | None = None
    password: SecretStr | None = None

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if not (self.api_key or (self.username and self.password)):
            raise ValueError("set JIWA_API_KEY, or JIWA_USERNAME and JIWA_PASSWORD")
        return self


class ZentitleSettings(VendorSettings):
    """Where Zentitle is (up to and without `/api`) and the key of a WebAPI."""

    model_config = SettingsConfigDict(env_prefix="ZENTITLE_")

    customer_id: str
    api_key: SecretStr


class SensorproSettings(VendorSettings):
    """Where Sensorpro is and its API user."""

    model_config = SettingsConfigDict(env_prefix="SENSORPRO_")

    organization: str
    user: str
    password: SecretStr
    api_key: SecretStr


class JetadviceSettings(VendorSettings):
    """Where JetAdvice is and a JetAdvice Manager user with the API role."""

    model_config = SettingsConfigDict(env_prefix="JETADVICE_")

    username: str
    password: SecretStr


class JifelineSettings(VendorSettings):
    """Where Jifeline's Partner API is and the credentials made in the Partner Portal."""

    model_config = SettingsConfigDict(env_prefix="JIFELINE_")

    token_url: str | None = None
    client_id: str
    client_secret: SecretStr
    api_key: SecretStr | None = None


VENDORS: dict[str, type[VendorSettings]] = {
    "jiwa": JiwaSettings,
    "zentitle": ZentitleSettings,
    "sensorpro": SensorproSettings,
    "jetadvice": JetadviceSettings,
    "jifeline": JifelineSettings,
}


def secrets_of_environment() -> list[str]:
    """Every secret that the environment holds, whether or not the settings that it belongs to are whole."""
    kinds: list[type[EnvironmentSettings]] = [Settings, *VENDORS.values()]
    names = {
        f"{kind.model_config.get('env_prefix', '')}{name}".upper()
        for kind in kinds
        for name, field in kind.model_fields.items()
        if "SecretStr" in str(field.annotation)
    }
    found = [
        part.strip()
        for name, value in os.environ.items()
        if name.upper() in names or name.startswith(SECRET_VARIABLES)
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
    What `--sandbox` sets for vendors that the environment leaves unset: the simulators and their log-ins.

    A vendor of which anything is set is left as it is: a half-set vendor must not reach a simulator unnoticed.
    """
    port = settings.sandbox_port
    wanted: dict[str, dict[str, str]] = {
        "JIWA_": {"BASE_URL": f"http://127.0.0.1:{port}", "API_KEY": "sandbox-jiwa-key"},
        "ZENTITLE_": {
            "BASE_URL": f"http://127.0.0.1:{port + 1}",
            "CUSTOMER_ID": "1234",
            "API_KEY": "sandbox-zentitle-key",
        },
        "SENSORPRO_": {
            "BASE_URL": f"http://127.0.0.1:{port + 2}",
            "ORGANIZATION": "sandbox",
            "USER": "api@sandbox.example",
            "PASSWORD": "sandbox-sensorpro-password",
            "API_KEY": "00000000-0000-4000-8000-00000000c0de",
        },
        "JETADVICE_": {
            "BASE_URL": f"http://127.0.0.1:{port + 3}",
            "USERNAME": "api@sandbox.example",
            "PASSWORD": "sandbox-jetadvice-password",
        },
        "JIFELINE_": {
            "BASE_URL": f"http://127.0.0.1:{port + 4}",
            "CLIENT_ID": "sandbox-jifeline",
            "CLIENT_SECRET": "sandbox-jifeline-secret",
        },
    }
    environment: dict[str, Any] = {}
    for prefix, values in wanted.items():
        if not any(name.startswith(prefix) and value for name, value in os.environ.items()):
            environment |= {prefix + name: value for name, value in values.items()}
    return environment


@cache
def settings() -> Settings:
    """The settings of this process, read once."""
    return Settings.load()
