//! Functions of a number.

/// The same functions once more, each with records of its own.
macro_rules! functions {
    ($name:ident) => {
        pub(crate) mod $name {
            use crate::subjects::body;
            use cached::proc_macro::cached;
            use idempotently::idempotent;

            #[idempotent(key = id, retention = forever)]
            #[inline(never)]
            pub(crate) fn forever(id: u64) -> u64 {
                body(id)
            }

            #[idempotent(key = id, retention = "24h")]
            #[inline(never)]
            pub(crate) fn day(id: u64) -> u64 {
                body(id)
            }

            #[cached(sync_writes = "by_key")]
            #[inline(never)]
            pub(crate) fn cached_forever(id: u64) -> u64 {
                body(id)
            }

            #[cached(sync_writes = "by_key", ttl_secs = 86_400)]
            #[inline(never)]
            pub(crate) fn cached_day(id: u64) -> u64 {
                body(id)
            }
        }
    };
}

functions!(hot);
functions!(many);
