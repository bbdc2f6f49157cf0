"""Log filters that drop the HTTP library's records about our calls: they hold addresses and cookies."""

import logging
from contextvars import ContextVar

in_vendor_call: ContextVar[bool] = ContextVar("in_vendor_call", default=False)

_LOGGERS_THAT_PRINT_URLS_OR_COOKIES = (
    "httpx",
    "httpcore.connection",
    "httpcore.http11",
    "httpcore.http2",
    "httpcore.proxy",
    "httpcore.socks",
)


def _outside_vendor_calls(_record: logging.LogRecord) -> bool:
    return not in_vendor_call.get()


def silence_foreign_loggers() -> None:
    """
    Drop the records of httpx and httpcore during our calls: they hold whole addresses and cookies.

    Their records about other calls pass. Our own line, redacted, is logged by the transport at
    DEBUG.
    """
    for name in _LOGGERS_THAT_PRINT_URLS_OR_COOKIES:
        logging.getLogger(name).addFilter(_outside_vendor_calls)
