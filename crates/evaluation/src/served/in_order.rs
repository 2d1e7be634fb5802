//! Many requests at the same time, their results in the order of the requests.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use crate::engine::EngineError;

/// Does `work` for all items on at most `threads` threads. After a failure nothing new is begun; of several failures the one of the
/// first item is returned.
///
/// # Errors
/// That of `work`, or if no thread can be started.
pub fn in_order<T: Sync, R: Send>(
    items: &[T],
    threads: usize,
    work: &(dyn Fn(&T) -> Result<R, EngineError> + Sync),
    progress: &mut dyn FnMut(usize),
) -> Result<Vec<R>, EngineError> {
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let mut results: Vec<Option<R>> = items.iter().map(|_| None).collect();
    let mut failure: Option<(usize, EngineError)> = None;
    thread::scope(|scope| {
        let (send, receive) = mpsc::channel();
        for _ in 0..threads.clamp(1, items.len().max(1)) {
            let (send, next, failed) = (send.clone(), &next, &failed);
            let worker = move || {
                while !failed.load(Ordering::Relaxed) {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(index) else { break };
                    let result = work(item);
                    if result.is_err() {
                        failed.store(true, Ordering::Relaxed);
                    }
                    if send.send((index, result)).is_err() {
                        break;
                    }
                }
            };
            if let Err(source) = thread::Builder::new().spawn_scoped(scope, worker) {
                failed.store(true, Ordering::Relaxed);
                let message = format!("cannot start a thread: {source}; lower `concurrency`");
                failure = Some((0, EngineError(message)));
                break;
            }
        }
        drop(send);
        for (index, result) in receive {
            match result {
                Ok(result) => results[index] = Some(result),
                Err(error) if failure.as_ref().is_none_or(|(first, _)| index < *first) => {
                    failure = Some((index, error));
                }
                Err(_) => {}
            }
            progress(1);
        }
    });
    match failure {
        Some((_, error)) => Err(error),
        None => Ok(results.into_iter().flatten().collect()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::time::Duration;

    #[test]
    fn results_come_in_the_order_of_the_requests() {
        let items: Vec<u64> = (0..40).collect();
        let work = |&item: &u64| {
            thread::sleep(Duration::from_micros(item * 7919 % 500));
            Ok(item * 2)
        };
        let mut done = 0;
        let results = in_order(&items, 8, &work, &mut |n| done += n).unwrap();
        assert_eq!(results, items.iter().map(|item| item * 2).collect::<Vec<_>>());
        assert_eq!(done, 40);
        assert_eq!(in_order(&[] as &[u64], 8, &work, &mut |_| {}).unwrap(), [] as [u64; 0]);
    }

    #[test]
    fn a_failure_ends_the_work() {
        let items: Vec<u64> = (0..1000).collect();
        let begun = AtomicUsize::new(0);
        let work = |&item: &u64| {
            begun.fetch_add(1, Ordering::Relaxed);
            thread::sleep(Duration::from_millis(1));
            if item >= 3 {
                Err(EngineError(format!("item {item}")))
            } else {
                Ok(())
            }
        };
        let message = in_order(&items, 2, &work, &mut |_| {}).unwrap_err().to_string();
        assert!(message == "item 3" || message == "item 4", "{message}");
        assert!(begun.load(Ordering::Relaxed) < 10);
    }
}
