"""Peer addresses behind trusted proxies, and a limit of failed attempts for each address."""

import hmac
import ipaddress
from collections import OrderedDict
from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.types import Scope

from hookline.hosts import LOOPBACK, host_name
from hookline.settings import Network, Settings

WINDOW_SECONDS = 60.0
MAX_PEERS = 4096
MAX_PROXIES = 32
PROXY_HEADER = "x-hookline-proxy"
"""Header of the secret by which a proxy is known that names people."""


class Attempts:
    """
    A limiter of failed attempts: so many a minute for each peer address and source; it remembers a limited number.

    For each source, so that a peer that fails at one, or in another's name, closes no other.
    """

    def __init__(self, maximum: int) -> None:
        self.maximum = maximum
        self._failed: OrderedDict[tuple[str, str], tuple[float, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._failed)

    def seconds_to_wait(self, peer: str, now: float, *, at: str = "") -> int:
        """Return the seconds until the peer may try again, at the source of that name; 0 if it may now."""
        if not self._failed:
            return 0
        began, failed = self._failed.get((at, network(peer)), (now, 0))
        left = began + WINDOW_SECONDS - now
        return int(left) + 1 if failed >= self.maximum and left > 0 else 0

    def count_failure(self, peer: str, now: float, *, at: str = "") -> bool:
        """
        Count a failed attempt; forget the one that began longest ago when there are too many.

        Returns:
            True if this was the last one allowed.
        """
        key = at, network(peer)
        began, failed = self._failed.get(key, (now, 0))
        if now - began >= WINDOW_SECONDS:
            self._failed.pop(key)
            began, failed = now, 0
        self._failed[key] = (began, failed + 1)
        while len(self._failed) > MAX_PEERS:
            self._failed.popitem(last=False)
        return failed + 1 == self.maximum

    def forgive(self, peer: str, *, at: str = "") -> None:
        """Take back an attempt that was counted before it was known to be right."""
        key = at, network(peer)
        if key in self._failed:
            began, failed = self._failed[key]
            self._failed[key] = (began, max(0, failed - 1))


def is_https(scope: Scope, settings: Settings) -> bool:
    """
    Return True if the browser speaks HTTPS, be it with a proxy in front of us.

    A trusted proxy says so in `X-Forwarded-Proto`; else the public address does, for requests to it.
    """
    if scope["scheme"] in {"https", "wss"}:
        return True
    headers = Headers(scope=scope)
    client = scope.get("client")
    if client and is_in(str(client[0]), settings.trusted_proxies) and "x-forwarded-proto" in headers:
        return headers["x-forwarded-proto"].rpartition(",")[2].strip().lower() == "https"
    public = settings.public_url or ""
    return public.startswith("https://") and host_name(headers.get("host", "")) not in LOOPBACK


def peer(scope: Scope, trusted: Sequence[Network]) -> str:
    """
    Return the address that a request comes from.

    A trusted proxy names in `X-Forwarded-For` the peer that asked it, which may be a trusted proxy in turn. The
    right-most address that is none of these is the peer; anyone may have invented what is to the left of it.
    """
    client = scope.get("client")
    address = str(client[0]) if client else ""
    if not trusted:
        return address
    forwarded = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"]
    hops = ",".join(forwarded).rsplit(",", MAX_PROXIES)
    while hops and is_in(address, trusted):
        hop = _parse(hops.pop())
        if hop is None:
            break
        address = str(hop)
    return address


def identity(scope: Scope, settings: Settings) -> str | None:
    """
    Return what the proxy in front calls the person who asks; None where nobody who may names one.

    Only the peer itself counts, and only with the secret that it shares with us: other programs of its machine have
    its address, too. What was sent twice is one text, which is no person's.
    """
    client, secret = scope.get("client"), settings.identity_secret
    if settings.identity_header is None or secret is None or not client:
        return None
    if not is_in(str(client[0]), settings.trusted_proxies):
        return None
    sent = b",".join(_values(scope, PROXY_HEADER))
    if not hmac.compare_digest(sent, secret.get_secret_value().encode()):
        return None
    return b",".join(_values(scope, settings.identity_header)).decode("latin-1") or None


def _values(scope: Scope, name: str) -> list[bytes]:
    return [value for each, value in scope["headers"] if each == name.lower().encode()]


def is_loopback(address: str) -> bool:
    """Return True if an address is one of this machine's own."""
    parsed = _parse(address)
    return parsed is not None and parsed.is_loopback


def is_in(address: str, networks: Sequence[Network]) -> bool:
    """Return True if an address is in one of the networks."""
    parsed = _parse(address)
    return parsed is not None and any(parsed in each for each in networks)


def network(peer: str) -> str:
    """Return the network that counts as one peer: an IPv6 peer has a whole /64 to itself."""
    address = _parse(peer)
    if address is None:
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((int(address) >> 64 << 64, 64)))
    return str(address)


def _parse(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return an address as proxies write it, with or without a port; None if it is none."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, ipaddress.IPv6Address) else address
