//! `HaRiM` with the subject's own unpruned model as language model: no other weights are needed.
//!
//! A causal model has no encoder to give a source to, so both readings are plain text, without a chat template:
//!
//! ```text
//! with the source       source + "\n\n" + answer
//! without the source             "\n\n" + answer
//! ```
//!
//! The parts are tokenised one by one, so that the answer has the same tokens in both. What the tokenizer adds by itself
//! (BOS) begins each, or the prefix token where it adds nothing. A source that does not fit is cut at its end. The
//! arithmetic is [`secateur_metrics::harim`]'s. The scores are the unpruned model's, whatever mask is set, so that pruned
//! and unpruned answers are measured by one ruler.

use secateur_metrics::harim::{Harim, LAMBDA, harim};

use crate::encoding;
use crate::engine::{Engine, EngineError, ScoreRequest};

/// Between the source and the answer.
const BETWEEN: &str = "\n\n";

/// An answer and what it has to be supported by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sourced<'a> {
    /// The source.
    pub source: &'a str,
    /// The answer.
    pub answer: &'a str,
}

/// `HaRiM` of each answer under the unpruned model. `None` where an answer has no tokens or does not fit into the model.
///
/// # Errors
/// If the engine has no unpruned model at hand or fails, or yields what is no log-probability.
pub fn subject_harim(engine: &mut dyn Engine, answers: &[Sourced<'_>]) -> Result<Vec<Option<Harim>>, EngineError> {
    let limit = engine.max_length();
    let pairs = answers
        .iter()
        .map(|sourced| requests(engine, *sourced, limit))
        .collect::<Result<Vec<_>, _>>()?;
    let asked: Vec<ScoreRequest> = pairs.iter().flatten().flatten().cloned().collect();
    let found = engine.token_log_probabilities(&asked, true)?;
    if found.len() != asked.len() {
        return Err(EngineError(format!(
            "the engine returned {} results, expected {}",
            found.len(),
            asked.len()
        )));
    }
    let mut found = found.into_iter();
    let mut next = || found.next().unwrap_or_default();
    let score = |pair: Option<[ScoreRequest; 2]>| {
        let Some(_) = pair else { return Ok(None) };
        let (with, without) = (next(), next());
        let score = harim(&with, &without, LAMBDA).map_err(|error| EngineError(error.to_string()))?;
        Ok(Some(score))
    };
    pairs.into_iter().map(score).collect()
}

/// The answer after its source, and after an empty one.
fn requests(engine: &dyn Engine, sourced: Sourced<'_>, limit: usize) -> Result<Option<[ScoreRequest; 2]>, EngineError> {
    let answer = engine.encode(sourced.answer.trim(), false)?;
    let between = engine.encode(BETWEEN, false)?;
    let mut begin = encoding::encode(engine, "")?;
    if begin.is_empty() {
        begin.push(engine.prefix_token());
    }
    // The last token is predicted and never read.
    let needed = begin.len() + between.len() + answer.len();
    if answer.is_empty() || needed > limit + 1 {
        return Ok(None);
    }
    let mut source = engine.encode(sourced.source.trim(), false)?;
    source.truncate(limit + 1 - needed);
    let request = |source: &[u32]| ScoreRequest {
        context: [&begin, source, &between].concat(),
        continuation: answer.clone(),
    };
    Ok(Some([request(&source), request(&[])]))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::bigram::BigramEngine;

    #[test]
    fn both_readings_have_the_same_answer() {
        let engine = BigramEngine::train("x", &["\n\n"]).with_max_length(8);
        let sourced = Sourced {
            source: "abcdef",
            answer: " xyz ",
        };
        let [with, without] = requests(&engine, sourced, 8).unwrap().unwrap();
        assert_eq!((with.context.len(), with.continuation.len()), (6, 3));
        assert_eq!(with.context[1..5], engine.encode("abcd", false).unwrap());
        assert_eq!(with.continuation, without.continuation);
        assert_eq!(without.context, [engine.prefix_token(), 258]);
        for answer in ["", "far too long"] {
            let sourced = Sourced { source: "a", answer };
            assert_eq!(requests(&engine, sourced, 8).unwrap(), None);
        }
    }

    #[test]
    fn the_unpruned_model_is_the_ruler() {
        let whole = BigramEngine::train("my cat", &["\n\n"]);
        let mut pruned = BigramEngine::train("my dog", &["\n\n"]).pruned_from(whole.clone());
        let answers = [
            Sourced {
                source: "my",
                answer: "cat",
            },
            Sourced {
                source: "my",
                answer: " ",
            },
        ];
        let found = subject_harim(&mut pruned, &answers).unwrap();
        // A bigram model sees one token back: the source makes no difference, d = 0.
        let request = ScoreRequest {
            context: whole.encode("\n\n", false).unwrap(),
            continuation: whole.encode("cat", false).unwrap(),
        };
        let logs = whole
            .clone()
            .token_log_probabilities(&[request], true)
            .unwrap()
            .remove(0);
        let risk = logs.iter().map(|log| (1.0 - log.exp()) / 2.0).sum::<f64>() / 3.0;
        assert!((found[0].unwrap().risk - risk).abs() < 1e-12);
        assert_eq!(found[1], None);
    }
}
