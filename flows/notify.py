"""Notification: a message to `HOOKLINE_NOTIFY_URLS` when something waits for a person."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from hookline.database import pool
from hookline.errors import ConfigurationError, HooklineError
from hookline.inbox import stats
from hookline.settings import settings
from hookline.states import NEED_A_PERSON
from hookline.text import markdown, one_line

if TYPE_CHECKING:
    from apprise import Apprise, NotifyFormat


# A message that comes twice does no harm, so it needs no journal.
@flow(name="notify", retries=3, retry_delay_seconds=60, persist_result=False)
async def notify(what: str, title: str = "Hookline needs a person") -> State[None]:
    """
    Send a message about what happened and all else that waits for a person.

    Args:
        what: what happened, in words.
        title: the title of the message.
    """
    import apprise  # 150 services, which engines that import this flow need not load

    current = settings()
    if current.notify_urls is None:
        return Completed(
            name="Nobody to notify", message="HOOKLINE_NOTIFY_URLS is not set (docs/automations.md)."
        )
    people = apprise.Apprise()
    if not people.add(current.notify_urls.get_secret_value()):
        raise ConfigurationError(
            "HOOKLINE_NOTIFY_URLS holds an address that Apprise cannot read (docs/automations.md)."
        )
    sources = await stats.by_source(await pool(current))
    waiting = [
        f"{number} {state} of {source.source}" for source in sources for state, number in _waiting(source)
    ]
    lines = [what, "", "Waiting for a person:", *waiting, ""]
    sent = [
        await group.async_notify(
            title=one_line(title),
            body="\n".join([*map(write, lines), current.base_url]),
            body_format=body_format,
        )
        for group, write, body_format in _by_format(people)
    ]
    if not all(sent):
        raise HooklineError(
            "The message could not be sent to every address of HOOKLINE_NOTIFY_URLS; the log above says why."
        )
    return Completed(message=one_line(what))


def _by_format(people: "Apprise") -> Iterator[tuple["Apprise", Callable[[str], str], "NotifyFormat"]]:
    """
    Yield the services with Markdown and those without, each with the function that escapes a sender's text for them.

    Apprise makes HTML of text, and escapes it; text for services with Markdown it leaves as it is.
    """
    from apprise import Apprise, NotifyFormat

    of_markdown, others = Apprise(), Apprise()
    for server in people:
        (of_markdown if server.notify_format == NotifyFormat.MARKDOWN else others).add(server)
    if of_markdown:
        yield of_markdown, markdown, NotifyFormat.MARKDOWN
    if others:
        yield others, one_line, NotifyFormat.TEXT


def _waiting(source: stats.Source) -> Iterator[tuple[str, str]]:
    """Yield each state that needs a person, with the number of the source in it."""
    for state in NEED_A_PERSON:
        if number := source.states.get(state):
            yield state, f"{number}+" if state in source.at_least else f"{number}"
