"""
Who may see the pages: whoever has shown the admin token within twelve hours.

Nothing is stored. A pass is a signed text in a cookie; its key comes from the admin token, so a new token
makes every pass worthless.
"""

import hashlib
import hmac
import secrets

SESSION = "hookline_session"
SESSION_SECONDS = 12 * 3600
LOGIN_FORM = "hookline_login"
LOGIN_FORM_SECONDS = 3600

ATTEMPTS = 10
"""Wrong tokens from one address in a minute."""


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
