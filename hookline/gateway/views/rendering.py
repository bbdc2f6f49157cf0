"""The templates of the pages, with their globals and filters."""

import hashlib
from pathlib import Path

import jinja2

from hookline import local_time
from hookline.gateway.views import formatting, queries
from hookline.gateway.views.addresses import fields_of, link
from hookline.inbox import full_rows
from hookline.states import DELIVERIES, STATES
from hookline.version import this_hookline

HERE = Path(__file__).parent
STATIC = {name: (HERE / "static" / name).read_bytes() for name in ("style.css", "icon.svg")}


def _address(name: str) -> str:
    """Return the address of a static file, with its version, so that a browser may cache it."""
    return f"/static/{name}?v={hashlib.sha256(STATIC[name]).hexdigest()[:12]}"


def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=formatting.escaped,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        "static": _address,
        "hookline": this_hookline(),
        "zone": local_time.zone_key,
        "link": link,
        "fields_of": fields_of,
        "STATES": {name: STATES[name] for name in DELIVERIES.states},
        "WORDS": formatting.WORDS,
        "ALTERED": formatting.ALTERED,
        "MAX_COUNT": queries.MAX_COUNT,
        "MAX_EFFECTS": full_rows.MAX_EFFECTS,
        "MAX_CHANGES": queries.MAX_CHANGES,
    }
    environment.filters |= {
        "age": formatting.age,
        "moment": local_time.date_and_time,
        "in_utc": local_time.in_utc,
        "in_zone": local_time.zone_name,
        "size": formatting.size,
        "number": formatting.number,
        "plural": formatting.plural,
    }
    return environment


TEMPLATES = _templates()
