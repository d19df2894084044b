//! Every form of a key.

#![deny(warnings)]
#![allow(clippy::cast_possible_truncation)]

use idempotently::{idempotent, key};

#[derive(Clone)]
struct Request {
    tenant: String,
    id: Option<String>,
    parts: [u8; 2],
}

#[idempotent(key = (request.tenant, request.parts))]
fn tuple_of_fields(request: Request) -> String {
    request.tenant
}

#[idempotent(key = (a, (b, c + d)))]
fn nested_tuple(a: u8, b: &str, c: u8, d: u8) -> String {
    format!("{a}{b}{c}{d}")
}

#[idempotent(key = (a,))]
fn tuple_of_one(a: u8) -> u8 {
    a
}

#[idempotent(key = (a, a, a, a, a, a, a, a, a, a, a, a, a, a, b))]
fn longer_than_tuples_are(a: u8, b: u8) -> u8 {
    a + b
}

#[idempotent(key = "{tenant}:{id}")]
fn literal(tenant: &str, id: String) -> String {
    id + tenant
}

#[idempotent(key = "{{{request.tenant}}}-{request.parts[0]}-{u16::from(request.parts[1])}")]
fn literal_with_expressions(request: &Request) -> String {
    request.tenant.clone()
}

#[idempotent(key = "a ( of \"no' importance")]
fn literal_that_is_no_rust() -> u8 {
    1
}

#[idempotent(key = a + b)]
fn arithmetic(a: u64, b: u64) -> u64 {
    a * b
}

#[idempotent(key = a as u8 as char)]
fn cast(a: u32) -> u32 {
    a
}

#[idempotent(key = *a)]
fn dereferenced(a: &[u64; 2]) -> u64 {
    a[0]
}

#[idempotent(key = if a { "yes" } else { "no" })]
fn conditional(a: bool) -> bool {
    a
}

#[idempotent(key = { let twice = a * 2; twice + 1 })]
fn block(a: u64) -> u64 {
    a
}

#[idempotent(key = key::display(&a))]
fn displayed(a: f64) -> u64 {
    a.to_bits()
}

#[idempotent(key = request.id, missing = run)]
fn optional(request: &Request) -> usize {
    request.tenant.len()
}

#[idempotent(key = request.id.as_ref().map(|id| (&request.tenant, id)), missing = reject)]
async fn optional_with_tenant(request: &Request) -> Result<usize, idempotently::Error> {
    Ok(std::future::ready(request.tenant.len()).await)
}

#[idempotent(key = parse(text)?)]
fn key_that_may_fail(text: &str) -> Result<u64, std::num::ParseIntError> {
    parse(text)
}

fn parse(text: &str) -> Result<u64, std::num::ParseIntError> {
    text.parse()
}

fn main() {
    let request = Request { tenant: "t".to_owned(), id: None, parts: [1, 2] };
    assert_eq!(tuple_of_fields(request.clone()), "t");
    assert_eq!(nested_tuple(1, "2", 3, 4), "1234");
    assert_eq!(tuple_of_one(1), 1);
    assert_eq!(longer_than_tuples_are(1, 2), 3);
    assert_eq!(literal("t", "i".to_owned()), "it");
    assert_eq!(literal_with_expressions(&request), "t");
    assert_eq!(literal_that_is_no_rust(), 1);
    assert_eq!(arithmetic(2, 3), 6);
    assert_eq!(cast(1), 1);
    assert_eq!(dereferenced(&[1, 2]), 1);
    assert!(conditional(true));
    assert_eq!(block(1), 1);
    assert_eq!(displayed(0.0), 0);
    assert_eq!(optional(&request), 1);
    drop(optional_with_tenant(&request));
    assert_eq!(key_that_may_fail("1"), Ok(1));
    assert!(key_that_may_fail("x").is_err());
}
