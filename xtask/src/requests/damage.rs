//! Lines that are not requests: what a log holds after a crash, a proxy and a client of last year.

use super::random::Random;

/// Puts a few of them among the good lines, none at the same place in two files of different length.
pub(super) fn insert(random: &mut Random, lines: &mut Vec<String>) {
    let damaged: [&dyn Fn(&str) -> String; 12] = [
        &|line| head(line, line.len() / 2),
        &|line| head(line, line.len() - 2),
        &|_| String::new(),
        &|line| line.replace(r#""amount":"#, r#""amount":"EUR "#).replace(r#","currency""#, r#"","currency""#),
        &|line| line.replace(r#""id":"pay_"#, r#""reference":"pay_"#),
        &|line| line.replace(r#""amount":"#, r#""amount":-"#),
        &|line| line.replace(r#""amount":"#, r#""amount":0.5"#),
        &|line| format!("{line}{line}"),
        &|_| "<html><body>502 Bad Gateway</body></html>".to_owned(),
        &|_| "null".to_owned(),
        &|line| line.replace(r#""currency":""#, r#""currency":"DOGE"#),
        &|_| "   ".to_owned(),
    ];
    for damage in damaged {
        let place = random.index(lines.len());
        let line = damage(lines[place].trim_end());
        lines.insert(place, line + "\n");
    }
}

/// The first `length` bytes, or fewer where that would cut a character.
fn head(line: &str, length: usize) -> String {
    line[..line.floor_char_boundary(length)].to_owned()
}
