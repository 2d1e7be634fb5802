//! Scorers and judges of a sweep: opened before any model is asked, because a wrong path must not be found after an hour.

mod source;
mod statements;
mod sampled;
mod subject_harim;
mod judges;
mod pairs;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;
use std::rc::Rc;

use anyhow::Context;
use secateur_datasets::error::nearest_hint;
use secateur_datasets::toml_place::Spot;
use secateur_evaluation::judging::{AnswerScorer, PairScorer};
use secateur_judges::llm::Client;
use secateur_judges::scorers::{self, SUBJECT_KIND, ScorerSpec};
use secateur_metrics::registry;
use secateur_model::Device;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::definition::Sweep;
use super::refused::Refused;
use super::tasks::LoadedTask;

/// `[judging]`: how the judges of `[[judges]]` are asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Judging {
    /// `absolute` (does the answer contradict its source?) and `relative` (pruned against unpruned, four questions).
    pub protocols: Vec<Protocol>,
    /// Whether every pair is also shown in the other order, which tells how far position decides.
    pub both_orders: bool,
    /// Seed of the order; the reference experiment's is 123.
    pub order_seed: i64,
    /// Tasks whose answers are judged; all with a source where empty.
    pub tasks: Vec<String>,
}

/// What a judge is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// One text against its source.
    Absolute,
    /// Two texts of one source.
    Relative,
}

impl Default for Judging {
    fn default() -> Self {
        Self {
            protocols: vec![Protocol::Absolute, Protocol::Relative],
            both_orders: true,
            order_seed: 123,
            tasks: Vec::new(),
        }
    }
}

/// What scores answers besides their task's own scoring.
#[derive(Default)]
pub struct Scorers {
    /// Each answer alone.
    pub answers: Vec<Box<dyn AnswerScorer>>,
    /// Pruned against unpruned.
    pub pairs: Vec<Box<dyn PairScorer>>,
}

impl Scorers {
    /// Opens all that the sweep file names, and the scorer by rule, which always runs. Judges keep their replies below `cache`.
    ///
    /// # Errors
    /// If one cannot be opened, has the name of a metric, or names a task that the sweep does not have.
    pub fn open(sweep: &Sweep, device: &Device, tasks: &[LoadedTask], cache: &Path) -> anyhow::Result<Self> {
        check_names(sweep)?;
        let mut opened = Self::default();
        let by_rule = ScorerSpec::lexical();
        let own = sweep.scorers.iter().any(|spec| spec.kind == by_rule.kind);
        for spec in (!own).then_some(&by_rule).into_iter().chain(&sweep.scorers) {
            let spot = || Spot::key("scorers").entry(&spec.name);
            known_tasks(&spec.name, &spec.tasks, tasks, &spot().then("tasks"))?;
            let scorers = open_one(spec, device).map_err(|error| Refused::because_of(spot(), error))?;
            opened.answers.extend(scorers);
        }
        let spot = Spot::key("judging").then("tasks");
        known_tasks("judging", &sweep.judging.tasks, tasks, &spot)?;
        let clients = sweep
            .judges
            .iter()
            .map(|endpoint| {
                let client = Client::new(endpoint, Some(cache)).and_then(|client| {
                    client.check_ready()?;
                    Ok(client)
                });
                client.map_err(|error| Refused::because_of(Spot::key("judges").entry(&endpoint.name), error))
            })
            .collect::<anyhow::Result<Vec<_>>>()?;
        if !clients.is_empty() {
            let clients = Rc::new(clients);
            if sweep.judging.protocols.contains(&Protocol::Absolute) {
                opened
                    .answers
                    .push(Box::new(judges::Absolute::new(Rc::clone(&clients), &sweep.judging)));
            }
            if sweep.judging.protocols.contains(&Protocol::Relative) {
                opened
                    .pairs
                    .push(Box::new(pairs::Relative::new(clients, &sweep.judging)));
            }
        }
        Ok(opened)
    }

    /// Tells every task which scorers suit it: they are part of its cells' keys.
    pub fn attach(&self, tasks: &mut [LoadedTask]) {
        for task in tasks {
            let (spec, items) = (&task.spec, &task.data.items);
            let mut suiting = Map::new();
            for scorer in self.answers.iter().filter(|scorer| scorer.suits(spec, items)) {
                suiting.insert(scorer.name().to_owned(), json!(scorer.identity()));
            }
            for judge in self.pairs.iter().filter(|judge| judge.suits(spec, items)) {
                suiting.insert(judge.name().to_owned(), json!(judge.identity()));
            }
            if !suiting.is_empty() {
                task.scorers = Value::Object(suiting).to_string();
            }
        }
    }
}

/// An entry's scorers: one of answers against their sources, and others for statements and samples where its kind can judge them.
fn open_one(spec: &ScorerSpec, device: &Device) -> anyhow::Result<Vec<Box<dyn AnswerScorer>>> {
    let context = || format!("[[scorers]] `{}`", spec.name);
    if spec.kind == SUBJECT_KIND {
        return Ok(vec![Box::new(subject_harim::SubjectHarim::new(spec))]);
    }
    let mut opened: Vec<Box<dyn AnswerScorer>> = Vec::new();
    // One model in memory, whatever it is asked for.
    let scorer = match spec.kind.as_str() {
        "nli" => {
            let nli = Rc::new(RefCell::new(scorers::open_nli(spec, device).with_context(context)?));
            opened.push(Box::new(statements::Statements::new(spec, Rc::clone(&nli))));
            opened.push(Box::new(
                sampled::ByNli::new(spec, Rc::clone(&nli)).with_context(context)?,
            ));
            scorers::prepared(spec, Box::new(nli))
        }
        "bertscore" => {
            let model = Rc::new(RefCell::new(
                scorers::open_bert_score(spec, device).with_context(context)?,
            ));
            opened.push(Box::new(sampled::ByBertScore::new(spec, Rc::clone(&model))));
            scorers::prepared(spec, Box::new(model))
        }
        _ => scorers::open(spec, device),
    };
    opened.insert(
        0,
        Box::new(source::AgainstSource::new(spec, scorer.with_context(context)?)),
    );
    Ok(opened)
}

fn check_names(sweep: &Sweep) -> anyhow::Result<()> {
    let mut seen = BTreeSet::new();
    let names = sweep.scorers.iter().map(|spec| ("scorers", spec.name.as_str()));
    let names = names.chain(sweep.judges.iter().map(|judge| ("judges", judge.name.as_str())));
    for (list, name) in names {
        if !seen.insert(name) {
            let message =
                format!("[[{list}]]: the name `{name}` stands there twice; it is the name of a metric in every record");
            return Err(Refused::at(Spot::key(list).entry(name), message));
        }
        if registry::definition(name).is_some() && name != ScorerSpec::lexical().name {
            let message = format!("[[{list}]]: `{name}` is the name of a built-in metric; choose another");
            return Err(Refused::at(Spot::key(list).entry(name), message));
        }
    }
    Ok(())
}

fn known_tasks(whose: &str, named: &[String], tasks: &[LoadedTask], list: &Spot) -> anyhow::Result<()> {
    let known: Vec<&str> = tasks.iter().map(|task| task.spec.name.as_str()).collect();
    match named.iter().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => {
            let hint = nearest_hint(name, known.iter().copied());
            let message = format!("`{whose}`: tasks names `{name}`, which is no task of this sweep{hint}");
            Err(Refused::at(list.clone().value(name), message))
        }
    }
}

/// Whether a scorer that is meant for `wanted` (all where empty) is meant for `task`.
fn meant_for(wanted: &[String], task: &str) -> bool {
    wanted.is_empty() || wanted.iter().any(|name| name == task)
}
