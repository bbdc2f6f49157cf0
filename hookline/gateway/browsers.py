"""
Protection against requests of other sites' pages: cross-site request forgery and DNS rebinding.

Cookies go to every port of a machine, and by name to the owner of the name: a page on another port, or one whose own
name leads here, could ask in the name of a person who is logged in. Browsers name the origin of a request.
"""

from urllib.parse import urlsplit

from starlette.datastructures import Headers

from hookline.hosts import LOOPBACK, host_name, is_address
from hookline.settings import Settings

HARMLESS = frozenset({"GET", "HEAD"})
LOGIN = "/login"
"""A log-in brings the token itself, and no cookie."""


class Origins:
    """The addresses of the gateway for people, and the requests that its pages may send."""

    def __init__(self, settings: Settings) -> None:
        self._public = settings.public_url
        self._names = LOOPBACK | {host_name(urlsplit(url).netloc) for url in _addresses(settings)}

    def knows_host(self, headers: Headers) -> bool:
        """Return True for a name of ours, or an IP address, which cannot be made to lead elsewhere."""
        name = host_name(headers.get("host", ""))
        return name in self._names or is_address(name)

    def is_ours(self, headers: Headers) -> bool | None:
        """
        Return True if a page of ours asks, False if another does, None if no browser says so.

        In the order of `CrossOriginProtection` of Go's net/http. Every browser sends an `Origin` with a request that
        changes something; `Sec-Fetch-Site` only comes over HTTPS and on the machine itself.
        """
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        if origin is not None and origin == self._public:
            return True
        if site is not None:
            return site in {"same-origin", "none"}
        return None if origin is None else _netloc(origin) == headers.get("host", "").lower()

    def may_ask(self, method: str, path: str, headers: Headers) -> bool:
        """Return True unless another page asks for more than a link, or a change comes without its origin."""
        ours = self.is_ours(headers)
        if method in HARMLESS:
            return ours is not False or _is_link(headers)
        return bool(ours) or (ours is None and path == LOGIN)

    def may_connect(self, headers: Headers) -> bool:
        """Return True if a page of ours opens this websocket; browsers always name the page's origin."""
        return "origin" in headers and bool(self.is_ours(headers))


def _is_link(headers: Headers) -> bool:
    fetch = headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest", "document")
    return fetch in {("navigate", "document"), (None, "document")} and "origin" not in headers


def _addresses(settings: Settings) -> list[str]:
    return [settings.gateway_url, *([settings.public_url] if settings.public_url else [])]


def _netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""
