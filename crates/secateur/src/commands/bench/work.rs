//! What is run: the same tokens for every model of one vocabulary, in the sizes that the figures' names say.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::ensure;
use secateur_model::generate::GenerateOptions;
use secateur_model::observe::{MoeObservation, MoeObserver, Question};
use secateur_model::{Model, ModelError};
use secateur_pruning::calibration::calibrate;
use secateur_pruning::methods::{METHODS, Method, Profile, wanted};
use secateur_pruning::statistics::{Provenance, Statistic};

use super::Part;
use super::measure::{Stopwatch, timed};
use super::read::Weights;

/// Tokens of a sequence.
pub const LENGTH: usize = 256;
/// Sequences side by side.
const BATCH: usize = 8;
/// Tokens of a prompt that decoding goes on from.
const PROMPT: usize = 64;
/// Tokens that decoding adds, behind the first.
const NEW: usize = 32;
/// Sequences of the calibration: one by one, and in one pass, which is how a calibration takes them.
const SAMPLES: usize = 4;
/// The first ids of a vocabulary are mostly special tokens.
const FIRST_ID: u64 = 4;

/// Measures a part; the model's mask is switched off. Beside decoding, `weights` are read if they are in memory.
pub fn measure(
    part: Part,
    model: &mut Model,
    weights: Option<&Weights>,
    watch: &mut Stopwatch<'_>,
) -> anyhow::Result<()> {
    model.set_mask(None)?;
    let sequences = sequences(model.vocabulary());
    match part {
        Part::Prefill => prefill(model, &sequences, watch),
        Part::Decode => decode(model, weights, &sequences, watch),
        Part::Calibration => calibration(model, &sequences[..SAMPLES], watch),
    }
}

/// `[8][256]` token ids, drawn evenly.
fn sequences(vocabulary: usize) -> Vec<Vec<u32>> {
    let vocabulary = vocabulary as u64;
    let first = if vocabulary > FIRST_ID { FIRST_ID } else { 0 };
    let mut state = 1;
    let mut id = || (first + next(&mut state) % (vocabulary - first).max(1)) as u32;
    (0..BATCH).map(|_| (0..LENGTH).map(|_| id()).collect()).collect()
}

/// `SplitMix64`: any stream of numbers will do, if it is the same each time.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn prefill(model: &Model, sequences: &[Vec<u32>], watch: &mut Stopwatch<'_>) -> anyhow::Result<()> {
    let all: Vec<&[u32]> = sequences.iter().map(Vec::as_slice).collect();
    watch.rate("prefill_tok_s_b8x256", BATCH * LENGTH, &mut || {
        timed(|| Ok(model.largest_logits(&all).map(drop)?))
    })?;
    let answer = [0];
    let requests: Vec<(&[u32], &[u32])> = all.iter().map(|&context| (context, &answer[..])).collect();
    watch.rate("prefill_last_tok_s_b8x256", BATCH * LENGTH, &mut || {
        timed(|| Ok(model.score(&requests, &mut |_| {}).map(drop)?))
    })
}

fn decode(
    model: &Model,
    weights: Option<&Weights>,
    sequences: &[Vec<u32>],
    watch: &mut Stopwatch<'_>,
) -> anyhow::Result<()> {
    let figures = [
        ("decode_tok_s_b1", "decode_read_gb_s_b1", 1),
        ("decode_tok_s_b8", "decode_read_gb_s_b8", BATCH),
    ];
    let read = || weights.and_then(Weights::rate);
    for (name, beside, batch) in figures {
        let mut reads = Vec::new();
        watch.rate(name, batch * NEW, &mut || {
            // Neighbours come and go.
            let before = read();
            let seconds = further_tokens(model, &sequences[..batch])?;
            reads.push(
                before
                    .zip(read())
                    .map(|(before, after)| f64::midpoint(before, after) / 1e9),
            );
            Ok(seconds)
        })?;
        // The first run is not counted.
        if let Some(reads) = reads.into_iter().skip(1).collect() {
            watch.keep(beside, reads)?;
        }
    }
    Ok(())
}

/// Seconds from each prompt's first new token to the last of all.
fn further_tokens(model: &Model, sequences: &[Vec<u32>]) -> anyhow::Result<f64> {
    let request = |sequence: &Vec<u32>| GenerateOptions {
        prompt: sequence[..PROMPT].to_vec(),
        max_new_tokens: NEW + 1,
        end_tokens: Vec::new(),
        temperature: 0.0,
        top_p: 1.0,
        seed: 0,
    };
    let requests: Vec<GenerateOptions> = sequences.iter().map(request).collect();
    let started = Instant::now();
    let first = AtomicU64::new(0);
    let never = |_, tokens: &[u32]| {
        if tokens.len() == 1 {
            first.fetch_max(started.elapsed().as_nanos() as u64, Ordering::Relaxed);
        }
        Ok(false)
    };
    let generated = model.generate(&requests, &never, &mut |_| {})?;
    let whole = started.elapsed();
    ensure!(
        generated.iter().all(|one| one.tokens.len() == NEW + 1),
        "decoding ended early: expected {} tokens behind each prompt",
        NEW + 1
    );
    Ok(whole
        .saturating_sub(Duration::from_nanos(first.into_inner()))
        .as_secs_f64())
}

fn calibration(model: &mut Model, sequences: &[Vec<u32>], watch: &mut Stopwatch<'_>) -> anyhow::Result<()> {
    let tokens = sequences.len() * LENGTH;
    for (kind, statistics) in collected() {
        watch.rate(kind.one_by_one(), tokens, &mut || {
            timed(|| (sequences.chunks(1)).try_for_each(|sequence| collect(model, sequence, &statistics)))
        })?;
        if let Some(name) = kind.in_one_pass() {
            watch.rate(name, tokens, &mut || timed(|| collect(model, sequences, &statistics)))?;
        }
    }
    let of_weights = all(&[Profile::Reference])
        .into_iter()
        .filter(|statistic| statistic.is_of_weights())
        .collect();
    watch.time("weight_statistics_s", &mut || {
        timed(|| collect(model, &[], &of_weights))
    })?;
    let sequences: Vec<&[u32]> = sequences.iter().map(Vec::as_slice).collect();
    watch.rate("plain_forward_tok_s_b1x256", tokens, &mut || {
        timed(|| {
            (sequences.chunks(1))
                .try_for_each(|sequence| model.largest_logits(sequence).map(drop))
                .map_err(Into::into)
        })
    })?;
    watch.rate("plain_layers_tok_s_b1x256", tokens, &mut || {
        timed(|| {
            (sequences.chunks(1))
                .try_for_each(|sequence| model.observe_batch(sequence, &mut Blind))
                .map_err(Into::into)
        })
    })?;
    watch.rate("plain_layers_tok_s_b4x256", tokens, &mut || {
        timed(|| Ok(model.observe_batch(&sequences, &mut Blind)?))
    })
}

/// What is collected over tokens.
#[derive(Debug, Clone, Copy)]
enum Collected {
    /// What REAP needs.
    Reap,
    /// What all methods need, each by its own definition.
    All,
    /// And what they need as the paper's code has them.
    Paper,
}

impl Collected {
    /// The figure's name for sequences one by one.
    fn one_by_one(self) -> &'static str {
        match self {
            Self::Reap => "calibration_reap_tok_s_b1x256",
            Self::All => "calibration_all_tok_s_b1x256",
            Self::Paper => "calibration_paper_tok_s_b1x256",
        }
    }

    /// That for all sequences at once, if it is measured.
    fn in_one_pass(self) -> Option<&'static str> {
        match self {
            Self::Reap => Some("calibration_reap_tok_s_b4x256"),
            Self::All => Some("calibration_all_tok_s_b4x256"),
            Self::Paper => None,
        }
    }
}

fn collected() -> [(Collected, BTreeSet<Statistic>); 3] {
    let of_tokens = |statistics: BTreeSet<Statistic>| statistics.into_iter().filter(|s| !s.is_of_weights()).collect();
    let reap = METHODS.iter().copied().filter(|method| method.name() == "reap");
    let reap: Vec<(&dyn Method, Profile)> = reap.map(|method| (method, Profile::Reference)).collect();
    [
        (Collected::Reap, of_tokens(wanted(&reap))),
        (Collected::All, of_tokens(all(&[Profile::Reference]))),
        (Collected::Paper, of_tokens(all(&[Profile::Reference, Profile::Paper]))),
    ]
}

/// What all methods need that have one of these profiles.
fn all(profiles: &[Profile]) -> BTreeSet<Statistic> {
    let known = |&profile: &Profile| {
        let methods = METHODS.iter().copied();
        methods
            .filter(move |method| method.profiles().contains(&profile))
            .map(move |method| (method, profile))
    };
    wanted(&profiles.iter().flat_map(known).collect::<Vec<_>>())
}

fn collect(model: &mut Model, sequences: &[Vec<u32>], statistics: &BTreeSet<Statistic>) -> anyhow::Result<()> {
    calibrate(model, sequences, Provenance::default(), statistics, &mut |_| {})?;
    Ok(())
}

/// Looks at nothing: the layers run as in a calibration, and no vocabulary.
struct Blind;

impl MoeObserver for Blind {
    fn observe(&mut self, _: &MoeObservation<'_>) -> Result<(), ModelError> {
        Ok(())
    }

    fn asks(&self) -> Option<&[Question]> {
        Some(&[])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_the_same_each_time_and_in_range() {
        for vocabulary in [1, 4, 5, 300] {
            let drawn = sequences(vocabulary);
            assert_eq!(drawn, sequences(vocabulary));
            assert_eq!((drawn.len(), drawn[7].len()), (BATCH, LENGTH));
            assert!(drawn.iter().flatten().all(|&id| (id as usize) < vocabulary));
        }
        let drawn = sequences(300);
        assert!(drawn.iter().flatten().all(|&id| id >= 4) && drawn[0] != drawn[1]);
    }

    #[test]
    fn more_and_more_is_collected() {
        let [(_, reap), (_, all), (_, paper)] = collected();
        assert!(reap.contains(&Statistic::GatedOutputNorm) && reap.len() < all.len());
        assert!(all.is_subset(&paper) && !all.contains(&Statistic::EveryExpertOutputNorm));
        assert!(paper.contains(&Statistic::EveryExpertOutputNorm));
        assert!(paper.iter().all(|statistic| !statistic.is_of_weights()));
    }
}
