"""The probe of Sensorpro: how it signs in, refuses and lists; with `--write` one contact that is forgotten again."""

import uuid
from typing import Any, cast

import httpx

from hookline.clients.sensorpro import SensorproClient, SensorproUser
from hookline.clients.sensorpro.client import ending, result_of
from hookline.clients.sensorpro.models import ResultRow
from hookline.errors import ConfigurationError
from hookline.probe.frame import Exchange, Probe, step
from hookline.probe.shapes import folded, names_in

STATUS_FIELDS = {"name", "status", "totalsent"}
RESULT_FIELDS = {"totalsent", "totalopens", "totalclicks", "totalbounces", "totaloptouts"}
REFUSALS = {200: "ok", 400: "bad-request"}


@step("sign-in", "Sign in", confirms=("sign-in-by-body",))
async def sign_in(probe: Probe) -> None:
    """See which of the two forms lets us in."""
    user = _user(probe)
    account = {"Organization": user.organization, "User": user.user, "Password": user.password}
    newer = await probe.knock(SensorproClient.sign_in, **account)
    if newer.error is None:
        probe.holds("sign-in-by-body")
        return
    older = await probe.call(SensorproClient.log_in, **account)
    works = "it does" if older.error is None else f"neither does it ({older.status})"
    probe.fails("sign-in-by-body", f"status {newer.status}: {newer.error.detail}; the older form: {works}")


@step("session", "Call with a token that is none", confirms=("session-ended",))
async def session(probe: Probe) -> None:
    """See how an ended session is told."""
    user = probe.client.auth
    dead = _Unrenewed(**vars(user))
    dead.session(probe.client.base_url).open(str(uuid.uuid4()), seconds=60, base_url=probe.client.base_url)
    probe.client.auth = dead
    try:
        exchange = await probe.knock(SensorproClient.get_contacts, PersonalEMail=_address())
    finally:
        probe.client.auth = user
    rows = _errors(exchange)
    if exchange.status == httpx.codes.UNAUTHORIZED:
        probe.saw("session-ended", "unauthorized")
    elif len(rows) != 1:
        probe.fails("session-ended", f"status {exchange.status} with {len(rows)} errors: {exchange.text}")
    else:
        message = rows[0].Description or rows[0].Code
        about = ending(rows[0])
        probe.saw("session-ended", _spoken(about, rows[0]), message)


@step("no-contact", "Look for a contact that nobody is", confirms=("no-contact-is", "contacts-filter"))
async def no_contact(probe: Probe) -> None:
    """See how nothing is told."""
    exchange = await probe.call(SensorproClient.get_contacts, PersonalEMail=_address())
    if exchange.error is not None:
        probe.fails("no-contact-is", f"status {exchange.status}: {exchange.error.detail}")
        return
    _, contacts = _listed(exchange)
    if contacts is _NOWHERE:
        probe.saw("no-contact-is", "absent")
    elif contacts:
        probe.fails("contacts-filter", f"{len(contacts)} contacts at an address that nobody has")
    else:
        probe.saw("no-contact-is", "nothing" if contacts is None else "empty")


@step(
    "page",
    "Read a page of one contact",
    confirms=("contacts-have-pages", "contacts-are-listed-as", "pages-are-counted"),
)
async def page(probe: Probe) -> None:
    """See how contacts are listed."""
    exchange = await probe.call(SensorproClient.get_contacts_paged, PageNumber=1, PageSize=1)
    if exchange.error is not None:
        probe.fails("contacts-have-pages", f"status {exchange.status}: {exchange.error.detail}")
        return
    name, contacts = _listed(exchange)
    if contacts is _NOWHERE:
        probe.fails("contacts-are-listed-as", f"the answer has {names_in(exchange.json)}")
        return
    probe.saw("contacts-are-listed-as", name)
    probe.saw("pages-are-counted", "uncounted" if exchange.answer.Total is None else "counted")
    if len(contacts or ()) == 1:
        probe.holds("contacts-have-pages")
    elif contacts:
        probe.fails("contacts-have-pages", f"{len(contacts)} contacts where one was asked for")


@step("refusal", "Ask for a broadcast that does not exist", confirms=("refusal-status", "codes-are"))
async def refusal(probe: Probe) -> None:
    """See how a refusal is told."""
    exchange = await probe.call(SensorproClient.get_broadcast_status, CampId=str(uuid.uuid4()), BroadcastId=1)
    rows = _errors(exchange)
    variant = REFUSALS.get(exchange.status or 0)
    if not rows or variant is None:
        probe.fails("refusal-status", f"status {exchange.status} with {len(rows)} errors")
    else:
        probe.saw("refusal-status", variant, f"{rows[0].Description} {rows[0].Code}")
    if rows:
        [code, *_] = _values(exchange.json, "result", "errormessages", "code")
        probe.saw("codes-are", "texts" if isinstance(code, str) else "numbers")


@step(
    "broadcast",
    "Read the status of your broadcast",
    confirms=("broadcast-status", "figures-are"),
    needs=("broadcast",),
)
async def broadcast(probe: Probe) -> None:
    """See the fields of a broadcast's status."""
    exchange = await probe.call(SensorproClient.get_broadcast_status, **_broadcast(probe))
    _judge_fields(probe, "broadcast-status", exchange, STATUS_FIELDS)
    for sent in _values(exchange.json, "totalsent"):
        probe.saw("figures-are", "texts" if isinstance(sent, str) else "numbers")


@step("results", "Read the results of your campaign", confirms=("campaign-results",), needs=("campaign",))
async def results(probe: Probe) -> None:
    """See the fields of a campaign's results."""
    exchange = await probe.call(
        SensorproClient.get_campaign_results, CampaignId=_number(probe.inputs["campaign"], "campaign=51")
    )
    _judge_fields(probe, "campaign-results", exchange, RESULT_FIELDS)
    await probe.call(SensorproClient.get_campaign_result_links, CampaignId=int(probe.inputs["campaign"]))


@step(
    "contact",
    "Add one marked contact, read it, opt it out, and let it be forgotten",
    confirms=(
        "update-and-add-are-like-upsert",
        "contacts-filter",
        "contact-fields",
        "opting-out",
        "forgetting",
    ),
    writes=True,
)
async def contact(probe: Probe) -> None:
    """Make a contact that takes no mail, and see what can be done with it."""
    address = _address()
    row = {"PersonalEMail": address, "FirstName": "Probe", "LastName": probe.marker}
    try:
        await _add(probe, row)
        await _read(probe, address)
        opted = await probe.call(SensorproClient.change_opt_out_status, PersonalEMail=address, OptOut=True)
        _judge(probe, "opting-out", opted)
    finally:
        await _forget(probe, address)


async def _add(probe: Probe, row: dict[str, str]) -> None:
    first = await probe.call(SensorproClient.add_contacts, Contact=[row])
    second = await probe.call(SensorproClient.add_contacts, Contact=[row])
    known = await probe.call(SensorproClient.update_contacts, Contact=[row])
    await probe.call(SensorproClient.upsert_contacts, Contact=[row])
    if first.error is None and _errors(second) and known.error is None:
        probe.holds("update-and-add-are-like-upsert")
    else:
        seen = ", ".join(
            f"{name} {each.error or 'done'}"
            for name, each in (("Add", first), ("Add again", second), ("Update", known))
        )
        probe.fails("update-and-add-are-like-upsert", seen)


async def _read(probe: Probe, address: str) -> None:
    exchange = await probe.call(SensorproClient.get_contacts, PersonalEMail=address)
    if exchange.error is not None:
        probe.fails("contacts-filter", f"status {exchange.status}: {exchange.error.detail}")
        return
    found = [each.PersonalEMail.casefold() for each in exchange.answer.Contact]
    if found != [address]:
        probe.fails("contacts-filter", f"{len(found)} contacts at the address of one")
        return
    probe.holds("contacts-filter")
    [seen] = exchange.answer.Contact
    names = names_in(_listed(exchange)[1][0])
    if seen.LastName == probe.marker and "tags" in names.lower().split(", "):
        probe.holds("contact-fields")
    else:
        probe.fails("contact-fields", f"a contact has {names}")


async def _forget(probe: Probe, address: str) -> None:
    forgotten = await probe.call(SensorproClient.forget_contact, PersonalEMail=address, for_good=True)
    after = await probe.call(SensorproClient.get_contacts, PersonalEMail=address)
    left = after.error is not None or any(
        each.PersonalEMail.casefold() == address for each in after.answer.Contact
    )
    if forgotten.error is None and not left:
        probe.holds("forgetting")
        return
    probe.fails("forgetting", str(forgotten.error or "it is still there"))
    probe.leaves(f"the contact {address}, {probe.marker}")


@step(
    "mail",
    "Send your broadcast to yourself",
    confirms=("trigger-email",),
    writes=True,
    needs=("broadcast", "mail_to"),
)
async def mail(probe: Probe) -> None:
    """Send the one thing that the workflows send; it cannot be undone, so a person names who gets it."""
    names = filter(None, probe.inputs.get("placeholders", "").split(","))
    exchange = await probe.call(
        SensorproClient.trigger_email,
        **_broadcast(probe),
        ContactData={"PersonalEMail": probe.inputs["mail_to"]},
        NamedPairsParameters={name: f"{name}: {probe.marker}" for name in names},
    )
    _judge(probe, "trigger-email", exchange)


class _Unrenewed(SensorproUser):
    """The same user, who does not sign in again."""

    def session_ended(self, _answer: httpx.Response) -> bool:
        """Return False, whatever was answered."""
        return False


_NOWHERE: Any = object()


def _user(probe: Probe) -> SensorproUser:
    return cast("SensorproUser", probe.client.auth)


def _address() -> str:
    """Return an address that nobody has, and that takes no mail (RFC 2606)."""
    return f"hookline-probe-{uuid.uuid4().hex}@example.com"


def _broadcast(probe: Probe) -> dict[str, Any]:
    camp_id, _, number = probe.inputs["broadcast"].partition("/")
    return {"CampId": camp_id, "BroadcastId": _number(number or "1", "broadcast=CAMPID/1")}


def _number(text: str, example: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ConfigurationError(f"{text!r} is no number: give it as in {example}.")
    return int(text)


def _spoken(about: str, row: ResultRow) -> str:
    if about and not row.Description:
        return "code"
    return about or "other-words"


def _errors(exchange: Exchange) -> list[ResultRow]:
    result = result_of(exchange.json)
    return result.ErrorMessages if result else []


def _judge(probe: Probe, fact: str, exchange: Exchange) -> None:
    if exchange.error is None:
        probe.holds(fact)
    else:
        probe.fails(fact, f"status {exchange.status}: {exchange.error.detail}")


def _judge_fields(probe: Probe, fact: str, exchange: Exchange, fields: set[str]) -> None:
    """Tell if an answer has these fields; if not, which it has."""
    if exchange.error is None and not fields <= set(folded(exchange.json)):
        probe.fails(fact, f"the answer has {names_in(exchange.json)}")
    else:
        _judge(probe, fact, exchange)


def _listed(exchange: Exchange) -> tuple[str, Any]:
    """Return the name of the list of contacts in small letters, and what stands there."""
    body = folded(exchange.json)
    return next(((name, body[name]) for name in ("contact", "contacts") if name in body), ("", _NOWHERE))


def _values(value: Any, *names: str) -> list[Any]:
    """Return what stands at the end of a path of names; of a list, in each of its rows."""
    if isinstance(value, list):
        return [found for each in value for found in _values(each, *names)]
    if not names:
        return [value]
    body = folded(value)
    return _values(body[names[0]], *names[1:]) if names[0] in body else []
