//! Many masks of several models, domains, methods, seeds and fractions, compared wherever two differ in one of these.
//!
//! The single comparisons are those of [`crate::mask_agreement`].

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::error::{MetricError, Result};
use crate::mask_agreement::{
    Agreement, NestingViolations, RankShift, agreement, nesting_violations, rank_shift, scoring_runs,
};

const METRIC: &str = "mask_grid";
/// Methods in the order of the reference experiment (arXiv:2607.01444); others follow by name.
const KNOWN: [&str; 6] = ["random", "frequency", "gating", "ean", "easyep", "reap"];

/// Share of each layer's experts that a mask removes, as its maker calls it; in [0, 1).
#[derive(Debug, Clone, Copy)]
pub struct Removed(pub f64);

impl PartialEq for Removed {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Removed {}

impl PartialOrd for Removed {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Removed {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl fmt::Display for Removed {
    /// As Python writes it: `0.5`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// What tells one mask from another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct MaskKey {
    /// The model.
    pub model: String,
    /// What it was calibrated on.
    pub domain: String,
    /// The method.
    pub method: String,
    /// The seed.
    pub seed: u64,
    /// The fraction.
    pub removed: Removed,
}

impl fmt::Display for MaskKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            model,
            domain,
            method,
            seed,
            removed,
        } = self;
        write!(f, "{model}, {domain}, {method}, seed {seed}, {removed} removed")
    }
}

/// Two masks that differ in one thing.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair<T> {
    /// The first mask.
    pub key: MaskKey,
    /// What the first has: its method, seed or domain.
    pub a: T,
    /// What the second has instead.
    pub b: T,
    /// How alike they are.
    pub agreement: Agreement,
}

/// A mask against that of the next larger fraction.
#[derive(Debug, Clone, PartialEq)]
pub struct NestingStep {
    /// The mask that keeps more.
    pub key: MaskKey,
    /// The next fraction there is.
    pub next: Removed,
    /// Layers that are not nested.
    pub violations: NestingViolations,
}

/// Which fractions of a model, domain, method and seed were cut from one ranking.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoringRuns {
    /// The mask that keeps most.
    pub key: MaskKey,
    /// Fractions that share a ranking.
    pub groups: Vec<Vec<Removed>>,
    /// First fractions of every two groups, and how far the second's list lies from the first's.
    pub between: Vec<(Removed, Removed, RankShift)>,
}

/// A mask and what it is of.
type Cell<'a> = (&'a MaskKey, &'a [Vec<usize>]);

/// Masks by what they are of.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MaskGrid {
    cells: BTreeMap<MaskKey, Vec<Vec<usize>>>,
}

impl MaskGrid {
    /// Adds a mask: kept ids per layer, best first.
    ///
    /// # Errors
    /// If the fraction is not in [0, 1), a layer keeps nothing or an expert twice, there is no layer, the model has masks with
    /// another number of layers, or the mask is there already.
    pub fn insert(&mut self, key: MaskKey, layers: Vec<Vec<usize>>) -> Result<()> {
        let refuse = |reason: String| Err(MetricError::Undefined { metric: METRIC, reason });
        if !(0.0..1.0).contains(&key.removed.0) {
            return refuse(format!("`{key}`: the fraction is not in [0, 1)"));
        }
        if let Err(error) = agreement(&layers, &layers) {
            return refuse(format!("`{key}`: {error}"));
        }
        let other = self.cells.iter().find(|(k, _)| k.model == key.model);
        if let Some((_, other)) = other.filter(|(_, other)| other.len() != layers.len()) {
            let (found, expected) = (layers.len(), other.len());
            return refuse(format!(
                "`{key}` has {found} layers, other masks of the model have {expected}"
            ));
        }
        if self.cells.contains_key(&key) {
            return refuse(format!("two masks are both of `{key}`"));
        }
        self.cells.insert(key, layers);
        Ok(())
    }

    /// All masks, ascending by key.
    pub fn masks(&self) -> impl Iterator<Item = (&MaskKey, &[Vec<usize>])> {
        self.cells.iter().map(|(key, layers)| (key, layers.as_slice()))
    }

    /// Number of masks.
    #[must_use]
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// One more than the largest id that any mask of the model names: its number of experts, unless all masks drop the last.
    #[must_use]
    pub fn experts_seen(&self, model: &str) -> usize {
        let ids = self.masks().filter(|(key, _)| key.model == model);
        ids.flat_map(|(_, mask)| mask.iter().flatten())
            .max()
            .map_or(0, |last| last + 1)
    }

    /// Models.
    #[must_use]
    pub fn models(&self) -> BTreeSet<&str> {
        self.cells.keys().map(|key| key.model.as_str()).collect()
    }

    /// Domains.
    #[must_use]
    pub fn domains(&self) -> BTreeSet<&str> {
        self.cells.keys().map(|key| key.domain.as_str()).collect()
    }

    /// Methods of a domain: those of the reference experiment in its order, then the others.
    #[must_use]
    pub fn methods(&self, domain: &str) -> Vec<&str> {
        let names: BTreeSet<&str> = self.of(domain).map(|key| key.method.as_str()).collect();
        let mut names: Vec<&str> = names.into_iter().collect();
        names.sort_by_key(|name| method_place(name));
        names
    }

    /// Seeds of a domain.
    #[must_use]
    pub fn seeds(&self, domain: &str) -> BTreeSet<u64> {
        self.of(domain).map(|key| key.seed).collect()
    }

    /// Fractions of a domain.
    #[must_use]
    pub fn fractions(&self, domain: &str) -> BTreeSet<Removed> {
        self.of(domain).map(|key| key.removed).collect()
    }

    fn of<'a>(&'a self, domain: &str) -> impl Iterator<Item = &'a MaskKey> {
        self.cells.keys().filter(move |key| key.domain == domain)
    }

    /// Every two methods of a model, domain, seed and fraction that keep equally many experts in every layer.
    ///
    /// # Errors
    /// Those of [`agreement`].
    pub fn method_pairs(&self) -> Result<Vec<Pair<String>>> {
        let mut groups: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (key, mask) in &self.cells {
            let group = (&key.model, &key.domain, key.removed, key.seed);
            groups.entry(group).or_default().push((key, mask));
        }
        let mut pairs = Vec::new();
        for mut group in groups.into_values() {
            group.sort_by_key(|(key, _)| method_place(&key.method));
            for_pairs(&group, |(key, mask), (other, others)| {
                if mask.iter().map(Vec::len).eq(others.iter().map(Vec::len)) {
                    pairs.push(pair(key, key.method.clone(), other.method.clone(), mask, others)?);
                }
                Ok(())
            })?;
        }
        Ok(pairs)
    }

    /// Every two seeds of a model, domain, method and fraction.
    ///
    /// # Errors
    /// Those of [`agreement`].
    pub fn seed_pairs(&self) -> Result<Vec<Pair<u64>>> {
        let mut groups: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (key, mask) in &self.cells {
            let group = (&key.model, &key.domain, method_place(&key.method), key.removed);
            groups.entry(group).or_default().push((key, mask));
        }
        let mut pairs = Vec::new();
        for group in groups.into_values() {
            for_pairs(&group, |(key, mask), (other, others)| {
                pairs.push(pair(key, key.seed, other.seed, mask, others)?);
                Ok(())
            })?;
        }
        Ok(pairs)
    }

    /// Every two domains of a model, method, seed and fraction.
    ///
    /// # Errors
    /// Those of [`agreement`].
    pub fn domain_pairs(&self) -> Result<Vec<Pair<String>>> {
        let mut groups: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (key, mask) in &self.cells {
            let group = (&key.model, &key.method, key.seed, key.removed);
            groups.entry(group).or_default().push((key, mask));
        }
        let mut pairs = Vec::new();
        for group in groups.into_values() {
            for_pairs(&group, |(key, mask), (other, others)| {
                pairs.push(pair(key, key.domain.clone(), other.domain.clone(), mask, others)?);
                Ok(())
            })?;
        }
        Ok(pairs)
    }

    /// Every fraction against the next that there is.
    ///
    /// # Errors
    /// Those of [`nesting_violations`].
    pub fn nesting(&self) -> Result<Vec<NestingStep>> {
        let mut steps = Vec::new();
        for series in self.series() {
            for step in series.windows(2) {
                let [(key, larger), (next, smaller)] = step else {
                    continue;
                };
                steps.push(NestingStep {
                    key: (*key).clone(),
                    next: next.removed,
                    violations: nesting_violations(larger, smaller)?,
                });
            }
        }
        Ok(steps)
    }

    /// Which fractions share a ranking, for all methods but the random one.
    ///
    /// # Errors
    /// Those of [`scoring_runs`] and [`rank_shift`].
    pub fn scoring_runs(&self) -> Result<Vec<ScoringRuns>> {
        let mut all = Vec::new();
        for series in self.series() {
            let Some(&(key, _)) = series.first().filter(|(key, _)| !is_random(&key.method)) else {
                continue;
            };
            let masks: Vec<&[Vec<usize>]> = series.iter().map(|(_, mask)| *mask).collect();
            let groups = scoring_runs(&masks)?;
            let mut between = Vec::new();
            for_pairs(&groups, |a, b| {
                let shift = rank_shift(masks[a[0]], masks[b[0]])?;
                between.push((series[a[0]].0.removed, series[b[0]].0.removed, shift));
                Ok(())
            })?;
            let fractions = |group: &Vec<usize>| group.iter().map(|&i| series[i].0.removed).collect();
            all.push(ScoringRuns {
                key: key.clone(),
                groups: groups.iter().map(fractions).collect(),
                between,
            });
        }
        Ok(all)
    }

    /// The masks of each model, domain, method and seed, those that keep most first.
    fn series(&self) -> Vec<Vec<Cell<'_>>> {
        let mut groups: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (key, mask) in self.masks() {
            let group = (&key.model, &key.domain, method_place(&key.method), key.seed);
            groups.entry(group).or_default().push((key, mask));
        }
        groups.into_values().collect()
    }

    /// Cells without a mask in the grid that a domain's models, methods, seeds and fractions span.
    #[must_use]
    pub fn missing(&self, domain: &str) -> Vec<MaskKey> {
        let mut missing = Vec::new();
        for model in self.models() {
            for method in self.methods(domain) {
                for seed in self.seeds(domain) {
                    for removed in self.fractions(domain) {
                        let key = MaskKey {
                            model: model.to_owned(),
                            domain: domain.to_owned(),
                            method: method.to_owned(),
                            seed,
                            removed,
                        };
                        if !self.cells.contains_key(&key) {
                            missing.push(key);
                        }
                    }
                }
            }
        }
        missing
    }
}

/// Whether a method's order is chance.
#[must_use]
pub fn is_random(method: &str) -> bool {
    method == "random" || method.starts_with("random@")
}

/// Sorts methods: the reference experiment's in its order, then the others by name.
#[must_use]
pub fn method_place(method: &str) -> (usize, &str) {
    let plain = method.split_once('@').map_or(method, |(plain, _)| plain);
    let plain = if plain == "easy-ep" { "easyep" } else { plain };
    (
        KNOWN.iter().position(|known| *known == plain).unwrap_or(KNOWN.len()),
        method,
    )
}

fn pair<T>(key: &MaskKey, a: T, b: T, mask: &[Vec<usize>], other: &[Vec<usize>]) -> Result<Pair<T>> {
    Ok(Pair {
        key: key.clone(),
        a,
        b,
        agreement: agreement(mask, other)?,
    })
}

fn for_pairs<T>(items: &[T], mut visit: impl FnMut(&T, &T) -> Result<()>) -> Result<()> {
    for (i, a) in items.iter().enumerate() {
        for b in &items[i + 1..] {
            visit(a, b)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::float_cmp)]
    use super::*;

    fn key(domain: &str, method: &str, seed: u64, removed: f64) -> MaskKey {
        MaskKey {
            model: "m".into(),
            domain: domain.into(),
            method: method.into(),
            seed,
            removed: Removed(removed),
        }
    }

    fn grid() -> MaskGrid {
        let mut grid = MaskGrid::default();
        for (key, mask) in [
            (key("d", "reap", 0, 0.5), [[0, 2], [3, 1]]),
            (key("d", "ean", 0, 0.5), [[2, 0], [3, 2]]),
            (key("d", "ean", 1, 0.5), [[2, 0], [3, 2]]),
            (key("e", "ean", 0, 0.5), [[1, 3], [3, 2]]),
        ] {
            grid.insert(key, mask.map(Vec::from).to_vec()).unwrap();
        }
        let larger = vec![vec![2, 0, 1], vec![3, 1, 0]];
        grid.insert(key("d", "ean", 0, 0.25), larger).unwrap();
        grid
    }

    #[test]
    fn every_two_that_differ_in_one_thing_are_compared() {
        let grid = grid();
        let methods = grid.method_pairs().unwrap();
        assert_eq!(
            (methods.len(), methods[0].a.as_str(), methods[0].b.as_str()),
            (1, "ean", "reap")
        );
        assert_eq!(
            (methods[0].agreement.overlap_mean, methods[0].agreement.overlap_min),
            (0.75, 0.5)
        );
        let seeds = grid.seed_pairs().unwrap();
        assert_eq!((seeds.len(), seeds[0].a, seeds[0].b), (1, 0, 1));
        assert_eq!(seeds[0].agreement.jaccard_mean, 1.0);
        let domains = grid.domain_pairs().unwrap();
        assert_eq!((domains.len(), domains[0].a.as_str()), (1, "d"));
        assert_eq!(domains[0].agreement.overlap_mean, 0.5);
    }

    #[test]
    fn fractions_are_compared_with_the_next_and_grouped_into_runs() {
        let grid = grid();
        let steps = grid.nesting().unwrap();
        assert_eq!((steps.len(), steps[0].next), (1, Removed(0.5)));
        assert_eq!((steps[0].violations.subset, steps[0].violations.prefix), (1, 1));
        let runs = grid.scoring_runs().unwrap();
        let split = runs.iter().find(|r| r.groups.len() == 2).unwrap();
        assert_eq!(split.groups, [[Removed(0.25)], [Removed(0.5)]]);
        assert_eq!((split.between[0].2.not_in_other, split.between[0].2.max), (1, 0));
        let missing: Vec<String> = grid.missing("d").iter().map(MaskKey::to_string).collect();
        assert_eq!(
            missing,
            [
                "m, d, ean, seed 1, 0.25 removed",
                "m, d, reap, seed 0, 0.25 removed",
                "m, d, reap, seed 1, 0.25 removed",
                "m, d, reap, seed 1, 0.5 removed"
            ]
        );
        assert_eq!(grid.experts_seen("m"), 4);
    }

    #[test]
    fn what_cannot_be_compared_is_refused() {
        let mut grid = grid();
        for (key, mask, word) in [
            (key("d", "reap", 0, 0.5), vec![vec![0], vec![1]], "two masks"),
            (key("d", "x", 0, 1.0), vec![vec![0], vec![1]], "not in [0, 1)"),
            (key("d", "x", 0, f64::NAN), vec![vec![0], vec![1]], "not in [0, 1)"),
            (
                key("d", "x", 0, 0.5),
                vec![vec![0]],
                "has 1 layers, other masks of the model have 2",
            ),
            (key("d", "x", 0, 0.5), vec![vec![0], vec![]], "keeps no expert"),
            (key("d", "x", 0, 0.5), vec![vec![0], vec![1, 1]], "or one of them twice"),
            (key("d", "x", 0, 0.5), vec![], "no items"),
        ] {
            let message = grid.insert(key, mask).unwrap_err().to_string();
            assert!(message.contains(word), "{message}");
        }
        assert_eq!(grid.len(), 5);
    }

    #[test]
    fn methods_come_in_the_order_of_the_experiment() {
        let mut names = ["zeta", "reap@paper", "easy-ep", "random", "aimer", "ean-mean", "ean"];
        names.sort_by_key(|name| method_place(name));
        assert_eq!(
            names,
            ["random", "ean", "easy-ep", "reap@paper", "aimer", "ean-mean", "zeta"]
        );
    }
}
