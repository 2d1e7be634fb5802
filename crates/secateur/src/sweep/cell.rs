//! One cell: a mask of a model on a task, from its key to its record.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use secateur_datasets::item::Item;
use secateur_evaluation::answer::Answer;
use secateur_evaluation::compare::compare;
use secateur_evaluation::diagrams::diagrams;
use secateur_evaluation::engine::Engine;
use secateur_evaluation::evaluate::{Evaluation, EvaluationOptions, Observer, Outcome, evaluate_judged, metrics};
use secateur_evaluation::regressions::regressions;
use secateur_evaluation::requests::PromptOptions;
use secateur_evaluation::resume::AnsweredChunk;
use secateur_evaluation::summary::Bootstrap;
use secateur_metrics::regressions::Regressions;
use secateur_model::layerwise::KeptWaves;
use secateur_model::{Device, DeviceKind};
use secateur_pruning::plan::mask_hash;
use secateur_results::answers::AnswersWriter;
use secateur_results::key::RecordKey;
use secateur_results::partial::Partial;
use secateur_results::record::{Cell, Cost, Record};
use secateur_results::store::{Answers, Found, RECORD_SCHEMA, Store};
use serde::Serialize;
use serde_json::json;

use super::calibrate::KEPT_EVERY;
use super::definition::Sweep;
use super::keys::evaluation_key;
use super::progress::Progress;
use super::pruned::Pruned;
use super::scorers::Scorers;
use super::subject::Subject;
use super::tasks::LoadedTask;
use crate::interrupt::interrupted;
use crate::talk;

/// What all cells of a run share.
#[derive(Clone, Copy)]
pub struct Setting<'a> {
    /// The sweep.
    pub sweep: &'a Sweep,
    /// Where records go.
    pub store: &'a Store,
    /// Where models run.
    pub device: &'a Device,
    /// What the sweep runs on; another kind than `device`'s where it is only looked at, on a machine that lacks the device.
    pub kind: DeviceKind,
}

/// A question to a model: everything that decides a cell besides the [`Setting`].
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// The model.
    pub subject: &'a Subject,
    /// The model with all its experts: the same, unless pruned ones are served from a directory of their own.
    pub unpruned: &'a Subject,
    /// The task.
    pub task: &'a LoadedTask,
    /// The mask.
    pub pruned: &'a Pruned,
}

impl Question<'_> {
    /// What the cell is called in records, charts and progress.
    #[must_use]
    pub fn cell(&self) -> Cell {
        let (subject, spec, name) = (self.subject, &self.task.spec, self.pruned.name.as_ref());
        Cell {
            model: subject.reported_as().to_owned(),
            family: subject.family.to_owned(),
            method: name.map(|name| name.method.clone()),
            profile: name.map(|name| name.profile.clone()),
            fraction_removed: self.pruned.fraction,
            experts_kept: self.pruned.kept.clone(),
            experts_total: self.pruned.total.clone(),
            seed: name.map_or(0, |name| name.seed),
            calibration: name.map(|name| name.calibration.clone()).unwrap_or_default(),
            task: spec.name.clone(),
            domain: serialized_name(&spec.domain),
            kind: serialized_name(&spec.kind),
            mask: mask_hash(&self.pruned.mask),
        }
    }

    /// Everything that decides the cell's record.
    #[must_use]
    pub fn inputs(&self, setting: &Setting<'_>) -> BTreeMap<String, String> {
        let (cell, task) = (self.cell(), self.task);
        let mut inputs = self.subject.inputs();
        if !task.chat_template(self.subject) {
            inputs.insert("chat_template".to_owned(), "not applied".to_owned());
        }
        let decided = [
            ("mask", cell.mask),
            ("task", task.spec.name.clone()),
            ("task.version", task.spec.version.to_string()),
            ("task.data", task.data.content_sha256.clone()),
            ("task.generation", json!(task.spec.generation).to_string()),
            ("bootstrap", setting.bootstrap().resamples.to_string()),
            ("evaluation.seed", "0".to_owned()),
            ("dtype", setting.sweep.precision.name().to_owned()),
            ("device", setting.kind.name().to_owned()),
            ("program", env!("CARGO_PKG_VERSION").to_owned()),
            ("record.layout", RECORD_SCHEMA.to_string()),
            ("scorers", task.scorers.clone()),
            ("cell.model", cell.model),
            ("cell.method", cell.method.unwrap_or_default()),
            ("cell.profile", cell.profile.unwrap_or_default()),
            ("cell.fraction_removed", cell.fraction_removed.to_string()),
            ("cell.seed", cell.seed.to_string()),
            ("cell.calibration", cell.calibration),
        ];
        let decided = decided
            .into_iter()
            .filter(|(name, value)| *name != "scorers" || !value.is_empty());
        inputs.extend(decided.map(|(name, value)| (name.to_owned(), value)));
        if let Some(served) = &self.subject.served {
            inputs.extend(served.inputs());
        }
        inputs
    }

    /// Asks the model, whose mask is set, what an earlier process has not asked already, and publishes the record. The caller holds
    /// the claim of the evaluation. Returns what it cost.
    ///
    /// # Errors
    /// If the model fails, a signal came, or something cannot be written.
    pub fn evaluate(
        &self,
        setting: &Setting<'_>,
        engine: &mut dyn Engine,
        scorers: &mut Scorers,
        key: &RecordKey,
        progress: &mut Progress,
    ) -> anyhow::Result<Cost> {
        forget_peak_memory();
        let started = Instant::now();
        let inputs = self.inputs(setting);
        let evaluation = evaluation_key(&inputs);
        let (partial, earlier) = setting.store.partial(&evaluation)?;
        let stem = setting.store.wave_stem(&evaluation);
        engine.keep_waves(Some(KeptWaves::new(stem, evaluation, KEPT_EVERY, |text| {
            talk::warning(text);
        })));
        let answered: usize = earlier.iter().map(|chunk: &AnsweredChunk| chunk.answers.len()).sum();
        progress.begin(answered);
        let mut sink = Sink {
            writer: setting.store.begin_answers(key)?,
            partial,
            error: None,
            progress,
        };
        let evaluation = self.ask(setting, engine, scorers, earlier, &mut sink)?;
        let seconds = started.elapsed().as_secs_f64();
        let mut outcome = evaluation.outcome;
        let mut changed = None;
        if self.pruned.name.is_some() {
            changed = Some(self.compare_with_unpruned(setting, scorers, &evaluation.answers, &mut outcome)?);
        }
        let skipped = &self.task.data.skipped;
        if let Some(first) = skipped.first() {
            outcome.counts.insert("skipped_records".to_owned(), skipped.len());
            // A record that was left out lowers coverage; of a sample, as many as it would have held.
            let data = &self.task.data;
            let missing = (skipped.len() * data.items.len()).div_ceil(data.available);
            for metric in &mut outcome.metrics {
                metric.items += missing;
            }
            outcome.warnings.push(format!(
                "{} unusable records of the task's files were left out; the first: {first}",
                skipped.len()
            ));
        }
        let record = Record {
            schema: RECORD_SCHEMA,
            key: key.as_str().to_owned(),
            inputs,
            cell: self.cell(),
            metrics: outcome.metrics,
            regressions: changed,
            diagrams: diagrams(&evaluation.answers),
            counts: outcome.counts,
            cost: Cost {
                seconds,
                tokens: evaluation.tokens,
                peak_memory_bytes: peak_memory(),
            },
            warnings: outcome.warnings,
        };
        setting.store.publish(&record, Answers::Own(sink.writer))?;
        sink.partial.remove();
        Ok(record.cost)
    }

    fn ask(
        &self,
        setting: &Setting<'_>,
        engine: &mut dyn Engine,
        scorers: &mut Scorers,
        earlier: Vec<AnsweredChunk>,
        sink: &mut Sink<'_>,
    ) -> anyhow::Result<Evaluation> {
        let options = EvaluationOptions {
            prompt: PromptOptions {
                chat_template: self.task.chat_template(self.subject),
                max_length: None,
            },
            bootstrap: setting.bootstrap(),
            run_generated_code: self.task.run_generated_code,
            ..EvaluationOptions::default()
        };
        let (spec, items) = (&self.task.spec, &self.task.data.items);
        let result = evaluate_judged(engine, spec, items, &options, &mut scorers.answers, earlier, sink);
        match sink.error.take() {
            Some(error) => Err(error.into()),
            None => Ok(result?),
        }
    }

    /// Why its key is not known yet: a server that decides it has never answered.
    #[must_use]
    pub fn no_key(&self) -> Option<String> {
        [self.subject, self.unpruned].into_iter().find_map(|subject| {
            let reason = subject.served.as_ref()?.server.as_ref().err()?;
            Some(format!("model `{}`: {reason}", subject.name))
        })
    }

    /// The same question to the unpruned model, whose mask is `whole`.
    #[must_use]
    pub fn of_unpruned<'b>(&'b self, whole: &'b Pruned) -> Question<'b> {
        Question {
            subject: self.unpruned,
            pruned: whole,
            ..*self
        }
    }

    /// Adds the paired difference to the unpruned model, whose answers were published first, and says which items changed.
    fn compare_with_unpruned(
        &self,
        setting: &Setting<'_>,
        scorers: &mut Scorers,
        answers: &[Answer],
        outcome: &mut Outcome,
    ) -> anyhow::Result<Regressions> {
        let whole = Pruned::nothing(self.unpruned);
        let key = RecordKey::from_inputs(&self.of_unpruned(&whole).inputs(setting));
        let Found::Present(stored) = setting.store.get(&key)? else {
            anyhow::bail!("the unpruned model has no record of this task to compare with");
        };
        let source = stored.answers.context("the unpruned model's record has no answers")?;
        let source = RecordKey::parse(&source.key).context("the unpruned model's record names no answers")?;
        let unpruned = read_answers(&setting.store.answers_path(&source))?;
        let (spec, items) = (&self.task.spec, &self.task.data.items);
        let definitions = metrics(spec, items, answers, &scorers.answers);
        let measured = &mut outcome.metrics;
        compare(
            &spec.name,
            &definitions,
            answers,
            &unpruned,
            measured,
            &setting.bootstrap(),
        )?;
        let unpruned = in_order(&unpruned, items)?;
        for judge in scorers.pairs.iter_mut().filter(|judge| judge.suits(spec, items)) {
            let (figures, warnings) = judge
                .compare(items, answers, &unpruned)
                .with_context(|| format!("judge `{}`", judge.name()))?;
            outcome.metrics.extend(figures);
            outcome.warnings.extend(warnings);
        }
        Ok(regressions(
            &spec.name,
            &definitions,
            answers,
            &unpruned,
            &setting.bootstrap(),
        )?)
    }
}

impl Setting<'_> {
    fn bootstrap(&self) -> Bootstrap {
        let default = Bootstrap::default();
        Bootstrap {
            resamples: self.sweep.bootstrap_samples.unwrap_or(default.resamples),
            ..default
        }
    }
}

/// A unit variant as serde writes it.
fn serialized_name(value: &impl Serialize) -> String {
    json!(value).as_str().unwrap_or_default().to_owned()
}

/// Keeps answers as they come, and stops the cell when a signal came: behind a chunk, which is kept.
struct Sink<'a> {
    writer: AnswersWriter,
    partial: Partial,
    error: Option<secateur_results::error::Error>,
    progress: &'a mut Progress,
}

impl Sink<'_> {
    fn stored(&mut self, result: Result<(), secateur_results::error::Error>) -> io::Result<()> {
        result.map_err(|error| {
            self.error = Some(error);
            io::Error::other("the answers could not be stored")
        })
    }
}

impl Observer for Sink<'_> {
    fn progressed(&mut self, items: f64, _of: usize) {
        self.progress.progressed(items);
    }

    fn processed(&mut self, tokens: u64, took: Duration) {
        self.progress.processed(tokens, took);
    }

    fn answered(&mut self, answer: &Answer) -> io::Result<()> {
        if interrupted() {
            return Err(io::Error::from(io::ErrorKind::Interrupted));
        }
        let result = self.writer.append(answer);
        self.stored(result)
    }

    fn keep(&mut self, place: usize, chunk: &AnsweredChunk) -> io::Result<()> {
        let result = self.partial.append(place, chunk);
        self.stored(result)
    }
}

/// Answers in the order of the items; the unpruned model's file has it already, unless somebody sorted it.
fn in_order(answers: &[Answer], items: &[Item]) -> anyhow::Result<Vec<Answer>> {
    let by_item: BTreeMap<&str, &Answer> = answers.iter().map(|answer| (answer.item.as_str(), answer)).collect();
    let find = |item: &Item| by_item.get(item.id.as_str()).map(|answer| (*answer).clone());
    let found: Option<Vec<Answer>> = items.iter().map(find).collect();
    found.context("the unpruned model's answers lack an item of the task")
}

fn read_answers(path: &Path) -> anyhow::Result<Vec<Answer>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let parse = |(line, text): (usize, &str)| {
        serde_json::from_str(text).with_context(|| format!("{}, line {}: not an answer", path.display(), line + 1))
    };
    text.lines().enumerate().map(parse).collect()
}

/// Lets the kernel count peak memory from here on (proc(5), `clear_refs`). Where it does not, the peak is that of the process so far.
fn forget_peak_memory() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// Peak resident memory of this process since [`forget_peak_memory`], bytes; 0 where the system does not tell.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok())
        .map_or(0, |kib| kib * 1024)
}
