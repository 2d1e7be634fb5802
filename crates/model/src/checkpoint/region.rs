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
    /// They themselves.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.map[self.range.clone()]
    }

    /// Has the system begin to read some of them.
    pub(crate) fn ahead(&self, part: Range<usize>) {
        let (start, end) = (self.range.start + part.start, self.range.start + part.end);
        self.map.ahead(start..end.min(self.range.end));
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
