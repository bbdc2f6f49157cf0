"""
The tools that change something, each only where `--allow-writes` names what it does; the last word of its name.

They do what the command of their name does, after the same checks. The client asks its person before, as the hints of
each tool say; the audit trail says that it was done by this program, in whose name.
"""

from typing import Annotated, Final, Literal

import asyncpg
from pydantic import Field

from hookline.cli import effects as effects_cli
from hookline.cli import issues as issues_cli
from hookline.cli.inbox import commands as deliveries_cli
from hookline.cli.inbox import pausing
from hookline.cli.inbox.filters import ALL, require_reason
from hookline.cli.mcp.answers import Done
from hookline.cli.mcp.outside import mark
from hookline.cli.mcp.reads import Number, Text
from hookline.database import pool
from hookline.errors import ConfigurationError
from hookline.issues import commands as issue_commands
from hookline.journal import resolution
from hookline.settings import Settings

Ids = Annotated[
    list[Text], Field(min_length=1, max_length=100, description="Deliveries by their ids, or the beginnings.")
]
Reason = Annotated[
    str, Field(min_length=1, max_length=500, description="Why, in a few words: the audit trail has it.")
]
Issue = Annotated[Number, Field(description="The issue's number.")]
Effect = Annotated[Number, Field(description="The effect's number.")]
References = Annotated[
    list[Text],
    Field(
        default_factory=list,
        max_length=100,
        description="The vendor's references that it brought, such as license codes.",
    ),
]
DryRun = Annotated[bool, Field(description="Only say what would be done.")]


class Writes:
    """The tools that change something, in somebody's name."""

    def __init__(self, settings: Settings, actor: str) -> None:
        self.settings = settings
        self.actor = actor

    async def inbox_replay(
        self,
        deliveries: Ids,
        reason: Reason,
        route: Annotated[Text | None, Field(description="Only this route of hooks.yaml.")] = None,
        dry_run: DryRun = False,
    ) -> Done:
        """Run deliveries again. What is done at the vendors is not repeated; what waits or runs is left alone."""
        require_reason(reason)
        source = None if route is None else deliveries_cli.source_of(route)
        act = deliveries_cli.replaying(route, actor=self.actor, reason=reason)
        return await self._act(act, deliveries, source, dry_run=dry_run)

    async def inbox_discard(self, deliveries: Ids, reason: Reason, dry_run: DryRun = False) -> Done:
        """Set deliveries aside: nothing of them that waits or failed is tried again. A replay undoes it."""
        require_reason(reason)
        act = deliveries_cli.discarding(actor=self.actor, reason=reason)
        return await self._act(act, deliveries, None, dry_run=dry_run)

    async def inbox_pause(
        self, source: Annotated[Text, Field(description="A source of hooks.yaml.")], reason: Reason
    ) -> Done:
        """Pause a source: what it sends is stored and waits until it is resumed; what runs already continues."""
        database = await self._database()
        return Done(message=await pausing.start_pause(database, source, actor=self.actor, reason=reason))

    async def inbox_resume(
        self, source: Annotated[Text, Field(description="A source that is paused.")]
    ) -> Done:
        """End the pause of a source: its waiting deliveries run in order of arrival."""
        return Done(message=await pausing.end_pause(await self._database(), source, actor=self.actor))

    async def issues_ack(self, number: Issue) -> Done:
        """Note that somebody takes care of an issue; others see the name."""
        return Done(message=await issues_cli.acknowledge(await self._database(), number, self.actor))

    async def issues_replay(self, number: Issue, reason: Reason) -> Done:
        """Run all deliveries of an issue again that wait for a person; what is done is not repeated."""
        require_reason(reason)
        database = await self._waiting(number)
        acted = await issue_commands.replay(database, number, actor=self.actor, reason=reason)
        return Done(message=issues_cli.in_words(acted, "replayed"))

    async def issues_discard(self, number: Issue, reason: Reason) -> Done:
        """Set all deliveries of an issue aside that wait for a person. A replay undoes it."""
        require_reason(reason)
        database = await self._waiting(number)
        acted = await issue_commands.discard(database, number, actor=self.actor, reason=reason)
        return Done(message=issues_cli.in_words(acted, "discarded"))

    async def issues_resolve(
        self,
        number: Issue,
        outcome: Annotated[
            Literal["happened", "send_again"],
            Field(description="What a person found at the vendor, for all of them."),
        ],
    ) -> Done:
        """Say of all uncertain effects of an issue what a person found at the vendor; their runs then go on."""
        database = await self._waiting(number)
        acted = await issue_commands.resolve(
            self.settings, database, number, happened=outcome == "happened", actor=self.actor
        )
        return Done(message=issues_cli.in_words(acted, "resolved"))

    async def effects_resolve(
        self,
        number: Effect,
        outcome: Annotated[
            Literal["happened", "send_again", "by_hand"],
            Field(
                description="What a person found at the vendor: it happened; it did not, send it again; or a person "
                "did it there."
            ),
        ],
        reference: References,
        answer: Annotated[
            dict[str, str],
            Field(
                default_factory=dict,
                max_length=50,
                description="With by_hand: fields of the record that the vendor shows, where later steps need them.",
            ),
        ],
        dry_run: Annotated[bool, Field(description="With by_hand: only say what would be noted.")] = False,
    ) -> Done:
        """
        Tell what happened to an uncertain effect, or that a person did it at the vendor; its run then goes on.

        Only after a person has looked at the vendor: nobody else can know. Never guess it from other records.
        """
        if outcome == "by_hand":
            message = await effects_cli.note_by_hand(
                self.settings,
                await self._database(),
                number,
                reference=reference,
                answer=answer,
                actor=self.actor,
                dry_run=dry_run,
            )
            return Done(message=message, dry_run=dry_run)
        if answer or dry_run:
            raise ConfigurationError("answer and dry_run go with the outcome by_hand.")
        happened = outcome == "happened"
        return Done(
            message=await resolution.resolve(
                self.settings, number, happened=happened, reference=reference, actor=self.actor
            )
        )

    async def effects_undo(
        self,
        number: Effect,
        surplus: Annotated[
            list[Text],
            Field(
                min_length=1, max_length=100, description="What is undone, exactly as effects_show has it."
            ),
        ],
        keep: Annotated[
            bool,
            Field(description="It is no double, or was put right by hand: undo nothing, only note that."),
        ] = False,
    ) -> Done:
        """Undo what a doubled effect brought too often, such as a second license; an engine does it at the vendor."""
        if keep:
            row = await effects_cli.read(await self._database(), number)
            if row["state"] == "doubled" and sorted(row["surplus"]) != sorted(surplus):
                too_much = ", ".join(map(mark, row["surplus"]))
                raise ConfigurationError(
                    f"Effect {number} has {too_much} too much, and not {', '.join(surplus)}: look at it again. "
                    "Nothing was changed."
                )
            return Done(message=await resolution.keep(self.settings, number, actor=self.actor))
        return Done(message=await resolution.undo(self.settings, number, surplus=surplus, actor=self.actor))

    async def _act(
        self, act: deliveries_cli.Act, deliveries: list[str], source: str | None, *, dry_run: bool
    ) -> Done:
        database = await self._database()
        chosen = deliveries_cli.Chosen(tuple(deliveries), ALL.filter(), None, source)
        ids, parts = await deliveries_cli.rehearse(database, act, chosen)
        if dry_run:
            return Done(message=deliveries_cli.would_be(act, parts), dry_run=True)
        acted = await deliveries_cli.each(database, act, ids) if deliveries_cli.number_of(parts) else 0
        return Done(message=deliveries_cli.outcome(act, ids, parts, acted))

    async def _waiting(self, number: int) -> asyncpg.Pool:
        """Return the database; raises HooklineError unless something of the issue waits for a person."""
        database = await self._database()
        issues_cli.ensure_waits(await issues_cli.read(database, number))
        return database

    async def _database(self) -> asyncpg.Pool:
        return await pool(self.settings)


TITLES: Final = {
    "inbox_replay": "Run deliveries again",
    "inbox_discard": "Set deliveries aside",
    "inbox_pause": "Pause a source",
    "inbox_resume": "Resume a source",
    "issues_ack": "Take care of an issue",
    "issues_replay": "Run an issue's deliveries again",
    "issues_discard": "Set an issue's deliveries aside",
    "issues_resolve": "Resolve an issue's effects",
    "effects_resolve": "Resolve an uncertain effect",
    "effects_undo": "Undo a doubled effect",
}
"""The tools that change something, with their titles for people."""
DESTRUCTIVE: Final = {"discard", "resolve", "undo"}
"""What ends something, or cannot be taken back."""
OUTWARD: Final = {"replay", "resolve", "undo"}
"""What makes a vendor be called."""


def verb(name: str) -> str:
    """Return what `--allow-writes` calls the tool of this name."""
    return name.rpartition("_")[2]


VERBS: Final = sorted({verb(name) for name in TITLES})
