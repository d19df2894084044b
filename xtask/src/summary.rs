//! How many tests run against what, counted from the tests themselves.

use std::process::Command;

use serde_json::Value;

use crate::servers::Servers;
use crate::shell::{Failure, cargo, root, say};

/// The tests that are run once more against every server that speaks as Redis does: a target, and what their names begin
/// with.
pub(crate) const OF_REDIS: [(&str, &str); 3] = [("redis", ""), ("redis_late", ""), ("stores", "redis::")];

/// Says how many tests run against which server; those of the last run are about to.
pub(crate) fn tell(servers: &Servers, selection: &[&str]) -> Result<(), Failure> {
    let tests = tests(selection)?;
    say("\n  tests that passed against");
    for other in &servers.others {
        say(&line(&other.name, repeated(&tests)));
    }
    say("  tests that run now against");
    for (word, name) in [("redis", servers.redis.as_str()), ("postgres", &servers.postgres), ("sqlite", "sqlite")] {
        say(&line(name, naming(&tests, word)));
    }
    say("  (those below tests/ whose path names it)");
    Ok(())
}

fn line(name: &str, count: usize) -> String {
    format!("    {name:<24} {count:>4}")
}

/// A target, and the name of a test in it.
type Test = (String, String);

fn repeated(tests: &[Test]) -> usize {
    let is_one = |(target, name): &&Test| OF_REDIS.iter().any(|(of, begin)| target == of && name.starts_with(begin));
    tests.iter().filter(is_one).count()
}

fn naming(tests: &[Test], word: &str) -> usize {
    tests.iter().filter(|(target, name)| format!("{target}::{name}").contains(word)).count()
}

/// All tests of the targets below `tests/`.
fn tests(selection: &[&str]) -> Result<Vec<Test>, Failure> {
    let words = ["test", "--quiet", "--no-run", "--message-format", "json"];
    let built = cargo(words.into_iter().chain(selection.iter().copied())).read()?;
    let mut tests = Vec::new();
    for (target, program) in built.lines().filter_map(executable) {
        let listed = Command::new(&program).args(["--list", "--format", "terse"]).current_dir(root()).output();
        let listed = listed.map_err(|error| Failure::new(format!("{program} does not list its tests: {error}")))?;
        let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
        tests.extend(names(&listed).map(|name| (target.clone(), name.to_owned())));
    }
    Ok(tests)
}

/// The name of an integration test, and the program that it became.
fn executable(message: &str) -> Option<(String, String)> {
    let message: Value = serde_json::from_str(message).ok()?;
    let target = &message["target"];
    let is_test = target["kind"].as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind == "test"));
    let program = message["executable"].as_str().filter(|_| is_test)?;
    Some((target["name"].as_str()?.to_owned(), program.to_owned()))
}

fn names(listed: &str) -> impl Iterator<Item = &str> {
    listed.lines().filter_map(|line| line.strip_suffix(": test"))
}

#[cfg(test)]
mod tests {
    use super::{executable, names, naming, repeated};

    #[test]
    fn programs_of_integration_tests_are_found() {
        let message = |kind: &str| {
            format!(r#"{{"reason":"compiler-artifact","target":{{"kind":["{kind}"],"name":"a"}},"executable":"/a"}}"#)
        };
        assert_eq!(executable(&message("test")), Some(("a".into(), "/a".into())));
        assert_eq!(executable(&message("lib")), None);
        assert_eq!(executable(r#"{"reason":"build-finished"}"#), None);
        assert_eq!(executable("not JSON"), None);
    }

    #[test]
    fn tests_are_counted_by_what_their_path_names() {
        assert_eq!(names("a::b: test\nc: benchmark\nd: test\n").collect::<Vec<_>>(), ["a::b", "d"]);
        let test = |target: &str, name: &str| (target.to_owned(), name.to_owned());
        let tests = [test("redis", "a"), test("stores", "redis::a"), test("stores", "sqlite::a"), test("it", "redis")];
        assert_eq!((naming(&tests, "redis"), naming(&tests, "sqlite"), naming(&tests, "postgres")), (3, 1, 0));
        assert_eq!(repeated(&tests), 2);
    }
}
