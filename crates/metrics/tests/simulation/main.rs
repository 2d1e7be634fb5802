//! Worlds with known truth: intervals hold it, tests do not find what is not there, and the safe fraction does not promise more
//! than is true. `cargo xtask simulate` runs the long form and writes `results/statistics.md`.
#![allow(clippy::unwrap_used)]

mod coverage;
mod errors;
mod safe;
mod table;
mod worlds;

use table::Row;

/// Runs of the long form.
const RUNS: usize = 2000;

fn all(runs: usize) -> Vec<Row> {
    let mut rows = coverage::rows(runs);
    rows.extend(errors::rows(runs));
    rows.extend(safe::rows(runs));
    rows
}

fn check(rows: &[Row], sigmas: f64) {
    let failed: Vec<String> = rows
        .iter()
        .filter(|row| !row.holds(sigmas))
        .map(|row| format!("{}, {}: {:.4}", row.what, row.setting, row.share))
        .collect();
    assert!(failed.is_empty(), "not where they should be:\n{}", failed.join("\n"));
}

#[test]
fn in_short() {
    check(&all(40), 4.0);
}

#[test]
#[ignore = "minutes; `cargo xtask simulate` runs it and writes its table"]
fn in_full() {
    let rows = all(RUNS);
    let table = table::markdown(&rows);
    println!("{table}");
    if let Ok(path) = std::env::var("SECATEUR_STATISTICS_PAGE") {
        let page = format!("{}{table}", include_str!("page.md"));
        std::fs::write(path, page).unwrap();
    }
    check(&rows, 2.0);
}
