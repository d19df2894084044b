//! Who sends a request: part of the key, so that two callers never meet.

use super::key::IdempotencyKey;
use crate::key::{Piece, Text, ToKey, hexadecimal};
use ::http::header::{AUTHORIZATION, HeaderName, PROXY_AUTHORIZATION};
use ::http::request::Parts;
use hmac_sha256::Hash as Sha256;
use std::borrow::Cow;
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
    /// The scheme of `authorization` has no case (`bearer x` is `Bearer x`). A request without the header, or with an empty
    /// one, is refused with 400. Take [`extension`](Self::extension) where credentials are renewed: a
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

    /// Whether there is one caller only.
    pub(super) fn is_everybody(&self) -> bool {
        matches!(self.who, Who::Everybody)
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

/// A digest of a header, each part with its length before it; nothing where no value has anything in it.
fn digest(name: &HeaderName, parts: &Parts) -> Option<String> {
    let values = || parts.headers.get_all(name).iter().map(|value| value.as_bytes().trim_ascii());
    if values().all(<[u8]>::is_empty) {
        return None;
    }
    let mut digest = Sha256::new();
    let mut add = |part: &[u8]| {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    };
    add(name.as_str().as_bytes());
    for value in values() {
        if name == AUTHORIZATION || name == PROXY_AUTHORIZATION {
            add(&credentials(value));
        } else {
            add(value);
        }
    }
    Some(hexadecimal(&digest.finalize()))
}

/// Credentials in one form: a scheme has no case, and as many spaces after it as its sender likes (RFC 9110, 11.4).
fn credentials(value: &[u8]) -> Cow<'_, [u8]> {
    let Some(end) = value.iter().position(u8::is_ascii_whitespace) else { return value.into() };
    let (scheme, rest) = value.split_at(end);
    let mut one = scheme.to_ascii_lowercase();
    // As it is mostly written: `Bearer`.
    if let Some(first) = one.first_mut() {
        first.make_ascii_uppercase();
    }
    one.push(b' ');
    one.extend_from_slice(rest.trim_ascii());
    one.into()
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
    fn a_scheme_has_no_case_and_a_token_has() {
        let of =
            |name: &'static str, value: &str| Caller::header(name).of(&parts(|request| request.header(name, value)));
        for same in ["bearer tok", "BEARER  tok", "Bearer\ttok", " Bearer tok "] {
            assert_eq!(of("authorization", same), of("authorization", "Bearer tok"), "{same}");
        }
        for other in ["Bearer TOK", "Bearer to k", "Basic tok", "Bearertok"] {
            assert_ne!(of("authorization", other), of("authorization", "Bearer tok"), "{other}");
        }
        assert_ne!(of("x-tenant", "a b"), of("x-tenant", "A b"));
    }

    #[test]
    fn nobody_is_nobody() {
        for values in [&[""][..], &["  "], &["", "\t"]] {
            let request = parts(|request| values.iter().fold(request, |request, value| request.header("x", *value)));
            assert_eq!(Caller::header("x").of(&request), Err(Unknown::Header), "{values:?}");
        }
        let request = parts(|request| request.extension(String::new()));
        assert_eq!(Caller::extension::<u64>().of(&request), Err(Unknown::Server));
        assert_eq!(Caller::extension::<String>().of(&request), Err(Unknown::Server));
        assert_eq!(Caller::by(|_| None::<u8>).of(&request), Err(Unknown::Server));
        assert_eq!(Caller::by(|_| Some("")).of(&request), Err(Unknown::Server));
    }
}
