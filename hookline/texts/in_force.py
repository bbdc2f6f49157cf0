"""
The texts that are in force: each file as it is, or its last version that was good.

A file is read again as soon as it changed. It comes into force if it renders with the examples of its text.
"""

import functools
import logging
from pathlib import Path
from typing import Any, Final, TypeVar, overload

from hookline.catalog import load_catalog
from hookline.confined import Confined, TooCostly
from hookline.errors import ConfigurationError
from hookline.in_force import STAYS, LastGood, Problem
from hookline.settings import settings
from hookline.text import one_line
from hookline.texts import names, rendering
from hookline.texts.declared import Artifact, Mail, Note, Text
from hookline.texts.folder import Template, Texts

T = TypeVar("T", bound=Text)
logger = logging.getLogger(__name__)

PART: Final = "template"
SECONDS: Final = 5.0
"""The time to read or render one text; a right one needs a part of a second."""
CHEAP: Final = 4_096
"""Characters; a longer text is read for mistakes in a process of its own: it may take seconds."""
Stamp = tuple[int, int, int, int]
_sources: dict[Template, tuple[Stamp, str]] = {}
"""The text in force of each file, by its `_stamp`."""


class _TooSlow(ConfigurationError):
    """A text that took too long by the clock: it may be right, on a machine with less to do."""


@functools.cache
def _processes() -> Confined:
    return Confined(seconds=SECONDS, modules=[names.__name__, rendering.__name__])


@overload
async def render(text: Mail, language: str | None = None) -> dict[str, str]: ...
@overload
async def render(text: Note | Artifact, language: str | None = None) -> str: ...
async def render(text: Text, language: str | None = None) -> str | dict[str, str]:
    """
    Return a text in a language, or in the next best one that it has: of a mail, the values of its broadcast.

    Args:
        text: with its values.
        language: that of the customer; None: the firm's.

    Raises:
        ConfigurationError: it has no file that can be used, or that file fails with these values; names the line.
    """
    current = settings()
    own = load_catalog(current.catalog).language.default
    texts = Texts.of_settings(current, own)
    if not texts.folder.is_dir():  # the shipped texts are not what the firm would write
        raise ConfigurationError(texts.misplaced()[0])
    template = next(texts.of(type(text), language or own), None)
    if template is None:
        raise ConfigurationError(
            f"{texts.folder / text.workflow} has no file {text.name}.{own}.j2, and so no text to write. Put it "
            "back, then run this again."
        )
    source = await _in_force(template, current.home)
    return await rendered(template, source, text)


async def rendered(template: Template, source: str, text: Text) -> str | dict[str, str]:
    """
    Return what a template gives for the values of a text; within limits of time and memory.

    Raises:
        ConfigurationError: it fails with them; names file and line.
    """
    function: Any = rendering.render_blocks if text.blocks else rendering.render_text
    try:
        result: str | dict[str, str] = await _processes().run(
            function, source, template.form, text.model_dump()
        )
    except rendering.WrongTemplate as error:
        raise template.wrong(error) from None
    except TooCostly as error:
        advice = "Look in it for a loop within a loop, or what grows."
        raise _too_costly(f"{template.path} cannot be rendered: {error}. {advice}", error) from None
    return result


def _too_costly(message: str, error: TooCostly) -> ConfigurationError:
    return _TooSlow(message) if error.slow else ConfigurationError(message)


async def _require_right(template: Template, source: str) -> None:
    """
    Check what a source names, without running it; within limits of time and memory.

    Raises:
        ConfigurationError: it names what there is not; with file and line.
    """
    if not source.strip():
        raise ConfigurationError(f"{template.path}, line 1: is empty, so that nothing would be written.")
    try:
        found = await _mistakes(template, source)
    except TooCostly as error:
        raise _too_costly(f"{template.path}: {error}. Make it shorter, or simpler.", error) from None
    if found:
        raise template.wrong(*found)


async def _mistakes(template: Template, source: str) -> list[rendering.WrongTemplate]:
    if len(source) <= CHEAP:
        return names.mistakes(source, template.form, template.text)
    return await _processes().run(names.mistakes, source, template.form, template.text)


async def read_texts(texts: Texts) -> dict[Template, str]:
    """
    Return what each file has.

    Raises:
        ConfigurationError: some file is unknown, missing or wrong, or fails with the examples of its text; names each
            file and line.
    """
    problems, sources = texts.misplaced(), {}
    for template in texts.templates():
        try:
            sources[template] = await judged(template)
        except ConfigurationError as error:
            problems.append(str(error))
    if problems:
        raise ConfigurationError("The texts are not right:\n  " + "\n  ".join(problems))
    return sources


async def judged(template: Template, source: str | None = None) -> str:
    """
    Return what a file has, or this source in its place, if it is right and renders with the examples of its text.

    Raises:
        ConfigurationError: it is not, or does not; names file and line.
    """
    source = template.read() if source is None else source
    await _require_right(template, source)
    await rendered(template, source, template.text.example())
    return source


def last_good_text(template: Template, home: Path) -> str | None:
    """Return the text that a file had when it was last good; None where it never was."""
    return (_record(template, home).read() or {}).get(PART)


def record_text(template: Template, home: Path, source: str) -> None:
    """Record that a file is in force as it is in this source."""
    _record(template, home).write({PART: source})


async def problems_of(texts: Texts, home: Path) -> list[Problem]:
    """Return what is wrong in the folder, as far as reading it shows, and what is in force instead."""
    problems = [
        Problem("file", str(texts.folder), each, "nothing of it is sent") for each in texts.misplaced()
    ]
    for template in texts.templates():
        try:
            await _require_right(template, template.read())
        except ConfigurationError as error:
            instead = STAYS if last_good_text(template, home) is not None else "what needs it fails"
            problems.append(Problem("file", str(template.path), one_line(error), instead))
    return problems


def _record(template: Template, home: Path) -> LastGood:
    return LastGood(home, "text", template.path)


async def _in_force(template: Template, home: Path) -> str:
    """Return the text of a file that is in force."""
    stamp = _stamp(template.path)
    known = _sources.get(template)
    if known is not None and known[0] == stamp:
        return known[1]
    try:
        source = await judged(template)
        record_text(template, home, source)
    except ConfigurationError as error:
        if (last := last_good_text(template, home)) is None:
            raise
        problem = Problem("file", str(template.path), one_line(error), STAYS)
        logger.error("%s", problem)  # noqa: TRY400  (a message for people, without a traceback)
        if isinstance(error, _TooSlow):
            return last
        source = last
    if stamp is not None:
        _sources[template] = stamp, source
    return source


def _stamp(path: Path) -> Stamp | None:
    """Return what differs after each change of a file, also by one of the same age; None if it is gone."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino
