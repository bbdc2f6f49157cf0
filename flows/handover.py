"""Hand-over: a delivery of our own, by which one workflow lets another begin."""

import json
from collections.abc import Mapping, Sequence
from typing import Final

from flows.licenses import LineItem
from hookline.account_keys import key_at, other_than_default
from hookline.catalog import Catalog
from hookline.database import lent
from hookline.hooks import Source
from hookline.inbox import bodies
from hookline.inbox.deliveries import Arrival, accept_all
from hookline.settings import settings

LICENSED: Final = "licensed"
"""The source of the deliveries by which activation-reminder begins."""


def arrival(source: str, external_id: str, body: Mapping[str, str]) -> Arrival:
    """Return a delivery of an internal source, sealed as those of senders are; the same id is the same delivery."""
    raw = json.dumps(body).encode()
    sealed = bodies.seal(Source.ours(), settings().body_keys, "application/json", raw)
    return Arrival(source, external_id, "POST", {}, {}, "application/json", *sealed)


async def hand_over_licenses(
    catalog: Catalog,
    invoice_id: str,
    line_items: Sequence[LineItem],
    codes: Mapping[str, list[str]],
    blocks: Mapping[str, str],
) -> None:
    """Let a reminder begin for each license of an order, once, where the catalog asks for it."""
    if catalog.activation is None:
        return
    arrivals = [
        arrival(
            LICENSED,
            key_at(code, zentitle=zentitle),
            {"invoice_id": invoice_id, "product_id": line.product.product_id, "license_code": code}
            | other_than_default(**{**blocks, "zentitle": zentitle}),
        )
        for line in line_items
        for zentitle in [line.product.zentitle or ""]
        for code in codes[line.step]
    ]
    async with lent(settings()) as connection:
        await accept_all(connection, arrivals)
