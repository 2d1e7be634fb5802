//! Events in words, for people.

use super::event::{Event, How, Started};
use crate::sweep::estimate::duration;

/// One line for an event; `None` for those that others imply: a cell that begins has its line when it is done, and the end is the
/// command's to tell.
#[must_use]
pub fn line(event: &Event) -> Option<String> {
    Some(match event {
        Event::SweepStarted(started) => format!(
            "sweep `{}` on {}: {} cells, {} done before{}{}",
            started.sweep,
            started.device,
            started.cells,
            started.done_before,
            left(started.seconds_left),
            copy(started)
        ),
        Event::ModelLoaded { model, family, seconds } => format!("{model}: {family}, loaded in {seconds:.1} s"),
        Event::ModelServed { model, family, served } => format!("{model}: {family} {served}"),
        Event::CalibrationBegun(pass) => pass.to_string(),
        Event::CalibrationProgress {
            pass,
            samples_done,
            samples,
            tokens,
        } => format!("{pass}: {samples_done} of {samples} samples, {tokens} tokens"),
        Event::CalibrationDone { pass, tokens, seconds } => format!("{pass}: {tokens} tokens in {seconds:.1} s"),
        Event::CellBegun {
            cell,
            items,
            items_done,
            ..
        } if *items_done > 0 => {
            format!("{cell}: going on behind {items_done} of {items} answers")
        }
        Event::CellProgress { seconds_left, .. } => format!("{}{}", running(event)?, left(*seconds_left)),
        Event::CellDone {
            cell,
            cells_done,
            cells,
            seconds_left,
            ..
        } => format!("[{cells_done}/{cells}] {cell}: {}{}", done(event)?, left(*seconds_left)),
        Event::CellFailed { cell, message, .. } => format!("error: {cell}: {message}"),
        Event::PutOff { what, reason, .. } => format!("{what}: put off: {reason}"),
        Event::Warning { message } => format!("warning: {message}"),
        Event::Interrupted { message } => message.clone(),
        Event::CellBegun { .. } | Event::Stopped { .. } | Event::Finished(_) => return None,
    })
}

/// What is running, and how far it is.
#[must_use]
pub fn running(event: &Event) -> Option<String> {
    match event {
        Event::CellBegun { cell, .. } => Some(cell.clone()),
        Event::CellProgress {
            cell,
            items_done,
            items,
            tokens_per_second,
            ..
        } => Some(format!(
            "{cell}: {items_done} of {items} items{}",
            pace(*tokens_per_second)
        )),
        _ => line(event),
    }
}

fn done(event: &Event) -> Option<String> {
    let Event::CellDone {
        how,
        seconds,
        tokens,
        tokens_per_second,
        n,
        ..
    } = event
    else {
        return None;
    };
    Some(match how {
        How::Evaluated => format!(
            "{n} items, {tokens} tokens in {seconds:.1} s{}",
            pace(*tokens_per_second)
        ),
        How::Shared => "shares the answers of an equal mask".to_owned(),
        How::Found => "has a record".to_owned(),
    })
}

/// `, 1234 tokens/s`, or nothing.
fn pace(tokens_per_second: Option<f64>) -> String {
    tokens_per_second.map_or_else(String::new, |pace| format!(", {pace:.0} tokens/s"))
}

/// `; about 5 min left`, or nothing.
pub(super) fn left(seconds: Option<f64>) -> String {
    match seconds {
        Some(seconds) if seconds > 0.0 => format!("; about {} left", duration(seconds)),
        _ => String::new(),
    }
}

/// Where results go that do not stay here.
fn copy(started: &Started) -> String {
    match &started.address {
        Some(address) => format!(
            "; results go to {address}, the copy on this machine is {}",
            started.directory
        ),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::line;
    use crate::sweep::progress::event::{Event, How};

    fn done(how: How, tokens_per_second: Option<f64>, seconds_left: Option<f64>) -> String {
        let event = Event::CellDone {
            key: "k".to_owned(),
            cell: "tiny unpruned on words".to_owned(),
            how,
            seconds: 2.0,
            tokens: 1000,
            tokens_per_second,
            n: 12,
            cells_done: 3,
            cells: 14,
            seconds_left,
        };
        line(&event).unwrap()
    }

    #[test]
    fn what_is_not_known_is_not_said() {
        let said = done(How::Evaluated, Some(640.4), Some(300.0));
        let expected = "[3/14] tiny unpruned on words: 12 items, 1000 tokens in 2.0 s, 640 tokens/s; about 5 min left";
        assert_eq!(said, expected);
        let said = done(How::Evaluated, None, None);
        assert_eq!(said, "[3/14] tiny unpruned on words: 12 items, 1000 tokens in 2.0 s");
        let said = done(How::Shared, None, Some(0.0));
        assert_eq!(
            said,
            "[3/14] tiny unpruned on words: shares the answers of an equal mask"
        );
    }

    #[test]
    fn a_cell_that_begins_says_so_only_where_it_goes_on() {
        let begun = |items_done| Event::CellBegun {
            key: "k".to_owned(),
            cell: "c".to_owned(),
            items: 300,
            items_done,
        };
        assert_eq!(line(&begun(0)), None);
        assert_eq!(line(&begun(128)).unwrap(), "c: going on behind 128 of 300 answers");
    }
}
