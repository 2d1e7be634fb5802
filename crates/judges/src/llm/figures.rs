//! From verdicts to figures: rates with intervals, position bias, agreement between judges.
//!
//! Items without a verdict enter no figure; [`super::Summary`] counts them.

use secateur_datasets::reference_experiment::pairwise::QUESTIONS;
use secateur_metrics::error::MetricError;
use secateur_metrics::judged::{Named, WinRate, win_rate};
use secateur_metrics::krippendorff::{Alpha, Scale, krippendorff};
use secateur_metrics::position_bias::{FirstShare, Flips, first_share, flips};
use secateur_metrics::statistics::{Bootstrap, CONFIDENCE, wilson};

use super::absolute::Agreement;
use super::record::{Unjudged, Verdict};
use super::relative::{Choices, RelativeRun};

type Outcomes<V> = [Result<Verdict<V>, Unjudged>];

/// How many texts contradict their source.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ContradictionRate {
    /// Texts with a verdict.
    pub n: usize,
    /// Texts that contradict their source.
    pub contradictions: usize,
    /// Their share.
    pub rate: f64,
    /// 95 %, Wilson's.
    pub interval: (f64, f64),
}

/// The share of texts that contradict their source.
///
/// # Errors
/// If no text has a verdict.
pub fn contradiction_rate(outcomes: &Outcomes<Agreement>) -> Result<ContradictionRate, MetricError> {
    let said: Vec<Agreement> = outcomes.iter().flatten().map(|verdict| verdict.value).collect();
    let contradictions = said.iter().filter(|&&value| value == Agreement::Contradicts).count();
    Ok(ContradictionRate {
        n: said.len(),
        contradictions,
        interval: wilson(contradictions, said.len(), CONFIDENCE)?,
        rate: contradictions as f64 / said.len() as f64,
    })
}

/// What a judge says to one of the four questions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QuestionFigures {
    /// Its key.
    pub question: &'static str,
    /// How often the pruned model's text is named, in the drawn order.
    pub win_rate: WinRate,
    /// The same over both orders: a verdict that changes is a tie. Pairs with a verdict in both orders alone.
    pub consistent: Option<WinRate>,
    /// How often the text shown first is named, in all orders that were asked.
    pub first_share: FirstShare,
    /// What changes with the order.
    pub flips: Option<Flips>,
}

/// Figures of the four questions.
///
/// # Errors
/// If no pair has a verdict in the drawn order.
pub fn questions(run: &RelativeRun) -> Result<Vec<QuestionFigures>, MetricError> {
    let drawn: Vec<Choices> = run.drawn.iter().flatten().map(|verdict| verdict.value).collect();
    let swapped: Vec<Choices> = run.swapped.iter().flatten().map(|verdict| verdict.value).collect();
    let both = in_both_orders(run);
    let of = |(index, question)| {
        let named: Vec<Named> = drawn.iter().map(|choices| choices.named(index)).collect();
        let positions: Vec<_> = drawn
            .iter()
            .chain(&swapped)
            .map(|choices| choices.position(index))
            .collect();
        let steady: Vec<Named> = both.iter().map(|pair| consistent(pair, index)).collect();
        let pairs: Vec<_> = both
            .iter()
            .map(|(a, b)| (a.position(index), b.position(index)))
            .collect();
        Ok(QuestionFigures {
            question,
            win_rate: win_rate(&named)?,
            consistent: win_rate(&steady).ok(),
            first_share: first_share(&positions)?,
            flips: flips(&pairs).ok(),
        })
    };
    QUESTIONS.into_iter().enumerate().map(of).collect()
}

/// Whose text is named in both orders; a tie where that changes.
#[must_use]
pub fn consistent((drawn, swapped): &(Choices, Choices), index: usize) -> Named {
    let named = drawn.named(index);
    if swapped.named(index) == named {
        named
    } else {
        Named::Tie
    }
}

/// The pairs with a verdict in both orders.
#[must_use]
pub fn in_both_orders(run: &RelativeRun) -> Vec<(Choices, Choices)> {
    let verdicts = run.drawn.iter().zip(&run.swapped);
    verdicts
        .filter_map(|(a, b)| Some((a.as_ref().ok()?.value, b.as_ref().ok()?.value)))
        .collect()
}

/// Agreement of judges on whether texts contradict their sources; one list per judge, all of the same items.
///
/// # Errors
/// If the lists differ in length, no item has two verdicts, or all verdicts are equal.
pub fn agreement_on_texts(judges: &[&Outcomes<Agreement>]) -> Result<Alpha, MetricError> {
    agreement(judges, |value| value.score())
}

/// Agreement of judges on whose text is to be named in answer to one question, in the drawn order.
///
/// # Errors
/// As [`agreement_on_texts`].
pub fn agreement_on_pairs(judges: &[&Outcomes<Choices>], question: usize) -> Result<Alpha, MetricError> {
    agreement(judges, |value| value.named(question).score())
}

fn agreement<V>(judges: &[&Outcomes<V>], label: impl Fn(&V) -> f64) -> Result<Alpha, MetricError> {
    let items = judges.first().map_or(0, |first| first.len());
    if let Some(other) = judges.iter().find(|other| other.len() != items) {
        return Err(MetricError::Length {
            metric: "krippendorff_alpha",
            what: "verdicts of a judge",
            found: other.len(),
            expected: items,
        });
    }
    let of = |item: usize| {
        let labels = judges
            .iter()
            .map(|outcomes| outcomes[item].as_ref().ok().map(|verdict| label(&verdict.value)));
        labels.collect()
    };
    let units: Vec<Vec<Option<f64>>> = (0..items).map(of).collect();
    krippendorff(&units, Scale::Nominal, &Bootstrap::default())
}
