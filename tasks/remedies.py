"""What takes back a write that a vendor shows too often: declared beside the tasks of the vendor, as `REMEDIES`."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from prefect import Task

from blocks import VendorCredentials
from hookline.vendors import part


@dataclass(frozen=True)
class Remedy:
    """The task that takes back what a write brought too often."""

    task: Task[..., Any]
    inputs: Callable[[VendorCredentials, Mapping[str, Any], str], Awaitable[dict[str, Any]]]
    """Returns the task's inputs, from the account, the inputs of the write and the reference of the surplus."""
    summary: str
    """What is done, before the references."""


def remedy_of(operation: str) -> Remedy | None:
    """Return what takes back an operation, such as `acme.create_note`; None where nothing does."""
    vendor, _, name = operation.partition(".")
    try:
        remedies: Mapping[str, Remedy] = getattr(part(vendor, "tasks"), "REMEDIES", {})
    except KeyError:  # a write that a flow names by itself
        return None
    return remedies.get(name)
