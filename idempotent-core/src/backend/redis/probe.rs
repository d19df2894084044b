//! What a server says about itself, when a store is opened.

use super::connection::Line;
use super::fault::OLD;
use super::name::Names;
use super::options::RedisWarning;
use crate::store::StoreError;

/// The oldest that can say until when a value is kept, which came with 6.2.
const OLDEST: (u32, u32) = (6, 2);
/// The first that knows the flags of scripts.
const FLAGS: (u32, u32) = (7, 0);

/// Sees whether the servers can keep records, how safely, and whether the user may look at them.
pub(super) async fn probe(line: &Line, names: &Names) -> Result<Vec<RedisWarning>, StoreError> {
    // A user that may not ask is let through: whatever is missing is found when it is needed.
    if let Ok(servers) = line.info("server").await {
        for version in servers.iter().filter_map(|server| version(server)) {
            if version < OLDEST {
                return Err(StoreError::new(OLD).permanent());
            }
            if version < FLAGS {
                line.knows_no_flags();
            }
        }
    }
    // Who waits for a record looks at it. Without that right, each look would fail and make another claim.
    line.look(names.last_token().as_bytes()).await?;
    let Ok(servers) = line.info("memory").await else { return Ok(vec![RedisWarning::EvictionUnknown]) };
    let mut warnings: Vec<RedisWarning> = servers.iter().filter_map(|server| warning(server)).collect();
    let servers = line.info("persistence").await.unwrap_or_default();
    if servers.iter().any(|server| field(server, "aof_enabled") == Some("0")) {
        warnings.push(RedisWarning::NoAppendOnlyFile);
    }
    #[cfg(feature = "tracing")]
    for warning in &warnings {
        tracing::warn!(target: "idempotently", "{warning}");
    }
    Ok(warnings)
}

fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

fn version(info: &str) -> Option<(u32, u32)> {
    let mut numbers = field(info, "redis_version")?.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

fn warning(info: &str) -> Option<RedisWarning> {
    match field(info, "maxmemory_policy") {
        Some("noeviction") => None,
        Some(policy) => Some(RedisWarning::Evicts { policy: policy.into() }),
        None => Some(RedisWarning::EvictionUnknown),
    }
}

#[cfg(test)]
mod tests {
    use super::{version, warning};
    use crate::backend::redis::RedisWarning;

    #[test]
    fn a_version_is_read_from_either_server() {
        assert_eq!(version("# Server\r\nredis_version:7.0.15\r\n"), Some((7, 0)));
        assert_eq!(version("redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.1.0\r\n"), Some((7, 2)));
        assert_eq!(version("redis_version:later\r\n"), None);
    }

    #[test]
    fn only_what_evicts_nothing_is_safe() {
        assert_eq!(warning("maxmemory_policy:noeviction\r\n"), None);
        let evicts = |policy: &str| Some(RedisWarning::Evicts { policy: policy.into() });
        assert_eq!(warning("maxmemory_policy:volatile-lru\r\n"), evicts("volatile-lru"));
        assert_eq!(warning("maxmemory:0\r\nmaxmemory_policy:allkeys-lfu\r\n"), evicts("allkeys-lfu"));
        assert_eq!(warning("maxmemory:0\r\n"), Some(RedisWarning::EvictionUnknown));
    }
}
