//! Ctrl-C, and SIGTERM, which Slurm, Kubernetes and `kill` send: the first asks to stop, a second one ends the process at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::exit::Exit;

static CAME: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// Longest sleep between two looks whether a signal came.
const NAP: Duration = Duration::from_millis(50);

/// Listens from now on. A hangup stays what it was, so that `nohup` works.
///
/// # Errors
/// If the system refuses.
pub fn listen() -> std::io::Result<()> {
    for signal in [SIGINT, SIGTERM] {
        // In this order: the second signal finds what the first one left.
        flag::register_conditional_shutdown(signal, i32::from(Exit::Interrupted.code()), Arc::clone(&CAME))?;
        flag::register(signal, Arc::clone(&CAME))?;
    }
    Ok(())
}

/// Whether one came.
pub fn interrupted() -> bool {
    CAME.load(Ordering::Relaxed)
}

/// Waits for other workers: a little at first, up to two seconds later; less where a signal comes.
pub struct Pause(Duration);

impl Default for Pause {
    fn default() -> Self {
        Self(NAP)
    }
}

impl Pause {
    const LONGEST: Duration = Duration::from_secs(2);

    /// Waits, and will wait longer the next time.
    pub fn wait(&mut self) {
        let mut left = self.0;
        while !left.is_zero() && !interrupted() {
            let nap = left.min(NAP);
            std::thread::sleep(nap);
            left -= nap;
        }
        self.0 = (self.0 * 3 / 2).min(Self::LONGEST);
    }
}
