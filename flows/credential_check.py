"""A harmless call with every stored block of credentials, each hour: which are refused, and which end soon."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Annotated, Final
from uuid import UUID

from prefect import flow
from prefect.artifacts import acreate_table_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from blocks.harmless_calls import try_all
from blocks.stored import stored_blocks
from flows.parameters import titled
from hookline import credentials
from hookline.credentials import Checked, Credentials
from hookline.database import lent
from hookline.provisioning.schedules import REFUSED
from hookline.record_links import block_link
from hookline.settings import settings
from hookline.text import markdown
from tasks.about import about, begin, say_failed

WORKFLOW: Final = "credential-check"


@flow(name=WORKFLOW, persist_result=False, on_failure=[say_failed])
async def credential_check(
    again: Annotated[bool, titled("Try refused ones again")] = False,
    warn_days: Annotated[int, titled("Days of warning", ge=1, le=365)] = 30,
) -> State[None]:
    """
    Try every stored block of credentials by one call that changes nothing.

    Credentials that were refused are tried again when their block has changed, or after a day: a wrong password that
    is tried each hour could lock the account. A vendor that is away says nothing about them.

    Args:
        again: try those that were refused, too, now.
        warn_days: how many days before their end people are warned, where a block says when that is.
    """
    await begin("check of credentials")
    async with get_client() as client:
        stored = [each async for each in stored_blocks(client)]
    now = datetime.now(UTC)
    async with lent(settings()) as connection:
        known = await credentials.read(connection)
    due = [each for each in stored if again or credentials.is_due(known.get(each.account), each.version, now)]
    results = await try_all(due)
    async with lent(settings()) as connection:
        for result in results:
            if isinstance(result, Checked):
                await credentials.note(connection, result, now.date(), warn_days)
        await credentials.forget_others(connection, [each.account for each in stored])
        found = await credentials.read(connection)
    for result in results:
        if isinstance(result, BaseException):  # the others are noted
            raise result
    blocks = {each.account: each.id for each in stored}
    return await _conclude(list(found.values()), blocks, now.date(), warn_days)


async def _conclude(
    found: list[Credentials], blocks: Mapping[str, UUID], today: date, warn_days: int
) -> State[None]:
    """Make the table and the final state: Failed only where credentials are refused."""
    if not found:
        await about("no credentials are stored")
        return Completed(name="No credentials", message="No block of credentials is stored at Prefect.")
    await acreate_table_artifact(
        key=WORKFLOW,
        description="Credentials, as their vendors take them.",
        table=[_row(each, blocks.get(each.account), today) for each in found],
    )
    refused = [each for each in found if each.result == "refused"]
    away = [each for each in found if each.result == "away"]
    ending = [each for each in found if credentials.warnings_until(each.expires, today, warn_days)]
    counts = {"accepted": len(found) - len(refused) - len(away), "refused": len(refused), "away": len(away)}
    summary = ", ".join(f"{number} {what}" for what, number in counts.items() if number)
    await about(f"credentials: {summary}", refused=_accounts(refused), ending=_accounts(ending))
    lines = [
        summary,
        *(f"{each.account}: {each.detail}. {each.advice}" for each in refused),
        *(f"{each.account}: its vendor is away, {each.away_detail}" for each in away),
        *(f"{each.account} ends on {each.expires}" for each in ending),
    ]
    if refused:
        return Failed(name=REFUSED, message="\n".join(lines))
    return Completed(message="\n".join(lines))


def _row(each: Credentials, block_id: UUID | None, today: date) -> dict[str, str]:
    vendor, _, block = each.account.partition("/")
    since = each.away_since if each.result == "away" else each.since
    away = f" (its vendor is away: {each.away_detail})" if each.away_since else ""
    return {
        "vendor": vendor,
        "block": block_link(block, block_id, settings().prefect_ui_url) if block_id else markdown(block),
        "result": each.result,
        "since": f"{since:%Y-%m-%d %H:%M} UTC" if since else "",
        "what": markdown(f"{each.detail}{away}".strip()),
        "advice": markdown(each.advice if each.result == "refused" else ""),
        "ends": f"{each.expires} (days: {(each.expires - today).days})" if each.expires else "",
    }


def _accounts(found: Iterable[Credentials]) -> str:
    return ", ".join(each.account for each in found)
