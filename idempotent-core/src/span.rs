//! Spans of time as people write them: `"1h 30m"`.

use std::time::Duration;

/// A span of time: a [`Duration`], or a text such as `"250ms"`, `"30s"`, `"15m"`, `"24h"`, `"7d"` or `"1h 30m"`.
pub trait Span {
    /// The span, or nothing where the text is not one.
    fn span(&self) -> Option<Duration>;
}

impl Span for Duration {
    fn span(&self) -> Option<Duration> {
        Some(*self)
    }
}

impl Span for str {
    fn span(&self) -> Option<Duration> {
        let mut rest = self.trim_start();
        let mut total = Duration::ZERO;
        if rest.is_empty() {
            return None;
        }
        while !rest.is_empty() {
            let (number, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
            let end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
            let (unit, after) = after.split_at(end);
            let number: u64 = number.parse().ok()?;
            let one = match unit {
                "ms" => Duration::from_millis(1),
                "s" => Duration::from_secs(1),
                "m" => Duration::from_mins(1),
                "h" => Duration::from_hours(1),
                "d" => Duration::from_hours(24),
                "w" => Duration::from_hours(24 * 7),
                _ => return None,
            };
            total = total.checked_add(one.checked_mul(number.try_into().ok()?)?)?;
            rest = after.trim_start();
        }
        Some(total)
    }
}

impl Span for String {
    fn span(&self) -> Option<Duration> {
        self.as_str().span()
    }
}

impl<S: Span + ?Sized> Span for &S {
    fn span(&self) -> Option<Duration> {
        (**self).span()
    }
}

#[cfg(test)]
mod tests {
    use super::Span;
    use std::time::Duration;

    #[test]
    fn texts_are_read_as_they_are_said() {
        assert_eq!("250ms".span(), Some(Duration::from_millis(250)));
        assert_eq!("1h 30m".span(), Some(Duration::from_mins(90)));
        assert_eq!("1h30m".span(), Some(Duration::from_mins(90)));
        assert_eq!("2w".span(), Some(Duration::from_hours(14 * 24)));
    }

    #[test]
    fn what_is_no_span_is_refused() {
        for text in ["", " ", "h", "5", "5 parsecs", "-1s", "1.5h", "99999999999999999999s"] {
            assert_eq!(text.span(), None, "{text}");
        }
    }
}
