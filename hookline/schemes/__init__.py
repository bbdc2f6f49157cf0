"""
The schemes by which senders authenticate: one class in one module each, registered when it is imported.

| module | scheme |
| --- | --- |
| `asymmetric` | `asymmetric`: ed25519, RSA or ECDSA signatures in a header |
| `hmacs` | `hmac`: a digest with a shared secret in a header |
| `shared_secret` | `shared-secret`: the secret itself in a header, log-in or parameter |
| `standard_webhooks` | `standard-webhooks`: v1 and v1a of standardwebhooks.com |
| `url_secret` | `url-secret`: the secret as the last part of the address |

A new scheme is one more module here, with one subclass of `AuthScheme`. `base` says what it declares: `verify`,
`sign`, `redact`, `describe`. `header_signature`, `crypto` and `redaction` are what several schemes need.

Pure: bytes in, a verdict out. Nothing that a stranger sends makes it raise, and neither Starlette nor Prefect is
loaded.
"""

import pkgutil
from importlib import import_module

from hookline.schemes.base import SCHEMES, AuthScheme, RequestAuth, SignedRequest
from hookline.schemes.crypto import is_one_of
from hookline.schemes.redaction import REDACTED, SECRET_HEADERS, masked

__all__ = [
    "REDACTED",
    "SCHEMES",
    "SECRET_HEADERS",
    "AuthScheme",
    "RequestAuth",
    "SignedRequest",
    "is_one_of",
    "masked",
]

for _module in pkgutil.iter_modules(__path__, f"{__name__}."):
    import_module(_module.name)
