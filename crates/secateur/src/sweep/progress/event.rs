//! What happens in a sweep, as those who watch are told.
//!
//! `--json` prints one event a line, an object with `time`, `event` and the fields below. Programs should pass over events and
//! fields that they do not know; [`VERSION`] grows when one changes its meaning or goes.

use serde::Serialize;

/// Of this layout.
pub const VERSION: u32 = 1;

/// An event with its time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stamped {
    /// RFC 3339, UTC, to the millisecond.
    pub time: String,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// What happened. `key` is that of a cell's record, `cell` the cell in words; `seconds_left` is an estimate for all that is left,
/// null until a cell was measured; `tokens_per_second` counts what the model read and wrote, over the time that it took,
/// and is null where nothing was counted yet.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The first one.
    SweepStarted(Started),
    /// A model is in memory.
    ModelLoaded {
        /// Its name.
        model: String,
        /// Its family.
        family: String,
        /// How long that took.
        seconds: f64,
    },
    /// A model is asked where it is served.
    ModelServed {
        /// Its name.
        model: String,
        /// Its family.
        family: String,
        /// Dtype, server and address.
        served: String,
    },
    /// A corpus is run through a model.
    CalibrationBegun(Pass),
    /// So far.
    CalibrationProgress {
        /// Which.
        #[serde(flatten)]
        pass: Pass,
        /// Samples that were read.
        samples_done: usize,
        /// Of so many.
        samples: usize,
        /// Tokens in those that were read.
        tokens: usize,
    },
    /// The statistics are on disk.
    CalibrationDone {
        /// Which.
        #[serde(flatten)]
        pass: Pass,
        /// Tokens that were read.
        tokens: u64,
        /// How long that took.
        seconds: f64,
    },
    /// A cell is evaluated from now on.
    CellBegun {
        /// Key of its record.
        key: String,
        /// The cell in words.
        cell: String,
        /// Items of its task.
        items: usize,
        /// Items that an earlier run has answered.
        items_done: usize,
    },
    /// So far; at most one in a second.
    CellProgress {
        /// Key of its record.
        key: String,
        /// The cell in words.
        cell: String,
        /// Items that are answered.
        items_done: usize,
        /// Of so many.
        items: usize,
        /// Tokens of this cell that were run through the model in this run, of finished batches of items.
        tokens: u64,
        /// At this pace.
        tokens_per_second: Option<f64>,
        /// For all that is left.
        seconds_left: Option<f64>,
    },
    /// A cell has a record.
    CellDone {
        /// Key of its record.
        key: String,
        /// The cell in words.
        cell: String,
        /// What was done for it.
        how: How,
        /// Wall-clock seconds of this evaluation; 0 if there was none.
        seconds: f64,
        /// Tokens of the cell; 0 if it was not evaluated now.
        tokens: u64,
        /// At this pace, of what was evaluated now.
        tokens_per_second: Option<f64>,
        /// Items of its task.
        n: usize,
        /// Cells that are done or have failed, this one included.
        cells_done: usize,
        /// Of so many.
        cells: usize,
        /// For all that is left.
        seconds_left: Option<f64>,
    },
    /// A cell has no record, and gets none in this run.
    CellFailed {
        /// Key that its record would have.
        key: String,
        /// The cell in words.
        cell: String,
        /// What went wrong.
        message: String,
        /// Cells that are done or have failed, this one included.
        cells_done: usize,
        /// Of so many.
        cells: usize,
    },
    /// Another worker is at something; this one comes back to it.
    PutOff {
        /// Key of the cell's record; null if it is no cell.
        key: Option<String>,
        /// What is put off.
        what: String,
        /// Why.
        reason: String,
    },
    /// Something that the reader must know; the sweep goes on.
    Warning {
        /// What.
        message: String,
    },
    /// A signal came.
    Interrupted {
        /// What follows, and how to go on.
        message: String,
    },
    /// An error ended it; the last event then.
    Stopped {
        /// The error.
        message: String,
    },
    /// The last one: `evaluated + shared + found + failed` are `cells`, unless it was interrupted.
    Finished(Finished),
}

/// How it begins.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Started {
    /// Version of this layout of events.
    pub version: u32,
    /// Version of this program.
    pub program: String,
    /// The sweep's name.
    pub sweep: String,
    /// Where its results are, or their copy on this machine.
    pub directory: String,
    /// The object store that holds them, if one does.
    pub address: Option<String>,
    /// Cells that were asked for, and unpruned ones with which they are compared.
    pub cells: usize,
    /// Those that have records already, as far as their masks are known before calibration.
    pub done_before: usize,
    /// Names of the models.
    pub models: Vec<String>,
    /// Names of the tasks.
    pub tasks: Vec<String>,
    /// What it runs on.
    pub device: String,
    /// For all that is left.
    pub seconds_left: Option<f64>,
}

/// How it ended.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Finished {
    /// Cells, as in the first event.
    pub cells: usize,
    /// Evaluated now.
    pub evaluated: usize,
    /// Given the answers of a cell with an equal mask.
    pub shared: usize,
    /// Had a record, or were given one by another worker.
    pub found: usize,
    /// Failed.
    pub failed: usize,
    /// A signal came before the end; the same command goes on from here.
    pub interrupted: bool,
    /// Since the first event.
    pub seconds: f64,
    /// The report's page, if one was drawn.
    pub report: Option<String>,
}

/// A corpus through a model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pass {
    /// The model.
    pub model: String,
    /// The corpus.
    pub corpus: String,
    /// Seed of the draw.
    pub seed: u64,
}

/// What was done for a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// The model was asked.
    Evaluated,
    /// It was given the answers of a cell with an equal mask.
    Shared,
    /// It had a record.
    Found,
}

impl std::fmt::Display for Pass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { model, corpus, seed } = self;
        write!(f, "{model}: calibrating on {corpus}, seed {seed}")
    }
}

impl Event {
    /// With the time it is.
    #[must_use]
    pub fn now(self) -> Stamped {
        Stamped {
            time: humantime::format_rfc3339_millis(std::time::SystemTime::now()).to_string(),
            event: self,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{Event, How, Pass};
    use serde_json::json;

    #[test]
    fn an_event_is_one_flat_object() {
        let pass = Pass {
            model: "m".to_owned(),
            corpus: "c".to_owned(),
            seed: 3,
        };
        let mut stamped = Event::CalibrationDone {
            pass,
            tokens: 5,
            seconds: 0.5,
        }
        .now();
        humantime::parse_rfc3339(&stamped.time).unwrap();
        stamped.time = "now".to_owned();
        let expected = json!({ "time": "now", "event": "calibration_done", "model": "m", "corpus": "c", "seed": 3,
            "tokens": 5, "seconds": 0.5 });
        assert_eq!(json!(stamped), expected);
        assert_eq!(json!(How::Found), json!("found"));
    }
}
