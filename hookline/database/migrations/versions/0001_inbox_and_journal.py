"""The inbox (deliveries, dispatches) and the journal (effects)."""

from alembic import op

revision = "0001"
down_revision = None

DELIVERIES = """
CREATE TABLE deliveries (
    id             uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    seq            bigint GENERATED ALWAYS AS IDENTITY UNIQUE,   -- the order of arrival
    source         text NOT NULL,
    external_id    text NOT NULL,                                -- the sender's id, or a digest of what was sent
    received_at    timestamptz NOT NULL DEFAULT now(),
    headers        jsonb NOT NULL,                               -- secrets redacted
    content_type   text NOT NULL,
    body           bytea NOT NULL,                               -- as it came: what was verified is what is kept
    state          text NOT NULL DEFAULT 'received'
                   CHECK (state IN ('received', 'dispatched', 'unrouted', 'failed', 'discarded')),
    reason         text,
    duplicates     integer NOT NULL DEFAULT 0,
    duplicate_at   timestamptz,
    UNIQUE (source, external_id)
)
"""

DISPATCHES = """
CREATE TABLE dispatches (
    id             uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    seq            bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    delivery_id    uuid NOT NULL REFERENCES deliveries ON DELETE CASCADE,
    route          text NOT NULL,
    deployment     text NOT NULL,
    parameters     jsonb NOT NULL,
    key            text,                                         -- ordering key: one at a time, in order
    state          text NOT NULL DEFAULT 'waiting'
                   CHECK (state IN ('waiting', 'running', 'done', 'failed', 'uncertain', 'discarded')),
    reason         text,
    attempts       integer NOT NULL DEFAULT 0,
    replays        integer NOT NULL DEFAULT 0,                   -- each replay is a flow run of its own
    not_before     timestamptz NOT NULL DEFAULT now(),
    lease_owner    text,
    lease_until    timestamptz,
    flow_run_id    uuid,
    created_at     timestamptz NOT NULL DEFAULT now(),
    started_at     timestamptz,
    finished_at    timestamptz,
    UNIQUE (delivery_id, route)
)
"""

EFFECTS = """
CREATE TABLE effects (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    workflow       text NOT NULL,
    key            text NOT NULL,                                -- the business key: an order
    step           text NOT NULL,
    label          text NOT NULL,                                -- the key in a person's words
    operation      text NOT NULL,                                -- vendor.operation
    state          text NOT NULL DEFAULT 'intended'
                   CHECK (state IN ('intended', 'done', 'failed', 'uncertain')),
    digest         text NOT NULL,                                -- of the request
    request        jsonb NOT NULL,
    scope          text,                                         -- the place at the vendor that a look searches
    baseline       jsonb,                                        -- what stood there before the first attempt
    wanted         integer NOT NULL DEFAULT 0,                   -- how many vendor references it must bring
    reference      text[] NOT NULL DEFAULT '{}',                 -- the vendor's ids for what came about
    answer         jsonb,                                        -- as the vendor gave it, for people
    reason         text,
    attempts       integer NOT NULL DEFAULT 0,
    flow_run_id    uuid,
    created_at     timestamptz NOT NULL DEFAULT now(),
    attempted_at   timestamptz,                                  -- of the attempt whose end is not known yet
    finished_at    timestamptz,
    UNIQUE (workflow, key, step)
)
"""

INDEXES = """
CREATE INDEX deliveries_state ON deliveries (state, seq) WHERE state <> 'dispatched';
CREATE INDEX dispatches_open ON dispatches (seq) WHERE state IN ('waiting', 'running');
CREATE INDEX dispatches_open_key ON dispatches (key, seq) WHERE state IN ('waiting', 'running');
CREATE INDEX dispatches_state ON dispatches (state, seq) WHERE state <> 'done';
CREATE INDEX dispatches_key_end ON dispatches (split_part(key, ' ', -1));   -- the business key
CREATE INDEX dispatches_flow_run ON dispatches (flow_run_id);
CREATE INDEX effects_key ON effects (key);
CREATE INDEX effects_label_end ON effects (split_part(label, ' ', -1));     -- as people know it
CREATE INDEX effects_reference ON effects USING gin (reference);
CREATE INDEX effects_open ON effects (scope, id) WHERE state IN ('intended', 'uncertain');
CREATE INDEX effects_flow_run ON effects (flow_run_id);
"""


def upgrade() -> None:
    for statement in (DELIVERIES, DISPATCHES, EFFECTS, *filter(str.strip, INDEXES.split(";"))):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE effects, dispatches, deliveries")
