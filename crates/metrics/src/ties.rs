//! When two scores are the same: exactly equal, so that groups of ties do not depend on the order of the items.

use std::cmp::Ordering;

/// Exactly equal; 0 and −0 are.
pub(crate) fn tied(a: f64, b: f64) -> bool {
    a.partial_cmp(&b) == Some(Ordering::Equal)
}
