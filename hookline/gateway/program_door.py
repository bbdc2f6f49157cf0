"""The door for programs: a bearer token, by no page of a browser and at no name but ours."""

import hashlib
import hmac
import time
from collections.abc import Callable

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from hookline.gateway.browsers import Origins
from hookline.peers import Attempts


class ProgramDoor:
    """Lets in who knows a token, and not for a while who guesses."""

    def __init__(
        self, origins: Origins, attempts: Attempts, is_token: Callable[[str], bool], *, at: str
    ) -> None:
        self._origins = origins
        self._attempts = attempts
        self._is_token = is_token
        self._at = at

    def require_token(self, request: HTTPConnection, peer: str, name: str) -> None:
        """Raise HTTPException unless a program asks, with the token of this name."""
        if not self._origins.knows_host(request.headers):
            raise HTTPException(
                421, "This name is not known here: set HOOKLINE_PUBLIC_URL there to the address that is used."
            )
        if self._origins.is_ours(request.headers) is not None:
            raise HTTPException(403, "This is not for browsers.")
        now = time.time()
        if seconds := self._attempts.seconds_to_wait(peer, now, at=self._at):
            raise HTTPException(429, "Too many wrong tokens.", {"Retry-After": str(seconds)})
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not self._is_token(token.strip()):
            self._attempts.count_failure(peer, now, at=self._at)
            raise HTTPException(401, f"This needs {name}.", {"WWW-Authenticate": "Bearer"})


def is_same(text: str, secret: str) -> bool:
    """Return True for the secret; takes as long for any other."""
    digests = [hashlib.sha256(each.encode(errors="surrogatepass")).digest() for each in (text, secret)]
    return hmac.compare_digest(*digests)
