//! A night in Markdown, for a pull request.

use std::fmt::Write;
use std::path::PathBuf;

use super::Benchmarks;
use super::benches::Benchmark;
use super::outcome::Outcome;
use super::sweeps::SweepNight;

/// Everything that came of a night.
#[derive(Debug, Default)]
pub struct Night {
    /// What it was compared with.
    pub against: PathBuf,
    /// Its sweeps.
    pub sweeps: Vec<SweepNight>,
    /// How the benches ended; `None` where they were left out.
    pub benches: Option<Outcome>,
    /// Numbers of benches and sweeps.
    pub benchmarks: Benchmarks,
    /// Those of the last good run.
    pub before: Benchmarks,
    /// Share by which a bench may take longer.
    pub tolerance_benches: f64,
    /// Where the run was kept as the last good one.
    pub kept: Option<PathBuf>,
}

impl Night {
    /// The worst of all parts.
    pub fn outcome(&self) -> Outcome {
        let sweeps = self.sweeps.iter().map(|sweep| sweep.outcome).max();
        let slower = self.slower().next().map(|_| Outcome::Regression);
        [sweeps, self.benches, slower]
            .into_iter()
            .flatten()
            .max()
            .unwrap_or(Outcome::Error)
    }

    /// Benches beyond their tolerance. Sweeps are `secateur compare`'s to judge, which knows whether the machine is the same.
    fn slower(&self) -> impl Iterator<Item = &Benchmark> {
        self.benchmarks.iter().filter(|now| {
            let measured = |before: &&Benchmark| now.range.is_some() && before.unit == now.unit;
            self.earlier(now).filter(measured).is_some_and(|before| {
                now.value > before.value * (1.0 + self.tolerance_benches)
                    && now.value - now.half_width() > before.value + before.half_width()
            })
        })
    }

    fn earlier(&self, now: &Benchmark) -> Option<&Benchmark> {
        self.before.iter().find(|before| before.name == now.name)
    }

    /// The page.
    pub fn markdown(&self) -> String {
        let mut page = format!("## Nightly: {}\n\n", self.outcome().word());
        page += "| sweep | cells | outcome | what was found |\n|---|---:|---|---|\n";
        for sweep in &self.sweeps {
            // Writing into a string cannot fail.
            let _ = writeln!(
                page,
                "| {} | {} | {} | {} |",
                cell(&sweep.name),
                sweep.cells,
                sweep.outcome.word(),
                cell(&sweep.words)
            );
        }
        for sweep in self.sweeps.iter().filter(|sweep| !sweep.details.is_empty()) {
            let open = if sweep.outcome == Outcome::Well { "" } else { " open" };
            let (name, details) = (escaped(&sweep.name), escaped(sweep.details.trim_end()));
            let _ = write!(
                page,
                "\n<details{open}><summary>{name}, compared</summary>\n\n<pre>\n{details}\n</pre>\n\n</details>\n"
            );
        }
        self.numbers(&mut page);
        let against = self.against.display().to_string();
        let _ = match &self.kept {
            Some(kept) => writeln!(
                page,
                "\nCompared with {}; kept as the last good run in {}.",
                cell(&against),
                cell(&kept.display().to_string())
            ),
            None => writeln!(
                page,
                "\nCompared with {}, which stays the last good run.",
                cell(&against)
            ),
        };
        page
    }

    fn numbers(&self, page: &mut String) {
        match self.benches {
            None => page.push_str("\nBenches were left out.\n"),
            Some(Outcome::Well) => {}
            Some(_) => page.push_str("\n**The benches did not run to their end.**\n"),
        }
        if self.benchmarks.is_empty() {
            return;
        }
        page.push_str("\n| measured | now | last good | change |\n|---|---:|---:|---:|\n");
        let slower: Vec<&str> = self.slower().map(|one| one.name.as_str()).collect();
        for now in &self.benchmarks {
            let before = self.earlier(now);
            let change = before.filter(|before| before.value > 0.0).map_or_else(
                || "–".to_owned(),
                |before| format!("{:+.1} %", (now.value / before.value - 1.0) * 100.0),
            );
            let mark = if slower.contains(&now.name.as_str()) {
                ", **slower**"
            } else {
                ""
            };
            let before = before.map_or_else(|| "–".to_owned(), amount);
            let _ = writeln!(
                page,
                "| {} | {} | {before} | {change}{mark} |",
                cell(&now.name),
                amount(now)
            );
        }
    }
}

/// `1.23 ms ± 0.02`.
fn amount(one: &Benchmark) -> String {
    let (unit, scale) = match (one.unit.as_str(), one.value) {
        ("ns", value) if value >= 1e9 => ("s", 1e9),
        ("ns", value) if value >= 1e6 => ("ms", 1e6),
        ("ns", value) if value >= 1e3 => ("µs", 1e3),
        (unit, _) => (unit, 1.0),
    };
    let range = match one.half_width() {
        half if half > 0.0 => format!(" ± {:.2}", half / scale),
        _ => String::new(),
    };
    format!("{:.2} {unit}{range}", one.value / scale)
}

/// Text in a cell of a table.
fn cell(text: &str) -> String {
    escaped(text).replace('|', "\\|").replace(['\n', '\r'], " ")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bench(value: f64, half: f64) -> Benchmark {
        Benchmark {
            name: "matmul/64".to_owned(),
            unit: "ns".to_owned(),
            value,
            range: Some(format!("± {half}")),
        }
    }

    fn night(outcome: Outcome, now: Benchmark, before: Vec<Benchmark>) -> Night {
        Night {
            against: PathBuf::from("out/last-good"),
            sweeps: vec![SweepNight {
                name: "demo".to_owned(),
                outcome,
                cells: 14,
                words: "all cells; equal | <as before>".to_owned(),
                details: "cells 14\n".to_owned(),
            }],
            benches: Some(Outcome::Well),
            benchmarks: vec![now],
            before,
            tolerance_benches: 0.5,
            kept: None,
        }
    }

    #[test]
    fn a_page_says_what_was_found() {
        let page = night(Outcome::Well, bench(2000.0, 20.0), vec![bench(1900.0, 30.0)]).markdown();
        for part in [
            "## Nightly: well\n",
            "| demo | 14 | well | all cells; equal \\| &lt;as before&gt; |",
            "<details><summary>demo, compared</summary>\n\n<pre>\ncells 14\n</pre>",
            "| matmul/64 | 2.00 µs ± 0.02 | 1.90 µs ± 0.03 | +5.3 % |",
            "out/last-good, which stays the last good run",
        ] {
            assert!(page.contains(part), "no `{part}` in\n{page}");
        }
    }

    #[test]
    fn a_bench_is_slower_beyond_tolerance_and_doubt() {
        let outcome = |now, before| night(Outcome::Well, now, before).outcome();
        assert_eq!(
            outcome(bench(1600.0, 10.0), vec![bench(1000.0, 10.0)]),
            Outcome::Regression
        );
        assert_eq!(outcome(bench(1400.0, 10.0), vec![bench(1000.0, 10.0)]), Outcome::Well);
        assert_eq!(
            outcome(bench(1600.0, 400.0), vec![bench(1000.0, 300.0)]),
            Outcome::Well,
            "the intervals meet"
        );
        assert_eq!(
            outcome(bench(1600.0, 10.0), Vec::new()),
            Outcome::Well,
            "nothing to compare with"
        );
        assert_eq!(
            night(Outcome::Incomplete, bench(1.0, 0.0), Vec::new()).outcome(),
            Outcome::Incomplete
        );
    }
}
