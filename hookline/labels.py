"""
Labels: what people call a delivery on a route, and the names and values by which they find it.

A label such as `order 100123` is the name of the flow run, too; what it is about (`order: 100123`) becomes tags of it.
Both are for people alone: nothing is decided by them, so a mistake in one costs no delivery.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from hookline.redaction import mask
from hookline.text import one_line

MAX_LABEL: Final = 120
MAX_VALUE: Final = 100
MAX_ABOUT: Final = 10
"""The names of one delivery."""
RESERVED: Final = frozenset({"batch", "delivery", "route"})
"""Names of the tags that Hookline itself gives a flow run."""

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,30}")


@dataclass(frozen=True)
class Label:
    """What a delivery on a route is called, and what it is about; inert, bounded text."""

    text: str | None = None
    about: Mapping[str, str] = field(default_factory=dict)
    problem: str | None = None
    """Why a part of it is missing."""

    @property
    def tags(self) -> list[str]:
        """The tags of its flow run."""
        return [f"{name}:{value}" for name, value in self.about.items()]


UNLABELLED: Final = Label()


def label_text(value: object) -> str | None:
    """Return a label as it is stored and shown; None: there is none."""
    return _inert(value, MAX_LABEL)


def about_value(value: object) -> str | None:
    """Return a value of `about` as it is stored and shown; None: it is not known."""
    return _inert(value, MAX_VALUE)


def require_names(names: Mapping[str, object]) -> None:
    """
    Check the names of `about`.

    Raises:
        ValueError: one cannot be used, or there are too many; says which.
    """
    for name in names:
        if not _NAME.fullmatch(name):
            raise ValueError(
                f"{name!r} is not a name: use lower-case letters, digits, dashes and underscores, 31 at most"
            )
        if name in RESERVED:
            raise ValueError(f"{name!r} is a tag that Hookline itself gives each flow run: use another name")
    if len(names) > MAX_ABOUT:
        raise ValueError(f"has {len(names)} names, and may have {MAX_ABOUT}")


def _inert(value: object, maximum: int) -> str | None:
    text = "" if value is None else one_line(mask(str(value)[: 40 * maximum]), maximum)
    return text or None
