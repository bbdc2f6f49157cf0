"""The one way to replace a function of Prefect: a function that is not there is an error, never a silent no-op."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

_MARK = "wrapped_by_hookline"


def wrap(owner: type | ModuleType, name: str, wrapper: Callable[[Any], Any]) -> None:
    """
    Put a wrapper around a function of Prefect, once.

    Raises:
        RuntimeError: this version of Prefect has no such function.
    """
    original = _existing(owner, name)
    if not hasattr(original, _MARK):
        replace(owner, name, wrapper(original))


def replace(owner: type | ModuleType, name: str, function: Callable[..., Any]) -> None:
    """
    Replace a function of Prefect.

    Raises:
        RuntimeError: this version of Prefect has no such function.
    """
    _existing(owner, name)
    setattr(function, _MARK, True)
    setattr(owner, name, function)


def _existing(owner: type | ModuleType, name: str) -> Any:
    try:
        return getattr(owner, name)
    except AttributeError:
        raise RuntimeError(
            f"This version of Prefect has no {owner.__name__}.{name}, which Hookline replaces. "
            "Install the version that requirements.lock names."
        ) from None
