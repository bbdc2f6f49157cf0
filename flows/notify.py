"""Something waits for a person: whoever `HOOKLINE_NOTIFY_URLS` names is told."""

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


# A message that comes twice does no harm, so that no journal is asked.
@flow(name="notify", retries=3, retry_delay_seconds=60, persist_result=False)
async def notify(what: str) -> State[None]:
    """
    Send a message about what happened and all else that waits for a person.

    Args:
        what: what happened, in words.
    """
    import apprise  # 150 ways to tell somebody, which engines that import this flow need not load

    current = settings()
    if current.notify_urls is None:
        return Completed(
            name="Nobody to tell", message="HOOKLINE_NOTIFY_URLS is not set (docs/automations.md)."
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
            title="Hookline needs a person",
            body="\n".join([*map(write, lines), current.base_url]),
            body_format=body_format,
        )
        for group, write, body_format in _by_format(people)
    ]
    if not all(sent):
        raise HooklineError(
            "Not everybody that HOOKLINE_NOTIFY_URLS names could be told; the log above says why."
        )
    return Completed(message=one_line(what))


def _by_format(people: "Apprise") -> Iterator[tuple["Apprise", Callable[[str], str], "NotifyFormat"]]:
    """
    Return who reads Markdown and who does not, with how to write what a sender may have written.

    Apprise makes HTML of text, and escapes it; what it says to services with Markdown it leaves as it is.
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
    """Each state that needs a person, with how many of the source are in it."""
    for state in NEED_A_PERSON:
        if number := source.states.get(state):
            yield state, f"{number}+" if state in source.at_least else f"{number}"
