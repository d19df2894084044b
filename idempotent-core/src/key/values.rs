//! Which values are keys and which are fingerprints, and how each is written.

use super::short::Short;
use super::text::{Refusal, Text};
use super::writer::Writer;
use std::borrow::Cow;
use std::marker::PhantomData;
use std::num::{NonZeroI8, NonZeroI16, NonZeroI32, NonZeroI64, NonZeroI128, NonZeroIsize};
use std::num::{NonZeroU8, NonZeroU16, NonZeroU32, NonZeroU64, NonZeroU128, NonZeroUsize};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// A value that can be part of a fingerprint: it has one canonical text.
///
/// Everything that is a key ([`ToKey`]) is, and so are floats (by their bits), `Option` and sequences of these. Two
/// values have the same text exactly when they mean the same: `1u8` and `1u64` agree, `"1"` and `1` differ, and so do
/// `("a", "bc")` and `("ab", "c")`.
///
/// ```
/// use idempotently::key::{ToFingerprint, ToKey, Writer};
///
/// struct OrderId { shop: u32, number: u64 }
///
/// impl ToFingerprint for OrderId {
///     fn write(&self, out: &mut Writer<'_>) {
///         out.sequence(|out| {
///             self.shop.write(out);
///             self.number.write(out);
///         });
///     }
/// }
/// impl ToKey for OrderId {}
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be part of a fingerprint",
    label = "not a fingerprint",
    note = "use the fields that must not change, `idempotently::key::display(&value)`, or `idempotently::key::serde(&value)` with the feature `serde`; for your own type write `#[derive(ToKey)]` or implement `ToFingerprint`"
)]
pub trait ToFingerprint {
    /// Writes the value, as one value.
    fn write(&self, out: &mut Writer<'_>);

    /// Writes several, as one list; bytes have a shorter text than that.
    #[doc(hidden)]
    fn write_list(items: &[Self], out: &mut Writer<'_>)
    where
        Self: Sized,
    {
        out.list(|out| items.iter().for_each(|item| item.write(out)));
    }
}

/// A value that says who a call is.
///
/// Integers, `bool`, `char`, strings, bytes (`[u8]`), tuples, arrays, slices, `Vec`, references and smart pointers,
/// `NonZero*` and `Uuid` (feature `uuid`) are. `#[derive(ToKey)]` does it for newtypes and structs,
/// [`display`](super::display) for types that others wrote, `key::serde` (feature `serde`) for anything `Serialize`.
/// Floats are not, since equal amounts can have different bits; `Option` is not, since `None` is no identity.
///
/// It asks for nothing beside [`ToFingerprint`]; implementing it says that equal texts mean the same call.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a key",
    label = "not a key",
    note = "a float is no key (equal amounts can differ in their bits): use an integer, such as cents",
    note = "an `Option` is no key (`None` identifies nothing): where it is the whole key, add `missing = run` or `missing = reject`; in a tuple or a struct, take it out with `key.map(|key| (tenant, key))`",
    note = "for your own struct write `#[derive(ToKey)]`; for an enum or a type of another crate `idempotently::key::display(&value)`, or `idempotently::key::serde(&value)` with the feature `serde`; a `Uuid` is a key with the feature `uuid`"
)]
pub trait ToKey: ToFingerprint {
    #[doc(hidden)]
    #[inline]
    fn key_text(&self) -> Text<'_> {
        Text::from_writer(|out| self.write(out))
    }

    /// The same, without what borrows from the value itself: only what it refers to may be lent.
    #[doc(hidden)]
    #[inline]
    fn lasting_text<'k>(&self) -> Text<'k>
    where
        Self: 'k,
    {
        self.key_text().into_owned()
    }
}

/// A key that may be missing: what `key` must be where `missing = run | reject` was chosen.
#[diagnostic::on_unimplemented(
    message = "`missing` needs a key that is an `Option`, and `{Self}` is none",
    label = "always there",
    note = "leave `missing` out, or pass an `Option` of a key"
)]
pub trait OptionalKey {
    #[doc(hidden)]
    fn optional_text<'k>(&self, missing: Refusal) -> Text<'k>
    where
        Self: 'k;
}

impl<K: ToKey> OptionalKey for Option<K> {
    #[inline]
    fn optional_text<'k>(&self, missing: Refusal) -> Text<'k>
    where
        Self: 'k,
    {
        self.as_ref().map_or(Text::refused(missing), ToKey::lasting_text)
    }
}

impl<K: OptionalKey + ?Sized> OptionalKey for &K {
    #[inline]
    fn optional_text<'k>(&self, missing: Refusal) -> Text<'k>
    where
        Self: 'k,
    {
        (**self).optional_text(missing)
    }
}

macro_rules! integers {
    ($write:ident $wide:ty: $($number:ty),*) => {$(
        impl ToFingerprint for $number {
            #[allow(clippy::cast_lossless, reason = "`usize` and `isize` have no `From` for it")]
            fn write(&self, out: &mut Writer<'_>) {
                out.$write(*self as $wide);
            }
        }
        impl ToKey for $number {
            #[inline]
            fn key_text(&self) -> Text<'_> {
                match u64::try_from(*self) {
                    Ok(number) => Text::short(Short::number(number)),
                    Err(_) => Text::from_writer(|out| self.write(out)),
                }
            }
        }
    )*};
}

macro_rules! non_zero {
    ($($number:ty),*) => {$(
        impl ToFingerprint for $number {
            fn write(&self, out: &mut Writer<'_>) {
                self.get().write(out);
            }
        }
        impl ToKey for $number {
            #[inline]
            fn key_text(&self) -> Text<'_> {
                self.get().key_text().into_owned()
            }
        }
    )*};
}

macro_rules! forwarded {
    ($($pointer:ty),*) => {$(
        impl<T: ToFingerprint + ?Sized> ToFingerprint for $pointer {
            fn write(&self, out: &mut Writer<'_>) {
                (**self).write(out);
            }
        }
        impl<T: ToKey + ?Sized> ToKey for $pointer {
            #[inline]
            fn key_text(&self) -> Text<'_> {
                (**self).key_text()
            }
        }
    )*};
}

macro_rules! tuples {
    ($(($($name:ident $index:tt),+))*) => {$(
        impl<$($name: ToFingerprint),+> ToFingerprint for ($($name,)+) {
            fn write(&self, out: &mut Writer<'_>) {
                out.sequence(|out| { $(self.$index.write(out);)+ });
            }
        }
        impl<$($name: ToKey),+> ToKey for ($($name,)+) {}
    )*};
}

integers!(unsigned u128: u16, u32, u64, u128, usize);
integers!(signed i128: i8, i16, i32, i64, i128, isize);
non_zero!(NonZeroU8, NonZeroU16, NonZeroU32, NonZeroU64, NonZeroU128, NonZeroUsize);
non_zero!(NonZeroI8, NonZeroI16, NonZeroI32, NonZeroI64, NonZeroI128, NonZeroIsize);
forwarded!(&mut T, Box<T>, Rc<T>, Arc<T>);
tuples! {
    (A 0)
    (A 0, B 1)
    (A 0, B 1, C 2)
    (A 0, B 1, C 2, D 3)
    (A 0, B 1, C 2, D 3, E 4)
    (A 0, B 1, C 2, D 3, E 4, F 5)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11)
}

impl<T: ToFingerprint + ?Sized> ToFingerprint for &T {
    fn write(&self, out: &mut Writer<'_>) {
        (**self).write(out);
    }
}
impl<T: ToKey + ?Sized> ToKey for &T {
    #[inline]
    fn key_text(&self) -> Text<'_> {
        (**self).key_text()
    }

    #[inline]
    fn lasting_text<'k>(&self) -> Text<'k>
    where
        Self: 'k,
    {
        (*self).key_text()
    }
}

impl ToFingerprint for u8 {
    fn write(&self, out: &mut Writer<'_>) {
        out.unsigned(u128::from(*self));
    }

    fn write_list(items: &[Self], out: &mut Writer<'_>) {
        out.bytes(items);
    }
}
impl ToKey for u8 {
    #[inline]
    fn key_text(&self) -> Text<'_> {
        Text::short(Short::number(u64::from(*self)))
    }
}

impl<T: ?Sized> ToFingerprint for PhantomData<T> {
    fn write(&self, out: &mut Writer<'_>) {
        ().write(out);
    }
}
impl<T: ?Sized> ToKey for PhantomData<T> {}

impl ToFingerprint for Duration {
    fn write(&self, out: &mut Writer<'_>) {
        out.unsigned(self.as_nanos());
    }
}
impl ToKey for Duration {}

impl ToFingerprint for bool {
    fn write(&self, out: &mut Writer<'_>) {
        out.boolean(*self);
    }
}
impl ToKey for bool {}

impl ToFingerprint for char {
    fn write(&self, out: &mut Writer<'_>) {
        out.character(*self);
    }
}
impl ToKey for char {}

impl ToFingerprint for str {
    fn write(&self, out: &mut Writer<'_>) {
        out.text(self);
    }
}
impl ToKey for str {
    #[inline]
    fn key_text(&self) -> Text<'_> {
        Text::string(self)
    }
}

impl ToFingerprint for String {
    fn write(&self, out: &mut Writer<'_>) {
        out.text(self);
    }
}
impl ToKey for String {
    #[inline]
    fn key_text(&self) -> Text<'_> {
        self.as_str().key_text()
    }
}

impl<T: ToFingerprint + ToOwned + ?Sized> ToFingerprint for Cow<'_, T> {
    fn write(&self, out: &mut Writer<'_>) {
        (**self).write(out);
    }
}
impl<T: ToKey + ToOwned + ?Sized> ToKey for Cow<'_, T> {
    #[inline]
    fn key_text(&self) -> Text<'_> {
        (**self).key_text()
    }
}

impl<T: ToFingerprint> ToFingerprint for [T] {
    fn write(&self, out: &mut Writer<'_>) {
        T::write_list(self, out);
    }
}
impl<T: ToKey> ToKey for [T] {}

impl<T: ToFingerprint, const N: usize> ToFingerprint for [T; N] {
    fn write(&self, out: &mut Writer<'_>) {
        self.as_slice().write(out);
    }
}
impl<T: ToKey, const N: usize> ToKey for [T; N] {}

impl<T: ToFingerprint> ToFingerprint for Vec<T> {
    fn write(&self, out: &mut Writer<'_>) {
        self.as_slice().write(out);
    }
}
impl<T: ToKey> ToKey for Vec<T> {}

impl ToFingerprint for f64 {
    fn write(&self, out: &mut Writer<'_>) {
        out.float(*self);
    }
}

impl ToFingerprint for f32 {
    fn write(&self, out: &mut Writer<'_>) {
        out.float(f64::from(*self));
    }
}

impl<T: ToFingerprint> ToFingerprint for Option<T> {
    fn write(&self, out: &mut Writer<'_>) {
        match self {
            Some(value) => out.present(|out| value.write(out)),
            None => out.absent(),
        }
    }
}

impl ToFingerprint for () {
    fn write(&self, out: &mut Writer<'_>) {
        out.sequence(|_| ());
    }
}

#[cfg(feature = "uuid")]
impl ToFingerprint for uuid::Uuid {
    fn write(&self, out: &mut Writer<'_>) {
        out.text(self.hyphenated().encode_lower(&mut uuid::Uuid::encode_buffer()));
    }
}
#[cfg(feature = "uuid")]
impl ToKey for uuid::Uuid {}
