//! One line per event on stderr, where no terminal shows bars; or warnings and errors alone.

use std::time::Duration;

use super::event::{Event, Stamped};
use super::{Sink, words};

/// How often a cell that takes long says how far it is.
const EVERY: Duration = Duration::from_secs(30);

/// Lines.
pub struct Lines {
    quiet: bool,
}

impl Lines {
    /// All events that have a line, or, `quiet`, only warnings and errors.
    #[must_use]
    pub fn new(quiet: bool) -> Self {
        Self { quiet }
    }
}

impl Sink for Lines {
    fn every(&self) -> Duration {
        if self.quiet { Duration::MAX } else { EVERY }
    }

    fn take(&mut self, stamped: &Stamped) {
        let event = &stamped.event;
        if self.quiet && !matches!(event, Event::Warning { .. } | Event::CellFailed { .. }) {
            return;
        }
        if let Some(line) = words::line(event) {
            eprintln!("{line}");
        }
    }
}
