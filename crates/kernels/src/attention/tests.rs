//! Against f64, for every kind of head; and of what no query looks at, and what is not a number.

use super::*;

fn pseudo_random(n: usize, seed: u32) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state >> 8) / f64::from(1 << 24) * 2.0 - 1.0
    };
    (0..n).map(|_| next() as f32).collect()
}

/// What the query of each cell looks at: causal, as far back as a window reaches, and of two kinds that alternate by key in odd sequences.
fn visible(sequence: usize, query: usize, key: usize, case: &Case) -> bool {
    key <= case.past + query
        && key + case.window > case.past + query
        && (sequence.is_multiple_of(2) || key % 3 != 1)
        // Nothing at all: one query, and all of some that are taken together.
        && query != 2
        && !(QUERIES..2 * QUERIES).contains(&query)
}

struct Case {
    batch: usize,
    heads: usize,
    key_heads: usize,
    queries: usize,
    past: usize,
    window: usize,
    width: usize,
    value_width: usize,
    sinks: bool,
}

fn check(case: &Case) {
    let &Case {
        batch,
        heads,
        key_heads,
        queries,
        past,
        width,
        value_width,
        ..
    } = case;
    let (keys, room) = (past + queries, past + queries + 3);
    let query = pseudo_random(batch * heads * queries * width, 1);
    let key = pseudo_random(batch * key_heads * room * width, 2);
    let value = pseudo_random(batch * key_heads * keys * value_width, 3);
    let sinks = pseudo_random(heads, 4);
    let mut seen = Seen::default();
    for (sequence, q) in (0..batch).flat_map(|b| (0..queries).map(move |q| (b, q))) {
        (0..keys)
            .filter(|&k| visible(sequence, q, k, case))
            .for_each(|k| seen.key(k));
        seen.close();
    }
    let attention = Attention {
        query: Heads::by_token(&query, [batch, heads, queries], width),
        // As a cache has them: by head, with room behind.
        key: Heads {
            values: &key,
            strides: [key_heads * room * width, room * width, width],
            shape: [batch, key_heads, keys],
            width,
        },
        value: Heads::by_token(&value, [batch, key_heads, keys], value_width),
        seen: &seen,
        scale: 0.7,
        sinks: case.sinks.then_some(&sinks),
    };
    each_way(|way| {
        let out = together(&attention, way);
        let alone = one_by_one(&attention, way);
        let expected = |i: usize| in_f64(case, &attention, &sinks, i);
        for (i, (&out, &alone)) in out.iter().zip(&alone).enumerate() {
            let expected = expected(i);
            for found in [out, alone] {
                let error = (f64::from(found) - expected).abs();
                assert!(error < 2e-6, "{}, output {i}: {found}, expected {expected}", way.name);
            }
        }
    });
}

/// Calls `check` with all that this machine has.
fn each_way(mut check: impl FnMut(&Way)) {
    for way in WAYS {
        if (way.available)() {
            check(way);
        } else {
            println!("skipped: this machine has no {}", way.name);
        }
    }
}

/// All queries, on a number of threads that changes no bit.
fn together(attention: &Attention<'_>, way: &Way) -> Vec<f32> {
    let [batch, heads, queries] = attention.query.shape;
    let mut out = vec![f32::NAN; batch * queries * heads * attention.value.width];
    attention.run_by(way, &mut out);
    for pool in [1, 3] {
        let mut again = vec![f32::NAN; out.len()];
        let pool = rayon::ThreadPoolBuilder::new().num_threads(pool).build().unwrap();
        pool.install(|| attention.run_by(way, &mut again));
        assert!(out.iter().zip(&again).all(|(a, b)| a.to_bits() == b.to_bits()));
    }
    out
}

/// Queries that are each computed alone.
fn one_by_one(attention: &Attention<'_>, way: &Way) -> Vec<f32> {
    let ([batch, heads, queries], value_width) = (attention.query.shape, attention.value.width);
    let mut all = vec![f32::NAN; batch * queries * heads * value_width];
    for (cell, out) in all.chunks_exact_mut(heads * value_width).enumerate() {
        let columns = Columns::new(out, heads * value_width);
        for (head, (_, mut out)) in columns.chunks(attention.group() * value_width).into_iter().enumerate() {
            let part = Part {
                sequence: cell / queries,
                head,
                first: cell % queries,
                positions: 1,
                at_once: 1,
            };
            (way.run)(attention, &part, &mut out);
        }
    }
    all
}

/// An output, with sums in f64.
fn in_f64(case: &Case, attention: &Attention<'_>, sinks: &[f32], i: usize) -> f64 {
    let &Case {
        heads,
        key_heads,
        queries,
        past,
        value_width,
        ..
    } = case;
    let (d, head) = (i % value_width, i / value_width % heads);
    let (q, sequence) = (i / value_width / heads % queries, i / value_width / heads / queries);
    let shared = head / (heads / key_heads);
    let score = |k: usize| {
        let (a, b) = (
            attention.query.vector(sequence, head, q),
            attention.key.vector(sequence, shared, k),
        );
        0.7 * a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>()
    };
    let seen = (0..past + queries).filter(|&k| visible(sequence, q, k, case));
    let sink = if case.sinks { f64::from(sinks[head]).exp() } else { 0.0 };
    let sum = seen.clone().map(|k| score(k).exp()).sum::<f64>() + sink;
    let share = |k: usize| score(k).exp() / sum * f64::from(attention.value.vector(sequence, shared, k)[d]);
    seen.map(share).sum()
}

#[test]
fn equals_f64_for_every_kind_of_head() {
    let plain = Case {
        batch: 2,
        heads: 4,
        key_heads: 4,
        queries: if cfg!(miri) { 5 } else { 75 },
        past: 0,
        window: usize::MAX / 2,
        width: 16,
        value_width: 16,
        sinks: false,
    };
    check(&plain);
    check(&Case {
        key_heads: 2,
        sinks: true,
        ..plain
    });
    check(&Case {
        width: 13,
        value_width: 21,
        past: 9,
        ..plain
    });
    check(&Case {
        key_heads: 1,
        queries: 4,
        past: if cfg!(miri) { 2 } else { 150 },
        width: 33,
        value_width: 7,
        sinks: true,
        ..plain
    });
    check(&Case {
        queries: 1,
        past: 17,
        ..plain
    });
    check(&Case {
        queries: if cfg!(miri) { 5 } else { 150 },
        past: if cfg!(miri) { 2 } else { 80 },
        window: if cfg!(miri) { 3 } else { 33 },
        ..plain
    });
}

/// Behind a few keys, others that no query looks at, and then some again: bits do not depend on how many those between are.
#[test]
fn what_is_not_seen_is_not_there() {
    let (before, behind, queries, width) = (if cfg!(miri) { 5 } else { 100 }, 7, 6, 16);
    let with_between = |between: usize| -> Vec<f32> {
        let keys = before + between + behind;
        let (all_keys, all_values) = (
            pseudo_random((before + behind) * width, 2),
            pseudo_random((before + behind) * width, 3),
        );
        let at = |own: &[f32]| {
            [
                &own[..before * width],
                &vec![9.0; between * width],
                &own[before * width..],
            ]
            .concat()
        };
        let (key, value) = (at(&all_keys), at(&all_values));
        let query = pseudo_random(queries * width, 4);
        let mut seen = Seen::default();
        for q in 0..queries {
            seen.keys(0..before);
            seen.keys(before + between..before + between + q + 1);
            seen.close();
        }
        let attention = Attention {
            query: Heads::by_token(&query, [1, 1, queries], width),
            key: Heads::by_token(&key, [1, 1, keys], width),
            value: Heads::by_token(&value, [1, 1, keys], width),
            seen: &seen,
            scale: 0.7,
            sinks: None,
        };
        let mut out = vec![f32::NAN; queries * width];
        attention.run(&mut out);
        out
    };
    let expected = with_between(1);
    for between in if cfg!(miri) { [2, 3, 130] } else { [63, 64, 1000] } {
        assert_eq!(with_between(between), expected, "{between}");
    }
}

/// A key or a value that is not finite, in every place, reaches the queries that look at it; others have the bits that they have without it.
#[test]
fn what_is_not_finite_reaches_who_looks_at_it() {
    let (queries, width) = if cfg!(miri) { (6, 3) } else { (70, 17) };
    let sees = |q: usize, k: usize| k <= q && q != 2 && (q % 5 != 4 || k % 3 != 1);
    let mut seen = Seen::default();
    for q in 0..queries {
        (0..queries).filter(|&k| sees(q, k)).for_each(|k| seen.key(k));
        seen.close();
    }
    let plain: [Vec<f32>; 3] = [1, 2, 3].map(|seed| pseudo_random(queries * width, seed));
    let run = |[query, key, value]: &[Vec<f32>; 3], way: &Way| {
        let heads = |values| Heads::by_token(values, [1, 1, queries], width);
        let attention = Attention {
            query: heads(query),
            key: heads(key),
            value: heads(value),
            seen: &seen,
            scale: 0.3,
            sinks: None,
        };
        together(&attention, way)
    };
    each_way(|way| {
        let clean = run(&plain, way);
        for (at, bad) in [(1, f32::NAN), (2, f32::NAN), (2, f32::INFINITY), (2, f32::NEG_INFINITY)] {
            for k in if cfg!(miri) {
                vec![1]
            } else {
                vec![0, 1, 3, queries - 2]
            } {
                let mut with = plain.clone();
                with[at][k * width + 1] = bad;
                let found = run(&with, way);
                for (q, (found, clean)) in found.chunks_exact(width).zip(clean.chunks_exact(width)).enumerate() {
                    let reached = found.iter().filter(|value| !value.is_finite()).count();
                    let expected = match (sees(q, k), at) {
                        (false, _) => 0,
                        // A weight that is not a number multiplies all dimensions.
                        (true, 1) => width,
                        (true, _) => 1,
                    };
                    assert_eq!(reached, expected, "{}: {bad} in {at} of key {k}, query {q}", way.name);
                    if expected == 0 {
                        assert_eq!(
                            crate::tests::bits(found),
                            crate::tests::bits(clean),
                            "{}, query {q}",
                            way.name
                        );
                    }
                }
            }
        }
    });
}
