//! What the attribute costs the compiler: crates that are the same but for the attribute, built again and again.

mod source;
mod workshop;

use crate::measure::Spread;
use crate::options::Options;
use crate::table::{Budget, Table};
use source::{Flavor, Kind};
use std::collections::BTreeSet;
use std::io;
use workshop::{Build, Took, Workshop};

/// The most crates that a program with the default features takes in, ours included.
const MOST_CRATES: f64 = 25.0;

const PARTS: [&str; 4] = ["check", "debug", "release", "crates"];

/// How much is built.
#[derive(Clone, Copy, Debug)]
struct Effort {
    functions: usize,
    types: usize,
    /// The repetitions of a check, a debug and a release build.
    rounds: [usize; 3],
}

const FULL: Effort = Effort { functions: 300, types: 30, rounds: [9, 7, 3] };
const QUICK: Effort = Effort { functions: 6, types: 3, rounds: [1, 1, 1] };

/// Builds what the command line names, and hands each table over as soon as it is there.
///
/// # Errors
/// Cargo or the file system failed.
pub fn measure(options: &Options, mut show: impl FnMut(&Table)) -> io::Result<()> {
    let effort = if options.quick { QUICK } else { FULL };
    let workshop = Workshop::open()?;
    for kind in Kind::ALL {
        for flavor in Flavor::ALL {
            let text = source::text(flavor, kind, effort.functions, effort.types);
            workshop.add(&source::name(flavor, kind), &source::manifest(flavor, kind), &text)?;
        }
    }
    workshop.close_members()?;
    let kinds = Kind::ALL.into_iter().filter(|kind| options.chosen(kind.word(), &Kind::ALL.map(Kind::word)));
    let kinds: Vec<Kind> = kinds.collect();
    for (build, rounds) in Build::ALL.into_iter().zip(effort.rounds) {
        if options.chosen(build.word(), &PARTS) {
            let mut table = of_builds(build, effort.functions);
            for kind in &kinds {
                build_in_turns(&workshop, build, *kind, rounds, &mut table)?;
            }
            show(&table);
        }
    }
    if options.chosen("crates", &PARTS) {
        show(&count_crates(&workshop)?);
    }
    Ok(())
}

fn of_builds(build: Build, functions: usize) -> Table {
    let title = format!(
        "{}, {functions} functions: what ours adds to plain functions, by what cached by key adds",
        build.title()
    );
    let columns = [
        "functions",
        "plain s",
        "ours adds s",
        "cached adds s",
        "rlib MB",
        "on processors",
        "p10–p90",
        "ratio",
        "budget",
        "",
    ];
    Table::new(title, columns)
}

/// Lets the flavors take turns, so that a slow minute of the machine is no flavor's own.
fn build_in_turns(workshop: &Workshop, build: Build, kind: Kind, rounds: usize, table: &mut Table) -> io::Result<()> {
    let names = Flavor::ALL.map(|flavor| source::name(flavor, kind));
    for name in &names {
        // The first time also builds what the crate depends on.
        workshop.build(build, name)?;
    }
    let mut took = [const { Vec::new() }; 3];
    for round in 0..rounds {
        for place in 0..names.len() {
            let who = (place + round) % names.len();
            workshop.touch(&names[who])?;
            took[who].push(workshop.build(build, &names[who])?);
        }
    }
    let wall = Added::of(&took, |took| took.wall);
    let is_counted = took.iter().flatten().all(|took| took.processor.is_some());
    let on_processors = is_counted.then(|| Added::of(&took, |took| took.processor.unwrap_or_default()));
    let megabytes: Vec<String> =
        names.iter().map(|name| workshop.rlib_megabytes(build, name)).collect::<Option<_>>().unwrap_or_default();
    let row = [
        kind.word().to_owned(),
        format!("{:.2}", wall.plain),
        format!("{:.2}", wall.ours),
        format!("{:.2}", wall.cached),
        megabytes.join(" / "),
        on_processors.map_or_else(|| "–".to_owned(), |added| format!("{:.2}", added.ratio.median)),
        format!("{:.2}–{:.2}", wall.ratio.low, wall.ratio.high),
    ];
    table.bound(row, wall.ratio.median, build.budget());
    Ok(())
}

/// What the attributes add to plain functions, in seconds, and what ours adds by what cached's adds.
struct Added {
    plain: f64,
    ours: f64,
    cached: f64,
    ratio: Spread,
}

impl Added {
    fn of(took: &[Vec<Took>; 3], seconds: impl Fn(&Took) -> f64) -> Self {
        let [plain, ours, cached] = took.each_ref().map(|took| took.iter().map(&seconds).collect::<Vec<_>>());
        let added =
            |with: Vec<f64>| -> Vec<f64> { with.iter().zip(&plain).map(|(with, plain)| with - plain).collect() };
        let (ours, cached) = (added(ours), added(cached));
        let ratio = Spread::of(ours.iter().zip(&cached).map(|(ours, cached)| ours / cached).collect());
        let median = |values| Spread::of(values).median;
        Self { plain: median(plain), ours: median(ours), cached: median(cached), ratio }
    }
}

fn count_crates(workshop: &Workshop) -> io::Result<Table> {
    let mut table = Table::new("Crates of a program that uses it, without its own", ["what", "crates", "budget", ""]);
    let mut count = |what: &str, flavor, kind, budget| -> io::Result<()> {
        let name = source::name(flavor, kind);
        let crates: BTreeSet<String> = workshop.crates_of(&name)?.into_iter().filter(|other| *other != name).collect();
        let count = u32::try_from(crates.len()).unwrap_or(u32::MAX);
        table.bound([what.to_owned()], f64::from(count), budget);
        Ok(())
    };
    count("idempotently", Flavor::Ours, Kind::Sync, Budget::AtMost(MOST_CRATES))?;
    count("cached", Flavor::Cached, Kind::Sync, Budget::Open)?;
    count("cached with async", Flavor::Cached, Kind::Async, Budget::Open)?;
    Ok(table)
}
