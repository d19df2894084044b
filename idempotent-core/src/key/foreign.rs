//! Keys made of values whose types this crate does not know.

use super::values::{ToFingerprint, ToKey};
use super::writer::Writer;
use std::fmt::{self, Display};

/// A value as its `Display` shows it: a key for types that others wrote.
///
/// It is the same key as the string that the value is shown as. If `Display` fails, the call is refused as
/// [`InvalidKey`](crate::error::ErrorKind::InvalidKey).
///
/// ```
/// use idempotently::{idempotent, key};
/// use std::net::IpAddr;
///
/// #[idempotent(key = key::display(&address))]
/// fn ban(address: IpAddr) -> u64 { 1 }
///
/// assert_eq!(ban(IpAddr::from([127, 0, 0, 1])), 1);
/// ```
pub fn display<T: Display + ?Sized>(value: &T) -> Displayed<'_, T> {
    Displayed(value)
}

/// What [`display`] makes.
pub struct Displayed<'a, T: ?Sized>(&'a T);

impl<T: Display + ?Sized> ToFingerprint for Displayed<'_, T> {
    fn write(&self, out: &mut Writer<'_>) {
        out.display(self.0);
    }
}
impl<T: Display + ?Sized> ToKey for Displayed<'_, T> {}

impl<T: ?Sized> fmt::Debug for Displayed<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Displayed(..)")
    }
}

/// A piece of text between the holes of a key literal: part of the key, but nothing that identifies a call.
///
/// `key = "order-{id}"` is the key `("order-", id)`; a tuple with a `Piece` or a plain string in that place is equal to it.
#[derive(Clone, Copy, Debug)]
pub struct Piece(pub &'static str);

impl ToFingerprint for Piece {
    fn write(&self, out: &mut Writer<'_>) {
        out.literal(self.0);
    }
}
impl ToKey for Piece {}

#[cfg(feature = "serde")]
pub use with_serde::{Serialized, serde};

#[cfg(feature = "serde")]
mod with_serde {
    use super::{ToFingerprint, ToKey, Writer, fmt};
    use crate::serializer::{Checked, Purpose};
    use ::serde::Serialize;
    use serde_json::Value;

    /// A value as `serde` describes it, with maps and structs sorted by name: a key for any `Serialize`.
    ///
    /// If serializing fails, the call is refused as [`InvalidKey`](crate::error::ErrorKind::InvalidKey). A number that is
    /// not finite counts as absent, as it does in JSON. An integer of more than 64 bits is refused.
    ///
    /// ```
    /// use idempotently::{idempotent, key};
    /// use std::collections::HashMap;
    ///
    /// #[idempotent(key = key::serde(query))]
    /// fn report(query: &HashMap<String, u32>) -> usize { query.len() }
    ///
    /// assert_eq!(report(&HashMap::from([("year".into(), 2026), ("month".into(), 11)])), 2);
    /// ```
    pub fn serde<T: Serialize + ?Sized>(value: &T) -> Serialized<'_, T> {
        Serialized(value)
    }

    /// What [`serde()`] makes.
    pub struct Serialized<'a, T: ?Sized>(&'a T);

    impl<T: Serialize + ?Sized> ToFingerprint for Serialized<'_, T> {
        fn write(&self, out: &mut Writer<'_>) {
            match serde_json::to_value(Checked::new(self.0, Purpose::Key)) {
                Ok(value) => write(&value, out),
                Err(_) => out.fail(),
            }
        }
    }
    impl<T: Serialize + ?Sized> ToKey for Serialized<'_, T> {}

    impl<T: ?Sized> fmt::Debug for Serialized<'_, T> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Serialized(..)")
        }
    }

    fn write(value: &Value, out: &mut Writer<'_>) {
        match value {
            Value::Null => out.absent(),
            Value::Bool(value) => out.boolean(*value),
            // No wider ones, which `serde_json` has with some of its features only.
            Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(number), ..) => out.unsigned(number.into()),
                (_, Some(number), _) => out.signed(number.into()),
                (.., Some(number)) => out.float(number),
                _ => out.fail(),
            },
            Value::String(text) => out.text(text),
            Value::Array(items) => out.list(|out| items.iter().for_each(|item| write(item, out))),
            Value::Object(entries) => {
                // Another crate in the build may have told serde_json to keep maps in insertion order.
                let mut entries: Vec<_> = entries.iter().collect();
                entries.sort_unstable_by_key(|(name, _)| *name);
                out.map(
                    entries
                        .into_iter()
                        .map(|(name, value)| (name.as_str(), move |out: &mut Writer<'_>| write(value, out))),
                );
            }
        }
    }
}
