//! Whole sweeps: how often the safe fraction says more than is true.
//!
//! Five fractions, one or two tasks, and on each a share of right answers and a mean score; what is lost at a smaller fraction is lost
//! at a larger one on the same items, as nested masks have it.

use secateur_metrics::statistics::fixed_sequence::{Slack, furthest};
use secateur_metrics::statistics::noninferiority::{Margin, slack};
use secateur_metrics::statistics::{Bootstrap, Clusters, resample_flips, resample_mean};

use crate::table::{Expected, Row};
use crate::worlds::{World, documents, resamples, total};

const ALPHA: f64 = 0.05;
const MARGIN: f64 = 0.05;

struct Sweep {
    name: &'static str,
    /// True loss of the share of right answers at each fraction.
    shares: [f64; 5],
    /// True loss of the mean score.
    scores: [f64; 5],
    tasks: u64,
    documents: usize,
    of: usize,
}

const NONE: [f64; 5] = [0.0; 5];
const AT_THE_MARGIN: [f64; 5] = [0.0, 0.0, MARGIN, MARGIN, MARGIN];
const GROWING: [f64; 5] = [0.0, 0.01, 0.03, 0.07, 0.15];

const SWEEPS: &[Sweep] = &[
    Sweep {
        name: "one score loses exactly the margin from the third fraction on, 400 items",
        shares: NONE,
        scores: AT_THE_MARGIN,
        tasks: 1,
        documents: 400,
        of: 1,
    },
    Sweep {
        name: "one share does, 400 items",
        shares: AT_THE_MARGIN,
        scores: NONE,
        tasks: 1,
        documents: 400,
        of: 1,
    },
    Sweep {
        name: "one score does, 150 documents of 3",
        shares: NONE,
        scores: AT_THE_MARGIN,
        tasks: 1,
        documents: 150,
        of: 3,
    },
    Sweep {
        name: "two of each do, 100 items",
        shares: AT_THE_MARGIN,
        scores: AT_THE_MARGIN,
        tasks: 2,
        documents: 100,
        of: 1,
    },
    Sweep {
        name: "a loss that grows, 400 items, two tasks",
        shares: GROWING,
        scores: GROWING,
        tasks: 2,
        documents: 400,
        of: 1,
    },
    Sweep {
        name: "nothing is lost, 150 items, two tasks",
        shares: NONE,
        scores: NONE,
        tasks: 2,
        documents: 150,
        of: 1,
    },
];

pub fn rows(runs: usize) -> Vec<Row> {
    let mut rows = Vec::new();
    for sweep in SWEEPS {
        // A loss of exactly the margin is not within it.
        let losses = sweep.shares.iter().zip(sweep.scores);
        let truth = losses.take_while(|(share, score)| share.max(*score) < MARGIN).count();
        let [above, held, passed] = total(runs, |run| {
            let mut world = World::new(0x0005_afe0_0000 + run as u64);
            let found = furthest(&steps(sweep, &mut world, (run as u64, resamples(runs))), ALPHA);
            let holds = (found.interval.0..=found.interval.1).contains(&truth);
            let one = |condition: bool| f64::from(u8::from(condition));
            [one(found.passed > truth), one(holds), found.passed as f64]
        });
        let mean = passed / runs as f64;
        let row = |what: &str, count: f64, expected| Row {
            what: what.into(),
            setting: format!("{} (truth {truth}, mean answer {mean:.2} of 5)", sweep.name),
            share: count / runs as f64,
            runs,
            expected,
        };
        rows.push(row("safe fraction above the truth", above, Expected::AtMost(ALPHA)));
        rows.push(row(
            "interval of the safe fraction holds it",
            held,
            Expected::AtLeast(0.95),
        ));
    }
    rows
}

fn steps(sweep: &Sweep, world: &mut World, (seed, resamples): (u64, usize)) -> Vec<Vec<Slack>> {
    let clusters = if sweep.of == 1 {
        Clusters::singletons(sweep.documents)
    } else {
        documents(sweep.documents, sweep.of)
    };
    let mut steps: Vec<Vec<Slack>> = NONE.iter().map(|_| Vec::new()).collect();
    for task in 0..sweep.tasks {
        let options = Bootstrap {
            resamples,
            seed: 2 * seed + task,
            ..Bootstrap::default()
        };
        let flips = flips(sweep, world);
        let scores = scores(sweep, world);
        let unpruned = resample_mean(&vec![0.7; clusters.items()], &clusters, &options).unwrap();
        for (step, (flips, scores)) in steps.iter_mut().zip(flips.iter().zip(&scores)) {
            let share = resample_flips(flips, &clusters, &options).unwrap();
            let score = resample_mean(scores, &clusters, &options).unwrap();
            step.push(slack(&share, &unpruned, Margin::Absolute(MARGIN), true).unwrap());
            step.push(slack(&score, &unpruned, Margin::Absolute(MARGIN), true).unwrap());
        }
    }
    steps
}

/// Pruned minus unpruned, −1, 0 or 1, by fraction and item. 0.03 are won by chance and as many lost, beside the loss.
fn flips(sweep: &Sweep, world: &mut World) -> Vec<Vec<f64>> {
    let mut by_fraction = vec![Vec::new(); 5];
    for _ in 0..sweep.documents {
        // Documents are hit unequally: between none and twice the loss.
        let weight = if sweep.of == 1 { 1.0 } else { 2.0 * world.uniform() };
        for _ in 0..sweep.of {
            let place = world.uniform();
            for (differences, loss) in by_fraction.iter_mut().zip(sweep.shares) {
                differences.push(match place {
                    p if p < 0.03 => 1.0,
                    p if p < 0.06 + weight * loss => -1.0,
                    _ => 0.0,
                });
            }
        }
    }
    by_fraction
}

/// Differences of a mean score: the loss, and noise that grows with it and is shared between fractions.
fn scores(sweep: &Sweep, world: &mut World) -> Vec<Vec<f64>> {
    let mut by_fraction = vec![Vec::new(); 5];
    for _ in 0..sweep.documents {
        let own = if sweep.of == 1 { 0.0 } else { 0.1 * world.normal() };
        for _ in 0..sweep.of {
            let shared = own + 0.15 * world.normal();
            for (differences, loss) in by_fraction.iter_mut().zip(sweep.scores) {
                differences.push(-loss + shared + 0.1 * world.normal());
            }
        }
    }
    by_fraction
}
