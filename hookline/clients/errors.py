"""
Vendor errors, named by what the caller may do next.

Two facts decide what a caller may do: `transient` (the same call may succeed later) and `maybe_applied` (the
vendor may have acted, and doing it again would act again). A call whose operation is safe to repeat is never
`maybe_applied`: there a repeat does no harm.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, Self

from hookline.errors import HooklineError
from hookline.text import one_line

MAX_INTEGER = 2**63 - 1

MAX_DETAIL = 500
MAX_ID = 200


class VendorError(HooklineError):
    """
    A vendor call did not give its answer.

    Attributes:
        vendor: the vendor's short name, as in `jiwa`.
        operation: the operation's name, as in `create_sales_order`.
        status: the HTTP status, if there was an answer.
        request_id: the vendor's own id of the request, if it gave one.
        retry_after: seconds the vendor asked us to wait, if it did.
        transient: the same call may succeed later.
        maybe_applied: the vendor may have acted, and doing it again would act again.
        detail: the text of the vendor or of the network, without secrets.
    """

    transient: bool = False
    may_have_acted: ClassVar[bool] = False
    happened: ClassVar[str] = "failed"
    advice: ClassVar[str] = "Look at the vendor's own log."

    def __init__(
        self,
        *,
        vendor: str,
        operation: str,
        detail: str = "",
        status: int | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        maybe_applied: bool = False,
    ) -> None:
        super().__init__()
        self.vendor = vendor
        self.operation = operation
        self.detail = detail
        self.status = status
        self.request_id = request_id and one_line(request_id, MAX_ID)
        self.retry_after = retry_after
        self.maybe_applied = maybe_applied

    def __str__(self) -> str:
        """Return a text that says what happened, to which call, and what to do next."""
        facts = [
            f"HTTP {self.status}" if self.status else "",
            f"request {self.request_id}" * bool(self.request_id),
        ]
        known = ", ".join(fact for fact in facts if fact)
        detail = _short(self.detail).rstrip(". ")
        detail = f": {detail}" if detail else ""
        unsure = " It may have been done: check before you do it again." if self.maybe_applied else ""
        wait = f" It asks to wait {self.retry_after:g} s." if self.retry_after else ""
        head = f"{self.vendor} {self.operation} {self.happened}" + (f" ({known})" if known else "")
        return f"{head}{detail}. {self.advice}{wait}{unsure}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (type(self), dict(vars(self)))

    def hide(self, mask: Callable[[str], str]) -> None:
        """Mask every text that came from the vendor, then cut it short: a cut secret could not be found."""
        self.detail = _short(mask(self.detail))
        self.request_id = self.request_id and mask(self.request_id)

    @classmethod
    def rebuilt(cls, facts: Mapping[str, Any]) -> Self:
        """Return the error with these attributes, as another process stored them."""
        error = cls.__new__(cls)
        vars(error).update(facts)
        return error


def _short(text: str) -> str:
    return one_line(text, MAX_DETAIL)


def _masked(value: object, mask: Callable[[str], str]) -> object:
    if value is None or (isinstance(value, int | float) and abs(value) <= MAX_INTEGER):
        return value
    return _short(mask(str(value)))


def _rebuilt(kind: type[VendorError], facts: Mapping[str, Any]) -> VendorError:
    return kind.rebuilt(facts)


class InvalidInput(HooklineError, TypeError, ValueError):
    """An input is unknown, missing or not allowed; nothing was sent. The text names operation and input."""

    exit_code = 2
    transient = False
    maybe_applied = False  # nothing was sent


class NotAuthenticated(VendorError):
    """The vendor does not accept our key or log-in (401); nothing was done."""

    happened = "was not let in"
    advice = "Check the key or the user and password in the vendor's settings."


class NotAllowed(VendorError):
    """Our key or user may not do this (403, or known beforehand); nothing was done."""

    happened = "is not allowed"
    advice = "Give the key or user this permission at the vendor, or use another key."


class NotFound(VendorError):
    """The record, or one that the call refers to, does not exist at the vendor."""

    happened = "found nothing"
    advice = "Check the id or number; it may have been deleted."


class Refused(VendorError):
    """
    The vendor refused the call: a business rule, or a value that it does not accept.

    `rows` holds the vendor's messages, one mapping each, where it gave several: a batch may have been applied
    in part.
    """

    happened = "was refused"
    advice = "Fix what the vendor complains about, then do it again."

    def __init__(self, *, rows: Sequence[Mapping[str, Any]] = (), **facts: Any) -> None:
        super().__init__(**facts)
        self.rows = tuple(dict(row) for row in rows)

    def hide(self, mask: Callable[[str], str]) -> None:
        """Mask every text that came from the vendor, those of the rows too."""
        super().hide(mask)
        self.rows = tuple(
            {_short(name): _masked(value, mask) for name, value in row.items()} for row in self.rows
        )


class Conflict(VendorError):
    """Another user changed the same record at the same time; nothing was done. Read it again, then write."""

    transient = True
    happened = "met a change by somebody else"
    advice = "Read the record again, then repeat the change."


class RateLimited(VendorError):
    """The vendor asks us to slow down (429); nothing was done."""

    transient = True
    happened = "came too often"
    advice = "Wait, then do it again."


class Unavailable(VendorError):
    """The vendor has a fault of its own (5xx, 408); a write may have been applied before it failed."""

    transient = True
    may_have_acted = True
    happened = "met a fault at the vendor"
    advice = "Try again later."


class Unreachable(VendorError):
    """The vendor could not be reached: nothing was sent and nothing was done."""

    transient = True
    happened = "could not reach the vendor"
    advice = "Check the address, the network and whether the vendor is up."


class AnswerLost(VendorError):
    """The request was sent but no complete answer came back; a write may have been applied."""

    transient = True
    may_have_acted = True
    happened = "got no answer"
    advice = "Try again later."


class VendorAway(VendorError):
    """
    The vendor's account is away, and another run tries it; this one waits, and goes on by itself.

    Attributes:
        account: the account, as `hookline vendors` names it.
        since: since when it is away.
        next_try: when it is tried again.
    """

    transient = True
    is_wait = True
    """Nothing failed: this uses up no attempt."""
    happened = "waits for the vendor"
    advice = "It goes on by itself once the vendor is back."

    def __init__(
        self,
        *,
        account: str = "",
        since: datetime | None = None,
        next_try: datetime | None = None,
        **facts: Any,
    ) -> None:
        super().__init__(**facts)
        self.account = account or self.vendor
        self.since = since or datetime.now(UTC)
        self.next_try = next_try or self.since

    def __str__(self) -> str:
        """Return a text for the Prefect UI: since when, why, and when it is tried again."""
        head = f"{self.vendor} {self.operation} {self.reason}"
        return f"{head}. It is tried again at {self.next_try:%Y-%m-%d %H:%M:%S} UTC. {self.advice}"

    @property
    def reason(self) -> str:
        """The reason why a dispatch waits, without what changes with each try."""
        why = f": {_short(self.detail)}" if self.detail else ""
        return f"waits for {self.account}, away since {self.since:%Y-%m-%d %H:%M} UTC{why}".rstrip(". ")


class VendorGivenUp(VendorError):
    """The vendor was away for longer than is waited; nothing was sent."""

    happened = "was given up"
    advice = "Replay what waited once the vendor is back."


class UnexpectedAnswer(VendorError):
    """
    The vendor's answer has a shape that it does not document; a write may have been applied.

    Of a read it is `transient`: a proxy's page in place of the answer, or half of it, passes by itself.
    """

    may_have_acted = True
    happened = "got an answer that cannot be read"
    advice = "Compare it with the vendor's reference: it may have changed, or the address may be wrong."


class UnknownSentence(UnexpectedAnswer):
    """
    The vendor answered a write by a sentence that nobody knows: the write may have been applied, or refused.

    Args:
        settings: the variables to which the sentence can be added, by what it means.
    """

    happened = "was answered by a sentence that is not known"
    advice = "Look at the vendor whether it was done."

    def __init__(self, *, settings: Mapping[str, str] | None = None, **facts: Any) -> None:
        super().__init__(**facts)
        if settings:
            add = (f"If it says that it {meaning}, add it to {name}." for meaning, name in settings.items())
            self.advice = " ".join([self.advice, *add])  # type: ignore[misc]

    @property
    def sentence(self) -> str:
        """Return what the vendor said."""
        return self.detail


def kind_of(status: int) -> type[VendorError]:
    """Return the kind of error for a status that is no success."""
    by_status: dict[int, type[VendorError]] = {
        401: NotAuthenticated,
        403: NotAllowed,
        404: NotFound,
        408: Unavailable,
        429: RateLimited,
    }
    if status >= 500:  # noqa: PLR2004
        return Unavailable
    return by_status.get(status, Refused if status >= 400 else UnexpectedAnswer)  # noqa: PLR2004
