"""
The metrics for Prometheus: `/metrics`.

What this gateway itself does is counted here; the work of all processes is read from the database, at each request.
"""

import hmac
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate
from math import inf

from prometheus_client import REGISTRY, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector
from starlette.requests import Request

from hookline import timings
from hookline.backup import LAST
from hookline.database import pool, sizes
from hookline.health import disk, processes, running
from hookline.health.pressure import DATABASE_SECONDS
from hookline.hosts import LOOPBACK, host_name
from hookline.peers import is_loopback, peer
from hookline.settings import Settings
from hookline.states import NEED_A_PERSON, OPEN

REQUESTS = Counter("hookline_requests_total", "Webhook requests answered.", ["source", "status"])
NOT_VERIFIED = Counter("hookline_not_verified_total", "Requests that failed verification.", ["source"])
ACK_SECONDS = Histogram(
    "hookline_ack_seconds",
    "Time to store a delivery on disk and answer.",
    ["source"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1),
)
DELIVERIES = Gauge("hookline_deliveries", "Deliveries that are open or need a person.", ["source", "state"])
OLDEST_SECONDS = Gauge("hookline_oldest_open_seconds", "Age of the oldest open delivery.")
UNCERTAIN = Gauge("hookline_effects_uncertain", "Effects that wait for a person to resolve them.")
DOUBLED = Gauge("hookline_effects_doubled", "Effects that a vendor shows more often than they were wanted.")
OLDEST_RECEIVED_SECONDS = Gauge(
    "hookline_oldest_received_seconds", "Age of the oldest delivery that no engine has routed yet."
)
ENGINES = Gauge("hookline_engines", "Engines that are alive.")
ENGINE_TROUBLE = Gauge("hookline_engine_trouble", "1 for an engine with a failing part.", ["engine"])
CONFIG_PROBLEMS = Gauge(
    "hookline_config_problems",
    "1 for each thing in the files of running processes that cannot be used.",
    ["kind", "name"],
)
ISSUES = Gauge("hookline_issues_open", "Issues that are open: causes of what needs a person.", ["kind"])
VENDOR_AWAY = Gauge("hookline_vendor_away", "1 for a vendor account that is away.", ["account"])
VENDOR_WAITING = Gauge("hookline_vendor_waiting", "Dispatches that wait for a vendor account.", ["account"])
PROCESS_TROUBLE = Gauge(
    "hookline_process_trouble", "1 for a process of `hookline up` that keeps ending.", ["process"]
)
POLL_TROUBLE = Gauge("hookline_poll_trouble", "1 for a polled source whose list cannot be read.", ["source"])
WAITS = Gauge("hookline_waits_open", "Runs that wait: for a person's answer, for a delivery.", ["kind"])

HELD = Gauge("hookline_held", "1 while nothing starts, because the database is older than it was.")
FREE_BYTES = Gauge(
    "hookline_disk_free_bytes", "Room on the disk of HOOKLINE_HOME, without what is left free at the least."
)
DISK_LEFT = Gauge(
    "hookline_disk_left_seconds",
    "Time that the disk lasts as the databases grow; +Inf while they do not, or their disk is another server's.",
)
LAST_BACKUP = Gauge(
    "hookline_last_backup_timestamp_seconds", "Time of the last whole backup of this home; 0: none was made."
)
DATABASE_BYTES = Gauge("hookline_database_bytes", "Size of both databases, as an engine last noted it.")

DAY_SECONDS = 86_400
COUNTED = (*OPEN, *NEED_A_PERSON)


class Timings(Collector):
    """The histograms that are added up in the database."""

    def __init__(self) -> None:
        self.counted: Mapping[timings.Series, timings.Counted] = {}

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """Yield each histogram, with every series that was ever counted."""
        families = {
            each.name: HistogramMetricFamily(each.name, each.help, labels=each.labels)
            for each in timings.ALL.values()
        }
        for (name, labels), counted in self.counted.items():
            bounds = [*map(str, timings.ALL[name].buckets), "+Inf"]
            buckets = list(zip(bounds, accumulate(counted.counts), strict=True))
            families[name].add_metric(labels, buckets, counted.seconds)
        yield from families.values()


TIMINGS = Timings()
REGISTRY.register(TIMINGS)


def may_see(request: Request, settings: Settings) -> bool:
    """Return True if the request may read the metrics: with the token if one is set, else from this machine."""
    if settings.metrics_token is None:
        # A name that leads here is not enough: a web page may have one of its own.
        named = host_name(request.headers.get("host", "")) in LOOPBACK | {settings.gateway_host}
        return named and is_loopback(peer(request.scope, settings.trusted_proxies))
    expected = f"Bearer {settings.metrics_token.get_secret_value()}"
    sent = request.headers.get("authorization", "")
    return hmac.compare_digest(sent.encode(), expected.encode())


async def exposition(settings: Settings) -> bytes:
    """Return the metrics as text, with the inbox counted now."""
    async with (await pool(settings)).acquire(timeout=DATABASE_SECONDS) as connection:
        counts = await connection.fetch(
            "SELECT source, state, count(*) AS n FROM deliveries WHERE state = ANY ($1) GROUP BY source, state",
            COUNTED,
            timeout=DATABASE_SECONDS,
        )
        [row] = await connection.fetch(
            """
            SELECT (SELECT extract(epoch FROM now() - min(received_at))::float FROM deliveries
                    WHERE state = ANY ($1)) AS oldest,
                   (SELECT count(*) FROM effects WHERE state = 'uncertain') AS uncertain,
                   (SELECT count(*) FROM effects WHERE state = 'doubled') AS doubled
            """,
            OPEN,
            timeout=DATABASE_SECONDS,
        )
        current = await running.read(connection, seconds=DATABASE_SECONDS)
        TIMINGS.counted = await timings.read(connection, seconds=DATABASE_SECONDS)
        room = disk.room(settings, await sizes.latest(connection, disk.GROWN_DAYS))
    FREE_BYTES.set(room.free)
    DISK_LEFT.set(inf if room.days is None else room.days * DAY_SECONDS)
    DATABASE_BYTES.set(room.used)
    made = settings.home / LAST
    LAST_BACKUP.set(made.stat().st_mtime if made.exists() else 0)
    _set_gauges(current, processes.read(settings.home) or {})
    DELIVERIES.clear()
    for count in counts:
        DELIVERIES.labels(count["source"], count["state"]).set(count["n"])
    OLDEST_SECONDS.set(row["oldest"] or 0)
    UNCERTAIN.set(row["uncertain"])
    DOUBLED.set(row["doubled"])
    return generate_latest(REGISTRY)


def _set_gauges(current: running.Running, troubles: Iterable[str]) -> None:
    OLDEST_RECEIVED_SECONDS.set(current.waits_seconds)
    ENGINES.set(current.engines)
    HELD.set(current.holding.held_since is not None)
    by_label = (ISSUES, VENDOR_AWAY, VENDOR_WAITING, POLL_TROUBLE)
    for gauge in (ENGINE_TROUBLE, CONFIG_PROBLEMS, PROCESS_TROUBLE, *by_label):
        gauge.clear()
    for kind, number in current.issues.items():
        ISSUES.labels(kind).set(number)
    for kind in ("answer", "delivery"):
        WAITS.labels(kind).set(current.waits.get(kind, 0))
    for account in current.vendors:
        VENDOR_AWAY.labels(account.account).set(account.health == "away")
        VENDOR_WAITING.labels(account.account).set(account.waiting)
    for trouble in current.troubles:
        ENGINE_TROUBLE.labels(trouble.engine).set(1)
    for problem in current.problems:
        CONFIG_PROBLEMS.labels(problem["kind"], problem["name"]).set(1)
    for poll in current.failing_polls:
        POLL_TROUBLE.labels(poll["source"]).set(1)
    for process in troubles:
        PROCESS_TROUBLE.labels(process).set(1)
