"""The people who are asked: their names, and the variables of the environment that say where each is reached."""

import os
import re
from collections.abc import Iterable
from typing import Final

from pydantic import SecretStr

from hookline.errors import ConfigurationError

PREFIX: Final = "HOOKLINE_PERSON_"
NAME: Final = re.compile(r"(?!.{41})[a-z][a-z0-9]*(-[a-z0-9]+)*")


def variable(person: str) -> str:
    """Return the variable that holds the addresses of a person."""
    return PREFIX + person.upper().replace("-", "_")


def addresses(person: str) -> SecretStr | None:
    """Return where a person is reached, in Apprise's notation; None if nobody said so."""
    value = os.environ.get(variable(person), "").strip()
    return SecretStr(value) if value else None


def all_addresses() -> dict[str, SecretStr]:
    """Return the addresses of everybody who has some, by name."""
    names = (
        name.removeprefix(PREFIX).lower().replace("_", "-") for name in os.environ if name.startswith(PREFIX)
    )
    return {name: found for name in names if (found := addresses(name)) is not None}


def require_names(people: Iterable[str]) -> list[str]:
    """Return the names of people; raises ConfigurationError for what cannot be a name."""
    names = list(people)
    if not names:
        raise ConfigurationError("ask: nobody is asked; name a person, such as anna.")
    for name in names:
        if not NAME.fullmatch(name):
            raise ConfigurationError(
                f"ask: {name!r} is no name of a person; a name is such as anna or anna-berg, and "
                f"{variable('anna-berg')} holds the address."
            )
    return names
