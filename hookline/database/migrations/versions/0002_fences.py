"""What is counted before it is tried, who was refused at the door, who is logged in, which engines live."""

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

# A person's wish for a dispatch that runs: its engine stops it before its next effect.
DISCARD = "ALTER TABLE dispatches ADD COLUMN discard_reason text, ADD COLUMN discard_actor text"

ENGINES = """
CREATE TABLE engines (                                           -- alive by their own word; gone at an orderly end
    name           text PRIMARY KEY,                             -- the owner of leases
    host           text NOT NULL,
    pid            integer NOT NULL,
    started_at     timestamptz NOT NULL DEFAULT now(),
    seen_at        timestamptz NOT NULL DEFAULT now(),
    trouble        text,                                         -- what it cannot do just now
    trouble_since  timestamptz
)
"""

ASKED_BY = "coalesce(CASE NEW.state WHEN 'discarded' THEN NEW.discard_actor END, actor())"

# As in 0001, but what ends as discarded while it ran was discarded by the person who asked for it.
DISPATCH_CHANGED = f"""
CREATE OR REPLACE FUNCTION dispatch_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO changes (subject, delivery_id, dispatch_id, source, was, became, actor, reason, event_due)
    VALUES ('dispatch', NEW.delivery_id, NEW.id, NEW.source, CASE TG_OP WHEN 'UPDATE' THEN OLD.state END,
            NEW.state, {ASKED_BY},
            why(NEW.reason), NEW.state IN ('held', 'failed', 'uncertain', 'discarded'));
    PERFORM FROM deliveries WHERE id = NEW.delivery_id FOR NO KEY UPDATE;   -- two dispatches may end at once
    UPDATE deliveries d SET state = worst.state, reason = worst.reason, only_route = NULL
    FROM (SELECT p.state, p.reason FROM dispatches p WHERE p.delivery_id = NEW.delivery_id
          ORDER BY array_position('{{uncertain,failed,held,running,dispatched,done,discarded}}', p.state), p.seq
          LIMIT 1) AS worst
    WHERE d.id = NEW.delivery_id AND (TG_OP = 'INSERT' OR d.only_route IS NULL)   -- that one is still to be routed
      AND (d.state, d.reason) IS DISTINCT FROM (worst.state, worst.reason);
    RETURN NULL;
END $$
"""

INDEXES = (
    "CREATE INDEX dispatches_leases ON dispatches (lease_until) WHERE state = 'running'",
    "CREATE INDEX dispatches_suspects ON dispatches (deaths) WHERE state = 'dispatched' AND deaths > 0",
)

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

CONFIGURATION_PROBLEMS = """
CREATE TABLE configuration_problems (                            -- what in the files of a process is not in force
    process        text NOT NULL,                                -- such as `engine at host`
    kind           text NOT NULL,
    name           text NOT NULL,
    detail         text NOT NULL,
    since          timestamptz NOT NULL DEFAULT now(),
    seen_at        timestamptz NOT NULL DEFAULT now(),
    event_due      boolean NOT NULL DEFAULT true,                -- to be told to Prefect
    PRIMARY KEY (process, kind, name)
)
"""


def upgrade() -> None:
    for statement in (
        ROUTING, *ROUTING_INDEXES, DEATHS, DISCARD, ENGINES, DISPATCH_CHANGED, *INDEXES, REFUSALS, SESSIONS,
        CONFIGURATION_PROBLEMS,
    ):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE configuration_problems, sessions, refusals, engines")
    op.execute(DISPATCH_CHANGED.replace(ASKED_BY, "actor()"))
    op.execute("DROP INDEX dispatches_leases, deliveries_received, deliveries_routing")
    op.execute("ALTER TABLE dispatches DROP COLUMN deaths, DROP COLUMN discard_reason, DROP COLUMN discard_actor")
    op.execute("ALTER TABLE deliveries DROP COLUMN routing_attempts, DROP COLUMN routing_until")
