//! Which functions share records: none that are not one and the same.

use crate::support::{now, panic_of};
use idempotently::{Error, ErrorKind, current, idempotent};
use std::any::type_name;

struct Bank;
struct Shop;

impl Bank {
    #[idempotent(key = id)]
    fn pay(id: u32) -> String {
        format!("bank {id} {}", current().unwrap().scope())
    }
}

impl Shop {
    #[idempotent(key = id)]
    fn pay(id: u32) -> String {
        format!("shop {id} {}", current().unwrap().scope())
    }
}

#[test]
fn two_impl_blocks_share_nothing() {
    let (bank, shop) = (Bank::pay(1), Shop::pay(1));
    assert!(bank.starts_with("bank 1") && shop.starts_with("shop 1"), "{bank} {shop}");
    assert_eq!((Bank::pay(1), Shop::pay(1)), (bank, shop));
}

trait Named {
    const NAME: &'static str;

    #[idempotent(key = id)]
    fn greet(&self, id: u32) -> String {
        format!("{} {id}", Self::NAME)
    }
}

impl Named for Bank {
    const NAME: &'static str = "bank";
}

impl Named for Shop {
    const NAME: &'static str = "shop";
}

#[test]
fn two_implementors_of_a_default_method_share_nothing() {
    assert_eq!((Bank.greet(1), Shop.greet(1)), ("bank 1".into(), "shop 1".into()));
    assert_eq!((Bank.greet(1), Shop.greet(1)), ("bank 1".into(), "shop 1".into()));
}

#[idempotent(key = id)]
fn describe<T>(id: u32) -> String {
    format!("{} {id}", type_name::<T>())
}

#[idempotent(key = id)]
async fn describe_later<T>(id: u32) -> String {
    format!("{} {id}", type_name::<T>())
}

#[idempotent(key = id)]
fn of_length<const N: usize>(id: u32) -> usize {
    N + id as usize
}

struct Wrapper<T>(std::marker::PhantomData<T>);

impl<T> Wrapper<T> {
    #[idempotent(key = id)]
    fn wrapped(id: u32) -> String {
        format!("{} {id}", type_name::<T>())
    }
}

#[test]
fn two_instantiations_share_nothing() {
    for _ in 0..2 {
        assert_eq!((describe::<u8>(1), describe::<u16>(1)), ("u8 1".into(), "u16 1".into()));
        assert_eq!((now(describe_later::<u8>(1)), now(describe_later::<u16>(1))), ("u8 1".into(), "u16 1".into()));
        assert_eq!((of_length::<1>(1), of_length::<2>(1)), (2, 3));
        assert_eq!((Wrapper::<u8>::wrapped(1), Wrapper::<&str>::wrapped(1)), ("u8 1".into(), "&str 1".into()));
    }
}

mod one {
    #[super::idempotent(key = id)]
    pub(super) fn same(id: u32) -> String {
        format!("one {id}")
    }
}

mod two {
    #[super::idempotent(key = id)]
    pub(super) fn same(id: u32) -> String {
        format!("two {id}")
    }
}

#[test]
fn two_modules_share_nothing() {
    assert_eq!((one::same(1), two::same(1)), ("one 1".into(), "two 1".into()));
}

#[test]
fn local_types_of_one_name_share_nothing() {
    fn first() -> String {
        struct Local;
        describe::<Local>(7) + " first"
    }
    fn second() -> u64 {
        struct Local;
        token_of::<Local>(7)
    }
    fn third() -> u64 {
        struct Local;
        token_of::<Local>(7)
    }
    assert!(first().ends_with("first"));
    assert_ne!(second(), third());
    assert_eq!(second(), second());
}

#[idempotent(key = id)]
fn token_of<T>(id: u32) -> u64 {
    let _ = type_name::<T>();
    current().map_or(0, |execution| u64::from(id) + execution.token())
}

#[test]
fn the_path_of_a_function_is_its_scope() {
    #[idempotent(key = 1)]
    fn local() -> &'static str {
        current().map_or("", |execution| execution.scope())
    }
    #[idempotent(key = 1)]
    async fn awaited() -> &'static str {
        current().map_or("", |execution| execution.scope())
    }
    assert!(local().ends_with("the_path_of_a_function_is_its_scope::local"), "{}", local());
    assert!(now(awaited()).ends_with("the_path_of_a_function_is_its_scope::awaited"), "{}", now(awaited()));
    assert!(Bank::pay(9).ends_with("Bank>::pay") || Bank::pay(9).ends_with("Bank::pay"), "{}", Bank::pay(9));
}

trait Scoped {
    const SCOPE: &'static str;

    #[idempotent(key = id, scope = Self::SCOPE)]
    fn scoped(&self, id: u32) -> Result<&'static str, Error> {
        let _ = id;
        Ok(current().map_or("", |execution| execution.scope()))
    }
}

impl Scoped for Bank {
    const SCOPE: &'static str = "attribute.bank";
}

impl Scoped for Shop {
    const SCOPE: &'static str = "attribute.shop";
}

impl Scoped for u8 {
    const SCOPE: &'static str = "attribute.bank";
}

#[test]
fn a_scope_may_depend_on_the_type_and_belongs_to_one_instantiation() {
    for _ in 0..2 {
        assert_eq!(Bank.scoped(1).unwrap(), "attribute.bank");
        assert_eq!(Shop.scoped(1).unwrap(), "attribute.shop");
        let error = 0u8.scoped(1).unwrap_err();
        assert_eq!((error.kind(), error.operation()), (ErrorKind::Misdeclared, "attribute.bank"));
    }
}

#[idempotent(key = id, scope = "attribute.generic")]
fn fixed<T: Default + Clone + Send + Sync + 'static>(id: u32) -> T {
    let _ = id;
    T::default()
}

#[test]
fn one_scope_for_two_instantiations_is_a_panic_where_the_function_cannot_fail() {
    assert_eq!(fixed::<u8>(1), 0);
    let message = panic_of(|| fixed::<u16>(1));
    assert!(message.starts_with("`attribute.generic`: ") && message.contains("already has this scope"), "{message}");
    assert_eq!(fixed::<u8>(1), 0);
}
