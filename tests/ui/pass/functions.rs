//! Every kind of free function, with not one lint.

#![deny(warnings)]
#![allow(clippy::toplevel_ref_arg, clippy::needless_pass_by_value)]
#![forbid(unsafe_code)]

use std::fmt::Debug;
use std::num::ParseIntError;

use idempotently::idempotent;

#[derive(Clone, Debug)]
pub struct Payment {
    pub id: u64,
    pub note: String,
}

#[idempotent(key = floor)]
fn plain(floor: u8) -> u8 {
    floor + 1
}

#[idempotent(key = floor)]
async fn plain_async(floor: u8) -> u8 {
    std::future::ready(floor).await + 1
}

#[idempotent(key = floor)]
fn unit(floor: u8) {
    drop(floor.to_string());
}

#[idempotent(key = floor)]
async fn unit_async(floor: u8) {
    std::future::ready(floor).await;
}

#[idempotent(key = "nightly")]
fn no_arguments() -> u8 {
    1
}

/// Documented, as its arguments are not.
///
/// # Errors
///
/// When the text is no number.
#[must_use = "a number is for counting"]
#[inline]
#[track_caller]
pub fn attributes_without_the_macro(text: &str) -> Result<u64, ParseIntError> {
    attributes(text)
}

/// Documented, as its arguments are not.
///
/// # Errors
///
/// When the text is no number.
#[idempotent(key = text)]
#[inline]
#[track_caller]
pub fn attributes(text: &str) -> Result<u64, ParseIntError> {
    let number: u64 = text.parse()?;
    if number == 7 {
        return Ok(0);
    }
    Ok(number)
}

/// The text as it came.
///
/// # Errors
///
/// When the text is no number.
#[idempotent(key = text)]
pub async fn question_mark_async(text: &str) -> Result<u64, ParseIntError> {
    let number: u64 = std::future::ready(text.parse()).await?;
    if number == 7 {
        return Ok(0);
    }
    Ok(number)
}

#[idempotent(key = payment.id)]
fn borrowed_argument(payment: &Payment) -> String {
    payment.note.clone()
}

#[idempotent(key = payment.id)]
async fn borrowed_argument_async(payment: &Payment) -> String {
    std::future::ready(payment.note.clone()).await
}

#[idempotent(key = payment.note)]
fn moved_argument(payment: Payment) -> Payment {
    payment
}

#[idempotent(key = payment.note)]
async fn moved_argument_async(payment: Payment) -> Payment {
    std::future::ready(payment).await
}

#[idempotent(key = number)]
fn mutable(mut number: u64) -> u64 {
    number += 1;
    number
}

#[idempotent(key = number)]
async fn mutable_async(mut number: u64) -> u64 {
    number += 1;
    std::future::ready(number).await
}

const NAME: &str = "a name of more than twenty-three bytes";

#[idempotent(key = NAME)]
fn constant() -> u8 {
    1
}

#[idempotent(key = text)]
async fn bound_by_reference(ref text: String) -> usize {
    std::future::ready(text.len()).await
}

#[idempotent(key = id)]
async fn any_key(id: impl idempotently::ToKey) -> u8 {
    drop(id);
    std::future::ready(1).await
}

#[idempotent(key = id)]
fn dynamic_key(id: &dyn idempotently::ToKey) -> u8 {
    let _ = id;
    1
}

#[idempotent(key = (first, second, id))]
fn patterns(
    (first, mut second): (u64, u64),
    Payment { id, ref note }: Payment,
    [left, ..]: [u8; 3],
    _: u8,
    ref text: String,
) -> String {
    second += id + u64::from(left);
    format!("{first}{second}{note}{text}")
}

#[idempotent(key = (first, second, id))]
async fn patterns_async(
    (first, mut second): (u64, u64),
    Payment { id, ref note }: Payment,
    [left, ..]: [u8; 3],
    _: u8,
    ref text: String,
) -> String {
    second += id + u64::from(left);
    std::future::ready(format!("{first}{second}{note}{text}")).await
}

#[idempotent(key = "{size}")]
fn generic<T, const N: usize>(value: &T, size: usize) -> (T, usize)
where
    T: Clone + Send + Sync + 'static,
{
    (value.clone(), size + N)
}

#[idempotent(key = size)]
async fn generic_async<T, const N: usize>(value: &T, size: usize) -> (T, usize)
where
    T: Clone + Send + Sync + 'static,
{
    std::future::ready((value.clone(), size + N)).await
}

#[idempotent(key = (left, right))]
fn lifetimes<'long: 'short, 'short>(left: &'long str, right: &'short str) -> usize {
    left.len() + right.len()
}

#[idempotent(key = (left, right))]
async fn lifetimes_async<'long: 'short, 'short>(left: &'long str, right: &'short str) -> usize {
    std::future::ready(left.len() + right.len()).await
}

#[idempotent(key = name.as_ref())]
fn opaque_argument(name: impl AsRef<str> + Debug, with: &dyn Fn(&str) -> usize) -> usize {
    with(name.as_ref())
}

#[idempotent(key = name.as_ref())]
async fn opaque_argument_async(name: impl AsRef<str> + Debug) -> usize {
    std::future::ready(name.as_ref().len()).await
}

#[idempotent(key = n)]
fn opaque_outcome(n: u8) -> impl Iterator<Item = u8> + Clone {
    0..n
}

#[idempotent(key = n)]
fn opaque_inside_outcome(n: u8) -> Result<impl Iterator<Item = u8> + Clone, String> {
    if n == 0 {
        return Err("none".into());
    }
    Ok(0..n)
}

#[idempotent(key = n)]
async fn opaque_inside_outcome_async(n: u8) -> Result<impl Iterator<Item = u8> + Clone, String> {
    if n == 0 {
        return Err("none".into());
    }
    Ok(0..std::future::ready(n).await)
}

#[idempotent(key = n)]
extern "C" fn foreign_interface(n: u8) -> u8 {
    n
}

#[idempotent(key = n)]
fn conditional_arguments(
    n: u8,
    #[cfg(any())] absent: &str,
    #[cfg(not(any()))] present: u8,
) -> u8 {
    n + present
}

#[idempotent(key = n)]
fn attributes_in_the_body(n: u8) -> u8 {
    #![allow(unused_variables)]
    #![allow(clippy::no_effect_underscore_binding)]
    let unused = n;
    n
}

#[idempotent(key = n)]
fn recursive(n: u64) -> u64 {
    if n < 2 { n } else { recursive(n - 1) + recursive(n - 2) }
}

#[idempotent(key = n)]
fn outer(n: u64) -> u64 {
    #[idempotent(key = n)]
    fn inner(n: u64) -> u64 {
        n + 1
    }
    inner(n) + inner(n)
}

macro_rules! generate {
    ($vis:vis fn $name:ident($argument:ident: $type:ty) -> $outcome:ty = $key:expr, $body:block) => {
        #[idempotent(key = $key)]
        $vis fn $name($argument: $type) -> $outcome $body

        #[allow(dead_code)]
        const _: () = {
            #[idempotent(key = ($key, 1_u8))]
            async fn in_the_background($argument: $type) -> $outcome $body
        };
    };
}

generate! {
    fn generated(n: &'static str) -> Option<(u8, String)> = n, {
        Some((1, n.to_owned()))
    }
}

type Shared = std::sync::Arc<dyn Fn() -> u8 + Send + Sync>;

#[idempotent(key = n)]
fn coerced(n: u8) -> Shared {
    if n == 0 {
        return std::sync::Arc::new(|| 1);
    }
    std::sync::Arc::new(move || n)
}

#[idempotent(key = n)]
async fn coerced_async(n: u8) -> Option<Shared> {
    if n == 0 {
        return Some(std::sync::Arc::new(|| 1));
    }
    std::future::ready(()).await;
    Some(std::sync::Arc::new(move || n))
}

#[idempotent(key = n)]
fn boxed_error(n: u8) -> Result<u8, Box<dyn std::error::Error + Send + Sync>> {
    if n == 0 {
        return Err("zero".into());
    }
    let m: u8 = n.to_string().parse()?;
    if m == 1 { Err(Box::new(std::fmt::Error)) } else { Ok(m) }
}

#[idempotent(key = n)]
async fn boxed_error_async(n: u8) -> Result<u8, Box<dyn std::error::Error + Send + Sync>> {
    if n == 0 {
        return Err("zero".into());
    }
    let m: u8 = std::future::ready(n.to_string()).await.parse()?;
    if m == 1 { Err(Box::new(std::fmt::Error)) } else { Ok(m) }
}

#[idempotent(key = n)]
fn uninhabited(n: u8) -> std::convert::Infallible {
    panic!("{n}")
}

#[idempotent(key = n)]
async fn uninhabited_async(n: u8) -> Result<std::convert::Infallible, String> {
    std::future::ready(Err(n.to_string())).await
}

#[idempotent(key = n)]
async fn items_first(n: u8) -> u8 {
    use std::future::ready;
    const ONE: u8 = 1;
    ready(n + ONE).await
}

#[idempotent(key = n)]
async fn collected(n: u8) -> Vec<u64> {
    std::future::ready(n).await;
    (0..n).map(Into::into).collect()
}

fn never_called() -> impl Sized {
    #[idempotent(key = n)]
    fn type_of_body_is_known(n: u64) -> Vec<u8> {
        (0..n).map(|n| n.try_into().unwrap_or(0)).collect()
    }
    (
        type_of_body_is_known,
        unit_async(1),
        question_mark_async("1"),
        borrowed_argument_async,
        moved_argument_async,
        mutable_async(1),
        patterns_async,
        generic_async::<u8, 1>,
        lifetimes_async,
        opaque_argument_async("a"),
        (coerced_async(1), boxed_error_async(1), uninhabited, uninhabited_async(1), items_first(1)),
        (collected(1), opaque_inside_outcome_async(1)),
    )
}

fn main() {
    let payment = Payment { id: 1, note: "n".to_owned() };
    assert_eq!(plain(1), 2);
    drop(plain_async(1));
    unit(1);
    assert_eq!(no_arguments(), 1);
    assert_eq!(attributes_without_the_macro("7"), Ok(0));
    assert_eq!(attributes("8"), Ok(8));
    assert_eq!(borrowed_argument(&payment), "n");
    assert_eq!(moved_argument(payment.clone()).id, 1);
    assert_eq!(mutable(1), 2);
    assert_eq!(patterns((1, 2), payment, [3, 4, 5], 6, "t".to_owned()), "16nt");
    assert_eq!(generic::<_, 2>(&"x", 1), ("x", 3));
    assert_eq!(lifetimes("a", "bc"), 3);
    assert_eq!(opaque_argument("abc", &str::len), 3);
    assert_eq!(opaque_outcome(3).count(), 3);
    assert_eq!(opaque_inside_outcome(3).map(Iterator::count), Ok(3));
    assert_eq!(foreign_interface(3), 3);
    assert_eq!(conditional_arguments(1, 2), 3);
    assert_eq!(attributes_in_the_body(3), 3);
    assert_eq!(recursive(10), 55);
    assert_eq!(outer(1), 4);
    assert_eq!(generated("a"), Some((1, "a".to_owned())));
    assert_eq!(coerced(3)(), 3);
    assert_eq!(boxed_error(3).ok(), Some(3));
    drop(never_called());
}
