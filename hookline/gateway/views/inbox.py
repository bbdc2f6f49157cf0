"""The inbox itself: what needs a person, and the deliveries, the latest first."""

from starlette.requests import Request
from starlette.responses import Response

from hookline.database import pool
from hookline.gateway.views import queries
from hookline.gateway.views.addresses import fields_of, wanted
from hookline.gateway.views.base import AdminViews
from hookline.health import processes, running
from hookline.inbox import search, stats


async def show(views: AdminViews, request: Request) -> Response:
    """The deliveries that are wanted, the latest first."""
    await views.require_session(request)
    filter_ = wanted(request.query_params)
    database = await pool(views.settings)
    return await views.page(
        request,
        "inbox.html",
        running=await running.look(database),
        processes=processes.read(views.settings.home) or {},
        counts=await queries.counts(database),
        pauses=await stats.paused(database),
        sources=await search.sources(database),
        wanted=filter_,
        narrowed=bool(fields_of(filter_, before=None, after=None)),
        listing=await search.find(database, filter_),
    )
