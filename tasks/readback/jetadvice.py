"""Read-backs at JetAdvice."""

from hookline.clients.jetadvice import JetadviceClient
from hookline.clients.jetadvice.models import RequestReportRun
from hookline.journal import Outcome


async def no_run(_client: JetadviceClient, _inputs: RequestReportRun, _token: str) -> Outcome | None:
    """Find nothing: JetAdvice lists no runs, and a run that nobody waits for costs the vendor a little work only."""
    return None
