//! One line per check, and the closing count.

use std::fmt;

/// What a check found.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The largest deviation stayed within the tolerance.
    Passed,
    /// It did not, or the check could not be carried out; the text says where.
    Failed(String),
    /// Not checked, with the reason.
    Skipped(String),
}

/// One check with its largest deviation from the reference.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// Path-like name: `metrics/text_metrics/rouge1`.
    pub name: String,
    /// Comparisons made; a check that compared nothing has failed.
    pub compared: usize,
    /// Largest deviation and its tolerance, where the check is numeric.
    pub deviation: Option<(f64, f64)>,
    /// Verdict.
    pub outcome: Outcome,
}

/// All checks of a run, in the order they were made.
#[derive(Debug)]
pub struct Report {
    /// The checks.
    pub checks: Vec<Check>,
    /// Told of each as it is made: a run may take minutes.
    tell: fn(&Check),
}

impl Default for Report {
    /// Prints each check.
    fn default() -> Self {
        Self::telling(|check| println!("{check}"))
    }
}

impl Report {
    /// No checks yet; `tell` is told of each as it is made.
    #[must_use]
    pub fn telling(tell: fn(&Check)) -> Self {
        let checks = Vec::new();
        Self { checks, tell }
    }

    /// Adds a numeric check: passes if `deviation <= tolerance` and something was compared. NaN fails.
    pub fn numeric(&mut self, name: impl Into<String>, compared: usize, deviation: f64, tolerance: f64) {
        let outcome = if compared == 0 {
            Outcome::Failed("nothing was compared".into())
        } else if deviation <= tolerance {
            Outcome::Passed
        } else {
            Outcome::Failed(format!("deviation {deviation:.3e} is above {tolerance:.1e}"))
        };
        self.push(Check {
            name: name.into(),
            compared,
            deviation: Some((deviation, tolerance)),
            outcome,
        });
    }

    /// Adds an exact check over `compared` cases; `first_difference` describes the first that differs.
    pub fn exact(&mut self, name: impl Into<String>, compared: usize, first_difference: Option<String>) {
        let outcome = match first_difference {
            Some(difference) => Outcome::Failed(difference),
            None if compared == 0 => Outcome::Failed("nothing was compared".into()),
            None => Outcome::Passed,
        };
        self.push(Check {
            name: name.into(),
            compared,
            deviation: None,
            outcome,
        });
    }

    /// Adds a check that could not be carried out because of `reason`, as a failure.
    pub fn broken(&mut self, name: impl Into<String>, reason: impl fmt::Display) {
        self.push(Check {
            name: name.into(),
            compared: 0,
            deviation: None,
            outcome: Outcome::Failed(reason.to_string()),
        });
    }

    /// Adds a check that does not apply, with the reason.
    pub fn skipped(&mut self, name: impl Into<String>, reason: impl Into<String>) {
        self.push(Check {
            name: name.into(),
            compared: 0,
            deviation: None,
            outcome: Outcome::Skipped(reason.into()),
        });
    }

    fn push(&mut self, check: Check) {
        (self.tell)(&check);
        self.checks.push(check);
    }

    /// `(passed, failed, skipped)`.
    #[must_use]
    pub fn counts(&self) -> (usize, usize, usize) {
        self.checks
            .iter()
            .fold((0, 0, 0), |(passed, failed, skipped), check| match check.outcome {
                Outcome::Passed => (passed + 1, failed, skipped),
                Outcome::Failed(_) => (passed, failed + 1, skipped),
                Outcome::Skipped(_) => (passed, failed, skipped + 1),
            })
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, reason) = match &self.outcome {
            Outcome::Passed => ("ok  ", None),
            Outcome::Failed(reason) => ("FAIL", Some(reason)),
            Outcome::Skipped(reason) => ("skip", Some(reason)),
        };
        write!(f, "{word} {}", self.name)?;
        match self.deviation {
            Some((deviation, tolerance)) => write!(
                f,
                "  {} compared, largest deviation {deviation:.2e} (tolerance {tolerance:.0e})",
                self.compared
            )?,
            None if self.compared > 0 => write!(f, "  {} compared, exact", self.compared)?,
            None => {}
        }
        reason.map_or(Ok(()), |reason| write!(f, "  {reason}"))
    }
}
