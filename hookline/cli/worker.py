"""`hookline worker`: run the flows that no webhook started."""

import asyncio

from hookline import garbage, log, runtime
from hookline.database.migrate import upgrade_when_up
from hookline.supervisor import wait_for_turn


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

    from hookline.engine.worker import serve  # Prefect's settings

    garbage.collect_as_usual()
    if not wait_for_turn():  # else a process of the supervisor has done so
        upgrade_when_up(settings)
    asyncio.run(serve(settings))
