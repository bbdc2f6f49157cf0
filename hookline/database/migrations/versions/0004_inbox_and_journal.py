"""
The tables of the inbox, the journal and the audit trail; of processes, log-ins and refused requests.

The states and their transitions are those of `hookline.states`; tests/database/test_states.py holds the two together.
"""

from alembic import op

revision = "0004"
down_revision = None

DELIVERIES = """
CREATE TABLE deliveries (
    id             uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    seq            bigint GENERATED ALWAYS AS IDENTITY UNIQUE,   -- the order of arrival
    source         text NOT NULL,
    external_id    text NOT NULL,                                -- the sender's id, or a digest of what was sent
    received_at    timestamptz NOT NULL DEFAULT now(),
    method         text NOT NULL,
    query          jsonb NOT NULL,                               -- secrets redacted
    headers        jsonb NOT NULL,                               -- secrets redacted
    content_type   text NOT NULL,
    body           bytea,                                        -- as it came; NULL once its time is over
    altered        text[] NOT NULL DEFAULT '{}',                 -- what was done to the body: redacted, encrypted, removed
    fingerprint    bytea,                                        -- of the body before it was encrypted
    repeats_id     uuid REFERENCES deliveries ON DELETE SET NULL, -- came under its id with another body
    bundle_id      uuid REFERENCES deliveries ON DELETE SET NULL, -- the request that it is an item of
    envelope       jsonb,                                        -- the plain values around an item; NULL: it is none
    copy_of        uuid REFERENCES deliveries ON DELETE SET NULL, -- what a person copied with a change
    changed        jsonb,                                        -- of a copy: what was changed; NULL: it is none
    listened_from  text,                                         -- the other Hookline that verified it; NULL: this one
    listened_id    uuid,                                         -- its id there
    traceparent    text,                                         -- the span that stored it, where traces are on
    state          text NOT NULL
                   CHECK (state IN ('received', 'held', 'dispatched', 'running', 'done', 'failed', 'uncertain',
                                    'doubled', 'rejected', 'replaced', 'discarded', 'unrouted', 'split')),
    reason         text,
    only_route     text,                                         -- replayed to this route, whatever its condition
    routing_attempts integer NOT NULL DEFAULT 0,                 -- counted before each: the third is the last
    routing_until  timestamptz,                                  -- an engine routes it, or it waits, until then
    routing_owner  text,                                         -- that engine
    ordering_keys  text[] NOT NULL DEFAULT '{}',                 -- of one that cannot be routed yet: later ones wait
    duplicates     integer NOT NULL DEFAULT 0,
    duplicate_at   timestamptz,
    issue_id       bigint,                                       -- the issue that it belongs to, or did last
    label          text,                                         -- of one without a dispatch: as its route calls it
    about          jsonb NOT NULL DEFAULT '{}',
    label_problem  text,
    UNIQUE (source, external_id)
)
"""

DISPATCHES = """
CREATE TABLE dispatches (
    id             uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    seq            bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    delivery_id    uuid NOT NULL REFERENCES deliveries ON DELETE CASCADE,
    source         text NOT NULL,                                -- the delivery's: sources take turns
    route          text NOT NULL,
    deployment     text NOT NULL,
    parameters     jsonb NOT NULL,
    key            text,                                         -- ordering key: one at a time, in order
    label          text,                                         -- as people call it, and its flow run
    about          jsonb NOT NULL DEFAULT '{}',                  -- names and values by which people find it
    label_problem  text,                                         -- why a part of these two is missing
    state          text NOT NULL DEFAULT 'dispatched'
                   CHECK (state IN ('dispatched', 'running', 'held', 'done', 'failed', 'uncertain', 'doubled',
                                    'replaced', 'discarded')),
    reason         text,
    attempts       integer NOT NULL DEFAULT 0,
    replays        integer NOT NULL DEFAULT 0,                   -- each replay is a flow run of its own
    unbatched      boolean NOT NULL DEFAULT false,               -- must run in a flow run of its own, backlog or not
    takeovers      integer NOT NULL DEFAULT 0,                   -- from engines that died, or were lost, running it
    engine_deaths  integer NOT NULL DEFAULT 0,                   -- those of these engines that are known to have died
    lost_by        text[] NOT NULL DEFAULT '{}',                 -- those of which it is not known if they live
    spared         boolean NOT NULL DEFAULT false,               -- one death was not counted: everything died with it
    not_before     timestamptz NOT NULL DEFAULT now(),
    quiet          interval,                                     -- it waits until nothing more of its key comes
    quiet_since    timestamptz,                                  -- the first of those whose place it took
    replaced_by    uuid,                                         -- the later delivery that took its place
    lease_owner    text,
    lease_until    timestamptz,
    lease          interval,                                     -- how long it lasts: each engine has its setting
    flow_run_id    uuid,
    waits_for      bigint,                                       -- the uncertain effect that a person must resolve
    discard_reason text,                                         -- a person discards it while it runs: its engine
    discard_actor  text,                                         -- stops it before its next effect
    issue_id       bigint,                                       -- the issue that it belongs to, or did last
    waits_account  text,                                         -- the vendor's account that it waits for, unclaimed
    vendor_wait_since timestamptz,                               -- since when it waits for vendors, without success
    probed_at      timestamptz,                                  -- when it was last woken to try that account
    created_at     timestamptz NOT NULL DEFAULT now(),
    started_at     timestamptz,
    finished_at    timestamptz,
    traceparent    text,                                         -- the delivery's
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
    account        text NOT NULL DEFAULT '',                     -- vendor/block; its ids are unique there alone
    about          jsonb NOT NULL DEFAULT '{}',                  -- whom it reaches: addresses and names of its inputs
    state          text NOT NULL DEFAULT 'intended'
                   CHECK (state IN ('intended', 'done', 'failed', 'uncertain', 'doubled', 'undone', 'kept')),
    digest         text NOT NULL,                                -- of the request
    request        jsonb NOT NULL,
    scope          text,                                         -- the place at the vendor that a read-back counts
    baseline       jsonb,                                        -- what was there before the first attempt
    expected       integer NOT NULL DEFAULT 0,                   -- how many vendor references it must bring
    needs          jsonb,                                        -- of an answer that is a record: its required fields
    reference      text[] NOT NULL DEFAULT '{}',                 -- the vendor's ids of what it brought
    answer         jsonb,                                        -- as the vendor gave it, for people
    reason         text,
    attempts       integer NOT NULL DEFAULT 0,
    flow_run_id    uuid,
    dispatch_id    uuid,                                         -- where a delivery started it
    waiting        uuid[] NOT NULL DEFAULT '{}',                 -- flow runs and dispatches that met it uncertain
    depends_on     text[] NOT NULL DEFAULT '{}',                 -- the vendor's ids of what it depends on
    generation     integer NOT NULL DEFAULT 0,                   -- of what is compensated as a whole; 0: part of none
    created_at     timestamptz NOT NULL DEFAULT now(),
    attempted_at   timestamptz,                                  -- of the attempt whose end is not known yet
    given_up_at    timestamptz,                                  -- since when nobody waits for its answer, if we know
    clock          text,                                         -- a clock that nobody sets, as of the later of these
    finished_at    timestamptz,
    call           jsonb,                                        -- the task, its account and its inputs: to look again
    check_at       timestamptz,                                  -- the next late check
    checks         integer NOT NULL DEFAULT 0,                   -- late checks so far
    surplus        text[] NOT NULL DEFAULT '{}',                 -- the vendor's ids of what is there too often
    decided        text[] NOT NULL DEFAULT '{}',                 -- those of them that were undone, or may stay
    undo_actor     text,                                         -- the person who wants it undone
    undo_surplus   text[] NOT NULL DEFAULT '{}',                 -- what of it, as that person saw it
    decision       jsonb,                                        -- a person's last, with what it replaced (`decided`)
    mark           bigint,                                       -- of the last attempt: grows with each (trigger)
    first_readback text                                          -- the result, after a restore
                   CHECK (first_readback IN ('found', 'as wanted', 'absent', 'asked')),
    first_readback_at timestamptz
)
"""

COMPENSATION_STEPS = """
CREATE TABLE compensation_steps (                                -- written in one transaction, before the first of them
    effect_id      bigint PRIMARY KEY REFERENCES effects,        -- the effect that performs it
    compensates    bigint NOT NULL REFERENCES effects,           -- the effect that is undone by it
    workflow       text NOT NULL,
    key            text NOT NULL,                                -- the business whose rule said no
    generation     integer NOT NULL,                             -- which one of that business is undone
    rule           text NOT NULL,
    flow_run_id    uuid,                                         -- the run that was told so
    call           jsonb NOT NULL                                -- the task, its account and its inputs
)
"""

PAUSES = """
CREATE TABLE pauses (
    source         text PRIMARY KEY,                             -- what it sends is held
    since          timestamptz NOT NULL DEFAULT now(),
    actor          text NOT NULL,
    reason         text NOT NULL
)
"""

BATCHES = """
CREATE TABLE batches (                                           -- that are running
    id             uuid PRIMARY KEY,                             -- the tag of its flow run
    lease_until    timestamptz NOT NULL
)
"""

CHANGES = """
CREATE TABLE changes (                                           -- the audit trail, written by triggers (`inbox.audit`)
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at             timestamptz NOT NULL DEFAULT clock_timestamp(),
    subject        text NOT NULL CHECK (subject IN ('delivery', 'dispatch', 'effect', 'source', 'database', 'wait',
                                                     'person')),
    delivery_id    uuid REFERENCES deliveries ON DELETE CASCADE,
    dispatch_id    uuid,
    effect_id      bigint,
    wait_id        uuid,
    person         text,
    source         text,
    was            text,
    became         text NOT NULL,
    actor          text NOT NULL,
    reason         text,
    event_due      boolean NOT NULL DEFAULT false                -- Prefect has no event of it yet
)
"""

ENGINES = """
CREATE TABLE engines (                                           -- that sent a heartbeat; gone at an orderly end
    name           text PRIMARY KEY,                             -- owner of leases
    host           text NOT NULL,
    pid            integer NOT NULL,
    started_at     timestamptz NOT NULL DEFAULT now(),
    seen_at        timestamptz NOT NULL DEFAULT now(),
    session        bigint,                                       -- an advisory lock that it holds as long as it lives
    claims         boolean NOT NULL DEFAULT false,               -- it took dispatches within seconds of its heartbeat
    trouble        text,                                         -- what fails just now
    trouble_since  timestamptz
)
"""

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

PEOPLE = """
CREATE TABLE people (                                            -- who may open the pages, beside the admin
    name           text PRIMARY KEY,                             -- the actor in the audit trail
    role           text NOT NULL CHECK (role IN ('look', 'operate', 'decide')),
    token          bytea UNIQUE,                                 -- digest of the one by which they log in
    identity       text UNIQUE CHECK (identity = lower(identity)),   -- what a proxy in front calls them
    since          timestamptz NOT NULL DEFAULT now()
)
"""

SESSIONS = """
CREATE TABLE sessions (                                          -- log-ins of people; a log-out deletes the row
    digest         bytea PRIMARY KEY,                            -- of the cookie's value
    person         text REFERENCES people ON DELETE CASCADE,     -- empty: the admin
    expires_at     timestamptz NOT NULL
)
"""

CONNECTING = """
CREATE TABLE connecting (                                        -- people on their way to a vendor, to connect an account
    state          bytea PRIMARY KEY,                            -- digest of what comes back with the code, once
    session        bytea NOT NULL,                               -- digest of the browser's session: no other may finish
    account        text NOT NULL,
    expires_at     timestamptz NOT NULL
)
"""

CONFIGURATION_PROBLEMS = """
CREATE TABLE configuration_problems (                            -- parts of a process's files that are not in force
    process        text NOT NULL,                                -- such as `engine at host`
    kind           text NOT NULL,
    name           text NOT NULL,
    detail         text NOT NULL,
    since          timestamptz NOT NULL DEFAULT now(),
    seen_at        timestamptz NOT NULL DEFAULT now(),
    event_due      boolean NOT NULL DEFAULT true,                -- Prefect has no event of it yet
    PRIMARY KEY (process, kind, name)
)
"""

# Listening (hookline.inbox.listening) ----------------------------------------------------------------------------

LISTENERS = """
CREATE TABLE listeners (                                         -- other Hooklines that are sent what a source sends
    id             uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    source         text NOT NULL,
    actor          text NOT NULL,                                -- who listens, as the admin token and they say
    since          timestamptz NOT NULL DEFAULT now(),
    seen_at        timestamptz NOT NULL DEFAULT now()
)
"""

LISTENING = """
CREATE TABLE listening (                                         -- how far this one has listened to others
    source         text NOT NULL,
    address        text NOT NULL,
    history        uuid NOT NULL,                                -- the lineage of the other one
    latest         bigint NOT NULL,                              -- its deliveries up to this `seq` were offered
    begins_at      timestamptz NOT NULL,                         -- what came before was not asked for
    at             timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source, address)
)
"""

# Going back in time (hookline.database.high_water) ---------------------------------------------------------------

LINEAGE = """
CREATE TABLE lineage (                                           -- one row: the history that this database has
    single           boolean PRIMARY KEY DEFAULT true CHECK (single),
    id               uuid NOT NULL DEFAULT gen_random_uuid(),    -- another one each time that an older copy goes on
    before           uuid[] NOT NULL DEFAULT '{}',               -- its earlier ids
    changes_floor    bigint NOT NULL DEFAULT 0,                  -- the highest of the rows that were deleted
    attempts_floor   bigint NOT NULL DEFAULT 0,
    held_since       timestamptz,                                -- it is older than it was: nothing starts
    held_reason      text,
    readback_first_since timestamptz,                            -- a person let it go on: writes are looked for first
    readback_first_actor text,
    released_at      timestamptz,                                -- the last time that a person let it go on
    event_due        boolean NOT NULL DEFAULT false              -- Prefect has no event of it yet
)
"""

MARK = """
CREATE FUNCTION mark_attempt() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.mark := nextval('effects_mark');
    RETURN NEW;
END $$
"""

LINEAGE_CHANGED = """
CREATE FUNCTION lineage_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO changes (subject, was, became, actor, reason)
    VALUES ('database', CASE WHEN OLD.held_since IS NOT NULL THEN 'held'
                             WHEN OLD.readback_first_since IS NOT NULL THEN 'looks first' END,
            CASE WHEN NEW.held_since IS NOT NULL THEN 'held'
                 WHEN NEW.readback_first_since IS NOT NULL THEN 'looks first' ELSE 'as usual' END,
            actor(), why(NEW.held_reason));
    RETURN NULL;
END $$
"""

# What is deleted has been there: the marks of a database never fall while it goes forward.
KEEP_FLOOR = """
CREATE FUNCTION keep_floor() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    changed bigint := coalesce((SELECT max(id) FROM changes), 0);
    attempted bigint := coalesce((SELECT max(mark) FROM effects), 0);
BEGIN
    UPDATE lineage
    SET changes_floor = greatest(changes_floor, changed), attempts_floor = greatest(attempts_floor, attempted)
    WHERE changes_floor < changed OR attempts_floor < attempted;
    RETURN NULL;
END $$
"""

GOING_BACK = """
INSERT INTO lineage DEFAULT VALUES;
CREATE SEQUENCE effects_mark;
CREATE INDEX effects_mark_order ON effects (mark);
CREATE TRIGGER lineage_changed AFTER UPDATE OF held_since, readback_first_since ON lineage FOR EACH ROW
    WHEN ((OLD.held_since, OLD.readback_first_since) IS DISTINCT FROM (NEW.held_since, NEW.readback_first_since))
    EXECUTE FUNCTION lineage_changed();
CREATE TRIGGER mark_new_attempt BEFORE INSERT ON effects FOR EACH ROW
    WHEN (NEW.attempted_at IS NOT NULL) EXECUTE FUNCTION mark_attempt();
CREATE TRIGGER mark_attempt BEFORE UPDATE OF attempted_at ON effects FOR EACH ROW
    WHEN (NEW.attempted_at IS NOT NULL) EXECUTE FUNCTION mark_attempt();
CREATE TRIGGER keep_floor BEFORE DELETE OR TRUNCATE ON deliveries FOR EACH STATEMENT EXECUTE FUNCTION keep_floor();
CREATE TRIGGER keep_floor BEFORE DELETE OR TRUNCATE ON changes FOR EACH STATEMENT EXECUTE FUNCTION keep_floor();
CREATE TRIGGER keep_floor BEFORE DELETE OR TRUNCATE ON effects FOR EACH STATEMENT EXECUTE FUNCTION keep_floor();
"""

# Polled sources -------------------------------------------------------------------------------------------------

POLLS = """
CREATE TABLE polls (                                             -- one polled source each
    source         text PRIMARY KEY,
    kind           text NOT NULL CHECK (kind ~ '^(time|position|list)( |$)'), -- of its cursor, and what that holds for
    began_at       timestamptz NOT NULL,                         -- what is older was never asked for
    cursor         text,                                         -- all before it was read: a time, or an id
    trail          jsonb NOT NULL DEFAULT '[]',                  -- earlier ids with their times, for the overlap
    place          jsonb,                                        -- where the reading goes on, if not at its beginning
    next_at        timestamptz NOT NULL DEFAULT now(),
    claim          bigint NOT NULL DEFAULT 0,                    -- counted up by each poll, which tells it from a late one
    claimed_by     text,
    claimed_until  timestamptz,
    polled_at      timestamptz,                                  -- the last poll that was read to its end
    items          bigint NOT NULL DEFAULT 0,                    -- that became deliveries
    failures       integer NOT NULL DEFAULT 0,                   -- one after another
    error          text,
    failing_since  timestamptz
)
"""

POLL_ITEMS = """
CREATE TABLE poll_items (                                        -- of lists without a cursor: what was in them before
    source         text NOT NULL,
    external_id    text NOT NULL,
    seen_at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source, external_id)
)
"""

SILENCES = """
CREATE TABLE silences (                                          -- how long each source was ever silent
    source         text PRIMARY KEY,
    since          timestamptz NOT NULL DEFAULT now(),           -- it is looked at since then
    looked_at      timestamptz NOT NULL DEFAULT now(),
    quiet_since    timestamptz NOT NULL DEFAULT now(),           -- its latest delivery, or when it could send again
    longest        interval,
    gaps           bigint NOT NULL DEFAULT 0,
    reported       boolean NOT NULL DEFAULT false                -- its silence is an open issue
)
"""

SIZES = """
CREATE TABLE sizes (                                             -- how large both databases were at the end of a day
    day            date PRIMARY KEY,
    at             timestamptz NOT NULL,
    bytes          bigint NOT NULL
)
"""

TIMINGS = """
CREATE TABLE timings (                                           -- histograms (`hookline.timings`)
    name           text NOT NULL,
    labels         text[] NOT NULL,
    counts         bigint[] NOT NULL,                            -- of each bucket by itself
    seconds        double precision NOT NULL,
    PRIMARY KEY (name, labels)
)
"""

# The transaction says who acts and why, where it is a person; else the connection says which process it is.
ACTOR = """
CREATE FUNCTION actor() RETURNS text LANGUAGE sql STABLE AS $$
    SELECT coalesce(nullif(current_setting('hookline.actor', true), ''), current_setting('application_name'))
$$
"""

WHY = """
CREATE FUNCTION why(reason text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT coalesce(nullif(current_setting('hookline.reason', true), ''), reason)
$$
"""

DELIVERY_CHANGED = """
CREATE FUNCTION delivery_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO changes (subject, delivery_id, source, was, became, actor, reason, event_due)
    VALUES ('delivery', NEW.id, NEW.source, CASE TG_OP WHEN 'UPDATE' THEN OLD.state END, NEW.state, actor(),
            CASE WHEN TG_OP = 'INSERT' AND NEW.copy_of IS NOT NULL
                 THEN concat_ws(' with ', 'a copy of ' || NEW.copy_of, why(NEW.reason)) ELSE why(NEW.reason) END,
            NEW.state IN ('received', 'held', 'rejected', 'unrouted', 'discarded'));
    IF TG_OP = 'INSERT' AND NEW.copy_of IS NOT NULL THEN         -- what was copied says so, too
        INSERT INTO changes (subject, delivery_id, source, became, actor, reason)
        VALUES ('delivery', NEW.copy_of, NEW.source, 'copied', actor(),
                concat_ws(' with ', 'as ' || NEW.id, why(NEW.reason)));
    END IF;
    RETURN NULL;
END $$
"""

# A delivery is where its dispatches are; where they differ, what needs a person comes first.
DISPATCH_CHANGED = """
CREATE FUNCTION dispatch_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO changes (subject, delivery_id, dispatch_id, source, was, became, actor, reason, event_due)
    VALUES ('dispatch', NEW.delivery_id, NEW.id, NEW.source, CASE TG_OP WHEN 'UPDATE' THEN OLD.state END,
            NEW.state, coalesce(CASE NEW.state WHEN 'discarded' THEN NEW.discard_actor END, actor()),   -- who asked for it
            why(NEW.reason), NEW.state IN ('held', 'failed', 'uncertain', 'doubled', 'discarded'));
    PERFORM FROM deliveries WHERE id = NEW.delivery_id FOR NO KEY UPDATE;   -- two dispatches may end at once
    UPDATE deliveries d SET state = worst.state, reason = worst.reason, only_route = NULL
    FROM (SELECT p.state, p.reason FROM dispatches p WHERE p.delivery_id = NEW.delivery_id
          ORDER BY array_position('{uncertain,failed,doubled,held,running,dispatched,done,replaced,discarded}', p.state), p.seq
          LIMIT 1) AS worst
    WHERE d.id = NEW.delivery_id AND (TG_OP = 'INSERT' OR d.only_route IS NULL)   -- that one is still to be routed
      AND (d.state, d.reason) IS DISTINCT FROM (worst.state, worst.reason);
    RETURN NULL;
END $$
"""

# By anybody, a dispatch is done only where nothing of it is doubled. `journal.store.doubled` locks the dispatch
# before it changes the effect, so that one of the two sees the other.
DISPATCH_DOUBLED = """
CREATE FUNCTION dispatch_doubled() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    double effects;
BEGIN
    SELECT * INTO double FROM effects WHERE dispatch_id = NEW.id AND state = 'doubled' ORDER BY id LIMIT 1;
    IF FOUND THEN
        NEW.state := 'doubled';
        NEW.reason := double.reason;
        NEW.waits_for := double.id;
    END IF;
    RETURN NEW;
END $$
"""

# What a person decides, with what it replaces: so it can be taken back until something is built on it.
DECIDED = """
CREATE FUNCTION decided(before effects, what text, seconds float8) RETURNS jsonb LANGUAGE sql VOLATILE AS $$
    SELECT jsonb_build_object(
        'what', what, 'actor', actor(), 'at', clock_timestamp(), 'dispatches', '{}'::jsonb,
        'goes_on_at', clock_timestamp() + make_interval(secs => seconds),
        'before', (SELECT jsonb_object_agg(key, value) FROM jsonb_each(to_jsonb(before)) WHERE key IN (
            'state', 'reason', 'reference', 'answer', 'attempted_at', 'given_up_at', 'finished_at', 'waiting',
            'check_at', 'surplus', 'decided', 'undo_actor', 'undo_surplus')))
$$
"""

# By anybody: what changes an effect after a decision is built on it.
DECISION_BUILT_ON = """
CREATE FUNCTION decision_built_on() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.decision := NEW.decision || jsonb_build_object('built_at', clock_timestamp(), 'built_by', actor());
    RETURN NEW;
END $$
"""

EFFECT_RESOLVED = """
CREATE FUNCTION effect_resolved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO changes (subject, effect_id, dispatch_id, delivery_id, was, became, actor, reason)
    VALUES ('effect', NEW.id, NEW.dispatch_id,
            (SELECT p.delivery_id FROM dispatches p WHERE p.id = NEW.dispatch_id), OLD.state, NEW.state, actor(),
            why(concat_ws(': ', NEW.step || ' of ' || NEW.label,
                          CASE WHEN NEW.state IN ('doubled', 'undone', 'kept') THEN NEW.reason END)));
    RETURN NULL;
END $$
"""

# What all its steps have undone is undone; and, once no step is left, so is whatever else the generation did.
# What is doubled is so once a person has decided about its surplus, which nothing has undone yet.
EFFECT_COMPENSATED = """
CREATE FUNCTION effect_compensated() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    step compensation_steps;
BEGIN
    SELECT * INTO step FROM compensation_steps WHERE effect_id = NEW.id;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    UPDATE effects SET state = 'undone', reason = step.rule
    WHERE id = step.compensates AND state <> 'doubled'
      AND NOT EXISTS (SELECT FROM compensation_steps s JOIN effects e ON e.id = s.effect_id
                      WHERE s.compensates = step.compensates AND s.generation = step.generation AND e.state <> 'done');
    UPDATE effects e SET state = 'undone', reason = step.rule
    WHERE e.workflow = step.workflow AND e.key = step.key AND e.generation = step.generation
      AND (e.state IN ('done', 'failed') OR (e.state = 'intended' AND e.attempted_at IS NULL))
      AND NOT EXISTS (SELECT FROM compensation_steps s
                      WHERE s.effect_id = e.id OR (s.compensates = e.id AND s.generation = step.generation))
      AND NOT EXISTS (SELECT FROM compensation_steps s JOIN effects o ON o.id = s.effect_id
                      WHERE s.workflow = step.workflow AND s.key = step.key AND o.state NOT IN ('done', 'kept'));
    RETURN NULL;
END $$
"""

SOURCE_PAUSED = """
CREATE FUNCTION source_paused() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO changes (subject, source, was, became, actor, reason)
    VALUES ('source', coalesce(NEW.source, OLD.source), CASE TG_OP WHEN 'DELETE' THEN 'paused' END,
            CASE TG_OP WHEN 'INSERT' THEN 'paused' ELSE 'resumed' END, actor(), why(NEW.reason));
    RETURN NULL;
END $$
"""

LISTENER_CHANGED = """
CREATE FUNCTION listener_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO changes (subject, source, was, became, actor)
    VALUES ('source', coalesce(NEW.source, OLD.source), CASE TG_OP WHEN 'DELETE' THEN 'listened' END,
            CASE TG_OP WHEN 'INSERT' THEN 'listened' ELSE 'not listened' END, coalesce(NEW.actor, OLD.actor));
    RETURN NULL;
END $$
"""

PERSON_CHANGED = """
CREATE FUNCTION person_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO changes (subject, person, was, became, actor, reason)
    VALUES ('person', coalesce(NEW.name, OLD.name), OLD.role, coalesce(NEW.role, 'removed'), actor(), why(NULL));
    RETURN NULL;
END $$
"""

# What `hookline.states` does not have as a transition is refused for everybody.
REFUSE_TRANSITION = """
CREATE FUNCTION refuse_transition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE check_violation USING MESSAGE = format('%s do not go from %s to %s', TG_TABLE_NAME, OLD.state, NEW.state);
END $$
"""

TRANSITIONS = """
CREATE TRIGGER deliveries_transition BEFORE UPDATE OF state ON deliveries FOR EACH ROW
    WHEN (OLD.state <> NEW.state AND NEW.state <> ALL (CASE OLD.state
        WHEN 'received' THEN '{held,dispatched,running,done,failed,uncertain,doubled,rejected,discarded,unrouted,split}'::text[]
        WHEN 'held' THEN '{received,dispatched,running,done,failed,uncertain,doubled,replaced,discarded}'::text[]
        WHEN 'dispatched' THEN '{received,held,running,done,failed,uncertain,doubled,replaced,discarded}'::text[]
        WHEN 'running' THEN '{received,held,dispatched,done,failed,uncertain,doubled,replaced,discarded}'::text[]
        WHEN 'done' THEN '{received,held,dispatched,running,doubled}'::text[]
        WHEN 'failed' THEN '{received,held,dispatched,running,done,uncertain,doubled,replaced,discarded}'::text[]
        WHEN 'uncertain' THEN '{received,held,dispatched,running,done,failed,doubled,replaced,discarded}'::text[]
        WHEN 'doubled' THEN '{received,held,dispatched,running,done,failed,uncertain,replaced,discarded}'::text[]
        WHEN 'rejected' THEN '{received,held,dispatched,running,done,failed,uncertain,doubled,replaced,discarded}'::text[]
        WHEN 'replaced' THEN '{received,held,dispatched,running,done,doubled}'::text[]
        WHEN 'discarded' THEN '{received,held,dispatched,running,done,doubled}'::text[]
        WHEN 'unrouted' THEN '{received,held,dispatched,running,done,failed,uncertain,doubled,replaced,discarded}'::text[]
        WHEN 'split' THEN '{received}'::text[]
        ELSE '{}' END)) EXECUTE FUNCTION refuse_transition();
CREATE TRIGGER dispatches_transition BEFORE UPDATE OF state ON dispatches FOR EACH ROW
    WHEN (OLD.state <> NEW.state AND NEW.state <> ALL (CASE OLD.state
        WHEN 'dispatched' THEN '{running,failed,uncertain,replaced,discarded}'::text[]
        WHEN 'running' THEN '{dispatched,held,done,failed,uncertain,doubled,discarded}'::text[]
        WHEN 'held' THEN '{dispatched,running,done,failed,uncertain,doubled,discarded}'::text[]
        WHEN 'done' THEN '{dispatched,doubled}'::text[]
        WHEN 'failed' THEN '{dispatched,running,held,done,doubled,discarded}'::text[]
        WHEN 'uncertain' THEN '{dispatched,running,held,done,doubled,discarded}'::text[]
        WHEN 'doubled' THEN '{dispatched,done,discarded}'::text[]
        WHEN 'replaced' THEN '{dispatched}'::text[]
        WHEN 'discarded' THEN '{dispatched,running,held,done,doubled}'::text[]
        ELSE '{}' END)) EXECUTE FUNCTION refuse_transition();
CREATE TRIGGER effects_transition BEFORE UPDATE OF state ON effects FOR EACH ROW
    WHEN (OLD.state <> NEW.state AND NEW.state <> ALL (CASE OLD.state
        WHEN 'intended' THEN '{done,failed,uncertain,undone,kept}'::text[]
        WHEN 'done' THEN '{intended,failed,uncertain,doubled,undone}'::text[]
        WHEN 'failed' THEN '{intended,done,undone,kept}'::text[]
        WHEN 'uncertain' THEN '{intended,done}'::text[]
        WHEN 'doubled' THEN '{done,undone}'::text[]
        WHEN 'undone' THEN '{doubled}'::text[]
        ELSE '{}' END)) EXECUTE FUNCTION refuse_transition();
CREATE TRIGGER waits_transition BEFORE UPDATE OF state ON waits FOR EACH ROW
    WHEN (OLD.state <> NEW.state AND NEW.state <> ALL (CASE OLD.state
        WHEN 'waiting' THEN '{answered,expired,cancelled}'::text[]
        ELSE '{waiting}' END)) EXECUTE FUNCTION refuse_transition();
"""

# One statement each: what has no dispatch yet is changed by itself, else by its dispatches (depth 2).
TRIGGERS = """
CREATE TRIGGER dispatch_doubled BEFORE UPDATE OF state ON dispatches FOR EACH ROW
    WHEN (NEW.state = 'done') EXECUTE FUNCTION dispatch_doubled();   -- its name is before those of the other BEFORE triggers
CREATE TRIGGER delivery_received AFTER INSERT ON deliveries FOR EACH ROW EXECUTE FUNCTION delivery_changed();
CREATE TRIGGER delivery_changed AFTER UPDATE OF state ON deliveries FOR EACH ROW
    WHEN (OLD.state <> NEW.state AND pg_trigger_depth() = 0) EXECUTE FUNCTION delivery_changed();
CREATE TRIGGER dispatch_made AFTER INSERT ON dispatches FOR EACH ROW EXECUTE FUNCTION dispatch_changed();
CREATE TRIGGER dispatch_changed AFTER UPDATE OF state ON dispatches FOR EACH ROW
    WHEN (OLD.state <> NEW.state) EXECUTE FUNCTION dispatch_changed();
CREATE TRIGGER effect_resolved AFTER UPDATE OF state ON effects FOR EACH ROW
    WHEN (OLD.state <> NEW.state AND ('uncertain' = OLD.state OR 'doubled' IN (OLD.state, NEW.state) OR NEW.state IN ('undone', 'kept')
          OR coalesce(current_setting('hookline.actor', true), '') <> ''))   -- by a person
    EXECUTE FUNCTION effect_resolved();
CREATE TRIGGER decision_built_on BEFORE UPDATE ON effects FOR EACH ROW
    WHEN (NEW.decision = OLD.decision AND NOT NEW.decision ? 'built_at'
          AND (OLD.state, OLD.attempts, OLD.reference, OLD.surplus)
              IS DISTINCT FROM (NEW.state, NEW.attempts, NEW.reference, NEW.surplus))
    EXECUTE FUNCTION decision_built_on();
CREATE TRIGGER effect_compensated AFTER UPDATE OF state ON effects FOR EACH ROW
    WHEN (OLD.state <> NEW.state AND NEW.generation > 0 AND NEW.state IN ('done', 'kept'))
    EXECUTE FUNCTION effect_compensated();
CREATE TRIGGER source_paused AFTER INSERT OR DELETE ON pauses FOR EACH ROW EXECUTE FUNCTION source_paused();
CREATE TRIGGER listener_changed AFTER INSERT OR DELETE ON listeners FOR EACH ROW EXECUTE FUNCTION listener_changed();
CREATE TRIGGER person_changed AFTER INSERT OR UPDATE OR DELETE ON people FOR EACH ROW EXECUTE FUNCTION person_changed();
"""

# What a label is found by: itself, each of its words, each value that it is about; in any case.
TERMS_OF = """
CREATE FUNCTION terms_of(label text, about jsonb) RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
    SELECT array_agg(DISTINCT lower(term)) FROM (
        SELECT label UNION SELECT unnest(string_to_array(label, ' ')) UNION SELECT value FROM jsonb_each_text(about)
    ) AS found (term) WHERE term <> ''
$$
"""

INDEXES = """
CREATE INDEX deliveries_state ON deliveries (state, seq);
CREATE INDEX deliveries_source ON deliveries (source, seq);
CREATE INDEX deliveries_received_at ON deliveries (received_at);
CREATE INDEX deliveries_repeats ON deliveries (repeats_id, seq) WHERE repeats_id IS NOT NULL;
CREATE INDEX deliveries_bundle ON deliveries (bundle_id, seq) WHERE bundle_id IS NOT NULL;
CREATE INDEX deliveries_copy ON deliveries (copy_of, seq) WHERE copy_of IS NOT NULL;
CREATE INDEX deliveries_listened ON deliveries (listened_id) WHERE listened_id IS NOT NULL;
CREATE INDEX deliveries_received ON deliveries (source, seq) WHERE state = 'received';
CREATE INDEX deliveries_ordering ON deliveries USING gin (ordering_keys) WITH (fastupdate = off)
    WHERE ordering_keys <> '{}';
CREATE INDEX deliveries_routing ON deliveries (seq) WHERE state = 'received' AND routing_attempts > 0;
CREATE INDEX dispatches_open ON dispatches (source, seq) WHERE state IN ('dispatched', 'running');
CREATE INDEX dispatches_open_key ON dispatches (key, seq) WHERE state IN ('dispatched', 'running', 'held');
CREATE INDEX dispatches_state ON dispatches (state, seq) WHERE state <> 'done';
CREATE INDEX dispatches_key_end ON dispatches (split_part(key, ' ', -1));   -- the business key
CREATE INDEX dispatches_key_of_account ON dispatches (split_part(split_part(key, ' ', -1), '@', 1))
    WHERE position('@' IN key) > 0;                                         -- its id, of another account
CREATE INDEX dispatches_terms ON dispatches USING gin (terms_of(label, about)) WITH (fastupdate = off)
    WHERE label IS NOT NULL OR about <> '{}';
CREATE INDEX deliveries_terms ON deliveries USING gin (terms_of(label, about)) WITH (fastupdate = off)
    WHERE label IS NOT NULL OR about <> '{}';
CREATE INDEX dispatches_replaced_by ON dispatches (replaced_by) WHERE replaced_by IS NOT NULL;
CREATE INDEX dispatches_flow_run ON dispatches (flow_run_id);
CREATE INDEX dispatches_waits_for ON dispatches (waits_for) WHERE state = 'uncertain';
CREATE INDEX dispatches_leases ON dispatches (lease_until) WHERE state = 'running';
CREATE INDEX dispatches_suspects ON dispatches (takeovers) WHERE state = 'dispatched' AND takeovers > 0;
CREATE INDEX dispatches_lost_by ON dispatches (id) WHERE lost_by <> '{}';
CREATE UNIQUE INDEX effects_once ON effects (workflow, key, step) WHERE state NOT IN ('undone', 'kept');
CREATE INDEX effects_key ON effects (key);
CREATE INDEX effects_key_of_account ON effects (split_part(key, '@', 1)) WHERE position('@' IN key) > 0;
CREATE INDEX effects_depends_on ON effects USING gin (depends_on) WITH (fastupdate = off) WHERE depends_on <> '{}';
CREATE INDEX compensation_steps_business ON compensation_steps (workflow, key);
CREATE INDEX compensation_steps_compensates ON compensation_steps (compensates);
CREATE INDEX effects_label_end ON effects (split_part(label, ' ', -1));     -- as people know it
CREATE INDEX effects_reference ON effects USING gin (reference) WITH (fastupdate = off);
CREATE INDEX effects_decide ON effects (state, id) WHERE state IN ('uncertain', 'doubled');
CREATE INDEX effects_check ON effects (check_at) WHERE check_at IS NOT NULL;
CREATE INDEX effects_surplus ON effects USING gin (surplus) WHERE surplus <> '{}';
CREATE INDEX effects_decided ON effects USING gin (decided) WHERE decided <> '{}';
CREATE INDEX effects_undo ON effects (id) WHERE undo_actor IS NOT NULL;
CREATE INDEX effects_decision ON effects (id) WHERE decision IS NOT NULL AND NOT decision ? 'built_at';
CREATE INDEX effects_open ON effects (scope, id) WHERE state IN ('intended', 'uncertain', 'failed');
CREATE INDEX effects_flow_run ON effects (flow_run_id);
CREATE INDEX effects_dispatch ON effects (dispatch_id);
CREATE INDEX changes_delivery ON changes (delivery_id, id);
CREATE INDEX changes_event_due ON changes (id) WHERE event_due;
"""


# ---- Issues (hookline.issues) ----

ISSUES = """
CREATE TABLE issues (                                            -- one cause of what needs a person, however often
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    cause           text NOT NULL,                               -- without what differs from one delivery to the next
    kind            text NOT NULL,                               -- a state that needs a person, or what it was reported as
    title           text NOT NULL,
    advice          text,                                        -- NULL: it follows from the kind and the error
    source          text,
    route           text,
    operation       text,
    error           text,                                        -- the kind of error, as its class is named
    reason          text,                                        -- of the latest
    count           bigint NOT NULL DEFAULT 1,                   -- deliveries that came to it, or reports
    first_at        timestamptz NOT NULL DEFAULT now(),
    last_at         timestamptz NOT NULL DEFAULT now(),
    acknowledged_by text,
    acknowledged_at timestamptz,
    closes_itself   boolean NOT NULL DEFAULT false,              -- once all that belongs to it is done or discarded
    closed_at       timestamptz,
    event_due       boolean NOT NULL DEFAULT true                -- Prefect has no event of it yet
)
"""

# A reason without what differs between deliveries: quoted values, ids, numbers, times, addresses.
PLAIN = r"""
CREATE FUNCTION plain(reason text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT left(regexp_replace(regexp_replace(regexp_replace(
        left(reason, 400),
        '"[^"]*"|(?<!\w)''[^'']*''(?!\w)|`[^`]*`|«[^»]*»|“[^”]*”', '#', 'g'),
        '[^\s(\[,;:]*[0-9@][^\s)\],;:]*', '#', 'g'),
        '(#[\s.,;:/-]*){2,}', '# ', 'g'), 160)
$$
"""

# In the transaction that sets the state, so that no way to a state can miss its issue. What differs between outages of
# a vendor (its texts, the network's) is left out of the cause.
ISSUE_OF = r"""
CREATE FUNCTION issue_of(state text, source text, route text, reason text, known_operation text, was bigint)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    said text := regexp_replace(coalesce(reason, ''), '^retried in the Prefect UI: ', '');
    error text := substring(said from '^([A-Z][A-Za-z]+): ');
    call text[] := regexp_match(said, '^[A-Z][A-Za-z]+: ([a-z]+) ([a-z_]+) (was|is|met|got|came|could|found|failed)\M');
    operation text := coalesce(known_operation, call[1] || '.' || call[2]);
    passes boolean := coalesce(error IN ('Unavailable', 'Unreachable', 'AnswerLost', 'RateLimited', 'VendorAway',
                                         'VendorGivenUp'), false);
    detail text := CASE WHEN state IN ('uncertain', 'doubled') AND operation IS NOT NULL THEN ''
                        WHEN passes AND operation IS NOT NULL THEN ''
                        ELSE plain(regexp_replace(regexp_replace(said, '^[A-Z][A-Za-z]+: ', ''),
                                   CASE WHEN call IS NULL THEN '^$' ELSE  -- of a vendor's error: the status, and what to do
                                   ' \((HTTP|request)[^)]*\)|\. (Fix|Check|Give|Compare|Look) [^.]*(, then do it again|;[^.]*|'
                                   || ' it)?\.( It may have been done[^.]*\.)?$' END, '', 'g')) END;
    place text := coalesce(route, 'source ' || source);
    known text;
    found bigint;
BEGIN
    IF error IN ('VendorAway', 'VendorGivenUp') THEN
        operation := call[1];                                    -- whichever call met it first
    END IF;
    known := concat_ws(' | ', state, place, operation, error, detail);
    IF (SELECT count(*) FROM (SELECT FROM issues o WHERE o.closed_at IS NULL AND o.kind = state
                              AND coalesce(o.route, 'source ' || o.source) = place LIMIT 50) AS open_now) >= 50
       AND NOT EXISTS (SELECT FROM issues o WHERE o.closed_at IS NULL AND o.cause = known) THEN
        operation := NULL;                                       -- too many to be told of each
        error := NULL;
        detail := 'many other causes';
        known := concat_ws(' | ', state, place, detail);
    END IF;
    INSERT INTO issues AS i (cause, kind, title, source, route, operation, error, reason, closes_itself)
    VALUES (known, state,
            concat_ws(': ', coalesce(route, source),
                      CASE WHEN state = 'uncertain' THEN 'nobody knows whether ' || operation || ' happened' END,
                      CASE WHEN detail = '' AND state <> 'uncertain' THEN operation || ' (' || error || ')' END,
                      nullif(detail, '')),
            source, route, operation, error, said, true)
    ON CONFLICT (cause) WHERE closed_at IS NULL DO UPDATE
    SET count = i.count + (i.id IS DISTINCT FROM was)::int, last_at = now(), reason = EXCLUDED.reason
    RETURNING i.id INTO found;
    RETURN found;
END $$
"""

DISPATCH_ISSUE = """
CREATE FUNCTION dispatch_issue() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.issue_id := issue_of(NEW.state, NEW.source, NEW.route, NEW.reason,
                             (SELECT e.operation FROM effects e WHERE e.id = NEW.waits_for), OLD.issue_id);
    RETURN NEW;
END $$
"""

DELIVERY_ISSUE = """
CREATE FUNCTION delivery_issue() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.issue_id := issue_of(NEW.state, NEW.source, NULL, NEW.reason, NULL, OLD.issue_id);
    RETURN NEW;
END $$
"""

ISSUE_INDEXES = """
CREATE UNIQUE INDEX issues_open ON issues (cause) WHERE closed_at IS NULL;
CREATE INDEX issues_last ON issues (last_at);
CREATE INDEX issues_event_due ON issues (id) WHERE event_due;
CREATE INDEX dispatches_issue ON dispatches (issue_id, seq) WHERE issue_id IS NOT NULL;
CREATE INDEX deliveries_issue ON deliveries (issue_id, seq) WHERE issue_id IS NOT NULL;
"""

# The names come after those of the triggers that refuse a transition: PostgreSQL calls them in this order.
ISSUE_TRIGGERS = """
CREATE TRIGGER dispatches_within_issue BEFORE UPDATE OF state ON dispatches FOR EACH ROW
    WHEN (OLD.state <> NEW.state AND NEW.state IN ('failed', 'uncertain', 'doubled')) EXECUTE FUNCTION dispatch_issue();
CREATE TRIGGER deliveries_within_issue BEFORE UPDATE OF state ON deliveries FOR EACH ROW
    WHEN (OLD.state <> NEW.state AND NEW.state = 'rejected') EXECUTE FUNCTION delivery_issue();
"""


# ---- The health of vendor accounts (hookline.outages) ----

VENDOR_ACCOUNTS = """
CREATE TABLE vendor_accounts (                                   -- accounts that ever failed
    account        text PRIMARY KEY,                             -- vendor/block
    vendor         text NOT NULL,
    failing        jsonb NOT NULL DEFAULT '{}',                  -- operations, each with the runs of its failures in a row
    suspected      text[] NOT NULL DEFAULT '{}',                 -- runs that took it away, or failed to bring it back
    blamed         text[] NOT NULL DEFAULT '{}',                 -- runs that took it away all alone: they count no more
    reason         text,
    failed_at      timestamptz,
    away_since     timestamptz,                                  -- NULL: it is up
    next_try_at    timestamptz,
    tries          integer NOT NULL DEFAULT 0,                   -- probes that failed
    probe_by       text,                                         -- the run that tries it
    probe_until    timestamptz,
    answered       boolean NOT NULL DEFAULT false,               -- a call of that run was answered
    back_at        timestamptz,
    release        integer NOT NULL DEFAULT 0,                   -- how many that wait are released next
    released_at    timestamptz,
    notified       boolean NOT NULL DEFAULT false,               -- people are told that it is away
    event_due      text CHECK (event_due IN ('away', 'back'))    -- Prefect has no event of it yet
)
"""

CREDENTIALS = """
CREATE TABLE credentials (                                       -- credentials blocks, as credential-check found them
    account        text PRIMARY KEY,                             -- vendor/block
    vendor         text NOT NULL,
    accepted       boolean,                                      -- NULL: its vendor never answered
    since          timestamptz,                                  -- of accepted
    detail         text NOT NULL DEFAULT '',                     -- as whom, or why not
    advice         text NOT NULL DEFAULT '',
    version        timestamptz,                                  -- of the block that the vendor answered about
    tried_at       timestamptz,                                  -- when it answered last
    away_since     timestamptz,                                  -- NULL: it answered the last time
    away_detail    text NOT NULL DEFAULT '',
    expires        date,                                         -- as the block says
    warned         smallint NOT NULL DEFAULT 0,                  -- how many warnings of this end were sent
    events_due     text[] NOT NULL DEFAULT '{}'                  -- Prefect has no event of them yet, in order
)
"""

OUTAGE_INDEXES = """
CREATE INDEX dispatches_waits_account ON dispatches (waits_account, seq) WHERE waits_account IS NOT NULL;
CREATE INDEX dispatches_claimable ON dispatches (source, seq) WHERE state = 'dispatched' AND waits_account IS NULL;
"""


# ---- Waits (hookline.waits) ----

WAITS = """
CREATE TABLE waits (                                             -- what runs wait for: a person's answer, or a delivery
    id             uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    seq            bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    scope          text NOT NULL,                                -- whose it is: a flow run's, or a business's
    name           text NOT NULL,                                -- which of its waits
    kind           text NOT NULL CHECK (kind IN ('answer', 'delivery')),
    fingerprint    text NOT NULL,                                -- of what it asked for: the code may change meanwhile
    what           text NOT NULL,                                -- in words
    state          text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'answered', 'expired', 'cancelled')),
    reason         text,
    flow_run_id    uuid NOT NULL,                                -- the run that began it
    dispatch_id    uuid,                                         -- where a delivery started that
    created_at     timestamptz NOT NULL DEFAULT now(),
    until          timestamptz NOT NULL,
    closed_at      timestamptz,
    wake           boolean NOT NULL DEFAULT false,               -- it is over, and its runs are still to be told so
    ended_run      boolean NOT NULL DEFAULT false,               -- a run failed of its end: the next one asks again
    source         text,                                         -- of the delivery
    paths          text[],                                       -- of the values that it must have
    match          jsonb,                                        -- those values, by their paths
    match_key      text,                                         -- a digest of source, paths and values
    since          timestamptz,                                  -- what came before does not count
    backfill_from bigint,                                       -- deliveries behind this one are still to be looked at
    delivery_id    uuid REFERENCES deliveries ON DELETE SET NULL, -- the one that answered
    form           jsonb,                                        -- the schema of a person's answer
    people         text[] NOT NULL DEFAULT '{}',                 -- who was asked
    later          jsonb NOT NULL DEFAULT '[]',                  -- who is asked next, or which answer holds then
    patience       interval,                                     -- the time for each of these
    answer         jsonb,
    answered_by    text,
    answered_way   text,                                         -- link, page, shell, Prefect UI, delivery, default
    UNIQUE (scope, name)
)
"""

WAITING_RUNS = """
CREATE TABLE waiting_runs (                                      -- suspended until a wait is over
    wait_id        uuid NOT NULL REFERENCES waits ON DELETE CASCADE,
    flow_run_id    uuid NOT NULL,
    dispatch_id    uuid,                                         -- NULL: it runs in Prefect's worker
    PRIMARY KEY (wait_id, flow_run_id)
)
"""

QUESTIONS = """
CREATE TABLE questions (                                         -- messages to people who are asked
    wait_id        uuid NOT NULL REFERENCES waits ON DELETE CASCADE,
    person         text NOT NULL,
    next_at        timestamptz DEFAULT now(),                    -- NULL: it was sent, or cannot be
    tries          integer NOT NULL DEFAULT 0,
    sent_at        timestamptz,
    error          text,
    PRIMARY KEY (wait_id, person)
)
"""

WAIT_LINKS = """
CREATE TABLE wait_links (                                        -- links by which a person answers without a log-in
    digest         bytea PRIMARY KEY,                            -- of the random token in its address
    wait_id        uuid NOT NULL REFERENCES waits ON DELETE CASCADE,
    person         text NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now()
)
"""

WAIT_OVER = """
CREATE FUNCTION wait_over() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.wake := NEW.state <> 'waiting';
    NEW.closed_at := CASE WHEN NEW.wake THEN now() END;
    RETURN NEW;
END $$
"""

# On both sides: with the delivery whose run waits, and with the one that came.
WAIT_CHANGED = """
CREATE FUNCTION wait_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO changes (subject, wait_id, dispatch_id, delivery_id, was, became, actor, reason)
    VALUES ('wait', NEW.id, NEW.dispatch_id, (SELECT p.delivery_id FROM dispatches p WHERE p.id = NEW.dispatch_id),
            CASE TG_OP WHEN 'UPDATE' THEN OLD.state END, NEW.state, actor(), coalesce(NEW.reason, NEW.what));
    IF NEW.state = 'answered' AND NEW.delivery_id IS NOT NULL THEN
        INSERT INTO changes (subject, wait_id, delivery_id, was, became, actor, reason)
        VALUES ('wait', NEW.id, NEW.delivery_id, 'waiting', 'answered', actor(), NEW.what);
    END IF;
    RETURN NULL;
END $$
"""

# A run that was ended while it waited waits no more.
WAITING_RUN_ENDED = """
CREATE FUNCTION waiting_run_ended() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    WITH ended AS (DELETE FROM waiting_runs r WHERE r.dispatch_id = NEW.id RETURNING r.wait_id)
    UPDATE waits w SET state = 'cancelled', ended_run = true, reason = concat_ws(': ', 'its run was ended', NEW.reason)
    FROM ended WHERE w.id = ended.wait_id AND w.state = 'waiting'
      AND NOT EXISTS (SELECT FROM waiting_runs r WHERE r.wait_id = w.id AND r.dispatch_id IS DISTINCT FROM NEW.id);
    RETURN NULL;
END $$
"""

WAIT_TRIGGERS = """
CREATE TRIGGER wait_began AFTER INSERT ON waits FOR EACH ROW EXECUTE FUNCTION wait_changed();
CREATE TRIGGER wait_changed AFTER UPDATE OF state ON waits FOR EACH ROW
    WHEN (OLD.state <> NEW.state) EXECUTE FUNCTION wait_changed();
CREATE TRIGGER wait_over BEFORE UPDATE OF state ON waits FOR EACH ROW
    WHEN (OLD.state <> NEW.state) EXECUTE FUNCTION wait_over();
CREATE TRIGGER waiting_run_ended AFTER UPDATE OF state ON dispatches FOR EACH ROW
    WHEN (OLD.state <> NEW.state AND NEW.state IN ('done', 'failed', 'uncertain', 'doubled', 'replaced', 'discarded'))
    EXECUTE FUNCTION waiting_run_ended();
"""

WAIT_INDEXES = """
CREATE INDEX waits_match ON waits (match_key) WHERE state = 'waiting' AND match_key IS NOT NULL;
CREATE INDEX waits_paths ON waits (source, paths) WHERE state = 'waiting' AND match_key IS NOT NULL;
CREATE INDEX waits_backfill ON waits (source, backfill_from) WHERE state = 'waiting' AND backfill_from IS NOT NULL;
CREATE INDEX waits_until ON waits (until) WHERE state = 'waiting';
CREATE INDEX waits_wake ON waits (closed_at) WHERE wake;
CREATE INDEX waits_closed ON waits (closed_at) WHERE closed_at IS NOT NULL;
CREATE INDEX waits_delivery ON waits (delivery_id) WHERE delivery_id IS NOT NULL;
CREATE INDEX waits_dispatch ON waits (dispatch_id) WHERE dispatch_id IS NOT NULL;
CREATE INDEX waits_flow_run ON waits (flow_run_id);
CREATE INDEX waiting_runs_dispatch ON waiting_runs (dispatch_id) WHERE dispatch_id IS NOT NULL;
CREATE INDEX questions_next ON questions (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX wait_links_wait ON wait_links (wait_id);
"""


def upgrade() -> None:
    inbox = (DELIVERIES, DISPATCHES, EFFECTS, COMPENSATION_STEPS, PAUSES, BATCHES, CHANGES)
    processes = (ENGINES, REFUSALS, PEOPLE, SESSIONS, CONNECTING, CONFIGURATION_PROBLEMS, ISSUES, VENDOR_ACCOUNTS, CREDENTIALS,
                 LINEAGE, POLLS, POLL_ITEMS, SILENCES, LISTENERS, LISTENING, SIZES, TIMINGS)
    waits = (WAITS, WAITING_RUNS, QUESTIONS, WAIT_LINKS)
    functions = (TERMS_OF, ACTOR, WHY, DELIVERY_CHANGED, DISPATCH_DOUBLED, DISPATCH_CHANGED, EFFECT_RESOLVED,
                 EFFECT_COMPENSATED, SOURCE_PAUSED, LISTENER_CHANGED, PERSON_CHANGED,
                 DECIDED, DECISION_BUILT_ON, REFUSE_TRANSITION, PLAIN, ISSUE_OF, DISPATCH_ISSUE, DELIVERY_ISSUE, MARK, KEEP_FLOOR, LINEAGE_CHANGED,
                 WAIT_OVER, WAIT_CHANGED, WAITING_RUN_ENDED)
    blocks = (INDEXES, TRIGGERS, TRANSITIONS, ISSUE_INDEXES, ISSUE_TRIGGERS, OUTAGE_INDEXES, GOING_BACK, WAIT_TRIGGERS,
              WAIT_INDEXES)
    one_a_line = [text for block in blocks for text in block.split(";") if text.strip()]
    for statement in (*inbox, *processes, *waits, *functions, *one_a_line):
        op.execute(statement)
