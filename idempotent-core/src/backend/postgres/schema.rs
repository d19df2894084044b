//! The tables, and whether they are the ones that this version of the library knows.

use super::fault::{MISSING, explain};
use super::options::PostgresOptions;
use crate::store::StoreError;
use sqlx::{AssertSqlSafe, PgConnection, query_scalar, raw_sql};

/// Creates what is not there.
pub(super) const SQL: &str = include_str!("schema.sql");

/// The version that this library reads and writes.
const VERSION: i32 = 1;

const UNKNOWN: &str = "the tables in the PostgreSQL database are of a version that this library does not know; \
    use the version that made them";

/// Held while tables are created: two that create one at once get in each other's way in spite of `IF NOT EXISTS`.
const LOCK: i64 = 0x6964_656d_706f_7465;

/// Creates the tables where they are not there, and refuses those of another version.
pub(super) async fn prepare(connection: &mut PgConnection, options: &PostgresOptions) -> Result<(), StoreError> {
    let found = match version(connection).await? {
        None if options.create_tables => {
            // What is sent in one piece is one transaction.
            let sql = format!("SELECT pg_advisory_xact_lock({LOCK});\n{SQL}");
            raw_sql(AssertSqlSafe(sql)).execute(&mut *connection).await.map_err(explain)?;
            version(connection).await?
        }
        found => found,
    };
    match found {
        Some(VERSION) => Ok(()),
        Some(_) => Err(StoreError::new(UNKNOWN).permanent()),
        None => Err(StoreError::new(MISSING).permanent()),
    }
}

async fn version(connection: &mut PgConnection) -> Result<Option<i32>, StoreError> {
    let there = query_scalar::<_, bool>("SELECT to_regclass('idempotently_store') IS NOT NULL");
    if !there.fetch_one(&mut *connection).await.map_err(explain)? {
        return Ok(None);
    }
    let row = query_scalar("SELECT version FROM idempotently_store").fetch_optional(connection).await;
    // A table without its row is not one that this library made: no version is no known version.
    Ok(Some(row.map_err(explain)?.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::SQL;

    /// The files that have statements.
    const SOURCES: [(&str, &str); 8] = [
        ("lane.rs", include_str!("lane.rs")),
        ("marker.rs", include_str!("marker.rs")),
        ("row.rs", include_str!("row.rs")),
        ("schema.rs", include_str!("schema.rs")),
        ("schema.sql", SQL),
        ("sql.rs", include_str!("sql.rs")),
        ("verbs.rs", include_str!("verbs.rs")),
        ("watch.rs", include_str!("watch.rs")),
    ];

    /// What PostgreSQL has only since a version later than 12.
    const LATER: [(u32, &[&str]); 6] = [
        (
            13,
            &[
                "gen_random_uuid",
                "pg_current_snapshot",
                "pg_current_xact_id",
                "pg_current_xact_id_if_assigned",
                "pg_snapshot",
                "pg_snapshot_xmin",
                "pg_visible_in_snapshot",
                "pg_xact_status",
                "with ties",
                "xid8",
            ],
        ),
        (14, &["bit_count", "bit_xor", "date_bin", "idle_session_timeout", "string_to_table", "trim_array", "unistr"]),
        (15, &["merge into", "nulls not distinct", "range_agg", "regexp_count", "regexp_like", "regexp_substr"]),
        (16, &["any_value", "array_sample", "is json", "json_arrayagg", "pg_input_is_valid", "system_user"]),
        (17, &["at local", "json_exists", "json_query", "json_table", "merge_action", "transaction_timeout"]),
        (18, &["array_sort", "casefold", "not enforced", "returning new", "returning old", "uuidv4", "uuidv7"]),
    ];

    /// The words of a text, each after one space: a name is found as a whole, and a phrase across lines.
    fn words(text: &str) -> String {
        let is_between = |c: char| !c.is_ascii_alphanumeric() && c != '_';
        let words = text.split(is_between).filter(|word| !word.is_empty());
        words.fold(" ".to_owned(), |words, word| words + &word.to_ascii_lowercase() + " ")
    }

    #[test]
    fn the_statements_use_nothing_that_postgresql_12_lacks() {
        for (file, source) in SOURCES {
            // This module has the names itself.
            let statements = words(source.split("#[cfg(test)]").next().unwrap_or_default());
            assert!(statements.len() > 1_000, "{file} has been moved");
            for (since, names) in LATER {
                let found: Vec<_> = names.iter().filter(|name| statements.contains(&format!(" {name} "))).collect();
                assert!(found.is_empty(), "{file} has {found:?}, which PostgreSQL has only since {since}");
            }
        }
    }
}
