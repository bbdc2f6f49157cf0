"""Clients for the vendors' accounts, whether the environment or a stored Prefect block holds the credentials."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Final, Protocol

from pydantic import SecretStr

from hookline.clients import (
    JetadviceClient,
    JetadviceUser,
    JifelineApp,
    JifelineClient,
    JiwaClient,
    JiwaKey,
    JiwaUser,
    SensorproClient,
    SensorproUser,
    VendorClient,
    ZentitleClient,
    ZentitleKey,
)
from hookline.settings import (
    JetadviceSettings,
    JifelineSettings,
    JiwaSettings,
    SensorproSettings,
    ZentitleSettings,
)

Admission = Callable[[], AbstractAsyncContextManager[None]]


class JiwaAccount(Protocol):
    """An API key, or a user with a password."""

    base_url: str
    api_key: SecretStr | None
    username: str | None
    password: SecretStr | None


class ZentitleAccount(Protocol):
    """A customer id with a key."""

    base_url: str
    customer_id: str
    api_key: SecretStr


class SensorproAccount(Protocol):
    """An API user of an organization."""

    base_url: str
    organization: str
    user: str
    password: SecretStr
    api_key: SecretStr


class JetadviceAccount(Protocol):
    """A user with the API role."""

    base_url: str
    username: str
    password: SecretStr


class JifelineAccount(Protocol):
    """A client id and secret."""

    base_url: str
    token_url: str | None
    client_id: str
    client_secret: SecretStr
    api_key: SecretStr | None


def jiwa(account: JiwaAccount, admission: Admission = nullcontext) -> JiwaClient:
    """A client of Jiwa, by the key if there is one."""
    auth: JiwaKey | JiwaUser
    if account.api_key is not None:
        auth = JiwaKey(account.api_key)
    else:
        auth = JiwaUser(account.username or "", account.password or SecretStr(""))
    return JiwaClient(account.base_url, auth, limiter=admission)


def zentitle(account: ZentitleAccount, admission: Admission = nullcontext) -> ZentitleClient:
    """A client of Zentitle."""
    key = ZentitleKey(account.customer_id, account.api_key)
    return ZentitleClient(account.base_url, key, limiter=admission)


def sensorpro(account: SensorproAccount, admission: Admission = nullcontext) -> SensorproClient:
    """A client of Sensorpro."""
    auth = SensorproUser(account.organization, account.user, account.password, account.api_key)
    return SensorproClient(account.base_url, auth, limiter=admission)


def jetadvice(account: JetadviceAccount, admission: Admission = nullcontext) -> JetadviceClient:
    """A client of JetAdvice."""
    auth = JetadviceUser(account.username, account.password)
    return JetadviceClient(account.base_url, auth, limiter=admission)


def jifeline(account: JifelineAccount, admission: Admission = nullcontext) -> JifelineClient:
    """A client of Jifeline."""
    auth = JifelineApp(account.client_id, account.client_secret, account.token_url, account.api_key)
    return JifelineClient(account.base_url, auth, limiter=admission)


_FROM_ENVIRONMENT: Final[dict[str, Callable[[], VendorClient]]] = {
    "jiwa": lambda: jiwa(JiwaSettings.load()),
    "zentitle": lambda: zentitle(ZentitleSettings.load()),
    "sensorpro": lambda: sensorpro(SensorproSettings.load()),
    "jetadvice": lambda: jetadvice(JetadviceSettings.load()),
    "jifeline": lambda: jifeline(JifelineSettings.load()),
}


def from_environment(vendor: str) -> VendorClient:
    """
    A client for the account that the environment holds; the limits of stored credentials do not bind it.

    Raises:
        ConfigurationError: a variable is missing or not right; names it.
    """
    return _FROM_ENVIRONMENT[vendor]()
