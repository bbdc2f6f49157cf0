"""
The part of the connect page that only blocks can do: run by the gateway as a process of its own.

A question comes in on standard input and an answer goes out on standard output, both as JSON; secrets go no other way.
"""

import asyncio
import json
import sys
from typing import Any
from urllib.parse import urlsplit

from hookline import runtime
from hookline.errors import HooklineError


def main() -> None:
    """Answer the question on standard input."""
    question = json.loads(sys.stdin.buffer.read())
    runtime.bootstrap()
    try:
        answer = asyncio.run(answer_to(question))
    except HooklineError as error:
        answer = {"problem": str(error)}
    except Exception as error:  # noqa: BLE001  (a page shows it; its text may hold what was typed)
        answer = {"problem": f"Prefect or the database does not answer ({type(error).__name__})."}
    sys.stdout.write(json.dumps(answer))


async def answer_to(question: dict[str, Any]) -> dict[str, Any]:
    """
    Return what is asked about the connection of an account.

    `show` says what it is, `begin` the address at which the person agrees, `finish` exchanges the code that came back.

    Raises:
        HooklineError: it cannot be done; says why, without the code.
    """
    from blocks.connections import StoredGrants  # Prefect: only now are its settings known
    from blocks.http import HttpCredentials
    from hookline.clients.http.account import oauth_of
    from hookline.clients.http.exchange import fetch
    from hookline.database.connection import close_pool

    account = await HttpCredentials.named(question["account"])
    if account.login != "authorization_code":
        raise HooklineError(
            f"http/{question['account']} logs in by {account.login}: nobody needs to connect it. For a person's "
            "agreement, set its log-in to authorization_code."
        )
    client = oauth_of(account)
    grants = StoredGrants(question["account"], client)
    try:
        match question["do"]:
            case "begin":
                address = client.authorization_address(
                    question["redirect_uri"], question["state"], question["verifier"]
                )
                return {"address": address}
            case "finish":
                request = client.code(question["code"], question["verifier"], question["redirect_uri"])
                tokens = await fetch(request)
                await grants.connect(tokens, question["by"])
                return {"renews": tokens.refresh_token is not None}
            case _:
                known = await grants.connected()
                return {
                    "base_url": account.base_url,
                    "origin": _origin(account.authorize_url or ""),
                    "scope": account.scope or "",
                    "since": known and known.since.isoformat(),
                    "by": known and known.by,
                }
    finally:
        await close_pool()


def _origin(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


if __name__ == "__main__":
    main()
