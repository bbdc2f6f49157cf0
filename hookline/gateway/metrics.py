"""What Prometheus may ask: `/metrics`."""

from prometheus_client import REGISTRY, Counter, Gauge, Histogram, generate_latest

from hookline.database import pool
from hookline.settings import Settings

REQUESTS = Counter("hookline_requests_total", "Webhook requests answered.", ["source", "status"])
NOT_VERIFIED = Counter("hookline_not_verified_total", "Requests whose proof was wrong.", ["source"])
ACK_SECONDS = Histogram(
    "hookline_ack_seconds",
    "Time to put a delivery on disk and answer.",
    ["source"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1),
)
DISPATCHES = Gauge("hookline_dispatches", "Dispatches that are open or need a person.", ["state"])
OLDEST_SECONDS = Gauge("hookline_oldest_waiting_seconds", "Age of the oldest delivery not yet worked on.")
UNCERTAIN = Gauge("hookline_effects_uncertain", "Effects that wait for a person to settle them.")

OPEN_STATES = ("waiting", "running", "failed", "uncertain")


async def exposition(settings: Settings) -> bytes:
    """The metrics as text, with the inbox counted now."""
    [row] = await (await pool(settings)).fetch(
        """
        SELECT (SELECT coalesce(jsonb_object_agg(state, n), '{}') FROM
                    (SELECT state, count(*) AS n FROM dispatches WHERE state = ANY($1) GROUP BY state) AS open
               ) AS dispatches,
               (SELECT extract(epoch FROM now() - least(
                    (SELECT min(received_at) FROM deliveries WHERE state = 'received'),
                    (SELECT min(created_at) FROM dispatches WHERE state = 'waiting')))::float) AS oldest,
               (SELECT count(*) FROM effects WHERE state = 'uncertain') AS uncertain
        """,
        list(OPEN_STATES),
    )
    for state in OPEN_STATES:
        DISPATCHES.labels(state).set(row["dispatches"].get(state, 0))
    OLDEST_SECONDS.set(row["oldest"] or 0)
    UNCERTAIN.set(row["uncertain"])
    return generate_latest(REGISTRY)
