"""The business that a task's write belongs to; and the journal, for tasks."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self
from uuid import UUID

from prefect.runtime import flow_run

from hookline import journal
from hookline.journal import Census, Effect, Outcome
from hookline.journal.effect import Look
from hookline.settings import settings


@dataclass(frozen=True)
class Business:
    """What a workflow is about: an order, a ticket, a printer; and, `at` one of its writes, which."""

    workflow: str
    key: str
    """The business key; with the workflow and the step, it makes an effect unique."""
    label: str
    """The key in a person's words, such as `order 100123`."""
    step: str = ""
    """Which write of the business; "" is named after the operation and what it is done to."""
    resend: bool = False
    """Where nobody can know whether the write happened: send it again instead of asking a person."""

    def at(self, step: str, *, resend: bool = False) -> Self:
        """The same business, at this write of it."""
        return replace(self, step=step, resend=resend)

    @property
    def mark(self) -> str:
        """What stands in a text at a vendor so that this write of the business can be found again."""
        return f"[{self.workflow} {self.key}{': ' * bool(self.step)}{self.step}]"


async def once(
    business: Business,
    step: str,
    operation: str,
    request: Mapping[str, Any],
    send: Callable[[], Awaitable[Outcome]],
    *,
    look: Look | Census | None = None,
    wanted: int = 0,
    resend: bool = False,
) -> Outcome:
    """
    Do one write of a business once; see `hookline.journal.once`.

    Args:
        business: what it is for.
        step: which write of that business; the same step is never done twice.
        operation: `vendor.operation`.
        request: what makes it this write: the same step with another request is refused.
        send: makes the write.
        look: finds it at the vendor if an answer was lost.
        wanted: how many vendor references it must bring.
        resend: without a look, send again instead of asking a person.
    """
    effect = Effect(
        workflow=business.workflow,
        key=business.key,
        step=step,
        label=business.label,
        operation=operation,
        request=request,
        wanted=wanted,
        flow_run_id=UUID(flow_run.id) if flow_run.id else None,
    )
    return await journal.once(settings(), effect, send, look=look, resend=resend)
