"""The exchange of a grant for tokens, apart from any call: a call that is stopped must not lose what it brings."""

import asyncio
from base64 import b64decode
from typing import Final
from urllib.parse import parse_qs, unquote_plus

import httpx

from hookline.clients.errors import Unreachable, VendorError
from hookline.clients.http.models import secrets_in
from hookline.clients.http.oauth2 import TokenAddress, Tokens, tokens_in
from hookline.clients.redaction import in_vendor_call
from hookline.clients.transport import new_pool
from hookline.redaction import redact

TIMEOUT_SECONDS: Final = 20.0
MORE_SECRETS: Final = ("assertion", "client_assertion", "code", "code_verifier")


async def fetch(request: httpx.Request, before: Tokens | None = None) -> Tokens:
    """
    Return the tokens that a token request brings.

    Args:
        request: made by an `OAuthClient`.
        before: the tokens whose refresh token stays where the answer has none.

    Raises:
        VendorError: there were none; says what the token address answered, and nothing of the request.
    """
    quiet = in_vendor_call.set(True)
    try:
        async with new_pool(None) as http, asyncio.timeout(TIMEOUT_SECONDS):
            response = await http.send(request)
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as failure:
        detail = f"the token address: {type(failure).__name__} {failure}".strip()
        raise TokenAddress.fetch_token.error(Unreachable, None, detail) from None
    finally:
        in_vendor_call.reset(quiet)
    try:
        return tokens_in(response, before)
    except VendorError as error:
        secrets = _secrets_of(request)
        error.hide(lambda text: redact(text, secrets))
        raise


def _secrets_of(request: httpx.Request) -> list[str]:
    """Return what a token request holds that nobody may see, should the vendor repeat it."""
    scheme, _, pair = request.headers.get("authorization", "").partition(" ")
    own = b64decode(pair).decode().partition(":")[2] if scheme == "Basic" else ""
    return [unquote_plus(own), *secrets_in(parse_qs(request.content.decode()), MORE_SECRETS)]
