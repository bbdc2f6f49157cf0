"""
A stand-in for any service with records over REST: what is created comes back, by its key and in its list.

The base of the simulators that `hookline new vendor` writes, one line a call.
"""

import base64
import binascii
import copy
import hmac
import json
import secrets
import uuid
from collections.abc import Iterable
from typing import Any, ClassVar

from starlette.responses import JSONResponse, Response

from hookline.simulators.control import Call, Operation, RefusedError, Simulator, operation
from hookline.simulators.records import Document, Tokens

TOKEN_SECONDS = 3600.0
USER = "sandbox"

Table = dict[str, Document]


class RestSimulator(Simulator):
    """A service whose state is tables of records, empty at the beginning."""

    login: ClassVar[tuple[str, ...]] = ("none",)
    """How a caller logs in: `bearer`, `basic`, `oauth2`, or `header` or `query` and its name."""

    def __init__(self, dialect: int = 0) -> None:
        self._tokens: Tokens[str] = Tokens()
        super().__init__(dialect)

    @classmethod
    def secret(cls) -> str:
        """Return the key or password that it takes."""
        return f"sandbox-{cls.vendor}-secret"

    def seed(self) -> None:
        """Forget everything."""
        self.tables: dict[str, Table] = {}
        self.answered: dict[str, Any] = {}
        self._tokens.clear()

    def records(self) -> Document:
        """Return a copy of every record, by table."""
        return copy.deepcopy({name: list(table.values()) for name, table in self.tables.items()})

    def end_sessions(self) -> None:
        """Let every token lapse."""
        self._tokens.clear()

    def shared(self) -> Iterable[object]:
        """Return the tokens: a copy of what is stored has none of its own."""
        return (self._tokens,)

    def table(self, name: str) -> Table:
        """Return the records of a table, by key."""
        return self.tables.setdefault(name, {})

    def authorize(self, call: Call) -> None:
        """Let in a caller with the sandbox's secret."""
        kind, *names = self.login
        header = call.headers.get("authorization", "")
        match kind:
            case "none":
                return
            case "oauth2":
                is_known = self._tokens.get(header.removeprefix("Bearer ")) is not None
            case "basic":
                is_known = _is(_basic(header), f"{USER}:{self.secret()}")
            case "header":
                is_known = _is(call.headers.get(names[0], ""), self.secret())
            case "query":
                is_known = _is(call.query.get(names[0], ""), self.secret())
            case _:
                is_known = _is(header, f"Bearer {self.secret()}")
        if not is_known:
            raise RefusedError(401, "The credentials are missing or wrong.")

    def issue_token(self, call: Call) -> Document:
        """Answer a token for the sandbox's id and secret, sent as a form."""
        form = dict(each.partition("=")[::2] for each in call.content.decode("latin-1").split("&"))
        known = _is(form.get("client_id", ""), USER) and _is(form.get("client_secret", ""), self.secret())
        if form.get("grant_type") != "client_credentials" or not known:
            raise RefusedError(401, "invalid_client")
        token = secrets.token_urlsafe(24)
        self._tokens.add(token, TOKEN_SECONDS, USER)
        return {"access_token": token, "token_type": "Bearer", "expires_in": TOKEN_SECONDS}

    def render(self, _call: Call, value: Any, /) -> Response:
        """Answer JSON."""
        return JSONResponse(value)

    def refusal(self, error: RefusedError) -> Response:
        """Answer the reason as JSON."""
        return JSONResponse({"error": error.code or "error", "message": error.message}, error.status)


# The calls, one line each in a simulator's class


def rows(
    path: str,
    table: str,
    *,
    within: str = "",
    filters: tuple[str, ...] = (),
    page: str = "",
    first: int = 1,
    offset: str = "",
    cursor: str = "",
    next_in: str = "",
    size: str = "",
    total: str = "",
) -> Operation:
    """
    Declare the call that lists a table.

    Args:
        path: where.
        table: the table.
        within: the field of the answer that holds the rows; "": the answer is the list itself.
        filters: parameters that ask for records with this value in the field of that name.
        page: the parameter with the number of the page.
        first: the number of the first page.
        offset: the parameter with the number of rows before the page.
        cursor: the parameter that says where the page begins.
        next_in: the place in the answer of the cursor of the next page.
        size: the parameter with the number of rows on a page.
        total: the field of the answer with the number of all rows.
    """

    def handler(self: RestSimulator, call: Call) -> Any:
        found = [row for row in self.table(table).values() if _is_of(row, call) and _has(row, call, filters)]
        most = _number(call, size, 100) or 100
        begin = _number(call, offset or cursor, 0)
        if page:
            begin = (_number(call, page, first) - first) * most
        begin = call.start(begin)
        is_paged = bool(page or offset or cursor)
        chosen = found[begin : begin + most] if is_paged else found
        if not within:
            return chosen
        answer: Document = {within: chosen} | ({total: len(found)} if total else {})
        if next_in:
            left = begin + most < len(found)
            _put(answer, next_in, str(begin + most) if left else None)
        return answer

    return operation("GET", path)(handler)


def row(path: str, table: str, *, key: str, answer: str = "") -> Operation:
    """Declare the call that reads a record; `answer` is the field of the answer that holds it."""

    def handler(self: RestSimulator, call: Call) -> Any:
        return shaped(answer, [one(self, table, call, key)])

    return operation("GET", path)(handler)


def create(
    verb: str,
    path: str,
    table: str,
    *,
    key: str,
    is_number: bool = False,
    body: str = "",
    answer: str | None = "",
    status: int = 201,
    repeats_by: str = "",
) -> Operation:
    """
    Declare the call that adds a record, another one each time.

    Args:
        verb: its verb.
        path: where.
        table: the table.
        key: the field that identifies a record.
        is_number: True if the key is a number.
        body: the field of the body that holds the record, `orders[]` for a list of them.
        answer: the same, of the answer; None: it answers nothing.
        status: of the answer.
        repeats_by: the header with a key, by which a repeat is known and answered as before.
    """

    def handler(self: RestSimulator, call: Call) -> Response:
        repeat = call.headers.get(repeats_by, "") if repeats_by else ""
        if repeat and repeat in self.answered:
            return JSONResponse(self.answered[repeat], status)
        made = []
        for inputs in unwrapped(body, call):
            record: Document = dict(call.path) | inputs
            if record.get(key) in (None, ""):
                record[key] = secrets.randbelow(900_000) + 100_000 if is_number else str(uuid.uuid4())
            made.append(record)
            self.table(table)[str(record[key])] = record
        value = shaped(answer, made)
        if repeat:
            self.answered[repeat] = value
        return _response(answer, value, status)

    return operation(verb, path)(handler)


def update(
    verb: str, path: str, table: str, *, key: str, body: str = "", answer: str | None = "", status: int = 200
) -> Operation:
    """Declare the call that changes a record; what is left out stays."""

    def handler(self: RestSimulator, call: Call) -> Response:
        record = one(self, table, call, key)
        for inputs in unwrapped(body, call):
            record |= {name: value for name, value in inputs.items() if name != key}
        return _response(answer, shaped(answer, [record]), status)

    return operation(verb, path)(handler)


def remove(path: str, table: str, *, key: str, answer: str | None = None, status: int = 204) -> Operation:
    """Declare the call that takes a record away."""

    def handler(self: RestSimulator, call: Call) -> Response:
        record = one(self, table, call, key)
        self.tables[table] = {name: each for name, each in self.table(table).items() if each is not record}
        return _response(answer, shaped(answer, [record]), status)

    return operation("DELETE", path)(handler)


def act(verb: str, path: str, table: str, *, answer: str | None = "", status: int = 200) -> Operation:
    """Declare any other call: what is sent is stored, once each time, and answered."""

    def handler(self: RestSimulator, call: Call) -> Response:
        made = [dict(call.path) | inputs for inputs in unwrapped("", call)]
        if verb != "GET":
            for record in made:
                self.table(table)[str(uuid.uuid4())] = record
        return _response(answer, shaped(answer, made), status)

    return operation(verb, path)(handler)


def token(path: str) -> Operation:
    """Declare the call that exchanges the sandbox's id and secret for a token."""
    return operation("POST", path, public=True)(lambda self, call: self.issue_token(call))


# Their parts


def one(simulator: RestSimulator, table: str, call: Call, key: str) -> Document:
    """
    Return the record that the path names at its end.

    Raises:
        RefusedError: there is none.
    """
    value = list(call.path.values())[-1] if call.path else ""
    for record in simulator.table(table).values():
        if str(record.get(key)) == value:
            return record
    raise RefusedError(404, f"There is no {table} {value}.")


def unwrapped(body: str, call: Call) -> list[Document]:
    """
    Return the records in a body.

    Raises:
        RefusedError: it is no JSON, or has none.
    """
    try:
        value = json.loads(call.content) if call.content.strip() else {}
    except (ValueError, RecursionError):
        raise RefusedError(400, "The body is not JSON.") from None
    name = body.removesuffix("[]")
    inner = value.get(name) if name and isinstance(value, dict) else value
    records: list[Any] = inner if isinstance(inner, list) else [inner]
    if not all(isinstance(each, dict) for each in records):
        raise RefusedError(400, f"{name or 'The body'} must be an object.")
    return records


def shaped(answer: str | None, made: list[Document]) -> Any:
    """Return records as an answer holds them: `""` one, `order` one in a field, `orders[]` or `[]` all of them."""
    if answer is None:
        return None
    name = answer.removesuffix("[]")
    value: Any = made if answer.endswith("[]") else next(iter(made), {})
    return {name: value} if name else value


def _response(answer: str | None, value: Any, status: int) -> Response:
    return Response(status_code=status) if answer is None else JSONResponse(value, status)


def _is_of(record: Document, call: Call) -> bool:
    """Return True if the record was made below the records that the path names."""
    return all(str(record.get(name, value)) == value for name, value in call.path.items())


def _has(record: Document, call: Call, filters: tuple[str, ...]) -> bool:
    sought = {name: call.query[name] for name in filters if name in call.query}
    return all(str(record.get(name)) in (value, *value.split(",")) for name, value in sought.items())


def _number(call: Call, name: str, default: int) -> int:
    text = call.query.get(name, "") if name else ""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else default  # noqa: PLR2004


def _put(answer: Document, place: str, value: Any) -> None:
    *parents, last = place.split(".")
    for name in parents:
        answer = answer.setdefault(name, {})
    answer[last] = value


def _is(sent: str, known: str) -> bool:
    return hmac.compare_digest(sent.encode(), known.encode())


def _basic(header: str) -> str:
    try:
        return base64.b64decode(header.removeprefix("Basic "), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
