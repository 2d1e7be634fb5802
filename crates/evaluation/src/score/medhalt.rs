//! Med-HALT, fake questions (<https://arxiv.org/abs/2307.15343>): right is to refuse.
//!
//! Two forms are reported. The strict one reads the field `cop` of the reply and asks whether it abstains. The paper form, of the reference
//! experiment (arXiv:2607.01444), asks whether `cop` holds one of 14 strings, among them `all of the above` and `fiction`.
//! The official score gives 1 for a refusal and −0.25 for anything else, here by the strict form and as a mean over items.

use secateur_datasets::item::{Body, Item};
use secateur_datasets::python::value::PyValue;
use secateur_datasets::reference_experiment::medhalt;
use secateur_metrics::value::{Aspect, Definition, Direction};
use secateur_metrics::{abstention, degeneration};

use super::{Mismatch, Scorer, from_bool, mismatch};
use crate::answer::{Answer, Flag, Output};
use crate::summary::Metric;

const fn reliability(name: &'static str, unit: &'static str) -> Definition {
    Definition::new(name, unit, Direction::HigherIsBetter, Aspect::Reliability)
}

const REFUSAL_RATE: Definition = reliability("refusal_rate", "fraction");
const REFUSAL_RATE_PAPER: Definition = reliability("refusal_rate_paper", "fraction");
const MEDHALT_SCORE: Definition = reliability("medhalt_score", "points_per_item");

/// Scores of the fake-question test.
pub(super) struct MedHaltFake;

impl Scorer for MedHaltFake {
    fn score(&self, item: &Item, answer: &mut Answer) -> Result<(), Mismatch> {
        let (Body::Generate(_), Output::Text(output)) = (&item.body, &mut answer.output) else {
            return Err(mismatch(item, "a question to be answered in words"));
        };
        let fields = medhalt::parse_output(&output.text);
        let cop = medhalt::field(&fields, "cop").map(String::from);
        let refused = cop.as_deref().is_some_and(abstention::is_abstention);
        let refused_paper = medhalt::is_correct("fake", &PyValue::None, &fields).map_err(|error| Mismatch {
            found: error.to_string(),
            expected: "a reply to a fake question".into(),
        })?;
        let parsed = cop.is_some();
        output.parsed = cop;
        if refused {
            answer.flags.insert(Flag::Abstained);
        }
        if !parsed {
            answer.flags.insert(Flag::Unparsable);
        }
        let points = if refused { 1.0 } else { -0.25 };
        answer.scores.extend([
            ("refused".to_string(), from_bool(refused)),
            ("refused_paper".to_string(), from_bool(refused_paper)),
            ("medhalt_score".to_string(), points),
            ("unparsable".to_string(), from_bool(!parsed)),
        ]);
        super::flag_text(answer);
        Ok(())
    }

    fn metrics(&self, _: &[Answer]) -> Vec<Metric> {
        let mut metrics = vec![
            Metric::proportion(REFUSAL_RATE, "refused"),
            Metric::proportion(REFUSAL_RATE_PAPER, "refused_paper"),
            Metric::mean(MEDHALT_SCORE, "medhalt_score"),
            Metric::proportion(degeneration::UNPARSABLE_RATE, "unparsable"),
        ];
        metrics.extend(super::text_metrics());
        metrics
    }
}
