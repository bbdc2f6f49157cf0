"""What a specification says can be called: OpenAPI 3.0 and 3.1, and Swagger 2, as values that are all alike."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal
from urllib.parse import quote, urlsplit

from hookline.new_vendor.document import Document, LeftOut, SpecError
from hookline.new_vendor.names import ascii_words, field_name, function_name, singular, snake
from hookline.text import do_you_mean, one_line

VERBS: Final = ("get", "post", "put", "patch", "delete")
MAX_OPERATIONS: Final = 400
PARTS: Final = re.compile(r"\{([^{}]*)\}")
_USUAL: Final = {"get": "get", "post": "create", "put": "update", "patch": "update", "delete": "delete"}
_ODD: Final = re.compile(r"[\s?#\\]|\.\.|//")
_ADDRESS: Final = re.compile(r"[A-Za-z0-9._~:/\[\]%@!$&()*+,;=-]+")
_UNSENT: Final = frozenset(
    {"accept", "content-type", "authorization", "content-length", "content-encoding", "host"}
)
"""Headers that are not inputs: the client sets them itself."""

_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
"""The name of a header, by RFC 9110."""
_PER_CALL: Final = frozenset(
    {"request", "nonce", "timestamp", "correlation", "trace", "traceparent", "transaction", "signature"}
)
"""Words of headers that are others for each call, and so no settings."""
MAX_TEXT: Final = 2000
"""Letters of a text that are read: one sentence is taken of it."""

Place = Literal["path", "query", "header"]
Kind = Literal["none", "bearer", "basic", "header", "query", "oauth2"]


@dataclass(frozen=True)
class Parameter:
    """An input of a call that is not in its body."""

    name: str
    place: Place
    schema: dict[str, Any]
    required: bool = False
    about: str = ""
    joined: bool = False
    """True for a list that is sent as one text, with commas."""


@dataclass(frozen=True)
class Call:
    """One call that the service offers."""

    name: str
    verb: str
    path: str
    """With placeholders that are names in Python."""
    summary: str
    parameters: tuple[Parameter, ...]
    body: dict[str, Any] | None
    """The schema of its JSON body; None: it has none."""
    media_type: str
    """The media type of its body."""
    answer: dict[str, Any] | None
    """The schema of its answer; None: it answers nothing, an empty one: something of any form."""
    status: int
    """The status of a good answer."""
    tag: str = ""
    original: str = ""
    """Its operationId, or its verb and path, as the specification has it."""

    @property
    def keys(self) -> list[str]:
        """Return the names in braces in the path."""
        return PARTS.findall(self.path)

    @property
    def ends_in_key(self) -> bool:
        """Return True if its path names one record at its end."""
        return self.path.endswith("}")

    def inputs(self, place: Place) -> list[Parameter]:
        """Return the parameters in a place."""
        return [each for each in self.parameters if each.place == place]


@dataclass(frozen=True)
class Login:
    """How the service knows its caller."""

    kind: Kind
    name: str = ""
    """The header or the parameter that holds the key."""
    token_url: str = ""
    scopes: str = ""
    note: str = ""
    """What is assumed about it, for people."""


@dataclass(frozen=True)
class Service:
    """A service as its specification describes it."""

    title: str
    version: str
    base_url: str
    login: Login
    headers: tuple[Parameter, ...]
    """Headers that every call needs: settings of the account."""
    calls: tuple[Call, ...]
    left_out: tuple[tuple[str, str], ...]
    """What became no operation: which, and why."""
    notes: tuple[str, ...] = ()


@dataclass
class _Reading:
    """The calls read so far."""

    document: Document
    is_swagger: bool
    calls: list[Call] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)


def read_service(document: Document, only: tuple[str, ...] = (), base_url: str = "") -> Service:
    """
    Return what a specification offers.

    Args:
        document: the specification.
        only: the operations to take, by name, operationId or verb and path; all, unless some are named.
        base_url: the address to take in place of the specification's.

    Raises:
        SpecError: it is no OpenAPI text, or nothing in it can be called; names the place.
    """
    root = document.root
    reading = _Reading(document, _is_swagger(document))
    paths = root.get("paths")
    if not isinstance(paths, dict) or not paths:
        also = " It has webhooks only, which are no calls." if root.get("webhooks") else ""
        raise SpecError(f"{document.name}: `paths` is empty or not there, so nothing can be called.{also}")
    for path, item in paths.items():
        _read_path(reading, path, item)
    calls = _chosen(reading, only)
    headers = _common_headers(calls)
    info = root.get("info")
    info = info if isinstance(info, dict) else {}
    return Service(
        title=one_line(str(info.get("title") or ""), 60),
        version=one_line(str(info.get("version") or ""), 20),
        base_url=base_url or _server(root, reading.is_swagger),
        login=_login(document, reading.is_swagger),
        headers=headers,
        calls=tuple(_without(each, headers) for each in calls),
        left_out=tuple(reading.left_out),
        notes=tuple(dict.fromkeys(reading.notes)),
    )


def _is_swagger(document: Document) -> bool:
    version = str(document.root.get("openapi") or "")
    if re.fullmatch(r"3\.[01](\.\d+)?.*", version):
        return False
    if str(document.root.get("swagger") or "") == "2.0":
        return True
    had = f"it says {version!r}" if version else "it has no field `openapi`"
    raise SpecError(
        f"{document.name}: this is no OpenAPI 3.0 or 3.1 and no Swagger 2: {had}. Name another file."
    )


def _chosen(reading: _Reading, only: tuple[str, ...]) -> list[Call]:
    """Return the calls of these names, or all of them."""
    by_name = {known: call for call in reading.calls for known in (call.name, call.original)}
    if not only:
        chosen = reading.calls
    else:
        for name in only:
            if name in by_name:
                continue
            reasons = [why for which, why in reading.left_out if name in (which, snake(which))]
            if reasons:
                raise SpecError(f"{reading.document.name}: {name} cannot become an operation: {reasons[0]}.")
            hint = (
                do_you_mean(name, by_name)
                or f"; there are: {', '.join(call.name for call in reading.calls[:20])}"
            )
            raise SpecError(f"{reading.document.name} has no operation {name!r}{hint}.")
        chosen = list({by_name[name].name: by_name[name] for name in only}.values())
        reading.left_out.clear()
    chosen = _at_different_addresses(reading, chosen)
    if not chosen:
        which, why = reading.left_out[0] if reading.left_out else ("paths", "no path has a call")
        raise SpecError(f"{reading.document.name}: nothing in it can be called; {which}: {why}.")
    if len(chosen) > MAX_OPERATIONS:
        raise SpecError(
            f"{reading.document.name} has {len(chosen)} operations, and {MAX_OPERATIONS} are the most at once. "
            "Name those that you need: --operations a,b,c."
        )
    return chosen


def _at_different_addresses(reading: _Reading, calls: list[Call]) -> list[Call]:
    """Return the calls without those whose address is that of another, which only their values tell apart."""
    first: dict[tuple[str, str], Call] = {}
    for call in calls:
        known = first.setdefault((call.verb, PARTS.sub("{}", call.path)), call)
        if known is not call:
            reading.left_out.append((call.original, f"its address is that of {known.name}"))
    return list(first.values())


# Calls --------------------------------------------------------------------------------------------------------


def _read_path(reading: _Reading, path: str, raw: Any) -> None:
    try:
        item = reading.document.resolve(raw)
    except LeftOut as error:
        reading.left_out.append((path, str(error)))
        return
    for verb in VERBS:
        if verb in item:
            where = f"{verb.upper()} {path}"
            try:
                reading.calls.append(_call(reading, verb, path, item))
            except LeftOut as error:
                operation = item[verb]
                name = operation.get("operationId") if isinstance(operation, dict) else None
                reading.left_out.append((str(name or where), one_line(str(error), 200)))
    for verb in ("head", "options", "trace"):
        if verb in item:
            reading.left_out.append((f"{verb.upper()} {path}", "it brings no record"))


def _call(reading: _Reading, verb: str, path: str, item: dict[str, Any]) -> Call:
    document = reading.document
    operation = document.resolve(item[verb])
    raw = [*_list(item.get("parameters")), *_list(operation.get("parameters"))]
    resolved = [document.resolve(each) for each in raw]
    own = {(str(each.get("name")), str(each.get("in"))): each for each in resolved}
    parameters = [each for one in own.values() if (each := _parameter(reading, one)) is not None]
    body, media_type = _body(reading, operation, own.values())
    answer, status = _answer(reading, operation)
    made_path, parameters = _named_path(path, parameters, _properties(document, body))
    original = str(operation.get("operationId") or "")
    if original and original in reading.ids:
        reading.notes.append(
            f"Two operations are called {original}: the second is named by its verb and path."
        )
        original = ""
    reading.ids.add(original)
    taken = {call.name for call in reading.calls}
    # A part of names such as `Orders.list` that all share says nothing, but is the vendor's own name.
    name = function_name(original or _path_name(verb, path), taken)
    tags = _list(operation.get("tags"))
    return Call(
        name=name,
        verb=verb.upper(),
        path=made_path,
        summary=_sentence(operation, name),
        parameters=tuple(parameters),
        body=body,
        media_type=media_type,
        answer=answer,
        status=status,
        tag=one_line(str(tags[0]), 60) if tags else "",
        original=original or f"{verb.upper()} {path}",
    )


def _named_path(path: str, parameters: list[Parameter], in_body: set[str]) -> tuple[str, list[Parameter]]:
    """Return the path and the parameters, its placeholders as names that Python takes and that no other input has."""
    if not path.startswith("/") or _ODD.search(path):
        raise LeftOut(f"the path {path[:80]!r} has a blank, a query or another part that no path has")
    known = {each.name: each for each in parameters if each.place == "path"}
    taken = {each.name for each in parameters if each.place != "path"} | in_body
    segments, made = [], []
    for segment in path.split("/"):
        if not (names := PARTS.findall(segment)):
            if "{" in segment or "}" in segment:
                raise LeftOut(f"the path {path[:80]!r} has a brace without another")
            segments.append(quote(segment, safe="%:@!$&'()*+,;=~-._"))
            continue
        if segment != f"{{{names[0]}}}" or not names[0]:
            raise LeftOut(f"in the path {path[:80]!r}, {segment!r} is a placeholder with something beside it")
        name = field_name(names[0], ())
        if name in taken:
            owner = next((each for each in reversed(segments) if each and "{" not in each), "")
            name = field_name(f"{singular(snake(owner)) or 'path'}_{name}", taken)
        if name in taken:
            raise LeftOut(f"the path {path[:80]!r} has {names[0]!r} twice")
        taken.add(name)
        segments.append(f"{{{name}}}")
        like = known.get(names[0], Parameter(names[0], "path", {"type": "string"}))
        made.append(replace(like, name=name, place="path", required=True, joined=False))
    return "/".join(segments), [*made, *(each for each in parameters if each.place != "path")]


def _parameter(reading: _Reading, raw: dict[str, Any]) -> Parameter | None:
    """Return a parameter; None for what the client sets itself or that nobody needs to send."""
    name, place, required = str(raw.get("name") or ""), raw.get("in"), raw.get("required") is True
    is_set_by_client = place == "header" and name.lower() in _UNSENT
    if place in ("body", "formData") or not name or is_set_by_client:
        return None
    if place == "header" and not _HEADER.fullmatch(name):
        _leave_unsent(reading, required, f"{name[:80]!r} is no name of a header")
        return None
    schema = raw if reading.is_swagger else raw.get("schema", {})
    schema = schema if isinstance(schema, dict) else {}
    kind = _kind(reading.document.resolve(schema))
    if place not in ("path", "query", "header"):
        _leave_unsent(reading, required, f"{name} is a cookie")
        return None
    if "content" in raw or kind == "object":
        _leave_unsent(reading, required, f"{name} is an object in the {place}")
        return None
    if place == "header" and kind == "array":
        _leave_unsent(reading, required, f"{name} is a list in a header")
        return None
    joined = kind == "array" and (
        raw.get("collectionFormat", "csv") == "csv" if reading.is_swagger else raw.get("explode") is False
    )
    if place == "path" and kind == "array":
        schema = {"type": "string"}
    return Parameter(name, place, schema, required, one_line(str(raw.get("description") or ""), 200), joined)


def _leave_unsent(reading: _Reading, required: bool, reason: str) -> None:
    if required:
        raise LeftOut(f"{reason}, which is not sent")
    reading.notes.append(f"Not sent: {reason}.")


def _body(reading: _Reading, operation: dict[str, Any], parameters: Any) -> tuple[dict[str, Any] | None, str]:
    """Return the schema of the body and its media type; raise `LeftOut` for one that is not JSON."""
    if reading.is_swagger:
        if any(each.get("in") == "formData" for each in parameters):
            raise LeftOut("its body is a form, and only JSON is sent")
        found = next((each for each in parameters if each.get("in") == "body"), None)
        return (None, "") if found is None else (_schema(found), "application/json")
    if "requestBody" not in operation:
        return None, ""
    request = reading.document.resolve(operation["requestBody"])
    content = request.get("content")
    content = content if isinstance(content, dict) else {}
    chosen = _json_of(content)
    if chosen is None:
        if content and request.get("required") is True:
            raise LeftOut(f"its body is {_types(content)}, and only JSON is sent")
        if content:
            raise LeftOut(f"its body is {_types(content)}, and only JSON is sent")
        return None, ""
    return _schema(content[chosen]), chosen


def _answer(reading: _Reading, operation: dict[str, Any]) -> tuple[dict[str, Any] | None, int]:
    """Return the schema of a good answer and its status; raise `LeftOut` for one that is not JSON."""
    responses = operation.get("responses")
    responses = responses if isinstance(responses, dict) else {}
    good = sorted(code for code in responses if re.fullmatch(r"2(\d\d|XX)", code, re.IGNORECASE))
    code = good[0] if good else "default" if "default" in responses else ""
    status = int(code) if code.isdecimal() else 200
    if not code or status in (204, 205):
        return None, status if code else 204
    response = reading.document.resolve(responses[code])
    if reading.is_swagger:
        return (_schema(response), status) if "schema" in response else (None, status)
    content = response.get("content")
    if not isinstance(content, dict) or not content:
        return None, status
    chosen = _json_of(content)
    if chosen is None:
        raise LeftOut(f"its answer is {_types(content)}, and only JSON is read")
    return _schema(content[chosen]), status


def _schema(holder: Any) -> dict[str, Any]:
    schema = holder.get("schema") if isinstance(holder, dict) else None
    return schema if isinstance(schema, dict) else {}


def _json_of(content: dict[str, Any]) -> str | None:
    """Return the media type that is JSON, the plain one first."""
    kinds = {name: name.split(";")[0].strip().lower() for name in content}
    plain = [name for name, kind in kinds.items() if kind in ("application/json", "text/json", "*/*")]
    other = [name for name, kind in kinds.items() if kind.endswith("+json")]
    return next(iter(plain + other), None)


def _types(content: dict[str, Any]) -> str:
    return one_line(", ".join(content), 80)


def _properties(document: Document, schema: dict[str, Any] | None) -> set[str]:
    """Return the names in the body that are sent beside the other inputs."""
    if schema is None:
        return set()
    resolved = document.resolve(schema)
    found = set(_dict(resolved.get("properties")))
    for each in _list(resolved.get("allOf")):
        found |= (
            _properties(document, each)
            if isinstance(each, dict) and each.get("$ref") != schema.get("$ref")
            else set()
        )
    return found


def _common_headers(calls: list[Call]) -> tuple[Parameter, ...]:
    """Return the headers that every call needs, each with the same value."""
    first = [each for each in calls[0].inputs("header") if each.required]
    return tuple(
        each
        for each in first
        if all(any(one.name == each.name and one.required for one in call.inputs("header")) for call in calls)
        and not is_idempotency_key(each.name)
        and not _PER_CALL & set(ascii_words(each.name))
    )


def is_idempotency_key(name: str) -> bool:
    """Return True for an input by which a vendor knows a repeat."""
    plain = "".join(letter for letter in name.lower() if letter.isalnum())
    return "idempoten" in plain or plain in ("xrequestkey", "clienttoken")


def _without(call: Call, headers: tuple[Parameter, ...]) -> Call:
    names = {each.name for each in headers}
    left = (each for each in call.parameters if not (each.place == "header" and each.name in names))
    return replace(call, parameters=tuple(left))


def _path_name(verb: str, path: str) -> str:
    """Return the name of a call without an operationId, by its verb and path: `list_invoices`, `get_invoice`."""
    literal = [snake(part) for part in path.split("/") if part and "{" not in part and snake(part)]
    if not literal:
        return verb
    last, is_record = literal[-1], path.rstrip("/").endswith("}")
    if verb == "get" and not is_record:
        return f"list_{'_'.join(literal)}" if singular(last) != last else f"get_{'_'.join(literal)}"
    return "_".join([_USUAL[verb], *literal[:-1], singular(last)])


def _sentence(operation: dict[str, Any], name: str) -> str:
    """Return what a call does, in one sentence."""
    for raw in (operation.get("summary"), operation.get("description")):
        text = plain_text(raw)
        sentence = re.split(r"(?<=[.!?])\s", text)[0].rstrip(".!?:, ")
        if sentence and len(sentence) <= 90:  # noqa: PLR2004
            return f"{sentence[0].upper()}{sentence[1:]}."
    return f"{' '.join(ascii_words(name)).capitalize()}."


def plain_text(raw: Any) -> str:
    """Return a text without markup, as one line of ASCII."""
    markup = r"<[^>]*>|[`*#]{1,3}(?=\S)|(?<=\S)[`*#]{1,3}|\[([^\]]*)\]\([^)]*\)"
    text = re.sub(markup, r"\1", str(raw or "")[:MAX_TEXT])
    text = text.replace("\u2019", "'").replace("\u2013", "-").replace("\\", "").replace('"', "'")
    plain = text.encode("ascii", "ignore").decode()
    return " ".join("".join(letter if letter.isprintable() else " " for letter in plain).split())


# The service --------------------------------------------------------------------------------------------------


def _server(root: dict[str, Any], is_swagger: bool) -> str:
    if is_swagger:
        schemes = [each for each in _list(root.get("schemes")) if each in ("https", "http")]
        host = str(root.get("host") or "")
        url = (
            f"{'https' if 'https' in schemes or not schemes else 'http'}://{host}{root.get('basePath') or ''}"
        )
        return _usable(url if host else "")
    for server in _list(root.get("servers")):
        if isinstance(server, dict) and (usable := _usable(_filled(server))):
            return usable
    return ""


def _filled(server: dict[str, Any]) -> str:
    """Return the address of a server, its variables at their defaults."""
    variables = _dict(server.get("variables"))

    def default(hole: re.Match[str]) -> str:
        return str(_dict(variables.get(hole[1])).get("default", hole[1]))

    return PARTS.sub(default, str(server.get("url")))


def _usable(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    is_address = parts.scheme in ("http", "https") and parts.hostname and parts.hostname.isascii()
    plain = (
        is_address
        and _ADDRESS.fullmatch(url)
        and not (parts.query or parts.fragment or parts.username or _ODD.search(parts.path))
    )
    return url.rstrip("/") if plain and url.isascii() and len(url) < 200 else ""  # noqa: PLR2004


def _login(document: Document, is_swagger: bool) -> Login:
    """Return the first log-in of the specification that a process can use by itself."""
    root = document.root
    schemes = (
        root.get("securityDefinitions")
        if is_swagger
        else _dict(root.get("components")).get("securitySchemes")
    )
    named = [name for each in _list(root.get("security")) if isinstance(each, dict) for name in each]
    every = _dict(schemes)
    ordered = [every[name] for name in named if name in every] + [
        each for name, each in every.items() if name not in named
    ]
    found = []
    for each in ordered:
        try:
            found += [login for login in [_scheme(document.resolve(each))] if login]
        except LeftOut:
            continue
    if not found:
        note = "The specification names no log-in that can be used here, so none is sent."
        return Login("none", note=note if every else "The specification names no log-in.")
    return found[0]


def _scheme(scheme: dict[str, Any]) -> Login | None:
    kind, form = scheme.get("type"), str(scheme.get("scheme") or "").lower()
    name = str(scheme.get("name") or "")
    if kind == "basic" or (kind == "http" and form == "basic"):
        return Login("basic")
    if kind == "http" and form == "bearer":
        return Login("bearer")
    if (
        kind == "apiKey"
        and scheme.get("in") in ("header", "query")
        and re.fullmatch(r"[\w.\-\[\]]{1,80}", name, re.ASCII)
    ):
        if scheme["in"] == "header" and name.lower() == "authorization":
            note = "The key is sent as the whole header Authorization; begin it with the word that the vendor wants."
            return Login("header", name, note=note)
        return Login(scheme["in"], name)
    if kind == "oauth2":
        return _oauth2(scheme)
    return None


def _oauth2(scheme: dict[str, Any]) -> Login | None:
    """Return the log-in of an application by id and secret, which needs no browser."""
    flows = {str(scheme.get("flow")): scheme} if "flow" in scheme else _dict(scheme.get("flows"))
    for name in ("clientCredentials", "application"):
        if name in flows:
            flow = _dict(flows[name])
            return Login("oauth2", token_url=_usable(str(flow.get("tokenUrl") or "")))
    for flow in flows.values():
        if url := _usable(str(_dict(flow).get("tokenUrl") or "")):
            note = (
                "The specification describes a log-in by a browser only. An application's id and secret are used "
                "at the same address: ask the vendor whether it takes them."
            )
            return Login("oauth2", token_url=url, note=note)
    return None


def _kind(schema: dict[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((each for each in kind if each != "null"), None)
    return str(kind or ("object" if "properties" in schema else ""))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def operations_of(service: Service) -> Iterator[str]:
    """Yield the names of the operations."""
    return (call.name for call in service.calls)
