"""`hookline hold`: what is held because the database is older than it was, and how a person lets it go on."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Annotated

from cyclopts import App, Parameter

from hookline import runtime
from hookline.cli.inbox.filters import on_database
from hookline.cli.output import AsJson, agree, console, print_json
from hookline.database import lent
from hookline.database.connection import outside
from hookline.database.high_water import Outside
from hookline.database.types import Connection
from hookline.inbox import holding
from hookline.inbox.holding import Holding

app = App(name="hold", help="A database that is older than it was: show why all is held, and let it go on.")

Yes = Annotated[bool, Parameter(name="--yes", negative="", help="Do not ask.")]
Reason = Annotated[str, Parameter(help="Why, for the audit trail.")]


@app.command
def show(*, as_json: AsJson = False) -> None:
    """
    Show whether everything is held, and why.

    Try:
        hookline hold show
    """
    held: Holding = on_database(holding.read)
    if as_json:
        print_json({"state": held.state, **asdict(held)})
    else:
        console().print(f"{held.state}. {held.text}".strip())


@app.command
def release(*, reason: Reason = "released", yes: Yes = False) -> None:
    """
    Let everything go on that is held because the database is older than it was.

    From now on each write that the journal does not know is looked for at the vendor before it is sent. What is found
    there is adopted; what cannot be looked for, such as a mail, is uncertain, and a person says whether it happened.

    Try:
        hookline hold release
        hookline hold release --yes --reason "backup of Monday; mails of today were checked"
    """
    _act(
        yes,
        "Everything that waits starts now, and looks at the vendors first. Go on?",
        lambda connection, remembered: holding.release(
            connection, remembered, actor=runtime.person(), reason=reason
        ),
        "Goes on: writes that the journal does not know are looked for first. To end that: hookline hold close",
    )


@app.command
def close(*, reason: Reason = "closed", yes: Yes = False) -> None:
    """
    End looking first: what the journal does not know was never done.

    Do so when nothing comes any more that was begun before the restore.

    Try:
        hookline hold close
    """
    _act(
        yes,
        "What the database has forgotten, and nobody looked for yet, may then be done a second time. Close?",
        lambda connection, _: holding.close(connection, actor=runtime.person(), reason=reason),
        "As usual again: nothing is looked for before it is sent.",
    )


def _act(yes: bool, question: str, act: Callable[[Connection, Outside], Awaitable[None]], done: str) -> None:
    settings = runtime.bootstrap()
    agree(question, yes=yes)

    async def go() -> None:
        async with lent(settings) as connection:
            await act(connection, outside(settings))

    asyncio.run(go())
    console().print(done)
