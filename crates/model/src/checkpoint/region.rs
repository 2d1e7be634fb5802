//! Where a tensor lies, for whoever knows when it is needed.

use std::ops::Range;
use std::sync::Arc;

use secateur_kernels::mapped::MappedFile;

use super::{Checkpoint, TensorEntry};

/// A tensor's bytes in their file.
#[derive(Debug, Clone)]
pub(crate) struct Region {
    map: Arc<MappedFile>,
    range: Range<usize>,
}

impl Region {
    /// Has the system begin to read them.
    pub(crate) fn ahead(&self) {
        self.map.ahead(self.range.clone());
    }

    /// Lets the memory behind them go until they are looked at again.
    pub(crate) fn release(&self) {
        self.map.release(self.range.clone());
    }
}

impl Checkpoint {
    /// Where a tensor of this checkpoint lies.
    pub(crate) fn region(&self, tensor: &TensorEntry) -> Region {
        Region {
            map: Arc::clone(&self.shards[tensor.shard].map),
            range: tensor.range.clone(),
        }
    }
}
