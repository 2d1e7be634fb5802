//! Free text against references and source.
//!
//! Silence is never a right answer and never resampled: an empty text scores 0 wherever a reference is asked for.

use secateur_datasets::item::{Body, Generate, Item};
use secateur_datasets::tasks::spec::{GenerationMetric, Normalise};
use secateur_metrics::abstention::is_abstention_with;
use secateur_metrics::degeneration::is_empty;
use secateur_metrics::value::{Aspect, Definition, Direction};
use secateur_metrics::{exact_match, rouge};

use super::words::{bag_f1, contains_words, fold};
use super::{Mismatch, Scorer, abstention, confidence, from_bool, mismatch, overlap, support};
use crate::answer::{Answer, Flag, Output, Scores};
use crate::summary::Metric;

/// Share of answers in which a reference stands word for word, after normalisation.
pub(super) const CONTAINS_REFERENCE: Definition = Definition::new(
    "contains_reference",
    "fraction",
    Direction::HigherIsBetter,
    Aspect::Utility,
);
/// Share of items answered with something wrong: neither silence, abstention nor refusal, nor an answer that holds a reference.
pub(super) const HALLUCINATION_RATE: Definition = Definition::new(
    "hallucination_rate",
    "fraction",
    Direction::LowerIsBetter,
    Aspect::Reliability,
);

/// Scores of free text.
pub(super) struct Generation {
    pub(super) metrics: Vec<GenerationMetric>,
    pub(super) normalise: Normalise,
    pub(super) abstain_phrases: Vec<String>,
    /// Names of the task, see [`support::names`].
    pub(super) names: Vec<String>,
}

impl Scorer for Generation {
    fn score(&self, item: &Item, answer: &mut Answer) -> Result<(), Mismatch> {
        let (Body::Generate(question), Output::Text(output)) = (&item.body, &answer.output) else {
            return Err(mismatch(item, "a question to be answered in words"));
        };
        let text = output.text.clone();
        if question.references.is_empty() && !question.unanswerable {
            return Err(Mismatch {
                found: "neither a reference nor the mark `unanswerable`".into(),
                expected: "one of them".into(),
            });
        }
        super::flag_text(answer);
        let abstained = self.abstains(&text);
        if abstained {
            answer.flags.insert(Flag::Abstained);
        }
        let scores = abstention::scores(question, abstained);
        answer.scores.extend(scores);
        if !question.unanswerable {
            answer.scores.extend(self.against_references(&text, question));
        }
        if self.is_short_answer() {
            let nothing = [Flag::Empty, Flag::Refused]
                .iter()
                .any(|flag| answer.flags.contains(flag));
            let said = !nothing && !abstained;
            let right = answer.scores.get("contains_reference") == Some(&1.0);
            let hallucinated = from_bool(said && !right);
            answer.scores.insert("hallucinated".into(), hallucinated);
            confidence::add_of_words(answer, "contains_reference");
        }
        if self.metrics.contains(&GenerationMetric::Support) {
            support::score(&text, question, &self.names, answer);
        }
        Ok(())
    }

    fn metrics(&self, answers: &[Answer]) -> Vec<Metric> {
        let mut metrics = Vec::new();
        for metric in &self.metrics {
            match metric {
                GenerationMetric::ExactMatch => {
                    metrics.push(Metric::proportion(exact_match::EXACT_MATCH, "exact_match"));
                    metrics.push(Metric::proportion(CONTAINS_REFERENCE, "contains_reference"));
                }
                GenerationMetric::TokenF1 => {
                    metrics.push(Metric::mean(exact_match::TOKEN_F1, "token_f1"));
                }
                GenerationMetric::Rouge => metrics.extend(rouge_metrics()),
                GenerationMetric::RougeOfReplies => {
                    metrics.push(Metric::mean(rouge::ROUGE_L_OF_REPLIES, "rouge_l_paper"));
                }
                GenerationMetric::Bleu => metrics.push(overlap::bleu_metric()),
                GenerationMetric::Chrf => metrics.push(overlap::chrf_metric()),
                GenerationMetric::Support => metrics.extend(support::metrics()),
                GenerationMetric::Abstention => metrics.extend(abstention::metrics(answers)),
            }
        }
        if self.is_short_answer() {
            metrics.push(Metric::proportion(HALLUCINATION_RATE, "hallucinated"));
        }
        metrics.extend(super::text_metrics());
        // Of unanswerable questions alone there is nothing to be confident of.
        let is_answerable = |answer: &Answer| matches!(&answer.output, Output::Text(output) if !output.unanswerable);
        if self.is_short_answer() && answers.iter().any(is_answerable) {
            metrics.extend(confidence::metrics("contains_reference"));
        }
        metrics
    }
}

impl Generation {
    /// Whether answers are short enough to be right or wrong as a whole.
    fn is_short_answer(&self) -> bool {
        let short = [GenerationMetric::ExactMatch, GenerationMetric::TokenF1];
        short.iter().any(|metric| self.metrics.contains(metric))
    }

    fn abstains(&self, text: &str) -> bool {
        let phrases: Vec<&str> = self.abstain_phrases.iter().map(String::as_str).collect();
        is_abstention_with(text, &phrases)
    }

    fn against_references(&self, text: &str, question: &Generate) -> Scores {
        let mut scores = Scores::new();
        let references = &question.references;
        if self.is_short_answer() {
            scores.extend(self.short_answer(text, references));
        }
        for metric in &self.metrics {
            match metric {
                GenerationMetric::Rouge => scores.extend(rouge_scores(text, references)),
                GenerationMetric::RougeOfReplies if !is_empty(text) => {
                    let own = |reference: &String| rouge::rouge_l(text, reference, rouge::Stemmer::Porter).f1;
                    scores.insert("rouge_l_paper".into(), references.iter().map(own).fold(0.0, f64::max));
                }
                GenerationMetric::Bleu => scores.extend(overlap::bleu_scores(text, references)),
                GenerationMetric::Chrf => scores.extend(overlap::chrf_scores(text, references)),
                _ => {}
            }
        }
        scores
    }

    fn short_answer(&self, text: &str, references: &[String]) -> Scores {
        let said = fold(text, self.normalise);
        let wanted: Vec<String> = references
            .iter()
            .map(|reference| fold(reference, self.normalise))
            .collect();
        let silent = said.trim().is_empty();
        let exact = !silent && wanted.contains(&said);
        let contains = exact || wanted.iter().any(|reference| contains_words(&said, reference));
        let f1 = wanted
            .iter()
            .map(|reference| bag_f1(&said, reference))
            .fold(0.0, f64::max);
        Scores::from([
            ("exact_match".into(), from_bool(exact)),
            ("contains_reference".into(), from_bool(contains)),
            ("token_f1".into(), f1),
        ])
    }
}

type RougeForm = fn(&str, &str, rouge::Stemmer) -> rouge::PrecisionRecallF1;

/// F1 against the best reference, stemmed as in the reference experiment.
fn rouge_scores(text: &str, references: &[String]) -> Scores {
    let forms: [(&str, RougeForm); 4] = [
        ("rouge_1", rouge::rouge_1),
        ("rouge_2", rouge::rouge_2),
        ("rouge_l", rouge::rouge_l),
        ("rouge_lsum", rouge::rouge_lsum),
    ];
    let mut scores = Scores::new();
    for (name, form) in forms {
        let values = references
            .iter()
            .map(|reference| form(text, reference, rouge::Stemmer::Porter).f1);
        scores.insert(name.into(), values.fold(0.0, f64::max));
    }
    scores
}

fn rouge_metrics() -> [Metric; 4] {
    [
        Metric::mean(rouge::ROUGE_L, "rouge_l"),
        Metric::mean(rouge::ROUGE_1, "rouge_1"),
        Metric::mean(rouge::ROUGE_2, "rouge_2"),
        Metric::mean(rouge::ROUGE_LSUM, "rouge_lsum"),
    ]
}
