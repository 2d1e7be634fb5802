//! Where the weights of layers lie: read in order, checked when they are first read, and let go.

use std::hint::black_box;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::checkpoint::{Checkpoint, CheckpointError, Region, TensorEntry, first_non_finite, first_not_finite_scale};
use crate::error::ModelError;
use crate::spec::DecoderSpec;
use crate::weights::expected;

/// Bytes that are looked at while the system reads the next; a multiple of every element size.
const WINDOW: usize = 8 << 20;

/// Bytes that the system is asked for at a time: some read no more than this of what they are told will be needed.
const ASKED: usize = 128 << 10;

/// The least size of a page.
const PAGE: usize = 4096;

/// The weights of all layers in their files.
#[derive(Debug)]
pub(crate) struct LayerFiles(Vec<LayerFile>);

#[derive(Debug)]
struct LayerFile {
    /// In the order of the files.
    tensors: Vec<LayerTensor>,
    /// Whether all have been seen to be finite.
    checked: AtomicBool,
}

#[derive(Debug)]
struct LayerTensor {
    entry: TensorEntry,
    region: Region,
    /// Exponents of packed blocks.
    scales: bool,
}

impl LayerFiles {
    /// Those of a model; `scales` are the names of exponents of packed blocks. `checked` says whether all weights have been seen to be
    /// finite before.
    pub(crate) fn new(spec: &DecoderSpec, checkpoint: &Checkpoint, scales: &[String], checked: bool) -> Self {
        let names: Vec<String> = expected(spec).into_iter().map(|tensor| tensor.name).collect();
        let of = |prefix: &String| -> LayerFile {
            let own = names.iter().filter(|name| name.starts_with(prefix));
            let mut tensors: Vec<LayerTensor> = own
                .filter_map(|name| checkpoint.tensor(name))
                .map(|entry| LayerTensor {
                    entry: entry.clone(),
                    region: checkpoint.region(entry),
                    scales: scales.contains(&entry.name),
                })
                .collect();
            tensors.sort_by(|a, b| (&a.entry.file, a.entry.range.start).cmp(&(&b.entry.file, b.entry.range.start)));
            LayerFile {
                tensors,
                checked: AtomicBool::new(checked),
            }
        };
        Self(spec.layers.iter().map(|layer| of(&layer.prefix)).collect())
    }

    /// Brings a layer's weights into memory, and checks them if nobody has.
    ///
    /// # Errors
    /// [`CheckpointError::NotFinite`] for the first that is NaN or infinite, in the order of the files.
    pub(crate) fn read(&self, layer: usize) -> Result<(), ModelError> {
        let Some(layer) = self.0.get(layer) else {
            return Ok(());
        };
        let checked = layer.checked.load(Ordering::Acquire);
        let mut windows = layer.windows().peekable();
        if let Some((tensor, window)) = windows.peek() {
            tensor.ask(window);
        }
        while let Some((tensor, window)) = windows.next() {
            if let Some((next, window)) = windows.peek() {
                next.ask(window);
            }
            if checked {
                tensor.touch(window);
            } else {
                tensor.check(window)?;
            }
        }
        layer.checked.store(true, Ordering::Release);
        Ok(())
    }

    /// Reads and checks a layer's weights if nobody has.
    ///
    /// # Errors
    /// As [`LayerFiles::read`].
    pub(crate) fn check(&self, layer: usize) -> Result<(), ModelError> {
        match self.0.get(layer) {
            Some(known) if !known.checked.load(Ordering::Acquire) => self.read(layer),
            _ => Ok(()),
        }
    }

    /// Lets a layer's weights go until they are looked at again.
    pub(crate) fn release(&self, layer: usize) {
        for tensor in self.0.get(layer).into_iter().flat_map(|layer| &layer.tensors) {
            tensor.region.release();
        }
    }
}

impl LayerFile {
    /// Parts of its tensors, in order.
    fn windows(&self) -> impl Iterator<Item = (&LayerTensor, Range<usize>)> {
        self.tensors.iter().flat_map(|tensor| {
            let length = tensor.region.bytes().len();
            let starts = (0..length).step_by(WINDOW);
            starts.map(move |start| (tensor, start..length.min(start + WINDOW)))
        })
    }
}

impl LayerTensor {
    /// Has the system begin to read a part.
    fn ask(&self, window: &Range<usize>) {
        for start in window.clone().step_by(ASKED) {
            self.region.ahead(start..window.end.min(start + ASKED));
        }
    }

    /// Waits until a part is in memory.
    fn touch(&self, window: Range<usize>) {
        let bytes = &self.region.bytes()[window];
        let pages = bytes.iter().step_by(PAGE).chain(bytes.last());
        black_box(pages.fold(0, |all, byte| all ^ byte));
    }

    /// Looks for the first number of a part that is none.
    fn check(&self, window: Range<usize>) -> Result<(), ModelError> {
        let (start, bytes) = (window.start, &self.region.bytes()[window]);
        let found = if self.scales {
            first_not_finite_scale(bytes)
        } else if self.entry.dtype.is_weight() {
            first_non_finite(self.entry.dtype, bytes)
        } else {
            black_box(bytes.iter().step_by(PAGE).fold(0, |all, byte| all ^ byte));
            None
        };
        match found {
            None => Ok(()),
            Some((index, value)) => Err(CheckpointError::NotFinite {
                tensor: self.entry.name.clone(),
                file: self.entry.file.clone(),
                index: start / (self.entry.dtype.bits() / 8).max(1) + index,
                value,
            }
            .into()),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(super) mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use super::*;
    use crate::model::inspect;

    impl LayerFiles {
        /// Whether a layer has been read and found to be finite.
        pub(in crate::layerwise) fn is_checked(&self, layer: usize) -> bool {
            self.0[layer].checked.load(Ordering::Acquire)
        }
    }

    /// Layers of a small checkpoint in several files, none of them read.
    pub(in crate::layerwise) fn files() -> (LayerFiles, Checkpoint, DecoderSpec) {
        let fixture = "../goldens/fixtures/core/models/olmoe_bf16_sharded/checkpoint";
        let checkpoint = Checkpoint::open(Path::new(env!("CARGO_MANIFEST_DIR")).join(fixture)).unwrap();
        let (_, spec, _) = inspect(&checkpoint).unwrap();
        (LayerFiles::new(&spec, &checkpoint, &[], false), checkpoint, spec)
    }

    #[test]
    fn every_weight_of_a_layer_is_read_once() {
        let (files, checkpoint, spec) = files();
        let mut found: BTreeMap<String, usize> = BTreeMap::new();
        for (tensor, window) in files.0.iter().flat_map(LayerFile::windows) {
            let bytes = found.entry(tensor.entry.name.clone()).or_default();
            assert_eq!(*bytes, window.start);
            *bytes = window.end;
        }
        let of_layers = expected(&spec).into_iter().map(|tensor| tensor.name);
        let of_layers = of_layers.filter(|name| spec.layers.iter().any(|layer| name.starts_with(&layer.prefix)));
        let wanted = of_layers.map(|name| (name.clone(), checkpoint.tensor(&name).unwrap().range.len()));
        assert_eq!(found, wanted.collect());
    }

    #[test]
    fn a_layer_is_checked_once_and_comes_back() {
        let (files, ..) = files();
        assert!(!files.is_checked(1));
        files.check(1).unwrap();
        assert!(files.is_checked(1) && !files.is_checked(0));
        files.release(1);
        files.read(1).unwrap();
        // There is no such layer.
        files.release(99);
        files.read(99).unwrap();
    }
}
