"""Clients for vendor accounts: of the environment, or of a stored Prefect block."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, Final

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
from hookline.clients.transport import Watch
from hookline.clients.zentitle import Sentences
from hookline.settings import (
    VENDORS,
    JetadviceSettings,
    JifelineSettings,
    JiwaSettings,
    SensorproSettings,
    ZentitleSettings,
    settings,
)

Limiter = Callable[[], AbstractAsyncContextManager[None]]


def _options(limiter: Limiter, watch: Watch | None) -> dict[str, Any]:
    """Return what the clients of all vendors take alike."""
    return {"limiter": limiter, "watch": watch, "timeout": settings().call_seconds}


def jiwa(account: JiwaSettings, limiter: Limiter = nullcontext, watch: Watch | None = None) -> JiwaClient:
    """Return a client of Jiwa, with the API key if there is one."""
    auth: JiwaKey | JiwaUser
    if account.api_key is not None:
        auth = JiwaKey(account.api_key)
    else:
        auth = JiwaUser(account.username or "", account.password or SecretStr(""))
    return JiwaClient(account.base_url, auth, **_options(limiter, watch))


def zentitle(
    account: ZentitleSettings, limiter: Limiter = nullcontext, watch: Watch | None = None
) -> ZentitleClient:
    """Return a client of Zentitle."""
    key = ZentitleKey(account.customer_id, account.api_key)
    sentences = Sentences.of(account.done_sentences, account.refused_sentences, account.absent_sentences)
    return ZentitleClient(account.base_url, key, sentences=sentences, **_options(limiter, watch))


def sensorpro(
    account: SensorproSettings, limiter: Limiter = nullcontext, watch: Watch | None = None
) -> SensorproClient:
    """Return a client of Sensorpro."""
    auth = SensorproUser(
        account.organization,
        account.user,
        account.password,
        account.api_key,
        account.sign_in,
        account.session_ended,
    )
    return SensorproClient(account.base_url, auth, **_options(limiter, watch))


def jetadvice(
    account: JetadviceSettings, limiter: Limiter = nullcontext, watch: Watch | None = None
) -> JetadviceClient:
    """Return a client of JetAdvice."""
    auth = JetadviceUser(account.username, account.password, account.login)
    return JetadviceClient(account.base_url, auth, **_options(limiter, watch))


def jifeline(
    account: JifelineSettings, limiter: Limiter = nullcontext, watch: Watch | None = None
) -> JifelineClient:
    """Return a client of Jifeline."""
    auth = JifelineApp(account.client_id, account.client_secret, account.token_url, account.api_key)
    return JifelineClient(account.base_url, auth, **_options(limiter, watch))


_CLIENTS: Final[dict[str, Callable[[Any], VendorClient]]] = {
    "jiwa": jiwa,
    "zentitle": zentitle,
    "sensorpro": sensorpro,
    "jetadvice": jetadvice,
    "jifeline": jifeline,
}


def from_environment(vendor: str) -> VendorClient:
    """
    Return a client for the account in the environment; the limits of stored credentials do not apply to it.

    Raises:
        ConfigurationError: a variable is missing or not right; names it.
    """
    return _CLIENTS[vendor](VENDORS[vendor].from_environment())
