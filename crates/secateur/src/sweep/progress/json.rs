//! One JSON object per event on stdout, for programs.

use std::io::Write;
use std::time::Duration;

use super::Sink;
use super::event::Stamped;

/// How often a cell says how far it is.
const EVERY: Duration = Duration::from_secs(1);

/// JSON lines.
pub struct Json<W> {
    out: W,
    broken: bool,
}

impl<W: Write> Json<W> {
    /// Lines on `out`.
    #[must_use]
    pub fn new(out: W) -> Self {
        Self { out, broken: false }
    }
}

impl<W: Write> Sink for Json<W> {
    fn every(&self) -> Duration {
        EVERY
    }

    /// A sweep is worth more than its events: where they cannot be written it goes on without them.
    fn take(&mut self, stamped: &Stamped) {
        if self.broken {
            return;
        }
        let line = serde_json::to_string(stamped).map_err(std::io::Error::from);
        let written = line.and_then(|line| writeln!(self.out, "{line}").and_then(|()| self.out.flush()));
        if let Err(error) = written {
            self.broken = true;
            eprintln!("warning: events cannot be written any more: {error}; the sweep goes on");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::Json;
    use crate::sweep::progress::Sink;
    use crate::sweep::progress::event::Event;

    #[test]
    fn each_event_is_a_line() {
        let mut out = Vec::new();
        let mut sink = Json::new(&mut out);
        let message = "one\ntwo".to_owned();
        sink.take(&Event::Warning { message }.now());
        sink.take(&Event::Stopped { message: String::new() }.now());
        let text = String::from_utf8(out).unwrap();
        let events: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(events.len(), 2);
        assert_eq!(
            (&events[0]["event"], &events[1]["event"]),
            (&"warning".into(), &"stopped".into())
        );
    }

    #[test]
    fn a_closed_end_is_no_trouble() {
        let mut no_room = [0_u8; 0];
        let mut sink = Json::new(&mut no_room[..]);
        sink.take(&Event::Stopped { message: String::new() }.now());
        assert!(sink.broken);
        sink.take(&Event::Stopped { message: String::new() }.now());
    }
}
