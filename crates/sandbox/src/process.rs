//! One process with something to read, two outputs that may grow only so far, and an end that is enforced.

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Of the report, more than any honest one is.
const REPORT_BYTES: u64 = 64 << 10;
/// How long the pipes may stay open once the process is dead.
const GRACE: Duration = Duration::from_secs(5);
const STEP: Duration = Duration::from_millis(3);

/// How a process ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// By itself or by a limit of the system.
    Own,
    /// Killed: it took too long.
    WallTime,
    /// Killed: it printed too much.
    Output,
}

/// What a process left.
#[derive(Debug)]
pub(crate) struct Ended {
    pub end: End,
    /// Its second output.
    pub report: String,
    /// Whether something still holds its pipes.
    pub outlived: bool,
}

/// Runs `command` with `input` on its standard input; its first output is counted and thrown away.
pub(crate) fn run(command: &mut Command, input: Vec<u8>, wall: Duration, output: u64) -> std::io::Result<Ended> {
    let start = Instant::now();
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // The program may never read it: then the pipe breaks when it ends.
        std::thread::spawn(move || stdin.write_all(&input));
    }
    let flooded = Arc::new(AtomicBool::new(false));
    let printed = child
        .stdout
        .take()
        .map(|pipe| drain(pipe, output, Arc::clone(&flooded)));
    let reported = child
        .stderr
        .take()
        .map(|pipe| drain(pipe, REPORT_BYTES, Arc::clone(&flooded)));
    let end = watch(&mut child, start + wall, &flooded)?;
    let late = Instant::now() + GRACE;
    let finish = |receiver: Option<Receiver<Vec<u8>>>| {
        let left = late.saturating_duration_since(Instant::now());
        receiver.and_then(|receiver| receiver.recv_timeout(left).ok())
    };
    let (printed, report) = (finish(printed), finish(reported));
    let end = if flooded.load(Ordering::Relaxed) {
        End::Output
    } else {
        end
    };
    Ok(Ended {
        end,
        outlived: printed.is_none() || report.is_none(),
        report: String::from_utf8_lossy(&report.unwrap_or_default()).into_owned(),
    })
}

/// Waits for the end, or brings it about.
fn watch(child: &mut Child, deadline: Instant, flooded: &AtomicBool) -> std::io::Result<End> {
    loop {
        if child.try_wait()?.is_some() {
            return Ok(End::Own);
        }
        let late = Instant::now() >= deadline;
        if late || flooded.load(Ordering::Relaxed) {
            child.kill()?;
            child.wait()?;
            return Ok(if late { End::WallTime } else { End::Output });
        }
        std::thread::sleep(STEP);
    }
}

/// Reads to the end and keeps at most `limit` bytes; more is a flood.
fn drain(mut pipe: impl Read + Send + 'static, limit: u64, flooded: Arc<AtomicBool>) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let (mut kept, mut seen, mut buffer) = (Vec::new(), 0_u64, [0; 8192]);
        while let Ok(count @ 1..) = pipe.read(&mut buffer) {
            seen += count as u64;
            if seen > limit {
                flooded.store(true, Ordering::Relaxed);
            } else {
                kept.extend_from_slice(&buffer[..count]);
            }
        }
        // Nobody may be waiting any more.
        let _ = sender.send(kept);
    });
    receiver
}
