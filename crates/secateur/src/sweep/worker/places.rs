//! What a worker is to do, in which order.

use std::collections::{BTreeMap, BTreeSet};

use crate::sweep::opened::Opened;
use crate::sweep::plan::CellIndex;

/// A cell that is to be done.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// Where it stands.
    pub(super) at: CellIndex,
    /// Whether it is wanted for its own sake, and not only because pruned cells are compared with it.
    pub(super) wanted: bool,
}

/// The wanted cells of a model in the plan's order, and the unpruned cells that they are compared with.
pub(super) fn places(opened: &Opened<'_>, subject: usize, wanted: &BTreeSet<usize>) -> Vec<Place> {
    let wanted = || wanted.iter().map(|&cell| &opened.plan[cell]);
    let mut places = BTreeMap::new();
    for cell in wanted().filter(|cell| opened.unpruned(cell.subject) == subject) {
        places.insert((0, cell.task), false);
    }
    let own = wanted().filter(|cell| cell.subject == subject);
    places.extend(own.map(|cell| ((cell.mask, cell.task), true)));
    let place = |((mask, task), wanted)| Place {
        at: CellIndex { subject, mask, task },
        wanted,
    };
    places.into_iter().map(place).collect()
}
