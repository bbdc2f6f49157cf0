"""
The schemes by which senders authenticate: one class in one module each, registered when it is imported.

| module | scheme |
| --- | --- |
| `asymmetric` | `asymmetric`: ed25519, RSA or ECDSA signatures |
| `certificates` | `certificate`: RSA signatures by a certificate at an address that is allowed |
| `hmacs` | `hmac` and `digest`: digests with a shared secret |
| `jwts` | `jwt`: a JSON Web Token in a header |
| `shared_secret` | `shared-secret`: the secret itself in a header, log-in, parameter or field of the body |
| `standard_webhooks` | `standard-webhooks`: v1 and v1a of standardwebhooks.com |
| `url_secret` | `url-secret`: the secret as the last part of the address |

A new scheme is one more module here, with one subclass of `AuthScheme`. `base` says what it declares: `verify`,
`sign`, `redact`, `describe`. `signature`, `fields`, `crypto` and `redaction` are what several schemes need.

Pure: bytes in, a verdict out; what must be fetched for it, such as a certificate, its caller fetches. Nothing that
a stranger sends makes it raise, and neither Starlette nor Prefect is loaded.
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
