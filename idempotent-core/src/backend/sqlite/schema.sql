CREATE TABLE IF NOT EXISTS idempotently_store (
    one        INTEGER PRIMARY KEY CHECK (one = 1),
    version    INTEGER NOT NULL,
    last_token INTEGER NOT NULL
) STRICT;

-- Nothing can be in it, so what refers to it cannot be committed.
CREATE TABLE IF NOT EXISTS idempotently_never (
    one INTEGER PRIMARY KEY CHECK (one IS NULL)
) STRICT;

-- state: 1 in flight, 2 completed, 3 interrupted.
-- ends: of the lease or of the retention, in microseconds since the beginning of 1970; NULL for never.
-- owner: 16 bytes. In flight, where the system names its boots, the id of the boot (16 bytes) and the end of the lease in
-- microseconds since that boot (8 bytes, the highest first) follow, and judge the lease in place of ends.
-- unfinished: the call that made the row is not completed, and its transaction must not be committed as it is.
CREATE TABLE IF NOT EXISTS idempotently_record (
    id          INTEGER PRIMARY KEY,
    scope       TEXT NOT NULL,
    key         TEXT NOT NULL,
    state       INTEGER NOT NULL,
    token       INTEGER NOT NULL,
    attempt     INTEGER NOT NULL,
    ends        INTEGER,
    owner       BLOB,
    fingerprint BLOB,
    outcome     BLOB,
    unfinished  INTEGER REFERENCES idempotently_never (one) DEFERRABLE INITIALLY DEFERRED
) STRICT;

CREATE UNIQUE INDEX IF NOT EXISTS idempotently_record_place ON idempotently_record (scope, key);
CREATE INDEX IF NOT EXISTS idempotently_record_open ON idempotently_record (scope, state, key) WHERE state <> 2;
CREATE INDEX IF NOT EXISTS idempotently_record_ends ON idempotently_record (ends) WHERE state = 2 AND ends IS NOT NULL;

INSERT OR IGNORE INTO idempotently_store (one, version, last_token) VALUES (1, 2, 0);
-- A file of version 1 differs only in owners without a boot, which this version reads too.
UPDATE idempotently_store SET version = 2 WHERE version = 1;
