//! One bar for the sweep and one for what is running, on a terminal.

use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar};

use super::event::{Event, Stamped};
use super::{Sink, words};
use crate::talk::bar_style;

/// How often the lower bar moves.
const EVERY: Duration = Duration::from_millis(100);

/// Bars on stderr, and lines above them for what should stay.
pub struct Bars {
    all: MultiProgress,
    sweep: ProgressBar,
    task: ProgressBar,
    /// Pace that was measured last, shown until there is a newer one.
    pace: Option<f64>,
    /// Cells that are done leave a line too.
    verbose: bool,
}

impl Bars {
    /// Not drawn before the first event. With `verbose` each cell leaves a line.
    #[must_use]
    pub fn new(verbose: bool) -> Self {
        let all = MultiProgress::new();
        let sweep = ProgressBar::new(0).with_style(bar_style("{bar:30} {pos}/{len} cells  {elapsed} elapsed{msg}"));
        let task = ProgressBar::new(0).with_style(bar_style("{bar:30} {wide_msg}"));
        Self {
            sweep: all.add(sweep),
            task: all.add(task),
            all,
            pace: None,
            verbose,
        }
    }

    fn running(&self, event: &Event, done: usize, of: usize) {
        self.task.set_length(of as u64);
        self.task.set_position(done as u64);
        self.task.set_message(words::running(event).unwrap_or_default());
    }

    /// Pace and time left, behind the cells.
    fn outlook(&mut self, pace: Option<f64>, seconds_left: Option<f64>) {
        self.pace = pace.or(self.pace);
        let pace = self
            .pace
            .map_or_else(String::new, |pace| format!(", {pace:.0} tokens/s"));
        self.sweep.set_message(format!("{pace}{}", words::left(seconds_left)));
    }

    fn stays(&self, event: &Event) {
        if let Some(line) = words::line(event) {
            // A terminal that is gone misses nothing.
            let _ = self.all.println(line);
        }
    }
}

impl Sink for Bars {
    fn detail(&mut self, line: &str) {
        // A terminal that is gone misses nothing.
        let _ = self.all.println(line);
    }

    fn every(&self) -> Duration {
        EVERY
    }

    fn take(&mut self, stamped: &Stamped) {
        let event = &stamped.event;
        match event {
            Event::SweepStarted(started) => {
                self.stays(event);
                self.sweep.set_length(started.cells as u64);
                self.sweep.enable_steady_tick(Duration::from_millis(500));
                self.outlook(None, started.seconds_left);
            }
            Event::CalibrationBegun(_) | Event::PutOff { .. } => self.running(event, 0, 1),
            Event::CalibrationProgress {
                samples_done, samples, ..
            } => self.running(event, *samples_done, *samples),
            Event::CellBegun { items, items_done, .. } => {
                if *items_done > 0 {
                    self.stays(event);
                }
                self.running(event, *items_done, *items);
            }
            Event::CellProgress {
                items_done,
                items,
                tokens_per_second,
                seconds_left,
                ..
            } => {
                self.running(event, *items_done, *items);
                self.outlook(*tokens_per_second, *seconds_left);
            }
            Event::CellDone {
                cells_done,
                tokens_per_second,
                seconds_left,
                ..
            } => {
                if self.verbose {
                    self.stays(event);
                }
                self.sweep.set_position(*cells_done as u64);
                self.outlook(*tokens_per_second, *seconds_left);
            }
            Event::CellFailed { cells_done, .. } => {
                self.stays(event);
                self.sweep.set_position(*cells_done as u64);
            }
            Event::ModelLoaded { .. }
            | Event::ModelServed { .. }
            | Event::CalibrationDone { .. }
            | Event::Warning { .. }
            | Event::Interrupted { .. } => self.stays(event),
            Event::Stopped { .. } | Event::Finished(_) => {
                self.task.finish_and_clear();
                self.sweep.finish_and_clear();
            }
        }
    }
}
