//! The loop: models, masks, tasks. Weights stay hot, the unpruned model comes first, gentle prunings before harsh ones.

use std::collections::{BTreeMap, BTreeSet};

use secateur_evaluation::local::LocalEngine;
use secateur_pruning::plan::Plan;
use secateur_pruning::ranking::{Ranking, rank};
use secateur_pruning::statistics::Statistics;
use secateur_results::key::RecordKey;
use secateur_results::ranking_file::{RankedLayer, RankingFile};
use secateur_results::record::{Cost, Record};
use secateur_results::store::{Answers, Found};

use super::calibrate::{Collected, collect};
use super::cell::{Pruned, Question, Setting, interrupted};
use super::grid::RankingCell;
use super::keys::evaluation_key;
use super::progress::Progress;
use super::run::Ending;
use super::scorers::Scorers;
use super::subject::Subject;
use super::tasks::LoadedTask;

/// A run through the cells of a sweep.
pub struct Cells<'a> {
    setting: Setting<'a>,
    tasks: &'a [LoadedTask],
    scorers: Scorers,
    progress: Progress,
    ending: Ending,
    /// Evaluation key → record that has the answers.
    evaluated: BTreeMap<String, RecordKey>,
    /// Keys that belong to this sweep as it stands.
    keys: BTreeSet<String>,
}

impl<'a> Cells<'a> {
    /// Reads what earlier runs left.
    ///
    /// # Errors
    /// If the results directory cannot be read.
    pub fn new(
        setting: Setting<'a>,
        tasks: &'a [LoadedTask],
        scorers: Scorers,
        progress: Progress,
    ) -> anyhow::Result<Self> {
        let (records, messages) = setting.store.read_all()?;
        for message in messages {
            progress.note(&format!("warning: {message}"));
        }
        let answered = records.into_iter().filter_map(|stored| {
            let key = RecordKey::parse(&stored.record.key).filter(|_| stored.answers.is_some())?;
            Some((evaluation_key(&stored.record.inputs), key))
        });
        Ok(Self {
            setting,
            tasks,
            scorers,
            progress,
            ending: Ending::default(),
            evaluated: answered.collect(),
            keys: BTreeSet::new(),
        })
    }

    /// Evaluates every cell of every model that has no record. Returns how it ended, and the keys of this sweep's records.
    ///
    /// # Errors
    /// If a model cannot be loaded or calibrated, or the results cannot be written; cells that fail are counted instead.
    pub fn run(mut self, subjects: &[Subject], rankings: &[RankingCell]) -> anyhow::Result<(Ending, BTreeSet<String>)> {
        for subject in subjects {
            self.model(subject, rankings)?;
            if self.ending.interrupted {
                break;
            }
        }
        self.progress.close();
        Ok((self.ending, self.keys))
    }

    fn model(&mut self, subject: &Subject, rankings: &[RankingCell]) -> anyhow::Result<()> {
        let device = self.setting.device;
        self.progress.note(&format!(
            "{}: {} on {}",
            subject.name,
            subject.family,
            device.description()
        ));
        for warning in &subject.warnings {
            self.progress.note(&format!("warning: {warning}"));
        }
        let mut engine = subject.load(device)?;
        let Some(collected) = collect(&self.setting, subject, &mut engine, rankings, &mut self.progress)? else {
            self.ending.interrupted = true;
            return Ok(());
        };
        let ranked = rankings
            .iter()
            .map(|cell| Ok((cell, self.rank(subject, cell, &collected)?)))
            .collect::<anyhow::Result<Vec<_>>>()?;
        self.mask(subject, &mut engine, &Pruned::nothing(subject))?;
        let shapes = subject.shapes();
        // By fraction first: a sweep that is stopped has the gentle prunings of every method.
        for &fraction in &self.setting.sweep.ratios {
            for (cell, ranking) in &ranked {
                if self.ending.interrupted {
                    return Ok(());
                }
                let plan = Plan::new(ranking, &shapes, fraction, &BTreeMap::default())?;
                let pruned = Pruned::by(cell, fraction, plan.mask(), plan.experts_kept());
                self.mask(subject, &mut engine, &pruned)?;
            }
        }
        Ok(())
    }

    fn rank(&self, subject: &Subject, cell: &RankingCell, collected: &Collected) -> anyhow::Result<Ranking> {
        let domains: Vec<&Statistics> = if cell.calibration.is_empty() {
            collected.values().take(1).collect()
        } else {
            let of = |corpus: &String| collected.get(&(corpus.clone(), cell.seed));
            cell.calibration.iter().filter_map(of).collect()
        };
        let variant = cell.variant;
        let ranking = rank(variant.method, variant.profile, cell.seed, &subject.shapes(), &domains)?;
        let several = self.setting.sweep.calibrate_on.len() > 1 && !cell.calibration.is_empty();
        let method = variant.method.name();
        let layers = ranking.layers.iter().map(|layer| RankedLayer {
            layer: layer.layer,
            experts: layer.experts.iter().map(|id| id.0).collect(),
            scores: layer.scores.clone(),
        });
        let file = RankingFile {
            model: subject.name.clone(),
            method: if several {
                format!("{method} ({})", cell.calibration_name())
            } else {
                method.to_owned()
            },
            profile: variant.profile.name().to_owned(),
            seed: cell.seed,
            calibration: cell.calibration_name(),
            layers: layers.collect(),
        };
        file.write(self.setting.store.directory())?;
        Ok(ranking)
    }

    /// All tasks of one mask.
    fn mask(&mut self, subject: &Subject, engine: &mut LocalEngine, pruned: &Pruned<'_>) -> anyhow::Result<()> {
        engine.model_mut().set_mask(Some(&pruned.mask))?;
        for task in self.tasks {
            let question = Question { subject, task, pruned };
            let what = question.cell().to_string();
            self.progress.begin(&what);
            let result = if interrupted() {
                Ok(())
            } else {
                self.cell(engine, question)
            };
            if interrupted() {
                self.ending.interrupted = true;
                return Ok(());
            }
            match result {
                Ok(()) => {}
                // Trouble with the disk would meet every cell that follows.
                Err(error) if error.downcast_ref::<secateur_results::error::Error>().is_some() => return Err(error),
                Err(error) => {
                    let message = format!("{what}: {}", crate::message(&error));
                    self.progress.note(&format!("error: {message}"));
                    self.ending.failed.push(message);
                }
            }
            self.progress.finish(&what);
        }
        Ok(())
    }

    /// Finds the cell's record, shares an equal mask's, or evaluates.
    fn cell(&mut self, engine: &mut LocalEngine, question: Question<'_>) -> anyhow::Result<()> {
        let store = self.setting.store;
        let inputs = question.inputs(&self.setting);
        let key = RecordKey::from_inputs(&inputs);
        self.keys.insert(key.as_str().to_owned());
        match store.get(&key)? {
            Found::Present(_) => {
                self.ending.found += 1;
                return Ok(());
            }
            Found::Missing => {}
            Found::SetAside { message } => self.progress.note(&format!("warning: {message}; evaluating again")),
        }
        let shared = evaluation_key(&inputs);
        if let Some(source) = self.evaluated.get(&shared).cloned()
            && let Found::Present(stored) = store.get(&source)?
        {
            let record = Record {
                key: key.as_str().to_owned(),
                inputs,
                cell: question.cell(),
                cost: Cost::default(),
                ..stored.record
            };
            store.publish(&record, Answers::Of(source))?;
            self.ending.shared += 1;
            return Ok(());
        }
        question.evaluate(&self.setting, engine, &mut self.scorers, &key, &mut self.progress)?;
        self.evaluated.insert(shared, key);
        self.ending.evaluated += 1;
        Ok(())
    }
}
