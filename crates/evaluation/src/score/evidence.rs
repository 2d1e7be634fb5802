//! `SciFact`'s label and evidence sentences, read from a line such as `SUPPORT: 2, 5`.

use secateur_datasets::item::{Body, Item};
use secateur_datasets::tasks::scifact::LABELS;
use secateur_metrics::classification::{self, Confusion};
use secateur_metrics::degeneration;
use secateur_metrics::evidence::{self, EvidenceCounts, Verdict};

use super::micro::{self, Columns};
use super::{Mismatch, Scorer, from_bool, index, mismatch};
use crate::answer::{Answer, Flag, Output};
use crate::summary::{Estimate, Metric};

const ABSTRACT_LABEL: Columns = ["abstract_label_right", "abstracts_said", "abstracts_wanted"];
const ABSTRACT_RATIONALE: Columns = ["abstract_rationale_right", "abstracts_said", "abstracts_wanted"];
const SENTENCE_SELECTION: Columns = ["sentence_selection_right", "sentences_said", "sentences_wanted"];
const SENTENCE_LABEL: Columns = ["sentence_label_right", "sentences_said", "sentences_wanted"];

/// Scores of a claim and an abstract.
pub(super) struct ClaimEvidence;

impl Scorer for ClaimEvidence {
    fn score(&self, item: &Item, answer: &mut Answer) -> Result<(), Mismatch> {
        let (Body::Generate(_), Output::Text(output)) = (&item.body, &mut answer.output) else {
            return Err(mismatch(item, "a question to be answered in words"));
        };
        let (label, rationales) = gold(item)?;
        let said = parse(&output.text);
        output.parsed = said.as_ref().map(|(label, _)| LABELS[*label].to_owned());
        let wanted = verdict(label).map(|verdict| (verdict, rationales.as_slice()));
        let given = said
            .as_ref()
            .and_then(|(label, list)| Some((verdict(*label)?, list.as_slice())));
        let counts = evidence::counts(wanted, given);
        let predicted = said.as_ref().map_or(LABELS.len(), |(label, _)| *label);
        answer.scores.extend(columns(counts));
        answer.scores.extend([
            ("accuracy".to_owned(), from_bool(predicted == label)),
            ("gold_class".to_owned(), label as f64),
            ("predicted_class".to_owned(), predicted as f64),
            ("unparsable".to_owned(), from_bool(said.is_none())),
        ]);
        if said.is_none() {
            answer.flags.insert(Flag::Unparsable);
        }
        super::flag_text(answer);
        Ok(())
    }

    fn metrics(&self, _: &[Answer]) -> Vec<Metric> {
        let macro_f1 = |rows: &[&[f64]]| {
            let column = |i: usize| rows.iter().map(|row| index(row[i])).collect::<Vec<_>>();
            let confusion = Confusion::new(&column(0), &column(1), LABELS.len() + 1).ok()?;
            let sum: f64 = (0..LABELS.len()).map(|class| confusion.class(class).f1).sum();
            Some(sum / LABELS.len() as f64)
        };
        let mut metrics = vec![
            Metric::proportion(classification::ACCURACY, "accuracy"),
            Metric {
                definition: classification::MACRO_F1,
                estimate: Estimate::whole(vec!["gold_class", "predicted_class"], macro_f1),
            },
            micro::f1(evidence::ABSTRACT_LABEL_F1, ABSTRACT_LABEL),
            micro::f1(evidence::ABSTRACT_RATIONALE_F1, ABSTRACT_RATIONALE),
            micro::f1(evidence::SENTENCE_SELECTION_F1, SENTENCE_SELECTION),
            micro::f1(evidence::SENTENCE_LABEL_F1, SENTENCE_LABEL),
            Metric::proportion(degeneration::UNPARSABLE_RATE, "unparsable"),
        ];
        metrics.extend(super::text_metrics());
        metrics
    }
}

fn columns(counts: EvidenceCounts) -> impl Iterator<Item = (String, f64)> {
    let all = [
        (ABSTRACT_LABEL, counts.abstract_label),
        (ABSTRACT_RATIONALE, counts.abstract_rationale),
        (SENTENCE_SELECTION, counts.sentence_selection),
        (SENTENCE_LABEL, counts.sentence_label),
    ];
    all.into_iter().flat_map(|(names, counts)| micro::scores(names, counts))
}

fn verdict(label: usize) -> Option<Verdict> {
    [Some(Verdict::Support), Some(Verdict::Contradict), None]
        .get(label)
        .copied()
        .flatten()
}

/// Index into [`LABELS`] and the sets of sentences.
fn gold(item: &Item) -> Result<(usize, Vec<Vec<usize>>), Mismatch> {
    let text = |name: &str| item.fields.get(name).map_or("", String::as_str);
    let label = LABELS.iter().position(|&label| label == text("label"));
    let rationales = serde_json::from_str(text("rationales")).ok();
    label.zip(rationales).ok_or_else(|| Mismatch {
        found: format!("fields {:?}", item.fields),
        expected: "a field `label` and a field `rationales`".into(),
    })
}

/// Label and sentences of the first line that is not blank: the label, then whatever numbers follow it.
fn parse(text: &str) -> Option<(usize, Vec<usize>)> {
    const NAMES: [(&str, usize); 5] = [
        ("SUPPORT", 0),
        ("CONTRADICT", 1),
        ("NOT_ENOUGH_INFO", 2),
        ("NOT ENOUGH INFO", 2),
        ("NEI", 2),
    ];
    let line = text.lines().find(|line| !line.trim().is_empty())?;
    let upper = line.trim_start_matches(|c: char| !c.is_alphanumeric()).to_uppercase();
    let upper = upper.strip_prefix("ANSWER:").unwrap_or(&upper).trim_start();
    let (name, label) = NAMES.into_iter().find(|(name, _)| upper.starts_with(name))?;
    let rest = upper[name.len()..].trim_start_matches(|c: char| c.is_ascii_uppercase());
    let digits = rest
        .split(|c: char| !c.is_ascii_digit())
        .filter(|digits| !digits.is_empty());
    let sentences: Option<Vec<usize>> = digits.map(|digits| digits.parse().ok()).collect();
    let sentences = if label == 2 { Vec::new() } else { sentences? };
    Some((label, sentences))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_label_and_numbers_are_read() {
        assert_eq!(parse("SUPPORT: 2, 5"), Some((0, vec![2, 5])));
        assert_eq!(parse("\n**Contradicts** [3]\n4"), Some((1, vec![3])));
        assert_eq!(parse("Answer: NEI"), Some((2, vec![])));
        assert_eq!(parse("NOT_ENOUGH_INFO: 1"), Some((2, vec![])));
        assert_eq!(parse("It supports the claim"), None);
        assert_eq!(parse("SUPPORT: 99999999999999999999999"), None);
        assert_eq!(parse(" "), None);
    }
}
