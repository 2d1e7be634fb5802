//! Does the model's own uncertainty, seen in further answers to the same question, tell right answers from wrong ones?
//!
//! The answer itself is scored as the task scores it. Samples are sorted by meaning with [`secateur_metrics::meaning`]'s
//! lexical rule, the answer first, so that its meaning is cluster 0; entropies are of the samples alone. The question is the
//! last paragraph of the last turn, the source left out. What is reported:
//!
//! - whether the majority of samples is right: the first sample of the largest cluster, scored as the task scores answers;
//! - whether entropies are high where the answer is wrong: AUROC for right answers of each entropy, taken negatively, and
//!   the AURC of the semantic entropy ([`secateur_metrics::semantic_entropy`]);
//! - whether what the samples do not bear out is wrong: AUROC of `SelfCheck` for answers that are hallucinated, or not right
//!   where the task does not tell these apart ([`secateur_metrics::selfcheck`]).
//!
//! Right is the task's yes or no: accuracy, a reference in the answer, or abstaining where no answer is right. Tasks whose
//! scores are no yes or no have entropies alone.

use secateur_datasets::item::{Body, Generate, Item};
use secateur_metrics::error::MetricError;
use secateur_metrics::ifeval::sentences::sentences;
use secateur_metrics::semantic_entropy::{self as entropy, majority};
use secateur_metrics::{meaning, selective, selfcheck};

use super::words::words;
use super::{Mismatch, Scorer, mismatch};
use crate::answer::{Answer, Output, Sample, Scores};
use crate::judging::{self, separates};
use crate::summary::{Estimate, Metric};

/// Scores that say yes or no to an answer, the first that an answer has counts.
const RIGHT: [&str; 9] = [
    "squad2_exact",
    "accuracy",
    "refused_paper",
    "contains_reference",
    "exact_match",
    "error_sentence_right",
    "prompt_strict",
    "abstained_unanswerable",
    "passed",
];

/// Scores that say that an answer is made up.
const MADE_UP: [&str; 2] = ["hallucinated", "unsupported_answer"];

/// Pseudo-count of `SelfCheck`'s n-gram models.
const SMOOTHING: f64 = 1.0;

/// Scores of an answer and its samples.
pub(super) struct Sampled {
    pub(super) base: Box<dyn Scorer>,
}

impl Scorer for Sampled {
    fn score(&self, item: &Item, answer: &mut Answer) -> Result<(), Mismatch> {
        self.base.score(item, answer)?;
        let (Body::Generate(question), Output::Text(output)) = (&item.body, &mut answer.output) else {
            return Err(mismatch(item, "a question to be answered in words"));
        };
        if output.samples.len() < 2 {
            return Err(Mismatch {
                found: format!("{} samples beside the answer", output.samples.len()),
                expected: "at least 2: the answers are of the task without `@sampled`".into(),
            });
        }
        let clusters = cluster(&asked(question), &output.text, &mut output.samples);
        let (text, samples) = (output.text.clone(), output.samples.clone());
        let right = right(answer);
        let made_up = MADE_UP.iter().find_map(|name| answer.scores.get(*name)).copied();
        let mut scores = self.majority(item, answer, &clusters, &samples)?;
        scores.extend(uncertainty(&clusters, &samples).map_err(wrong)?);
        scores.extend(borne_out(&text, &samples).map_err(wrong)?);
        scores.extend(right.map(|right| (judging::RIGHT.to_owned(), right)));
        scores.extend(
            made_up
                .or(right.map(|right| 1.0 - right))
                .map(|wrong| (judging::MADE_UP.to_owned(), wrong)),
        );
        answer.scores.extend(scores);
        Ok(())
    }

    fn metrics(&self, answers: &[Answer]) -> Vec<Metric> {
        let mut metrics = Vec::new();
        // The task's metrics tell what its scores are, before there are any.
        let own = self.base.metrics(answers);
        let reports = |names: &[&str]| {
            let reports =
                |metric: &Metric| matches!(metric.estimate, Estimate::Proportion(name) if names.contains(&name));
            own.iter().any(reports)
        };
        if reports(&RIGHT) {
            metrics.extend([
                by_entropy(),
                Metric::proportion(entropy::MAJORITY_ACCURACY, "majority_right"),
                separates(
                    entropy::SEMANTIC_ENTROPY_AUROC,
                    "semantic_entropy",
                    -1.0,
                    judging::RIGHT,
                ),
                separates(
                    entropy::DISCRETE_SEMANTIC_ENTROPY_AUROC,
                    "semantic_entropy_discrete",
                    -1.0,
                    judging::RIGHT,
                ),
                separates(
                    entropy::PREDICTIVE_ENTROPY_AUROC,
                    "predictive_entropy",
                    -1.0,
                    judging::RIGHT,
                ),
                separates(entropy::SELF_CONSISTENCY_AUROC, "self_consistency", 1.0, judging::RIGHT),
            ]);
        }
        if reports(&RIGHT) || reports(&MADE_UP) {
            let of = |definition, score| separates(definition, score, 1.0, judging::MADE_UP);
            metrics.extend([
                of(selfcheck::SELFCHECK_UNIGRAM_AUROC, "selfcheck_unigram"),
                of(selfcheck::SELFCHECK_UNIGRAM_MAX_AUROC, "selfcheck_unigram_max"),
                of(selfcheck::SELFCHECK_OVERLAP_AUROC, "selfcheck_overlap"),
            ]);
        }
        metrics.extend([
            Metric::mean(entropy::SEMANTIC_ENTROPY, "semantic_entropy"),
            Metric::mean(entropy::DISCRETE_SEMANTIC_ENTROPY, "semantic_entropy_discrete"),
            Metric::mean(entropy::PREDICTIVE_ENTROPY, "predictive_entropy"),
            Metric::mean(entropy::SELF_CONSISTENCY, "self_consistency"),
        ]);
        metrics
    }
}

impl Sampled {
    /// Whether most samples are right.
    fn majority(
        &self,
        item: &Item,
        answer: &Answer,
        clusters: &[usize],
        samples: &[Sample],
    ) -> Result<Scores, Mismatch> {
        let Some(sample) = majority(&clusters[1..]).and_then(|index| samples.get(index)) else {
            return Ok(Scores::new());
        };
        let mut said = answer.clone();
        said.scores.clear();
        said.flags.clear();
        if let Output::Text(output) = &mut said.output {
            output.text.clone_from(&sample.text);
            output.finish = sample.finish;
            output.parsed = None;
            output.samples.clear();
        }
        self.base.score(item, &mut said)?;
        Ok(right(&said)
            .map(|right| ("majority_right".to_owned(), right))
            .into_iter()
            .collect())
    }
}

/// The task's yes or no.
fn right(answer: &Answer) -> Option<f64> {
    RIGHT.iter().find_map(|name| answer.scores.get(*name)).copied()
}

/// The question proper: the last paragraph of more than one word, the source left out.
pub(crate) fn asked(question: &Generate) -> String {
    let last = question.messages.last().map_or("", |message| message.content.as_str());
    let text = match question.source.as_deref().filter(|source| !source.is_empty()) {
        Some(source) => last.replace(source, ""),
        None => last.to_owned(),
    };
    let paragraphs = text.split("\n\n").filter(|paragraph| words(paragraph).len() > 1);
    paragraphs.last().unwrap_or(&text).to_owned()
}

/// Clusters of the answer, first, and its samples, which are told theirs: 0 is the meaning of the answer.
fn cluster(question: &str, text: &str, samples: &mut [Sample]) -> Vec<usize> {
    let texts: Vec<&str> = std::iter::once(text)
        .chain(samples.iter().map(|sample| sample.text.as_str()))
        .collect();
    let clusters = meaning::lexical_clusters(question, &texts);
    for (sample, cluster) in samples.iter_mut().zip(&clusters[1..]) {
        sample.cluster = Some(*cluster);
    }
    clusters
}

/// Entropies of the samples, and how many mean what the answer means. What needs log-probabilities is left out where a
/// sample has none.
pub(crate) fn uncertainty(clusters: &[usize], samples: &[Sample]) -> Result<Scores, MetricError> {
    let clusters = &clusters[1..];
    let same = clusters.iter().filter(|&&cluster| cluster == 0).count();
    let mut scores = Scores::from([
        ("self_consistency".into(), same as f64 / clusters.len() as f64),
        ("meaning_clusters".into(), entropy::count(clusters) as f64),
        ("semantic_entropy_discrete".into(), entropy::discrete(clusters)?),
    ]);
    let means: Option<Vec<f64>> = samples.iter().map(Sample::mean_log_probability).collect();
    if let Some(means) = means {
        scores.extend([
            ("semantic_entropy".into(), entropy::standard(clusters, &means)?),
            ("semantic_entropy_kuhn".into(), entropy::kuhn(clusters, &means)?),
            ("predictive_entropy".into(), entropy::predictive(&means)?),
        ]);
    }
    Ok(scores)
}

/// `SelfCheck` of the answer; nothing for an answer without words.
fn borne_out(text: &str, samples: &[Sample]) -> Result<Scores, MetricError> {
    let split = |text: &str| {
        let sentences = sentences(text);
        let words = sentences.iter().map(|sentence| selfcheck::words(sentence));
        words.filter(|words| !words.is_empty()).collect::<Vec<_>>()
    };
    let answer = split(text);
    if answer.is_empty() {
        return Ok(Scores::new());
    }
    let samples: Vec<Vec<Vec<String>>> = samples.iter().map(|sample| split(&sample.text)).collect();
    let mut scores = Scores::new();
    for (name, n) in [("selfcheck_unigram", 1), ("selfcheck_bigram", 2)] {
        let found = selfcheck::ngram(&answer, &samples.concat(), n, SMOOTHING)?;
        scores.insert(name.into(), found.mean);
        scores.insert(format!("{name}_max"), found.largest);
    }
    let overlap = selfcheck::overlap(&answer, &samples)?;
    let mean = overlap.iter().sum::<f64>() / overlap.len() as f64;
    scores.insert("selfcheck_overlap".into(), mean);
    Ok(scores)
}

#[allow(clippy::needless_pass_by_value)]
fn wrong(error: MetricError) -> Mismatch {
    Mismatch {
        found: error.to_string(),
        expected: "samples with their log-probabilities".into(),
    }
}

/// AURC with the semantic entropy as doubt.
fn by_entropy() -> Metric {
    let value = |rows: &[&[f64]]| {
        let confidences: Vec<f64> = rows.iter().map(|row| -row[0]).collect();
        let right: Vec<bool> = rows.iter().map(|row| row[1] > 0.5).collect();
        selective::aurc(&confidences, &right).ok()
    };
    Metric {
        definition: entropy::SEMANTIC_ENTROPY_AURC,
        estimate: Estimate::whole(vec!["semantic_entropy", judging::RIGHT], value),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::engine::Finish;

    fn samples(texts: &[(&str, f64)]) -> Vec<Sample> {
        let one = |(text, log): &(&str, f64)| Sample {
            text: (*text).into(),
            tokens: 2,
            log_probability: Some(*log),
            finish: Finish::EndToken,
            cluster: None,
        };
        texts.iter().map(one).collect()
    }

    #[test]
    fn entropies_are_of_the_samples_alone() {
        let mut samples = samples(&[("Paris", -1.0), ("It is Lyon.", -1.0), ("Lyon", -1.0), ("Lille", -1.0)]);
        let clusters = cluster("What is it?", "Lyon.", &mut samples);
        assert_eq!(clusters, [0, 1, 0, 0, 2]);
        assert_eq!(samples[0].cluster, Some(1));
        let scores = uncertainty(&clusters, &samples).unwrap();
        // Shares 1/4, 1/2, 1/4.
        let expected = 1.5 * std::f64::consts::LN_2;
        assert!((scores["semantic_entropy_discrete"] - expected).abs() < 1e-12);
        assert!((scores["semantic_entropy"] - expected).abs() < 1e-12);
        assert!((scores["predictive_entropy"] - 0.5).abs() < 1e-12);
        assert_eq!((scores["self_consistency"], scores["meaning_clusters"]), (0.5, 3.0));
        samples[0].log_probability = None;
        assert!(
            !uncertainty(&clusters, &samples)
                .unwrap()
                .contains_key("semantic_entropy")
        );
    }

    #[test]
    fn the_question_is_asked_without_its_source() {
        let mut question = Generate::turn("How old was she?\n\nInput: She was 29.", vec![]);
        question.source = Some("She was 29.".into());
        assert_eq!(asked(&question), "How old was she?");
        let shots = Generate::turn("Q: Who?\nA: Ann.\n\nQ: Where?\nA:", vec![]);
        assert_eq!(asked(&shots), "Q: Where?\nA:");
        assert_eq!(asked(&Generate::turn("Why?", vec![])), "Why?");
    }

    #[test]
    fn silence_has_nothing_to_be_borne_out() {
        let samples = samples(&[("a b", -1.0), ("", -1.0)]);
        assert!(borne_out(" ", &samples).unwrap().is_empty());
        let scores = borne_out("a b", &samples).unwrap();
        assert!((scores["selfcheck_overlap"] - 0.5).abs() < 1e-12);
    }
}
