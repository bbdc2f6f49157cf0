"""
Who may see the pages: whoever has shown the admin token within twelve hours.

Nothing is stored. A pass is a signed text in a cookie; its key comes from the admin token, so a new token
makes every pass worthless.
"""

import hashlib
import hmac
import ipaddress
import secrets
from collections import OrderedDict

SESSION = "hookline_session"
SESSION_SECONDS = 12 * 3600
LOGIN_FORM = "hookline_login"
LOGIN_FORM_SECONDS = 3600

ATTEMPTS = 10
ATTEMPTS_SECONDS = 60.0
MOST_PEERS = 4096


class Signer:
    """Signs passes and the hidden fields of forms."""

    def __init__(self, admin_token: str) -> None:
        self._token = hashlib.sha256(admin_token.encode()).digest()
        self._key = hmac.digest(admin_token.encode(), b"hookline pages", "sha256")

    def is_token(self, given: str) -> bool:
        """Whether this is the admin token; takes as long for any other."""
        return hmac.compare_digest(hashlib.sha256(given.encode(errors="surrogatepass")).digest(), self._token)

    def sign(self, purpose: str, text: str) -> str:
        """The signature of a text; one made for another purpose does not fit."""
        content = f"{purpose}\n{text}".encode(errors="surrogatepass")
        return hmac.new(self._key, content, hashlib.sha256).hexdigest()

    def is_signed(self, purpose: str, text: str, signature: str) -> bool:
        """Whether the signature is ours for this text and purpose."""
        return hmac.compare_digest(
            self.sign(purpose, text).encode(), signature.encode(errors="surrogatepass")
        )

    def issue(self, purpose: str, *, now: float, seconds: int) -> str:
        """A pass that is good for so many seconds."""
        text = f"{int(now) + seconds}.{secrets.token_hex(16)}"
        return f"{text}.{self.sign(purpose, text)}"

    def accepts(self, purpose: str, given: str, *, now: float) -> bool:
        """Whether this is a pass of ours that is still good; anything at all may be given."""
        text, _, signature = given.rpartition(".")
        if not text.isascii() or not self.is_signed(purpose, text, signature):
            return False
        return int(text.partition(".")[0]) > now

    def csrf(self, given_pass: str) -> str:
        """What forms shown to the holder of a pass carry, so that no other site can send them."""
        return self.sign("csrf", given_pass)


class Attempts:
    """Counts failed log-ins by peer address, and remembers only so many peers."""

    def __init__(self) -> None:
        self._failed: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._failed)

    def seconds_to_wait(self, peer: str, now: float) -> int:
        """Seconds until the peer may try again; 0 if it may now."""
        began, failed = self._failed.get(_network(peer), (now, 0))
        left = began + ATTEMPTS_SECONDS - now
        return int(left) + 1 if failed >= ATTEMPTS and left > 0 else 0

    def failed(self, peer: str, now: float) -> None:
        """Note a failed log-in; forgets the peer that began longest ago when there are too many."""
        network = _network(peer)
        began, failed = self._failed.get(network, (now, 0))
        if now - began >= ATTEMPTS_SECONDS:
            self._failed.pop(network)
            began, failed = now, 0
        self._failed[network] = (began, failed + 1)
        while len(self._failed) > MOST_PEERS:
            self._failed.popitem(last=False)


def _network(peer: str) -> str:
    """An IPv6 peer has a whole /64 to itself and counts as one."""
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((int(address) >> 64 << 64, 64)))
    return str(address)
