//! How far a download is: a bar on a terminal, a line per file elsewhere.

use std::io::IsTerminal as _;

use hf_hub::api::Progress;
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};

pub(super) struct TransferProgress {
    bar: ProgressBar,
    quiet: bool,
    started: bool,
}

impl TransferProgress {
    pub(super) fn new(quiet: bool) -> Self {
        // Draws on stderr, and nothing where that is no terminal.
        let bar = if quiet {
            ProgressBar::hidden()
        } else {
            ProgressBar::new(0)
        };
        if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}")
        {
            bar.set_style(style);
        }
        Self {
            bar,
            quiet,
            started: false,
        }
    }
}

impl Progress for TransferProgress {
    fn init(&mut self, size: usize, filename: &str) {
        // Called again by each attempt.
        if !self.quiet && !self.started && !std::io::stderr().is_terminal() {
            eprintln!("downloading {filename} ({})", HumanBytes(size as u64));
        }
        self.started = true;
        self.bar.set_message(filename.to_owned());
        self.bar.set_length(size as u64);
        self.bar.set_position(0);
    }

    fn update(&mut self, size: usize) {
        self.bar.inc(size as u64);
    }

    fn finish(&mut self) {
        self.bar.finish_and_clear();
    }
}
