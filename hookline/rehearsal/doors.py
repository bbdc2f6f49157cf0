"""
The doors of a process that rehearses: to vendors, their accounts, the journal and waits. Outside of a rehearsal, none.

They are the process's and not a context's: a thread that a flow starts finds them closed, too.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from hookline.errors import HooklineError

if TYPE_CHECKING:
    from hookline.journal import Journal
    from hookline.settings import Settings


class NotRecorded(HooklineError):
    """The run needs something that nobody recorded, so it is not known what would follow."""

    transient = False

    def __init__(self, what: str, details: str = "") -> None:
        super().__init__(f"{what}{details and f' ({details})'} is not recorded")
        self.what = what
        """The same for all that is of its kind."""
        self.arguments = (what, details)

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        """Pickle by its arguments: Prefect stores the error of a failed run."""
        return type(self), self.arguments


class Doors(Protocol):
    """What a rehearsal has in the place of the outside."""

    recorded: "Settings"
    """Those that lead to the real database, which is read only."""

    @property
    def journal(self) -> "Journal":
        """The journal that compares writes, and sends none."""

    async def answer(
        self, client: Any, operation: Any, inputs: Any, send: Callable[[Any, Any], Awaitable[Any]]
    ) -> Any:
        """Return the answer to a vendor call; raise `NotRecorded`."""

    def account(self, kind: type[Any], name: str) -> Any:
        """Return the credentials of this kind and name."""

    async def generation(self, workflow: str, key: str) -> int:
        """Return the generation of a business that is compensated as a whole."""

    def missing(self, what: str, details: str = "") -> NotRecorded:
        """Note that the run here needs what nobody recorded; return the error to raise."""


_doors: Doors | None = None


def current() -> Doors | None:
    """Return the doors of this process; None: it does not rehearse."""
    return _doors


@contextmanager
def rehearsing(doors: Doors) -> Iterator[None]:
    """Close the outside for this process, but for these doors."""
    global _doors  # noqa: PLW0603  (one for the process, as its network is)
    before, _doors = _doors, doors
    try:
        yield
    finally:
        _doors = before
