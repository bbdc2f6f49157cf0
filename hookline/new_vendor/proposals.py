"""What a repeat of each call would do, proposed with the reason; a person who knows the vendor corrects it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from hookline.new_vendor.document import Document, LeftOut
from hookline.new_vendor.models import Made
from hookline.new_vendor.names import ascii_words, field_name, singular, snake
from hookline.new_vendor.spec import Call, is_idempotency_key

Repeat = Literal["safe", "readback", "never"]

OWN_CHOICE: Final = (
    "externalid", "externalreference", "externalref", "clientreference", "customreference", "ourreference",
    "reference", "referencenumber", "referenceid", "externalkey", "clientorderid", "merchantreference",
)  # fmt: skip
"""Fields whose value the caller chooses for itself."""
NUMBERS: Final = ("number", "code", "sku", "key", "slug")
"""Ends of fields that identify a record for people."""
READS: Final = frozenset(
    {"get", "list", "read", "find", "search", "query", "fetch", "show", "view", "count", "check"}
)
ACTS: Final = frozenset(
    {
        "send", "create", "add", "delete", "remove", "cancel", "submit", "pay", "activate", "deactivate", "enable",
        "disable", "trigger", "run", "restart", "execute", "approve", "reject", "revoke", "publish", "unsubscribe",
    }
)  # fmt: skip
"""Words in the name of a GET that changes something all the same."""
PLACES: Final = frozenset({"index", "position", "offset", "row", "rownumber", "linenumber"})
"""Ends of a path that name a place, where the next record is after a deletion."""
OCCURRENCES: Final = frozenset(
    {"transactionid", "eventid", "messageid", "usageid", "movementid", "entryid", "logid"}
)
"""Ids of what happens again and again: a code or a number in it is that of something else."""
SHARED: Final = ("username", "login", "email", "emailaddress", "name", "title", "label")
"""Fields of which two records may well have the same value."""


_WRAPS: Final = re.compile(r"[\w.-]*(\[\])?", re.ASCII)
"""Names of a field that need no quoting: it goes into the written code."""
_ALONE: Final = ("body", "items", "items[]", "body[]")
_MODEL: Final = re.compile(r"(?!Any$|Money$|Flag$|Moment$)[A-Z]\w*")


@dataclass(frozen=True)
class Proposal:
    """What a repeat of a call would do, why, and how the task is made."""

    repeat: Repeat
    reason: str
    readback: str = ""
    """The expression that makes its read-back."""
    of: str = ""
    found_by: str = ""
    reference: str = ""
    key_input: str = ""
    """The input that takes an idempotency key."""


@dataclass(frozen=True)
class Shape:
    """Where a call has its record: the table, its key, and the fields of body and answer that hold it."""

    table: str
    key: str
    is_number: bool
    body: str
    answer: str | None
    wraps: str = ""


class Proposals:
    """The proposals for some calls, which know each other."""

    def __init__(self, document: Document, made: Sequence[Made], client: str) -> None:
        self.document = document
        self.made = made
        self.client = client
        self._by_place: Mapping[tuple[str, str], Made] = {
            (each.call.verb, _pattern(each.call.path)): each for each in made
        }

    def of(self, made: Made) -> Proposal:
        """Return the proposal for a call."""
        call = made.call
        key = next(
            (each for each in call.inputs("header") + call.inputs("query") if is_idempotency_key(each.name)),
            None,
        )
        match call.verb:
            case "GET" if _acts(call):
                return Proposal("never", "it is a GET, but its name says that it does something")
            case "GET":
                return Proposal("safe", "it only reads")
            case "DELETE":
                return self._deletion(made)
            case "PATCH":
                return self._change(made)
            case "PUT" if key is None and self._is_whole(call):
                return Proposal("safe", "a repeat puts the same whole record in its place")
        found = self._creation(made)
        return self._with_key(found, key.name, made.fields[key.name]) if key else found or self._never(made)

    def _with_key(self, found: Proposal | None, key: str, name: str) -> Proposal:
        """Return the proposal for a call that takes an idempotency key."""
        if found is None:
            reason = f"the vendor knows a repeat by {key}, for as long as its documents say"
            return Proposal("readback", reason, key_input=name)
        reason = f"{found.reason}; {key} goes with it, by which the vendor knows a repeat"
        return replace(found, reason=reason, key_input=name)

    def shape(self, made: Made) -> Shape:
        """Return where a call has its record, for the simulator."""
        call = made.call
        parts = [part for part in call.path.split("/") if part]
        literal = [snake(part) for part in parts if "{" not in part]
        record = self._record_of(call)
        key = self._key(call, record)
        known = record if key in record else self._fields(call.answer or {})
        number = _kind(self._schema(known.get(key)), self.document) == "integer"
        answer, wraps = self._answer_form(made)
        return Shape(".".join(literal) or "root", key, number, self._body_form(made), answer, wraps)

    # The kinds of calls

    def _deletion(self, made: Made) -> Proposal:
        read = self._read_of(made.call)
        if not self._is_whole(made.call) or (made.call.ends_in_key and _plain(made.call.keys[-1]) in PLACES):
            return Proposal("never", "it names no record by its key, so a repeat may delete another one")
        if read is not None and made.call.ends_in_key and made.answer == "type(None)":
            return Proposal(
                "readback", "it happened if the record is gone", readback=f"gone({self._name(read)})"
            )
        return Proposal("safe", "a repeat finds nothing to delete, and NotFound then means that it is done")

    def _change(self, made: Made) -> Proposal:
        read = self._read_of(made.call)
        if read is None or not _MODEL.fullmatch(read.answer) or read.paging.has_rows or made.record in _ALONE:
            reason = "nothing reads the record that it changes, so nobody can see if it happened"
            return Proposal("never", reason)
        shows = self._fields(read.call.answer)
        if not (
            self._are_plain(made, shows) and (_MODEL.fullmatch(made.answer) or made.answer == "type(None)")
        ):
            return Proposal("never", f"{read.call.name} does not show all that it changes, as it was sent")
        inside = f', record_in="{made.fields[made.record]}"' if made.record else ""
        return Proposal(
            "readback",
            f"{read.call.name} reads the record, and it happened if all the inputs are in it",
            readback=f"changed({self._name(made)}, {self._name(read)}{inside})",
        )

    def _are_plain(self, made: Made, shows: Mapping[str, Any]) -> bool:
        """Return True if a record shows all inputs of a call, and each is a text, a whole number, or true or false."""
        inputs = self._inputs(made)
        kinds = {_kind(self._schema(each), self.document) for each in inputs.values()}
        is_plain = kinds <= {"string", "integer", "boolean"}
        dated = any(self._schema(each).get("format") in ("date", "date-time") for each in inputs.values())
        return bool(inputs) and is_plain and not dated and set(inputs) <= set(shows)

    def _creation(self, made: Made) -> Proposal | None:
        """Return the read-back of what creates a record, by a field that the caller chooses; None if there is none."""
        call = made.call
        listing = self._by_place.get(("GET", _pattern(call.path)))
        if call.ends_in_key or listing is None or not _shows_all(listing, call):
            return None
        row = self._fields(listing.paging.items)
        inputs = self._inputs(made)
        shape = self.shape(made)
        if shape.key not in row or "{" in listing.row or '"' in listing.row or listing.row == "Any":
            return None
        table = singular(shape.table.rsplit(".", 1)[-1])
        field = _chosen_field(
            table, [name for name in inputs if name in row and _is_text(inputs[name], self.document)]
        )
        if field is None or not _is_spelt_alike(made, field) or self._hides(listing, row):
            return None
        if not _WRAPS.fullmatch(shape.wraps) or (shape.answer is None and made.answer != "type(None)"):
            return None
        is_alike = _plain(field) in SHARED
        if is_alike and not self._are_plain(made, row):
            return None
        asks = next(
            (
                each.name
                for each in listing.call.inputs("query")
                if _plain(each.name) in (_plain(field), f"{_plain(field)}s")
            ),
            "",
        )
        record, name, key = (
            made.fields.get(made.record.removesuffix("[]"), ""),
            field_name(field, ()),
            field_name(shape.key, ()),
        )
        way = f"{record}.{name}" if record else name
        options = [f'key="{key}"']
        options += [f'asks="{listing.fields[asks]}"'] if asks and not asks.endswith("s") else []
        options += [f'record_in="{record}"'] if record else []
        options += [f'wraps="{shape.wraps}"'] if shape.wraps else []
        options += ["is_alike=True"] if is_alike else []
        also = ", and all other inputs" if is_alike else ", which the caller chooses: one of its own for each"
        return Proposal(
            "readback",
            f"{listing.call.name} finds it by {field}{also}",
            f'found_by({self._name(made)}, {self._name(listing)}, "{name}", {", ".join(options)})',
            of=way,
            found_by=way,
            reference=f"{field_name(wraps, ()) if (wraps := shape.wraps.removesuffix('[]')) else ''}.{key}".strip(
                "."
            ),
        )

    def _hides(self, listing: Made, row: Mapping[str, Any]) -> bool:
        """Return True if a list leaves out some records unless asked, such as those of another status."""
        inputs = listing.call.inputs("query")
        return any(
            each.name in row and self._schema(each.schema).get("default") not in (None, "", "all")
            for each in inputs
        )

    def _never(self, made: Made) -> Proposal:
        listing = self._by_place.get(("GET", _pattern(made.call.path)))
        if made.call.verb == "PUT":
            reason = "nobody says that a repeat of this PUT changes nothing"
        elif listing is None or not listing.paging.has_rows:
            reason = "nothing lists what it made, so nobody can see if it happened"
        elif not listing.paging.is_complete:
            reason = f"{listing.call.name} shows only a part of what is there"
        else:
            reason = f"{listing.call.name} shows no field by which the caller could know it from others"
        return Proposal("never", reason)

    # What they look at

    def _is_whole(self, call: Call) -> bool:
        read = self._by_place.get(("GET", _pattern(call.path)))
        return call.ends_in_key or (read is not None and not read.paging.has_rows)

    def _read_of(self, call: Call) -> Made | None:
        read = self._by_place.get(("GET", _pattern(call.path)))
        needs = [each for each in read.call.parameters if each.required] if read else []
        return read if read and {each.name for each in needs} <= set(read.call.keys) else None

    def _record_of(self, call: Call) -> dict[str, Any]:
        """Return the fields of the records at a path: those of a row of its list, or of its record."""
        below = call.path.rsplit("/", 1)[0] if call.ends_in_key else call.path
        for place in (below, call.path):
            found = self._by_place.get(("GET", _pattern(place)))
            if found is not None and found.paging.has_rows and (fields := self._fields(found.paging.items)):
                return fields
        reads = [
            ("GET", _pattern(call.path)),
            ("GET", f"{_pattern(below)}/{{}}"),
            (call.verb, _pattern(call.path)),
        ]
        for each in reads:
            found = self._by_place.get(each)
            if found is not None and found.call.answer and not found.paging.has_rows:
                fields = self._fields(found.call.answer)
                inner = self._wrapped_in(fields, call)
                return self._fields(fields[inner]) if inner else fields
        return {}

    def _key(self, call: Call, record: Mapping[str, Any]) -> str:
        """Return the field that identifies a record: the placeholder at the end of a path, or its id."""
        ends = [call] if call.ends_in_key else []
        ends += [each.call for each in self.made if _pattern(each.call.path) == f"{_pattern(call.path)}/{{}}"]
        placeholder = ends[0].keys[-1] if ends else "id"
        names = {_plain(name): name for name in reversed(list(record))}
        table = singular(next((snake(p) for p in reversed(call.path.split("/")) if p and "{" not in p), ""))
        tries = [
            placeholder,
            placeholder.removeprefix(f"{table}_"),
            "id",
            f"{table}id",
            f"{table}_id",
            "uuid",
        ]
        return next((names[_plain(each)] for each in tries if _plain(each) in names), placeholder)

    def _wrapped_in(self, fields: Mapping[str, Any], call: Call) -> str:
        """Return the one field that holds the record, and is named as what the path names; "" if none does."""
        last = next((part for part in reversed(call.path.split("/")) if part and "{" not in part), "")
        if {"id", "uuid"} & {_plain(name) for name in fields}:
            return ""
        for name, schema in fields.items():
            holds = self._schema(schema)
            is_named = singular(_plain(name)) == singular(_plain(last)) or len(fields) == 1
            if is_named and (_kind(holds, self.document) == "object" or self._fields(holds)):
                return name
        return ""

    def _answer_form(self, made: Made) -> tuple[str | None, str]:
        """Return where the answer holds the record, as the simulator and as the read-back write it."""
        if made.call.answer is None:
            return None, ""
        if made.answer.startswith("list["):
            return "[]", "[]"
        if made.paging.has_rows:
            return f"{made.paging.rows}[]", ""
        fields = self._fields(made.call.answer)
        last = next((part for part in reversed(made.call.path.split("/")) if part and "{" not in part), "")
        for name, schema in fields.items():
            inner = self._schema(schema)
            if _kind(inner, self.document) == "array" and "id" not in {_plain(each) for each in fields}:
                same = snake(name) == snake(last) or name == made.record.removesuffix("[]")
                if same:
                    return f"{name}[]", f"{name}[]"
        inner_name = self._wrapped_in(fields, made.call)
        return inner_name, inner_name

    def _body_form(self, made: Made) -> str:
        if made.record and made.record not in ("body", "items"):
            return made.record
        return ""

    def _inputs(self, made: Made) -> dict[str, Any]:
        """Return the fields of the record that a call takes."""
        fields = self._fields(made.call.body or {})
        if made.record:
            inner = self._schema(fields.get(made.record.removesuffix("[]"), {}))
            fields = self._fields(inner.get("items", {}) if made.record.endswith("[]") else inner)
        return {
            name: each
            for name, each in fields.items()
            if not (isinstance(each, dict) and each.get("readOnly"))
        }

    def _fields(self, raw: Any, depth: int = 0) -> dict[str, Any]:
        schema = self._schema(raw)
        found = schema.get("properties")
        fields = dict(found) if isinstance(found, dict) else {}
        for union in ("allOf", "oneOf", "anyOf"):
            parts = schema.get(union)
            only = isinstance(parts, list) and (union == "allOf" or len(parts) == 1)
            if only and isinstance(parts, list) and depth < 4:  # noqa: PLR2004
                for part in parts:
                    fields |= self._fields(part, depth + 1)
        return fields

    def fields_of(self, raw: Any) -> dict[str, Any]:
        """Return the fields of a schema, with those of what it is made of."""
        return self._fields(raw)

    def _schema(self, raw: Any) -> dict[str, Any]:
        try:
            return self.document.resolve(raw)
        except LeftOut:
            return {}

    def _name(self, made: Made) -> str:
        return f"{self.client}.{made.call.name}"


def _pattern(path: str) -> str:
    """Return a path without the names of its placeholders."""
    return "/".join("{}" if part.startswith("{") else part for part in path.rstrip("/").split("/"))


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _acts(call: Call) -> bool:
    """Return True if the name of a GET says that it does something."""
    if " /" in call.original:  # it has none: its path must do
        last = next((part for part in reversed(call.path.split("/")) if part and "{" not in part), "")
        return ascii_words(last)[:1] != [] and ascii_words(last)[0] in ACTS
    words = ascii_words(call.original)
    return not READS & set(words[:1]) and bool(ACTS & set(words))


def _kind(schema: Mapping[str, Any], document: Document) -> str:
    del document
    kind = schema.get("type")
    return str(next((each for each in kind if each != "null"), "") if isinstance(kind, list) else kind or "")


def _is_text(raw: Any, document: Document) -> bool:
    try:
        schema = document.resolve(raw)
    except LeftOut:
        return False
    return (
        _kind(schema, document) == "string"
        and "enum" not in schema
        and schema.get("format") not in ("date", "date-time")
    )


def _chosen_field(table: str, names: Sequence[str]) -> str | None:
    """Return the field by which a record is found again: the one that is the caller's own before one that is shared."""
    plain = {_plain(name): name for name in reversed(names)}
    for each in OWN_CHOICE:
        if each in plain:
            return plain[each]
    happens = OCCURRENCES & {f"{_plain(table)}id", *plain}
    for each in () if happens else NUMBERS:
        for name in (each, f"{_plain(table)}{each}"):
            if name in plain:
                return plain[name]
    return next((plain[each] for each in SHARED if each in plain), None)


def _is_spelt_alike(made: Made, field: str) -> bool:
    """Return True if a field has the same name in Python in the inputs as in a row, where no other input has it."""
    return bool(made.record) or made.fields.get(field) == field_name(field, ())


def _shows_all(listing: Made, create: Call) -> bool:
    """Return True if a list can be read whole, by the inputs of a creation and its paging alone."""
    filled = {value for name, value in listing.paging.variables.items() if name.endswith("_input")}
    needs = {each.name for each in listing.call.parameters if each.required} - filled
    return listing.paging.is_complete and needs <= set(create.keys)


def words_of(name: str) -> str:
    """Return a name in words."""
    return " ".join(ascii_words(name))
