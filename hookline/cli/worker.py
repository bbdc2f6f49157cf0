"""`hookline worker`: run the flows that no webhook started."""

import asyncio

from hookline import log, runtime
from hookline.database.migrate import upgrade_when_up


def worker() -> None:
    """
    Run schedules, and what is started or retried in the Prefect UI, each in a process of its own.

    When it is stopped, it starts nothing more and gives running flows 20 seconds; unfinished ones start again with
    the next worker of this machine. One is enough: `hookline up` has one.

    Try:
        hookline worker
    """
    settings = runtime.bootstrap()
    log.configure(settings.log_format)
    upgrade_when_up(settings)

    from hookline.engine.worker import serve  # Prefect's settings

    asyncio.run(serve(settings))
