//! How surprised the model is by a text, per token, word and byte.
//!
//! Source: lm-evaluation-harness, `loglikelihood_rolling`: sums over all texts before dividing, so a long text counts more.

use secateur_datasets::item::{Body, Item};
use secateur_metrics::perplexity::{self, TextLikelihood, Unit};
use secateur_metrics::value::Definition;

use super::{Mismatch, Scorer, index, mismatch};
use crate::answer::{Answer, Output, Scores};
use crate::summary::{Estimate, Metric};

const COLUMNS: [&str; 4] = ["log_probability", "tokens", "words", "bytes"];

/// Scores of a text.
pub(super) struct Perplexity;

impl Scorer for Perplexity {
    fn score(&self, item: &Item, answer: &mut Answer) -> Result<(), Mismatch> {
        let (Body::Text(text), Output::Likelihood(output)) = (&item.body, &answer.output) else {
            return Err(mismatch(item, "a text whose likelihood is asked for"));
        };
        let size = TextLikelihood::new(text, output.log_probability, output.tokens);
        let counts = [size.tokens, size.words, size.bytes].map(|count| count as f64);
        let values = std::iter::once(size.log_probability).chain(counts);
        let names = COLUMNS.iter().map(ToString::to_string);
        answer.scores = names.zip(values).collect::<Scores>();
        Ok(())
    }

    fn metrics(&self, _: &[Answer]) -> Vec<Metric> {
        let per = |unit| move |texts: &[TextLikelihood]| perplexity::perplexity(texts, unit);
        vec![
            metric(perplexity::BITS_PER_BYTE, perplexity::bits_per_byte),
            metric(perplexity::TOKEN_PERPLEXITY, per(Unit::Token)),
            metric(perplexity::BYTE_PERPLEXITY, per(Unit::Byte)),
            metric(perplexity::WORD_PERPLEXITY, per(Unit::Word)),
        ]
    }
}

fn metric(
    definition: Definition,
    value: impl Fn(&[TextLikelihood]) -> secateur_metrics::error::Result<f64> + Send + Sync + 'static,
) -> Metric {
    let of_rows = move |rows: &[&[f64]]| {
        let text = |row: &&[f64]| TextLikelihood {
            log_probability: row[0],
            tokens: index(row[1]),
            words: index(row[2]),
            bytes: index(row[3]),
        };
        value(&rows.iter().map(text).collect::<Vec<_>>()).ok()
    };
    Metric {
        definition,
        estimate: Estimate::whole(COLUMNS.to_vec(), of_rows),
    }
}
