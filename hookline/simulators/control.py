"""
The base of every simulator: operations as values, faults, a request log and control routes.

A vendor's simulator is a subclass whose operations are methods, one each, named as in the operations table:

    @operation("GET", "/SalesOrders/{InvoiceID}")
    def get_sales_order(self, call: Call) -> Any: ...

A handler is plain code without `await`, so each call changes the state as a whole or not at all.
"""

import asyncio
import copy
import json
import math
import re
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self, final
from urllib.parse import unquote

from starlette.datastructures import Headers, QueryParams
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import Message, Receive, Scope, Send

from hookline.simulators.dialect import Dialect
from hookline.simulators.faults import FIELDS, Fault, Faults, InvalidControlError
from hookline.simulators.forms import LOGIN_PAGE, misshapen, page

ABORT = "hookline.abort"
"""Name of the ASGI extension (`server.AbortableProtocol`) that breaks the connection under a request."""

SENT_HEADERS = "hookline.sent_headers"
"""Name of the ASGI extension that holds a request's headers, their names in the case in which they were sent."""

REMEMBERED_REQUESTS = 50_000
LISTS = ("list_", "query_")
MASK = "***"
GUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)


Handler = Callable[[Any, "Call"], Any]


@dataclass(frozen=True, slots=True)
class Operation:
    """A call of a vendor's API and what the simulator does about it."""

    verbs: tuple[str, ...]
    path: str
    handler: Handler
    public: bool = False
    """True if it may be called without logging in."""
    control: bool = False
    """True for an order to the simulator itself: it meets no fault and no log-in, and is not logged."""
    name: str = ""
    """The name that it has in the simulator's class."""

    @property
    def lists(self) -> bool:
        """True if it answers a list, as its name says; what it answers may be behind what is stored."""
        return self.name.startswith(LISTS)


def operation(*verbs_and_path: str, public: bool = False) -> Callable[[Handler], Operation]:
    """Make a method an operation: its verbs, then its path. The method's name is the operation's."""
    *verbs, path = verbs_and_path
    return lambda handler: Operation(tuple(verbs), path, handler, public)


def control(verb: str, path: str) -> Callable[[Handler], Operation]:
    """Make a method a control route: an order to the simulator itself."""
    return lambda handler: Operation((verb,), path, handler, public=True, control=True)


@dataclass(slots=True)
class Call:
    """A request on its way through a simulator."""

    operation: Operation
    request: Request
    path: Mapping[str, str]
    """The values in the path, by placeholder."""
    content: bytes
    set_cookies: dict[str, str] = field(default_factory=dict)
    """Cookies that the response sets, whatever it is."""
    shift: int = 0
    """Rows that came before the page that is asked for, since the page before it was read."""

    def start(self, offset: int) -> int:
        """Return where the page at an offset begins, after the rows shifted; no row comes before the first page."""
        return max(0, offset - self.shift) if offset else 0

    @property
    def query(self) -> QueryParams:
        """The query string."""
        return self.request.query_params

    @property
    def headers(self) -> Headers:
        """The request's headers."""
        return self.request.headers

    @property
    def sent_headers(self) -> list[tuple[bytes, bytes]]:
        """The request's headers, their names in the case in which they were sent."""
        sent: list[tuple[bytes, bytes]] = self.request.scope["extensions"][SENT_HEADERS]
        return sent

    def document(self, refuse: Callable[[str], Exception], *, encodable: bool = True) -> dict[str, Any]:
        """
        Return the JSON object in the body; nothing at all counts as an empty one.

        Args:
            refuse: Makes the error to raise, from what is wrong with the body.
            encodable: Refuse half a surrogate pair too, which no answer could repeat.
        """
        try:
            body = json.loads(self.content) if self.content.strip() else {}
            if encodable:
                json.dumps(body, ensure_ascii=False).encode()
        except (ValueError, RecursionError):
            raise refuse("is not JSON") from None
        if not isinstance(body, dict):
            raise refuse("is not a JSON object")
        return body


class RefusedError(Exception):
    """An error that the vendor answers, in its own form."""

    def __init__(self, status: int, message: str, code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code


class Routes:
    """A finder of the operation for a verb and a path, without regard to case or a trailing slash."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self._by_length: dict[int, list[tuple[tuple[str, ...], Operation]]] = {}
        # A literal segment beats a placeholder, so routes with fewer placeholders are tried first.
        for each in sorted(operations, key=lambda one: one.path.count("{")):
            pattern = tuple(
                part if part.startswith("{") else part.lower() for part in each.path.strip("/").split("/")
            )
            self._by_length.setdefault(len(pattern), []).append((pattern, each))

    def find(self, verb: str, path: str) -> tuple[Operation | None, dict[str, str], bool]:
        """Return the operation, the values in the path, and True if the path is known at all."""
        parts = path.strip("/").split("/")
        lowered = [part.lower() for part in parts]
        known = False
        for pattern, each in self._by_length.get(len(parts), ()):
            if not all(part[0:1] == "{" or part == sent for part, sent in zip(pattern, lowered, strict=True)):
                continue
            known = True
            if verb in each.verbs:
                return each, _placeholders(pattern, parts), True
        return None, {}, known


def _placeholders(pattern: tuple[str, ...], parts: list[str]) -> dict[str, str]:
    return {part[1:-1]: unquote(sent) for part, sent in zip(pattern, parts, strict=True) if part[0:1] == "{"}


class RequestLog:
    """The requests to a simulator, in order; the oldest entries fall out."""

    def __init__(self) -> None:
        self._entries: deque[dict[str, Any]] = deque(maxlen=REMEMBERED_REQUESTS)
        self._last = 0

    def receive(self, operation: str | None, verb: str, path: str) -> dict[str, Any]:
        """Log a request; return the entry, which takes the outcome."""
        self._last += 1
        entry = {
            "seq": self._last,
            "at": time.time(),
            "operation": operation,
            "verb": verb,
            "path": path,
            "status": None,
            "fault": None,
            "held": False,
            "landed_at": None,
        }
        self._entries.append(entry)
        return entry

    def since(self, seq: int) -> list[dict[str, Any]]:
        """Return copies of the entries after the one numbered `seq`; 0 for all that are remembered."""
        if seq >= self._last:
            return []
        return [dict(entry) for entry in self._entries if entry["seq"] > seq]

    def clear(self) -> None:
        """Forget the entries; numbering goes on, so that a reader's last number stays good."""
        self._entries.clear()


class Landing:
    """What is still to land: calls whose answers were lost, and that are done later."""

    def __init__(self) -> None:
        self._waiting: dict[int, tuple[dict[str, Any], asyncio.TimerHandle | None]] = {}

    def __contains__(self, entry: dict[str, Any]) -> bool:
        return entry["seq"] in self._waiting

    def hold(self, entry: dict[str, Any]) -> None:
        """Note a logged request that waits for its caller to hang up."""
        self._waiting[entry["seq"]] = (entry, None)

    def add(self, entry: dict[str, Any], seconds: float, act: Callable[[], None]) -> None:
        """Let a logged request be acted on after so many seconds."""

        def land() -> None:
            del self._waiting[entry["seq"]]
            act()

        self._waiting[entry["seq"]] = (entry, asyncio.get_running_loop().call_later(seconds, land))

    def clear(self) -> None:
        """Let none of it happen."""
        for _, handle in self._waiting.values():
            if handle is not None:
                handle.cancel()
        self._waiting.clear()

    def listed(self) -> list[dict[str, Any]]:
        """Return what is to land, as JSON objects; `seconds_left` is null while its caller is still there."""
        now = time.monotonic()  # as the event loop's clock
        return [
            {
                "seq": seq,
                "operation": entry["operation"],
                "seconds_left": handle and max(0.0, handle.when() - now),
            }
            for seq, (entry, handle) in self._waiting.items()
        ]


@dataclass(frozen=True, slots=True)
class Replica:
    """A copy of what a simulator stored once, from which lists are answered until its time is over."""

    until: float
    """On the clock of `time.monotonic`."""
    holder: "Simulator"


class Simulator(ABC):
    """An ASGI application that stands in for one vendor."""

    vendor: ClassVar[str]
    secret_placeholders: ClassVar[frozenset[str]] = frozenset()
    """Values in the path that must not be in the request log."""
    operations: ClassVar[dict[str, Operation]] = {}
    _routes: ClassVar[Routes]
    _control_routes: ClassVar[Routes]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        declared: dict[str, Operation] = {}
        for parent in reversed(cls.__mro__):
            declared |= {
                name: replace(one, name=name)
                for name, one in vars(parent).items()
                if isinstance(one, Operation)
            }
        cls.operations = {name: one for name, one in declared.items() if not one.control}
        cls._routes = Routes(cls.operations.values())
        cls._control_routes = Routes(one for one in declared.values() if one.control)

    def __init__(self, dialect: int = 0) -> None:
        self.url = ""
        """Base address, without a trailing slash; set by the server before the first request."""
        self._first_dialect = dialect
        self.dialect = Dialect(self.vendor, dialect)
        self.faults = Faults(self.operations)
        self.log = RequestLog()
        self.landing = Landing()
        self._replicas: list[Replica] = []
        self._closing = asyncio.Event()
        self.seed()

    # The vendor's part

    @abstractmethod
    def seed(self) -> None:
        """Forget everything and set up the seed data."""

    @abstractmethod
    def records(self) -> dict[str, Any]:
        """Return what the vendor truly holds, as a copy."""

    @abstractmethod
    def authorize(self, call: Call) -> None:
        """
        Let the caller in.

        Raises:
            RefusedError: the credentials are missing, wrong or too weak.
        """

    @abstractmethod
    def render(self, call: Call, value: Any, /) -> Response:
        """Return the vendor's response for what a handler returned."""

    @abstractmethod
    def refusal(self, error: RefusedError) -> Response:
        """Return the vendor's response for an error."""

    def end_sessions(self) -> None:  # noqa: B027  (a vendor without sessions has none to end)
        """Let every session and token lapse at once, as if its time were over."""

    def shared(self) -> Iterable[object]:
        """Return the parts that a copy of what is stored has in common with it, such as sessions and senders."""
        return ()

    # In-process control, for tests

    def reset(self) -> None:
        """Return to the seed data: no faults, the first dialect, an empty request log, nobody logged in."""
        self.faults.clear()
        self.log.clear()
        self.landing.clear()
        self._replicas.clear()
        self.dialect.draw(self._first_dialect)
        self.seed()

    def speak(self, seed: int) -> None:
        """Speak the dialect that a seed draws, after each reset too; 0: what is likeliest."""
        self._first_dialect = seed
        self.dialect.draw(seed)

    def requests(self, since: int = 0, operation: str | None = None) -> list[dict[str, Any]]:
        """Return the request log after `since`, of one operation if named."""
        entries = self.log.since(since)
        return [entry for entry in entries if operation in (None, entry["operation"])]

    async def __aenter__(self) -> Self:
        self._closing.clear()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing.set()
        self.landing.clear()

    # The way of a request

    @final
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or break its connection."""
        request = Request(scope, receive)
        try:
            content = await request.body()
        except ClientDisconnect:
            return
        path = (scope.get("raw_path") or scope["path"].encode()).decode("ascii", "replace")
        if path == "/healthz" or path.startswith("/_sandbox"):
            response: Response | None = self._command(request, path, content)
        else:
            response = await self._simulate(request, path, content)
        if response is None:
            await _break_connection(scope, receive)
        else:
            await response(scope, receive, send)

    async def _simulate(self, request: Request, path: str, content: bytes) -> Response | None:
        """Return the response to a vendor's call; none when the connection is to be broken."""
        found, values, known = self._routes.find(request.method, path)
        entry = self.log.receive(
            found.name if found else None, request.method, self._masked(path, found, values)
        )
        if found is None:
            response: Response | None = self.refusal(no_route(request.method, known=known))
        else:
            fault = self.faults.strike(found.name)
            entry["fault"] = fault and fault.kind
            response = await self._perform(Call(found, request, values, content), fault, entry)
        entry["status"] = response and response.status_code
        return response

    async def _perform(self, call: Call, fault: Fault | None, entry: dict[str, Any]) -> Response | None:
        if fault is None:
            return self._act(call)
        match fault.kind:
            case "refuse":
                return self._error(fault.status, "refuse")
            case "throttle":
                response = self._error(429, "throttle")
                response.headers["Retry-After"] = str(math.ceil(fault.seconds))
                return response
            case "late":
                return await self._act_late(call, fault, entry)
            case _:
                return await self._act_struck(call, fault)

    async def _act_struck(self, call: Call, fault: Fault) -> Response | None:
        """Do it once or twice, and answer what is left of the answer."""
        if fault.kind == "latency" and not await self._wait(fault.seconds):
            return None
        if fault.kind == "show_late":
            self._replicas.append(Replica(time.monotonic() + fault.seconds, self._copy()))
        if fault.kind == "twice":
            self._act(call)
        if fault.kind == "shift":
            call.shift = fault.rows
        response = self._act(call, None if fault.done else self._copy())
        if fault.kind == "twice" and fault.answer == "error":
            return self._error(fault.status, "do this call twice")
        if fault.kind == "lose" or (fault.kind == "twice" and fault.answer is not None):
            return None
        return misshapen(response, fault.form, fault.field) if fault.kind == "garble" else response

    def _error(self, status: int, told_to: str) -> Response:
        return self.refusal(RefusedError(status, f"The sandbox was told to {told_to} this call."))

    def _act(self, call: Call, holder: "Simulator | None" = None) -> Response:
        """Do it, or only answer it: `holder` is a copy of what is stored, that nobody sees."""
        try:
            if not call.operation.public:
                self.authorize(call)
            response = self._handle(call, holder)
        except RefusedError as error:
            response = self.refusal(error)
        for name, cookie in call.set_cookies.items():
            response.set_cookie(name, cookie, httponly=True, samesite=None)
        return response

    def _handle(self, call: Call, holder: "Simulator | None" = None) -> Response:
        holder = holder or (self._behind() if call.operation.lists else self)
        value = call.operation.handler(holder, call)
        return value if isinstance(value, Response) else self.render(call, value)

    async def _act_late(self, call: Call, fault: Fault, entry: dict[str, Any]) -> Response | None:
        """Lose the answer, and do it the fault's seconds later, whatever the caller does."""

        def land() -> None:
            self._act(call)
            entry["landed_at"] = time.time()

        if fault.answer == "hold":
            entry["held"] = True
            self.landing.hold(entry)
            await self._until_hung_up(call.request)
            if entry not in self.landing:  # forgotten meanwhile
                return None
        self.landing.add(entry, fault.seconds, land)
        return self._error(fault.status, "do this call late") if fault.answer == "error" else None

    async def _until_hung_up(self, request: Request) -> None:
        """Wait until the caller hangs up, or the simulator closes."""
        waits = [asyncio.ensure_future(each) for each in (request.receive(), self._closing.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()

    # Copies that are behind, from which lists are answered

    def _copy(self) -> Self:
        """Return a copy of what is stored; all else that it has is the simulator's own."""
        own = (
            self.dialect,
            self.faults,
            self.log,
            self.landing,
            self._replicas,
            self._closing,
            *self.shared(),
        )
        return copy.deepcopy(self, {id(each): each for each in own})

    def _behind(self) -> "Simulator":
        """Return what lists are answered from: the oldest copy whose time is not over, or what is stored."""
        now = time.monotonic()
        self._replicas[:] = [each for each in self._replicas if each.until > now]
        return self._replicas[0].holder if self._replicas else self

    async def _wait(self, seconds: float) -> bool:
        """Wait; return False when the simulator closed meanwhile, so that closing need not wait too."""
        try:
            async with asyncio.timeout(seconds):
                await self._closing.wait()
        except TimeoutError:
            return True
        return False

    def _masked(self, path: str, found: Operation | None, values: Mapping[str, str]) -> str:
        if found is None:
            return GUID.sub(MASK, path)
        masked = {name: MASK if name in self.secret_placeholders else value for name, value in values.items()}
        return re.sub(r"\{(\w+)\}", lambda hole: masked[hole[1]], found.path)

    # Control routes

    def _command(self, request: Request, path: str, content: bytes) -> Response:
        found, values, known = self._control_routes.find(request.method, path)
        if found is None:
            error = no_route(request.method, known=known)
            return JSONResponse({"error": error.message}, error.status)
        try:
            value = found.handler(self, Call(found, request, values, content))
        except InvalidControlError as error:
            return JSONResponse({"error": str(error)}, 400)
        if value is None or isinstance(value, Response):
            return value or Response(status_code=204)
        return JSONResponse(value, 201 if request.method == "POST" else 200)

    @control("GET", "/healthz")
    def _report_health(self, _: Call) -> Any:
        return {"vendor": self.vendor}

    @control("POST", "/_sandbox/faults")
    def _add_fault(self, call: Call) -> Any:
        self.faults.add(**control_order(call, *FIELDS, required=("operation", "kind")))
        return self.faults.listed()[-1]

    @control("GET", "/_sandbox/faults")
    def _list_faults(self, _: Call) -> Any:
        return self.faults.listed()

    @control("DELETE", "/_sandbox/faults")
    def _clear_faults(self, _: Call) -> None:
        self.faults.clear()

    @control("GET", "/_sandbox/dialect")
    def _report_dialect(self, _: Call) -> Any:
        return self.dialect.listed()

    @control("POST", "/_sandbox/dialect")
    def _speak(self, call: Call) -> Any:
        order = control_order(call, "seed", "facts")
        seed, facts = order.get("seed", self.dialect.seed), order.get("facts", {})
        if type(seed) is not int:
            raise InvalidControlError("seed: must be a whole number")
        if not isinstance(facts, dict):
            raise InvalidControlError("facts: must be an object, of the variant of each fact by its id")
        if "seed" in order:
            self.dialect.draw(seed)
        self.dialect.speak(facts)
        return self.dialect.listed()

    @control("GET", LOGIN_PAGE)
    def _show_login(self, _: Call) -> Response:
        return HTMLResponse(page("Log in"))

    @control("GET", "/_sandbox/landing")
    def _list_landing(self, _: Call) -> Any:
        return self.landing.listed()

    @control("GET", "/_sandbox/requests")
    def _list_requests(self, call: Call) -> Any:
        since = call.query.get("since", "0")
        if not since.isdecimal():
            raise InvalidControlError("since: must be a whole number, 0 or more")
        return self.log.since(int(since))

    @control("GET", "/_sandbox/records")
    def _list_records(self, _: Call) -> Any:
        return self.records()

    @control("DELETE", "/_sandbox/sessions")
    def _end_sessions(self, _: Call) -> None:
        self.end_sessions()

    @control("POST", "/_sandbox/reset")
    def _reset(self, _: Call) -> None:
        self.reset()


def folded(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return the object with its names in lower case: these vendors read names in any case."""
    return {name.lower(): each for name, each in value.items()}


def control_order(call: Call, *fields: str, required: Iterable[str] = ()) -> dict[str, Any]:
    """
    Return the JSON object in a control request's body, with none but these fields.

    Raises:
        InvalidControlError: it is no such object; the text names the field that is not known or missing.
    """
    body = call.document(lambda why: InvalidControlError(f"body: {why}"))
    for name in body:
        if name not in fields:
            raise InvalidControlError(f"{name}: is not known; the fields are {', '.join(sorted(fields))}")
    for name in required:
        if name not in body:
            raise InvalidControlError(f"{name}: is missing")
    return body


def no_route(verb: str, *, known: bool) -> RefusedError:
    """Return the error for a path that is not there, or not there for this verb."""
    if known:
        return RefusedError(405, f"{verb} is not allowed here.", "MethodNotAllowed")
    return RefusedError(404, "There is no such resource.", "NotFound")


async def _break_connection(scope: Scope, receive: Receive) -> None:
    """Reset the TCP connection; the caller sees a connection error and no answer."""
    scope["extensions"][ABORT]()
    message: Message = {"type": ""}
    # The server would answer 500 for us if we returned before it has noticed that the peer is gone.
    while message["type"] != "http.disconnect":
        message = await receive()
