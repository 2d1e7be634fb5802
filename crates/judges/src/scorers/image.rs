//! Every part of a source against every part of a text: what `SummaC` and `AlignScore` reduce to one number.

use super::nli::{Nli, Relation};
use super::progress::Share;
use crate::error::JudgeError;

/// Source parts and text parts of one pair.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Split {
    pub(super) source: Vec<String>,
    pub(super) text: Vec<String>,
}

/// Relations of one pair, one column per part of the text.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Image {
    /// `[text parts][source parts]`.
    pub columns: Vec<Vec<Relation>>,
}

impl Image {
    /// The largest of `value` over the source's parts, for every part of the text.
    pub(super) fn best(&self, value: impl Fn(&Relation) -> f64) -> Vec<f64> {
        let column = |column: &Vec<Relation>| column.iter().map(&value).fold(f64::NEG_INFINITY, f64::max);
        self.columns.iter().map(column).collect()
    }
}

/// The images of all pairs; `None` where one side has no part. `progress` counts pairs.
pub(super) fn images(
    nli: &mut Nli,
    splits: &[Split],
    progress: &mut dyn FnMut(usize),
) -> Result<Vec<Option<Image>>, JudgeError> {
    let mut cells: Vec<(&str, &str)> = Vec::new();
    for split in splits {
        for text in &split.text {
            cells.extend(split.source.iter().map(|source| (source.as_str(), text.as_str())));
        }
    }
    let distinct: std::collections::BTreeSet<&(&str, &str)> = cells.iter().collect();
    let mut share = Share::new(splits.len(), distinct.len(), progress);
    let relations = nli.relations(&cells, &mut |finished| share.inputs(finished))?;
    share.finish();
    let mut rest = relations.as_slice();
    let image = |split: &Split| {
        let (own, after) = rest.split_at(split.source.len() * split.text.len());
        rest = after;
        let columns: Vec<Vec<Relation>> = own
            .chunks(split.source.len().max(1))
            .map(<[Relation]>::to_vec)
            .collect();
        (!columns.is_empty()).then_some(Image { columns })
    };
    Ok(splits.iter().map(image).collect())
}

/// A column of entailment probabilities, for tests.
#[cfg(test)]
pub(super) fn column(entailment: &[f64], contradiction: &[f64]) -> Vec<Relation> {
    let relation = |(&entailment, &contradiction): (&f64, &f64)| Relation {
        entailment,
        neutral: 1.0 - entailment - contradiction,
        contradiction,
    };
    entailment.iter().zip(contradiction).map(relation).collect()
}

pub(super) fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_part_of_the_source_counts() {
        let image = Image {
            columns: vec![column(&[0.1, 0.7], &[0.5, 0.2]), column(&[0.3, 0.2], &[0.0, 0.8])],
        };
        assert_eq!(image.best(|relation| relation.entailment), [0.7, 0.3]);
        assert_eq!(image.best(|relation| relation.contradiction), [0.5, 0.8]);
        assert_eq!(mean(&[]), None);
    }
}
