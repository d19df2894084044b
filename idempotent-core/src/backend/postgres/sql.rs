//! The statements. What a record is, and who may write it, is said as [`record`](crate::record) says it.
//!
//! Each returns rows of a request's number, whether something was written for it, the columns of a record, and the time.
//! A number without a row is to be asked again, where there must be an answer: another transaction was in the way.
//!
//! Where a record is looked up by its key, its state is compared as `state + 0`, which no index is made of. The one of what is
//! open would otherwise be preferred whenever it was empty when the server last counted, and be full of what has gone.

/// The columns of a record.
macro_rules! columns {
    ($of:literal) => {
        concat!(
            $of,
            ".version, ",
            $of,
            ".state, ",
            $of,
            ".token, ",
            $of,
            ".attempt, ",
            $of,
            ".owner, ",
            $of,
            ".fingerprint, ",
            $of,
            ".lease_ends, ",
            $of,
            ".ends, ",
            $of,
            ".outcome"
        )
    };
}

/// As many columns with nothing in them.
macro_rules! nothing {
    () => {
        "NULL::smallint, NULL::smallint, NULL::bigint, NULL::bigint, NULL::bytea, NULL::bytea, NULL::timestamptz,
         NULL::timestamptz, NULL::bytea"
    };
}

/// Whether a claim changes the row `t`: its retention is over, its holder's lease is, or the caller has it already. Not true
/// for what cannot be read.
macro_rules! changes {
    ($owner:literal, $fingerprint:literal) => {
        concat!(
            "(t.version = 1 AND (t.state = 2 AND t.ends <= clock_timestamp() OR t.state = 1 AND t.token > 0
             AND t.attempt > 0 AND octet_length(t.owner) = 16
             AND (t.lease_ends <= clock_timestamp() OR t.lease_ends IS NOT NULL AND t.owner = ",
            $owner,
            ")
             AND t.fingerprint IS NOT DISTINCT FROM ",
            $fingerprint,
            "))"
        )
    };
}

/// Whether nobody runs the body of `t` again, after `$last` attempts.
macro_rules! ends {
    ($last:literal) => {
        concat!("t.state = 1 AND t.owner <> excluded.owner AND t.attempt > ", $last)
    };
}

/// Where the transactions with a key queue, by the place's number: another one than claims queue at, and for each schema
/// its own, since a transaction may take its time.
macro_rules! queue {
    ($number:literal) => {
        concat!("~", $number, "::bigint # ('idempotently_record'::regclass::oid::bigint << 31)")
    };
}

pub(super) use {columns, nothing, queue};

/// What a claim does. `seen` has what is answered without a write, so that a replay touches no row. The rows of `fresh` are
/// made one by one, in the order of their keys, each after it is alone with its key: only then is its token drawn, so that
/// no smaller one comes later. And only then is it looked whether the claim is late: whoever is alone with the key after its
/// last moment knows what became of it. `$last` is how many attempts may be followed by another.
macro_rules! claim {
    ($last:literal) => {
        concat!(
            "put AS (
                INSERT INTO idempotently_record AS t
                    (scope, key, version, state, token, attempt, owner, fingerprint, lease_ends)
                SELECT fresh.scope, fresh.key, 1, 1, nextval('idempotently_token'), 1, fresh.owner, fresh.fingerprint,
                    clock_timestamp() + fresh.lease * interval '1 microsecond'
                FROM fresh
                WHERE fresh.free
                    AND clock_timestamp() < timestamptz 'epoch' + fresh.last_moment * interval '1 microsecond'
                ON CONFLICT (scope, key) DO UPDATE SET
                    state = CASE WHEN ", ends!($last), " THEN 3 ELSE 1 END,
                    token = CASE WHEN t.state = 1 AND (t.owner = excluded.owner OR t.attempt > ", $last, ") THEN t.token
                        ELSE excluded.token END,
                    attempt = CASE WHEN t.state = 2 THEN 1
                        WHEN t.owner = excluded.owner OR t.attempt > ", $last, " THEN t.attempt
                        ELSE least(t.attempt + 1, 4294967295) END,
                    owner = CASE WHEN ", ends!($last), " THEN NULL ELSE excluded.owner END,
                    lease_ends = CASE WHEN ", ends!($last), " THEN NULL ELSE excluded.lease_ends END,
                    fingerprint = excluded.fingerprint, ends = NULL, outcome = NULL
                WHERE ", changes!("excluded.owner", "excluded.fingerprint"), "
                RETURNING t.scope, t.key, ", columns!("t"), ")"
        )
    };
}

/// The rows of `fresh` whose key an open transaction has, which runs the body: see [`marker`](super::marker). They are
/// answered as if it had a short lease, and not waited for, since a transaction may take its time.
macro_rules! in_transaction {
    ($n:literal) => {
        concat!(
            " UNION ALL SELECT ",
            $n,
            ", false, 1::smallint, 1::smallint, 0::bigint, 1::bigint, decode(repeat('00', 16), 'hex'), fresh.fingerprint,
                clock_timestamp() + interval '100 milliseconds', NULL::timestamptz, NULL::bytea, clock_timestamp()
            FROM fresh WHERE NOT fresh.free"
        )
    };
}

/// `$1` scope, `$2` key, `$3` owner, `$4` fingerprint, `$5` lease, `$6` last attempt but one, `$7` the place's number,
/// `$8` the last moment at which it takes anything, in microseconds since 1970.
pub(super) const CLAIM: &str = concat!(
    "WITH seen AS MATERIALIZED (
        SELECT ",
    columns!("t"),
    " FROM idempotently_record t
        WHERE t.scope = $1 AND t.key = $2 AND ",
    changes!("$3", "$4"),
    " IS NOT TRUE),
    fresh AS MATERIALIZED (
        SELECT $1 AS scope, $2 AS key, $3 AS owner, $4 AS fingerprint, $5 AS lease, $8::bigint AS last_moment,
            pg_advisory_xact_lock($7), pg_try_advisory_xact_lock_shared(",
    queue!("$7"),
    ") AS free
        WHERE NOT EXISTS (SELECT FROM seen)), ",
    claim!("$6"),
    " SELECT 1::bigint, true, ",
    columns!("put"),
    ", clock_timestamp() FROM put
    UNION ALL SELECT 1::bigint, false, ",
    columns!("seen"),
    ", clock_timestamp() FROM seen",
    in_transaction!("1::bigint")
);

/// The same for many.
pub(super) const CLAIMS: &str = concat!(
    "WITH req AS MATERIALIZED (
        SELECT r.scope COLLATE \"C\" AS scope, r.key COLLATE \"C\" AS key, r.owner, r.fingerprint, r.lease, r.last,
            r.number, r.n
        FROM unnest($1::text[], $2::text[], $3::bytea[], $4::bytea[], $5::bigint[], $6::bigint[], $7::bigint[])
            WITH ORDINALITY AS r(scope, key, owner, fingerprint, lease, last, number, n)),
    seen AS MATERIALIZED (
        SELECT r.n, ",
    columns!("t"),
    " FROM req r JOIN idempotently_record t ON t.scope = r.scope AND t.key = r.key
        WHERE ",
    changes!("r.owner", "r.fingerprint"),
    " IS NOT TRUE),
    fresh AS (
        SELECT r.scope, r.key, r.owner, r.fingerprint, r.lease, $8::bigint AS last_moment,
            pg_advisory_xact_lock(r.number), pg_try_advisory_xact_lock_shared(",
    queue!("r.number"),
    ") AS free, r.n
        FROM req r WHERE NOT EXISTS (SELECT FROM seen WHERE seen.n = r.n) ORDER BY r.scope, r.key OFFSET 0), ",
    claim!("(SELECT r.last FROM req r WHERE r.scope = t.scope AND r.key = t.key)"),
    " SELECT r.n, true, ",
    columns!("put"),
    ", clock_timestamp()
        FROM put JOIN req r ON r.scope = put.scope AND r.key = put.key
    UNION ALL SELECT seen.n, false, ",
    columns!("seen"),
    ", clock_timestamp() FROM seen",
    in_transaction!("fresh.n")
);

/// How [`ALONE`] and [`DISCLAIM`] begin: the second must see what the first has waited for, and nobody waits long behind it.
pub(super) const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = '500ms'";

/// Waits until nobody claims these keys: `$1` scopes, `$2` keys, `$3` the places' numbers.
pub(super) const ALONE: &str = "SELECT pg_advisory_xact_lock(r.number)
    FROM (SELECT r.number FROM unnest($1::text[], $2::text[], $3::bigint[]) AS r(scope, key, number)
        ORDER BY r.scope COLLATE \"C\", r.key COLLATE \"C\" OFFSET 0) r";

/// Gives back what claims were granted of which nobody heard: `$1` scopes, `$2` keys, `$3` owners, `$4` their last moments,
/// `$5` tokens of which they heard. Returns the numbers of those that can take nothing any more, and whether they had.
pub(super) const DISCLAIM: &str = "WITH req AS MATERIALIZED (
        SELECT r.scope COLLATE \"C\" AS scope, r.key COLLATE \"C\" AS key, r.owner, r.n
        FROM unnest($1::text[], $2::text[], $3::bytea[], $4::bigint[])
            WITH ORDINALITY AS r(scope, key, owner, last_moment, n)
        WHERE clock_timestamp() > timestamptz 'epoch' + r.last_moment * interval '1 microsecond'),
    gone AS (
        DELETE FROM idempotently_record t USING req
        WHERE t.scope = req.scope AND t.key = req.key AND t.owner = req.owner AND t.version = 1 AND t.state + 0 = 1
            AND t.token <> ALL($5::bigint[])
        RETURNING req.n)
    SELECT req.n, gone.n IS NOT NULL FROM req LEFT JOIN gone ON gone.n = req.n";

/// `$1` scope, `$2` key, `$3` token, `$4` outcome, `$5` retention.
pub(super) const COMPLETE: &str = concat!(
    "WITH done AS (
        UPDATE idempotently_record t SET state = 2, outcome = $4,
            ends = clock_timestamp() + $5 * interval '1 microsecond', owner = NULL, lease_ends = NULL
        WHERE t.scope = $1 AND t.key = $2 AND t.token = $3 AND t.version = 1 AND t.state + 0 IN (1, 3) RETURNING 1)
    SELECT 1::bigint, true, ",
    nothing!(),
    ", clock_timestamp() FROM done
    UNION ALL SELECT 1::bigint, false, ",
    columns!("t"),
    ", clock_timestamp() FROM idempotently_record t
        WHERE t.scope = $1 AND t.key = $2 AND NOT EXISTS (SELECT FROM done)"
);

/// The same for many. They are locked in the order of their keys, so that two who write many do not wait for each other.
pub(super) const COMPLETES: &str = concat!(
    "WITH req AS MATERIALIZED (
        SELECT r.scope COLLATE \"C\" AS scope, r.key COLLATE \"C\" AS key, r.token, r.outcome, r.retention, r.n
        FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bytea[], $5::bigint[])
            WITH ORDINALITY AS r(scope, key, token, outcome, retention, n)),
    held AS MATERIALIZED (
        SELECT r.n FROM req r JOIN idempotently_record t ON t.scope = r.scope AND t.key = r.key
        WHERE t.token = r.token AND t.version = 1 AND t.state + 0 IN (1, 3) ORDER BY t.scope, t.key FOR UPDATE OF t),
    done AS (
        UPDATE idempotently_record t SET state = 2, outcome = r.outcome,
            ends = clock_timestamp() + r.retention * interval '1 microsecond', owner = NULL, lease_ends = NULL
        FROM req r JOIN held ON held.n = r.n
        WHERE t.scope = r.scope AND t.key = r.key AND t.token = r.token AND t.version = 1 AND t.state + 0 IN (1, 3)
        RETURNING r.n)
    SELECT done.n, true, ",
    nothing!(),
    ", clock_timestamp() FROM done
    UNION ALL SELECT r.n, false, ",
    columns!("t"),
    ", clock_timestamp()
        FROM req r JOIN idempotently_record t ON t.scope = r.scope AND t.key = r.key
        WHERE NOT EXISTS (SELECT FROM done WHERE done.n = r.n)"
);

/// Whether an adoption leaves the record `t` interrupted: another caller's lease is over, and nobody runs the body again.
macro_rules! interrupts {
    () => {
        "t.state = 1 AND t.owner <> $3 AND t.attempt > $6"
    };
}

/// Records the outcome of a caller that has no hold, where a claim would be granted; decides as
/// [`decide_adoption`](crate::record::decide_adoption) does. The token is drawn alone with the key, as a claim's is.
///
/// `$1` scope, `$2` key, `$3` owner, `$4` fingerprint, `$5` the place's number, `$6` last attempt but one, `$7` outcome,
/// `$8` retention.
pub(super) const ADOPT: &str = concat!(
    "WITH seen AS MATERIALIZED (
        SELECT ",
    columns!("t"),
    " FROM idempotently_record t
        WHERE t.scope = $1 AND t.key = $2 AND ",
    changes!("$3", "$4"),
    " IS NOT TRUE),
    fresh AS MATERIALIZED (
        SELECT $4::bytea AS fingerprint, pg_advisory_xact_lock($5), pg_try_advisory_xact_lock_shared(",
    queue!("$5"),
    ") AS free
        WHERE NOT EXISTS (SELECT FROM seen)),
    put AS (
        INSERT INTO idempotently_record AS t (scope, key, version, state, token, attempt, fingerprint, ends, outcome)
        SELECT $1, $2, 1, 2, nextval('idempotently_token'), 1, fresh.fingerprint,
            clock_timestamp() + $8 * interval '1 microsecond', $7
        FROM fresh WHERE fresh.free
        ON CONFLICT (scope, key) DO UPDATE SET
            state = CASE WHEN ",
    interrupts!(),
    " THEN 3 ELSE 2 END,
            token = CASE WHEN ",
    interrupts!(),
    " THEN t.token ELSE excluded.token END,
            attempt = CASE WHEN t.state = 2 THEN 1 ELSE t.attempt END,
            owner = NULL, lease_ends = NULL, fingerprint = excluded.fingerprint,
            ends = CASE WHEN ",
    interrupts!(),
    " THEN NULL ELSE excluded.ends END,
            outcome = CASE WHEN ",
    interrupts!(),
    " THEN NULL ELSE excluded.outcome END
        WHERE ",
    changes!("$3", "$4"),
    "
        RETURNING ",
    columns!("t"),
    ")
    SELECT 1::bigint, true, ",
    columns!("put"),
    ", clock_timestamp() FROM put
    UNION ALL SELECT 1::bigint, false, ",
    columns!("seen"),
    ", clock_timestamp() FROM seen",
    in_transaction!("1::bigint")
);

/// The rows in flight that are held by tokens, locked in the order of their keys: `$1` scopes, `$2` keys, `$3` tokens.
macro_rules! held {
    () => {
        "WITH req AS MATERIALIZED (
            SELECT r.scope COLLATE \"C\" AS scope, r.key COLLATE \"C\" AS key, r.token, r.n
            FROM unnest($1::text[], $2::text[], $3::bigint[]) WITH ORDINALITY AS r(scope, key, token, n)),
        held AS MATERIALIZED (
            SELECT r.n, r.scope, r.key, r.token
            FROM req r JOIN idempotently_record t ON t.scope = r.scope AND t.key = r.key
            WHERE t.token = r.token AND t.version = 1 AND t.state + 0 = 1 ORDER BY t.scope, t.key FOR UPDATE OF t) "
    };
}

macro_rules! is_held {
    () => {
        " WHERE t.scope = held.scope AND t.key = held.key AND t.token = held.token AND t.version = 1 AND t.state + 0 = 1
        RETURNING held.n"
    };
}

/// Returns the numbers of those that were given back.
pub(super) const FREE: &str = concat!(held!(), "DELETE FROM idempotently_record t USING held", is_held!());

/// Returns the numbers of those that were given up.
pub(super) const GIVE_UP: &str = concat!(
    held!(),
    "UPDATE idempotently_record t SET state = 3, owner = NULL, lease_ends = NULL FROM held",
    is_held!()
);

/// Returns the numbers of those that are still held; `$4` is the lease.
pub(super) const RENEW: &str = concat!(
    held!(),
    "UPDATE idempotently_record t SET lease_ends = clock_timestamp() + $4 * interval '1 microsecond' FROM held",
    is_held!()
);

/// `$1` scope, `$2` key.
pub(super) const PEEK: &str = concat!(
    "SELECT ",
    columns!("t"),
    ", clock_timestamp() FROM idempotently_record t WHERE t.scope = $1 AND t.key = $2"
);

/// Returns whether the record had ended. One that had is left to whoever takes it over, perhaps in a transaction that takes
/// its time: nobody is to wait for it here.
pub(super) const FORGET: &str = "DELETE FROM idempotently_record WHERE scope = $1 AND key = $2
        AND (version = 1 AND state = 2 AND ends <= clock_timestamp()) IS NOT TRUE
    RETURNING coalesce(state = 2 AND ends <= clock_timestamp(), false)";

/// `$1` scope, `$2` key, `$3` outcome, `$4` retention.
pub(super) const RESOLVE: &str = "UPDATE idempotently_record SET state = 2, outcome = $3,
        ends = clock_timestamp() + $4 * interval '1 microsecond', token = nextval('idempotently_token')
    WHERE scope = $1 AND key = $2 AND version = 1 AND state + 0 = 3";

/// `$1` how many. What another purge has in its hands is left to it.
pub(super) const PURGE: &str = "WITH ended AS MATERIALIZED (
        SELECT scope, key FROM idempotently_record
        WHERE state = 2 AND ends IS NOT NULL AND ends <= (SELECT clock_timestamp()) AND version = 1 ORDER BY ends
        LIMIT $1
        FOR UPDATE SKIP LOCKED)
    DELETE FROM idempotently_record t USING ended
    WHERE t.scope = ended.scope AND t.key = ended.key AND t.state = 2 AND t.ends <= clock_timestamp()";

/// The start of a page: the state follows, which an index is limited to, word for word.
pub(super) const LIST: &str =
    concat!("SELECT ", columns!("t"), ", clock_timestamp(), t.key FROM idempotently_record t WHERE t.scope = $1 AND ");

/// `$1` the channel, `$2` what is told.
pub(super) const TELL: &str = "SELECT pg_notify($1, told) FROM unnest($2::text[]) AS told";
