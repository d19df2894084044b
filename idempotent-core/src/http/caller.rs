//! Who sends a request: part of the key, so that two callers never meet.

use super::key::IdempotencyKey;
use crate::key::{Piece, Text, ToKey, hexadecimal};
use ::http::header::{HeaderName, HeaderValue};
use ::http::request::Parts;
use hmac_sha256::Hash as Sha256;
use std::fmt;
use std::sync::Arc;

/// How the layer tells callers apart; it has to be chosen when the layer is built.
///
/// The caller is part of what a record is kept under. With the same key two callers run twice, and neither can see,
/// block or guess at what the other did.
#[derive(Clone)]
pub struct Caller {
    kind: &'static str,
    who: Who,
}

/// What finds the caller in a request.
type Find = dyn Fn(&Parts) -> Option<String> + Send + Sync;

#[derive(Clone)]
enum Who {
    Everybody,
    Header(HeaderName),
    Told(Arc<Find>),
}

/// Why it is not known who sends a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unknown {
    /// The client left the header out.
    Header,
    /// What was to be there before the layer is not.
    Server,
}

impl Caller {
    /// Whoever sends the same values of this header, such as `authorization`; records hold their SHA-256 only.
    ///
    /// A request without it is refused with 400. Take [`extension`](Self::extension) where credentials are renewed: a
    /// client that comes back with a fresh token would be somebody else, and its request would run again.
    ///
    /// # Panics
    /// For something that is no header's name in lower case.
    #[must_use]
    pub fn header(name: &'static str) -> Self {
        Self { kind: "header", who: Who::Header(HeaderName::from_static(name)) }
    }

    /// Whoever this extension of the request names: an account or a user, put there by an authentication that runs
    /// before this layer (in axum: that is added after it).
    ///
    /// A request without it, or with an empty one, is refused with 500: the authentication did not run.
    ///
    /// ```
    /// use idempotently::http::Caller;
    /// use idempotently::ToKey;
    ///
    /// #[derive(Clone, ToKey)]
    /// struct Account(u64);
    ///
    /// let caller = Caller::extension::<Account>();
    /// # let _ = caller;
    /// ```
    #[must_use]
    pub fn extension<T: ToKey + Send + Sync + 'static>() -> Self {
        let who = |parts: &Parts| parts.extensions.get::<T>().and_then(named);
        Self { kind: "extension", who: Who::Told(Arc::new(who)) }
    }

    /// Whoever the function says. A request of nobody (`None`) is refused with 500.
    ///
    /// ```
    /// use idempotently::http::Caller;
    ///
    /// // The gateway in front has checked who it is.
    /// let caller = Caller::by(|request| {
    ///     let tenant = request.headers.get("x-tenant")?.to_str().ok()?;
    ///     Some(tenant.to_owned())
    /// });
    /// # let _ = caller;
    /// ```
    #[must_use]
    pub fn by<K: ToKey>(who: impl Fn(&Parts) -> Option<K> + Send + Sync + 'static) -> Self {
        let who = move |parts: &Parts| who(parts).as_ref().and_then(named);
        Self { kind: "by", who: Who::Told(Arc::new(who)) }
    }

    /// Everybody is one caller: **whoever knows or guesses a key gets the answer to it.** For services that have one
    /// client, or whose answers are nobody's secret.
    #[must_use]
    pub fn shared() -> Self {
        Self { kind: "shared", who: Who::Everybody }
    }

    /// Who sent a request.
    pub(super) fn of(&self, parts: &Parts) -> Result<String, Unknown> {
        match &self.who {
            Who::Everybody => Ok(String::new()),
            Who::Header(name) => digest(name, parts).ok_or(Unknown::Header),
            Who::Told(who) => who(parts).ok_or(Unknown::Server),
        }
    }

    /// What the record of a caller's key is kept under.
    pub(super) fn place(&self, who: &str, key: &IdempotencyKey) -> Text<'static> {
        (Piece(self.kind), who, key).key_text().into_owned()
    }
}

/// A value's canonical text; nothing where it is empty.
fn named(value: &(impl ToKey + ?Sized)) -> Option<String> {
    let key = value.key_text().to_key()?;
    Some(key.with_bytes(|text| String::from_utf8_lossy(text).into_owned()))
}

/// A digest of a header, each part with its length before it.
fn digest(name: &HeaderName, parts: &Parts) -> Option<String> {
    let mut values = parts.headers.get_all(name).iter().peekable();
    values.peek()?;
    let mut digest = Sha256::new();
    let name = name.as_str().as_bytes();
    for part in [name].into_iter().chain(values.map(HeaderValue::as_bytes)) {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    Some(hexadecimal(&digest.finalize()))
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Caller").field(&self.kind).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::{Caller, Unknown};
    use crate::http::key::IdempotencyKey;
    use ::http::Request;
    use ::http::request::{Builder, Parts};

    fn parts(build: impl FnOnce(Builder) -> Builder) -> Parts {
        build(Request::builder()).body(()).map_or_else(|_| unreachable!(), |request| request.into_parts().0)
    }

    /// **A changed line is a breaking change**: records of earlier builds would not be found any more.
    #[test]
    fn golden_places() {
        let place = |caller: &Caller, parts: &Parts| {
            let who = caller.of(parts).unwrap_or_else(|_| unreachable!());
            let key = IdempotencyKey::parse(b"8e03978e-40d5-43e8").unwrap_or_else(|_| unreachable!());
            let key = caller.place(&who, &key).to_key();
            key.map(|key| key.with_bytes(|text| String::from_utf8_lossy(text).into_owned())).unwrap_or_default()
        };
        let request = parts(|request| request.header("authorization", "Bearer one").extension(42u64));
        assert_eq!(place(&Caller::shared(), &request), r#"("shared","","8e03978e-40d5-43e8")"#);
        assert_eq!(place(&Caller::extension::<u64>(), &request), r#"("extension","42","8e03978e-40d5-43e8")"#);
        assert_eq!(place(&Caller::by(|_| Some(("eu", 7))), &request), r#"("by","(\"eu\",7)","8e03978e-40d5-43e8")"#);
        // printf '\0\0\0\0\0\0\0\rauthorization\0\0\0\0\0\0\0\nBearer one' | sha256sum
        let digest = "21a61c977cf7b37b73684e2fb818aeab9e61ff74dd841e906547ba629fac76a3";
        assert_eq!(
            place(&Caller::header("authorization"), &request),
            format!(r#"("header","{digest}","8e03978e-40d5-43e8")"#)
        );
    }

    #[test]
    fn other_values_are_other_callers() {
        let caller = Caller::header("authorization");
        let of = |values: &[&str]| {
            caller.of(&parts(|request| {
                values.iter().fold(request, |request, value| request.header("authorization", *value))
            }))
        };
        let all = [of(&["a"]), of(&["b"]), of(&["ab"]), of(&["a", "b"]), of(&["b", "a"]), of(&["a", ""])];
        for (at, one) in all.iter().enumerate() {
            assert!(one.is_ok() && !all[..at].contains(one), "{at}");
        }
        assert_eq!(of(&[]), Err(Unknown::Header));
    }

    #[test]
    fn nobody_is_nobody() {
        let request = parts(|request| request.extension(String::new()));
        assert_eq!(Caller::extension::<u64>().of(&request), Err(Unknown::Server));
        assert_eq!(Caller::extension::<String>().of(&request), Err(Unknown::Server));
        assert_eq!(Caller::by(|_| None::<u8>).of(&request), Err(Unknown::Server));
        assert_eq!(Caller::by(|_| Some("")).of(&request), Err(Unknown::Server));
    }
}
