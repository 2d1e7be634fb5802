//! Which tokens go to which expert, and where they are found again.

use crate::mask::ExpertId;

/// The order in which rows are grouped by expert, and back.
pub(super) struct Dispatch {
    /// Token of each grouped row.
    pub(super) rows: Vec<usize>,
    /// `token * top_k + slot` of each grouped row.
    pub(super) slots: Vec<usize>,
    /// Grouped row of each `token * top_k + slot`.
    pub(super) back: Vec<usize>,
    /// Rows per expert.
    pub(super) counts: Vec<usize>,
}

impl Dispatch {
    pub(super) fn new(selected: &[ExpertId], top_k: usize, experts: usize) -> Self {
        let mut counts = vec![0; experts];
        for id in selected {
            counts[id.0] += 1;
        }
        let mut next: Vec<usize> = counts
            .iter()
            .scan(0, |start, &n| Some(std::mem::replace(start, *start + n)))
            .collect();
        let mut rows = vec![0; selected.len()];
        let mut slots = vec![0; selected.len()];
        let mut back = vec![0; selected.len()];
        for (slot, id) in selected.iter().enumerate() {
            let row = next[id.0];
            next[id.0] += 1;
            rows[row] = slot / top_k;
            slots[row] = slot;
            back[slot] = row;
        }
        Self {
            rows,
            slots,
            back,
            counts,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Dispatch;
    use crate::mask::ExpertId;

    #[test]
    fn rows_are_grouped_and_found_again() {
        let selected = [2, 0, 0, 2, 1, 2].map(ExpertId);
        let plan = Dispatch::new(&selected, 2, 4);
        assert_eq!(plan.counts, [2, 1, 3, 0]);
        assert_eq!(plan.rows, [0, 1, 2, 0, 1, 2]);
        assert_eq!(plan.slots, [1, 2, 4, 0, 3, 5]);
        assert_eq!(plan.back, [3, 0, 1, 4, 2, 5]);
    }
}
