"""
The same vendor calls as DBOS makes them, each a step of a durable workflow; `systems.dbos` starts it.

DBOS keeps each workflow and the result of each step in PostgreSQL, and begins unfinished workflows again. A step whose
answer was lost is made again: it does not look whether the vendor has done it.
"""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn
from dbos import DBOS, SetWorkflowID
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.systems import CONCURRENCY, DBOS_DATABASE
from blocks.jiwa import JiwaCredentials
from hookline.sandbox.paid_orders import BareJob


async def step(name: str, call: Callable[[], Awaitable[Any]]) -> Any:
    """Make a call as a step: its result is kept, and it is tried again after an error."""
    return await DBOS.run_step_async({"name": name, "retries_allowed": True}, call)


async def main(port: int) -> None:
    """Take invoices by HTTP; each is answered when its workflow is in the database, and so many run at once."""
    at_once = asyncio.Semaphore(CONCURRENCY)
    async with JiwaCredentials.from_environment().get_client() as jiwa:
        job = BareJob(jiwa, step)

        @DBOS.workflow()
        async def order_to_license(invoice_id: str) -> None:
            async with at_once:
                await job.run(invoice_id)

        async def begin(request: Request) -> Response:
            invoice_id = request.path_params["invoice_id"]
            with SetWorkflowID(invoice_id):  # a repeated webhook begins no second one
                await DBOS.start_workflow_async(order_to_license, invoice_id)
            return Response(status_code=202)

        DBOS(
            config={
                "name": "orders",
                "system_database_url": os.environ[DBOS_DATABASE],
                "log_level": "WARNING",
            }
        )
        DBOS.launch()
        app = Starlette(routes=[Route("/orders/{invoice_id}", begin, methods=["POST"])])
        await uvicorn.Server(uvicorn.Config(app, port=port, access_log=False, log_level="warning")).serve()
        DBOS.destroy()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
