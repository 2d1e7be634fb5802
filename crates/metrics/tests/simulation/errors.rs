//! How often a test finds what is not there.

use secateur_metrics::classification::ACCURACY;
use secateur_metrics::measure_paired;
use secateur_metrics::perplexity::BITS_PER_BYTE;
use secateur_metrics::statistics::{Bootstrap, Clusters, benjamini_hochberg, holm, mcnemar, wilcoxon};

use crate::coverage::flips;
use crate::table::{Expected, Row};
use crate::worlds::{World, documents, resamples, total};

const ALPHA: f64 = 0.05;

fn rejects(
    (what, setting): (&str, &str),
    runs: usize,
    expected: Expected,
    wrongly: impl Fn(&mut World, &Bootstrap) -> f64 + Sync,
) -> Row {
    let [total] = total(runs, |run| {
        let options = Bootstrap {
            resamples: resamples(runs),
            seed: run as u64,
            ..Bootstrap::default()
        };
        [wrongly(&mut World::new(0xfa15_e000 + run as u64), &options)]
    });
    Row {
        what: what.into(),
        setting: setting.into(),
        share: total / runs as f64,
        runs,
        expected,
    }
}

fn hit(p: f64) -> f64 {
    f64::from(u8::from(p <= ALPHA))
}

pub fn rows(runs: usize) -> Vec<Row> {
    let level = Expected::AtMost(ALPHA);
    let near = Expected::Within(0.03, 0.07);
    let mut rows = Vec::new();
    for (n, setting) in [(50, "n = 50, 0.1 flip each way"), (300, "n = 300, 0.1 flip each way")] {
        rows.push(rejects(("McNemar, exact", setting), runs, level, |world, _| {
            let (before, after) = flips(world, n, 0.1, 0.1);
            hit(mcnemar(&before, &after).unwrap().p_value)
        }));
        rows.push(rejects(
            ("McNemar, mid-p", setting),
            runs,
            Expected::AtMost(0.055),
            |world, _| {
                let (before, after) = flips(world, n, 0.1, 0.1);
                hit(mcnemar(&before, &after).unwrap().mid_p)
            },
        ));
    }
    for (n, setting) in [
        (12, "n = 12"),
        (40, "n = 40, ties and zeros"),
        (150, "n = 150, ties and zeros"),
    ] {
        rows.push(rejects(
            ("Wilcoxon", setting),
            runs,
            Expected::AtMost(0.055),
            |world, _| {
                let grain = if n == 12 { 1e6 } else { 2.0 };
                let values: Vec<f64> = (0..n).map(|_| (world.normal() * grain).round()).collect();
                hit(wilcoxon(&values).unwrap().p_value)
            },
        ));
    }
    for (n, setting) in [(15, "n = 15, normal"), (100, "n = 100, normal")] {
        rows.push(rejects(
            ("paired bootstrap of a mean", setting),
            runs,
            near,
            |world, options| {
                let values: Vec<f64> = (0..n).map(|_| world.normal()).collect();
                let clusters = Clusters::singletons(n);
                let zero = vec![0.0; n];
                hit(measure_paired::mean(&BITS_PER_BYTE, &zero, &values, &clusters, options)
                    .unwrap()
                    .p_value)
            },
        ));
    }
    rows.push(rejects(
        ("paired bootstrap of a share", "25 documents of 4, flips by document"),
        runs,
        Expected::AtMost(0.055),
        |world, options| {
            let (mut before, mut after) = (Vec::new(), Vec::new());
            for _ in 0..25 {
                let (lost, won) = if world.happens(0.5) { (0.3, 0.05) } else { (0.05, 0.3) };
                let pair = flips(world, 4, lost, won);
                before.extend(pair.0);
                after.extend(pair.1);
            }
            let clusters = documents(25, 4);
            hit(
                measure_paired::proportion(&ACCURACY, &before, &after, &clusters, options)
                    .unwrap()
                    .p_value,
            )
        },
    ));
    rows.push(rejects(
        (
            "Holm, any false rejection",
            "30 comparisons on the same 60 items, 5 of them real",
        ),
        runs,
        level,
        |world, _| f64::from(u8::from(false_rejections(world, holm).0 > 0)),
    ));
    rows.push(rejects(
        ("Benjamini–Hochberg, share of rejections that are false", "the same"),
        runs,
        level,
        |world, _| {
            let (wrong, all) = false_rejections(world, benjamini_hochberg);
            wrong as f64 / (all as f64).max(1.0)
        },
    ));
    rows
}

type Adjust = fn(&[f64]) -> secateur_metrics::error::Result<Vec<f64>>;

/// False rejections and all, of 30 Wilcoxon tests of correlated differences, the first five of which are real.
fn false_rejections(world: &mut World, adjust: Adjust) -> (usize, usize) {
    let shared: Vec<f64> = (0..60).map(|_| world.normal()).collect();
    let p: Vec<f64> = (0..30)
        .map(|k| {
            let shift = if k < 5 { 0.9 } else { 0.0 };
            let values: Vec<f64> = shared
                .iter()
                .map(|common| shift + 0.5 * common + world.normal())
                .collect();
            wilcoxon(&values).unwrap().p_value
        })
        .collect();
    let rejected: Vec<usize> = (0..30).filter(|&k| adjust(&p).unwrap()[k] <= ALPHA).collect();
    (rejected.iter().filter(|&&k| k >= 5).count(), rejected.len())
}
