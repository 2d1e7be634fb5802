//! The judges of `[[judges]]` by the absolute protocol: each says of each answer whether it contradicts its source.

use std::rc::Rc;

use secateur_datasets::item::Item;
use secateur_datasets::tasks::spec::TaskSpec;
use secateur_evaluation::answer::Answer;
use secateur_evaluation::engine::{Engine, EngineError};
use secateur_evaluation::judging::{AnswerScorer, have_source, proportion, score_name, text_and_source};
use secateur_evaluation::summary::{Estimate, Metric};
use secateur_judges::llm::record::Summary;
use secateur_judges::llm::{Client, Watch, absolute};
use secateur_judges::scorer::Pair;
use secateur_metrics::judged::CONTRADICTION_RATE;
use secateur_metrics::krippendorff::{KRIPPENDORFF_ALPHA, Scale, krippendorff_alpha};
use secateur_metrics::value::{Definition, interned};

use super::{Judging, meant_for};
use crate::interrupt::interrupted;

/// All judges of a sweep, asked one text at a time.
pub(super) struct Absolute {
    clients: Rc<Vec<Client>>,
    tasks: Vec<String>,
    /// Per judge, what was asked since the last remarks.
    runs: Vec<Summary>,
    messages: Vec<String>,
}

impl Absolute {
    pub(super) fn new(clients: Rc<Vec<Client>>, judging: &Judging) -> Self {
        Self {
            runs: vec![Summary::default(); clients.len()],
            clients,
            tasks: judging.tasks.clone(),
            messages: Vec::new(),
        }
    }
}

/// Name of a judge's score and metric.
fn figure(client: &Client) -> String {
    format!("{}_contradiction_rate", client.endpoint().name)
}

/// What a judge is, in a record.
pub(super) fn identity(client: &Client, protocol: &str, version: u32) -> String {
    format!("{protocol} {version} {}", client.identity())
}

impl AnswerScorer for Absolute {
    fn name(&self) -> &'static str {
        "judges_absolute"
    }

    fn identity(&self) -> String {
        let (name, version) = (absolute::PROTOCOL.name, absolute::PROTOCOL.version);
        let all: Vec<String> = self
            .clients
            .iter()
            .map(|client| identity(client, name, version))
            .collect();
        all.join("; ")
    }

    fn metrics(&self) -> Vec<Metric> {
        let (name, version) = (absolute::PROTOCOL.name, absolute::PROTOCOL.version);
        let rate = |client: &Client| proportion(CONTRADICTION_RATE, &figure(client), &identity(client, name, version));
        let mut metrics: Vec<Metric> = self.clients.iter().map(rate).collect();
        if self.clients.len() > 1 {
            let needs = self.clients.iter().map(|client| score_name(&figure(client)));
            let alpha = |rows: &[&[f64]]| {
                let units: Vec<Vec<Option<f64>>> =
                    rows.iter().map(|row| row.iter().copied().map(Some).collect()).collect();
                krippendorff_alpha(&units, Scale::Nominal).ok()
            };
            let definition = Definition {
                name: "judges_alpha",
                ..KRIPPENDORFF_ALPHA
            };
            metrics.push(Metric {
                definition: definition.by(interned(&self.identity())),
                estimate: Estimate::whole(needs.collect(), alpha),
            });
        }
        metrics
    }

    fn suits(&self, task: &TaskSpec, items: &[Item]) -> bool {
        meant_for(&self.tasks, &task.name) && have_source(items)
    }

    fn score(&mut self, _: &mut dyn Engine, items: &[Item], answers: &mut [Answer]) -> Result<(), EngineError> {
        let mut indices = Vec::new();
        let mut pairs = Vec::new();
        for (index, (item, answer)) in items.iter().zip(answers.iter()).enumerate() {
            if let Some((text, source)) = text_and_source(item, answer) {
                indices.push(index);
                pairs.push(Pair { source, text });
            }
        }
        let mut said: Vec<(String, Vec<Option<f64>>)> = Vec::new();
        for (client, total) in self.clients.iter().zip(&mut self.runs) {
            let mut watch = Watch {
                should_stop: &interrupted,
                progress: &mut |_| {},
            };
            let run = absolute::judge(client, &pairs, &mut watch).map_err(|error| EngineError(error.to_string()))?;
            complete(client, &run.summary, &run.messages)?;
            *total = total.and(&run.summary);
            self.messages.extend(run.messages);
            let verdicts = run
                .verdicts
                .iter()
                .map(|verdict| verdict.as_ref().ok().map(|v| v.value.score()));
            said.push((figure(client), verdicts.collect()));
        }
        for (name, verdicts) in said {
            for (&index, verdict) in indices.iter().zip(verdicts) {
                if let Some(score) = verdict {
                    answers[index].scores.insert(score_name(&name).to_owned(), score);
                }
            }
        }
        Ok(())
    }

    fn recall(&mut self, engine: &mut dyn Engine, items: &[Item], answers: &[Answer]) -> Result<(), EngineError> {
        // Kept replies are counted once more, and no endpoint is asked.
        self.score(engine, items, &mut answers.to_vec())
    }

    fn remarks(&mut self) -> Vec<String> {
        let mut remarks = std::mem::take(&mut self.messages);
        for (client, total) in self.clients.iter().zip(&mut self.runs) {
            remarks.extend(remark(client, &std::mem::take(total)));
        }
        remarks
    }
}

/// A cell whose judge was not reached has no record: it is asked again when the sweep goes on, and kept replies are not paid twice.
///
/// # Errors
/// If a question was not asked or not answered.
pub(super) fn complete(client: &Client, summary: &Summary, messages: &[String]) -> Result<(), EngineError> {
    if summary.is_complete() {
        return Ok(());
    }
    let why = messages.last().map_or("", String::as_str);
    Err(EngineError(format!(
        "judge `{}`: {} questions were not answered and {} not asked; {} answers are kept, run the sweep again to go on. {why}",
        client.endpoint().name,
        summary.failed,
        summary.not_asked,
        summary.asked + summary.cached,
    )))
}

/// What the reader must know of a judge's replies; nothing where each held a verdict.
pub(super) fn remark(client: &Client, summary: &Summary) -> Option<String> {
    (summary.unparsable > 0).then(|| {
        format!(
            "judge `{}`: {} of {} replies hold no verdict and enter no figure",
            client.endpoint().name,
            summary.unparsable,
            summary.items - summary.empty,
        )
    })
}
