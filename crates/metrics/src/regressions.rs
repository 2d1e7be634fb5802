//! What pruning changed item by item: right answers that are wrong now, supported ones that are not, refusals that came or went.
//!
//! An item is in a good or a bad state before and after, in each of several respects. Of the items that were good, the share that
//! are bad now is the rate of a loss; of those that were bad, the share that are good now is that of a gain. A net difference hides
//! both: two models with equal accuracy can be right on different items.
//!
//! One item can change in several respects, so counts of different kinds do not add up. The interval is Wilson's, over items at risk,
//! or that of [`wilson_clustered`] where items share documents.

use serde::{Deserialize, Serialize};

use crate::error::{Result, same_length};
use crate::statistics::{Bootstrap, CONFIDENCE, Clusters, resample_mean, wilson, wilson_clustered};

/// Ids that a [`Regression`] keeps: enough to look at, in the task's order.
pub const ITEMS_KEPT: usize = 5;

/// A change of one item. Losses and the gains that undo them stand in pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Right, then wrong, by the task's first yes-or-no metric.
    RightToWrong,
    /// Wrong, then right.
    WrongToRight,
    /// Everything it says is supported, then something is not.
    SupportedToUnsupported,
    /// Something is unsupported, then nothing.
    UnsupportedToSupported,
    /// Right or silent, then something wrong is said.
    SoundToHallucinated,
    /// Something wrong is said, then it is right or silent.
    HallucinatedToSound,
    /// A question that has an answer is answered, then refused.
    AnsweredToAbstained,
    /// A question that has an answer is refused, then answered.
    AbstainedToAnswered,
    /// A question without an answer is refused, then an answer is invented.
    AbstainedToInvented,
    /// An answer is invented to a question without one, then it is refused.
    InventedToAbstained,
    /// Something is said, then nothing.
    AnsweredToEmpty,
    /// Nothing is said, then something.
    EmptyToAnswered,
    /// It begins to repeat itself.
    AnsweredToLooping,
    /// It no longer repeats itself.
    LoopingToAnswered,
    /// It ends by itself, then at the limit of new tokens.
    AnsweredToTruncated,
    /// It ends at the limit of new tokens, then by itself.
    TruncatedToAnswered,
    /// An answer of the asked form is found, then none.
    AnsweredToUnparsable,
    /// No answer of the asked form is found, then one.
    UnparsableToAnswered,
}

impl Kind {
    /// All kinds with their names in records and their words in reports: a loss, then the gain that undoes it.
    pub const ALL: [(Self, &'static str, &'static str); 18] = [
        (Self::RightToWrong, "right_to_wrong", "right → wrong"),
        (Self::WrongToRight, "wrong_to_right", "wrong → right"),
        (
            Self::SupportedToUnsupported,
            "supported_to_unsupported",
            "supported → unsupported",
        ),
        (
            Self::UnsupportedToSupported,
            "unsupported_to_supported",
            "unsupported → supported",
        ),
        (
            Self::SoundToHallucinated,
            "sound_to_hallucinated",
            "sound → hallucinated",
        ),
        (
            Self::HallucinatedToSound,
            "hallucinated_to_sound",
            "hallucinated → sound",
        ),
        (Self::AnsweredToAbstained, "answered_to_abstained", "answered → refused"),
        (Self::AbstainedToAnswered, "abstained_to_answered", "refused → answered"),
        (Self::AbstainedToInvented, "abstained_to_invented", "refused → invented"),
        (Self::InventedToAbstained, "invented_to_abstained", "invented → refused"),
        (Self::AnsweredToEmpty, "answered_to_empty", "answered → empty"),
        (Self::EmptyToAnswered, "empty_to_answered", "empty → answered"),
        (Self::AnsweredToLooping, "answered_to_looping", "answered → looping"),
        (Self::LoopingToAnswered, "looping_to_answered", "looping → answered"),
        (
            Self::AnsweredToTruncated,
            "answered_to_truncated",
            "answered → truncated",
        ),
        (
            Self::TruncatedToAnswered,
            "truncated_to_answered",
            "truncated → answered",
        ),
        (
            Self::AnsweredToUnparsable,
            "answered_to_unparsable",
            "answered → unparsable",
        ),
        (
            Self::UnparsableToAnswered,
            "unparsable_to_answered",
            "unparsable → answered",
        ),
    ];

    /// Name in records and tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    /// `right → wrong`.
    #[must_use]
    pub fn words(self) -> &'static str {
        Self::ALL[self as usize].2
    }

    /// Whether it is a change for the worse.
    #[must_use]
    pub fn is_loss(self) -> bool {
        (self as usize).is_multiple_of(2)
    }

    /// The change back.
    #[must_use]
    pub fn inverse(self) -> Self {
        Self::ALL[self as usize ^ 1].0
    }
}

/// How many items changed in one way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Regression {
    /// The way.
    pub kind: Kind,
    /// The metric that says of a single item which state it is in.
    pub metric: String,
    /// What made that metric, see [`crate::value::MetricValue::scorer`].
    pub scorer: String,
    /// Items that were in the first state in the unpruned model.
    pub at_risk: usize,
    /// Those of them that are in the second state now.
    pub count: usize,
    /// 95 % interval of `count / at_risk`; (0, 1) where nothing is at risk, or all that is belongs to one document.
    pub interval: (f64, f64),
    /// Ids of the first [`ITEMS_KEPT`] of them, in the task's order.
    pub items: Vec<String>,
}

impl Regression {
    /// Share of the items at risk; `None` where there are none.
    #[must_use]
    pub fn rate(&self) -> Option<f64> {
        (self.at_risk > 0).then(|| self.count as f64 / self.at_risk as f64)
    }
}

/// All changes of one cell.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Regressions {
    /// By kind, metrics of one kind in the order of the record. A respect in which the task's answers have no state is left out.
    pub kinds: Vec<Regression>,
}

/// One respect in which items are good or bad.
#[derive(Debug, Clone, PartialEq)]
pub struct Respect<'a> {
    /// The loss; its gain is [`Kind::inverse`].
    pub loss: Kind,
    /// The metric that says so.
    pub metric: &'a str,
    /// What made it.
    pub scorer: &'a str,
    /// By item: id, whether it was good, whether it is.
    pub items: Vec<(&'a str, bool, bool)>,
}

/// The loss and the gain of one respect. `clusters` are of its items, in their order.
///
/// # Errors
/// If `clusters` has another number of items, or an option of the bootstrap is out of range.
pub fn changes(respect: &Respect<'_>, clusters: &Clusters, options: &Bootstrap) -> Result<[Regression; 2]> {
    same_length(
        "regressions",
        "items in clusters",
        clusters.items(),
        respect.items.len(),
    )?;
    let gain = respect.loss.inverse();
    Ok([
        change(respect, (respect.loss, true), clusters, options)?,
        change(respect, (gain, false), clusters, options)?,
    ])
}

fn change(
    respect: &Respect<'_>,
    (kind, from): (Kind, bool),
    clusters: &Clusters,
    options: &Bootstrap,
) -> Result<Regression> {
    let keep: Vec<bool> = respect.items.iter().map(|(_, before, _)| *before == from).collect();
    let at_risk: Vec<_> = respect.items.iter().filter(|(_, before, _)| *before == from).collect();
    let changed: Vec<bool> = at_risk.iter().map(|(_, before, after)| before != after).collect();
    let count = changed.iter().filter(|changed| **changed).count();
    let ids = at_risk.iter().zip(&changed).filter(|(_, changed)| **changed);
    Ok(Regression {
        kind,
        metric: respect.metric.to_owned(),
        scorer: respect.scorer.to_owned(),
        at_risk: at_risk.len(),
        count,
        interval: interval(&changed, count, &clusters.restricted(&keep), options)?,
        items: ids.take(ITEMS_KEPT).map(|((id, ..), _)| (*id).to_owned()).collect(),
    })
}

fn interval(changed: &[bool], count: usize, clusters: &Clusters, options: &Bootstrap) -> Result<(f64, f64)> {
    if changed.is_empty() || (clusters.occupied() < 2 && changed.len() > 1) {
        return Ok((0.0, 1.0));
    }
    if clusters.are_singletons() {
        return wilson(count, changed.len(), CONFIDENCE);
    }
    let numbers: Vec<f64> = changed.iter().map(|&changed| f64::from(u8::from(changed))).collect();
    wilson_clustered(&resample_mean(&numbers, clusters, options)?, changed.len(), CONFIDENCE)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn respect<'a>(items: &[(&'a str, bool, bool)]) -> Respect<'a> {
        Respect {
            loss: Kind::RightToWrong,
            metric: "accuracy",
            scorer: "rules",
            items: items.to_vec(),
        }
    }

    #[test]
    fn kinds_stand_where_their_number_says_and_in_pairs() {
        for (place, (kind, name, words)) in Kind::ALL.into_iter().enumerate() {
            assert_eq!((kind as usize, kind.is_loss()), (place, place % 2 == 0));
            assert_eq!(kind.inverse().inverse(), kind);
            assert_eq!(serde_json::to_value(kind).unwrap(), name);
            let (from, to) = words.split_once(" → ").unwrap();
            assert_eq!(kind.inverse().words(), format!("{to} → {from}"));
        }
    }

    #[test]
    fn losses_are_of_the_good_and_gains_of_the_bad() {
        let items = [
            ("a", true, false),
            ("b", true, true),
            ("c", false, true),
            ("d", true, false),
            ("e", true, true),
        ];
        let [loss, gain] = changes(&respect(&items), &Clusters::singletons(5), &Bootstrap::default()).unwrap();
        assert_eq!(
            (loss.at_risk, loss.count, loss.items),
            (4, 2, vec!["a".to_owned(), "d".to_owned()])
        );
        assert_eq!((gain.kind, gain.at_risk, gain.count), (Kind::WrongToRight, 1, 1));
        assert_eq!(loss.interval, wilson(2, 4, 0.95).unwrap());
    }

    #[test]
    fn nothing_at_risk_is_nothing_known() {
        let items = [("a", false, false)];
        let [loss, gain] = changes(&respect(&items), &Clusters::singletons(1), &Bootstrap::default()).unwrap();
        assert_eq!((loss.rate(), loss.interval), (None, (0.0, 1.0)));
        assert_eq!(gain.rate(), Some(0.0));
        assert!(changes(&respect(&items), &Clusters::singletons(2), &Bootstrap::default()).is_err());
    }

    #[test]
    fn documents_widen_and_few_ids_are_kept() {
        let names: Vec<String> = (0..40).map(|i| i.to_string()).collect();
        let items: Vec<_> = names
            .iter()
            .enumerate()
            .map(|(i, id)| (id.as_str(), true, i / 4 % 2 == 0))
            .collect();
        let of = |clusters: &Clusters| {
            let [loss, _] = changes(&respect(&items), clusters, &Bootstrap::default()).unwrap();
            loss
        };
        let alone = of(&Clusters::singletons(40));
        let documents: Vec<String> = (0..40).map(|i| (i / 4).to_string()).collect();
        let shared = of(&Clusters::by_name(documents.iter().map(|name| Some(name.as_str()))));
        let width = |r: &Regression| r.interval.1 - r.interval.0;
        assert!(width(&shared) > 1.5 * width(&alone));
        assert_eq!(shared.items, ["4", "5", "6", "7", "12"]);
        let one = of(&Clusters::by_name((0..40).map(|_| Some("same"))));
        assert_eq!(one.interval, (0.0, 1.0));
    }
}
