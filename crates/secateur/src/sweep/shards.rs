//! A sweep in parts for several machines, each of which is told its number and nothing else.
//!
//! Cells are cut in the order of the plan into consecutive parts of about equal work, so that a shard loads few models. The same
//! sweep file gives the same shards everywhere. What is already done changes nothing: shards of a sweep that is half done are the
//! same, with less to do.

use std::collections::BTreeSet;
use std::str::FromStr;

use super::plan::PlannedCell;

/// One of several parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// From 0.
    pub index: usize,
    /// How many there are.
    pub count: usize,
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = "expected i/n with i from 0 to n − 1, as in 0/4";
        let (index, count) = text.split_once('/').ok_or(expected)?;
        let number = |text: &str| text.parse::<usize>().map_err(|_| expected.to_owned());
        let (index, count) = (number(index)?, number(count)?);
        if index >= count {
            return Err(format!("there is no shard {index} of {count}: {expected}"));
        }
        Ok(Self { index, count })
    }
}

impl Shard {
    /// Its cells, as indices into the plan; none where there are fewer cells than shards.
    #[must_use]
    pub fn cells(self, plan: &[PlannedCell]) -> BTreeSet<usize> {
        let shards = shards(plan, self.count);
        let own = shards.iter().enumerate().filter(|(_, shard)| **shard == self.index);
        own.map(|(cell, _)| cell).collect()
    }
}

/// The shard of each cell, when there are `count`.
#[must_use]
#[allow(clippy::cast_sign_loss)] // work is not negative
pub fn shards(plan: &[PlannedCell], count: usize) -> Vec<usize> {
    let total: f64 = plan.iter().map(|cell| cell.work).sum();
    let mut before = 0.0;
    let shard = |cell: &PlannedCell| {
        let middle = (before + cell.work / 2.0) / total;
        before += cell.work;
        ((middle * count as f64) as usize).min(count.saturating_sub(1))
    };
    plan.iter().map(shard).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn cell(subject: usize, work: f64) -> PlannedCell {
        PlannedCell {
            id: String::new(),
            subject,
            mask: 0,
            ranking: None,
            fraction: 0.0,
            task: 0,
            work,
        }
    }

    #[test]
    fn shards_cover_all_cells_once_and_are_consecutive() {
        let plan: Vec<_> = (0..50).map(|i| cell(i / 25, 1.0 + (i % 5) as f64)).collect();
        for count in [1, 2, 3, 7, 50, 200] {
            let shards = shards(&plan, count);
            assert!(shards.windows(2).all(|pair| pair[0] <= pair[1]));
            let parts = (0..count).map(|index| Shard { index, count }.cells(&plan));
            assert_eq!(parts.map(|part| part.len()).sum::<usize>(), 50);
        }
        // 150 of work: each half is one model, within a cell of the middle.
        assert_eq!(shards(&plan, 2).iter().filter(|shard| **shard == 0).count(), 25);
    }

    #[test]
    fn shards_are_balanced_by_work() {
        let plan = [cell(0, 3.0), cell(0, 1.0), cell(0, 1.0), cell(0, 1.0)];
        assert_eq!(shards(&plan, 2), [0, 1, 1, 1]);
    }

    #[test]
    fn numbers_are_checked() {
        assert_eq!("2/3".parse::<Shard>().unwrap(), Shard { index: 2, count: 3 });
        for (text, part) in [
            ("3/3", "no shard 3 of 3"),
            ("1", "0/4"),
            ("a/b", "0/4"),
            ("0/0", "no shard 0 of 0"),
        ] {
            assert!(text.parse::<Shard>().unwrap_err().contains(part), "{text}");
        }
    }
}
