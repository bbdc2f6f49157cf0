"""The frame of a probe: its steps, what a step may do, and what comes of them."""

import asyncio
import json
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal

import httpx

from hookline.clients import (
    AnswerLost,
    InvalidInput,
    NotAllowed,
    NotAuthenticated,
    Operation,
    RateLimited,
    Unavailable,
    Unreachable,
    VendorClient,
    VendorError,
)
from hookline.errors import ConfigurationError, HooklineError
from hookline.facts import Fact, facts_of
from hookline.probe.shapes import sentence, shape
from hookline.vendors import NoPart, part

Verdict = Literal["as assumed", "otherwise", "not seen"]
Outcome = Literal["done", "skipped", "failed", "unheard"]

NOT_LET_IN: Final = (NotAuthenticated, NotAllowed)
AWAY: Final = (AnswerLost, RateLimited, Unavailable, Unreachable)
SHOWN_HEADERS: Final = ("content-type", "date", "location", "retry-after", "server", "www-authenticate")


@dataclass(frozen=True, slots=True)
class Exchange:
    """One call and what came of it."""

    operation: str
    inputs: dict[str, Any]
    status: int | None
    """HTTP status; None if there was no answer."""
    headers: Mapping[str, str]
    text: str
    answer: Any
    """The answer as the client reads it; None if it could not."""
    error: VendorError | None

    @property
    def says_nothing(self) -> bool:
        """Whether nothing of the vendor's API can be seen in it: no answer, or a page for people in its place."""
        if self.error is None or self.status is None:
            return self.error is not None
        is_page = "html" in self.headers.get("content-type", "") and httpx.codes.is_success(self.status)
        return is_page or httpx.codes.is_redirect(self.status) or isinstance(self.error, AWAY)

    @property
    def json(self) -> Any:
        """Return the JSON value that was answered; None if it is none."""
        try:
            return json.loads(self.text)
        except (ValueError, RecursionError):
            return None

    def recorded(self, secrets: Sequence[str], *, opens: bool = False) -> dict[str, Any]:
        """Return it without secrets and without anybody's data; with `opens` the whole answer may be a token."""
        value, whole = (self.json, "") if not opens else (self.json or self.text, "-")
        return {
            "operation": self.operation,
            "inputs": shape(self.inputs, "-", secrets),
            "status": self.status,
            "headers": {name: sentence(text, secrets) for name, text in self.headers.items()},
            "answer": shape(value, whole, secrets) if value is not None else sentence(self.text, secrets),
            "error": sentence(str(self.error), secrets) if self.error else None,
        }


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do at the vendor, and the facts on which it throws light."""

    name: str
    title: str
    run: Callable[["Probe"], Awaitable[None]]
    confirms: tuple[str, ...]
    writes: bool
    needs: tuple[str, ...]
    """Inputs that a person must give, such as a product on which a license may be made."""


def step(
    name: str,
    title: str,
    *,
    confirms: tuple[str, ...] = (),
    writes: bool = False,
    needs: tuple[str, ...] = (),
) -> Callable[[Callable[["Probe"], Awaitable[None]]], Step]:
    """Make a function a step of the probe of its module's vendor; `Step` says what each part means."""
    return lambda run: Step(name, title, run, confirms, writes, needs)


def steps_of(vendor: str) -> list[Step]:
    """
    Return the steps of a vendor in their order.

    Raises:
        ConfigurationError: it has none.
    """
    try:
        module = part(vendor, "probe")
    except NoPart:
        raise ConfigurationError(f"There is no probe of {vendor}: its package has no steps.") from None
    return [value for value in vars(module).values() if isinstance(value, Step)]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a step saw of one fact."""

    fact: str
    verdict: Verdict
    variant: str = ""
    evidence: str = ""
    settings: dict[str, str] = field(default_factory=dict)
    """Variables to set, because this account answers otherwise than assumed."""


@dataclass(slots=True)
class Done:
    """A step that was run, or why it was not."""

    step: Step
    outcome: Outcome
    detail: str = ""


class Probe:
    """
    What a step may do, and what all steps saw.

    Args:
        client: an open client of the account.
        inputs: what the person gave, by name.
    """

    def __init__(self, client: VendorClient, inputs: Mapping[str, str]) -> None:
        self.client = client
        self.inputs = inputs
        self.facts = facts_of(client.vendor)
        self.marker = f"Hookline probe {datetime.now(UTC):%Y-%m-%d %H:%M:%S}"
        """Stands on everything that is made, so that people know whose it is."""
        self.seen: dict[str, Seen] = {}
        self.exchanges: list[dict[str, Any]] = []
        self.left: list[str] = []
        self.unheard: VendorError | None = None
        """Why a call of the step that runs was not answered; what is noted after it would be a guess."""
        self._response: httpx.Response | None = None
        client.heard = self._hear

    async def call(self, operation: Operation[..., Any], **inputs: Any) -> Exchange:
        """Send one call; return what was answered, whatever it was. Raise `InvalidInput` if it cannot be sent."""
        exchange = await self.knock(operation, **inputs)
        if isinstance(exchange.error, NOT_LET_IN):
            self.unheard = self.unheard or exchange.error
        return exchange

    async def knock(self, operation: Operation[..., Any], **inputs: Any) -> Exchange:
        """Send one call as `call` does, where it is an answer too that we are not let in."""
        self._response, answer, failure = None, None, None
        checked = operation.validate(**inputs)
        try:
            answer = await self.client.send(operation, checked)
        except VendorError as error:
            failure = error
        response = self._response
        exchange = Exchange(
            operation.name,
            checked.values(),
            response.status_code if response is not None else None,
            {name: response.headers[name] for name in SHOWN_HEADERS if name in response.headers}
            if response is not None
            else {},
            response.text if response is not None else "",
            answer,
            failure,
        )
        if exchange.says_nothing:
            self.unheard = self.unheard or failure
        secrets = [*self.secrets, *checked.secrets()]
        self.exchanges.append(exchange.recorded(secrets, opens=operation.session == "opens"))
        return exchange

    @property
    def secrets(self) -> list[str]:
        """Return the secrets of the account."""
        return self.client.auth.secrets(self.client.base_url)

    def saw(self, fact: str, variant: str, evidence: str = "") -> None:
        """Note which variant of a fact this account shows; the first one is what Hookline assumes."""
        known = self.facts[fact]
        if variant not in known.variants:
            raise ValueError(f"{fact} has no variant {variant}")
        verdict: Verdict = "as assumed" if variant == known.likeliest else "otherwise"
        self._note(known, verdict, variant, evidence)

    def holds(self, fact: str, evidence: str = "") -> None:
        """Note that a fact without variants is so."""
        self._note(self.facts[fact], "as assumed", "", evidence)

    def fails(self, fact: str, evidence: str = "") -> None:
        """Note that a fact without variants is not so."""
        self._note(self.facts[fact], "otherwise", "", evidence)

    def leaves(self, what: str) -> None:
        """Note something that was made and could not be undone: a person must."""
        self.left.append(what)

    def _note(self, fact: Fact, verdict: Verdict, variant: str, evidence: str) -> None:
        if self.unheard:
            return
        masked = sentence(evidence, self.secrets)
        settings = {
            name: value.replace("{evidence}", masked)
            for name, value in fact.settings.get(variant, {}).items()
            if verdict == "otherwise"
        }
        self.seen[fact.id] = Seen(fact.id, verdict, variant, masked, settings)

    def _hear(self, response: httpx.Response) -> None:
        self._response = response


async def run(probe: Probe, steps: Iterable[Step], *, write: bool) -> AsyncIterator[Done]:
    """
    Run steps in their order, and yield each when it has ended; what a step meets ends that step only.

    Only where already the first is not answered, the others are not tried.
    """
    first: Done | None = None
    for each in steps:
        missing = [name for name in each.needs if name not in probe.inputs]
        if first is not None and first.outcome == "unheard":
            yield Done(each, "skipped", "the account did not answer the first step")
        elif each.writes and not write:
            yield Done(each, "skipped", "it writes: add --write")
        elif missing:
            yield Done(each, "skipped", f"give {' and '.join(f'{name}=…' for name in missing)}")
        else:
            ended = await _done(each, probe)
            first = first or ended
            yield ended


async def _done(each: Step, probe: Probe) -> Done:
    probe.unheard = None
    try:
        await each.run(probe)
    except asyncio.CancelledError:
        if each.writes:
            probe.leaves(f"perhaps what the step {each.name} had begun: look for {probe.marker!r}")
        raise
    except (HooklineError, InvalidInput) as error:
        return Done(each, "failed", str(error))
    except Exception as error:  # noqa: BLE001  (a vendor's surprise must not end the other steps)
        where = traceback.extract_tb(error.__traceback__)[-1]
        return Done(each, "failed", f"{type(error).__name__}: {error} ({where.name}, line {where.lineno})")
    return Done(each, "unheard", str(probe.unheard)) if probe.unheard else Done(each, "done")


def findings(probe: Probe, steps: Iterable[Step]) -> list[Seen]:
    """Return what came of each fact on which a step throws light, and of each that is assumed, in their order."""
    probed = {name for each in steps for name in each.confirms}
    return [
        probe.seen.get(fact.id, Seen(fact.id, "not seen"))
        for fact in probe.facts.facts
        if fact.id in probed or fact.trust == "assumed"
    ]
