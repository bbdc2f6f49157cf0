"""What is counted before it is tried, who was refused at the door, and who is logged in."""

from alembic import op

revision = "0002"
down_revision = "0001"

# Counted before a delivery is routed: one whose routing kills the process is set aside at the third try.
ROUTING_ATTEMPTS = "ALTER TABLE deliveries ADD COLUMN routing_attempts integer NOT NULL DEFAULT 0"

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

ENGINES = """
CREATE TABLE engines (                                           -- that are alive; an orderly end deletes the row
    name           text PRIMARY KEY,
    host           text NOT NULL,
    pid            integer NOT NULL,
    started_at     timestamptz NOT NULL DEFAULT now(),
    seen_at        timestamptz NOT NULL DEFAULT now(),
    trouble        text,                                         -- of a part of it that fails, such as the reconciler
    trouble_since  timestamptz
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
    for statement in (ROUTING_ATTEMPTS, DEATHS, REFUSALS, SESSIONS, ENGINES, CONFIGURATION_PROBLEMS):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE configuration_problems, engines, sessions, refusals")
    op.execute("ALTER TABLE dispatches DROP COLUMN deaths")
    op.execute("ALTER TABLE deliveries DROP COLUMN routing_attempts")
