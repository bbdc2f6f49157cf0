"""`hookline send`: prove a file as its sender would, and post it."""

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
from hookline.schemes import RequestAuth
from hookline.source_secrets import secret_variable, webhook_secrets

if TYPE_CHECKING:
    import httpx

HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+)=([^\r\n\0]*)")


def send(
    source: Annotated[str, Parameter(help="A source of hooks.yaml.")],
    file: Annotated[str, Parameter(help="The body; - for standard input.", allow_leading_hyphen=True)],
    *,
    delivery_id: Annotated[
        str | None, Parameter(help="The delivery's id, if its sender gives one in a header.", name="--id")
    ] = None,
    header: Annotated[
        tuple[str, ...], Parameter(help="A header of the request, as NAME=VALUE; may be repeated.")
    ] = (),
    content_type: Annotated[str, Parameter(help="The body's content type.")] = "application/json",
    private_key: Annotated[
        Path | None, Parameter(help="The sender's private key, where the source holds its public one.")
    ] = None,
    url: Annotated[str | None, Parameter(help="Address of the gateway; this machine's otherwise.")] = None,
    as_json: AsJson = False,
) -> None:
    """
    Prove a file as the source's sender would, by any scheme, and post it to the gateway.

    Try:
        hookline send jiwa order.json
        echo '{"type": "order.paid", "data": {"invoice_id": "…"}}' | hookline send standard -
        hookline send github push.json --header X-GitHub-Event=push
    """
    settings = runtime.bootstrap()
    described = hooks_in_force(settings.hooks, settings.home, note=False).sources.get(source)
    if described is None:
        raise ConfigurationError(f"{settings.hooks} has no source {source!r}.")
    own = {"Content-Type": content_type} | _headers(header)
    body = _body(file)
    identifier = delivery_id or f"msg_{uuid4().hex}"
    place = _place_of_id(source, described, identifier, given=delivery_id is not None)
    try:
        secret = _secret(source, described, private_key)
        auth = described.auth_scheme.sign(secret, body, identifier=identifier, now=time.time())
    except ValueError as error:
        held = private_key or f"The first secret of {source}"
        raise ConfigurationError(f"{held} is {error}.") from None
    answer = _post(
        f"{url or settings.gateway_url}/hooks/{source}",
        body,
        {**place, **auth.headers, **own},
        auth,
    )
    _tell(answer, as_json=as_json)


def _headers(given: Sequence[str]) -> dict[str, str]:
    found = {}
    for each in given:
        if not (read := HEADER.fullmatch(each)):
            raise ConfigurationError(f"--header {each!r} is not NAME=VALUE.")
        found[read[1]] = read[2]
    return found


def _body(file: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise ConfigurationError(f"Cannot read {file}: {error.strerror}.") from None


def _place_of_id(name: str, source: Source, identifier: str, *, given: bool) -> dict[str, str]:
    """The header that carries the id, unless the scheme carries it."""
    if isinstance(source.id, IdHeader):
        return {source.id.header: identifier}
    if given and (source.id or not source.auth_scheme.delivery_id_header):
        known_by = f"what {source.id.text} gives" if source.id else "a digest of the body"
        raise ConfigurationError(f"A delivery of {name} is known by {known_by}; leave --id out.")
    return {}


def _secret(name: str, source: Source, private_key: Path | None) -> SecretStr:
    """What the sender signs with."""
    held = webhook_secrets(name)
    able = [secret for secret in held if not source.auth_scheme.is_public(secret.get_secret_value())]
    if private_key is not None:
        return _private_key(name, source, private_key)
    if able:
        return able[0]
    if held or source.auth_scheme.key_pairs == "always":
        raise ConfigurationError(
            f"{name} is believed by its public key, so only the sender's private key can sign: "
            f"give it with --private-key FILE."
        )
    raise ConfigurationError(
        f"{secret_variable(name)} is not set: the gateway takes nothing from {name} without it."
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
        raise ConfigurationError(f"{file} holds no key in PEM, base64 or hex.") from None


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
        raise HooklineError(f"The gateway did not take it: {answer.status_code} {answer.text}")
    return answer


def _tell(answer: "httpx.Response", *, as_json: bool) -> None:
    """Tell the answer, which the source may have chosen itself."""
    try:
        told = answer.json()
    except ValueError:
        told = {"status": answer.status_code, "body": answer.text}
    if as_json:
        print_json(told)
    elif isinstance(told, dict) and {"id", "duplicate"} <= set(told):
        console().print(f"delivery {told['id']}{' (came before)' if told['duplicate'] else ''}")
    else:
        console().print(f"taken: {answer.status_code} {answer.text}".rstrip())
