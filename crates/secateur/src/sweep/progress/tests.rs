#![allow(clippy::unwrap_used)]
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use secateur_results::key::RecordKey;
use secateur_results::record::Cost;

use super::event::{Event, Finished, How, Stamped, Started, VERSION};
use super::time_left::TimeLeft;
use super::{Progress, Sink};
use crate::sweep::costs::Costs;
use crate::sweep::plan::{CellIndex, PlannedCell};

/// Keeps what it is told.
struct Keeps(Rc<RefCell<Vec<Event>>>, Duration);

impl Sink for Keeps {
    fn every(&self) -> Duration {
        self.1
    }

    fn take(&mut self, stamped: &Stamped) {
        self.0.borrow_mut().push(stamped.event.clone());
    }
}

fn at(mask: usize) -> CellIndex {
    CellIndex {
        subject: 0,
        mask,
        task: 0,
    }
}

fn key() -> RecordKey {
    RecordKey::from_inputs(&[("a".to_owned(), "b".to_owned())].into())
}

/// A sweep of four masks on a task of ten items.
fn started(every: Duration) -> (Progress, Rc<RefCell<Vec<Event>>>) {
    let told = Rc::default();
    let mut progress = Progress::with(Box::new(Keeps(Rc::clone(&told), every)));
    let cells: Vec<CellIndex> = (0..4).map(at).collect();
    let plan = cells.iter().map(|cell| PlannedCell {
        id: String::new(),
        subject: 0,
        mask: cell.mask,
        ranking: None,
        fraction: 0.0,
        task: 0,
        work: 1.0,
    });
    let costs = Costs::new(&plan.collect::<Vec<_>>());
    let started = Started {
        version: VERSION,
        program: String::new(),
        sweep: "s".to_owned(),
        directory: String::new(),
        address: None,
        cells: 4,
        done_before: 0,
        models: Vec::new(),
        tasks: Vec::new(),
        device: String::new(),
        seconds_left: None,
    };
    progress.start(started, TimeLeft::new(costs, [].into(), &cells));
    (progress, told)
}

fn cost(seconds: f64) -> Cost {
    Cost {
        seconds,
        tokens: 100,
        peak_memory_bytes: 0,
    }
}

#[test]
fn pace_and_time_left_are_measured_or_not_said() {
    let (mut progress, told) = started(Duration::ZERO);
    progress.turn_to(at(0), &key(), "c", 10);
    progress.begin(0);
    progress.progressed(2.5);
    progress.processed(40, Duration::from_secs(2));
    progress.progressed(5.0);
    progress.done(How::Evaluated, &cost(8.0));
    progress.turn_to(at(1), &key(), "d", 10);
    progress.begin(0);
    progress.progressed(5.0);
    let told = told.borrow();
    let known = |event: &Event| match event {
        Event::CellProgress {
            items_done,
            tokens,
            tokens_per_second,
            seconds_left,
            ..
        } => Some((*items_done, *tokens, *tokens_per_second, *seconds_left)),
        _ => None,
    };
    let ticks: Vec<_> = told.iter().filter_map(known).collect();
    // Three cells of 8 s were left, of which half a cell is done.
    let expected = [(2, 0, None, None), (5, 40, Some(20.0), None), (5, 0, None, Some(20.0))];
    assert_eq!(ticks, expected);
    let Event::CellDone {
        tokens_per_second,
        seconds_left,
        cells_done,
        ..
    } = &told[4]
    else {
        panic!("{:?}", told[4]);
    };
    assert_eq!(
        (*tokens_per_second, *seconds_left, *cells_done),
        (Some(20.0), Some(24.0), 1)
    );
}

#[test]
fn what_was_resumed_tells_nothing_about_cost() {
    let (mut progress, told) = started(Duration::ZERO);
    progress.turn_to(at(0), &key(), "c", 10);
    progress.begin(6);
    progress.done(How::Evaluated, &cost(8.0));
    let told = told.borrow();
    assert!(matches!(&told[1], Event::CellBegun { items_done: 6, .. }));
    assert!(
        matches!(&told[2], Event::CellDone { seconds_left: None, .. }),
        "{told:?}"
    );
}

#[test]
fn counts_add_up() {
    let (mut progress, told) = started(Duration::MAX);
    for (mask, how) in [How::Evaluated, How::Shared, How::Found].into_iter().enumerate() {
        progress.turn_to(at(mask), &key(), "c", 10);
        progress.begin(0);
        progress.progressed(3.0);
        progress.done(how, &cost(1.0));
    }
    for _ in 0..3 {
        progress.turn_to(at(3), &key(), "e", 10);
        progress.put_off("e", Some(&key()), "somebody is at it");
    }
    progress.turn_to(at(3), &key(), "e", 10);
    progress.failed("no");
    progress.finish(false, Some("page".to_owned()));
    let told = told.borrow();
    let put_off = told.iter().filter(|event| matches!(event, Event::PutOff { .. }));
    assert_eq!(put_off.count(), 1);
    assert!(!told.iter().any(|event| matches!(event, Event::CellProgress { .. })));
    let Some(Event::Finished(finished)) = told.last() else {
        panic!("{told:?}");
    };
    let expected = Finished {
        cells: 4,
        evaluated: 1,
        shared: 1,
        found: 1,
        failed: 1,
        interrupted: false,
        seconds: finished.seconds,
        report: Some("page".to_owned()),
    };
    assert_eq!(*finished, expected);
}

#[test]
fn an_error_before_the_first_event_is_no_event() {
    let told = Rc::default();
    let mut progress = Progress::with(Box::new(Keeps(Rc::clone(&told), Duration::ZERO)));
    progress.stop("no such file".to_owned());
    assert!(told.borrow().is_empty());
    let (mut progress, told) = started(Duration::ZERO);
    progress.stop("disk full".to_owned());
    assert!(matches!(told.borrow().last(), Some(Event::Stopped { message }) if message == "disk full"));
}
