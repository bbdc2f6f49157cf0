"""
The meaning of an error of the Prefect API: an outage, which waiting helps; or a refusal of this one request, for good.

Prefect's client raises httpx's errors: for a connection that fails, and for each answer of 400 and above, whose text
then quotes the answer, and that in turn what was sent.
"""

from collections.abc import Iterator

import httpx
from prefect.client.orchestration import PrefectClient, SyncPrefectClient

from hookline.database import DatabaseUnavailable
from hookline.errors import HooklineError

OUTAGES = frozenset({401, 403, 407, 408, 421, 425, 429})
"""Statuses that do not concern the request itself: a log-in that must be put right, a server that is busy."""
MAX_DETAIL = 200


class PrefectUnavailable(HooklineError):
    """The Prefect server did not answer; the dispatch should wait."""


def is_unavailable(error: BaseException) -> bool:
    """Return True if waiting helps: Prefect does not answer, or answers that it cannot just now."""
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.is_server_error or error.response.status_code in OUTAGES
    return isinstance(error, httpx.TransportError | PrefectUnavailable)


def is_refusal(error: BaseException) -> bool:
    """Return True if Prefect refuses the request, and will whenever it is sent again."""
    return isinstance(error, httpx.HTTPStatusError) and not is_unavailable(error)


def failed_inside(error: BaseException) -> bool:
    """Return True if Prefect failed on the request (500), which may be an outage or a poisonous request."""
    answers = [cause.response for cause in causes(error) if isinstance(cause, httpx.HTTPStatusError)]
    return any(answer.status_code == httpx.codes.INTERNAL_SERVER_ERROR for answer in answers)


def message(error: BaseException) -> str:
    """Return the message of an error of Prefect, without the request: its answers quote whole bodies."""
    if not isinstance(error, httpx.HTTPStatusError):
        return str(error) or type(error).__name__
    request, answer = error.request, error.response
    summary = f"{answer.status_code} to {request.method} {request.url.path}"
    detail = _detail(answer)
    return f"{summary}: {detail}" if detail else summary


async def is_ready(client: PrefectClient) -> bool:
    """Return True if the Prefect server reports that it and its database are ready."""
    try:
        await client.request("GET", "/ready")
    except httpx.HTTPError:
        return False
    return True


def not_its_fault(
    error: BaseException, client: PrefectClient | SyncPrefectClient
) -> DatabaseUnavailable | PrefectUnavailable | None:
    """Return the outage of PostgreSQL or Prefect that an error, raised by a flow, comes from; None if of none."""
    for cause in causes(error):
        if isinstance(cause, DatabaseUnavailable):
            return cause
        if is_from_prefect(cause, client):
            outage = PrefectUnavailable(f"Prefect is away: {message(cause)}")
            outage.__cause__ = error
            return outage
    return None


def is_from_prefect(error: BaseException, client: PrefectClient | SyncPrefectClient) -> bool:
    """Return True if an error, raised by a flow, is an outage of the Prefect server, not of a vendor."""
    return isinstance(error, httpx.RequestError | httpx.HTTPStatusError) and (
        _was_sent_by(client, error) and is_unavailable(error)
    )


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, its cause, the cause of that, and so on."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _detail(answer: httpx.Response) -> str:
    """Return the detail of an answer, cut: FastAPI lists what does not fit, with the input, which is left out."""
    try:
        content = answer.json()
    except ValueError:
        return ""
    detail = (content.get("detail") or content.get("exception_detail")) if isinstance(content, dict) else None
    if isinstance(detail, list):
        misfits = [part for part in detail if isinstance(part, dict)]
        detail = "; ".join(
            f"{'.'.join(map(str, part.get('loc', [])))}: {part.get('msg')}" for part in misfits
        )
    return str(detail)[:MAX_DETAIL] if detail else ""


def _was_sent_by(
    client: PrefectClient | SyncPrefectClient, error: httpx.RequestError | httpx.HTTPStatusError
) -> bool:
    try:
        return str(error.request.url).startswith(str(client.api_url))
    except RuntimeError:  # httpx knows of no request
        return False
