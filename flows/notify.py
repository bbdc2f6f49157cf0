"""Notification: a message to `HOOKLINE_NOTIFY_URLS` when something waits for a person."""

from collections.abc import Iterator
from typing import Annotated

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from flows.parameters import titled
from hookline import notification
from hookline.database import pool
from hookline.errors import HooklineError
from hookline.inbox import stats
from hookline.settings import settings
from hookline.states import NEED_A_PERSON
from hookline.text import one_line
from tasks.about import about, begin, say_failed


# A message that comes twice does no harm, so it needs no journal.
@flow(name="notify", retries=3, retry_delay_seconds=60, persist_result=False, on_failure=[say_failed])
async def notify(
    what: Annotated[str, titled("What happened", min_length=1)],
    title: Annotated[str, titled("Title", min_length=1)] = "Hookline needs a person",
) -> State[None]:
    """
    Send a message about what happened and all else that waits for a person.

    Args:
        what: what happened, in words.
        title: the title of the message.
    """
    await begin(f"message: {what}")
    current = settings()
    if current.notify_urls is None:
        await about(f"nobody to notify: {what}")
        return Completed(
            name="Nobody to notify", message="HOOKLINE_NOTIFY_URLS is not set (docs/automations.md)."
        )
    sources = await stats.by_source(await pool(current))
    waiting = [
        f"{number} {state} of {source.source}" for source in sources for state, number in _waiting(source)
    ]
    lines = [what, "", "Waiting for a person:", *waiting, ""]
    try:
        await notification.send(current.notify_urls, title, lines, current.base_url)
    except HooklineError as error:
        raise type(error)(f"HOOKLINE_NOTIFY_URLS {error}.") from None
    await about(f"notified: {what}")
    return Completed(message=one_line(what))


def _waiting(source: stats.Source) -> Iterator[tuple[str, str]]:
    """Yield each state that needs a person, with the number of the source in it."""
    for state in NEED_A_PERSON:
        if number := source.states.get(state):
            yield state, f"{number}+" if state in source.at_least else f"{number}"
