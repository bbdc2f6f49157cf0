"""`hookline prefect-services`: run what Prefect servers that share a Redis do beside their API."""

from hookline import runtime
from hookline.cli.prefect import run_server
from hookline.errors import ConfigurationError


def prefect_services() -> None:
    """
    Do Prefect's work in the background, where several servers share a Redis: schedules, automations, what ends late.

    A single server does it itself, so without HOOKLINE_PREFECT_REDIS_URL this is refused. Several may run; each thing
    is done by one of them.

    Try:
        hookline prefect-services
    """
    settings = runtime.bootstrap()
    if settings.prefect_redis_url is None:
        raise ConfigurationError(
            "Without HOOKLINE_PREFECT_REDIS_URL there is one Prefect server, and `hookline prefect` does this itself."
        )
    run_server(settings, "--services")
