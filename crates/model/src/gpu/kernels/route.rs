//! Which experts a token goes to: the rules of `blocks::selection`, one unit a token. Sums are f32 here and f64 there.

use burn_cubecl::cubecl;
use cubecl::prelude::*;

use super::words::{finite, poisoned};

/// What does not change from token to token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Rules {
    /// Experts in the checkpoint.
    pub(crate) experts: u32,
    /// Experts per token.
    pub(crate) top_k: u32,
    /// Groups, 1 without.
    pub(crate) groups: u32,
    /// Groups that a token may use.
    pub(crate) chosen: u32,
    /// Experts that make a group's score: 1 or 2.
    pub(crate) counted: u32,
}

/// Whether an expert may be picked.
#[cube]
fn is_kept(kept: &[u32], expert: u32, #[comptime] masked: bool) -> bool {
    if comptime!(masked) {
        kept[expert as usize] == 1u32
    } else {
        true.runtime()
    }
}

/// What is picked by: the score, and the bias where there is one.
#[cube]
fn choice(scores: &[f32], bias: &[f32], token: usize, expert: u32, #[comptime] biased: bool) -> f32 {
    if comptime!(biased) {
        scores[token + expert as usize] + bias[expert as usize]
    } else {
        scores[token + expert as usize]
    }
}

/// Picks experts by `scores`, `[tokens, experts]`: choice descending, ties to the lower index; listed by score. `picked` are their scores, or
/// NaN if a score of an expert that might have been picked is not finite.
#[cube(launch)]
pub(crate) fn route(
    scores: &[f32],
    bias: &[f32],
    kept: &[u32],
    selected: &mut [i32],
    picked: &mut [f32],
    tokens: u32,
    // Kept experts in a group.
    size: u32,
    #[comptime] rules: Rules,
    #[comptime] biased: bool,
    #[comptime] masked: bool,
) {
    if ABSOLUTE_POS as u32 >= tokens {
        terminate!();
    }
    let token = ABSOLUTE_POS * comptime!(rules.experts as usize);
    let mut bad = false;
    let mut open = Array::<u32>::new(comptime!(rules.groups as usize));
    for expert in 0..comptime!(rules.experts) {
        if is_kept(kept, expert, masked) && !finite(scores[token + expert as usize]) {
            bad = true;
        }
    }
    if comptime!(rules.groups > 1) {
        let mut best = Array::<f32>::new(comptime!(rules.groups as usize));
        let mut second = Array::<f32>::new(comptime!(rules.groups as usize));
        let mut seen = Array::<u32>::new(comptime!(rules.groups as usize));
        for group in 0..comptime!(rules.groups) {
            open[group as usize] = 0u32;
            seen[group as usize] = 0u32;
            best[group as usize] = 0.0f32;
            second[group as usize] = 0.0f32;
        }
        let mut rank = 0u32;
        for expert in 0..comptime!(rules.experts) {
            if is_kept(kept, expert, masked) {
                let group = (rank / size) as usize;
                let score = choice(scores, bias, token, expert, biased);
                if seen[group] == 0u32 || score > best[group] {
                    second[group] = best[group];
                    best[group] = score;
                } else if seen[group] == 1u32 || score > second[group] {
                    second[group] = score;
                }
                seen[group] += 1u32;
                rank += 1u32;
            }
        }
        for group in 0..comptime!(rules.groups) {
            if comptime!(rules.counted == 2) && seen[group as usize] > 1u32 {
                best[group as usize] += second[group as usize];
            }
        }
        for _ in 0..comptime!(rules.chosen) {
            let mut which = 0u32;
            let mut found = false;
            for group in 0..comptime!(rules.groups) {
                if seen[group as usize] > 0u32
                    && open[group as usize] == 0u32
                    && (!found || best[group as usize] > best[which as usize])
                {
                    which = group;
                    found = true;
                }
            }
            if found {
                open[which as usize] = 1u32;
            }
        }
    }
    let mut list = Array::<u32>::new(comptime!(rules.top_k as usize));
    let mut last = 0.0f32;
    let mut last_expert = 0u32;
    for place in 0..comptime!(rules.top_k) {
        // If nothing compares, some expert of the checkpoint: the values are NaN.
        let mut which = place;
        let mut most = 0.0f32;
        let mut found = false;
        let mut rank = 0u32;
        for expert in 0..comptime!(rules.experts) {
            if is_kept(kept, expert, masked) {
                let score = choice(scores, bias, token, expert, biased);
                let behind = place == 0 || score < last || (score == last && expert > last_expert);
                let mut allowed = true;
                if comptime!(rules.groups > 1) {
                    allowed = open[(rank / size) as usize] == 1u32;
                }
                if allowed && behind && (!found || score > most) {
                    which = expert;
                    most = score;
                    found = true;
                }
                rank += 1u32;
            }
        }
        list[place as usize] = which;
        last = most;
        last_expert = which;
    }
    // By score: the same order unless a bias chose.
    let out = ABSOLUTE_POS * comptime!(rules.top_k as usize);
    for place in 0..comptime!(rules.top_k) {
        let mut best = place;
        for other in (place + 1)..comptime!(rules.top_k) {
            let (a, b) = (list[other as usize], list[best as usize]);
            let (of_a, of_b) = (scores[token + a as usize], scores[token + b as usize]);
            if of_a > of_b || (of_a == of_b && a < b) {
                best = other;
            }
        }
        let which = list[best as usize];
        list[best as usize] = list[place as usize];
        list[place as usize] = which;
        selected[out + place as usize] = which as i32;
        picked[out + place as usize] = poisoned(scores[token + which as usize], bad);
    }
}

/// The largest of `logits` but for `without`, and its share among those within twice the jitter of it, relative to the size of each logit.
#[cube]
fn best_of(logits: &[f32], token: usize, without: u32, reach: f32, #[comptime] experts: u32) -> (u32, f32) {
    let mut best = 0u32;
    if without == 0u32 {
        best = 1u32;
    }
    for expert in 0..experts {
        if expert != without && logits[token + expert as usize] > logits[token + best as usize] {
            best = expert;
        }
    }
    let most = logits[token + best as usize];
    let mut sum = 0.0f32;
    for expert in 0..experts {
        let logit = logits[token + expert as usize];
        if expert != without && finite(logit) {
            let distance = most - logit;
            // 0 / 0, all logits being 0, is no distance.
            if distance <= reach * max(logit.abs(), most) {
                sum += (logit - most).exp();
            }
        }
    }
    (best, 1.0f32 / sum)
}

/// Two experts a token, and their weights, by `selection::two_by_sparsemixer`. Dropped experts have logits of −∞.
#[cube(launch)]
pub(crate) fn sparsemixer(
    logits: &[f32],
    kept: &[u32],
    selected: &mut [i32],
    weights: &mut [f32],
    tokens: u32,
    reach: f32,
    #[comptime] experts: u32,
    #[comptime] masked: bool,
) {
    if ABSOLUTE_POS as u32 >= tokens {
        terminate!();
    }
    let token = ABSOLUTE_POS * comptime!(experts as usize);
    let mut bad = false;
    for expert in 0..experts {
        if is_kept(kept, expert, masked) && !finite(logits[token + expert as usize]) {
            bad = true;
        }
    }
    let (first, of_first) = best_of(logits, token, experts, reach, experts);
    let (second, of_second) = best_of(logits, token, first, reach, experts);
    let out = 2 * ABSOLUTE_POS;
    if of_second > of_first || (of_second == of_first && second < first) {
        selected[out] = second as i32;
        selected[out + 1] = first as i32;
        weights[out] = poisoned(of_second, bad);
        weights[out + 1] = poisoned(of_first, bad);
    } else {
        selected[out] = first as i32;
        selected[out + 1] = second as i32;
        weights[out] = poisoned(of_first, bad);
        weights[out + 1] = poisoned(of_second, bad);
    }
}
