//! A tag per word: spans strictly, and the paper's comparison tag by tag.

use secateur_metrics::counts::Counts;
use secateur_metrics::reference_experiment::labels;
use secateur_metrics::value::Definition;

use super::{LISTED, counts_of, utility};
use crate::answer::Scores;
use crate::score::{Mismatch, from_bool, index, micro};
use crate::summary::{Estimate, Metric};

const TAG_MACRO_F1_PAPER: Definition = utility("tag_macro_f1_paper");
/// Per tag of [`TAGS`]: right, said, wanted.
const TAG_COUNTS: [&str; 9] = [
    "tag_b_right",
    "tag_b_said",
    "tag_b_wanted",
    "tag_i_right",
    "tag_i_said",
    "tag_i_wanted",
    "tag_o_right",
    "tag_o_said",
    "tag_o_wanted",
];
const TAGS: [&str; 3] = ["[B]", "[I]", "[O]"];

/// Counts of spans and of tags of one item.
pub(super) fn scores(text: &str, reference: &str) -> Result<Scores, Mismatch> {
    let (said, wanted) = (labels::tags(text), labels::tags(reference));
    if wanted.is_empty() {
        return Err(Mismatch {
            found: format!("the reference {reference:?}"),
            expected: "tags [B], [I] and [O]".into(),
        });
    }
    let mut scores = micro::scores(LISTED, counts_of(&spans(&said), &spans(&wanted)));
    let aligned: Vec<&str> = said
        .iter()
        .copied()
        .chain(std::iter::repeat(""))
        .take(wanted.len())
        .collect();
    for (tag, names) in TAGS.iter().zip(TAG_COUNTS.chunks_exact(3)) {
        let of = |tags: &[&str]| tags.iter().filter(|other| *other == tag).count();
        let both = aligned
            .iter()
            .zip(&wanted)
            .filter(|(said, wanted)| said == wanted && *wanted == tag)
            .count();
        for (name, count) in names.iter().zip([both, of(&aligned), of(&wanted)]) {
            scores.insert((*name).to_owned(), count as f64);
        }
    }
    scores.insert("unparsable".into(), from_bool(said.is_empty()));
    Ok(scores)
}

/// First and last word of every entity: `[B]` begins one, and so does `[I]` after anything that is none.
fn spans(tags: &[&str]) -> Vec<(usize, usize)> {
    let mut spans: Vec<(usize, usize)> = Vec::new();
    let mut open = false;
    for (at, tag) in tags.iter().enumerate() {
        match *tag {
            "[O]" => open = false,
            "[I]" if open => {
                if let Some(last) = spans.last_mut() {
                    last.1 = at;
                }
            }
            _ => {
                spans.push((at, at));
                open = true;
            }
        }
    }
    spans
}

/// Mean F1 of the tags that the references have, tag by tag over all items.
pub(super) fn macro_f1() -> Metric {
    let value = |rows: &[&[f64]]| {
        let sum = |column: usize| rows.iter().map(|row| index(row[column])).sum::<usize>();
        let counts = (0..TAGS.len()).map(|tag| Counts {
            right: sum(3 * tag),
            said: sum(3 * tag + 1),
            wanted: sum(3 * tag + 2),
        });
        let present: Vec<f64> = counts
            .filter(|count| count.wanted > 0)
            .map(|count| count.scores().f1)
            .collect();
        (!present.is_empty()).then(|| present.iter().sum::<f64>() / present.len() as f64)
    };
    Metric {
        definition: TAG_MACRO_F1_PAPER,
        estimate: Estimate::whole(TAG_COUNTS.to_vec(), value),
    }
}
