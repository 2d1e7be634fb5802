//! Who watches a sweep: bars on a terminal, lines elsewhere, JSON for programs, or warnings alone.
//!
//! What happens is an [`event::Event`]. [`Progress`] counts cells, measures pace and time left, and hands events to one
//! [`Sink`].

mod bars;
pub mod event;
mod json;
mod lines;
pub mod time_left;
mod words;

use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use secateur_results::key::RecordKey;
use secateur_results::record::Cost;

use self::event::{Event, Finished, How, Stamped, Started};
use self::time_left::TimeLeft;
use super::plan::CellIndex;
use crate::interrupt::interrupted;
use crate::talk::{self, Loudness};

/// Said when a signal came.
const INTERRUPTED: &str = "stopping: the running batch is finished and kept, and the same command goes on from there; \
                           a second Ctrl-C stops at once, and loses only that batch";

/// How events are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// To people, on stderr: bars on a terminal, lines elsewhere; warnings and errors alone where less is asked for.
    ToPeople,
    /// To programs: JSON on stdout.
    ToPrograms,
}

/// Where events go.
pub trait Sink {
    /// How often to be told that something is still running.
    fn every(&self) -> Duration;

    /// Shows it, if it likes.
    fn take(&mut self, stamped: &Stamped);

    /// A step that is no event, for people who asked for more.
    fn detail(&mut self, line: &str) {
        eprintln!("{line}");
    }
}

/// The cell that is looked at.
struct Current {
    index: CellIndex,
    key: String,
    cell: String,
    items: usize,
    /// Items that are answered.
    items_done: f64,
    /// An earlier run had begun it.
    resumed: bool,
    /// Tokens run through the model now, and how long that took.
    processed: (u64, Duration),
}

/// Progress of a sweep.
pub struct Progress {
    sink: Box<dyn Sink>,
    /// When the first event was told.
    begun: Option<Instant>,
    counts: Finished,
    left: TimeLeft,
    current: Option<Current>,
    /// What was said to be put off.
    put_off: BTreeSet<String>,
    ticked: Instant,
    interrupted: bool,
}

impl Progress {
    /// Nothing is shown before [`Progress::start`].
    #[must_use]
    pub fn new(shown: Shown) -> Self {
        Self::with(match shown {
            Shown::ToPrograms => Box::new(json::Json::new(std::io::stdout())),
            Shown::ToPeople if talk::loudness() == Loudness::Quiet => Box::new(lines::Lines::new(true)),
            Shown::ToPeople if std::io::stderr().is_terminal() => {
                Box::new(bars::Bars::new(talk::loudness() == Loudness::Verbose))
            }
            Shown::ToPeople => Box::new(lines::Lines::new(false)),
        })
    }

    fn with(sink: Box<dyn Sink>) -> Self {
        Self {
            sink,
            begun: None,
            counts: Finished::default(),
            left: TimeLeft::default(),
            current: None,
            put_off: BTreeSet::new(),
            ticked: Instant::now(),
            interrupted: false,
        }
    }

    /// The first event.
    pub fn start(&mut self, started: Started, left: TimeLeft) {
        self.begun = Some(Instant::now());
        self.counts.cells = started.cells;
        self.left = left;
        let seconds_left = self.seconds_left();
        self.tell(Event::SweepStarted(Started {
            seconds_left,
            ..started
        }));
    }

    /// Something happened.
    pub fn tell(&mut self, event: Event) {
        self.sink.take(&event.now());
        // What takes long begins or ends with an event.
        self.ticked = Instant::now();
    }

    /// A step, for people who asked for more.
    pub fn detail(&mut self, message: impl FnOnce() -> String) {
        if talk::loudness() == Loudness::Verbose {
            self.sink.detail(&talk::stamped(&message()));
        }
    }

    /// Something that the reader must know.
    pub fn warn(&mut self, message: impl Into<String>) {
        let message = message.into();
        self.tell(Event::Warning { message });
    }

    /// Something is still running; told as often as the watcher likes.
    pub fn tick(&mut self, event: impl FnOnce() -> Event) {
        if self.due() {
            self.tell(event());
        }
    }

    fn due(&mut self) -> bool {
        self.notice_signals();
        self.ticked.elapsed() >= self.sink.every()
    }

    /// Another worker is at something. Said once.
    pub fn put_off(&mut self, what: &str, key: Option<&RecordKey>, reason: &str) {
        self.current = None;
        if self.put_off.insert(what.to_owned()) {
            self.tell(Event::PutOff {
                key: key.map(ToString::to_string),
                what: what.to_owned(),
                reason: reason.to_owned(),
            });
        }
    }

    /// The mask of a cell is known, and what decides its answers.
    pub fn named(&mut self, cell: CellIndex, evaluation: &str) {
        self.left.named(cell, evaluation);
    }

    /// The cell that the following is about.
    pub fn turn_to(&mut self, index: CellIndex, key: &RecordKey, cell: &str, items: usize) {
        self.current = Some(Current {
            index,
            key: key.to_string(),
            cell: cell.to_owned(),
            items,
            items_done: 0.0,
            resumed: false,
            processed: (0, Duration::ZERO),
        });
    }

    /// It is evaluated from now on, behind so many answers of an earlier run.
    pub fn begin(&mut self, items_done: usize) {
        if let Some(current) = &mut self.current {
            (current.items_done, current.resumed) = (items_done as f64, items_done > 0);
            let event = Event::CellBegun {
                key: current.key.clone(),
                cell: current.cell.clone(),
                items: current.items,
                items_done,
            };
            self.tell(event);
        }
    }

    /// So many of its items are answered.
    pub fn progressed(&mut self, items: f64) {
        if let Some(current) = &mut self.current {
            current.items_done = items;
        }
        if self.due()
            && let Some(event) = self.cell_progress()
        {
            self.tell(event);
        }
    }

    /// So many tokens were run through the model for it.
    pub fn processed(&mut self, tokens: u64, took: Duration) {
        if let Some(current) = &mut self.current {
            current.processed.0 += tokens;
            current.processed.1 += took;
        }
    }

    /// It has a record.
    pub fn done(&mut self, how: How, cost: &Cost) {
        let Some(current) = self.current.take() else {
            return;
        };
        match how {
            How::Evaluated => self.counts.evaluated += 1,
            How::Shared => self.counts.shared += 1,
            How::Found => self.counts.found += 1,
        }
        // Of a cell that was resumed only the rest was measured.
        if how == How::Evaluated && !current.resumed {
            self.left.learn(current.index, cost.seconds);
        }
        self.left.settled(current.index, true);
        self.tell(Event::CellDone {
            tokens_per_second: current.pace(),
            key: current.key,
            cell: current.cell,
            how,
            seconds: thousandths(cost.seconds),
            tokens: cost.tokens,
            n: current.items,
            cells_done: self.counts.cells_done(),
            cells: self.counts.cells,
            seconds_left: self.seconds_left(),
        });
    }

    /// It gets no record in this run.
    pub fn failed(&mut self, message: &str) {
        let Some(current) = self.current.take() else {
            return;
        };
        self.counts.failed += 1;
        self.left.settled(current.index, false);
        self.tell(Event::CellFailed {
            key: current.key,
            cell: current.cell,
            message: message.to_owned(),
            cells_done: self.counts.cells_done(),
            cells: self.counts.cells,
        });
    }

    /// Says once that a signal came, if one did.
    pub fn notice_signals(&mut self) {
        if interrupted() && !self.interrupted {
            self.interrupted = true;
            let message = INTERRUPTED.to_owned();
            self.tell(Event::Interrupted { message });
        }
    }

    /// The last event.
    pub fn finish(&mut self, interrupted: bool, report: Option<String>) {
        let seconds = self.begun.map_or(0.0, |begun| begun.elapsed().as_secs_f64());
        self.tell(Event::Finished(Finished {
            interrupted,
            seconds: thousandths(seconds),
            report,
            ..self.counts.clone()
        }));
    }

    /// The last event where an error ends it; none where it has not begun.
    pub fn stop(&mut self, message: String) {
        if self.begun.is_some() {
            self.tell(Event::Stopped { message });
        }
    }

    fn cell_progress(&self) -> Option<Event> {
        let current = self.current.as_ref()?;
        Some(Event::CellProgress {
            key: current.key.clone(),
            cell: current.cell.clone(),
            // Whole items.
            #[allow(clippy::cast_sign_loss)]
            items_done: current.items_done.max(0.0) as usize,
            items: current.items,
            tokens: current.processed.0,
            tokens_per_second: current.pace(),
            seconds_left: self.seconds_left(),
        })
    }

    /// For all that is left, less what is done of the running cell.
    fn seconds_left(&self) -> Option<f64> {
        let all = self.left.seconds()?;
        let done = self.current.as_ref().and_then(|current| {
            let share = (current.items_done / current.items.max(1) as f64).clamp(0.0, 1.0);
            Some(share * self.left.of(current.index)?)
        });
        Some(thousandths((all - done.unwrap_or_default()).max(0.0)))
    }
}

impl Current {
    fn pace(&self) -> Option<f64> {
        let (tokens, seconds) = (self.processed.0, self.processed.1.as_secs_f64());
        (tokens > 0 && seconds > 0.0).then(|| thousandths(tokens as f64 / seconds))
    }
}

impl Finished {
    fn cells_done(&self) -> usize {
        self.evaluated + self.shared + self.found + self.failed
    }
}

/// Rounded for readers.
fn thousandths(number: f64) -> f64 {
    (number * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests;
