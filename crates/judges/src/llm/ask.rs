//! Many questions to one judge: threads, kept replies, equal questions asked once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;

use serde::Serialize;
use serde_json::Value;

use super::Watch;
use super::client::{Answered, Client, Question, Trouble};
use super::messages::sha256;
use super::record::{LAYOUT, Record, Run, Summary, Unjudged, Verdict};
use super::reply::unfinished;
use crate::error::JudgeError;

/// Stack of a thread: a reply may be nested as deep as the reader allows.
const STACK: usize = 16 << 20;

/// How a reply is read: the verdict and the judge's reason, or what is wrong.
pub type Read<'a, V> = &'a (dyn Fn(&str) -> Result<(V, String), String> + Sync);

/// Asks all questions; none stands for an item with nothing to judge.
///
/// # Errors
/// [`JudgeError::Cache`] where a reply cannot be kept or read, [`JudgeError::Thread`].
pub fn ask_all<V: Clone + Serialize + Send>(
    client: &Client,
    questions: &[Option<Question>],
    read: Read<'_, V>,
    watch: &mut Watch<'_>,
) -> Result<Run<V>, JudgeError> {
    let mut places: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let mut keys: Vec<(String, String)> = Vec::new();
    let mut firsts: Vec<&Question> = Vec::new();
    for (place, question) in questions.iter().enumerate() {
        let Some(question) = question else {
            (watch.progress)(1);
            continue;
        };
        let key = client.key(question);
        let same = places.entry(key.0.clone()).or_default();
        if same.is_empty() {
            firsts.push(question);
            keys.push(key);
        }
        same.push(place);
    }
    let desk = Desk {
        client,
        read,
        halt: Mutex::new(None),
        should_stop: watch.should_stop,
    };
    let outcomes = desk.work(&firsts, &keys, &mut |index| {
        (watch.progress)(places[&keys[index].0].len());
    })?;
    let mut summary = Summary::default();
    let mut verdicts: Vec<Option<Result<Verdict<V>, Unjudged>>> = vec![None; questions.len()];
    for (outcome, (key, _)) in outcomes.into_iter().zip(&keys) {
        match &outcome {
            Ok(verdict) => summary.count_answer(&verdict.record, verdict.cached),
            Err(Unjudged::Unparsable { record, cached, .. }) => summary.count_answer(record, *cached),
            Err(Unjudged::Failed { .. } | Unjudged::NotAsked { .. } | Unjudged::Nothing) => {}
        }
        for &place in &places[key] {
            verdicts[place] = Some(outcome.clone());
        }
    }
    let verdicts: Vec<_> = verdicts
        .into_iter()
        .map(|verdict| verdict.unwrap_or(Err(Unjudged::Nothing)))
        .collect();
    for outcome in &verdicts {
        summary.count_item(outcome);
    }
    summary.cost = client.endpoint().cost(summary.tokens_in, summary.tokens_out);
    let mut messages = client.cache().map_or_else(Vec::new, super::cache::Cache::take_messages);
    messages.extend(desk.halt.into_inner().unwrap_or_else(PoisonError::into_inner));
    Ok(Run {
        verdicts,
        summary,
        messages,
    })
}

struct Desk<'a, V> {
    client: &'a Client,
    read: Read<'a, V>,
    /// Why no more is asked.
    halt: Mutex<Option<String>>,
    should_stop: &'a (dyn Fn() -> bool + Sync),
}

type Outcome<V> = Result<Verdict<V>, Unjudged>;

impl<V: Clone + Serialize + Send> Desk<'_, V> {
    /// One outcome per question, in their order.
    fn work(
        &self,
        questions: &[&Question],
        keys: &[(String, String)],
        finished: &mut dyn FnMut(usize),
    ) -> Result<Vec<Outcome<V>>, JudgeError> {
        let next = AtomicUsize::new(0);
        let threads = self.client.endpoint().concurrency.min(questions.len());
        let mut outcomes: Vec<Option<Outcome<V>>> = questions.iter().map(|_| None).collect();
        let mut failure = None;
        thread::scope(|scope| {
            let (send, receive) = mpsc::channel();
            for _ in 0..threads {
                let (send, next) = (send.clone(), &next);
                let work = move || {
                    while let Some(index) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|&i| i < questions.len())
                    {
                        let outcome = self.one(questions[index], &keys[index]);
                        if send.send((index, outcome)).is_err() {
                            break;
                        }
                    }
                };
                let spawned = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work);
                if let Err(source) = spawned {
                    failure = Some(JudgeError::Thread { source });
                    self.stop_asking("a thread could not be started");
                    break;
                }
            }
            drop(send);
            for (index, outcome) in receive {
                match outcome {
                    Ok(outcome) => outcomes[index] = Some(outcome),
                    Err(error) => failure = failure.take().or(Some(error)),
                }
                finished(index);
            }
        });
        match failure {
            Some(error) => Err(error),
            None => Ok(outcomes
                .into_iter()
                .map(|outcome| outcome.unwrap_or_else(|| Err(stopped())))
                .collect()),
        }
    }

    fn one(&self, question: &Question, (key, messages): &(String, String)) -> Result<Outcome<V>, JudgeError> {
        if let Some(cache) = self.client.cache() {
            let kept = cache
                .read(key)
                .inspect_err(|error| self.stop_asking(&error.to_string()))?;
            if let Some(record) = kept {
                return Ok(self.verdict(record, true));
            }
        }
        if let Some(reason) = self.halted() {
            return Ok(Err(Unjudged::NotAsked { reason }));
        }
        let answered = self
            .client
            .ask(question, key, &|| (self.should_stop)() || self.halted().is_some());
        match answered {
            Ok(answered) => self.kept(question, key, messages, answered),
            Err(Trouble::Stopped) => Ok(Err(self
                .halted()
                .map_or_else(stopped, |reason| Unjudged::NotAsked { reason }))),
            Err(Trouble::Question(reason)) => Ok(Err(Unjudged::Failed { reason })),
            Err(Trouble::Endpoint(reason)) => {
                self.stop_asking(&format!(
                    "{reason}. No more questions were asked of {}; what was answered is kept, and the same command goes on from here",
                    self.client.endpoint().name
                ));
                Ok(Err(Unjudged::Failed { reason }))
            }
        }
    }

    fn kept(
        &self,
        question: &Question,
        key: &str,
        messages: &str,
        answered: Answered,
    ) -> Result<Outcome<V>, JudgeError> {
        let mut record = self.record(question, key, messages, &answered);
        let reply = match answered.reply {
            Ok(reply) => reply,
            // What an endpoint sends in place of a completion says nothing about the question: it is asked again another time.
            Err(nonsense) => {
                record.reply = nonsense.body;
                record.reply_sha256 = sha256(record.reply.as_bytes());
                record.reason.clone_from(&nonsense.reason);
                return Ok(Err(Unjudged::Unparsable {
                    reason: nonsense.reason,
                    record: Box::new(record),
                    cached: false,
                }));
            }
        };
        record.reply_sha256 = sha256(reply.content.as_bytes());
        record.reply = reply.content;
        match self.read(&record) {
            Ok((value, reason)) => {
                record.verdict = serde_json::to_value(value).unwrap_or(Value::Null);
                record.reason = reason;
            }
            Err(reason) => record.reason = reason,
        }
        if let Some(cache) = self.client.cache() {
            record = cache
                .keep(record)
                .inspect_err(|error| self.stop_asking(&error.to_string()))?;
        }
        Ok(self.verdict(record, false))
    }

    fn record(&self, question: &Question, key: &str, messages: &str, answered: &Answered) -> Record {
        let reply = answered.reply.as_ref().ok();
        Record {
            layout: LAYOUT,
            key: key.to_owned(),
            judge: self.client.endpoint().name.clone(),
            endpoint: self.client.base().to_owned(),
            request: Value::Object(self.client.endpoint().request_fields()),
            protocol: question.protocol.name.to_owned(),
            version: question.protocol.version,
            messages_sha256: messages.to_owned(),
            reply: String::new(),
            reply_sha256: String::new(),
            finish_reason: reply.and_then(|reply| reply.finish_reason.clone()),
            answered_by: reply.and_then(|reply| reply.model.clone()),
            verdict: Value::Null,
            reason: String::new(),
            tokens_in: reply.and_then(|reply| reply.tokens_in),
            tokens_out: reply.and_then(|reply| reply.tokens_out),
            seconds: answered.seconds,
            attempts: answered.attempts,
        }
    }

    /// The verdict in a record's reply.
    fn verdict(&self, record: Record, cached: bool) -> Outcome<V> {
        match self.read(&record) {
            Ok((value, reason)) => Ok(Verdict {
                value,
                reason,
                record,
                cached,
            }),
            Err(reason) => Err(Unjudged::Unparsable {
                reason,
                record: Box::new(record),
                cached,
            }),
        }
    }

    fn read(&self, record: &Record) -> Result<(V, String), String> {
        let limit = self.client.endpoint().max_tokens;
        match unfinished(record.finish_reason.as_deref(), &record.reply, limit) {
            Some(reason) => Err(reason),
            None => (self.read)(&record.reply),
        }
    }

    fn halted(&self) -> Option<String> {
        self.halt.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn stop_asking(&self, reason: &str) {
        self.halt
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert_with(|| reason.to_owned());
    }
}

fn stopped() -> Unjudged {
    Unjudged::NotAsked {
        reason: "the run was stopped; the same command goes on from here".into(),
    }
}
