//! `cargo xtask lines`: how much code there is, without comments, blank lines and tests.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::shell::{Failure, root, say};

/// The published packages, and where their code is.
const PACKAGES: [(&str, &str); 3] = [
    ("idempotently", "src"),
    ("idempotent-core", "idempotent-core/src"),
    ("idempotent-macros", "idempotent-macros/src"),
];

/// Says how many lines of code each package has.
pub(crate) fn tell() -> Result<(), Failure> {
    let mut total = 0;
    for (name, folder) in PACKAGES {
        let lines = below(&root().join(folder))?;
        total += lines;
        say(&format!("{lines:>7}  {name}"));
    }
    say(&format!("{total:>7}  in all"));
    Ok(())
}

fn below(folder: &Path) -> Result<usize, Failure> {
    let mut files = Vec::new();
    collect(folder, &mut files)?;
    let mut texts = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).map_err(|error| unreadable(&file, &error))?;
        texts.push((file, text));
    }
    let mut lines = 0;
    let mut left_out = BTreeSet::new();
    let counts: Vec<(PathBuf, usize)> = texts
        .into_iter()
        .map(|(file, text)| {
            let counted = count(&text);
            let inside = file.with_extension("");
            let inside = if file.ends_with("lib.rs") { folder.to_owned() } else { inside };
            left_out.extend(counted.modules_of_tests.iter().map(|module| inside.join(module)));
            (file, counted.lines)
        })
        .collect();
    for (file, counted) in counts {
        let module = file.with_extension("");
        if !left_out.iter().any(|tests| module.starts_with(tests)) {
            lines += counted;
        }
    }
    Ok(lines)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let entries = fs::read_dir(folder).map_err(|error| unreadable(folder, &error))?;
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("{} cannot be read: {error}", path.display()))
}

/// What a file has.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counted {
    lines: usize,
    /// Modules in files of their own, which are there for tests alone.
    modules_of_tests: Vec<String>,
}

/// Counts a file as rustfmt writes it: what belongs together is indented alike.
fn count(text: &str) -> Counted {
    let mut counted = Counted::default();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let code = line.trim();
        if code.is_empty() || code.starts_with("//") {
            continue;
        }
        if code.starts_with("#[cfg(test)]") || code.starts_with("#[cfg(all(test") {
            let indent = line.len() - line.trim_start().len();
            if let Some(module) = skip_item(&mut lines, indent) {
                counted.modules_of_tests.push(module);
            }
            continue;
        }
        counted.lines += 1;
    }
    counted
}

/// Goes past an item; its name where it is a module in a file of its own.
fn skip_item<'a>(lines: &mut impl Iterator<Item = &'a str>, indent: usize) -> Option<String> {
    let head = lines.find(|line| !line.trim_start().starts_with("#["))?.trim();
    if let Some(module) = head.strip_suffix(';') {
        return module.split_once("mod ").map(|(_, name)| name.to_owned());
    }
    if !head.ends_with('}') {
        let end = format!("{}}}", " ".repeat(indent));
        let _ = lines.find(|line| *line == end);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn comments_blank_lines_and_tests_are_no_code() {
        let text = "//! Docs.\n\nuse a::b;\n\n/// Docs.\nfn a() {\n    // Why.\n    b();\n}\n\n#[cfg(test)]\nmod tests {\n    fn a() {\n    }\n}\n";
        assert_eq!(count(text).lines, 4);
        let text = "#[cfg(test)]\nmod golden;\n#[cfg(test)]\n#[path = \"x.rs\"]\nmod other;\nmod key;\n";
        let counted = count(text);
        assert_eq!((counted.lines, counted.modules_of_tests), (1, vec!["golden".to_owned(), "other".to_owned()]));
        let text = "impl A {\n    #[cfg(test)]\n    fn a() {\n        b();\n    }\n\n    fn b() {}\n}\n";
        assert_eq!(count(text).lines, 3);
        assert_eq!(count("#[cfg(test)]\nuse a::b;\n#[cfg(test)]\nfn a() {}\nfn b() {}\n").lines, 1);
    }
}
