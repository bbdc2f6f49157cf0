"""Messages to people, by whatever service their addresses name: mail, Slack, Teams and more, through Apprise."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from pydantic import SecretStr

from hookline.errors import ConfigurationError, HooklineError
from hookline.text import markdown, one_line

if TYPE_CHECKING:
    from apprise import Apprise, NotifyFormat

SECONDS: Final = 60.0
"""The time for all addresses of one message."""


class NotSentToAll(HooklineError):
    """A message could not be sent to every address."""


async def send(addresses: SecretStr, title: str, lines: Sequence[str], link: str) -> None:
    """
    Send a message.

    Args:
        addresses: in Apprise's notation, separated by commas.
        title: one line.
        lines: the text, escaped for services that read Markdown.
        link: as it is, in a line of its own.

    Raises:
        ConfigurationError: an address cannot be read.
        NotSentToAll: a service refuses the message, or does not answer. Both begin behind the name of the variable.
    """
    import apprise  # 150 services, which processes that send nothing need not load

    people = apprise.Apprise()
    if not people.add(addresses.get_secret_value()):
        raise ConfigurationError("holds an address that Apprise cannot read (docs/automations.md)")
    try:
        async with asyncio.timeout(SECONDS):
            sent = [
                await group.async_notify(
                    title=one_line(title), body="\n".join([*map(write, lines), link]), body_format=body_format
                )
                for group, write, body_format in _by_format(people)
            ]
    except TimeoutError:
        raise NotSentToAll(f"has an address that did not answer in {SECONDS:g} s") from None
    if not all(sent):
        raise NotSentToAll("has an address that did not take the message; the log says why")


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
