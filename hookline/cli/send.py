"""`hookline send`: sign a file as its sender would, and post it to the gateway."""

import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

from cyclopts import Parameter
from pydantic import SecretStr

from hookline import runtime
from hookline.cli.output import AsJson, console, print_json
from hookline.errors import ConfigurationError, HooklineError
from hookline.hooks import Source, hooks_in_force
from hookline.hooks.sources import IdHeader
from hookline.schemes import RequestAuth, SignedRequest
from hookline.source_secrets import secret_variable, webhook_secrets

if TYPE_CHECKING:
    import httpx

HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+)=([^\r\n\0]*)")


def send(
    source: Annotated[str, Parameter(help="A source of hooks.yaml.")],
    file: Annotated[str, Parameter(help="The body; - for standard input.", allow_leading_hyphen=True)],
    *,
    delivery_id: Annotated[
        str | None, Parameter(help="The delivery's id, if its sender puts one in a header.", name="--id")
    ] = None,
    header: Annotated[
        tuple[str, ...], Parameter(help="A header of the request, as NAME=VALUE; may be repeated.")
    ] = (),
    content_type: Annotated[str, Parameter(help="The body's content type.")] = "application/json",
    private_key: Annotated[
        Path | None, Parameter(help="The sender's private key, if the source has its public key.")
    ] = None,
    url: Annotated[
        str | None, Parameter(help="Address of the gateway; without it, the gateway of this machine.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """
    Sign a file as the source's sender would, by any scheme, and post it to the gateway.

    Try:
        hookline send jiwa order.json
        echo '{"type": "order.paid", "data": {"invoice_id": "…"}}' | hookline send standard -
        hookline send github push.json --header X-GitHub-Event=push
    """
    settings = runtime.bootstrap()
    found = hooks_in_force(settings.hooks, settings.home, note=False).sources.get(source)
    if found is None:
        raise ConfigurationError(f"{settings.hooks} has no source {source!r}.")
    if not found.takes_requests:
        instead = f" Read it now: hookline poll {source}" if found.poll else ""
        raise ConfigurationError(f"Nobody sends to {source}: Hookline makes its deliveries itself.{instead}")
    own = {"Content-Type": content_type} | _headers(header)
    body = _body(file)
    identifier = delivery_id or f"msg_{uuid4().hex}"
    place = _place_of_id(source, found, identifier, chosen=delivery_id is not None)
    try:
        secret = _secret(source, found, private_key)
        bare = SignedRequest(
            headers={name.lower(): value for name, value in own.items()},
            body=body,
            url=found.auth_scheme.given_url or f"{settings.base_url}/hooks/{source}",
        )
        auth = found.auth_scheme.sign(secret, bare, identifier=identifier, now=time.time())
    except ValueError as error:
        secret_name = private_key or f"The first secret of {source}"
        raise ConfigurationError(f"{secret_name} is {error}.") from None
    answer = _post(
        f"{url or settings.gateway_url}/hooks/{source}",
        body if auth.body is None else auth.body,
        {**place, **auth.headers, **own},
        auth,
    )
    _show(answer, as_json=as_json)


def _headers(options: Sequence[str]) -> dict[str, str]:
    found = {}
    for each in options:
        if not (read := HEADER.fullmatch(each)):
            raise ConfigurationError(f"--header {each!r} is not NAME=VALUE.")
        found[read[1]] = read[2]
    return found


def _body(file: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise ConfigurationError(f"Cannot read {file}: {error.strerror}.") from None


def _place_of_id(name: str, source: Source, identifier: str, *, chosen: bool) -> dict[str, str]:
    """Return the header that carries the id, unless the scheme carries it."""
    if isinstance(source.id, IdHeader):
        return {source.id.header: identifier}
    if chosen and (source.id or not source.auth_scheme.delivery_id_header):
        known_by = f"the value of {source.id.text}" if source.id else "a digest of the body"
        raise ConfigurationError(f"A delivery of {name} is identified by {known_by}; leave --id out.")
    return {}


def _secret(name: str, source: Source, private_key: Path | None) -> SecretStr:
    """Return the secret that the sender signs with."""
    secrets = webhook_secrets(name)
    able = [secret for secret in secrets if not source.auth_scheme.is_public(secret.get_secret_value())]
    if private_key is not None:
        return _private_key(name, source, private_key)
    if able:
        return able[0]
    scheme = source.auth_scheme
    if secrets or scheme.key_pairs == "always" or not scheme.needs_secret:
        raise ConfigurationError(
            f"{name} is verified by its public key, so only the sender's private key can sign: "
            f"use --private-key FILE."
        )
    raise ConfigurationError(
        f"{secret_variable(name)} is not set: without it the gateway accepts nothing from {name}."
    )


def _private_key(name: str, source: Source, file: Path) -> SecretStr:
    if source.auth_scheme.key_pairs == "never":
        raise ConfigurationError(
            f"{name} is of the scheme {source.auth_scheme.name}: leave --private-key out."
        )
    try:
        return SecretStr(file.read_text(encoding="ascii").strip())
    except OSError as error:
        raise ConfigurationError(f"Cannot read {file}: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{file} has no key in PEM, base64 or hex.") from None


def _post(address: str, body: bytes, headers: dict[str, str], auth: RequestAuth) -> "httpx.Response":
    import httpx  # not for the other commands

    place = f"{address}/{auth.path_secret}" if auth.path_secret else address
    try:
        answer = httpx.post(
            place,
            params=dict(auth.query) or None,
            content=body,
            headers={name.lower().encode(): value.encode() for name, value in headers.items()},
            timeout=30,
        )
    except httpx.HTTPError as error:
        raise HooklineError(
            f"The gateway does not answer at {address}: {error}. Is `hookline up` running?"
        ) from None
    if not answer.is_success:
        raise HooklineError(f"The gateway did not accept it: {answer.status_code} {answer.text}")
    return answer


def _show(answer: "httpx.Response", *, as_json: bool) -> None:
    """Show the answer, whose form the source may have chosen itself."""
    try:
        content = answer.json()
    except ValueError:
        content = {"status": answer.status_code, "body": answer.text}
    if as_json:
        print_json(content)
    elif isinstance(content, dict) and {"id", "duplicate"} <= set(content):
        console().print(f"delivery {content['id']}{' (a duplicate)' if content['duplicate'] else ''}")
    else:
        console().print(f"accepted: {answer.status_code} {answer.text}".rstrip())
