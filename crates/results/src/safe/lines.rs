//! Records sorted for the answer: per model, method and domain the cells of each fraction, with the differences over seeds.

use std::collections::{BTreeMap, BTreeSet};

use secateur_metrics::measure_paired::MCNEMAR;
use secateur_metrics::statistics::Resampled;
use secateur_metrics::statistics::seeds::{OverSeeds, over_seeds};
use secateur_metrics::value::{Direction, MetricValue};

use crate::aggregate::{has_several_corpora, method_label};
use crate::record::Record;

/// Fractions are in 0…1, where the order of the bits is the order of the numbers.
pub type FractionBits = u64;

/// Model, method, domain.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The model.
    pub model: String,
    /// The method's label.
    pub method: String,
    /// The domain.
    pub domain: String,
}

/// The pruned cells of a place.
#[derive(Debug, Default)]
pub struct Line<'a> {
    /// By fraction, task and seed.
    pub cells: BTreeMap<FractionBits, BTreeMap<&'a str, BTreeMap<u64, &'a Record>>>,
}

impl Line<'_> {
    /// Every seed of any cell.
    #[must_use]
    pub fn seeds(&self) -> BTreeSet<u64> {
        let tasks = self.cells.values().flat_map(BTreeMap::values);
        tasks.flat_map(|seeds| seeds.keys().copied()).collect()
    }
}

/// All records, by what the answer asks for.
#[derive(Debug, Default)]
pub struct Lines<'a> {
    /// Pruned cells.
    pub lines: BTreeMap<Place, Line<'a>>,
    /// By model and task: the unpruned record, of the smallest seed where there are several.
    pub unpruned: BTreeMap<(&'a str, &'a str), &'a Record>,
}

impl<'a> Lines<'a> {
    /// Sorts records.
    #[must_use]
    pub fn new(records: &'a [Record]) -> Self {
        let several = has_several_corpora(records);
        let mut sorted = Self::default();
        for record in records {
            let cell = &record.cell;
            let Some(method) = method_label(cell, several) else {
                let known = sorted.unpruned.entry((&cell.model, &cell.task)).or_insert(record);
                if cell.seed < known.cell.seed {
                    *known = record;
                }
                continue;
            };
            let place = Place {
                model: cell.model.clone(),
                method,
                domain: cell.domain.clone(),
            };
            let line = sorted.lines.entry(place).or_default();
            let tasks = line.cells.entry(cell.fraction_removed.to_bits()).or_default();
            tasks.entry(&cell.task).or_default().insert(cell.seed, record);
        }
        sorted
    }

    /// The unpruned records of a domain's tasks of a model, by task.
    #[must_use]
    pub fn unpruned_in(&self, model: &str, domain: &str) -> Vec<&'a Record> {
        let of_model = self.unpruned.iter().filter(|((m, _), _)| *m == model);
        of_model
            .map(|(_, record)| *record)
            .filter(|r| r.cell.domain == domain)
            .collect()
    }
}

/// One metric of one task at one fraction, over seeds.
#[derive(Debug, Clone)]
pub struct Compared<'a> {
    /// The unpruned model's.
    pub unpruned: &'a MetricValue,
    /// The unpruned model's value on the draws.
    pub base: Resampled,
    /// Pruned minus unpruned.
    pub difference: OverSeeds,
    /// Fewest items that entered a seed's cell.
    pub n: usize,
    /// Least coverage of a cell, the unpruned one's too; `None` in records of layout 1.
    pub coverage: Option<f64>,
}

/// Why there is nothing to compare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gap {
    /// No record, or none of some seed.
    NotEvaluated,
    /// The metric has no value, or no difference, in a cell.
    Undefined,
    /// Records of layout 1.
    NoResamples,
}

/// Puts the seeds of a metric together. `wanted`: seeds that there should be; a method without seeds has one.
///
/// # Errors
/// What is missing.
pub fn compared<'a>(
    unpruned: &'a MetricValue,
    cells: Option<&BTreeMap<u64, &'a Record>>,
    wanted: &BTreeSet<u64>,
) -> Result<Compared<'a>, Gap> {
    let cells = cells
        .filter(|cells| cells.len() == wanted.len())
        .ok_or(Gap::NotEvaluated)?;
    let bounded = unpruned.unit == "fraction";
    let mut differences = Vec::new();
    let mut n = unpruned.n;
    let mut coverage = unpruned.coverage();
    for record in cells.values() {
        let metric = record.metrics.iter().find(|m| m.name == unpruned.name);
        let (metric, paired) = metric
            .and_then(|m| Some((m, m.paired.as_ref()?)))
            .ok_or(Gap::Undefined)?;
        if paired.resamples.is_empty() {
            return Err(Gap::NoResamples);
        }
        differences.push(Resampled {
            plain: paired.test == MCNEMAR,
            ..paired.resamples.resampled(paired.difference, paired.clusters, bounded)
        });
        n = n.min(paired.n);
        let joint = (metric.items > 0).then(|| paired.n as f64 / metric.items as f64);
        coverage = coverage.zip(joint).map(|(a, b)| a.min(b));
    }
    Ok(Compared {
        unpruned,
        base: unpruned.resamples.resampled(unpruned.value, unpruned.clusters, bounded),
        difference: over_seeds(&differences).ok_or(Gap::NoResamples)?,
        n,
        coverage,
    })
}

/// Whether more of a metric is better.
#[must_use]
pub fn higher_is_better(metric: &MetricValue) -> bool {
    metric.direction == Direction::HigherIsBetter
}
