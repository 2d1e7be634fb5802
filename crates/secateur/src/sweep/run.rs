//! Runs a sweep: opens everything, calibrates, ranks, evaluates what has no record yet, and draws the report.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::Context;
use secateur_datasets::tasks::{self, LoadOptions, TaskData, TaskSpec};
use secateur_evaluation::answer::Answer;
use secateur_evaluation::compare::compare;
use secateur_evaluation::evaluate::{EvaluationOptions, Observer, evaluate};
use secateur_evaluation::local::LocalEngine;
use secateur_evaluation::requests::PromptOptions;
use secateur_evaluation::score;
use secateur_evaluation::summary::Bootstrap;
use secateur_metrics::value::MetricValue;
use secateur_model::mask::ExpertMask;
use secateur_model::{Device, DeviceKind};
use secateur_pruning::methods;
use secateur_pruning::plan::{Plan, mask_hash};
use secateur_pruning::ranking::{Ranking, rank};
use secateur_pruning::statistics::Statistics;
use secateur_results::key::RecordKey;
use secateur_results::ranking_file::{RankedLayer, RankingFile};
use secateur_results::record::{Cell, Cost, Record};
use secateur_results::report::{Report, ReportOptions, report};
use secateur_results::store::{Answers, Found, RECORD_SCHEMA, Store, SweepIdentity};
use serde_json::{Value, json};

use super::calibrate::{Collected, Pass, statistics};
use super::definition::{Sweep, TaskEntry};
use super::estimate;
use super::grid::{self, RankingCell};
use super::keys::evaluation_key;
use super::progress::Progress;
use super::subject::Subject;

/// Set by Ctrl-C; the running cell stops at its next answer.
pub static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// What the command line decides.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// Folder that holds the sweep's folder.
    pub results: PathBuf,
    /// Instead of the sweep file's device.
    pub device: Option<DeviceKind>,
    /// Print cells, memory and time, and stop.
    pub dry_run: bool,
    /// No progress.
    pub quiet: bool,
    /// At most so many items per task, for a quick look.
    pub limit: Option<usize>,
    /// The command, for the report.
    pub command: String,
}

/// How a sweep ended.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Ending {
    /// Cells evaluated now.
    pub evaluated: usize,
    /// Cells that shared another's evaluation.
    pub shared: usize,
    /// Cells that had a record.
    pub found: usize,
    /// Cells that failed, with their messages.
    pub failed: Vec<String>,
    /// Ctrl-C came.
    pub interrupted: bool,
    /// The page to open.
    pub report: Option<PathBuf>,
}

/// A task as it will be asked.
pub(super) struct LoadedTask {
    pub spec: TaskSpec,
    pub data: TaskData,
    /// As the sweep file says; where it does not, answers are generated with the model's template if it has one.
    pub chat_template: Option<bool>,
}

impl LoadedTask {
    fn chat_template(&self, subject: &Subject) -> bool {
        let usual = self.spec.generation.is_some() && subject.hash.chat_template.is_some();
        self.chat_template.unwrap_or(usual)
    }
}

/// Everything a cell is made of besides model and mask.
struct Cells<'a> {
    sweep: &'a Sweep,
    store: &'a Store,
    tasks: &'a [LoadedTask],
    device: &'a Device,
    progress: Progress,
    ending: Ending,
    /// Evaluation key → record that has the answers.
    evaluated: BTreeMap<String, RecordKey>,
    /// Keys that belong to this sweep as it stands.
    keys: BTreeSet<String>,
}

/// A mask to evaluate, and what it is called.
struct Pruned<'a> {
    ranking: Option<&'a RankingCell>,
    fraction: f64,
    mask: ExpertMask,
    kept: Vec<usize>,
}

/// Runs a sweep to its report.
///
/// # Errors
/// If anything cannot be opened or written; single cells that fail are counted instead.
pub fn run(sweep: &Sweep, options: &RunOptions) -> anyhow::Result<Ending> {
    let device = Device::open(options.device.unwrap_or(sweep.device), sweep.precision)?;
    let subjects = sweep
        .models
        .iter()
        .map(Subject::open)
        .collect::<anyhow::Result<Vec<_>>>()?;
    grid::check(sweep, &subjects)?;
    let tasks = load_tasks(sweep, options.limit)?;
    for corpus in &sweep.corpora {
        corpus.check()?;
        corpus.load(sweep.base(), sweep.seeds[0])?;
    }
    let rankings = grid::rankings(sweep);
    let cells = subjects.len() * tasks.len() * (1 + rankings.len() * sweep.ratios.len());
    if options.dry_run {
        estimate::print(sweep, &subjects, &tasks, &rankings, &device)?;
        return Ok(Ending::default());
    }
    let directory = options.results.join(&sweep.name);
    let definition = json!({ "sweep": sweep.definition, "limit": options.limit, "device": device.kind() }).to_string();
    let store = Store::open(&directory, &SweepIdentity::new(&sweep.name, &definition))?;
    let started = Instant::now();
    let mut run = Cells {
        sweep,
        store: &store,
        tasks: &tasks,
        device: &device,
        progress: Progress::new(cells, options.quiet),
        ending: Ending::default(),
        evaluated: BTreeMap::new(),
        keys: BTreeSet::new(),
    };
    run.index_existing()?;
    for subject in &subjects {
        run.model(subject, &rankings)?;
        if run.ending.interrupted {
            break;
        }
    }
    run.progress.close();
    let (ending, keys) = (run.ending, run.keys);
    if ending.interrupted {
        return Ok(ending);
    }
    let page = directory.join("report").join("index.html");
    if ending.evaluated + ending.shared == 0 && page.exists() {
        return Ok(Ending {
            report: Some(page),
            ..ending
        });
    }
    write_manifest(&store, sweep, options, &subjects, &tasks, &device, started)?;
    let drawn = draw(&store, sweep, &options.command, Some(keys))?;
    Ok(Ending {
        report: drawn.pages.last().cloned(),
        ..ending
    })
}

/// Draws the report of a results directory.
///
/// # Errors
/// If records or files cannot be read or written.
pub fn draw(store: &Store, sweep: &Sweep, command: &str, only: Option<BTreeSet<String>>) -> anyhow::Result<Report> {
    let half = sweep
        .ratios
        .iter()
        .copied()
        .min_by(|a, b| (a - 0.5).abs().total_cmp(&(b - 0.5).abs()));
    let options = ReportOptions {
        margin: sweep.margin,
        agreement_fraction: half.unwrap_or(0.5),
        command: command.to_owned(),
        only,
    };
    Ok(report(store, &options)?)
}

fn load_tasks(sweep: &Sweep, limit: Option<usize>) -> anyhow::Result<Vec<LoadedTask>> {
    sweep.tasks.iter().map(|entry| load_task(sweep, entry, limit)).collect()
}

fn load_task(sweep: &Sweep, entry: &TaskEntry, limit: Option<usize>) -> anyhow::Result<LoadedTask> {
    let beside = sweep.base().join(&entry.name);
    let name = if beside.is_file() {
        beside.to_string_lossy().into_owned()
    } else {
        entry.name.clone()
    };
    let task = tasks::find(&name, &sweep.cards)?;
    let spec = task.spec();
    let limit = match (entry.limit, limit) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    let options = LoadOptions {
        few_shot: entry.few_shot,
        limit,
        seed: 0,
        skip_bad_items: entry.skip_bad_items,
    };
    let data = task.load(&tasks::data_directory(&sweep.data, &spec), &options)?;
    let chat_template = entry.chat_template;
    Ok(LoadedTask {
        spec,
        data,
        chat_template,
    })
}

impl Cells<'_> {
    fn index_existing(&mut self) -> anyhow::Result<()> {
        let (records, messages) = self.store.read_all()?;
        for message in messages {
            self.progress.note(&format!("warning: {message}"));
        }
        for stored in records {
            if let (Some(_), Some(key)) = (&stored.answers, RecordKey::parse(&stored.record.key)) {
                self.evaluated.insert(evaluation_key(&stored.record.inputs), key);
            }
        }
        Ok(())
    }

    fn model(&mut self, subject: &Subject, rankings: &[RankingCell]) -> anyhow::Result<()> {
        self.progress.note(&format!(
            "{}: {} on {}",
            subject.name,
            subject.family,
            self.device.description()
        ));
        for warning in &subject.warnings {
            self.progress.note(&format!("warning: {warning}"));
        }
        let mut engine = subject.load(self.device)?;
        let collected = self.collect(subject, &mut engine, rankings)?;
        if self.ending.interrupted {
            return Ok(());
        }
        let ranked = rankings
            .iter()
            .map(|cell| Ok((cell, self.rank(subject, cell, &collected)?)))
            .collect::<anyhow::Result<Vec<_>>>()?;
        let unpruned = Pruned {
            ranking: None,
            fraction: 0.0,
            mask: ExpertMask::default(),
            kept: subject.moe_layers.iter().map(|layer| layer.experts).collect(),
        };
        self.mask(subject, &mut engine, &unpruned)?;
        let shapes = subject.shapes();
        // By fraction first: a sweep that is stopped has the gentle prunings of every method.
        for &fraction in &self.sweep.ratios {
            for (cell, ranking) in &ranked {
                if self.ending.interrupted {
                    return Ok(());
                }
                let plan = Plan::new(ranking, &shapes, fraction, &BTreeMap::default())?;
                let pruned = Pruned {
                    ranking: Some(cell),
                    fraction,
                    kept: plan.experts_kept(),
                    mask: plan.mask(),
                };
                self.mask(subject, &mut engine, &pruned)?;
            }
        }
        Ok(())
    }

    /// One calibration pass per corpus and seed serves all methods and fractions.
    fn collect(
        &mut self,
        subject: &Subject,
        engine: &mut LocalEngine,
        rankings: &[RankingCell],
    ) -> anyhow::Result<Collected> {
        let variants: Vec<_> = self.sweep.methods.iter().map(|v| (v.method, v.profile)).collect();
        let wanted = methods::wanted(&variants);
        let mut passes: BTreeSet<(String, u64)> = BTreeSet::new();
        for cell in rankings {
            passes.extend(cell.calibration.iter().map(|corpus| (corpus.clone(), cell.seed)));
        }
        if passes.is_empty() && !wanted.is_empty() {
            passes.insert((self.sweep.corpora[0].name.clone(), self.sweep.seeds[0]));
        }
        let folder = self.store.directory().join("statistics");
        let mut collected = Collected::new();
        for (name, seed) in passes {
            let Some(corpus) = self.sweep.corpora.iter().find(|corpus| corpus.name == name) else {
                continue;
            };
            let what = format!("{}: calibrating on {name}, seed {seed}", subject.name);
            self.progress.begin(&what);
            let pass = Pass {
                corpus,
                base: self.sweep.base(),
                seed,
                wanted: &wanted,
            };
            let (progress, started) = (&mut self.progress, Instant::now());
            let (found, computed) = statistics(subject, engine, &pass, &folder, &mut |at| {
                progress.share(at.samples_done as f64 / at.samples as f64);
            })?;
            if computed {
                let tokens = found.provenance.tokens;
                let seconds = started.elapsed().as_secs_f64();
                self.progress
                    .note(&format!("{what}: {tokens} tokens in {seconds:.1} s"));
            }
            collected.insert((name, seed), found);
            if INTERRUPTED.load(Ordering::Relaxed) {
                self.ending.interrupted = true;
                break;
            }
        }
        Ok(collected)
    }

    fn rank(&self, subject: &Subject, cell: &RankingCell, collected: &Collected) -> anyhow::Result<Ranking> {
        let domains: Vec<&Statistics> = if cell.calibration.is_empty() {
            collected.values().take(1).collect()
        } else {
            cell.calibration
                .iter()
                .filter_map(|corpus| collected.get(&(corpus.clone(), cell.seed)))
                .collect()
        };
        let ranking = rank(
            cell.variant.method,
            cell.variant.profile,
            cell.seed,
            &subject.shapes(),
            &domains,
        )?;
        let several = self.sweep.calibrate_on.len() > 1 && !cell.calibration.is_empty();
        let method = cell.variant.method.name();
        let file = RankingFile {
            model: subject.name.clone(),
            method: if several {
                format!("{method} ({})", cell.calibration_name())
            } else {
                method.to_owned()
            },
            profile: cell.variant.profile.name().to_owned(),
            seed: cell.seed,
            calibration: cell.calibration_name(),
            layers: ranking
                .layers
                .iter()
                .map(|layer| RankedLayer {
                    layer: layer.layer,
                    experts: layer.experts.iter().map(|id| id.0).collect(),
                    scores: layer.scores.clone(),
                })
                .collect(),
        };
        file.write(self.store.directory())?;
        Ok(ranking)
    }

    /// All tasks of one mask.
    fn mask(&mut self, subject: &Subject, engine: &mut LocalEngine, pruned: &Pruned<'_>) -> anyhow::Result<()> {
        engine.model_mut().set_mask(Some(&pruned.mask))?;
        for task in self.tasks {
            if INTERRUPTED.load(Ordering::Relaxed) {
                self.ending.interrupted = true;
                return Ok(());
            }
            let cell = describe(subject, task, pruned);
            let what = cell.to_string();
            self.progress.begin(&what);
            match self.cell(subject, engine, task, pruned, cell) {
                Ok(()) => {}
                Err(_) if INTERRUPTED.load(Ordering::Relaxed) => {
                    self.ending.interrupted = true;
                    return Ok(());
                }
                // Trouble with the disk would meet every cell that follows.
                Err(error) if error.downcast_ref::<secateur_results::error::Error>().is_some() => return Err(error),
                Err(error) => {
                    let message = format!("{what}: {error:#}");
                    self.progress.note(&format!("error: {message}"));
                    self.ending.failed.push(message);
                }
            }
            self.progress.finish(&what);
        }
        Ok(())
    }

    fn cell(
        &mut self,
        subject: &Subject,
        engine: &mut LocalEngine,
        task: &LoadedTask,
        pruned: &Pruned<'_>,
        cell: Cell,
    ) -> anyhow::Result<()> {
        let inputs = self.inputs(subject, task, &cell);
        let key = RecordKey::from_inputs(&inputs);
        self.keys.insert(key.as_str().to_owned());
        match self.store.get(&key)? {
            Found::Present(_) => {
                self.ending.found += 1;
                return Ok(());
            }
            Found::Missing => {}
            Found::SetAside { message } => self.progress.note(&format!("warning: {message}; evaluating again")),
        }
        let shared_key = evaluation_key(&inputs);
        if let Some(source) = self.evaluated.get(&shared_key).cloned()
            && let Found::Present(stored) = self.store.get(&source)?
        {
            let record = Record {
                key: key.as_str().to_owned(),
                inputs,
                cell,
                cost: Cost::default(),
                ..stored.record
            };
            self.store.publish(&record, Answers::Of(source))?;
            self.ending.shared += 1;
            return Ok(());
        }
        let bootstrap = self.bootstrap();
        let options = EvaluationOptions {
            prompt: PromptOptions {
                chat_template: task.chat_template(subject),
                max_length: None,
            },
            bootstrap,
            ..EvaluationOptions::default()
        };
        let mut sink = Sink {
            writer: Some(self.store.begin_answers(&key)?),
            error: None,
            progress: &mut self.progress,
        };
        let started = Instant::now();
        let result = evaluate(engine, &task.spec, &task.data.items, &options, &mut sink);
        if let Some(error) = sink.error.take() {
            return Err(error.into());
        }
        let writer = sink.writer.take();
        let evaluation = result?;
        let seconds = started.elapsed().as_secs_f64();
        let mut metrics = evaluation.outcome.metrics;
        if pruned.ranking.is_some() {
            self.compare(subject, task, &evaluation.answers, &mut metrics, &bootstrap)?;
        }
        let mut warnings = evaluation.outcome.warnings;
        if !task.data.skipped.is_empty() {
            warnings.push(format!(
                "{} unusable records of the task's files were left out",
                task.data.skipped.len()
            ));
        }
        let record = Record {
            schema: RECORD_SCHEMA,
            key: key.as_str().to_owned(),
            inputs,
            cell,
            metrics,
            counts: evaluation.outcome.counts,
            cost: Cost {
                seconds,
                tokens: evaluation.tokens,
                peak_memory_bytes: peak_memory(),
            },
            warnings,
        };
        self.store
            .publish(&record, writer.map_or(Answers::None, Answers::Own))?;
        self.evaluated.insert(shared_key, key);
        self.ending.evaluated += 1;
        Ok(())
    }

    /// Adds the paired difference to the unpruned model, whose answers were published first.
    fn compare(
        &self,
        subject: &Subject,
        task: &LoadedTask,
        answers: &[Answer],
        metrics: &mut [MetricValue],
        bootstrap: &Bootstrap,
    ) -> anyhow::Result<()> {
        let whole = Pruned {
            ranking: None,
            fraction: 0.0,
            mask: ExpertMask::default(),
            kept: subject.moe_layers.iter().map(|layer| layer.experts).collect(),
        };
        let inputs = self.inputs(subject, task, &describe(subject, task, &whole));
        let key = RecordKey::from_inputs(&inputs);
        let Found::Present(stored) = self.store.get(&key)? else {
            anyhow::bail!("the unpruned model has no record of this task to compare with");
        };
        let source = stored.answers.context("the unpruned model's record has no answers")?;
        let source = RecordKey::parse(&source.key).context("the unpruned model's record names no answers")?;
        let unpruned = read_answers(&self.store.answers_path(&source))?;
        let definitions = score::metrics(&task.spec, answers);
        compare(&task.spec.name, &definitions, answers, &unpruned, metrics, bootstrap)?;
        Ok(())
    }

    fn bootstrap(&self) -> Bootstrap {
        let default = Bootstrap::default();
        Bootstrap {
            resamples: self.sweep.bootstrap_samples.unwrap_or(default.resamples),
            ..default
        }
    }

    /// Everything that decides a cell.
    fn inputs(&self, subject: &Subject, task: &LoadedTask, cell: &Cell) -> BTreeMap<String, String> {
        let mut inputs = subject.inputs();
        let template = if task.chat_template(subject) {
            inputs["chat_template"].clone()
        } else {
            "not applied".to_owned()
        };
        let mut set = |name: &str, value: String| drop(inputs.insert(name.to_owned(), value));
        set("chat_template", template);
        set("mask", cell.mask.clone());
        set("task", task.spec.name.clone());
        set("task.version", task.spec.version.to_string());
        set("task.data", task.data.content_sha256.clone());
        set("task.generation", json!(task.spec.generation).to_string());
        set("bootstrap", self.bootstrap().resamples.to_string());
        set("evaluation.seed", "0".to_owned());
        set("dtype", self.device.precision().name().to_owned());
        set("device", self.device.kind().name().to_owned());
        set("program", env!("CARGO_PKG_VERSION").to_owned());
        set("cell.model", cell.model.clone());
        set("cell.method", cell.method.clone().unwrap_or_default());
        set("cell.profile", cell.profile.clone().unwrap_or_default());
        set("cell.fraction_removed", cell.fraction_removed.to_string());
        set("cell.seed", cell.seed.to_string());
        set("cell.calibration", cell.calibration.clone());
        inputs
    }
}

fn describe(subject: &Subject, task: &LoadedTask, pruned: &Pruned<'_>) -> Cell {
    let text = |value: &dyn erased::Name| value.name();
    Cell {
        model: subject.name.clone(),
        family: subject.family.to_owned(),
        method: pruned.ranking.map(|cell| cell.variant.method.name().to_owned()),
        profile: pruned.ranking.map(|cell| cell.variant.profile.name().to_owned()),
        fraction_removed: pruned.fraction,
        experts_kept: pruned.kept.clone(),
        experts_total: subject.moe_layers.iter().map(|layer| layer.experts).collect(),
        seed: pruned.ranking.map_or(0, |cell| cell.seed),
        calibration: pruned.ranking.map(RankingCell::calibration_name).unwrap_or_default(),
        task: task.spec.name.clone(),
        domain: text(&task.spec.domain),
        kind: text(&task.spec.kind),
        mask: mask_hash(&pruned.mask),
    }
}

/// Names of the task's closed sets as serde writes them.
mod erased {
    pub trait Name {
        fn name(&self) -> String;
    }

    impl<T: serde::Serialize> Name for T {
        fn name(&self) -> String {
            match serde_json::to_value(self) {
                Ok(serde_json::Value::String(name)) => name,
                _ => String::new(),
            }
        }
    }
}

/// Stores answers as they come, and stops the cell when Ctrl-C came.
struct Sink<'a> {
    writer: Option<secateur_results::answers::AnswersWriter>,
    error: Option<secateur_results::error::Error>,
    progress: &'a mut Progress,
}

impl Observer for Sink<'_> {
    fn progressed(&mut self, items: f64, of: usize) {
        self.progress.share(items / of.max(1) as f64);
    }

    fn answered(&mut self, answer: &Answer) -> io::Result<()> {
        if INTERRUPTED.load(Ordering::Relaxed) {
            return Err(io::Error::from(io::ErrorKind::Interrupted));
        }
        if let Some(writer) = &mut self.writer
            && let Err(error) = writer.append(answer)
        {
            self.error = Some(error);
            return Err(io::Error::other("the answers could not be stored"));
        }
        Ok(())
    }
}

fn read_answers(path: &Path) -> anyhow::Result<Vec<Answer>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let parse = |(line, text): (usize, &str)| {
        serde_json::from_str(text).with_context(|| format!("{}, line {}: not an answer", path.display(), line + 1))
    };
    text.lines().enumerate().map(parse).collect()
}

/// Peak resident memory of this process, bytes; 0 where the system does not tell.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok())
        .map_or(0, |kib| kib * 1024)
}

fn write_manifest(
    store: &Store,
    sweep: &Sweep,
    options: &RunOptions,
    subjects: &[Subject],
    tasks: &[LoadedTask],
    device: &Device,
    started: Instant,
) -> anyhow::Result<()> {
    let models: BTreeMap<&str, Value> = subjects
        .iter()
        .map(|s| {
            let value = json!({
                "family": s.family, "weights_sha256": s.hash.weights, "tokenizer_sha256": s.hash.tokenizer,
                "weight_bytes": s.weight_bytes, "warnings": s.warnings,
            });
            (s.name.as_str(), value)
        })
        .collect();
    let tasks: BTreeMap<&str, Value> = tasks
        .iter()
        .map(|t| {
            let value = json!({ "version": t.spec.version, "items": t.data.items.len(), "sha256": t.data.content_sha256, "notes": t.data.notes });
            (t.spec.name.as_str(), value)
        })
        .collect();
    let manifest = BTreeMap::from([
        ("command".to_owned(), json!(options.command)),
        ("about".to_owned(), json!(sweep.about)),
        (
            "program".to_owned(),
            json!(format!("secateur {}", env!("CARGO_PKG_VERSION"))),
        ),
        (
            "device".to_owned(),
            json!(format!("{} ({})", device.kind(), device.description())),
        ),
        ("precision".to_owned(), json!(device.precision().name())),
        ("seconds_of_the_last_run".to_owned(), json!(started.elapsed().as_secs())),
        ("models".to_owned(), json!(models)),
        ("tasks".to_owned(), json!(tasks)),
    ]);
    Ok(store.write_manifest(&manifest)?)
}
