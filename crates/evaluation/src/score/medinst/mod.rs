//! `MedINST32`: every kind of answer by a strict score and by that of the reference experiment (`…_paper`, arXiv:2607.01444).
//!
//! Where the paper's score departs from what it means to measure, the strict one does not:
//! - entities and label lists: the paper averages F1 over items and gives 0 where rightly nothing is listed; strictly, counts are
//!   summed over items first, and labels are a set;
//! - exact answers and labels: the paper deletes the words *a*, *an* and *the*, so that the answer `A` equals silence;
//! - tags: the paper compares tag by tag, padded or cut to the reference's length; strictly, spans of tags must be met;
//! - similarity: the paper reads whole numbers only (`2.0` is unreadable, `-5` is 5) and charges 25 for the unreadable; strictly, one
//!   number from 0 to 5 with decimals is read, and the unreadable costs the largest error its reference allows.

mod similarity;
mod tags;

use std::collections::{BTreeMap, BTreeSet};

use secateur_datasets::item::{Body, Item};
use secateur_datasets::tasks::medinst32::Answers;
use secateur_metrics::counts::Counts;
use secateur_metrics::reference_experiment::entities::{bag_f1, bracketed, label_list_f1};
use secateur_metrics::rouge::{self, Stemmer};
use secateur_metrics::value::{Aspect, Definition, Direction};
use secateur_metrics::{classification, degeneration, exact_match, letter, mentions};

use super::micro::{self, Columns};
use super::{Mismatch, Scorer, from_bool, index, mismatch, overlap};
use crate::answer::{Answer, Flag, Output, Scores};
use crate::summary::{Estimate, Metric};

const fn utility(name: &'static str) -> Definition {
    Definition::new(name, "fraction", Direction::HigherIsBetter, Aspect::Utility)
}

const fn squared_error(name: &'static str) -> Definition {
    Definition::new(name, "squared_points", Direction::LowerIsBetter, Aspect::Utility)
}

const MACRO_F1_PAPER: Definition = utility("macro_f1_paper");
const ENTITY_F1_PAPER: Definition = utility("entity_f1_paper");
const LABEL_F1: Definition = utility("label_f1");
const LABEL_F1_PAPER: Definition = utility("label_f1_paper");
const EXACT_MATCH_PAPER: Definition = utility("exact_match_paper");
const MSE: Definition = squared_error("mean_squared_error");
const MSE_PAPER: Definition = squared_error("mean_squared_error_paper");

const LISTED: Columns = ["listed_right", "listed_said", "listed_wanted"];

/// How a label or a phrase is folded before it is compared.
type Fold = fn(&str) -> String;
const STRICT: Fold = letter::normalise_paper;
const PAPER: Fold = exact_match::normalise;

/// Scores of one of the tasks.
pub(super) struct MedInst {
    answers: Answers,
    /// Labels that occur among the references, folded strictly and as in the paper, to their numbers.
    labels: [BTreeMap<String, usize>; 2],
}

impl MedInst {
    /// For these items, which name the labels there are.
    pub(super) fn new(answers: Answers, items: &[Item]) -> Self {
        let references = |fold: Fold| -> BTreeMap<String, usize> {
            let references = items.iter().filter_map(|item| match &item.body {
                Body::Generate(question) => question.references.first(),
                _ => None,
            });
            let labels: BTreeSet<String> = references.map(|reference| fold(reference)).collect();
            labels.into_iter().zip(0..).collect()
        };
        let labels = match answers {
            Answers::Label => [references(STRICT), references(PAPER)],
            _ => [BTreeMap::new(), BTreeMap::new()],
        };
        Self { answers, labels }
    }
}

impl Scorer for MedInst {
    fn score(&self, item: &Item, answer: &mut Answer) -> Result<(), Mismatch> {
        let (Body::Generate(question), Output::Text(output)) = (&item.body, &answer.output) else {
            return Err(mismatch(item, "a question to be answered in words"));
        };
        let reference = question.references.first().ok_or_else(|| Mismatch {
            found: "no reference".into(),
            expected: "one".into(),
        })?;
        let text = output.text.clone();
        let mut scores = match self.answers {
            Answers::Label => self.label(&text, reference)?,
            Answers::Labels => label_list(&text, reference),
            Answers::Exact => exact(&text, reference),
            Answers::Entities => entities(&text, reference),
            Answers::Tags => tags::scores(&text, reference)?,
            Answers::Similarity => similarity::scores(&text, reference)?,
            Answers::Text => {
                let references = std::slice::from_ref(reference);
                let mut scores = overlap::bleu_scores(&text, references);
                scores.extend(overlap::chrf_scores(&text, references));
                scores
            }
        };
        let rouge = rouge::rouge_l(&text, reference, Stemmer::Porter).f1;
        scores.insert("rouge_l".into(), rouge);
        scores.insert("token_f1".into(), exact_match::token_f1(&text, reference));
        if scores.get("unparsable") == Some(&1.0) {
            answer.flags.insert(Flag::Unparsable);
        }
        answer.scores.extend(scores);
        super::flag_text(answer);
        Ok(())
    }

    fn metrics(&self, _: &[Answer]) -> Vec<Metric> {
        let mut metrics = match self.answers {
            Answers::Label => vec![
                Metric::proportion(classification::ACCURACY, "accuracy"),
                macro_f1(classification::MACRO_F1, ["gold_class", "predicted_class"]),
                macro_f1(MACRO_F1_PAPER, ["gold_class_paper", "predicted_class_paper"]),
                Metric::proportion(degeneration::UNPARSABLE_RATE, "unparsable"),
            ],
            Answers::Labels => vec![
                micro::f1(LABEL_F1, LISTED),
                Metric::mean(LABEL_F1_PAPER, "label_f1_paper"),
            ],
            Answers::Exact => vec![
                Metric::proportion(exact_match::EXACT_MATCH, "exact_match"),
                Metric::proportion(EXACT_MATCH_PAPER, "exact_match_paper"),
            ],
            Answers::Entities => {
                let mut metrics = entity_metrics();
                metrics.insert(1, Metric::mean(ENTITY_F1_PAPER, "entity_f1_paper"));
                metrics
            }
            Answers::Tags => {
                let mut metrics = entity_metrics();
                metrics.insert(1, tags::macro_f1());
                metrics.push(Metric::proportion(degeneration::UNPARSABLE_RATE, "unparsable"));
                metrics
            }
            Answers::Similarity => vec![
                Metric::mean(MSE, "squared_error"),
                Metric::mean(MSE_PAPER, "squared_error_paper"),
                Metric::proportion(degeneration::UNPARSABLE_RATE, "unparsable"),
            ],
            Answers::Text => vec![overlap::bleu_metric(), overlap::chrf_metric()],
        };
        metrics.push(Metric::mean(rouge::ROUGE_L, "rouge_l"));
        metrics.push(Metric::mean(exact_match::TOKEN_F1, "token_f1"));
        metrics.extend(super::text_metrics());
        metrics
    }
}

fn entity_metrics() -> Vec<Metric> {
    vec![
        micro::f1(mentions::ENTITY_F1, LISTED),
        micro::metric(mentions::ENTITY_PRECISION, LISTED, |scores| scores.precision),
        micro::metric(mentions::ENTITY_RECALL, LISTED, |scores| scores.recall),
    ]
}

impl MedInst {
    fn label(&self, text: &str, reference: &str) -> Result<Scores, Mismatch> {
        let mut scores = Scores::new();
        let forms = [(STRICT, &self.labels[0], ""), (PAPER, &self.labels[1], "_paper")];
        for (fold, labels, suffix) in forms {
            let gold = labels.get(&fold(reference)).ok_or_else(|| Mismatch {
                found: format!("the label {reference:?}"),
                expected: "a label of the task's items".into(),
            })?;
            let predicted = labels.get(&fold(text)).copied().unwrap_or(labels.len());
            scores.insert(format!("gold_class{suffix}"), *gold as f64);
            scores.insert(format!("predicted_class{suffix}"), predicted as f64);
        }
        let known = self.labels[0].contains_key(&STRICT(text));
        scores.insert("accuracy".into(), from_bool(STRICT(text) == STRICT(reference)));
        scores.insert("unparsable".into(), from_bool(!known));
        Ok(scores)
    }
}

/// Mean F1 of the labels that occur among the references; an answer that is none of them costs recall alone.
fn macro_f1(definition: Definition, columns: [&'static str; 2]) -> Metric {
    let value = |rows: &[&[f64]]| {
        let mut counts: BTreeMap<usize, Counts> = BTreeMap::new();
        for row in rows {
            counts.entry(index(row[0])).or_default().wanted += 1;
        }
        for row in rows {
            if let Some(count) = counts.get_mut(&index(row[1])) {
                count.said += 1;
                count.right += usize::from(index(row[0]) == index(row[1]));
            }
        }
        let sum: f64 = counts.values().map(|count| count.scores().f1).sum();
        (!counts.is_empty()).then(|| sum / counts.len() as f64)
    };
    Metric {
        definition,
        estimate: Estimate::whole(columns.to_vec(), value),
    }
}

fn label_list(text: &str, reference: &str) -> Scores {
    let labels = |text: &str| -> BTreeSet<String> {
        let labels = text.split([',', ';', '\n']).map(STRICT);
        labels.filter(|label| !label.is_empty()).collect()
    };
    let (said, wanted) = (labels(text), labels(reference));
    let counts = Counts {
        right: said.intersection(&wanted).count(),
        said: said.len(),
        wanted: wanted.len(),
    };
    let mut scores = micro::scores(LISTED, counts);
    scores.insert("label_f1_paper".into(), label_list_f1(reference, text));
    scores
}

fn exact(text: &str, reference: &str) -> Scores {
    let equal = |fold: Fold| from_bool(fold(text) == fold(reference));
    let mut scores = Scores::from([("exact_match_paper".to_owned(), equal(PAPER))]);
    let silent = STRICT(text).is_empty();
    scores.insert("exact_match".into(), if silent { 0.0 } else { equal(STRICT) });
    scores
}

fn entities(text: &str, reference: &str) -> Scores {
    let (said, wanted) = (bracketed(text), bracketed(reference));
    let mut scores = micro::scores(LISTED, counts_of(&said, &wanted));
    scores.insert("entity_f1_paper".into(), bag_f1(&wanted, &said));
    scores
}

/// Counts of two bags.
fn counts_of<T: PartialEq>(said: &[T], wanted: &[T]) -> Counts {
    let mut left: Vec<&T> = wanted.iter().collect();
    let mut right = 0;
    for one in said {
        if let Some(at) = left.iter().position(|other| *other == one) {
            left.swap_remove(at);
            right += 1;
        }
    }
    Counts {
        right,
        said: said.len(),
        wanted: wanted.len(),
    }
}

#[cfg(test)]
mod tests;
