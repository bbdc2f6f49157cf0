"""`hookline people`: who may open the pages, and what each may do there."""

from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import asyncpg
from cyclopts import App, Parameter

from hookline import people, runtime
from hookline.cli.inbox.filters import on_database
from hookline.cli.output import AsJson, confirm, console, show
from hookline.database.types import Connection
from hookline.errors import ConfigurationError, HooklineError
from hookline.people import GRANTED, MEANINGS, Role

app = App(
    name="people", help="Who may open the pages, and what each may do there: add, list, change, remove."
)

T = TypeVar("T")

COLUMNS = ["name", "role", "identity", "token", "sessions", "since"]
_ROLES = "; ".join(f"{role}: {MEANINGS[role]}" for role in GRANTED)

Name = Annotated[
    str,
    Parameter(
        help="The person's name, as in the audit trail and in HOOKLINE_PERSON_<NAME>: anna, anna-berg."
    ),
]
Granted = Annotated[str, Parameter(name="--role", help=f"{_ROLES}. Each includes the ones before it.")]
Identity = Annotated[
    str | None,
    Parameter(
        help="What a proxy in front calls them in HOOKLINE_IDENTITY_HEADER, such as their e-mail address."
    ),
]


@app.command
def add(name: Name, *, role: Granted = Role.LOOK.value, identity: Identity = None) -> None:
    """
    Add a person, and print the token by which they log in; it is not stored, and shown this once.

    One whom a proxy in front knows (--identity) needs no token.

    Try:
        hookline people add anna --role decide
        hookline people add office
        hookline people add ben --role operate --identity ben@example.com
    """
    granted = _role(role)

    async def do(connection: Connection) -> str | None:
        return await people.add(connection, name, granted, identity=identity, actor=runtime.person())

    _print_token(name, _on_connection(do), f"{name} may {granted}. The proxy names them as {identity}.")


@app.command(name="list")
def list_(*, as_json: AsJson = False) -> None:
    """
    List people: their role, how they are known, and how many sessions they have open.

    Try:
        hookline people list
        hookline people list --json
    """
    show(on_database(people.everybody), COLUMNS, as_json=as_json)


@app.command
def change(
    name: Name,
    *,
    role: Annotated[str | None, Parameter(help=f"Another role. {_ROLES}.")] = None,
    identity: Identity = None,
    new_token: Annotated[
        bool, Parameter(negative="", help="Make another token; the old one, and every session, ends.")
    ] = False,
) -> None:
    """
    Change what a person may do, or how they are known; it holds at once, in open sessions too.

    Try:
        hookline people change anna --role look
        hookline people change anna --new-token
    """
    if role is None and identity is None and not new_token:
        raise ConfigurationError("Nothing to change: use --role, --identity or --new-token.")
    granted = None if role is None else _role(role)

    async def do(connection: Connection) -> str | None:
        return await people.change(
            connection, name, role=granted, identity=identity, new_token=new_token, actor=runtime.person()
        )

    _print_token(name, _on_connection(do), f"{name} is changed.")


@app.command
def remove(
    name: Name, *, yes: Annotated[bool, Parameter(name="--yes", negative="", help="Do not ask.")] = False
) -> None:
    """
    Remove a person: their token and their sessions end at once; the audit trail keeps the name.

    Try:
        hookline people remove anna --yes
    """
    if not yes and not confirm(f"Remove {name}?"):
        raise HooklineError("Nobody was removed. Without a terminal, add --yes.")

    async def do(connection: Connection) -> None:
        await people.remove(connection, name, actor=runtime.person())

    _on_connection(do)
    console().print(f"{name} is removed, and every session of theirs has ended.")


def _role(text: str) -> Role:
    if text not in GRANTED:
        raise ConfigurationError(f"{text!r} is no role; there are {', '.join(GRANTED)}.")
    return Role(text)


def _on_connection(act: Callable[[Connection], Awaitable[T]]) -> T:
    async def do(database: asyncpg.Pool) -> T:
        async with database.acquire() as connection:
            return await act(connection)

    return on_database(do)


def _print_token(name: str, token: str | None, otherwise: str) -> None:
    """Print the token alone on stdout, so that it can go into a password store and nowhere else."""
    if token is None:
        console().print(otherwise)
        return
    console(stderr=True).print(f"The token of {name}, shown this once:")
    console().print(token)
