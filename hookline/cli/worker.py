"""`hookline worker`: runs what no webhook started."""

import asyncio

from hookline import log, runtime


def worker() -> None:
    """
    Run schedules, and what is begun or retried in the Prefect UI, each in a process of its own.

    Asked to stop, it takes nothing more and gives what runs 20 seconds; what did not end then begins again with the
    next worker of this machine. One is enough: `hookline up` has one.

    Try:
        hookline worker
    """
    settings = runtime.bootstrap()
    log.configure(settings.log_format)

    from hookline.engine.worker import serve  # Prefect's settings

    asyncio.run(serve(settings))
