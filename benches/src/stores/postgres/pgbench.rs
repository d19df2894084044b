//! `pgbench`, PostgreSQL's own benchmark: a program in C, with a connection for each caller.

use super::sql;
use crate::stores::folder::Folder;
use crate::stores::ours::{LEASE, NEVER_LATE, OUTCOME, RETENTION, SCOPE, micros};
use crate::stores::{Effort, Work, must};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

pub(super) struct Pgbench {
    program: PathBuf,
    folder: Folder,
    url: String,
    seconds: u64,
}

impl Pgbench {
    pub(super) fn new(url: &str, effort: &Effort) -> Self {
        let folder = Folder::new();
        let claim = scripted(
            sql::CLAIM,
            &[
                ":scope::text",
                ":key::text",
                ":owner::bytea",
                "NULL::bytea",
                ":lease::bigint",
                "9223372036854775807::bigint",
                ":number::bigint",
                &format!("{NEVER_LATE}::bigint"),
            ],
        );
        let complete = scripted(
            sql::COMPLETE,
            &[":scope::text", ":key::text", ":got_token::bigint", ":outcome::bytea", ":retention::bigint"],
        );
        // What a variable is made of needs a name.
        let claim = claim.replace("true, put.", "true AS wrote, put.");
        let number = "\\set number random(1, 9223372036854775806)";
        let replay = format!("\\set key random(0, {})\n{number}\n{claim};\n", effort.keys - 1);
        let fresh = format!("{number}\n\\set key :number\n{claim}\n\\gset got_\n{complete};\n");
        for (work, script) in [(Work::Replay, replay), (Work::Fresh, fresh)] {
            must("no script", std::fs::write(folder.path().join(name(work)), script));
        }
        Self { program: find("pgbench"), folder, url: url.to_owned(), seconds: effort.pgbench_seconds }
    }

    /// How much time there is for each transaction, once all connections have prepared their statements.
    pub(super) fn run(&self, work: Work, callers: u64) -> Duration {
        let hex = |bytes: &[u8]| bytes.iter().fold("\\x".to_owned(), |hex, byte| format!("{hex}{byte:02x}"));
        let variables = [
            ("scope", SCOPE.to_owned()),
            ("owner", hex(&[7; 16])),
            ("outcome", hex(&OUTCOME)),
            ("lease", micros(LEASE).to_string()),
            ("retention", micros(RETENTION).to_string()),
        ];
        let mut command = Command::new(&self.program);
        command.args(["--no-vacuum", "--protocol=prepared", "--progress=1"]);
        command.args(["--client", &callers.to_string(), "--jobs", &callers.min(2).to_string()]);
        command.args(["--time", &self.seconds.to_string()]);
        command.arg("--file").arg(self.folder.path().join(name(work)));
        for (name, value) in variables {
            command.arg("--define").arg(format!("{name}={value}"));
        }
        let output = must("no pgbench", command.arg(&self.url).output());
        let (told, progress) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && told.contains("number of failed transactions: 0 "), "{progress}{told}");
        let Some(rate) = rate(&told, &progress) else { panic!("not understood:\n{progress}{told}") };
        Duration::from_secs_f64(1.0 / rate)
    }
}

fn name(work: Work) -> &'static str {
    match work {
        Work::Replay => "replay.sql",
        Work::Fresh => "fresh.sql",
    }
}

/// A statement with variables for its parameters, and their types, which a driver says and `pgbench` does not.
fn scripted(sql: &str, values: &[&str]) -> String {
    let numbered = (1..).zip(values);
    numbered.fold(sql.to_owned(), |sql, (number, value)| sql.replace(&format!("${number}"), value))
}

/// Transactions a second, without those of the first second where there is another.
fn rate(told: &str, progress: &str) -> Option<f64> {
    let number = |text: &str, before: &str| -> Option<f64> {
        let rest = text.split_once(before)?.1.trim_start();
        rest.split(|end: char| end != '.' && !end.is_ascii_digit()).next()?.parse().ok()
    };
    let (count, rate) = (number(told, "actually processed:")?, number(told, "tps =")?);
    let whole = count / rate;
    let first = progress.lines().find_map(|line| {
        let (seconds, rest) = line.strip_prefix("progress: ")?.split_once(" s, ")?;
        Some((seconds.parse::<f64>().ok()?, rest.split_once(" tps")?.0.parse::<f64>().ok()?))
    });
    match first {
        Some((seconds, rate)) if whole > seconds * 1.5 => Some((count - seconds * rate) / (whole - seconds)),
        _ => Some(rate),
    }
}

/// Where a program is: on the path, or where Debian puts those of PostgreSQL.
fn find(program: &str) -> PathBuf {
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = debian.map(|version| version.path().join("bin")).collect();
    folders.sort();
    folders.reverse();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut files = std::env::split_paths(&path).chain(folders).map(|folder| folder.join(program));
    files.find(|file| file.is_file()).unwrap_or_else(|| program.into())
}

#[cfg(test)]
mod tests {
    use super::{rate, scripted};

    #[test]
    fn parameters_become_variables() {
        assert_eq!(scripted("SELECT $1::text, $2, $1", &[":a", ":b::int"]), "SELECT :a::text, :b::int, :a");
    }

    #[test]
    fn the_first_second_does_not_count_where_there_is_another() {
        let told =
            "number of transactions actually processed: 2900\ntps = 966.666667 (without initial connection time)";
        let progress = "pgbench (15.1)\nprogress: 1.0 s, 900.0 tps, lat 1.0 ms stddev 0.1, 0 failed\n";
        assert!((rate(told, progress).unwrap_or_default() - 1000.0).abs() < 1.0);
        let told = "number of transactions actually processed: 900\ntps = 900.0 (without initial connection time)";
        assert!((rate(told, progress).unwrap_or_default() - 900.0).abs() < 1.0);
    }
}
