//! What a simulation found, a row per setting.

use std::fmt::Write;

/// What a share has to be.
#[derive(Clone, Copy)]
pub enum Expected {
    /// From, to.
    Within(f64, f64),
    /// At most.
    AtMost(f64),
    /// At least.
    AtLeast(f64),
}

pub struct Row {
    pub what: String,
    pub setting: String,
    pub share: f64,
    pub runs: usize,
    pub expected: Expected,
}

impl Row {
    /// Standard error of the share itself.
    fn noise(&self) -> f64 {
        let p = match self.expected {
            Expected::Within(low, high) => f64::midpoint(low, high),
            Expected::AtMost(p) | Expected::AtLeast(p) => p,
        };
        (p * (1.0 - p) / self.runs as f64).sqrt()
    }

    /// Whether it is where it has to be, up to `sigmas` of simulation noise.
    pub fn holds(&self, sigmas: f64) -> bool {
        let slack = sigmas * self.noise();
        match self.expected {
            Expected::Within(low, high) => (low - slack..=high + slack).contains(&self.share),
            Expected::AtMost(most) => self.share <= most + slack,
            Expected::AtLeast(least) => self.share >= least - slack,
        }
    }
}

pub fn markdown(rows: &[Row]) -> String {
    let mut out = String::from("| what | setting | found | expected | simulation error |\n|---|---|---|---|---|\n");
    for row in rows {
        let percent = |share: f64| format!("{:.1} %", share * 100.0);
        let expected = match row.expected {
            Expected::Within(low, high) => format!("{} to {}", percent(low), percent(high)),
            Expected::AtMost(most) => format!("at most {}", percent(most)),
            Expected::AtLeast(least) => format!("at least {}", percent(least)),
        };
        let (what, setting, found, noise) = (&row.what, &row.setting, percent(row.share), percent(row.noise()));
        let _ = writeln!(out, "| {what} | {setting} | {found} | {expected} | ±{noise} |");
    }
    out
}
