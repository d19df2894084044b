CREATE TABLE IF NOT EXISTS idempotently_store (
    one     boolean PRIMARY KEY DEFAULT true CHECK (one),
    version integer NOT NULL
);

-- Where fencing tokens come from. It is not to be cached, restarted or cycled: a token must never come back.
CREATE SEQUENCE IF NOT EXISTS idempotently_token AS bigint START WITH 1 NO CYCLE CACHE 1;

-- Nothing can be in it, so what refers to it cannot be committed.
CREATE TABLE IF NOT EXISTS idempotently_never (
    one integer PRIMARY KEY CHECK (false)
);

-- version: of the record. state: 1 in flight, 2 completed, 3 interrupted.
-- lease_ends: until when the holder is believed. ends: when the outcome stops to answer; NULL for never.
-- unfinished: the call that made the row is not completed, and its transaction must not be committed as it is.
CREATE TABLE IF NOT EXISTS idempotently_record (
    scope       text COLLATE "C" NOT NULL,
    key         text COLLATE "C" NOT NULL,
    version     smallint NOT NULL,
    state       smallint NOT NULL,
    token       bigint NOT NULL,
    attempt     bigint NOT NULL,
    owner       bytea,
    fingerprint bytea,
    lease_ends  timestamptz,
    ends        timestamptz,
    outcome     bytea,
    unfinished  integer CONSTRAINT idempotently_call_is_not_completed
        REFERENCES idempotently_never DEFERRABLE INITIALLY DEFERRED,
    PRIMARY KEY (scope, key)
) WITH (fillfactor = 70);

CREATE INDEX IF NOT EXISTS idempotently_record_open ON idempotently_record (scope, state, key) WHERE state <> 2;
CREATE INDEX IF NOT EXISTS idempotently_record_ends ON idempotently_record (ends) WHERE state = 2 AND ends IS NOT NULL;

INSERT INTO idempotently_store (one, version) VALUES (true, 1) ON CONFLICT DO NOTHING;
