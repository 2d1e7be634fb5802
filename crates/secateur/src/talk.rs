//! What a command says on stderr beside its data on stdout: how much, and in which colours.
//!
//! `-q` leaves warnings and errors, `-v` adds what is read, found and made, with the seconds since the start. Colours are where
//! stderr is a terminal; `NO_COLOR` turns them off and `CLICOLOR_FORCE` on, as in help texts.

use std::fmt::Display;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Instant;

use console::style;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use secateur_model::hub::HubSettings;

/// How much is said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loudness {
    /// Warnings and errors.
    Quiet,
    /// Also progress, and what to do next.
    #[default]
    Usual,
    /// Also each step.
    Verbose,
}

static LOUDNESS: AtomicU8 = AtomicU8::new(Loudness::Usual as u8);
static STARTED: OnceLock<Instant> = OnceLock::new();

/// From now on. Seconds count from the first call.
pub fn begin(loudness: Loudness) {
    STARTED.get_or_init(Instant::now);
    LOUDNESS.store(loudness as u8, Ordering::Relaxed);
    // The crate that colours what we say would let CLICOLOR_FORCE win; the one that colours help does not.
    if std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) {
        console::set_colors_enabled_stderr(false);
    }
}

/// How much is said.
pub fn loudness() -> Loudness {
    match LOUDNESS.load(Ordering::Relaxed) {
        0 => Loudness::Quiet,
        1 => Loudness::Usual,
        _ => Loudness::Verbose,
    }
}

/// What ended the command.
pub fn error(message: impl Display) {
    eprintln!("{} {message}", style("error:").for_stderr().red().bold());
}

/// What the reader must know, also with `-q`.
pub fn warning(message: impl Display) {
    eprintln!("{} {message}", style("warning:").for_stderr().yellow().bold());
}

/// Progress, or what to do next.
pub fn note(message: impl Display) {
    if loudness() >= Loudness::Usual {
        eprintln!("{message}");
    }
}

/// A step, with `-v`.
pub fn detail(message: impl FnOnce() -> String) {
    if loudness() >= Loudness::Verbose {
        eprintln!("{}", stamped(&message()));
    }
}

/// A step with the seconds since the start.
pub fn stamped(message: &str) -> String {
    let seconds = STARTED.get_or_init(Instant::now).elapsed().as_secs_f64();
    format!("[{seconds:8.3} s] {message}")
}

/// A bar on stderr, for people who watch a terminal; `-q` hides it. `{bar}` of the template gets our colour.
pub fn bar(length: u64, template: &str) -> ProgressBar {
    let bar = ProgressBar::new(length).with_style(bar_style(template));
    if loudness() == Loudness::Quiet {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    bar
}

/// The style of all bars.
pub fn bar_style(template: &str) -> ProgressStyle {
    let coloured = template.replace("{bar:30}", "{bar:30.cyan}");
    ProgressStyle::with_template(&coloured).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// The hub as the environment says, with downloads as loud as the rest.
pub fn hub() -> HubSettings {
    HubSettings {
        quiet: loudness() == Loudness::Quiet,
        ..HubSettings::from_env()
    }
}
