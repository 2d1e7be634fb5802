//! One bar for the sweep and one for what is running; plain lines where nobody watches.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// Progress of a sweep on stderr.
pub struct Progress {
    bars: Option<(MultiProgress, ProgressBar, ProgressBar)>,
    total: usize,
    done: usize,
    quiet: bool,
    last_line: Instant,
}

impl Progress {
    /// Starts counting `cells`.
    #[must_use]
    pub fn new(cells: usize, quiet: bool) -> Self {
        let watched = !quiet && std::io::stderr().is_terminal();
        let bars = watched.then(|| {
            let all = MultiProgress::new();
            let style = |template: &str| {
                ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
            };
            let sweep = all.add(ProgressBar::new(cells as u64));
            sweep.set_style(style("{bar:30} {pos}/{len} cells  {elapsed} elapsed, {eta} left"));
            let cell = all.add(ProgressBar::new(1000));
            cell.set_style(style("{bar:30} {msg}"));
            sweep.enable_steady_tick(Duration::from_millis(500));
            (all, sweep, cell)
        });
        Self {
            bars,
            total: cells,
            done: 0,
            quiet,
            last_line: Instant::now(),
        }
    }

    /// A cell or pass begins.
    pub fn begin(&mut self, what: &str) {
        if let Some((_, _, cell)) = &self.bars {
            cell.set_position(0);
            cell.set_message(what.to_owned());
        }
    }

    /// Share of it that is done.
    pub fn share(&mut self, share: f64) {
        if let Some((_, _, cell)) = &self.bars {
            #[allow(clippy::cast_sign_loss)]
            cell.set_position((share.clamp(0.0, 1.0) * 1000.0) as u64);
        }
    }

    /// A cell is done.
    pub fn finish(&mut self, what: &str) {
        self.done += 1;
        match &self.bars {
            Some((_, sweep, _)) => sweep.set_position(self.done as u64),
            // Thousands of cells on a log: the first, the last, and one every few seconds.
            None if !self.quiet
                && (self.done == 1 || self.done == self.total || self.last_line.elapsed() > Duration::from_secs(5)) =>
            {
                self.last_line = Instant::now();
                eprintln!("[{}/{}] {what}", self.done, self.total);
            }
            None => {}
        }
    }

    /// A line that stays.
    pub fn note(&self, line: &str) {
        match &self.bars {
            Some((all, ..)) => drop(all.println(line)),
            None if !self.quiet => eprintln!("{line}"),
            None => {}
        }
    }

    /// Takes the bars away.
    pub fn close(&self) {
        if let Some((_, sweep, cell)) = &self.bars {
            cell.finish_and_clear();
            sweep.finish_and_clear();
        }
    }
}
