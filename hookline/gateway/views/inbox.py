"""The inbox page: counts of what needs a person, and the deliveries, the latest first."""

from starlette.requests import Request
from starlette.responses import Response

from hookline.database import pool
from hookline.gateway.views import queries
from hookline.gateway.views.addresses import fields_of, read_filter
from hookline.gateway.views.base import AdminViews
from hookline.health import processes, running
from hookline.inbox import search, stats


async def show(views: AdminViews, request: Request) -> Response:
    """Show the deliveries that match the filter, the latest first."""
    filter_ = read_filter(request.query_params)
    database = await pool(views.settings)
    return await views.page(
        request,
        "inbox.html",
        running=await running.read(database),
        processes=processes.read(views.settings.home) or {},
        counts=await queries.counts(database),
        pauses=await stats.paused(database),
        sources=await search.sources(database),
        filter=filter_,
        narrowed=bool(fields_of(filter_, before=None, after=None)),
        listing=await search.find(database, filter_),
    )
