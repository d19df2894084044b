//! A serializer around another one, which is told what may be written and how.

use serde::ser::{
    Error, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};
use std::fmt::Display;

const NULL_IN_SOME: &str = "a `Some` that is written as `null`";
const NOT_FINITE: &str = "a number that is not finite";
const TOO_LARGE: &str = "an integer of more than 64 bits";

/// What the value is written for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    /// To be read back: what JSON would not bring back is refused. It has no word for `Some`, so a `Some` whose content is
    /// written as `null` would be read as `None`; and it writes `null` for a number that is not finite.
    #[cfg(feature = "durable")]
    Outcome,
    /// To be compared, over builds: numbers are those that `serde_json` has whatever its features, of which any crate may
    /// switch on any.
    #[cfg(feature = "serde")]
    Key,
}

impl Purpose {
    fn is_outcome(self) -> bool {
        match self {
            #[cfg(feature = "durable")]
            Self::Outcome => true,
            #[cfg(feature = "serde")]
            Self::Key => false,
        }
    }
}

/// A value with what it is written for.
pub(crate) struct Checked<'a, T: ?Sized> {
    value: &'a T,
    purpose: Purpose,
    /// It is the content of a `Some`, with no more than newtypes between.
    in_some: bool,
}

impl<'a, T: ?Sized> Checked<'a, T> {
    pub(crate) fn new(value: &'a T, purpose: Purpose) -> Self {
        Self { value, purpose, in_some: false }
    }
}

impl<T: Serialize + ?Sized> Serialize for Checked<'_, T> {
    fn serialize<S: Serializer>(&self, inner: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(Checking { inner, purpose: self.purpose, in_some: self.in_some })
    }
}

struct Checking<S> {
    inner: S,
    purpose: Purpose,
    in_some: bool,
}

impl<S: Serializer> Checking<S> {
    /// The serializer inside, for what it writes as `null`.
    fn null(self) -> Result<S, S::Error> {
        if self.in_some && self.purpose.is_outcome() { Err(S::Error::custom(NULL_IN_SOME)) } else { Ok(self.inner) }
    }

    fn finite(&self, is_finite: bool) -> Result<(), S::Error> {
        if is_finite || !self.purpose.is_outcome() { Ok(()) } else { Err(S::Error::custom(NOT_FINITE)) }
    }

    fn parts<P>(self, begin: impl FnOnce(S) -> Result<P, S::Error>) -> Result<Parts<P>, S::Error> {
        Ok(Parts { inner: begin(self.inner)?, purpose: self.purpose })
    }
}

/// Passes on what needs no look.
macro_rules! plain {
    ($($method:ident: $type:ty),* $(,)?) => {
        $(
            fn $method(self, value: $type) -> Result<S::Ok, S::Error> {
                self.inner.$method(value)
            }
        )*
    };
}

impl<S: Serializer> Serializer for Checking<S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Parts<S::SerializeSeq>;
    type SerializeTuple = Parts<S::SerializeTuple>;
    type SerializeTupleStruct = Parts<S::SerializeTupleStruct>;
    type SerializeTupleVariant = Parts<S::SerializeTupleVariant>;
    type SerializeMap = Parts<S::SerializeMap>;
    type SerializeStruct = Parts<S::SerializeStruct>;
    type SerializeStructVariant = Parts<S::SerializeStructVariant>;

    plain! {
        serialize_bool: bool, serialize_char: char, serialize_str: &str, serialize_bytes: &[u8],
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64,
    }

    fn serialize_i128(self, value: i128) -> Result<S::Ok, S::Error> {
        match (i64::try_from(value), u64::try_from(value)) {
            _ if self.purpose.is_outcome() => self.inner.serialize_i128(value),
            (Ok(value), _) => self.inner.serialize_i64(value),
            (_, Ok(value)) => self.inner.serialize_u64(value),
            _ => Err(S::Error::custom(TOO_LARGE)),
        }
    }

    fn serialize_u128(self, value: u128) -> Result<S::Ok, S::Error> {
        match u64::try_from(value) {
            _ if self.purpose.is_outcome() => self.inner.serialize_u128(value),
            Ok(value) => self.inner.serialize_u64(value),
            Err(_) => Err(S::Error::custom(TOO_LARGE)),
        }
    }

    fn serialize_f32(self, value: f32) -> Result<S::Ok, S::Error> {
        self.finite(value.is_finite())?;
        if self.purpose.is_outcome() { self.inner.serialize_f32(value) } else { self.inner.serialize_f64(value.into()) }
    }

    fn serialize_f64(self, value: f64) -> Result<S::Ok, S::Error> {
        self.finite(value.is_finite())?;
        self.inner.serialize_f64(value)
    }

    fn serialize_none(self) -> Result<S::Ok, S::Error> {
        self.null()?.serialize_none()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.inner.serialize_some(&Checked { value, purpose: self.purpose, in_some: true })
    }

    fn serialize_unit(self) -> Result<S::Ok, S::Error> {
        self.null()?.serialize_unit()
    }

    fn serialize_unit_struct(self, name: &'static str) -> Result<S::Ok, S::Error> {
        self.null()?.serialize_unit_struct(name)
    }

    fn serialize_unit_variant(self, name: &'static str, index: u32, variant: &'static str) -> Result<S::Ok, S::Error> {
        self.inner.serialize_unit_variant(name, index, variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<S::Ok, S::Error> {
        let Self { inner, purpose, in_some } = self;
        inner.serialize_newtype_struct(name, &Checked { value, purpose, in_some })
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        self.inner.serialize_newtype_variant(name, index, variant, &Checked::new(value, self.purpose))
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Self::SerializeSeq, S::Error> {
        self.parts(|inner| inner.serialize_seq(len))
    }

    fn serialize_tuple(self, len: usize) -> Result<Self::SerializeTuple, S::Error> {
        self.parts(|inner| inner.serialize_tuple(len))
    }

    fn serialize_tuple_struct(self, name: &'static str, len: usize) -> Result<Self::SerializeTupleStruct, S::Error> {
        self.parts(|inner| inner.serialize_tuple_struct(name, len))
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleVariant, S::Error> {
        self.parts(|inner| inner.serialize_tuple_variant(name, index, variant, len))
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Self::SerializeMap, S::Error> {
        self.parts(|inner| inner.serialize_map(len))
    }

    fn serialize_struct(self, name: &'static str, len: usize) -> Result<Self::SerializeStruct, S::Error> {
        self.parts(|inner| inner.serialize_struct(name, len))
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStructVariant, S::Error> {
        self.parts(|inner| inner.serialize_struct_variant(name, index, variant, len))
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.inner.collect_str(value)
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

/// What a value of several parts is written with.
struct Parts<S> {
    inner: S,
    purpose: Purpose,
}

/// The parts that have no name.
macro_rules! unnamed {
    ($($part:ident: $method:ident),* $(,)?) => {
        $(
            impl<S: $part> $part for Parts<S> {
                type Ok = S::Ok;
                type Error = S::Error;

                fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), S::Error> {
                    self.inner.$method(&Checked::new(value, self.purpose))
                }

                fn end(self) -> Result<S::Ok, S::Error> {
                    self.inner.end()
                }
            }
        )*
    };
}

/// The parts that have a name.
macro_rules! named {
    ($($part:ident),* $(,)?) => {
        $(
            impl<S: $part> $part for Parts<S> {
                type Ok = S::Ok;
                type Error = S::Error;

                fn serialize_field<T: Serialize + ?Sized>(
                    &mut self,
                    name: &'static str,
                    value: &T,
                ) -> Result<(), S::Error> {
                    self.inner.serialize_field(name, &Checked::new(value, self.purpose))
                }

                fn skip_field(&mut self, name: &'static str) -> Result<(), S::Error> {
                    self.inner.skip_field(name)
                }

                fn end(self) -> Result<S::Ok, S::Error> {
                    self.inner.end()
                }
            }
        )*
    };
}

unnamed! {
    SerializeSeq: serialize_element,
    SerializeTuple: serialize_element,
    SerializeTupleStruct: serialize_field,
    SerializeTupleVariant: serialize_field,
}

named! { SerializeStruct, SerializeStructVariant }

impl<S: SerializeMap> SerializeMap for Parts<S> {
    type Ok = S::Ok;
    type Error = S::Error;

    // A key is a string in JSON, or refused.
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), S::Error> {
        self.inner.serialize_key(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), S::Error> {
        self.inner.serialize_value(&Checked::new(value, self.purpose))
    }

    fn serialize_entry<K: Serialize + ?Sized, V: Serialize + ?Sized>(
        &mut self,
        key: &K,
        value: &V,
    ) -> Result<(), S::Error> {
        self.inner.serialize_entry(key, &Checked::new(value, self.purpose))
    }

    fn end(self) -> Result<S::Ok, S::Error> {
        self.inner.end()
    }
}
