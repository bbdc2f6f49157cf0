"""`hookline send`: sign a file and post it, as a sender would."""

import sys
import time
from pathlib import Path
from typing import Annotated
from uuid import uuid4

from cyclopts import Parameter

from hookline import runtime
from hookline.cli.output import AsJson, console, print_json
from hookline.errors import ConfigurationError, HooklineError
from hookline.gateway.schemes import sign_standard_webhooks
from hookline.hooks import load_hooks
from hookline.hooks.config import SharedSecret, StandardWebhooks
from hookline.settings import webhook_secrets


def send(
    source: Annotated[str, Parameter(help="A source of hooks.yaml.")],
    file: Annotated[str, Parameter(help="The body; - for standard input.", allow_leading_hyphen=True)],
    *,
    delivery_id: Annotated[
        str | None, Parameter(help="Standard Webhooks: the message's id.", name="--id")
    ] = None,
    url: Annotated[str | None, Parameter(help="Address of the gateway; this machine's otherwise.")] = None,
    as_json: AsJson = False,
) -> None:
    """
    Sign a file as the source's sender would, and post it to the gateway.

    Try:
        hookline send jiwa order.json
        echo '{"type": "order.paid", "data": {"invoice_id": "…"}}' | hookline send standard -
    """
    settings = runtime.enter()
    scheme = load_hooks(settings.hooks).sources.get(source)
    if scheme is None:
        raise ConfigurationError(f"{settings.hooks} has no source {source!r}.")
    body = _body(file)
    headers = {"Content-Type": "application/json", **_proof(source, scheme, body, delivery_id)}

    import httpx  # not for the other commands

    try:
        address = f"{url or settings.gateway_url}/hooks/{source}"
        answer = httpx.post(address, content=body, headers=headers, timeout=30)
    except httpx.HTTPError as error:
        raise HooklineError(
            f"The gateway does not answer at {address}: {error}. Is `hookline up` running?"
        ) from None
    if not answer.is_success:
        raise HooklineError(f"The gateway did not take it: {answer.status_code} {answer.text}")
    if as_json:
        print_json(answer.json())
    else:
        told = answer.json()
        console().print(f"delivery {told['id']}{' (came before)' if told['duplicate'] else ''}", markup=False)


def _body(file: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise ConfigurationError(f"Cannot read {file}: {error.strerror}.") from None


def _proof(
    source: str, scheme: SharedSecret | StandardWebhooks, body: bytes, delivery_id: str | None
) -> dict[str, str]:
    """The headers that prove the sender."""
    secrets = webhook_secrets(source)
    if not secrets:
        raise ConfigurationError(
            f"HOOKLINE_SECRET_{source.upper().replace('-', '_')} is not set: the gateway takes nothing from "
            f"{source} without it."
        )
    secret = secrets[0].get_secret_value()
    if isinstance(scheme, SharedSecret):
        return {scheme.header: secret}
    identifier, timestamp = delivery_id or f"msg_{uuid4().hex}", str(int(time.time()))
    try:
        signature = sign_standard_webhooks(secret, identifier, timestamp, body)
    except ValueError as error:
        raise ConfigurationError(f"The first secret of {source} is {error}.") from None
    return {
        "webhook-id": identifier,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{signature}",
    }
