"""The steps of the probe of a Zentitle account."""

import re
from datetime import UTC, datetime
from typing import Any, Final

from hookline.clients import NotFound, Refused
from hookline.clients.models import CountedPage
from hookline.clients.zentitle import ZentitleClient
from hookline.probe.frame import Exchange, Probe, step

NOBODY: Final = "999999999999999999"
"""A license code that no account has."""
DAYS: Final = 10
CLOCK_SECONDS: Final = 600
SAMPLE_NAMES: Final = ("productName", "productId")


# Reads ------------------------------------------------------------------------------------------------------


@step("products", "List the products", confirms=("key-in-each-call", "inputs-in-a-body", "case-of-names"))
async def products(probe: Probe) -> None:
    """See that the key and the body of a GET arrive, and how names are spelled."""
    exchange = await probe.call(ZentitleClient.list_products)
    if exchange.answer is None:
        probe.fails("key-in-each-call", _message(exchange))
        return
    probe.holds("key-in-each-call", f"{len(exchange.answer)} products")
    if not exchange.answer:
        return
    names = list(exchange.json[0])
    if set(SAMPLE_NAMES) <= set(names):
        probe.saw("case-of-names", "samples", ", ".join(names[:2]))
    else:
        probe.saw("case-of-names", "lower" if all(map(str.islower, names)) else "upper", ", ".join(names[:2]))
    one = await probe.call(ZentitleClient.get_product, productid=exchange.answer[0].productId)
    (probe.holds if one.answer is not None else probe.fails)("inputs-in-a-body", _message(one))


@step(
    "refusals",
    "Ask for a license code that nobody has",
    confirms=("error-in-the-answers-place", "error-status", "absence-sentences"),
)
async def refusals(probe: Probe) -> None:
    """See how an error and an absence look."""
    exchange = await probe.call(ZentitleClient.get_license_code, licensecode=NOBODY)
    message, is_text = _message(exchange), isinstance(exchange.json, str)
    if exchange.status is None or exchange.answer is not None:
        return
    if is_text:
        probe.holds("error-in-the-answers-place", message)
        probe.saw("error-status", "error" if message.lower().startswith("error") else "sentence", message)
    elif exchange.status == 400:  # noqa: PLR2004
        probe.fails("error-in-the-answers-place", message)
        probe.saw("error-status", "status-400", message)
    if isinstance(exchange.error, NotFound):
        probe.holds("absence-sentences", message)
    elif isinstance(exchange.error, Refused):
        probe.fails("absence-sentences", message)


@step(
    "licenses", "Count the license codes", confirms=("page-0-counts", "form-of-the-count", "nothing-to-list")
)
async def licenses(probe: Probe) -> None:
    """See how a list is counted, and how one without rows looks."""
    counted = await probe.call(ZentitleClient.list_license_codes, pagenumber=0)
    total = counted.answer.Total if isinstance(counted.answer, CountedPage) else None
    if total is None:
        probe.fails("page-0-counts", _message(counted))
    else:
        probe.holds("page-0-counts", f"{total} license codes")
        probe.saw("form-of-the-count", "text" if isinstance(counted.json, str) else "number")
    empty = await probe.call(ZentitleClient.list_license_codes, company=probe.marker)
    match empty:
        case Exchange(status=404):
            probe.saw("nothing-to-list", "status-404", _message(empty))
        case Exchange(json=[]):
            probe.saw("nothing-to-list", "list")
        case Exchange(json=str(message)) if message.strip() and not message.strip().isdigit():
            variant = "other" if isinstance(empty.error, Refused) else "sentence"
            probe.saw("nothing-to-list", variant, message)
        case Exchange(status=200 | 204, text="" | "null" | '""'):
            probe.saw("nothing-to-list", "nothing")


@step("companies", "Find a company by its name", confirms=("no-such-company", "names-of-companies"))
async def companies(probe: Probe) -> None:
    """See how a company that is not there looks, and whether capitals count."""
    nobody = await probe.call(ZentitleClient.get_company_id, company=probe.marker)
    match nobody:
        case Exchange(status=404):
            probe.saw("no-such-company", "status-404", _message(nobody))
        case Exchange(status=400) | Exchange(json=str()) if nobody.text.strip('" '):
            variant = "sentence" if isinstance(nobody.error, NotFound) else "other"
            probe.saw("no-such-company", variant, _message(nobody))
        case Exchange(json=[]):
            probe.saw("no-such-company", "empty")
        case Exchange(json=dict()):
            probe.saw("no-such-company", "zero", _message(nobody))
        case Exchange(status=200 | 204, text="" | "null" | '""'):
            probe.saw("no-such-company", "nothing")
    listed = await probe.call(ZentitleClient.list_companies_products)
    known = [each for each in listed.answer or [] if each.productID in ("", "0")]
    names = {each.company for each in known if each.company != each.company.swapcase()}
    for name in sorted(names):
        if name.swapcase() not in names:
            other = await probe.call(ZentitleClient.get_company_id, company=name.swapcase())
            probe.saw("names-of-companies", "exact" if other.answer is None else "any-case")
            return


# Writes -----------------------------------------------------------------------------------------------------


@step(
    "company",
    "Make one company and delete it",
    confirms=(
        "undocumented-sentences",
        "id-of-a-new-company",
        "all-companies-are-listed",
        "global-companies",
    ),
    writes=True,
    needs=("product",),
)
async def company(probe: Probe) -> None:
    """See what writes answer whose sentence is not documented, and that a new company is listed."""
    made = await probe.call(
        ZentitleClient.create_company, company=probe.marker, productid=probe.inputs["product"], global_=1
    )
    try:
        if isinstance(made.error, Refused | NotFound):
            raise made.error  # such as: this account has no such product
        listed = await probe.call(ZentitleClient.list_companies_products)
        ours = [each for each in listed.answer or [] if each.company == probe.marker]
        message = f"{len(ours)} listed"
        (probe.holds if ours else probe.fails)("all-companies-are-listed", message)
        if ours:  # only then is what it said a sentence of success
            _saw_sentence(probe, made)
            is_global = ours[0].productID == "0"
            (probe.holds if is_global else probe.fails)("global-companies", f"product {ours[0].productID}")
            is_silent = isinstance(made.json, str | None)
            (probe.holds if is_silent else probe.fails)("id-of-a-new-company", _message(made))
    finally:
        await _delete_company(probe, made)


async def _delete_company(probe: Probe, made: Exchange) -> None:
    async def ours() -> list[int] | None:
        listed = await probe.call(ZentitleClient.list_companies_products)
        rows = listed.answer
        return None if rows is None else [each.companyID for each in rows if each.company == probe.marker]

    found = await ours()
    for number in found or ():
        await probe.call(ZentitleClient.delete_company, companyid=number)
    was_made = made.answer is not None or (made.error is not None and made.error.maybe_applied)
    if await ours() or (was_made and not found):
        probe.leaves(f"the company {probe.marker!r}")


@step(
    "license",
    "Make one license code, change it, and disable it",
    confirms=(
        "documented-sentences",
        "codes-are-named-once",
        "new-codes-are-listed",
        "subscription-days",
        "perpetual-clears-days",
        "undocumented-sentences",
        "times-without-zone",
    ),
    writes=True,
    needs=("product",),
)
async def license_code(probe: Probe) -> None:
    """See what codes, days and notes do; a code cannot be deleted, so it stays, disabled."""
    product = {"productid": probe.inputs["product"]}
    made = await probe.call(
        ZentitleClient.create_license_codes, **product, numcodes=1, reference=probe.marker
    )
    codes = made.answer or []
    if made.error is None and codes:
        probe.holds("codes-are-named-once", _message(made))
    elif isinstance(made.error, Refused | NotFound):
        raise made.error  # such as: this account has no such product, or no codes left
    else:
        probe.fails("codes-are-named-once", _message(made))
        probe.leaves(
            f"perhaps a license code of product {probe.inputs['product']}, reference {probe.marker!r}"
        )
    for code in codes:
        one = {**product, "licensecode": code}
        try:
            await _try_license(probe, one)
        finally:
            off = await probe.call(ZentitleClient.update_license_code, **one, enabledforuse=False)
            read = await probe.call(ZentitleClient.get_license_code, **one)
            is_off = read.answer is not None and not read.answer.enabledforuse
            state = "disabled" if is_off else f"enabled still ({_message(off)})"
            probe.leaves(f"the license code {code}, {state}: version 1 cannot delete it")


async def _try_license(probe: Probe, one: dict[str, Any]) -> None:
    page = await probe.call(ZentitleClient.list_license_codes, productid=one["productid"], pagenumber=0)
    total = page.answer.Total if page.answer else 0
    rows = await _last_rows(probe, one["productid"], total or 0)
    is_listed = any(each.licenseCode == one["licensecode"] for each in rows)
    (probe.holds if is_listed else probe.fails)("new-codes-are-listed", f"of {total}")

    noted = await probe.call(ZentitleClient.create_license_note, **one, description=probe.marker)
    notes = (await probe.call(ZentitleClient.list_license_notes, **one)).answer or []
    if any(note.description == probe.marker for note in notes):
        _saw_sentence(probe, noted)
    for note in notes:
        if note.description == probe.marker and note.created is not None:
            ahead = (
                note.created.replace(tzinfo=note.created.tzinfo or UTC) - datetime.now(UTC)
            ).total_seconds()
            close = abs(ahead) < CLOCK_SECONDS
            (probe.holds if close else probe.fails)("times-without-zone", f"{ahead:.0f} s from our clock")
        if note.description == probe.marker and note.noteID:
            await probe.call(ZentitleClient.delete_license_note, **one, noteid=note.noteID)

    days = []
    for _ in range(2):
        changed = await probe.call(
            ZentitleClient.update_license_code,
            **one,
            licensetype="subscriptionperiod",
            subscriptionperiod=DAYS,
            enabledforuse=False,
        )
        days.append(await _days(probe, one))
    if changed.error is None:
        probe.holds("documented-sentences", _message(changed))
    elif not isinstance(changed.error, Refused):
        probe.fails("documented-sentences", _message(changed))
    seen = f"{DAYS} days twice: {days[0]}, then {days[1]}"
    if days[0] and days[1] in (days[0], days[0] + DAYS):
        probe.saw("subscription-days", "set" if days[1] == days[0] else "added", seen)
    await probe.call(ZentitleClient.update_license_code, **one, licensetype="perpetual")
    left = await _days(probe, one)
    probe.saw("perpetual-clears-days", "kept" if left else "cleared", f"{left or 0} days")


async def _last_rows(probe: Probe, product: str, total: int) -> list[Any]:
    """Return the rows among which a new code is: all, or the first and the last thousand of many."""
    size = 1000
    rows: list[Any] = []
    for page in sorted({1, max(1, -(-total // size))}):
        exchange = await probe.call(
            ZentitleClient.list_license_codes, productid=product, pagenumber=page, pagesize=size
        )
        rows += exchange.answer.Results if exchange.answer else []
    return rows


async def _days(probe: Probe, one: dict[str, Any]) -> int | None:
    read = await probe.call(ZentitleClient.get_license_code, **one)
    return read.answer.subscriptionperiod if read.answer else None


def _saw_sentence(probe: Probe, exchange: Exchange) -> None:
    """Note what a write says whose sentence is not documented; of several, all sentences that are not known."""
    if isinstance(exchange.error, Refused) or exchange.status is None:
        return
    before = probe.seen.get("undocumented-sentences")
    if exchange.text in ("", "null", '""'):
        variant, message = "nothing", ""
    elif isinstance(exchange.json, str):
        # For a setting: what changes from call to call is anything, and a semicolon would end the sentence.
        message = re.sub(r"\d+|;", "*", exchange.json)
        variant = "ok" if message.strip().upper() == "OK" else "successfully" if exchange.answer else "other"
    else:
        return
    if before and before.variant == "other":
        new = variant == "other" and message not in before.evidence
        variant, message = "other", f"{before.evidence}; {message}" if new else before.evidence
    probe.saw("undocumented-sentences", variant, message)


def _message(exchange: Exchange) -> str:
    """Return what was answered, as evidence: a sentence, or of what kind it was, for records are nobody's business."""
    if exchange.status != 200:  # noqa: PLR2004
        return f"status {exchange.status}: {exchange.text}"
    match exchange.json:
        case str(text):
            return text
        case list(rows):
            return f"a list of {len(rows)}"
        case dict():
            return "a record"
        case value:
            return "nothing" if value is None else str(value)
