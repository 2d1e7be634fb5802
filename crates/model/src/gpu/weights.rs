//! Rows of weights on the adapter, in as many buffers as its limits ask for.

use burn_cubecl::tensor::CubeTensor;
use secateur_kernels::WeightDtype;

use super::buffers::Adapter;
use super::kernels::words::Storage;
use crate::matrix::Stored;

/// Bytes that are copied at a time: the host's part of an upload.
const STAGING: usize = 256 << 20;

/// Rows of equal length, one after the other.
#[derive(Debug)]
pub(crate) struct DeviceRows {
    pub(crate) adapter: Adapter,
    pub(crate) parts: Vec<Part>,
    pub(crate) storage: Storage,
    /// Values of a row.
    pub(crate) inputs: usize,
    /// Words of a row: it begins with one.
    pub(crate) row_words: usize,
}

/// Neighbouring rows that are bound at once.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) words: CubeTensor,
    /// The first one.
    pub(crate) first: usize,
    /// The one behind the last.
    pub(crate) end: usize,
}

impl DeviceRows {
    /// Uploads matrices of `inputs` columns, one below the other. Where their dtypes differ all become f32.
    pub(crate) fn upload(matrices: &[Stored], inputs: usize, adapter: &Adapter) -> Self {
        let alike = matrices.windows(2).all(|pair| pair[0].dtype == pair[1].dtype);
        let dtype = matrices.first().map_or(WeightDtype::F32, |matrix| matrix.dtype);
        let dtype = if alike { dtype } else { WeightDtype::F32 };
        let storage = match dtype {
            WeightDtype::F32 => Storage::F32,
            WeightDtype::Bf16 => Storage::Bf16,
            WeightDtype::F16 => Storage::F16,
        };
        let row_words = inputs.div_ceil(storage.per_word());
        let mut rows = Self {
            adapter: adapter.clone(),
            parts: Vec::new(),
            storage,
            inputs,
            row_words,
        };
        let per_part = (adapter.binding.min(STAGING) / (4 * row_words).max(1)).max(1);
        let mut part = Vec::new();
        for matrix in matrices {
            let widened;
            let bytes: &[u8] = if matrix.dtype == dtype {
                &matrix.bytes
            } else {
                widened = matrix.to_f32();
                bytemuck::cast_slice(&widened)
            };
            for row in bytes.chunks_exact((inputs * dtype.size()).max(1)) {
                part.extend_from_slice(row);
                part.resize(part.len().next_multiple_of(4), 0);
                if part.len() == per_part * row_words * 4 {
                    rows.push(&mut part);
                }
            }
        }
        rows.push(&mut part);
        rows
    }

    /// Sends what is there, and empties it.
    fn push(&mut self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let first = self.parts.last().map_or(0, |part| part.end);
        self.parts.push(Part {
            words: self.adapter.words(bytes),
            first,
            end: first + bytes.len() / (4 * self.row_words),
        });
        bytes.clear();
    }

    /// The parts with rows of `first..end`.
    pub(crate) fn parts(&self, first: usize, end: usize) -> impl Iterator<Item = &Part> {
        self.parts
            .iter()
            .filter(move |part| part.first < end && part.end > first)
    }
}
