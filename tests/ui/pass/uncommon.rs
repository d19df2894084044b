//! What seldom stands in a function, and works all the same.

#![deny(warnings)]
#![forbid(unsafe_code)]

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use idempotently::{Error, ToKey, idempotent};

const OPERATION: usize = 3;

#[idempotent(key = id, capacity = OPERATION)]
fn capacity_called_as_the_static(id: u64) -> Result<u64, Error> {
    Ok(id)
}

#[idempotent(key = id)]
fn opaque_slice(id: u64) -> Arc<[impl Display]> {
    vec![id].into()
}

trait Source {
    type Out;

    fn get(&self) -> Self::Out;
}

struct Number(u64);

impl Source for Number {
    type Out = u64;

    fn get(&self) -> u64 {
        self.0
    }
}

#[idempotent(key = id)]
fn opaque_associated_type(id: u64) -> Arc<dyn Source<Out = impl Display> + Send + Sync> {
    Arc::new(Number(id))
}

#[idempotent(key = "at-{text.find('}').is_some()}-{text.matches(\"{\").count()}")]
fn braces_in_quotes(text: &str) -> usize {
    text.len()
}

#[idempotent(key = ("nightly",))]
fn one_key_for_all(id: u64) -> u64 {
    id
}

#[idempotent(key = id, scope = name)]
fn scope_that_lasts(id: u64, name: &'static str) -> usize {
    name.len() + usize::from(id > 0)
}

#[idempotent(key = id, retention = Duration::from_secs(id))]
fn retention_by_call(id: u64) -> u64 {
    id
}

#[derive(ToKey)]
struct List<T> {
    value: T,
    next: Vec<List<T>>,
}

#[idempotent(key = list)]
fn recursive_key(list: &List<u64>) -> usize {
    list.next.len() + usize::from(list.value > 0)
}

#[derive(Clone, Copy, ToKey)]
#[repr(C, packed)]
struct Packed {
    small: u8,
    large: u64,
}

#[idempotent(key = packed)]
fn packed_key(packed: Packed) -> u64 {
    packed.large + u64::from(packed.small)
}

fn main() {
    assert_eq!(capacity_called_as_the_static(1).ok(), Some(1));
    assert_eq!(opaque_slice(1)[0].to_string(), "1");
    assert_eq!(opaque_associated_type(1).get().to_string(), "1");
    assert_eq!((braces_in_quotes("a}"), braces_in_quotes("{}"), braces_in_quotes("b}")), (2, 2, 2));
    assert_eq!((one_key_for_all(1), one_key_for_all(2)), (1, 1));
    assert_eq!(scope_that_lasts(1, "ui.pass.uncommon"), 17);
    assert_eq!(retention_by_call(60), 60);
    let inner = List { value: 1, next: Vec::new() };
    assert_eq!(recursive_key(&List { value: 1, next: vec![inner] }), 2);
    assert_eq!(recursive_key(&List { value: 1, next: Vec::new() }), 1);
    let packed = Packed { small: 1, large: 2 };
    assert_eq!((packed_key(packed), packed_key(Packed { large: 3, ..packed })), (3, 4));
}
