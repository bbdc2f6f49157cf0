"""
The tools that only read; each has the name of its command, and asks the same functions as that.

A docstring here is the description that a model picks the tool by.
"""

from contextlib import suppress
from datetime import datetime
from typing import Annotated, Any, Final, Literal

import anyio
import asyncpg
from pydantic import Field

from hookline.cli import effects as effects_cli
from hookline.cli import issues as issues_cli
from hookline.cli import sources as sources_cli
from hookline.cli.call import client_of, send
from hookline.cli.doctor import examine
from hookline.cli.inbox import listing, show
from hookline.cli.inbox.filters import DeliveryFilter, hooks_now, pause_remarks
from hookline.cli.mcp import answers
from hookline.cli.mcp.answers import bounded, named, rows
from hookline.cli.mcp.outside import mark_json, mark_lines
from hookline.cli.operations import described, find_client, find_operation
from hookline.cli.trace import follow
from hookline.clients import CLIENTS
from hookline.clients import operations as operations_of
from hookline.database import pool
from hookline.errors import ConfigurationError
from hookline.gateway.views.preview import preview
from hookline.hooks import load_hooks
from hookline.inbox import bodies, search, stats
from hookline.issues import store as issues
from hookline.outages import store as outages
from hookline.settings import Settings
from hookline.states import NEED_A_PERSON
from hookline.waits import store as waits

MAX_TRAIL: Final = 60
"""The latest changes of a delivery that are read."""
MAX_ISSUES: Final = 10
"""Issues that one order can belong to, in an answer."""

Text = Annotated[str, Field(min_length=1, max_length=200)]
Limit = Annotated[int, Field(ge=1, le=100, description="Most rows.")]
Number = Annotated[int, Field(ge=1, le=2**31 - 1)]
EffectState = Literal["intended", "done", "failed", "uncertain", "doubled", "undone", "kept"]


class Reads:
    """The tools that only read."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    async def trace(
        self,
        key: Annotated[
            Text,
            Field(
                description="An order's number or id, a label or a word of it, a customer's number, a delivery, a "
                "dispatch, a flow run, or a vendor's reference such as a license code."
            ),
        ],
    ) -> answers.Trace:
        """
        Follow one order, ticket or license: what came for it, what ran, what was written at which vendor, and why not.

        Ask this first about a single order. An effect is one write, such as license, mail or note: state done means
        that it happened once; doubled, that the vendor shows it twice; a step that is missing was not reached, and the
        dispatch's reason says why. Nothing found: nothing of that name ever came, so look at `sources` for refused
        requests.
        """
        database = await self._database()
        found = await follow(database, key)
        return bounded(
            answers.Trace(
                deliveries=rows(answers.Delivery, found["deliveries"]),
                effects=rows(answers.Effect, found["effects"]),
                waits=rows(answers.Wait, found["waits"]),
                issues=await self._issues_of(database, found["deliveries"]),
            )
        )

    async def needs_a_person(self) -> answers.NeedsAPerson:
        """
        List everything that waits for a person now: issues, uncertain and doubled effects, open questions, pauses.

        Each issue says what to do next. What only waits for a vendor that is away is not here: see `vendors`.
        """
        database = await self._database()
        open_effects = [
            row
            for state in ("uncertain", "doubled")
            for row in await effects_cli.find(database, state, None, limit=50)
        ]
        return bounded(
            answers.NeedsAPerson(
                issues=rows(answers.Issue, await issues_cli.find(database, closed=False, limit=50)),
                effects=rows(answers.Effect, open_effects),
                questions=rows(answers.Wait, await waits.find(database, kind="answer", limit=50)),
                paused=await pause_remarks(database),
            )
        )

    async def inbox_list(
        self,
        source: Annotated[Text | None, Field(description="Only of this source.")] = None,
        state: Annotated[Text | None, Field(description="Only in this state, such as failed.")] = None,
        key: Annotated[
            Text | None,
            Field(description="An order's number or id, a label, the sender's id, a vendor's reference."),
        ] = None,
        about: Annotated[
            Text | None, Field(description="NAME=VALUE as its route says: customer=1001.")
        ] = None,
        text: Annotated[
            Text | None, Field(description="A text in the body, the reason or the sender's id.")
        ] = None,
        since: Annotated[
            Text | None,
            Field(description="Received then or later: 2026-11-22T14:30, or 45m, 2h, 3d ago. UTC."),
        ] = None,
        until: Annotated[Text | None, Field(description="Received before this time.")] = None,
        limit: Limit = 20,
    ) -> answers.Deliveries:
        """List deliveries (webhooks that came in) with their dispatches, the latest first, without their bodies."""
        database = await self._database()
        filter_ = DeliveryFilter(source, state, key, about, text, _in_utc(since), _in_utc(until)).filter()
        found = await search.find(database, filter_, limit=limit)
        left_out = await listing.left_out(database, found, limit)
        return bounded(
            answers.Deliveries(
                deliveries=rows(answers.Delivery, found.deliveries),
                paused=await pause_remarks(database),
                left_out=" ".join(left_out) or None,
            )
        )

    async def inbox_show(
        self,
        delivery: Annotated[Text, Field(description="The delivery's id, or its beginning.")],
        with_body: Annotated[
            bool,
            Field(
                description="The request's body, too. It may hold personal data: ask only if it is needed."
            ),
        ] = False,
    ) -> answers.DeliveryShown:
        """Show one delivery: its request, dispatches, effects, every change (who, when, why), and what to do next."""
        database = await self._database()
        row = await show.read(database, self.settings, delivery)
        trail = row["trail"]
        cut = f"Of {len(trail)} changes only the latest {MAX_TRAIL}." if len(trail) > MAX_TRAIL else None
        return bounded(
            answers.DeliveryShown(
                delivery=answers.Delivery.model_validate(row),
                headers=named(row["headers"]),
                query=named(row["query"]),
                body=_body(row) if with_body else None,
                issues=await self._issues_of(database, [row]),
                effects=rows(answers.Effect, row["effects"]),
                trail=rows(answers.Change, trail[-MAX_TRAIL:]),
                left_out=cut,
            )
        )

    async def inbox_stats(self) -> answers.Counts:
        """Count deliveries by source and state, with the oldest open one and the last received."""
        return bounded(
            answers.Counts(sources=rows(answers.Count, await stats.by_source(await self._database())))
        )

    async def effects_list(
        self,
        state: Annotated[EffectState | None, Field(description="Only in this state.")] = None,
        key: Annotated[
            Text | None,
            Field(description="An order's number or id, a flow run's id, or a vendor's reference."),
        ] = None,
        limit: Limit = 50,
    ) -> answers.Effects:
        """List effects: every write at a vendor (license, mail, note), the latest at the end."""
        found = await effects_cli.find(await self._database(), state, key, limit=limit)
        return bounded(
            answers.Effects(
                effects=rows(answers.Effect, found),
                left_out=f"There may be more than these {limit}: see limit." if len(found) == limit else None,
            )
        )

    async def effects_show(
        self, number: Annotated[Number, Field(description="The effect's number.")]
    ) -> answers.Effect:
        """Show one effect, and what a person does next about it."""
        return answers.Effect.model_validate(await effects_cli.read(await self._database(), number))

    async def issues_list(
        self,
        closed: Annotated[bool, Field(description="Those that are closed, too.")] = False,
        limit: Limit = 50,
    ) -> answers.Issues:
        """List issues: each is one cause of what needs a person, with what to do about it; the latest first."""
        found = await issues_cli.find(await self._database(), closed=closed, limit=limit)
        return bounded(answers.Issues(issues=rows(answers.Issue, found)))

    async def issues_show(
        self,
        number: Annotated[Number, Field(description="The issue's number.")],
        limit: Limit = 50,
    ) -> answers.IssueShown:
        """Show one issue: what to do next, and the deliveries that belong to it."""
        database = await self._database()
        issue = await issues_cli.read(database, number)
        members = await issues.members(database, number, limit=limit)
        return bounded(
            answers.IssueShown(
                issue=answers.Issue.model_validate(issue), deliveries=rows(answers.Member, members)
            )
        )

    async def waits_list(
        self,
        state: Annotated[
            Literal["waiting", "answered", "expired", "cancelled", "all"],
            Field(description="Only in this state."),
        ] = "waiting",
        limit: Limit = 50,
    ) -> answers.Waits:
        """List what runs are suspended for: the answer of a person who was asked, or another delivery."""
        only = None if state == "all" else state
        return bounded(
            answers.Waits(
                waits=rows(answers.Wait, await waits.find(await self._database(), state=only, limit=limit))
            )
        )

    async def vendors(self) -> answers.Accounts:
        """Show which vendor accounts are away (do not answer), since when, why, and how much waits for them."""
        return bounded(
            answers.Accounts(accounts=rows(answers.Account, await outages.health(await self._database())))
        )

    async def sources(self) -> answers.Sources:
        """
        List who may send and what is polled: what came of each, and which requests were refused and why.

        Only here is seen that a sender has a wrong secret, or that its requests were refused before they were stored.
        """
        found = await sources_cli.find(await self._database(), load_hooks(self.settings.hooks))
        return bounded(answers.Sources(sources=rows(answers.Source, found)))

    async def routes(self) -> answers.Routes:
        """List the routes of hooks.yaml that are in force: which deliveries start which deployment."""
        found = [
            answers.Route(
                name=route.name,
                source=route.source,
                when=route.when.text,
                deployment=route.deployment,
                key=route.key.text if route.key else None,
                label=route.label.text if route.label else None,
                off=route.off,
            )
            for route in hooks_now().routes
        ]
        return bounded(answers.Routes(routes=found))

    async def doctor(self) -> answers.Findings:
        """
        Check this machine, the files, PostgreSQL, Prefect, the gateway and each vendor's log-in, and say what to do.

        It takes some seconds, and asks each vendor who we are.
        """
        found = await anyio.to_thread.run_sync(examine, abandon_on_cancel=True)
        return bounded(answers.Findings(findings=rows(answers.Finding, found)))

    async def operations(
        self,
        vendor: Annotated[Text | None, Field(description="Only of this vendor, such as jiwa.")] = None,
        operation: Annotated[
            Text | None, Field(description="Only this one of the vendor, with its inputs.")
        ] = None,
        text: Annotated[Text | None, Field(description="Only with this text in name or description.")] = None,
    ) -> answers.Operations:
        """Find operations of the vendors' APIs by a text; or show one with its inputs, before `call`."""
        if operation is not None:
            if vendor is None:
                raise ConfigurationError("To show one operation, name its vendor too.")
            one = find_operation(vendor, operation)
            return answers.Operations(
                operations=[_operation(one)], inputs=rows(answers.Input, described(one)["inputs"])
            )
        clients = CLIENTS.values() if vendor is None else [find_client(vendor)]
        found = [
            _operation(each)
            for client in clients
            for each in operations_of(client).values()
            if text is None or text.lower() in f"{each.name} {each.effect}".lower()
        ]
        return bounded(answers.Operations(operations=found))

    async def call(
        self,
        vendor: Annotated[Text, Field(description="Such as jiwa.")],
        operation: Annotated[Text, Field(description="One that only reads: see operations.")],
        inputs: Annotated[
            dict[str, Any], Field(default_factory=dict, max_length=50, description="Its inputs, by name.")
        ],
    ) -> answers.VendorAnswer:
        """
        Read something from a vendor's API, with the account of the environment, and return the answer.

        Only operations that change nothing are sent: those with reads: true in `operations`.
        """
        found = find_operation(vendor, operation)
        if not found.reads:
            raise ConfigurationError(
                f"{vendor} {operation} changes something at the vendor, and `call` only reads: nothing was sent. "
                f"A person can send it: hookline call {vendor} {operation}"
            )
        # Checked before the account is: a wrong input is said whatever else is wrong.
        checked = found.validate(**inputs)
        answer = mark_json(await send(client_of(vendor, None), found, checked))
        fitting, left_out = answers.fit(answer)
        return answers.VendorAnswer(operation=f"{vendor}.{operation}", answer=fitting, left_out=left_out)

    async def _database(self) -> asyncpg.Pool:
        return await pool(self.settings)

    async def _issues_of(
        self, database: asyncpg.Pool, deliveries: list[dict[str, Any]]
    ) -> list[answers.Issue]:
        """Return the open issues to which deliveries, or their dispatches, belong and need a person for."""
        stated = [part for row in deliveries for part in (row, *row["dispatches"])]
        numbers = {part["issue_id"] for part in stated if part["issue_id"] and part["state"] in NEED_A_PERSON}
        return [
            answers.Issue.model_validate(await issues_cli.read(database, number))
            for number in sorted(numbers)[-MAX_ISSUES:]
        ]


def _operation(operation: Any) -> answers.Operation:
    return answers.Operation.model_validate(described(operation) | {"reads": operation.reads})


def _body(row: dict[str, Any]) -> str:
    """Return the beginning of a body as a person can read it, marked; or why there is none."""
    body: bytes | None = row["body"]
    if not body:
        return bodies.absence(row["altered"]) if body is None else "(an empty body)"
    beginning = preview(body, row["content_type"])
    return mark_lines("\n".join(named(dict(beginning.fields))) if beginning.fields else beginning.text)


TITLES: Final = {
    "trace": "Follow one order",
    "needs_a_person": "What waits for a person",
    "inbox_list": "List deliveries",
    "inbox_show": "Show one delivery",
    "inbox_stats": "Count deliveries",
    "effects_list": "List writes at vendors",
    "effects_show": "Show one write at a vendor",
    "issues_list": "List issues",
    "issues_show": "Show one issue",
    "waits_list": "List what runs wait for",
    "vendors": "Health of the vendors",
    "sources": "Senders and refused requests",
    "routes": "Routes in force",
    "doctor": "Check everything",
    "operations": "Find vendor operations",
    "call": "Read from a vendor",
}
"""The tools that only read, with their titles for people."""
OUTWARD: Final = {"doctor", "call"}
"""Those that ask a vendor."""


def _in_utc(text: str | None) -> str | None:
    """Return a time that names no zone as one in UTC; how long ago it was stays."""
    with suppress(ValueError):
        if text and (time := datetime.fromisoformat(text)).tzinfo is None:
            return f"{time.isoformat()}Z"
    return text
