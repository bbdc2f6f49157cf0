"""
Clients for the vendors' APIs: no Prefect, no state but shared sessions, and the only place that knows HTTP.

    from hookline.clients.jiwa import JiwaClient, JiwaKey

    async with JiwaClient(address, JiwaKey(key)) as jiwa:
        order = await jiwa.get_sales_order(InvoiceID="…")

The facts about each vendor, with their sources, are in `docs/vendors/`.
"""

from collections.abc import Mapping
from typing import Final

from hookline.clients.errors import (
    AnswerLost,
    Conflict,
    InvalidInput,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    RateLimited,
    Refused,
    Unavailable,
    UnexpectedAnswer,
    UnknownSentence,
    Unreachable,
    VendorError,
)
from hookline.clients.operation import Operation, operations
from hookline.clients.paging import pages
from hookline.clients.redaction import silence_foreign_loggers
from hookline.clients.transport import SharedConnections, VendorClient
from hookline.redaction import mask_logs
from hookline.vendors import Parts

CLIENTS: Final[Mapping[str, type[VendorClient]]] = Parts("client")
"""The client of each vendor."""

silence_foreign_loggers()
mask_logs()

__all__ = [
    "CLIENTS",
    "AnswerLost",
    "Conflict",
    "InvalidInput",
    "NotAllowed",
    "NotAuthenticated",
    "NotFound",
    "Operation",
    "RateLimited",
    "Refused",
    "SharedConnections",
    "Unavailable",
    "UnexpectedAnswer",
    "UnknownSentence",
    "Unreachable",
    "VendorClient",
    "VendorError",
    "operations",
    "pages",
]
