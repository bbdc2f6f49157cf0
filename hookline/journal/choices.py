"""A decision about an effect before it is final: whom it concerns, and what follows from it, in a person's words."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import asyncpg

from hookline.database.types import Connection, Row
from hookline.errors import HooklineError
from hookline.inbox import dispatches
from hookline.journal import store
from hookline.journal.whom import whom
from hookline.settings import Settings

Name = Literal["happened", "send again", "by hand", "undo", "keep"]

QUESTIONS: Final[Mapping[Name, str]] = {
    "happened": "It happened",
    "send again": "Send it again",
    "by hand": "It was done by hand",
    "undo": "Undo it",
    "keep": "Keep both",
}
"""What a person says, as the buttons have it."""


@dataclass(frozen=True)
class Choice:
    """What a person is about to say of an effect."""

    title: str
    facts: Mapping[str, str]
    """Whom and what it concerns, by what each is."""
    follows: list[str]
    """What it leads to, a sentence each."""

    def __str__(self) -> str:
        """Return it for a terminal."""
        width = max(map(len, self.facts), default=0)
        facts = [f"  {name:<{width}}  {value}" for name, value in self.facts.items()]
        return "\n".join([self.title, *facts, *self.follows])


async def choice(
    settings: Settings, connection: Connection, effect_id: int, name: Name, reference: Collection[str] = ()
) -> Choice:
    """
    Return what a person should know before they say this of an effect.

    Args:
        settings: how long it can be taken back.
        connection: to the journal.
        effect_id: the effect's number.
        name: what they say.
        reference: the vendor's references that they name.

    Raises:
        HooklineError: there is no such effect.
    """
    row = await store.read(connection, effect_id)
    if row is None:
        raise HooklineError(f"There is no effect {effect_id}. See: hookline effects list")
    if name in ("undo", "keep") and row["state"] != "doubled":
        what = f"{row['step']} of {row['label']}"
        raise HooklineError(f"Effect {effect_id} ({what}) is {row['state']}; only what is doubled is undone.")
    known = await facts(connection, [effect_id])
    named = {"its references": ", ".join(reference)} if reference else {}
    waiting = await dispatches.number_waiting(connection, row, failed=name == "by hand")
    return Choice(
        f"{QUESTIONS[name]}: {row['step']} of {row['label']}?",
        {**known[effect_id], **named},
        [*_at_the_vendor(row, name, known[effect_id]), *_runs(settings, name, waiting)],
    )


async def facts(
    connection: "Connection | asyncpg.Pool", effect_ids: Iterable[int]
) -> dict[int, dict[str, str]]:
    """Return whom and what effects concern, as far as the journal and their deliveries know, by their numbers."""
    return {row["id"]: _facts(row) for row in await store.known_about(connection, list(effect_ids))}


def _facts(row: Row) -> dict[str, str]:
    known = {"vendor": row["account"] or row["operation"].partition(".")[0]}
    sources: list[Mapping[str, Any]] = [
        row["about"] or whom(row["request"], row["operation"]),
        row["of_run"] or {},
        *(row["of_others"] or []),
    ]
    for source in sources:
        known = {**{name: str(value) for name, value in source.items()}, **known}
    return {"for": row["run"] or row["label"], **known}


def is_mail(operation: str) -> bool:
    """Return True for a write that sends a mail to a person."""
    return "mail" in operation.partition(".")[2]


def _at_the_vendor(row: Row, name: Name, known: Mapping[str, str]) -> list[str]:
    vendor, mail = row["operation"].partition(".")[0], is_mail(row["operation"])
    surplus = ", ".join(row["surplus"])
    to = f" to {known['mail to']}" if "mail to" in known else ""
    match name:
        case "happened":
            return ["No second mail is sent." if mail else f"It is not done a second time at {vendor}."]
        case "send again" if mail:
            return [f"The mail is sent again{to}. If the first one did arrive, it comes twice."]
        case "send again":
            return [f"It is sent to {vendor} again. If it did happen, it is there twice."]
        case "by hand":
            return [f"It is taken as done, as you did it at {vendor}: nothing is sent for it."]
        case "undo":
            rest = ", ".join(row["reference"]) or "the first"
            return [
                f"{surplus} is taken back at {vendor}, and {rest} stays. Once that began, nothing brings it back."
            ]
        case "keep":
            return [f"Nothing is taken back at {vendor}: {surplus} stays, too."]


def _runs(settings: Settings, name: Name, waiting: int) -> list[str]:
    seconds = settings.take_back_seconds
    until = f"after {seconds:g} seconds; until then you can take it back" if seconds else "at once"
    if name == "undo":
        return [f"An engine begins {until}."]
    if name == "keep":
        return ["You can take it back."]
    if waiting:
        return [f"{'Its run goes' if waiting == 1 else f'{waiting} runs that wait for it go'} on {until}."]
    return [
        "No run of the inbox waits for it: it counts for the next run, and until then you can take it back."
    ]
