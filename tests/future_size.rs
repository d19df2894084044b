//! The futures of annotated functions are little larger than those of plain ones.

#![cfg(feature = "macros")]
#![allow(clippy::large_futures, reason = "their size is what is looked at")]

use idempotently::idempotent;
use std::hint::black_box;
use std::task::Poll;

/// What an annotated function may add, beside one more place for its arguments: they are moved from its own future into
/// the body's.
const ADDED: usize = 256;

async fn pause() {
    let mut paused = false;
    std::future::poll_fn(|_| if std::mem::replace(&mut paused, true) { Poll::Ready(()) } else { Poll::Pending }).await;
}

macro_rules! twins {
    ($plain:ident, $annotated:ident, $(#[$attribute:meta])* ($($argument:ident: $type:ty),*) -> $ret:ty $body:block) => {
        async fn $plain($($argument: $type),*) -> $ret $body

        $(#[$attribute])*
        async fn $annotated($($argument: $type),*) -> $ret $body
    };
}

twins!(small, small_annotated, #[idempotent(key = id)] (id: u64) -> u64 {
    pause().await;
    id
});

twins!(array, array_annotated, #[idempotent(key = bytes[0])] (bytes: [u8; 256]) -> u64 {
    pause().await;
    u64::from(black_box(bytes)[7])
});

twins!(buffer, buffer_annotated, #[idempotent(key = id)] (id: u64) -> u64 {
    let mut buffer = [0u8; 1024];
    pause().await;
    black_box(&mut buffer)[7] = 1;
    id + u64::from(buffer[7])
});

twins!(checked, checked_annotated, #[idempotent(key = "{tenant}:{id}", fingerprint = id, in_flight = wait("10s"))]
(tenant: &str, id: u64) -> Result<String, idempotently::Error> {
    pause().await;
    Ok(format!("{tenant} {id}"))
});

#[track_caller]
fn compare<P, A>(name: &str, arguments: usize, plain: &P, annotated: &A) {
    let (plain, annotated) = (size_of_val(plain), size_of_val(annotated));
    assert!(annotated <= plain + arguments + ADDED, "{name}: {annotated} bytes against {plain}");
}

#[test]
fn an_annotated_future_is_at_most_256_bytes_larger() {
    compare("small", 8, &small(1), &small_annotated(1));
    compare("array", 256, &array([0; 256]), &array_annotated([0; 256]));
    compare("buffer", 8, &buffer(1), &buffer_annotated(1));
    compare("checked", 24, &checked("a", 1), &checked_annotated("a", 1));
}
