//! Rows and tables, as they are shown and as they stand in `docs/performance.md`.

use crate::measure::{Results, Spread};
use std::fmt;

/// What a ratio may be.
#[derive(Clone, Copy, Debug)]
pub enum Budget {
    /// No more than this.
    AtMost(f64),
    /// No less than this.
    AtLeast(f64),
    /// Less than one: ahead of the other.
    Ahead,
    /// Whatever it is: it is shown, and not judged.
    Open,
}

/// Stands beside what is less than half of what it should be at least: that is no noise.
const TOO_LOW: &str = "TOO LOW";

impl Budget {
    pub(crate) fn verdict(self, ratio: f64) -> &'static str {
        match self {
            Self::AtMost(most) if ratio <= most => "ok",
            Self::AtLeast(least) if ratio >= least => "ok",
            Self::AtLeast(least) if ratio < least / 2.0 => TOO_LOW,
            Self::Ahead if ratio < 1.0 => "ok",
            Self::Open => "",
            Self::AtMost(_) | Self::AtLeast(_) | Self::Ahead => "MISSED",
        }
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(most) => write!(f, "≤ {most:.2}"),
            Self::AtLeast(least) => write!(f, "≥ {least:.2}"),
            Self::Ahead => f.write_str("< 1"),
            Self::Open => f.write_str("–"),
        }
    }
}

/// A table in Markdown, padded so that it can be read as it is.
#[derive(Clone, Debug)]
pub struct Table {
    title: String,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these columns.
    pub fn new<const N: usize>(title: impl Into<String>, columns: [&str; N]) -> Self {
        Self { title: title.into(), rows: vec![columns.map(str::to_owned).to_vec()] }
    }

    /// A table of ratios; see [`Table::compare`].
    pub fn of_ratios(title: &str) -> Self {
        Self::new(title, ["what", "ns", "beside", "ns", "ratio", "p10–p90", "budget", ""])
    }

    /// A table of ratios of throughputs; see [`Table::outpace`].
    pub fn of_rates(title: &str) -> Self {
        Self::new(title, ["what", "a second", "beside", "a second", "ratio", "p10–p90", "budget", ""])
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl Into<Vec<String>>) {
        self.rows.push(cells.into());
    }

    /// Adds what one took beside what another took.
    pub fn compare(&mut self, results: &Results, one: &str, other: &str, budget: Budget) {
        self.ratio((one, results.nanos(one)), (other, results.nanos(other)), results.ratio(one, other), budget);
    }

    /// Adds a ratio and its two sides.
    pub fn ratio(&mut self, one: (&str, f64), other: (&str, f64), ratio: Spread, budget: Budget) {
        self.row([
            one.0.to_owned(),
            nanos(one.1),
            other.0.to_owned(),
            nanos(other.1),
            format!("{:.2}", ratio.median),
            format!("{:.2}–{:.2}", ratio.low, ratio.high),
            budget.to_string(),
            budget.verdict(ratio.median).to_owned(),
        ]);
    }

    /// Adds how many calls a second one made beside how many another made; the larger the ratio, the better for the one.
    pub fn outpace(&mut self, what: &str, results: &Results, (one, other): (&str, &str), budget: Budget) {
        let rate = |name| format!("{:.0}", 1e9 / results.nanos(name));
        // As much longer as the other takes, so many more calls the one makes.
        let ratio = results.ratio(other, one);
        self.row([
            what.to_owned(),
            rate(one),
            other.to_owned(),
            rate(other),
            format!("{:.2}", ratio.median),
            format!("{:.2}–{:.2}", ratio.low, ratio.high),
            budget.to_string(),
            budget.verdict(ratio.median).to_owned(),
        ]);
    }

    /// Whether something is less than half of what it should be at least.
    pub fn is_too_low(&self) -> bool {
        self.rows.iter().any(|row| row.last().is_some_and(|verdict| verdict == TOO_LOW))
    }

    /// Adds a row that ends with a number, what it may be, and whether it is; the unit stands in the column's head.
    pub fn bound(&mut self, cells: impl Into<Vec<String>>, number: f64, budget: Budget) {
        let mut row = cells.into();
        row.extend([format!("{number:.2}"), budget.to_string(), budget.verdict(number).to_owned()]);
        self.rows.push(row);
    }

    /// How many rows there are, without the head.
    pub fn len(&self) -> usize {
        self.rows.len() - 1
    }

    /// Whether there is nothing but the head.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn nanos(nanos: f64) -> String {
    if nanos < 1000.0 { format!("{nanos:.1}") } else { format!("{nanos:.0}") }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.rows.first().map_or(0, Vec::len);
        let width = |column: usize| {
            self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(|column| width(column).max(3)).collect();
        writeln!(f, "**{}**\n", self.title)?;
        for (number, row) in self.rows.iter().enumerate() {
            for (cell, width) in row.iter().zip(&widths) {
                write!(f, "| {cell:width$} ")?;
            }
            writeln!(f, "|")?;
            if number == 0 {
                for width in &widths {
                    write!(f, "|{:-<1$}", "", width + 2)?;
                }
                writeln!(f, "|")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Budget, Table};

    #[test]
    fn a_table_is_markdown() {
        let mut table = Table::new("Title", ["what", "×", "budget", ""]);
        table.bound(["one".to_owned()], 1.25, Budget::AtMost(1.25));
        table.bound(["another".to_owned()], 1.0, Budget::Ahead);
        let shown = "**Title**\n\n\
                     | what    | ×    | budget | \u{20}      |\n\
                     |---------|------|--------|--------|\n\
                     | one     | 1.25 | ≤ 1.25 | ok     |\n\
                     | another | 1.00 | < 1    | MISSED |\n";
        assert_eq!(table.to_string(), shown);
    }

    #[test]
    fn less_than_half_of_the_least_is_too_low() {
        let verdict = |ratio| Budget::AtLeast(0.8).verdict(ratio);
        assert_eq!([0.8, 0.79, 0.4, 0.39].map(verdict), ["ok", "MISSED", "MISSED", "TOO LOW"]);
        let mut table = Table::new("Title", ["what", "×", "budget", ""]);
        table.bound(["one".to_owned()], 0.5, Budget::AtLeast(0.8));
        assert!(!table.is_too_low());
        table.bound(["another".to_owned()], 0.3, Budget::AtLeast(0.8));
        assert!(table.is_too_low());
    }
}
