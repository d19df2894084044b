//! SQLite, beside `rusqlite` with the same statements.

mod bare;

use self::bare::Bare;
use super::caller::contender;
use super::folder::Folder;
use super::ours::Ours;
use super::{Effort, Work, crowd, must, runtime};
use crate::measure::{Turn, compete};
use crate::table::{Budget, Table};
use idempotently::SharedStore;
use idempotently::backend::sqlite::{SqliteOptions, SqliteStore, Synchronous};

const OURS: &str = "SqliteStore";
const BARE: &str = "rusqlite";
/// Who need not wait for anybody to take turns with is faster than many.
const ALONE: &str = "rusqlite, one caller";

pub(super) fn measure(effort: &Effort) -> Vec<Table> {
    let runtime = runtime();
    let levels = [("NORMAL", Synchronous::Normal), ("FULL", Synchronous::Full)];
    let measured = levels.map(|(name, synchronous)| {
        let folder = Folder::new();
        let path = folder.path().join("records.db");
        let options = SqliteOptions::new().synchronous(synchronous);
        let open = || must("not opened", SqliteStore::open_with(&path, &options));
        let ours = Ours::new(&runtime, open(), effort);
        let bare = Bare::open(&path, name, ours.known.clone());
        let mut table = Table::of_rates(&format!("SQLite, synchronous = {name}"));
        for work in Work::ALL {
            for &callers in effort.callers {
                let what = (work, callers);
                let shares = work == Work::Fresh && callers > 1;
                let mut contenders = vec![
                    contender(OURS, &runtime, &ours, what, effort),
                    contender(BARE, &runtime, &bare, what, effort),
                ];
                if shares {
                    contenders.push(contender(ALONE, &runtime, &bare, (work, 1), effort));
                }
                let results = compete(contenders, effort.rounds, Turn::Calls(1));
                table.outpace(&work.by(callers), &results, (OURS, BARE), budget(work, callers));
                if shares {
                    table.outpace(&work.by(callers), &results, (OURS, ALONE), budget(work, callers));
                }
            }
        }
        let stores = [SharedStore::new(open()), SharedStore::new(open())];
        [table, crowd::measure(&format!("SQLite, synchronous = {name}"), &runtime, &stores, effort)]
    });
    measured.into_iter().flatten().collect()
}

/// Many who write share a commit; who reads shares nothing.
fn budget(work: Work, callers: u64) -> Budget {
    if work == Work::Fresh && callers >= 16 { Budget::AtLeast(1.8) } else { Budget::AtLeast(0.8) }
}
