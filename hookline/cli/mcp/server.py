"""The MCP server: the tools, their errors in words, and what a model is told of them."""

import asyncio
import inspect
import json
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any, Final

from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError, UnexpectedToolError
from mcp.server.mcpserver.tools import Tool
from mcp_types import CallToolResult, InputRequiredResult, TextContent, ToolAnnotations
from pydantic import ValidationError

from hookline.cli.inbox.filters import database_errors
from hookline.cli.mcp import reads, writes
from hookline.cli.mcp.outside import INSTRUCTION, mark, unmarked
from hookline.database.errors import DatabaseUnavailable
from hookline.errors import ConfigurationError, HooklineError
from hookline.redaction import redact
from hookline.settings import Settings
from hookline.text import do_you_mean, one_line
from hookline.version import VERSION

CALL_SECONDS: Final = 60.0
"""A call is given up after so long."""
CALLS_AT_ONCE: Final = 4
"""Others wait."""
MAX_ERROR: Final = 2_000
MAX_WRONG: Final = 5
MAX_NAME: Final = 80

WHAT_IT_IS: Final = (
    "Hookline receives webhooks (deliveries), starts flow runs of them (dispatches), and writes at vendors (effects), "
    "each write once. A tool has the name of its command: an error that says `hookline inbox list` means inbox_list. "
    "Times are UTC. Ask `trace` about one order, `needs_a_person` about what is open."
)
READS_ONLY: Final = (
    "Nothing can be changed here: tell the person the command (such as hookline inbox replay), or that hookline mcp "
    "must be started with --allow-writes."
)


class Server(MCPServer[None]):
    """The server with its tools."""

    def __init__(self, settings: Settings, allowed: Collection[str], actor: str) -> None:
        can = f"Changes that are allowed: {', '.join(sorted(allowed))}." if allowed else READS_ONLY
        self._settings = settings
        self._slots = asyncio.Semaphore(CALLS_AT_ONCE)
        reading, writing = reads.Reads(settings), writes.Writes(settings, actor)
        tools = [_reading(getattr(reading, name), title) for name, title in reads.TITLES.items()]
        tools += [
            _writing(getattr(writing, name), title)
            for name, title in writes.TITLES.items()
            if writes.verb(name) in allowed
        ]
        self._inputs = {tool.name: tool.parameters.get("properties", {}) for tool in tools}
        super().__init__(
            "hookline",
            title="Hookline",
            version=VERSION,
            instructions=f"{WHAT_IT_IS}\n\n{INSTRUCTION}\n\n{can}",
            log_level="ERROR",
            tools=tools,
        )

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[None, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        """
        Call a tool.

        Raises:
            ToolError: it cannot be done; says what, of which thing, and what to do next.
        """
        self._ensure_known(name, arguments)
        with self._in_words(name):
            async with asyncio.timeout(CALL_SECONDS), self._slots:
                return _compact(await super().call_tool(name, unmarked(arguments), context))

    def _ensure_known(self, name: str, arguments: dict[str, Any]) -> None:
        """Raise ToolError for a tool or an input that there is not."""
        if name in writes.TITLES and name not in self._inputs:
            raise ToolError(
                f"{name} changes something, and that is not allowed here: nothing was changed. A person can allow it, "
                f"by starting: hookline mcp --allow-writes {writes.verb(name)} --as NAME"
            )
        if name not in self._inputs:
            raise ToolError(f"There is no tool {_quoted(name)}{do_you_mean(name[:MAX_NAME], self._inputs)}.")
        inputs = self._inputs[name]
        for each in arguments:
            if each not in inputs:
                raise ToolError(
                    f"{name} has no input {_quoted(each)}{do_you_mean(each[:MAX_NAME], inputs)}. Its inputs: "
                    f"{', '.join(inputs) or 'none'}."
                )

    @contextmanager
    def _in_words(self, name: str) -> Iterator[None]:
        """Raise each failure as a ToolError for people and models."""
        try:
            try:
                yield
            except ToolError as error:
                if error.__cause__ is None:
                    raise
                with database_errors(self._settings):
                    raise error.__cause__ from None
        except TimeoutError:
            raise ToolError(
                f"{name} took longer than {CALL_SECONDS:.0f} seconds and was given up. Narrow it, or try again."
            ) from None
        except ValidationError as error:
            raise ToolError(f"{name}: {_wrong(error)}.") from None
        except (ConfigurationError, DatabaseUnavailable) as error:  # our own words
            raise ToolError(one_line(redact(str(error)), MAX_ERROR)) from None
        except HooklineError as error:  # may repeat what a vendor or a sender wrote
            raise ToolError(mark(error, MAX_ERROR)) from None
        except ToolError:
            raise
        except Exception as error:
            raise UnexpectedToolError(
                f"{name} failed unexpectedly ({type(error).__name__}); the log of hookline mcp says more."
            ) from error


def _compact(result: CallToolResult | InputRequiredResult) -> CallToolResult | InputRequiredResult:
    """Return the answer with a text that is as short as it can be: the SDK indents it, and models pay by the word."""
    if not isinstance(result, CallToolResult) or result.structured_content is None:
        return result
    text = json.dumps(_without_nulls(result.structured_content), ensure_ascii=False, separators=(",", ":"))
    return result.model_copy(update={"content": [TextContent(type="text", text=text)]})


def _without_nulls(value: Any) -> Any:
    match value:
        case dict():
            return {name: _without_nulls(inner) for name, inner in value.items() if inner is not None}
        case list():
            return [_without_nulls(inner) for inner in value]
        case _:
            return value


def _wrong(error: ValidationError) -> str:
    """Return which inputs are wrong and why, without their values."""
    found = error.errors(include_input=False, include_url=False)
    messages = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in found[:MAX_WRONG]]
    return one_line("; ".join(messages), MAX_ERROR)


def _quoted(name: str) -> str:
    return repr(one_line(name, MAX_NAME))


def _reading(tool: Callable[..., Any], title: str) -> Tool:
    hints = ToolAnnotations(
        read_only_hint=True,
        destructive_hint=False,
        idempotent_hint=True,
        open_world_hint=tool.__name__ in reads.OUTWARD,
    )
    return _tool(tool, title, hints)


def _writing(tool: Callable[..., Any], title: str) -> Tool:
    verb = writes.verb(tool.__name__)
    hints = ToolAnnotations(
        read_only_hint=False,
        destructive_hint=verb in writes.DESTRUCTIVE,
        idempotent_hint=False,
        open_world_hint=verb in writes.OUTWARD,
    )
    return _tool(tool, title, hints)


def _tool(tool: Callable[..., Any], title: str, hints: ToolAnnotations) -> Tool:
    made = Tool.from_function(
        tool, title=title, description=inspect.getdoc(tool), annotations=hints, structured_output=True
    )
    # The SDK would leave out a name that it does not know, and a filter with it: `_ensure_known` refuses it.
    made.parameters["additionalProperties"] = False
    return made
