//! The servers that tests start for themselves, and what is needed to build with every feature: installed where that is
//! possible, and otherwise named with the command to type.

use idempotent_servers::{Postgres, Redis, ServerError};

use crate::shell::{Failure, Step, program, say};

const PACKAGES: [&str; 4] = ["redis-server", "postgresql", "libssl-dev", "pkg-config"];

/// Sees to it that everything is there, and says which versions the tests will run against.
pub(crate) fn ready() -> Result<(), Failure> {
    if !is_complete() {
        install()?;
    }
    let (redis, postgres) = (version("redis-server", Redis::version)?, version("postgresql", Postgres::version)?);
    say(&format!("  tests run against redis {redis} and postgresql {postgres}, beside sqlite and memory"));
    Ok(())
}

fn is_complete() -> bool {
    Redis::version().is_ok() && Postgres::version().is_ok() && program("pkg-config", ["--exists", "openssl"]).works()
}

fn install() -> Result<(), Failure> {
    let by_hand =
        format!("apt-get update && apt-get install --yes --no-install-recommends {}   # as root", PACKAGES.join(" "));
    let apt = |arguments: &[&str]| -> Step {
        let is_root = program("id", ["-u"]).read().is_ok_and(|id| id.trim() == "0");
        let words = if is_root { vec!["env"] } else { vec!["sudo", "-n", "env"] };
        // At this run level the packages do not start servers of their own.
        let quiet = ["DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1", "apt-get"];
        let words: Vec<&str> = words.into_iter().chain(quiet).chain(arguments.iter().copied()).collect();
        program(words[0], words[1..].iter().copied())
    };
    let packages = ["install", "--yes", "--no-install-recommends"].into_iter().chain(PACKAGES).collect::<Vec<_>>();
    // A fresh machine has no lists of packages yet.
    let installed = apt(&["update"]).run().and_then(|()| apt(&packages).run());
    installed.map_err(|error| Failure::new(format!("{error}\nservers for the tests are missing; type:\n  {by_hand}")))
}

fn version(package: &str, ask: fn() -> Result<String, ServerError>) -> Result<String, Failure> {
    ask().map_err(|error| Failure::new(format!("{package} is not there after it was installed: {error}")))
}
