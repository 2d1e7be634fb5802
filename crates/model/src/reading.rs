//! What has to be read to know the log-probabilities of continuations: every input once, common beginnings once.

use std::collections::BTreeMap;

use crate::batch::Batch;
use crate::blocks::attend::{SCORES, attends_to_what_is_seen};
use crate::decode::key_values;
use crate::error::ModelError;
use crate::layerwise::Visits;
use crate::model::Model;
use crate::shared::{Pairs, SharedRow, Sharing};
use crate::spec::{BlockSpec, DecoderSpec};
use crate::stems::{Stemmed, stemmed};

/// Padded tokens per forward pass.
const TOKENS_PER_BATCH: usize = 4096;

/// Padded tokens of the largest forward pass of several sequences.
pub(crate) const LARGEST_PASS: usize = TOKENS_PER_BATCH;

/// The same where passes run side by side.
const TOKENS_SIDE_BY_SIDE: usize = 1024;

/// Keys and values of a stem, at most: 256 MiB in f32.
const STEM_NUMBERS: usize = 1 << 26;

/// The same where passes run side by side, each of which may have a stem of its own.
const STEM_NUMBERS_SIDE_BY_SIDE: usize = 1 << 23;

/// Logits on the host at a time.
const LOGITS_PER_PROJECTION: usize = 1 << 23;

/// Context and continuation.
pub(crate) type Request<'a> = (&'a [u32], &'a [u32]);

/// Rows that hold what requests need: by what they go on from, the longest first.
pub(crate) struct Reading<'a> {
    requests: &'a [Request<'a>],
    stems: Vec<Vec<u32>>,
    rows: Vec<SharedRow>,
    /// Input → requests that need it: all one-token answers to a question have one input.
    wanted: Vec<Vec<usize>>,
    passes: Passes,
}

/// What a forward pass may hold, if it holds more than one row.
#[derive(Debug, Clone, Copy)]
struct Passes {
    /// Tokens, padding included.
    tokens: usize,
    /// Scores of attention in one layer.
    scores: usize,
    /// Heads of attention: scores of a pair of tokens.
    heads: usize,
    /// Tokens of all rows, those of a stem included, whose keys can be bound.
    keys: usize,
}

impl Passes {
    /// Rows of a length behind a stem that one pass holds.
    fn rows(&self, length: usize, stem: usize) -> usize {
        let by_scores = self.scores / (self.heads * length * (stem + length)).max(1);
        let by_keys = self.keys / (stem + length).max(1);
        (self.tokens / length.max(1)).min(by_scores).min(by_keys).max(1)
    }
}

/// A token whose log-probability is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) request: usize,
    pub(crate) token: u32,
}

/// Cells of a batch, ascending, with the tokens that are asked for there.
pub(crate) type Targets = [(usize, Vec<Target>)];

/// The cells alone.
pub(crate) fn cells(targets: &Targets) -> Vec<usize> {
    targets.iter().map(|(cell, _)| *cell).collect()
}

impl<'a> Reading<'a> {
    /// What `model` has to read for `requests`. It depends on the model and the requests alone, not on the number of cores.
    ///
    /// # Errors
    /// If a context or a continuation is empty.
    pub(crate) fn new(model: &Model, requests: &'a [Request<'a>]) -> Result<Self, ModelError> {
        let tokens = if model.runs_side_by_side() {
            TOKENS_SIDE_BY_SIDE
        } else {
            TOKENS_PER_BATCH.min(model.most_tokens_per_pass())
        };
        let passes = Passes {
            tokens,
            scores: if attends_to_what_is_seen(model.device()) {
                usize::MAX
            } else {
                SCORES
            },
            heads: heads(model.spec()),
            keys: model.device().most_tokens(model.spec().widest_keys()),
        };
        Self::of(requests, passes, &sharing(model, tokens))
    }

    fn of(requests: &'a [Request<'a>], passes: Passes, sharing: &Sharing) -> Result<Self, ModelError> {
        let mut inputs: BTreeMap<Vec<u32>, Vec<usize>> = BTreeMap::new();
        for (index, (context, continuation)) in requests.iter().enumerate() {
            let Some((_, before_last)) = continuation.split_last() else {
                return Err(ModelError::Tokens(format!(
                    "request {index}: the continuation is empty"
                )));
            };
            if context.is_empty() {
                return Err(ModelError::Tokens(format!("request {index}: the context is empty")));
            }
            inputs.entry([context, before_last].concat()).or_default().push(index);
        }
        let sequences: Vec<&[u32]> = inputs.keys().map(Vec::as_slice).collect();
        let first_asked = |of: &Vec<usize>| of.iter().map(|&request| requests[request].0.len() - 1).min();
        let asked: Vec<usize> = inputs.values().filter_map(first_asked).collect();
        let Stemmed { stems, mut rows } = stemmed(&sequences, &asked, sharing);
        rows.sort_by_key(|row| (row.stem, std::cmp::Reverse(row.ids.len())));
        Ok(Self {
            requests,
            stems,
            rows,
            wanted: inputs.into_values().collect(),
            passes,
        })
    }

    /// The rows of each forward pass.
    pub(crate) fn batches(&self) -> Vec<&[SharedRow]> {
        let mut batches = Vec::new();
        for mut rest in self.rows.chunk_by(|one, next| one.stem == next.stem) {
            while let Some(longest) = rest.first() {
                let most = self.passes.rows(longest.ids.len(), self.behind(rest).len());
                let (batch, after) = rest.split_at(rest.len().min(most));
                batches.push(batch);
                rest = after;
            }
        }
        batches
    }

    /// A stem by its index.
    pub(crate) fn stem(&self, index: usize) -> &[u32] {
        &self.stems[index]
    }

    /// What the rows of a batch go on from.
    fn behind(&self, rows: &[SharedRow]) -> &[u32] {
        let stem = rows.first().and_then(|row| row.stem);
        stem.map_or(&[], |stem| self.stem(stem))
    }

    /// The rows of a forward pass, side by side.
    pub(crate) fn batch(&self, rows: &[SharedRow]) -> Batch {
        Batch::shared(rows, self.behind(rows))
    }

    /// Cells of a batch of `length` tokens per row whose logits are asked for, ascending, with the tokens that they are asked for. A
    /// request's tokens come in order.
    pub(crate) fn targets(&self, batch: &[SharedRow], length: usize) -> Vec<(usize, Vec<Target>)> {
        let mut targets: BTreeMap<usize, Vec<Target>> = BTreeMap::new();
        let stem = self.behind(batch).len();
        for (row, shared) in batch.iter().enumerate() {
            for placed in &shared.sequences {
                for &request in &self.wanted[placed.sequence] {
                    let (context, continuation) = self.requests[request];
                    for (&cell, &token) in placed.cells[context.len() - 1 - stem..].iter().zip(continuation) {
                        let targets = targets.entry(row * length + cell).or_default();
                        targets.push(Target { request, token });
                    }
                }
            }
        }
        targets.into_iter().collect()
    }

    /// Requests that a batch answers.
    pub(crate) fn answered(&self, batch: &[SharedRow]) -> usize {
        let placed = batch.iter().flat_map(|row| &row.sequences);
        placed.map(|placed| self.wanted[placed.sequence].len()).sum()
    }
}

/// Rows of logits to make at a time.
pub(crate) fn rows_per_projection(vocabulary: usize) -> usize {
    (LOGITS_PER_PROJECTION / vocabulary.max(1)).max(1)
}

/// Most heads of a layer.
fn heads(spec: &DecoderSpec) -> usize {
    let of = |block: &BlockSpec| match block {
        BlockSpec::Attention(attention) => attention.heads,
        BlockSpec::LatentAttention(attention) => attention.heads,
        BlockSpec::Mixer(_) | BlockSpec::Dense(_) | BlockSpec::Moe(_) => 0,
    };
    spec.blocks().map(of).max().unwrap_or(0)
}

/// Tokens up to which what is said of a position does not depend on the length of its sequence.
pub(crate) fn alike_up_to(spec: &DecoderSpec) -> usize {
    let alike = |block: &BlockSpec| match block {
        BlockSpec::Attention(attention) => attention.rope.as_ref()?.same_up_to(),
        BlockSpec::LatentAttention(attention) => attention.rope.same_up_to(),
        BlockSpec::Mixer(_) | BlockSpec::Dense(_) | BlockSpec::Moe(_) => None,
    };
    spec.blocks().filter_map(alike).min().unwrap_or(usize::MAX)
}

/// Most tokens of a stem.
pub(crate) fn longest_stem(model: &Model) -> usize {
    let numbers = match model.visits() {
        // A layer's weights are in memory once, for all batches.
        Visits::LayerByLayer { .. } => 0,
        Visits::PassByPass if model.runs_side_by_side() => STEM_NUMBERS_SIDE_BY_SIDE,
        Visits::PassByPass => STEM_NUMBERS,
    };
    numbers / key_values(model.spec()).max(1)
}

/// How far a model's sequences share rows in passes of `tokens`.
fn sharing(model: &Model, tokens: usize) -> Sharing {
    let spec = model.spec();
    let longest = alike_up_to(spec);
    // A token costs some multiple of hidden² in every layer, a pair of hidden.
    let per_token = 4 * spec.hidden;
    // Of a recurrent block, the state at each fork is kept until its row ends.
    let mixes = spec.blocks().any(|block| matches!(block, BlockSpec::Mixer(_)));
    let stem = longest_stem(model);
    if attends_to_what_is_seen(model.device()) && !mixes {
        return Sharing {
            // Where passes run side by side, a few rows each; long sequences alone are worth more.
            row: if model.runs_side_by_side() { tokens / 4 } else { tokens },
            long_row: TOKENS_PER_BATCH,
            longest,
            pairs: Pairs { per_token, seen: true },
            stem,
        };
    }
    Sharing {
        row: tokens / 4,
        long_row: 0,
        longest,
        pairs: Pairs { per_token, seen: false },
        stem,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const SHARING: Sharing = Sharing {
        row: 32,
        ..Sharing::SHORT
    };

    fn passes(tokens: usize) -> Passes {
        Passes {
            tokens,
            scores: usize::MAX,
            heads: 2,
            keys: usize::MAX,
        }
    }

    /// Tokens that are read, padding included.
    fn forwarded(reading: &Reading<'_>) -> usize {
        let padded = |batch: &&[SharedRow]| batch.len() * batch[0].ids.len();
        reading.batches().iter().map(padded).sum()
    }

    #[test]
    fn one_token_answers_to_a_question_take_one_reading_of_it() {
        let question: Vec<u32> = (0..10).collect();
        let letters: [[u32; 1]; 4] = [[20], [21], [22], [23]];
        let requests: Vec<Request<'_>> = letters.iter().map(|letter| (&question[..], &letter[..])).collect();
        let reading = Reading::of(&requests, passes(64), &SHARING).unwrap();
        assert_eq!(forwarded(&reading), 10);
        let batches = reading.batches();
        assert_eq!((batches.len(), reading.answered(batches[0])), (1, 4));
        // One row of logits for all four.
        let targets = reading.targets(batches[0], 10);
        assert_eq!(targets.len(), 1);
        assert_eq!((targets[0].0, targets[0].1.len()), (9, 4));
    }

    #[test]
    fn longer_answers_take_one_reading_of_the_question_and_one_of_each_answer() {
        let question: Vec<u32> = (0..10).collect();
        let answers: [[u32; 3]; 3] = [[20, 1, 2], [20, 1, 3], [21, 4, 5]];
        let requests: Vec<Request<'_>> = answers.iter().map(|answer| (&question[..], &answer[..])).collect();
        let reading = Reading::of(&requests, passes(64), &SHARING).unwrap();
        // Two answers differ in the last token only, which is predicted and not read.
        assert_eq!(forwarded(&reading), 10 + 2 + 2);
        let targets = reading.targets(reading.batches()[0], 14);
        let cells: Vec<usize> = targets.iter().map(|(cell, _)| *cell).collect();
        assert_eq!(cells, [9, 10, 11, 12, 13]);
        let of = |request: usize| -> Vec<u32> {
            let all = targets.iter().flat_map(|(_, targets)| targets);
            all.filter(|target| target.request == request)
                .map(|target| target.token)
                .collect()
        };
        assert!((0..3).all(|request| of(request) == answers[request]));
    }

    #[test]
    fn passes_keep_to_their_tokens_and_hold_rows_of_like_length() {
        let contexts: Vec<Vec<u32>> = (1..40).map(|n| (0..n).map(|at| 100 * n + at).collect()).collect();
        let requests: Vec<Request<'_>> = contexts.iter().map(|context| (&context[..], &[7][..])).collect();
        let reading = Reading::of(&requests, passes(80), &SHARING).unwrap();
        let batches = reading.batches();
        assert!(batches.iter().all(|batch| batch.len() * batch[0].ids.len() <= 80));
        let real: usize = (1..40).sum();
        assert!(
            forwarded(&reading) < real + real / 5,
            "{} for {real}",
            forwarded(&reading)
        );
        assert_eq!(batches.iter().map(|batch| reading.answered(batch)).sum::<usize>(), 39);
    }

    #[test]
    fn a_pass_holds_so_many_tokens_and_scores() {
        let passes = Passes {
            tokens: 4096,
            scores: 1 << 24,
            heads: 16,
            keys: 1 << 16,
        };
        assert_eq!(
            [64, 256, 1024, 5000].map(|length| passes.rows(length, 0)),
            [64, 16, 1, 1]
        );
        assert_eq!(passes.rows(256, 768), 4);
        assert_eq!([passes.rows(4, 8188), passes.rows(4, 1 << 17)], [8, 1]);
    }

    #[test]
    fn empty_requests_are_told() {
        let told = |context: &[u32], continuation: &[u32]| {
            let requests = [(context, continuation)];
            Reading::of(&requests, passes(64), &SHARING)
                .err()
                .map(|error| error.to_string())
        };
        assert!(told(&[], &[1]).unwrap().contains("request 0: the context is empty"));
        assert!(
            told(&[1], &[])
                .unwrap()
                .contains("request 0: the continuation is empty")
        );
        assert!(told(&[1], &[2]).is_none());
    }
}
