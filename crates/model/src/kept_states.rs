//! What the unpruned model says of a batch, kept for the masks that follow: every one is compared with it.

use std::collections::HashMap;

use burn::tensor::Tensor;

use crate::batch::Batch;

/// Numbers that are kept, at most: 256 MiB in f32.
const NUMBERS: usize = 1 << 26;

/// A batch and the cells of it that matter.
pub(crate) type Place = (Batch, Vec<usize>);

/// Final hidden states of the unpruned model. What comes when there is no room is not kept, so that the first batches of a sweep's
/// cells, which are the same for every mask, are always found. Looked into, never iterated.
#[derive(Debug, Default)]
pub(crate) struct KeptStates {
    /// `[cells, hidden]`.
    states: HashMap<Place, Tensor<2>>,
    numbers: usize,
    /// How often they were of use.
    found: usize,
}

impl KeptStates {
    pub(crate) fn get(&mut self, place: &Place) -> Option<Tensor<2>> {
        let states = self.states.get(place).cloned();
        self.found += usize::from(states.is_some());
        states
    }

    pub(crate) fn keep(&mut self, place: Place, states: &Tensor<2>) {
        let numbers = states.dims().iter().product::<usize>();
        if self.numbers + numbers <= NUMBERS && self.states.insert(place, states.clone()).is_none() {
            self.numbers += numbers;
        }
    }

    #[cfg(test)]
    pub(crate) fn found(&self) -> usize {
        self.found
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::blocks::rope::host;
    use crate::device::{Device, DeviceKind, Precision};

    #[test]
    fn what_fits_is_found_again() {
        let device = Device::open(DeviceKind::Cpu, Precision::F32).unwrap();
        let mut kept = KeptStates::default();
        let place = (Batch::single(&[1, 2]), vec![1]);
        assert!(kept.get(&place).is_none());
        kept.keep(place.clone(), &host(vec![1.0, 2.0], [1, 2], &device));
        assert!(kept.get(&place).is_some() && kept.get(&(Batch::single(&[1, 2]), vec![0])).is_none());
        kept.numbers = NUMBERS - 1;
        let late = (Batch::single(&[3]), vec![0]);
        kept.keep(late.clone(), &host(vec![1.0, 2.0], [1, 2], &device));
        assert!(kept.get(&late).is_none());
        assert_eq!(kept.found(), 1);
    }
}
