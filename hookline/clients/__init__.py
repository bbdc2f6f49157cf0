"""
Clients for the vendors' APIs: no Prefect, no state but shared sessions, and the only place that knows HTTP.

    async with JiwaClient(address, JiwaKey(key)) as jiwa:
        order = await jiwa.get_sales_order(InvoiceID="…")

The facts about each vendor, with their sources, are in `docs/vendors/`.
"""

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
from hookline.clients.jetadvice import JetadviceClient, JetadviceUser
from hookline.clients.jifeline import JifelineApp, JifelineClient
from hookline.clients.jiwa import JiwaClient, JiwaKey, JiwaUser
from hookline.clients.operation import Operation, operations
from hookline.clients.paging import pages
from hookline.clients.redaction import silence_foreign_loggers
from hookline.clients.sensorpro import SensorproClient, SensorproUser
from hookline.clients.transport import SharedConnections, VendorClient
from hookline.clients.zentitle import ZentitleClient, ZentitleKey
from hookline.redaction import mask_logs

CLIENTS: Final[dict[str, type[VendorClient]]] = {
    client.vendor: client
    for client in (JiwaClient, ZentitleClient, SensorproClient, JetadviceClient, JifelineClient)
}

silence_foreign_loggers()
mask_logs()

__all__ = [
    "CLIENTS",
    "AnswerLost",
    "Conflict",
    "InvalidInput",
    "JetadviceClient",
    "JetadviceUser",
    "JifelineApp",
    "JifelineClient",
    "JiwaClient",
    "JiwaKey",
    "JiwaUser",
    "NotAllowed",
    "NotAuthenticated",
    "NotFound",
    "Operation",
    "RateLimited",
    "Refused",
    "SensorproClient",
    "SensorproUser",
    "SharedConnections",
    "Unavailable",
    "UnexpectedAnswer",
    "UnknownSentence",
    "Unreachable",
    "VendorClient",
    "VendorError",
    "ZentitleClient",
    "ZentitleKey",
    "operations",
    "pages",
]
