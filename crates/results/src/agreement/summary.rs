//! What the reader wants first of a model's masks: means over seeds, fraction by fraction.

use std::collections::{BTreeMap, BTreeSet};

use secateur_metrics::mask_grid::{MaskGrid, Removed, method_place};

use super::Comparisons;

/// Mean overlap and mean Jaccard index, by fraction.
pub type Alike = BTreeMap<Removed, (f64, f64)>;
/// Layers that are not nested, by a fraction and the next.
pub type Steps = BTreeMap<(Removed, Removed), Violations>;

/// One model's masks of one domain.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelSummary {
    /// The model.
    pub model: String,
    /// What the masks were calibrated on.
    pub domain: String,
    /// Masks.
    pub masks: usize,
    /// Layers of each.
    pub layers: usize,
    /// Experts per layer, as far as ids show.
    pub experts: usize,
    /// Fractions removed.
    pub fractions: Vec<Removed>,
    /// Mean overlap and Jaccard index of two methods over seeds, by fraction.
    pub methods: Vec<((String, String), Alike)>,
    /// Mean overlap and Jaccard index of two seeds of a method, by fraction.
    pub seeds: Vec<(String, Alike)>,
    /// Layers that are not nested from a fraction to the next, and layers compared, over seeds.
    pub nesting: Vec<(String, Steps)>,
}

/// Layers over all seeds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Violations {
    /// The smaller mask keeps an expert that the larger one dropped.
    pub subset: usize,
    /// Its list is not the beginning of the larger one's.
    pub prefix: usize,
    /// Layers compared.
    pub layers: usize,
}

#[derive(Default)]
struct Mean {
    overlap: f64,
    jaccard: f64,
    n: usize,
}

impl Mean {
    fn add(&mut self, (overlap, jaccard): (f64, f64)) {
        self.overlap += overlap;
        self.jaccard += jaccard;
        self.n += 1;
    }

    fn value(&self) -> (f64, f64) {
        let n = self.n.max(1) as f64;
        (self.overlap / n, self.jaccard / n)
    }
}

type Means<K> = BTreeMap<K, BTreeMap<Removed, Mean>>;

fn values<K: Ord>(means: Means<K>) -> Vec<(K, Alike)> {
    let of = |row: BTreeMap<Removed, Mean>| row.into_iter().map(|(at, mean)| (at, mean.value())).collect();
    means.into_iter().map(|(key, row)| (key, of(row))).collect()
}

impl ModelSummary {
    /// One for every model and domain.
    #[must_use]
    pub fn all(grid: &MaskGrid, found: &Comparisons) -> Vec<Self> {
        let places: BTreeSet<(&str, &str)> = grid
            .masks()
            .map(|(key, _)| (key.model.as_str(), key.domain.as_str()))
            .collect();
        let summary = |(model, domain)| Self::of(grid, found, model, domain);
        places.into_iter().map(summary).collect()
    }

    fn of(grid: &MaskGrid, found: &Comparisons, model: &str, domain: &str) -> Self {
        let here = |key: &secateur_metrics::mask_grid::MaskKey| key.model == model && key.domain == domain;
        let masks: Vec<_> = grid.masks().filter(|(key, _)| here(key)).collect();
        let fractions: BTreeSet<Removed> = masks.iter().map(|(key, _)| key.removed).collect();
        let mut methods: Means<(String, String)> = BTreeMap::new();
        for pair in found.methods.iter().filter(|pair| here(&pair.key)) {
            let row = methods.entry((pair.a.clone(), pair.b.clone())).or_default();
            let alike = (pair.agreement.overlap_mean, pair.agreement.jaccard_mean);
            row.entry(pair.key.removed).or_default().add(alike);
        }
        let mut seeds: Means<String> = BTreeMap::new();
        for pair in found.seeds.iter().filter(|pair| here(&pair.key)) {
            let row = seeds.entry(pair.key.method.clone()).or_default();
            let alike = (pair.agreement.overlap_mean, pair.agreement.jaccard_mean);
            row.entry(pair.key.removed).or_default().add(alike);
        }
        let mut nesting: BTreeMap<String, Steps> = BTreeMap::new();
        for step in found.nesting.iter().filter(|step| here(&step.key)) {
            let row = nesting.entry(step.key.method.clone()).or_default();
            let sum = row.entry((step.key.removed, step.next)).or_default();
            sum.subset += step.violations.subset;
            sum.prefix += step.violations.prefix;
            sum.layers += step.violations.layers;
        }
        let place = |name: &str| {
            let (known, name) = method_place(name);
            (known, name.to_owned())
        };
        let mut summary = Self {
            model: model.to_owned(),
            domain: domain.to_owned(),
            masks: masks.len(),
            layers: masks.first().map_or(0, |(_, mask)| mask.len()),
            experts: grid.experts_seen(model),
            fractions: fractions.into_iter().collect(),
            methods: values(methods),
            seeds: values(seeds),
            nesting: nesting.into_iter().collect(),
        };
        summary.methods.sort_by_key(|((a, b), _)| (place(a), place(b)));
        summary.seeds.sort_by_key(|(method, _)| place(method));
        summary.nesting.sort_by_key(|(method, _)| place(method));
        summary
    }
}

/// Jaccard index expected of two random sets of `kept` of `experts`: about `k / (2E − k)`.
#[must_use]
pub fn by_chance(kept: usize, experts: usize) -> f64 {
    if kept == 0 || experts < kept {
        return 0.0;
    }
    kept as f64 / (2 * experts - kept) as f64
}
