"""Logging of the processes: lines for people or JSON for machines, each with its delivery."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, Literal

from hookline import context
from hookline.redaction import masked
from hookline.text import one_line, visible

Format = Literal["text", "json"]
ABOUT = ("delivery", "dispatch", "source")


def configure(log_format: Format) -> None:
    """Write this process's log to stderr in this format."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_about)
    if log_format == "json":
        handler.setFormatter(_Json())
    else:
        handler.setFormatter(_Text())
        handler.addFilter(_for_the_console)
    each_vendor_call = logging.DEBUG if log_format == "json" else logging.NOTSET
    logging.getLogger("hookline.clients.transport").setLevel(each_vendor_call)
    handler.setFormatter(masked(handler.formatter))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs each address at INFO
    logging.getLogger("asyncpg.pool").setLevel(logging.ERROR)  # its callers report a lost database


def _about(record: logging.LogRecord) -> bool:
    """Add the delivery and dispatch to a record that does not name them itself."""
    for name, value in (("delivery", context.delivery_id()), ("dispatch", context.dispatch_id())):
        if value is not None and not hasattr(record, name):
            setattr(record, name, str(value))
    return True


def _for_the_console(record: logging.LogRecord) -> bool:
    """Return True for the console: runs write their own log to the Prefect UI; here, the engine says how each ended."""
    runs = record.name.startswith(("prefect.flow_runs", "prefect.task_runs"))
    return not runs and (not record.name.startswith("prefect") or record.levelno >= logging.WARNING)


class _Text(logging.Formatter):
    """A line with the beginning of the delivery's id behind it, as `hookline inbox show` accepts it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line that nothing in it can end or forge; a traceback follows, indented."""
        line = f"{record.levelname} {one_line(record.getMessage())}"
        delivery = getattr(record, "delivery", "")
        if delivery and delivery not in line:
            line += f"  [{delivery[:8]}]"
        traceback = self.formatException(record.exc_info) if record.exc_info else ""
        return "\n".join([line, *(f"  {visible(below)}" for below in traceback.splitlines())])


class _Json(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        entry |= {name: getattr(record, name) for name in ABOUT if hasattr(record, name)}
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)
