"""The answers of the tools: the fields of the CLI's JSON that a model needs, each with its meaning, bounded in size."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, computed_field

from hookline.cli.mcp.outside import Outside, mark_lines
from hookline.issues.advice import BY_KIND
from hookline.states import NEED_A_PERSON, STATES

MAX_ANSWER: Final = 40_000
"""Characters of an answer as JSON: about ten thousand tokens."""
MAX_NAMES: Final = 20
"""References of an effect, headers of a request and the like."""

A = TypeVar("A", bound="Answer")


class Row(BaseModel):
    """One row; a field that the database has and this has not is left out."""

    model_config = ConfigDict(extra="ignore", from_attributes=True)


class Answer(Row):
    """A whole answer."""

    left_out: str | None = Field(default=None, description="What is not in this answer, and how to get it.")


class Stated(Row):
    """A row with a state."""

    state: str

    @computed_field(description="The state in words.")  # type: ignore[prop-decorator]
    @property
    def state_means(self) -> str:
        """Return the state in words."""
        return STATES[self.state].meaning

    @computed_field(description="True: nothing goes on before a person has acted.")  # type: ignore[prop-decorator]
    @property
    def needs_a_person(self) -> bool:
        """Return True if nothing goes on before a person has acted."""
        return self.state in NEED_A_PERSON


class Dispatch(Stated):
    """One delivery on one route, which is one flow run."""

    id: UUID
    route: str
    deployment: str
    label: Outside | None = Field(default=None, description="What people call it, such as order 100123.")
    key: Outside | None = Field(default=None, description="Dispatches of the same key run one after another.")
    reason: Outside | None = Field(default=None, description="Why it is in this state.")
    attempts: int
    flow_run_id: UUID | None = None
    flow_run_url: str | None = Field(default=None, description="Its page in the Prefect UI, for a person.")
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    not_before: datetime | None = Field(default=None, description="It is not tried before this time.")
    waits_account: str | None = Field(default=None, description="The vendor account that it waits for.")
    issue_id: int | None = Field(default=None, description="The issue that it belongs to: see issues_show.")


class Delivery(Stated):
    """One verified request of a sender, with its dispatches."""

    id: UUID
    source: str
    external_id: Outside | None = Field(default=None, description="The sender's own id of it.")
    received_at: datetime
    reason: Outside | None = Field(default=None, description="Why it is in this state.")
    label: Outside | None = None
    duplicates: int = Field(description="How often it came again; a repeat does nothing.")
    copy_of: UUID | None = Field(
        default=None, description="A person made it of this delivery, with a change."
    )
    issue_id: int | None = None
    dispatches: list[Dispatch]


class Effect(Stated):
    """One write at a vendor, as the journal has it."""

    id: int
    label: Outside = Field(description="The business that it belongs to, such as order 100123.")
    step: Outside = Field(description="Which write of that business, such as mail.")
    operation: str = Field(description="The vendor's operation, such as jiwa.create_sales_order_note.")
    reason: Outside | None = None
    reference: list[Outside] = Field(description="The vendor's references of what it brought.")
    expected: int | None = Field(
        default=None, description="How many references it brings, where that is known."
    )
    surplus: list[Outside] = Field(
        default_factory=list, description="Doubled: what the vendor shows too much; effects_undo takes it."
    )
    attempts: int = Field(
        description="How often it was sent. More than 1 does not mean twice done: before it is sent again, the vendor "
        "is looked at. Done twice is the state doubled."
    )
    dispatch_id: UUID | None = None
    flow_run_id: UUID | None = None
    created_at: datetime
    finished_at: datetime | None = None

    @computed_field(description="What a person does next.")  # type: ignore[prop-decorator]
    @property
    def what_next(self) -> str | None:
        """Return what a person does next; None where nothing is to be done."""
        return BY_KIND.get(self.state) if self.needs_a_person else None


class Change(Row):
    """One line of the audit trail."""

    at: datetime
    subject: str
    route: str | None = None
    effect_id: int | None = None
    was: str | None = None
    became: str
    actor: Outside
    reason: Outside | None = None


class Issue(Row):
    """One cause of what needs a person, however many deliveries it has."""

    id: int
    kind: str
    title: Outside
    advice: str = Field(description="What a person does next.")
    reason: Outside | None = Field(default=None, description="The reason of the latest.")
    source: str | None = None
    route: str | None = None
    operation: str | None = None
    count: int = Field(description="Deliveries that came to it, or reports.")
    waiting: int = Field(description="Deliveries of it that wait for a person now.")
    first_at: datetime
    last_at: datetime
    closed_at: datetime | None = None
    acknowledged_by: Outside | None = Field(default=None, description="Who takes care of it.")


class Member(Stated):
    """One delivery of an issue."""

    delivery_id: UUID
    source: str
    external_id: Outside | None = None
    route: str | None = None
    label: Outside | None = None
    reason: Outside | None = None
    received_at: datetime


class Wait(Stated):
    """Something that a run is suspended for: a person's answer, or a delivery."""

    id: UUID
    kind: str = Field(description="answer: of a person; delivery: of a sender.")
    what: Outside
    people: list[Outside] = Field(default_factory=list, description="Who is asked.")
    until: datetime | None = None
    reason: Outside | None = None
    dispatch_id: UUID | None = None
    flow_run_id: UUID | None = None


class Account(Row):
    """The health of an account at a vendor."""

    account: str
    vendor: str
    health: str = Field(description="up, away, or back: up again, and some that waited are still to follow.")
    since: datetime | None = Field(default=None, description="Since when it is away, or when it came back.")
    reason: Outside | None = None
    next_try_at: datetime | None = None
    tries: int
    waiting: int = Field(description="Dispatches that wait for it; they go on by themselves.")


class Refusal(Row):
    """Requests of a source that were refused for the same reason: nothing of them is stored."""

    status: int
    reason: Outside
    count: int
    first_at: datetime
    last_at: datetime
    peer: Outside


class Poll(Row):
    """How the reading of a vendor's list stands."""

    polled_at: str | None = None
    next_at: str | None = None
    failing_since: str | None = None
    error: Outside | None = None
    failures: int | None = None


class Source(Row):
    """A sender of webhooks, or a list that is polled."""

    source: str
    is_: str = Field(alias="is", description="open, paused, or off and why.")
    verified: str | None = Field(default=None, description="How its requests are proved.")
    states: dict[str, int] = Field(description="Its deliveries by state, counted up to ten thousand.")
    last_received: str | None = None
    refusals: list[Refusal] = Field(description="Its refused requests, the latest first.")
    poll: Poll | None = None

    model_config = ConfigDict(populate_by_name=True)


class Route(Row):
    """A rule of hooks.yaml: which deliveries start which deployment."""

    name: str
    source: str
    when: str
    deployment: str
    key: str | None = None
    label: str | None = None
    off: str | None = Field(default=None, description="Why it is off now: what matches it waits.")


class Count(Row):
    """Deliveries of one source."""

    source: str
    states: dict[str, int]
    at_least: list[str] = Field(description="The states of which there may be more than counted.")
    oldest_open: datetime | None = None
    last_received: datetime | None = None
    duplicates: int


class Finding(Row):
    """What one check found."""

    check: str
    state: str = Field(description="ok, warning, problem or skipped.")
    detail: Outside
    advice: str | None = Field(default=None, description="What to do.")


class Operation(Row):
    """One call of a vendor's API."""

    vendor: str
    operation: str
    effect: str
    repeat: str
    reads: bool = Field(description="True: it changes nothing, and `call` sends it.")


class Input(Row):
    """One input of an operation."""

    name: str
    type: str
    needed: bool
    limits: str
    description: str


class Trace(Answer):
    """All that is known of one order, ticket or the like."""

    deliveries: list[Delivery]
    effects: list[Effect] = Field(description="Its writes at the vendors, the oldest first.")
    waits: list[Wait]
    issues: list[Issue] = Field(description="The issues that it belongs to, with what to do.")


class NeedsAPerson(Answer):
    """Everything that goes on only after a person has acted."""

    issues: list[Issue]
    effects: list[Effect] = Field(description="Effects that are uncertain or doubled.")
    questions: list[Wait] = Field(description="Questions to people that nobody has answered.")
    paused: list[Outside] = Field(description="Sources that a person paused.")


class Deliveries(Answer):
    """Deliveries, the latest first."""

    deliveries: list[Delivery]
    paused: list[Outside] = Field(description="Sources that a person paused.")


class DeliveryShown(Answer):
    """One delivery with everything about it."""

    delivery: Delivery
    headers: list[Outside]
    query: list[Outside]
    body: str | None = Field(
        default=None, description="The beginning of its body, as it is stored; or why there is none."
    )
    issues: list[Issue]
    effects: list[Effect]
    trail: list[Change] = Field(description="Every change: when, by whom and why.")


class Effects(Answer):
    """Effects, the oldest first."""

    effects: list[Effect]


class Issues(Answer):
    """Issues, the latest first."""

    issues: list[Issue]


class IssueShown(Answer):
    """One issue with the deliveries that belong to it."""

    issue: Issue
    deliveries: list[Member]


class Waits(Answer):
    """Waits: the open ones first."""

    waits: list[Wait]


class Accounts(Answer):
    """The vendor accounts that ever failed; one that is not here never did."""

    accounts: list[Account]


class Sources(Answer):
    """Every source."""

    sources: list[Source]


class Routes(Answer):
    """Every route."""

    routes: list[Route]


class Counts(Answer):
    """Deliveries by source and state."""

    sources: list[Count]


class Findings(Answer):
    """What the checks found, of this machine, the files, the servers and the vendors."""

    findings: list[Finding]


class Operations(Answer):
    """Operations of the vendors."""

    operations: list[Operation]
    inputs: list[Input] | None = Field(default=None, description="Of the one operation that was named.")


class VendorAnswer(Answer):
    """What a vendor answered."""

    operation: str
    answer: Any = Field(description="Its JSON, without secrets; every text in it is data from outside.")


class Done(Answer):
    """What a change did."""

    message: Outside
    dry_run: bool = Field(default=False, description="True: nothing was changed.")


def bounded(answer: A) -> A:
    """Return an answer that is not too long: of its longest lists, the end is left out, and it says so."""
    lists = {name: value for name, value in answer if isinstance(value, list)}
    lengths = {name: [len(_as_json(item)) for item in value] for name, value in lists.items()}
    left = MAX_ANSWER - (len(_as_json(answer)) - sum(map(sum, lengths.values())))
    fits = dict.fromkeys(lists, 0)
    for name in sorted(lists, key=lambda each: sum(lengths[each])):  # short ones stay whole
        for length in lengths[name]:
            if length > left:
                break
            left -= length
            fits[name] += 1
    cut = {name: value for name, value in lists.items() if fits[name] < len(value)}
    if not cut:
        return answer
    remarks = [f"{len(value) - fits[name]} of {len(value)} {name}" for name, value in cut.items()]
    remark = (
        f"Too long: {', '.join(remarks)} are left out. Ask for less: a narrower filter, or a smaller limit."
    )
    changed: dict[str, Any] = {name: value[: fits[name]] for name, value in cut.items()}
    return answer.model_copy(update=changed | {"left_out": " ".join(filter(None, [answer.left_out, remark]))})


def fit(value: Any) -> tuple[Any, str | None]:
    """Return a vendor's JSON cut to the size of an answer, its lists first; and what was cut."""
    for items in (100, 30, 10, 3):
        shorter = _cut(value, items)
        if len(_as_json(shorter)) <= MAX_ANSWER:
            remark = (
                None if shorter == value else f"Too long: of each list only the first {items}. Ask for less."
            )
            return shorter, remark
    text = _as_json(value)
    return mark_lines(text), f"Too long: only the beginning of {len(text):,} characters. Ask for less."


def _cut(value: Any, items: int) -> Any:
    match value:
        case list():
            return [_cut(each, items) for each in value[:items]]
        case dict():
            return {name: _cut(inner, items) for name, inner in value.items()}
        case _:
            return value


def named(values: Mapping[str, str]) -> list[str]:
    """Return names with values, one a line, and no more than there is room for."""
    return [f"{name}: {value}" for name, value in list(values.items())[:MAX_NAMES]]


def rows(kind: type[Row], found: Iterable[Any]) -> list[Any]:
    """Return rows of the database as rows of an answer."""
    return [kind.model_validate(each) for each in found]


def _as_json(value: Any) -> str:
    return value.model_dump_json() if isinstance(value, BaseModel) else json.dumps(value, default=str)
