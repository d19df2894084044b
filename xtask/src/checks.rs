//! `cargo xtask test`: what must hold, cheapest first, the tests last.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::PathBuf;

use crate::metadata::{self, Package};
use idempotent_servers::REDIS_PROGRAM;

use crate::servers::{self, Servers};
use crate::shell::{Failure, Step, cargo, say};
use crate::summary;

/// What users depend on. The tests of the other packages depend on it too, with features: only by itself is it
/// built without any.
const FACADE: &str = "idempotently";

/// The most crates that a program with the default features takes in, ours included.
const MOST_CRATES: usize = 25;

/// All that the macros may depend on: every user compiles it before anything else.
const MACRO_CRATES: [&str; 5] = ["idempotent-macros", "proc-macro2", "quote", "syn", "unicode-ident"];

/// Every check, stopping at the first that fails.
pub(crate) fn all() -> Result<(), Failure> {
    components()?;
    let servers = servers::ready()?;
    let packages = metadata::published()?;
    cargo(["fmt", "--all", "--check"]).run()?;
    clippy(["--workspace", "--all-targets", "--all-features"])?;
    clippy(["-p", FACADE, "--all-targets", "--no-default-features"])?;
    each_feature(&packages)?;
    dependencies()?;
    deny_if_there()?;
    docs()?;
    package(&packages)?;
    tests(&servers)
}

/// What a change breaks most often, in a few minutes.
pub(crate) fn quick() -> Result<(), Failure> {
    components()?;
    cargo(["fmt", "--all", "--check"]).run()?;
    clippy(["--workspace", "--all-targets", "--all-features"])?;
    // One build for all of them, with the features of the whole.
    let tests = ["--lib", "--test", "it", "--test", "durable", "--test", "layering"];
    cargo(["test"].into_iter().chain(EVERYTHING).chain(tests)).run()?;
    cargo(["test", "-p", FACADE, "--test", "ui"]).run()
}

/// Says what to install, instead of letting cargo say that it knows no such command.
fn components() -> Result<(), Failure> {
    for (command, component) in [("fmt", "rustfmt"), ("clippy", "clippy")] {
        if !cargo([command, "--version"]).works() {
            let install = format!("{component} is missing: rustup component add {component}");
            return Err(Failure::new(install));
        }
    }
    Ok(())
}

fn clippy<'a>(selection: impl IntoIterator<Item = &'a str>) -> Result<(), Failure> {
    let arguments = ["clippy", "--quiet"].into_iter().chain(selection);
    cargo(arguments.chain(["--", "--deny", "warnings"])).run()
}

/// Every package must build with no feature, and every feature without the others; so must what is said about it.
fn each_feature(packages: &[Package]) -> Result<(), Failure> {
    for package in packages {
        let none = ["-p", &package.name, "--no-default-features"];
        clippy(none)?;
        documented(none)?;
        for feature in &package.features {
            let one = none.into_iter().chain(["--features", feature]);
            clippy(one.clone())?;
            documented(one)?;
        }
    }
    Ok(())
}

/// No link leads to what is not there.
fn documented<'a>(selection: impl IntoIterator<Item = &'a str>) -> Result<(), Failure> {
    cargo(["doc", "--quiet", "--no-deps"].into_iter().chain(selection)).env("RUSTDOCFLAGS", "-D warnings").run()
}

/// What a user downloads and compiles is part of what is promised.
fn dependencies() -> Result<(), Failure> {
    let all = crates_of(FACADE)?;
    if all.len() > MOST_CRATES {
        let names = all.into_iter().collect::<Vec<_>>().join(", ");
        return Err(Failure::new(format!("more than {MOST_CRATES} crates by default: {names}")));
    }
    let macros = crates_of("idempotent-macros")?;
    if !macros.iter().map(String::as_str).eq(MACRO_CRATES) {
        let names = macros.into_iter().collect::<Vec<_>>().join(", ");
        return Err(Failure::new(format!("the macros depend on something new: {names}")));
    }
    say(&format!("  {} crates by default, {} for the macros alone", all.len(), macros.len()));
    Ok(())
}

/// The crates that a package with its default features is made of, itself included.
fn crates_of(package: &str) -> Result<BTreeSet<String>, Failure> {
    let tree = cargo(["tree", "-p", package, "-e", "normal", "--prefix", "none", "--format", "{p}"]).read()?;
    Ok(tree.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect())
}

fn docs() -> Result<(), Failure> {
    documented(["--workspace", "--exclude", "xtask", "--all-features"])
}

/// Each package is put together as it would be published, and built from that.
fn package(packages: &[Package]) -> Result<(), Failure> {
    forget_unpacked(packages)?;
    let selection = packages.iter().flat_map(|package| ["-p", package.name.as_str()]);
    cargo(["package", "--quiet", "--allow-dirty"].into_iter().chain(selection)).run()
}

/// Cargo unpacks what it has put together into its home, and takes what it finds there of the same path and version for
/// the same: the next build would be one of an earlier state of these files.
fn forget_unpacked(packages: &[Package]) -> Result<(), Failure> {
    let Some(home) = cargo_home() else { return Ok(()) };
    let Ok(registries) = std::fs::read_dir(home.join("registry/src")) else { return Ok(()) };
    // A registry in a folder has no host in its name.
    let local = registries.flatten().filter(|registry| registry.file_name().as_encoded_bytes().starts_with(b"-"));
    for registry in local {
        for package in packages {
            let unpacked = registry.path().join(format!("{}-{}", package.name, package.version));
            match std::fs::remove_dir_all(&unpacked) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(Failure::new(format!("{} cannot be taken away: {error}", unpacked.display())));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

fn cargo_home() -> Option<PathBuf> {
    let given = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    given.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")))
}

/// All tests, with nothing, with the defaults where that differs, and with everything switched on. The parts of the
/// last run are those of a plain `cargo test`, but the documentation goes first: what is seen last is the result of a
/// test.
fn tests(servers: &Servers) -> Result<(), Failure> {
    cargo(["test", "-p", FACADE, "--no-default-features"]).run()?;
    cargo(["test", "-p", FACADE, "--test", "ui"]).run()?;
    // With isolation, and with nobody to tell about a call, which a replay does not go around then.
    cargo(["test", "-p", FACADE, "--test", "it", "--test", "allocations", "--features", "testing,tokio,sqlite"])
        .run()?;
    // The compiler's words are others where the clients of servers are there.
    cargo(["test", "-p", FACADE, "--test", "ui", "--features", "sqlite,tokio,serde,uuid,testing"]).run()?;
    // Any crate of a program may switch this on, and keys must be the same then.
    cargo(["test", "-p", "idempotent-core", "--lib", "--features", "serde,serde_json/arbitrary_precision", "golden"])
        .run()?;
    encryptions()?;
    interleavings()?;
    cargo(["test", "--workspace", "--all-features", "--doc"]).run()?;
    cargo(["build", "--workspace", "--all-features", "--examples"]).run()?;
    against_others(servers)?;
    summary::tell(servers, &[EVERYTHING.as_slice(), &["--tests"]].concat())?;
    cargo(["test"].into_iter().chain(EVERYTHING).chain(["--tests"])).run()
}

const EVERYTHING: [&str; 2] = ["--workspace", "--all-features"];

/// What Redis is tested for, against everything else that speaks as it does.
fn against_others(servers: &Servers) -> Result<(), Failure> {
    for other in &servers.others {
        for (target, begin) in summary::OF_REDIS {
            let filter = Some(begin).filter(|begin| !begin.is_empty());
            let test = ["test"].into_iter().chain(EVERYTHING).chain(["--test", target]).chain(filter);
            cargo(test).env(REDIS_PROGRAM, &other.program.to_string_lossy()).run()?;
        }
    }
    Ok(())
}

/// Each by itself: where both are switched on, one client takes the one and another the other.
fn encryptions() -> Result<(), Failure> {
    for encryption in ["tls-rustls", "tls-native-tls"] {
        let features = format!("redis,postgres,{encryption}");
        let alone = ["--no-default-features", "--features", &features];
        cargo(["test", "-p", FACADE, "--test", "encrypted"].into_iter().chain(alone)).run()?;
    }
    Ok(())
}

/// The hand-over between callers, on models of the locks whose schedules are explored. A build of its own, so that the
/// flag does not make every other step build anew.
fn interleavings() -> Result<(), Failure> {
    cargo(["test", "-p", "idempotent-core", "--lib", "--target-dir", "target/shuttle", "interleavings"])
        .env("RUSTFLAGS", "--cfg shuttle")
        .run()
}

fn deny() -> Step {
    cargo(["deny", "check", "licenses", "bans", "sources"])
}

fn deny_is_there() -> bool {
    cargo(["deny", "--version"]).works()
}

fn deny_if_there() -> Result<(), Failure> {
    if deny_is_there() {
        return deny().run();
    }
    say("\n  not checked: licences and sources (`cargo xtask deny` installs cargo-deny and does it)");
    Ok(())
}

/// The licences and sources of every dependency; installs the tool for it.
pub(crate) fn deny_installed() -> Result<(), Failure> {
    if !deny_is_there() {
        cargo(["install", "--locked", "cargo-deny"]).run()?;
    }
    deny().run()
}
