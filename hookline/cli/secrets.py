"""`hookline secrets`: give a vendor that sends webhooks another secret; take ours to further machines."""

import asyncio
from typing import Annotated, Final, Literal

import httpx
from cyclopts import App, Parameter

from hookline import runtime
from hookline.account_keys import DEFAULT, source_of
from hookline.cli.output import AsJson, console, print_json, show
from hookline.clients.jiwa.webhooks import Header
from hookline.errors import ConfigurationError
from hookline.gateway.request_parsing import CHECK_HEADER
from hookline.provisioning.changes import AS_IT_IS, MADE
from hookline.provisioning.subscriptions import (
    SOURCE,
    UNSEEN,
    Outcome,
    address_of,
    secret_header,
    subscriptions,
)
from hookline.settings import Settings, settings
from hookline.source_secrets import secret_variable, webhook_secrets

app = App(
    name="secrets", help="Give a vendor that sends webhooks another secret; take ours to further machines."
)

SECONDS: Final = 10
COLUMNS: Final = ["event", "address", "result", "waiting", "old"]


@app.command
def shared(*, as_json: AsJson = False) -> None:
    """
    Print the secrets that further machines must have in common with this one, as lines for their `.env`.

    They are the admin token, the log-in of the Prefect server and the key of its blocks: made on first use here, where
    no variable sets them. A terminal keeps what it shows; send them on as you would a password.

    Try:
        hookline secrets shared
        hookline secrets shared | ssh root@second 'cat >>/opt/hookline/.env'
    """
    found = runtime.shared_secrets(settings())
    if as_json:
        print_json(found)
        return
    for name, value in found.items():
        print(f"{name}={value}")  # noqa: T201


@app.command
def rotate(
    vendor: Annotated[Literal["jiwa"], Parameter(help="Whose secret.")],
    /,
    *,
    url: Annotated[str | None, Parameter(help="Address under which Jiwa reaches the gateway.")] = None,
    block: Annotated[
        str, Parameter(help="The account, if there are several: north, which sends to the source jiwa-north.")
    ] = DEFAULT,
    dry_run: Annotated[bool, Parameter(negative="", help="Show what would change; change nothing.")] = False,
    as_json: AsJson = False,
) -> int:
    """
    Make Jiwa send the current secret, which is the first in HOOKLINE_SECRET_JIWA; the others are still accepted.

    Set the variable to the new secret and the old one, separated by a comma, and stop and start `hookline up`. Then run
    this: the gateway is asked if it accepts the new one, each subscription is changed where it stands, and it is read
    whether Jiwa sends the new one then. No subscription is deleted in which a message waits. Run it again until it says
    that the old secret may go. The exit code is 1 while a subscription with the old secret stays.

    Try:
        hookline secrets rotate jiwa --url https://hooks.example.com --dry-run
        hookline secrets rotate jiwa --url https://hooks.example.com
    """
    settings = runtime.bootstrap()
    address = url or (settings.gateway_url if settings.sandbox else settings.base_url)
    outcomes = asyncio.run(
        _rotate(settings, source_of(vendor, block), address, dry_run=dry_run, account=block)
    )
    rows = [each.row() | {"old": list(each.old)} for each in outcomes]
    if as_json:
        show(rows, COLUMNS, as_json=True)
    else:
        show(
            [row | {"old": len(each.old)} for row, each in zip(rows, outcomes, strict=True)],
            COLUMNS,
            as_json=False,
        )
        advice = _advice(outcomes, secret_variable(source_of(vendor, block)), dry_run=dry_run)
        console().print(advice, soft_wrap=True)
    return int(any(each.old for each in outcomes))


async def _rotate(
    settings: Settings, source: str, url: str, *, dry_run: bool, account: str = DEFAULT
) -> list[Outcome]:
    await require_accepted(settings, url, secret_header(settings, account), account)
    planned = await subscriptions(settings, url, dry_run=True, account=account)
    if any(each.result not in (AS_IT_IS, MADE) for each in planned) and len(webhook_secrets(source)) == 1:
        raise ConfigurationError(
            f"{secret_variable(source)} holds one secret, and Jiwa still sends another: what waits there would be "
            "refused. Set it to the new secret and the old one, separated by a comma, and stop and start "
            "`hookline up`. If the old one is lost or leaked: hookline apply --subscribe"
        )
    if dry_run:
        return planned
    return await subscriptions(settings, url, dry_run=False, renew_unseen=True, account=account)


async def require_accepted(settings: Settings, url: str, header: Header, account: str = DEFAULT) -> None:
    """
    Ask the running gateway whether it accepts a secret, with a request that delivers nothing.

    Raises:
        ConfigurationError: it does not, or does not answer.
    """
    variable = secret_variable(source_of(SOURCE, account))
    for base in dict.fromkeys((url, settings.gateway_url)):  # the public address may not lead back here
        status = await _status(address_of(base, account), header)
        if status == httpx.codes.NO_CONTENT:
            return
        if status is not None:
            raise ConfigurationError(
                f"The gateway at {base} does not accept the first secret of {variable} yet (HTTP {status}): "
                "stop and start `hookline up`, which reads the variable when it starts."
            )
    raise ConfigurationError(
        f"The gateway answers neither at {url} nor at {settings.gateway_url}: start it first."
    )


async def _status(address: str, header: Header) -> int | None:
    """Return the status of a request that asks if a secret is accepted; None if nothing answers."""
    headers = {header.Name: header.Value, CHECK_HEADER: "secret"}
    try:
        async with httpx.AsyncClient(timeout=SECONDS, trust_env=False) as client:
            return (await client.post(address, headers=headers, content=b"")).status_code
    except httpx.HTTPError:
        return None


def _advice(outcomes: list[Outcome], variable: str = secret_variable(SOURCE), *, dry_run: bool) -> str:
    if dry_run:
        return "Nothing was changed."
    if any(UNSEEN in each.result for each in outcomes):
        return (
            "Jiwa does not show which secret it sends. Make an order and change it, and look if both come in; then run "
            "this again, which deletes the subscriptions with the old secret. Until then keep the old secret."
        )
    if any(each.old for each in outcomes):
        return (
            "Messages wait in subscriptions with the old secret, which stay until they have come in: keep the old "
            "secret, and run this again. One whose messages Jiwa has given up (hookline call jiwa "
            "list_webhook_messages) stays until you delete it: hookline call jiwa delete_webhook_subscription with the "
            "subscriber Hookline and an id that --json shows under `old`."
        )
    if waiting := sum(each.waiting for each in outcomes):
        return (
            f"{waiting} messages got no good answer yet and may come with the old secret: keep it until they have come "
            "in, or Jiwa has given them up (hookline call jiwa list_webhook_messages). Then remove it from "
            f"{variable}, and stop and start `hookline up`."
        )
    return f"Nothing waits: remove the old secret from {variable}, and stop and start `hookline up`."
