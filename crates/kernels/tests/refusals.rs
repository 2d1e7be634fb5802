//! Arguments that do not fit together: every public function says so before it reads or writes anything.

#![allow(clippy::unwrap_used)]

use std::panic::{AssertUnwindSafe, catch_unwind};

use secateur_kernels::{
    Activation, Attention, Expert, Heads, Mixture, Mxfp4, Pairs, Precision, Projection, ProjectionWeights, Seen, Visit,
    WeightDtype, Weights, add, matmul, matmul_mxfp4, matmul_single, rms_norm, rotate,
};

/// Panics unless `call` panics with these words.
fn refuses(words: &str, call: impl FnOnce()) {
    let Err(panic) = catch_unwind(AssertUnwindSafe(call)) else {
        panic!("not refused, expected: {words}");
    };
    let said = panic.downcast_ref::<String>().cloned();
    let said = said.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    let said = said.unwrap();
    assert!(said.contains(words), "said {said:?}, expected: {words}");
}

const BYTES: [u8; 4 * 64 * 4] = [0; 4 * 64 * 4];

fn weights(rows: usize, columns: usize) -> Weights<'static> {
    Weights {
        bytes: &BYTES[..rows * columns * 4],
        dtype: WeightDtype::F32,
        rows,
        columns,
    }
}

fn projection(rows: usize, columns: usize) -> Projection<'static> {
    Projection {
        weights: ProjectionWeights::Plain(weights(rows, columns)),
        bias: None,
    }
}

/// From four to two and back.
fn expert() -> Expert<'static> {
    Expert {
        gate: Some(projection(2, 4)),
        up: projection(2, 4),
        down: projection(4, 2),
        activation: Activation::SiluGated,
    }
}

#[test]
fn products_of_what_does_not_fit() {
    let (x, mut y) = ([0.0; 8], [0.0; 6]);
    refuses("x is not [tokens, 4]", || matmul(&x[..7], weights(3, 4), &mut [0.0; 3]));
    refuses("y is not [2, 3]", || matmul(&x, weights(3, 4), &mut [0.0; 5]));
    refuses("y is not [2, 3]", || matmul_single(&x, weights(3, 4), &mut [0.0; 7]));
    refuses("x is not [tokens, 0]", || matmul(&[], weights(3, 0), &mut []));
    let short = Weights {
        bytes: &BYTES[..47],
        ..weights(3, 4)
    };
    refuses("47", || matmul(&x, short, &mut y));
    let endless = Weights {
        rows: usize::MAX / 2,
        ..weights(3, 4)
    };
    refuses("", || matmul(&x, endless, &mut y));
}

#[test]
fn blocks_that_are_not_there() {
    let w = Mxfp4 {
        blocks: &[0; 4 * 16],
        scales: &[127; 4],
        first: 1,
        step: 2,
        rows: 2,
        columns: 32,
    };
    let (x, mut y) = ([0.0; 32], [0.0; 2]);
    matmul_mxfp4(&x, w, &mut y);
    refuses("not blocks of 32", || {
        matmul_mxfp4(&x[..31], Mxfp4 { columns: 31, ..w }, &mut y);
    });
    for beyond in [
        Mxfp4 { first: 2, ..w },
        Mxfp4 { step: 3, ..w },
        Mxfp4 { step: usize::MAX, ..w },
        Mxfp4 { first: usize::MAX, ..w },
        Mxfp4 { columns: 64, ..w },
        Mxfp4 {
            blocks: &[],
            scales: &[],
            ..w
        },
    ] {
        let x = vec![0.0; beyond.columns];
        refuses("are not in", || matmul_mxfp4(&x, beyond, &mut y));
        refuses("are not in", || beyond.unpack(0, &mut vec![0.0; beyond.columns]));
    }
    refuses("scales are not one for each block", || {
        matmul_mxfp4(&x, Mxfp4 { scales: &[127; 5], ..w }, &mut y);
    });
    refuses("no columns", || Mxfp4 { columns: 0, ..w }.unpack(0, &mut []));
    // A matrix that would be terabytes.
    let endless = |rows, columns| Projection {
        weights: ProjectionWeights::Mxfp4(Mxfp4 {
            blocks: &[],
            scales: &[],
            first: 0,
            step: 1,
            rows,
            columns,
        }),
        bias: None,
    };
    let expert = Expert {
        gate: None,
        up: endless(1 << 40, 32),
        down: endless(32, 1 << 40),
        activation: Activation::ReluSquared,
    };
    refuses("are not in", || {
        Precision::Exact.experts(&x, 32, &[(expert, 1)], &mut [0.0; 32]);
    });
}

#[test]
fn experts_that_do_not_fit() {
    let x = [0.0; 12];
    let run = |expert: Expert<'_>, rows: usize, hidden: usize, x: &[f32], out: usize| {
        Precision::Exact.experts(x, hidden, &[(expert, rows)], &mut vec![0.0; out]);
    };
    run(expert(), 3, 4, &x, 12);
    for (rows, hidden, values, out) in [
        (2, 4, 12, 12),
        (3, 4, 12, 8),
        (3, 4, 8, 12),
        (3, 0, 0, 0),
        (1 << 62, 4, 0, 0),
    ] {
        refuses("groups do not cover x and out", || {
            run(expert(), rows, hidden, &x[..values], out);
        });
    }
    refuses("gate and up are not [2, 4]", || {
        run(
            Expert {
                gate: Some(projection(3, 4)),
                ..expert()
            },
            3,
            4,
            &x,
            12,
        );
    });
    refuses("gate and up are not [2, 4]", || {
        run(
            Expert {
                up: projection(2, 3),
                ..expert()
            },
            3,
            4,
            &x,
            12,
        );
    });
    refuses("down is not [4, 2]", || {
        run(
            Expert {
                down: projection(4, 3),
                ..expert()
            },
            3,
            4,
            &x,
            12,
        );
    });
    let bias = Projection {
        bias: Some(&[0.0; 3]),
        ..projection(2, 4)
    };
    refuses("one bias per row", || {
        run(Expert { up: bias, ..expert() }, 3, 4, &x, 12);
    });
}

#[test]
fn visits_that_nobody_can_make() {
    let visit = |token| Visit {
        token,
        input_weight: 1.0,
        output_weight: 1.0,
    };
    let run = |visits: &[Visit], x: usize, out: usize, loudness: Option<usize>| {
        let groups = [(expert(), visits)];
        let mixture = Mixture {
            x: &vec![0.0; x],
            hidden: 4,
            groups: &groups,
            precision: Precision::Exact,
        };
        let mut loudness = loudness.map(|count| vec![secateur_kernels::Loudness::default(); count]);
        mixture.run(loudness.as_deref_mut(), &mut vec![0.0; out]);
    };
    run(&[visit(0), visit(2)], 12, 12, Some(2));
    refuses("x and out are not [tokens, 4]", || run(&[visit(0)], 12, 8, None));
    refuses("x and out are not [tokens, 4]", || run(&[visit(0)], 11, 11, None));
    refuses("one loudness per visit", || run(&[visit(0)], 12, 12, Some(2)));
    refuses("visits do not ascend by token", || {
        run(&[visit(2), visit(0)], 12, 12, None);
    });
    refuses("visits do not ascend by token", || {
        run(&[visit(1), visit(1)], 12, 12, None);
    });
    // Of a token that there is not.
    refuses("", || run(&[visit(3)], 12, 12, None));
    let weighted = Visit {
        input_weight: 2.0,
        ..visit(3)
    };
    refuses("", || run(&[weighted], 12, 12, None));
}

#[test]
fn attention_to_what_is_not_there() {
    let values = [0.0; 64];
    let mut seen = Seen::default();
    for query in 0..2 {
        seen.keys(0..query + 1);
        seen.close();
    }
    let heads = |heads, positions| Heads::by_token(&values[..heads * positions * 4], [1, heads, positions], 4);
    let attention = Attention {
        query: heads(4, 2),
        key: heads(2, 2),
        value: heads(2, 2),
        seen: &seen,
        scale: 1.0,
        sinks: None,
    };
    let mut out = [0.0; 32];
    attention.run(&mut out);
    refuses("out does not hold a vector", || attention.run(&mut [0.0; 31]));
    refuses("heads do not share keys evenly", || {
        let (key, value) = (heads(3, 2), heads(3, 2));
        Attention {
            key,
            value,
            ..attention
        }
        .run(&mut out);
    });
    refuses("do not fit together", || {
        Attention {
            key: heads(2, 3),
            ..attention
        }
        .run(&mut out);
    });
    refuses("one sink per head", || {
        Attention {
            sinks: Some(&[0.0; 3]),
            ..attention
        }
        .run(&mut out);
    });
    refuses("keys are listed for each query", || {
        Attention {
            query: heads(4, 3),
            ..attention
        }
        .run(&mut [0.0; 48]);
    });
    refuses("a key that there is not", || {
        let (key, value) = (heads(2, 1), heads(2, 1));
        Attention {
            key,
            value,
            ..attention
        }
        .run(&mut out);
    });
    refuses("do not ascend", || {
        let mut seen = Seen::default();
        seen.keys(5..7);
        seen.key(6);
    });
}

#[test]
fn norms_turns_and_sums_of_other_lengths() {
    let x = [1.0; 8];
    refuses("x and out are not [rows, 3]", || {
        rms_norm(&x, 3, None, 0.0, &mut [0.0; 8]);
    });
    refuses("x and out are not [rows, 0]", || {
        rms_norm(&x, 0, None, 0.0, &mut [0.0; 8]);
    });
    refuses("x and out are not [rows, 4]", || {
        rms_norm(&x, 4, None, 0.0, &mut [0.0; 4]);
    });
    refuses("one weight per column", || {
        rms_norm(&x, 4, Some(&x), 0.0, &mut [0.0; 8]);
    });
    refuses("as many values in all three", || add(&x, &x[..7], 1.0, &mut [0.0; 8]));
    refuses("as many values in all three", || add(&x, &x, 1.0, &mut [0.0; 7]));
    let turn = |cosine: &[f32], sine: &[f32], out: usize| {
        let vectors = Heads::by_token(&x, [1, 1, 2], 4);
        rotate(&vectors, None, [cosine, sine], Pairs::Halves, &mut vec![0.0; out]);
    };
    turn(&x[..4], &x[..4], 8);
    refuses("out does not hold as many vectors", || turn(&x[..4], &x[..4], 7));
    refuses("angles do not fit", || turn(&x[..3], &x[..3], 8));
    refuses("angles do not fit", || turn(&x[..4], &x[..2], 8));
    refuses("angles do not fit", || turn(&x[..6], &x[..6], 8));
}
