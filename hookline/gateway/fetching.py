"""
Fetching of what verifies a sender, such as its certificate or its public keys, and visits that confirm an address.

Only https, only from public addresses, the one that was checked (so that no name can lead elsewhere in between), no
redirects, few bytes, a few seconds, few at a time; what was fetched is kept.
"""

import asyncio
import hashlib
import ipaddress
import socket
import ssl
import time
from collections import OrderedDict, defaultdict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import httpx

MAX_BYTES = 262_144
SECONDS = 5.0
"""For all of one fetch."""
KEPT_SECONDS = 3600.0
STALE_SECONDS = 86_400.0
"""What is kept is used so long where it cannot be fetched again."""
RENEWED_SECONDS = 60.0
"""After so long it is fetched again for a request that it does not verify: the sender may have another key."""
MAX_KEPT = 64
MAX_IN_MINUTE = 60
"""Fetches in a minute for one source; a stranger may name addresses, if only allowed ones."""
FAILED_SECONDS = 2.0
"""After a fetch that failed the address is left alone for so long: who waits for it does not wait for each other."""
AT_ONCE = 4
HTTPS = 443

Addresses = Callable[[str, int], Awaitable[list[str]]]
"""Returns the IP addresses of a host."""
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
NAT64 = ipaddress.ip_network("64:ff9b::/96")
GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
"""All of IPv6 that is given to anyone on the Internet; what is outside of it may lead anywhere."""


class NotFetched(Exception):
    """A document that could not be fetched now; the text says why, for people."""


class NotThere(NotFetched):
    """A document that its server does not have, or an address that must not be fetched."""


@dataclass
class _Fetched:
    content: bytes
    at: float


@dataclass
class _Failed:
    why: str
    at: float


async def resolve(host: str, port: int) -> list[str]:
    """Return the IP addresses of a host."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


def is_public(address: str) -> bool:
    """Return True for an address of the Internet: neither of this machine nor of a network behind it."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    real: Address = mapped or parsed
    in_use = isinstance(real, ipaddress.IPv4Address) or real in GLOBAL_UNICAST
    return in_use and real.is_global and not real.is_multicast and not _leads_to_ipv4(real)


def _leads_to_ipv4(address: Address) -> bool:
    """Return True for an IPv6 address that a gateway turns into an IPv4 one, which was not checked."""
    return isinstance(address, ipaddress.IPv6Address) and (
        address.sixtofour is not None or address.teredo is not None or address in NAT64
    )


class Fetcher:
    """Fetches documents and keeps them."""

    def __init__(
        self,
        *,
        trust: ssl.SSLContext | None = None,
        addresses: Addresses = resolve,
        allows: Callable[[str], bool] = is_public,
    ) -> None:
        """
        Make a fetcher; it connects on the first fetch.

        Args:
            trust: the authorities whose certificates are believed; unless given, those of httpx.
            addresses: finds the addresses of a host.
            allows: tells which of them may be connected to.
        """
        self._trust = trust
        self._addresses = addresses
        self._allows = allows
        self._documents: OrderedDict[str, _Fetched] = OrderedDict()
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._begun: defaultdict[str, deque[float]] = defaultdict(deque)
        self._failures: OrderedDict[str, _Failed] = OrderedDict()

    async def document(
        self,
        address: str,
        question: bytes | None = None,
        *,
        newer_than: float = KEPT_SECONDS,
        source: str = "",
    ) -> bytes:
        """
        Return what stands at an address, kept for no longer than `newer_than` seconds; in an outage, for a day.

        Args:
            address: of the document.
            question: JSON that is posted there; each has an answer of its own.
            newer_than: fetch it again if what is kept is as old as that.
            source: for which it is fetched; so many in a minute for each.

        Raises:
            NotThere: its server does not have it, or it must not be fetched.
            NotFetched: it cannot be fetched now.
        """
        name = _name(address, question)
        async with self._locks[name]:
            if (found := self._younger(name, newer_than)) is not None:
                return found
            try:
                content = await self._visit_unless_it_failed(name, address, source, question)
            except NotThere:
                raise
            except NotFetched:
                if (stale := self._younger(name, STALE_SECONDS)) is not None:
                    return stale
                raise
            finally:
                self._forget_idle_locks()
            self._keep(name, content)
        return content

    def is_renewable(self, address: str, question: bytes | None = None) -> bool:
        """Return True if what is kept of an address is so old that another document may stand there."""
        name = _name(address, question)
        return name in self._documents and self._younger(name, RENEWED_SECONDS) is None

    async def _visit_unless_it_failed(
        self, name: str, address: str, source: str, question: bytes | None
    ) -> bytes:
        failed = self._failures.get(name)
        if failed and time.monotonic() - failed.at < FAILED_SECONDS:
            raise NotFetched(failed.why)
        try:
            return await self.visit(address, source, question)
        except NotThere:
            raise
        except NotFetched as error:
            self._failures[name] = _Failed(str(error), time.monotonic())
            self._failures.move_to_end(name)
            while len(self._failures) > MAX_KEPT:
                self._failures.popitem(last=False)
            raise

    async def visit(self, address: str, source: str = "", question: bytes | None = None) -> bytes:
        """Return what stands at an address now, or is answered to a question; raises NotThere or NotFetched."""
        self._count(source)
        try:
            async with asyncio.timeout(SECONDS), self._slots:
                return await self._ask(httpx.URL(address), question)
        except TimeoutError:
            raise NotFetched(f"it took longer than {SECONDS:g} seconds") from None
        except (httpx.HTTPError, OSError) as error:
            raise NotFetched(str(error) or type(error).__name__) from None
        except (httpx.InvalidURL, ValueError) as error:
            raise NotThere(f"its address cannot be read: {error}") from None

    async def _ask(self, url: httpx.URL, question: bytes | None) -> bytes:
        if url.scheme != "https" or not url.host or url.userinfo:
            raise NotThere("only addresses that begin with https, without a user, are fetched")
        port = url.port or HTTPS
        found = await self._addresses(url.host, port)
        if not found or not all(self._allows(each) for each in found):
            raise NotThere(f"{url.host} leads to an address that is not a public one")
        headers = {"Host": url.netloc.decode("ascii"), "Accept-Encoding": "identity"}
        if question is not None:
            headers["Content-Type"] = "application/json"
        extensions = {"sni_hostname": url.host}  # the certificate must be of the name, not of the address
        async with (
            httpx.AsyncClient(
                verify=self._trust or True, trust_env=False, follow_redirects=False, timeout=SECONDS
            ) as client,
            client.stream(
                "GET" if question is None else "POST",
                url.copy_with(host=found[0], port=port),
                content=question,
                headers=headers,
                extensions=extensions,
            ) as answer,
        ):
            return await _content(answer)

    def _keep(self, name: str, content: bytes) -> None:
        self._documents[name] = _Fetched(content, time.monotonic())
        self._documents.move_to_end(name)
        while len(self._documents) > MAX_KEPT:
            self._documents.popitem(last=False)

    def _younger(self, name: str, seconds: float) -> bytes | None:
        found = self._documents.get(name)
        return found.content if found and time.monotonic() - found.at < seconds else None

    def _count(self, source: str) -> None:
        now, begun = time.monotonic(), self._begun[source]
        while begun and now - begun[0] > 60:  # noqa: PLR2004  (a minute)
            begun.popleft()
        if len(begun) >= MAX_IN_MINUTE:
            raise NotFetched(f"more than {MAX_IN_MINUTE} fetches in a minute")
        begun.append(now)

    def _forget_idle_locks(self) -> None:
        if len(self._locks) > MAX_KEPT:
            for address in [each for each, lock in self._locks.items() if not lock.locked()]:
                del self._locks[address]


def _name(address: str, question: bytes | None) -> str:
    """Return the name under which a document is kept; a question may hold credentials, so only its digest."""
    return address if question is None else f"{address} {hashlib.sha256(question).hexdigest()}"


async def _content(answer: httpx.Response) -> bytes:
    if not answer.is_success:
        may_change = answer.is_server_error or answer.status_code in {408, 429}
        raise (NotFetched if may_change else NotThere)(f"its server answers {answer.status_code}")
    content = b""
    async for chunk in answer.aiter_raw():  # nothing is unpacked
        content += chunk
        if len(content) > MAX_BYTES:
            raise NotThere(f"it is longer than {MAX_BYTES} bytes")
    return content
