//! Items that belong together: questions on one abstract, claims on one article. They are drawn together, or the interval
//! pretends that each brings news of its own.

use std::collections::BTreeMap;

/// Items by the unit that is drawn. An item that shares nothing is a unit of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clusters {
    /// Items, unit by unit.
    items: Vec<usize>,
    /// Where each unit begins in `items`, and the end of the last.
    starts: Vec<usize>,
}

impl Clusters {
    /// Each of `n` items on its own.
    #[must_use]
    pub fn singletons(n: usize) -> Self {
        Self {
            items: (0..n).collect(),
            starts: (0..=n).collect(),
        }
    }

    /// Items with equal names together, items without a name on their own, in the order of their first items.
    #[must_use]
    pub fn by_name<'a>(names: impl IntoIterator<Item = Option<&'a str>>) -> Self {
        let mut known: BTreeMap<&str, usize> = BTreeMap::new();
        let mut units: Vec<Vec<usize>> = Vec::new();
        for (item, name) in names.into_iter().enumerate() {
            let unit = match name {
                Some(name) => *known.entry(name).or_insert(units.len()),
                None => units.len(),
            };
            if unit == units.len() {
                units.push(Vec::new());
            }
            units[unit].push(item);
        }
        Self::new(&units)
    }

    fn new(units: &[Vec<usize>]) -> Self {
        let mut starts = vec![0];
        starts.extend(units.iter().scan(0, |end, unit| {
            *end += unit.len();
            Some(*end)
        }));
        Self {
            items: units.concat(),
            starts,
        }
    }

    /// The items that `keep` says yes to, numbered anew in their order. Units stay what they were, if need be empty, so that
    /// equal draws of units mean equal draws of items, whichever of them enter.
    #[must_use]
    pub fn restricted(&self, keep: &[bool]) -> Self {
        let mut next = 0;
        let renumbered: Vec<Option<usize>> = keep
            .iter()
            .map(|&kept| {
                next += usize::from(kept);
                kept.then(|| next - 1)
            })
            .collect();
        let of = |item: &usize| renumbered.get(*item).copied().flatten();
        let units = (0..self.count()).map(|unit| self.members(unit).iter().filter_map(of).collect());
        Self::new(&units.collect::<Vec<Vec<usize>>>())
    }

    /// Units, empty ones too.
    #[must_use]
    pub fn count(&self) -> usize {
        self.starts.len() - 1
    }

    /// Units that hold an item: the number of independent observations.
    #[must_use]
    pub fn occupied(&self) -> usize {
        self.starts.windows(2).filter(|pair| pair[0] < pair[1]).count()
    }

    /// Items.
    #[must_use]
    pub fn items(&self) -> usize {
        self.items.len()
    }

    /// Whether every item is a unit of its own.
    #[must_use]
    pub fn are_singletons(&self) -> bool {
        self.occupied() == self.items()
    }

    /// Items of a unit.
    #[must_use]
    pub fn members(&self, unit: usize) -> &[usize] {
        &self.items[self.starts[unit]..self.starts[unit + 1]]
    }

    /// Sum of a value over each unit's items.
    #[must_use]
    pub fn sums(&self, values: &[f64]) -> Vec<f64> {
        let sum = |unit| self.members(unit).iter().map(|&item| values[item]).sum();
        (0..self.count()).map(sum).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_names_are_one_unit_and_no_name_is_its_own() {
        let clusters = Clusters::by_name([Some("a"), None, Some("b"), Some("a"), None]);
        assert_eq!((clusters.count(), clusters.items()), (4, 5));
        assert_eq!(clusters.members(0), &[0, 3]);
        assert_eq!(clusters.members(3), &[4]);
        assert!(!clusters.are_singletons());
        assert_eq!(clusters.sums(&[1.0, 2.0, 4.0, 8.0, 16.0]), vec![9.0, 2.0, 4.0, 16.0]);
        assert!(Clusters::by_name([Some("a"), Some("b")]).are_singletons());
    }

    #[test]
    fn a_restriction_keeps_the_units() {
        let clusters = Clusters::by_name([Some("a"), Some("b"), Some("a"), Some("c")]);
        let kept = clusters.restricted(&[false, false, true, true]);
        assert_eq!((kept.count(), kept.occupied(), kept.items()), (3, 2, 2));
        assert_eq!(
            (kept.members(0), kept.members(1), kept.members(2)),
            (&[0][..], &[][..], &[1][..])
        );
        assert_eq!(
            Clusters::singletons(2).restricted(&[true, true]),
            Clusters::singletons(2)
        );
    }
}
