"""What is counted before it is tried, who was refused at the door, and who is logged in."""

from alembic import op

revision = "0002"
down_revision = "0001"

# Counted before a delivery is routed: one whose routing kills the process is set aside after the third try.
ROUTING = """
ALTER TABLE deliveries
    ADD COLUMN routing_attempts integer NOT NULL DEFAULT 0,
    ADD COLUMN routing_until timestamptz                         -- an engine routes it, or it waits, until then
"""
ROUTING_INDEXES = (
    "CREATE INDEX deliveries_received ON deliveries (source, seq) WHERE state = 'received'",
    "CREATE INDEX deliveries_routing ON deliveries (seq) WHERE state = 'received' AND routing_attempts > 0",
)

# Engines that died, or blocked, with it in hand.
DEATHS = "ALTER TABLE dispatches ADD COLUMN deaths integer NOT NULL DEFAULT 0"

REFUSALS = """
CREATE TABLE refusals (                                          -- requests of a source that were refused at the door
    source         text NOT NULL,
    status         integer NOT NULL,
    reason         text NOT NULL,
    count          bigint NOT NULL DEFAULT 1,
    first_at       timestamptz NOT NULL DEFAULT now(),
    last_at        timestamptz NOT NULL DEFAULT now(),
    peer           text NOT NULL,                                -- of the last
    headers        jsonb NOT NULL,                               -- of the last, secrets redacted
    PRIMARY KEY (source, status, reason)
)
"""

SESSIONS = """
CREATE TABLE sessions (                                          -- log-ins of people; log-out deletes the row
    digest         bytea PRIMARY KEY,                            -- of what the cookie holds
    expires_at     timestamptz NOT NULL
)
"""


def upgrade() -> None:
    for statement in (ROUTING, *ROUTING_INDEXES, DEATHS, REFUSALS, SESSIONS):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE sessions, refusals")
    op.execute("ALTER TABLE dispatches DROP COLUMN deaths")
    op.execute("DROP INDEX deliveries_received, deliveries_routing")
    op.execute("ALTER TABLE deliveries DROP COLUMN routing_attempts, DROP COLUMN routing_until")
