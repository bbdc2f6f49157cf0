"""
Links to records, stored blocks and deliveries, as Markdown; everything that reports show as a link is made here.

No published address of a record in a vendor's web UI is known here, so a firm sets those that it knows
(`HOOKLINE_RECORD_URLS`). Ids come from outside: they are quoted in the address and escaped in the text.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlsplit
from uuid import UUID

from hookline.account_keys import DEFAULT
from hookline.text import markdown, one_line
from hookline.vendors import vendors

_ADDRESS: Final = re.compile(r"https://[A-Za-z0-9.:-]+/[A-Za-z0-9/._~?=&%#{}-]*")
_PLACEHOLDER: Final = re.compile(r"\{[^{}]*\}|[{}]")
_SECRET: Final = re.compile(r"(key|token|secret|password|signature|auth)[a-z_]*=", re.IGNORECASE)
_OF_LINKS: Final = re.compile(r"[\\`*_\[\]<>|~]")
"""What could end or change the text of a link; the rest is left as it is, for Prefect shows each backslash there."""
_ACCOUNT: Final = re.compile(r"[a-z0-9]+(/[a-z0-9-]+)?")


@dataclass(frozen=True)
class Record:
    """A record at a vendor, which a row of a report is about."""

    vendor: str
    kind: str
    """As an address names it, such as `sales-order`."""
    id: str
    account: str = DEFAULT
    """The name of the block."""
    name: str = ""
    """What people call it; "" the id."""


def parse_record_urls(raw: str) -> Mapping[str, str]:
    """
    Return the address of records by vendor, from text such as `jiwa=https://erp.example.com/{kind}/{id}`.

    Raises:
        ValueError: one cannot be used; says which and why.
    """
    pairs = [part.strip().partition("=") for part in raw.split(",") if part.strip()]
    for whose, _, address in pairs:
        if not _ACCOUNT.fullmatch(whose) or whose.partition("/")[0] not in vendors():
            raise ValueError(f"{whose[:40]!r} is no vendor: write jiwa=https://…/{{id}} or jiwa/north=…")
        if problem := _problem(address):
            raise ValueError(f"the address of {whose} {problem}")
    return {whose: address for whose, _, address in pairs}


def record_link(record: Record, addresses: Mapping[str, str]) -> str:
    """Return a record as a link where its vendor's address is set, else as plain text; both inert in Markdown."""
    name = record.name or record.id
    whose = record.vendor if record.account in ("", DEFAULT) else f"{record.vendor}/{record.account}"
    address = addresses.get(whose)
    if address is None or not _is_segment(record.id):
        return markdown(name)
    filled = address.replace("{kind}", quote(record.kind, safe="")).replace("{id}", _quoted(record.id))
    return f"[{_link_text(name)}]({filled})"


def record_links(records: Iterable[Record], addresses: Mapping[str, str]) -> str:
    """Return the links of several records; "" where none of them has an address: their names stand elsewhere."""
    links = [record_link(each, addresses) for each in records]
    return " · ".join(link for link in links if link.endswith(")") and "](https://" in link)


def block_link(name: str, document_id: UUID, prefect_ui_url: str) -> str:
    """Return the link to a stored block in the Prefect UI, where a person can change it."""
    return f"[{_link_text(name)}]({prefect_ui_url}/blocks/block/{document_id})"


def delivery_link(delivery_id: UUID, base_url: str) -> str:
    """Return the link to a delivery on Hookline's page."""
    return f"[delivery {delivery_id}]({base_url}/deliveries/{delivery_id})"


def _link_text(text: str) -> str:
    return _OF_LINKS.sub(r"\\\g<0>", one_line(text))


def _quoted(text: str) -> str:
    return quote(text, safe="", errors="replace")


def _is_segment(text: str) -> bool:
    """Return True unless a browser would take it for a step in the path."""
    return text.strip() not in {"", ".", ".."}


def _problem(address: str) -> str | None:
    """Return why an address cannot be used; None if it can."""
    try:
        parts = urlsplit(address)
        has_host = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        has_host = False
    if not has_host or not _ADDRESS.fullmatch(address) or "{" in address.split("/")[2]:
        return "must be https://, a host and a path, in plain characters"
    if sorted(set(_PLACEHOLDER.findall(address)) - {"{kind}"}) != ["{id}"]:
        return "must have {id}, may have {kind}, and no other braces"
    return "holds what may be a secret: it stands in every report" if _SECRET.search(address) else None
