//! How often an interval holds the truth.

use secateur_metrics::classification::{ACCURACY, MACRO_F1};
use secateur_metrics::perplexity::BITS_PER_BYTE;
use secateur_metrics::rouge::ROUGE_L;
use secateur_metrics::statistics::{Bootstrap, Clusters};
use secateur_metrics::{measure, measure_paired};

use crate::table::{Expected, Row};
use crate::worlds::{World, documents, resamples, total};

/// Runs of `interval`, which sees the run's world and options, that hold `truth`.
fn covers(
    (what, setting): (&str, String),
    runs: usize,
    truth: f64,
    interval: impl Fn(&mut World, &Bootstrap) -> (f64, f64) + Sync,
) -> Row {
    let [held] = total(runs, |run| {
        let options = Bootstrap {
            resamples: resamples(runs),
            seed: run as u64,
            ..Bootstrap::default()
        };
        let (low, high) = interval(&mut World::new(0x5eed_0000 + run as u64), &options);
        [f64::from(u8::from(low <= truth + 1e-9 && truth <= high + 1e-9))]
    });
    Row {
        what: what.into(),
        setting,
        share: held / runs as f64,
        runs,
        expected: Expected::Within(0.93, 0.97),
    }
}

pub fn rows(runs: usize) -> Vec<Row> {
    let mut rows = Vec::new();
    shares(runs, &mut rows);
    means(runs, &mut rows);
    paired_shares(runs, &mut rows);
    paired_means(runs, &mut rows);
    statistics(runs, &mut rows);
    rows
}

fn shares(runs: usize, rows: &mut Vec<Row>) {
    for (n, p) in [(20, 0.6), (50, 0.8), (200, 0.9), (1000, 0.5)] {
        let name = ("share of right answers (Wilson)", format!("n = {n}, p = {p}"));
        rows.push(covers(name, runs, p, |world, options| {
            let outcomes: Vec<bool> = (0..n).map(|_| world.happens(p)).collect();
            let few = Bootstrap {
                resamples: 1,
                ..*options
            };
            measure::proportion(&ACCURACY, &outcomes, &Clusters::singletons(n), &few)
                .unwrap()
                .interval
        }));
    }
    // Beta(4, 2) per document: p = 2/3, intra-document correlation 1/7; Beta(2, 1): 1/4.
    for (count, of, (a, b)) in [(15, 4, (4, 2)), (40, 5, (2, 1)), (100, 3, (2, 1))] {
        let setting = format!(
            "{count} documents of {of}, p = 0.67, correlation {:.2}",
            1.0 / f64::from(a + b + 1)
        );
        let clusters = documents(count, of);
        rows.push(covers(
            ("share, items share documents", setting),
            runs,
            2.0 / 3.0,
            |world, options| {
                let mut outcomes = Vec::new();
                for _ in 0..count {
                    let p = world.beta(a, b);
                    outcomes.extend((0..of).map(|_| world.happens(p)));
                }
                measure::proportion(&ACCURACY, &outcomes, &clusters, options)
                    .unwrap()
                    .interval
            },
        ));
    }
}

fn means(runs: usize, rows: &mut Vec<Row>) {
    for n in [10, 30, 100] {
        let name = ("mean of scores", format!("n = {n}, Beta(2, 5)"));
        rows.push(covers(name, runs, 2.0 / 7.0, |world, options| {
            let values: Vec<f64> = (0..n).map(|_| world.beta(2, 5)).collect();
            measure::mean(&ROUGE_L, &values, &Clusters::singletons(n), options)
                .unwrap()
                .interval
        }));
    }
    for (count, of) in [(12, 5), (40, 5)] {
        let clusters = documents(count, of);
        let setting = format!("{count} documents of {of}, correlation 0.5");
        rows.push(covers(
            ("mean, items share documents", setting),
            runs,
            0.0,
            |world, options| {
                let mut values = Vec::new();
                for _ in 0..count {
                    let own = world.normal();
                    values.extend((0..of).map(|_| own + world.normal()));
                }
                measure::mean(&BITS_PER_BYTE, &values, &clusters, options)
                    .unwrap()
                    .interval
            },
        ));
    }
}

/// Right before and after: right before with p, then lost or won.
pub fn flips(world: &mut World, n: usize, lost: f64, won: f64) -> (Vec<bool>, Vec<bool>) {
    let pair = |_| match world.uniform() {
        u if u < lost => (true, false),
        u if u < lost + won => (false, true),
        u => (u > 0.5, u > 0.5),
    };
    (0..n).map(pair).unzip()
}

fn paired_shares(runs: usize, rows: &mut Vec<Row>) {
    for (n, lost, won) in [(20, 0.2, 0.1), (50, 0.1, 0.05), (120, 0.06, 0.02), (500, 0.05, 0.05)] {
        let name = ("difference of shares", format!("n = {n}, {lost} lost, {won} won"));
        rows.push(covers(name, runs, won - lost, |world, options| {
            let (before, after) = flips(world, n, lost, won);
            measure_paired::proportion(&ACCURACY, &before, &after, &Clusters::singletons(n), options)
                .unwrap()
                .interval
        }));
    }
    for (count, of) in [(20, 4), (60, 3)] {
        let clusters = documents(count, of);
        let setting = format!("{count} documents of {of}, 0.10 lost, 0.05 won, by document");
        rows.push(covers(
            ("difference of shares, documents", setting),
            runs,
            -0.05,
            |world, options| {
                let (mut before, mut after) = (Vec::new(), Vec::new());
                for _ in 0..count {
                    // A document loses between none and a fifth, and wins half of that.
                    let lost = 0.2 * world.uniform();
                    let pair = flips(world, of, lost, lost / 2.0);
                    before.extend(pair.0);
                    after.extend(pair.1);
                }
                measure_paired::proportion(&ACCURACY, &before, &after, &clusters, options)
                    .unwrap()
                    .interval
            },
        ));
    }
}

fn paired_means(runs: usize, rows: &mut Vec<Row>) {
    for n in [15, 50, 200] {
        let name = (
            "difference of means",
            format!("n = {n}, Beta(2, 5) less Beta(2, 6), half of items equal"),
        );
        let truth = 0.5 * (2.0 / 8.0 - 2.0 / 7.0);
        rows.push(covers(name, runs, truth, |world, options| {
            let before: Vec<f64> = (0..n).map(|_| world.beta(2, 5)).collect();
            let after = |value: &f64| if world.happens(0.5) { *value } else { world.beta(2, 6) };
            let after: Vec<f64> = before.iter().map(after).collect();
            measure_paired::mean(&ROUGE_L, &before, &after, &Clusters::singletons(n), options)
                .unwrap()
                .interval
        }));
    }
    let clusters = documents(25, 4);
    let name = (
        "difference of means, documents",
        "25 documents of 4, correlation 0.5".to_owned(),
    );
    rows.push(covers(name, runs, -0.3, |world, options| {
        let mut after = Vec::new();
        for _ in 0..25 {
            let own = world.normal() - 0.3;
            after.extend((0..4).map(|_| own + world.normal()));
        }
        measure_paired::mean(&BITS_PER_BYTE, &[0.0; 100], &after, &clusters, options)
            .unwrap()
            .interval
    }));
}

/// Macro-F1 of two classes from rates: class 1 makes up `share`, and each class is found with its probability.
fn macro_f1(share: f64, found: [f64; 2]) -> f64 {
    let f1 = |own: f64, hit: f64, other: f64, missed: f64| 2.0 * own * hit / (own * hit + other * missed + own);
    let zero = f1(1.0 - share, found[0], share, 1.0 - found[1]);
    let one = f1(share, found[1], 1.0 - share, 1.0 - found[0]);
    f64::midpoint(zero, one)
}

fn statistics(runs: usize, rows: &mut Vec<Row>) {
    let f1_of = |labels: &[(bool, bool)], items: &[usize]| {
        let count = |gold, said| items.iter().filter(|&&i| labels[i] == (gold, said)).count() as f64;
        let f1 = |class| {
            2.0 * count(class, class) / (2.0 * count(class, class) + count(!class, class) + count(class, !class))
        };
        Some(f64::midpoint(f1(false), f1(true)))
    };
    for n in [60, 200] {
        let name = ("macro-F1", format!("n = {n}, 30 % of class 1, 0.9 and 0.7 found"));
        rows.push(covers(name, runs, macro_f1(0.3, [0.9, 0.7]), |world, options| {
            let item = |_| {
                let gold = world.happens(0.3);
                (
                    gold,
                    if world.happens(if gold { 0.7 } else { 0.9 }) {
                        gold
                    } else {
                        !gold
                    },
                )
            };
            let labels: Vec<(bool, bool)> = (0..n).map(item).collect();
            let of = |items: &[usize]| f1_of(&labels, items);
            measure::statistic(&MACRO_F1, &Clusters::singletons(n), options, &of)
                .unwrap()
                .interval
        }));
    }
    let name = (
        "difference of a ratio of sums",
        "n = 40, bits per byte of texts of 1 to 9 units".to_owned(),
    );
    rows.push(covers(name, runs, 0.1, |world, options| {
        let text = |_| (1.0 + (9.0 * world.uniform()).floor(), world.normal());
        let texts: Vec<(f64, f64)> = (0..40).map(text).collect();
        let ratio = |more: f64, noise: f64, items: &[usize]| {
            let bits: f64 = items
                .iter()
                .map(|&i| texts[i].0 * (1.0 + more) + noise * texts[i].1)
                .sum();
            Some(bits / items.iter().map(|&i| texts[i].0).sum::<f64>())
        };
        let (before, after) = (|i: &[usize]| ratio(0.0, 0.0, i), |i: &[usize]| ratio(0.1, 0.4, i));
        let clusters = Clusters::singletons(40);
        measure_paired::statistic(&BITS_PER_BYTE, &clusters, options, &before, &after)
            .unwrap()
            .interval
    }));
}
