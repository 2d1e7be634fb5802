//! The judges of `[[judges]]` by the relative protocol: which of two answers, the pruned and the unpruned model's, hallucinates,
//! omits and repeats more, and which is better aligned with the source.

use std::rc::Rc;

use secateur_datasets::item::Item;
use secateur_datasets::tasks::spec::TaskSpec;
use secateur_evaluation::answer::{Answer, Output};
use secateur_evaluation::engine::EngineError;
use secateur_evaluation::judging::{PairScorer, have_source};
use secateur_judges::llm::figures::{QuestionFigures, questions};
use secateur_judges::llm::relative::{self, RelativeOptions, Triple};
use secateur_judges::llm::{Client, Watch};
use secateur_metrics::judged::{CONSISTENT_WIN_RATES, WIN_RATES, WinRate};
use secateur_metrics::position_bias::{FIRST_SHARE, FLIP_RATE};
use secateur_metrics::value::{Definition, MetricValue, Resamples};

use super::judges::{complete, identity, remark};
use super::{Judging, meant_for};
use crate::interrupt::interrupted;

/// All judges of a sweep, asked two texts at a time.
pub(super) struct Relative {
    clients: Rc<Vec<Client>>,
    options: RelativeOptions,
    tasks: Vec<String>,
}

impl Relative {
    pub(super) fn new(clients: Rc<Vec<Client>>, judging: &Judging) -> Self {
        Self {
            clients,
            options: RelativeOptions {
                seed: judging.order_seed,
                both_orders: judging.both_orders,
            },
            tasks: judging.tasks.clone(),
        }
    }

    fn identity_of(client: &Client) -> String {
        identity(client, relative::PROTOCOL.name, relative::PROTOCOL.version)
    }
}

impl PairScorer for Relative {
    fn name(&self) -> &'static str {
        "judges_relative"
    }

    fn identity(&self) -> String {
        let all: Vec<String> = self.clients.iter().map(Self::identity_of).collect();
        format!("{} {:?}", all.join("; "), self.options)
    }

    fn suits(&self, task: &TaskSpec, items: &[Item]) -> bool {
        meant_for(&self.tasks, &task.name) && have_source(items)
    }

    fn compare(
        &mut self,
        items: &[Item],
        pruned: &[Answer],
        unpruned: &[Answer],
    ) -> Result<(Vec<MetricValue>, Vec<String>), EngineError> {
        let triples: Vec<Triple<'_>> = items
            .iter()
            .zip(pruned.iter().zip(unpruned))
            .filter_map(|(item, (pruned, unpruned))| triple(item, pruned, unpruned))
            .collect();
        let (mut figures, mut remarks) = (Vec::new(), Vec::new());
        for client in self.clients.iter() {
            let mut watch = Watch {
                should_stop: &interrupted,
                progress: &mut |_| {},
            };
            let run = relative::judge(client, &triples, self.options, &mut watch)
                .map_err(|error| EngineError(error.to_string()))?;
            complete(client, &run.summary, &run.messages)?;
            remarks.extend(remark(client, &run.summary));
            match questions(&run) {
                Ok(found) => figures.extend(values(client, triples.len(), &found)),
                Err(error) => remarks.push(format!("judge `{}`: no win rates: {error}", client.endpoint().name)),
            }
            remarks.extend(run.messages);
        }
        Ok((figures, remarks))
    }
}

fn triple<'a>(item: &'a Item, pruned: &'a Answer, unpruned: &'a Answer) -> Option<Triple<'a>> {
    use secateur_datasets::item::Body;
    let (Body::Generate(question), Output::Text(pruned), Output::Text(unpruned)) =
        (&item.body, &pruned.output, &unpruned.output)
    else {
        return None;
    };
    Some(Triple {
        id: &item.id,
        source: question.source.as_deref()?,
        unpruned: &unpruned.text,
        pruned: &pruned.text,
    })
}

/// The figures of one judge, named `JUDGE_more_hallucination` and so on; `asked` pairs were shown.
fn values(client: &Client, asked: usize, found: &[QuestionFigures]) -> Vec<MetricValue> {
    let scorer = Relative::identity_of(client);
    let value = |definition: &Definition, suffix: &str, (value, n, interval): (f64, usize, (f64, f64))| {
        let figure = definition
            .name
            .trim_start_matches("judged_")
            .trim_start_matches("judge_");
        MetricValue {
            name: format!("{}_{figure}{suffix}", client.endpoint().name),
            unit: definition.unit.to_owned(),
            direction: definition.direction,
            aspect: definition.aspect,
            value,
            n,
            items: asked,
            clusters: n,
            interval,
            scorer: scorer.clone(),
            interval_method: "wilson".to_owned(),
            resamples: Resamples::default(),
            paired: None,
        }
    };
    let rate = |rate: &WinRate| (rate.rate, rate.pruned + rate.unpruned + rate.ties, rate.interval);
    let mut values = Vec::new();
    for (index, figures) in found.iter().enumerate() {
        values.push(value(&WIN_RATES[index], "", rate(&figures.win_rate)));
        if let Some(consistent) = &figures.consistent {
            values.push(value(&CONSISTENT_WIN_RATES[index], "", rate(consistent)));
        }
        let question = format!("_q{}", index + 1);
        let first = &figures.first_share;
        values.push(value(&FIRST_SHARE, &question, (first.share, first.n, first.interval)));
        if let Some(flips) = &figures.flips {
            values.push(value(&FLIP_RATE, &question, (flips.rate, flips.n, flips.interval)));
        }
    }
    values
}
