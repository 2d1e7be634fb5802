//! Texts to tokens, where the boundary between context and continuation is drawn, and what is cut when both do not fit.
//!
//! The rules are those of lm-evaluation-harness 0.4.13 (`TemplateLM._encode_pair`, `HFLM._loglikelihood_tokens`,
//! `get_rolling_token_windows`), so that log-likelihoods can be compared with published ones.

use secateur_datasets::python::text::is_space;
use serde::{Deserialize, Serialize};

use crate::engine::{Engine, EngineError, ScoreRequest};

/// Context and continuation as tokens, before anything is cut. Either may be empty: see [`fit`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedPair {
    /// Tokens of the context on its own.
    pub context: Vec<u32>,
    /// Tokens of the whole that lie beyond the number of tokens of the context.
    pub continuation: Vec<u32>,
}

/// A request that fits into the model, and how much had to go for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fitted {
    /// What is sent.
    pub request: ScoreRequest,
    /// Tokens dropped from the left of the context.
    pub dropped: usize,
}

/// Why a text cannot be scored. Such items are counted and shown, never given a number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case", tag = "reason")]
pub enum Unscorable {
    /// Nothing is left that could predict the first token.
    #[error("the context has no tokens")]
    EmptyContext,
    /// The continuation's characters were merged into the last token of the context, or there are none.
    #[error(
        "the continuation has no tokens of its own: its first characters were merged into the context's last token"
    )]
    EmptyContinuation,
    /// The continuation alone is longer than the model's input.
    #[error("the continuation has {tokens} tokens, the model takes {limit}")]
    ContinuationTooLong {
        /// Tokens of the continuation.
        tokens: usize,
        /// Longest input of the model.
        limit: usize,
    },
}

/// Tokens of a text with what the tokenizer adds by itself (BOS), unless the text begins with it already.
///
/// # Errors
/// If the tokenizer fails.
pub fn encode(engine: &dyn Engine, text: &str) -> Result<Vec<u32>, EngineError> {
    let begins_with_prefix = engine
        .prefix_text()
        .is_some_and(|prefix| !prefix.is_empty() && text.starts_with(&prefix));
    engine.encode(text, !begins_with_prefix)
}

/// Tokens of a context and its continuation. White space at the end of the context moves to the continuation; both
/// are tokenised as one text, and the continuation is what lies beyond the tokens of the context alone. An empty context
/// is the prefix token.
///
/// # Errors
/// If the tokenizer fails.
pub fn encode_pair(engine: &dyn Engine, context: &str, continuation: &str) -> Result<EncodedPair, EngineError> {
    if context.is_empty() {
        return encode_after_nothing(engine, continuation);
    }
    let kept = context.trim_end_matches(is_space);
    let whole = encode(engine, &format!("{context}{continuation}"))?;
    let context = encode(engine, kept)?;
    let continuation = whole.get(context.len()..).map(<[u32]>::to_vec).unwrap_or_default();
    Ok(EncodedPair { context, continuation })
}

fn encode_after_nothing(engine: &dyn Engine, continuation: &str) -> Result<EncodedPair, EngineError> {
    let mut tokens = engine.encode(continuation, false)?;
    let prefix = engine.prefix_token();
    if tokens.first() == Some(&prefix) {
        let continuation = tokens.split_off(1);
        return Ok(EncodedPair {
            context: tokens,
            continuation,
        });
    }
    Ok(EncodedPair {
        context: vec![prefix],
        continuation: tokens,
    })
}

/// Cuts the context from the left until the pair, without its last token, has at most `max_length` tokens.
///
/// # Errors
/// [`Unscorable`] if there is no context, no continuation, or the continuation alone is too long.
pub fn fit(pair: EncodedPair, max_length: usize) -> Result<Fitted, Unscorable> {
    let EncodedPair {
        mut context,
        continuation,
    } = pair;
    if continuation.is_empty() {
        return Err(Unscorable::EmptyContinuation);
    }
    if context.is_empty() {
        return Err(Unscorable::EmptyContext);
    }
    if continuation.len() > max_length {
        return Err(Unscorable::ContinuationTooLong {
            tokens: continuation.len(),
            limit: max_length,
        });
    }
    let dropped = (context.len() + continuation.len()).saturating_sub(max_length + 1);
    context.drain(..dropped);
    Ok(Fitted {
        request: ScoreRequest { context, continuation },
        dropped,
    })
}

/// Windows that predict every token of a text exactly once: the first after the prefix token, the following ones after one
/// token, the last after as much context as fits.
#[must_use]
pub fn rolling_windows(tokens: &[u32], prefix: u32, max_length: usize) -> Vec<ScoreRequest> {
    let max_length = max_length.max(1);
    let mut windows = Vec::new();
    let mut predicted = tokens.len().min(max_length);
    if predicted == 0 {
        return windows;
    }
    windows.push(ScoreRequest {
        context: vec![prefix],
        continuation: tokens[..predicted].to_vec(),
    });
    while predicted < tokens.len() {
        let end = (predicted + max_length).min(tokens.len());
        windows.push(ScoreRequest {
            context: tokens[end - max_length - 1..predicted].to_vec(),
            continuation: tokens[predicted..end].to_vec(),
        });
        predicted = end;
    }
    windows
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::bigram::BigramEngine;

    fn pair(context: &[u32], continuation: &[u32]) -> EncodedPair {
        EncodedPair {
            context: context.to_vec(),
            continuation: continuation.to_vec(),
        }
    }

    #[test]
    fn white_space_moves_to_the_continuation() {
        let engine = BigramEngine::train("some text", &[]);
        let encoded = encode_pair(&engine, "Answer: \n", "yes").unwrap();
        assert_eq!(encoded.context, engine.encode("Answer:", false).unwrap());
        assert_eq!(encoded.continuation, engine.encode(" \nyes", false).unwrap());
    }

    #[test]
    fn a_merge_across_the_boundary_is_cut_by_token_count() {
        let engine = BigramEngine::train("some text", &["ab"]);
        let swallowed = encode_pair(&engine, "xa", "b").unwrap();
        assert!(swallowed.continuation.is_empty());
        assert_eq!(fit(swallowed, 8), Err(Unscorable::EmptyContinuation));
        let shifted = encode_pair(&engine, "xa", "bc").unwrap();
        assert_eq!(shifted.context, engine.encode("xa", false).unwrap());
        assert_eq!(shifted.continuation, engine.encode("c", false).unwrap());
    }

    #[test]
    fn an_empty_context_becomes_the_prefix_token() {
        let engine = BigramEngine::train("some text", &[]);
        let encoded = encode_pair(&engine, "", "yes").unwrap();
        assert_eq!(encoded.context, vec![engine.prefix_token()]);
        assert_eq!(encoded.continuation.len(), 3);
        let doubled = encode_pair(&engine, "", "<s>yes").unwrap();
        assert_eq!(doubled, encoded);
        let blank = encode_pair(&engine, " ", "yes").unwrap();
        assert_eq!(fit(blank, 8), Err(Unscorable::EmptyContext));
    }

    #[test]
    fn bos_is_added_once() {
        let engine = BigramEngine::train("some text", &[]).with_bos();
        assert_eq!(encode(&engine, "<s>a").unwrap(), encode(&engine, "a").unwrap());
        let encoded = encode_pair(&engine, "a", "b").unwrap();
        assert_eq!(encoded.context.len(), 2);
        assert_eq!(encoded.continuation.len(), 1);
    }

    #[test]
    fn the_last_token_needs_no_room() {
        let fitted = fit(pair(&[1, 2, 3], &[4, 5]), 4).unwrap();
        assert_eq!((fitted.request.context.len(), fitted.dropped), (3, 0));
        let fitted = fit(pair(&[1, 2, 3], &[4, 5]), 3).unwrap();
        assert_eq!((fitted.request.context, fitted.dropped), (vec![2, 3], 1));
        let fitted = fit(pair(&[1, 2, 3], &[4, 5]), 2).unwrap();
        assert_eq!(fitted.request.context, vec![3]);
        assert_eq!(
            fit(pair(&[1], &[4, 5]), 1),
            Err(Unscorable::ContinuationTooLong { tokens: 2, limit: 1 })
        );
    }

    #[test]
    fn windows_predict_each_token_once() {
        let tokens: Vec<u32> = (0..10).collect();
        let windows = rolling_windows(&tokens, 99, 4);
        let expected = [
            (vec![99], vec![0, 1, 2, 3]),
            (vec![3], vec![4, 5, 6, 7]),
            (vec![5, 6, 7], vec![8, 9]),
        ];
        assert_eq!(windows.len(), 3);
        for (window, (context, continuation)) in windows.iter().zip(expected) {
            assert_eq!(window.context, context);
            assert_eq!(window.continuation, continuation);
            assert!(window.context.len() + window.continuation.len() <= 5);
        }
        assert!(rolling_windows(&[], 99, 4).is_empty());
        assert_eq!(rolling_windows(&tokens, 99, 1).len(), 10);
    }
}
