"""`hookline mcp`: what Hookline knows, as tools for agents (models that act for a person)."""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable
from typing import Annotated, Final

from cyclopts import Parameter, validators

from hookline import log, runtime
from hookline.database.connection import close_pool
from hookline.errors import ConfigurationError
from hookline.text import do_you_mean, typed

MAX_NAME: Final = 100

Port = Annotated[int, Parameter(help="With --http: the port.", validator=validators.Number(gte=1, lte=65535))]


def mcp(
    *,
    allow_writes: Annotated[
        tuple[str, ...],
        Parameter(
            help="A change that agents may make: ack, discard, pause, replay, resolve, resume or undo; repeat the "
            "option for each. Without it, they only read.",
            negative="",
        ),
    ] = (),
    as_name: Annotated[
        str | None,
        Parameter(name="--as", help="The person for whom the agent acts; the audit trail has it."),
    ] = None,
    http: Annotated[
        bool, Parameter(negative="", help="Serve HTTP behind a token, not standard input and output.")
    ] = False,
    host: Annotated[str, Parameter(help="With --http: the address to listen on.")] = "127.0.0.1",
    port: Port = 8430,
) -> None:
    """
    Serve agents by the Model Context Protocol: what is in the inbox, what was written where, what waits for a person.

    An agent's program starts it and speaks over standard input and output. With --http it serves any number of them,
    at /mcp, behind the bearer token of HOOKLINE_MCP_TOKEN, or of HOOKLINE_HOME/secrets/mcp-token.

    Agents only read, unless --allow-writes names a change. How to add it to an agent's program: docs/agents.md.

    Try:
        hookline mcp
        hookline mcp --allow-writes replay --allow-writes pause --as anna
        hookline mcp --http --port 8430
    """
    from hookline.cli.mcp.server import Server  # the SDK, which the help need not load
    from hookline.cli.mcp.writes import VERBS

    for verb in allow_writes:
        if verb not in VERBS:
            raise ConfigurationError(
                f"--allow-writes {verb!r} is no change{do_you_mean(verb, VERBS)}. There are: {', '.join(VERBS)}."
            )
    name = typed(as_name or "")[:MAX_NAME]
    if allow_writes and not name:
        raise ConfigurationError("--allow-writes needs --as NAME: the audit trail says who changed what.")
    settings = runtime.bootstrap()
    log.configure(settings.log_format)
    logging.getLogger("mcp").setLevel(logging.WARNING)  # at INFO, it logs each mistake of a client
    server = Server(settings, allow_writes, f"{name}'s agent, by hookline mcp of {runtime.person()}")
    if http:
        from hookline.cli.mcp.http import serve

        serve(server, settings, host, port)
    else:
        _on_standard_input(server.run_stdio_async)


def _on_standard_input(serve: Callable[[], Awaitable[None]]) -> None:
    """Serve until standard input is closed, or a signal comes."""
    # At once, as SIGTERM does: a thread reads standard input, which nothing else could end. What is half done is in a
    # transaction.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

    async def run() -> None:
        try:
            await serve()
        except* BrokenPipeError:
            pass  # the client is gone
        finally:
            await close_pool()

    asyncio.run(run())
