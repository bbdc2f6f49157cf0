"""
Whom a write reaches, and what it is about: for a person who decides about it.

Only fields that are known to be addresses, names or numbers are taken, so no secret is among them.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from hookline.text import one_line

MAX_DEPTH: Final = 6
MAX_VALUE: Final = 200
MAX_VALUES: Final = 3
"""The different values of one kind that are named; of a list, these are enough to know it."""
FIRST_NAME, LAST_NAME = "first name", "last name"

_KINDS: Final = {
    "mail to": r"(personal|business|work|debtor|delivery|deliveryaddress|contact|customer|consumer|billing|recipient)?"
    r"e?mail(address)?[0-9]?",
    "phone": r"(mobile|phone|telephone)(number)?",
    "company": r"(company|customer|debtor|client|account|organi[sz]ation)(name)?",
    "name": r"(contact|full|display|consumer|debtorcontact)name",
    FIRST_NAME: r"first_?name|givenname",
    LAST_NAME: r"(last|sur|family)_?name",
    "customer number": r"(debtor|customer|client)?account(no|number)|(customer|client)(no|number)",
    "order": r"(invoice|order|salesorder)(no|number)",
    "license": r"licen[sc]ecode",
}
_PATTERNS: Final = {kind: re.compile(pattern) for kind, pattern in _KINDS.items()}
_OTHERS: Final = {"from", "sender", "replyto", "fromaddress"}
"""Parts of a write that say who sends it."""


def whom(inputs: Any, operation: str = "") -> dict[str, str]:
    """
    Return the addresses, names and numbers of a write, by what each is; of several, the first ones.

    Args:
        inputs: the inputs of its operation, as JSON has them.
        operation: that operation; what it makes is named by `name` alone.
    """
    found: dict[str, dict[str, None]] = {}
    for name, value in _leaves(inputs, MAX_DEPTH):
        if (kind := _kind(name, value, operation)) is not None:
            found.setdefault(kind, {})[one_line(str(value), MAX_VALUE)] = None
    named = {kind: ", ".join(list(values)[:MAX_VALUES]) for kind, values in found.items()}
    person = " ".join(named.pop(part) for part in (FIRST_NAME, LAST_NAME) if part in named)
    return {"name": person, **named} if person else named


def _leaves(value: Any, depth: int, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the plain values of a JSON value, each with the name of its field; not those of who sends it."""
    if depth == 0:
        return
    if isinstance(value, Mapping):
        for each, inner in value.items():
            plain = re.sub(r"[^a-z0-9]", "", str(each).lower())
            if plain not in _OTHERS:
                yield from _leaves(inner, depth - 1, plain)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner, depth - 1, name)
    elif isinstance(value, str | int) and not isinstance(value, bool) and value != "":
        yield name, value


def _kind(name: str, value: Any, operation: str) -> str | None:
    if name == "name" and re.search("company|customer|debtor", operation):
        return "company"
    kind = next((kind for kind, pattern in _PATTERNS.items() if pattern.fullmatch(name)), None)
    if kind == "mail to" and "@" not in str(value):
        return None
    return kind
