//! Lengths of time as people write them: `"24h"`, `"1h 30m"`, `"500ms"`.

use std::time::Duration;

const UNITS: [(&str, u64); 6] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000), ("w", 604_800_000)];

/// Reads one or more whole numbers, each with its unit; the error says what to write instead.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(format!("a duration is missing: {EXPECTED}"));
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (millis, after) = first_part(rest)?;
        total = total.checked_add(millis).ok_or_else(|| too_long(text))?;
        rest = after.trim_start();
    }
    if total == 0 {
        return Err("a duration must be longer than nothing".to_owned());
    }
    Ok(Duration::from_millis(total))
}

const EXPECTED: &str = "write whole numbers with a unit, such as `\"24h\"` or `\"1h 30m\"`; \
                        the units are `ms`, `s`, `m`, `h`, `d` and `w`";

/// The first number with its unit, in milliseconds, and what follows it.
fn first_part(text: &str) -> Result<(u64, &str), String> {
    let (number, rest) = split_at(text, |letter| !letter.is_ascii_digit());
    if number.is_empty() {
        return Err(format!("`{text}` does not begin with a whole number: {EXPECTED}"));
    }
    let (unit, after) = split_at(rest.trim_start(), |letter| letter.is_whitespace() || letter.is_ascii_digit());
    if unit.is_empty() {
        return Err(format!("`{number}` has no unit: {EXPECTED}"));
    }
    let Some((_, millis)) = UNITS.iter().find(|(name, _)| *name == unit) else {
        return Err(format!("`{unit}` is not a unit of time: {EXPECTED}"));
    };
    let count: u64 = number.parse().map_err(|_| too_long(text))?;
    Ok((count.checked_mul(*millis).ok_or_else(|| too_long(text))?, after))
}

fn split_at(text: &str, end: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(end).unwrap_or(text.len()))
}

fn too_long(text: &str) -> String {
    format!("`{text}` is longer than can be counted")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::parse;

    #[test]
    fn reads_every_unit() {
        for (text, millis) in [
            ("1ms", 1),
            ("2s", 2_000),
            ("3m", 180_000),
            ("24h", 86_400_000),
            ("7d", 604_800_000),
            ("2w", 1_209_600_000),
            ("1h 30m", 5_400_000),
            ("1h30m", 5_400_000),
            (" 10 s ", 10_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, message) in [
            ("", "a duration is missing"),
            ("5 parsecs", "`parsecs` is not a unit of time"),
            ("5", "`5` has no unit"),
            ("h", "`h` does not begin with a whole number"),
            ("-5s", "`-5s` does not begin with a whole number"),
            ("1.5h", "`.` is not a unit of time"),
            ("1h and 5m", "`and 5m` does not begin with a whole number"),
            ("0s", "longer than nothing"),
            ("99999999999999999999s", "longer than can be counted"),
            ("9999999999999999w", "longer than can be counted"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(message), "{text}: {error}");
        }
    }

    #[test]
    fn lists_the_units() {
        let error = parse("5 parsecs").unwrap_err();
        assert!(error.ends_with("the units are `ms`, `s`, `m`, `h`, `d` and `w`"), "{error}");
    }
}
