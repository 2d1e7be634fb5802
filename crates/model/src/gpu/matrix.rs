//! A matrix on the adapter.

use std::sync::{Arc, OnceLock};

use burn::tensor::{DType, Tensor};
use burn_cubecl::cubecl::prelude::{CubeCount, CubeDim};
use half::{bf16, f16};

use super::buffers::{Adapter, buffer, int_buffer, tensor};
use super::kernels::rows::rows;
use super::kernels::words::Storage;
use super::products::{Operand, dense};
use super::weights::DeviceRows;
use crate::blocks::experts::indices;
use crate::device::{Device, count_read};
use crate::matrix::Stored;

/// Units of a cube of [`rows`], and its most cubes.
const UNITS: u32 = 256;
const CUBES: u32 = 4096;

/// `[outputs, inputs]` in the dtype of the file, uploaded when it is first used.
#[derive(Debug, Clone)]
pub struct DeviceMatrix {
    source: Arc<Source>,
    /// Its first row in the source.
    first: usize,
    outputs: usize,
    inputs: usize,
}

#[derive(Debug)]
struct Source {
    /// Where it comes from; `None` once it is part of something else.
    stored: Option<(Stored, Device)>,
    rows: OnceLock<Arc<DeviceRows>>,
}

impl DeviceMatrix {
    /// Values of a checkpoint for the adapter of `device`, which must be a wgpu device.
    #[must_use]
    pub fn new(stored: Stored, [outputs, inputs]: [usize; 2], device: &Device) -> Self {
        Self {
            source: Arc::new(Source {
                stored: Some((stored, device.clone())),
                rows: OnceLock::new(),
            }),
            first: 0,
            outputs,
            inputs,
        }
    }

    /// Some rows of what is uploaded already.
    pub(crate) fn view(rows: &Arc<DeviceRows>, first: usize, outputs: usize) -> Self {
        Self {
            source: Arc::new(Source {
                stored: None,
                rows: Arc::clone(rows).into(),
            }),
            first,
            outputs,
            inputs: rows.inputs,
        }
    }

    /// `[outputs, inputs]`.
    #[must_use]
    pub fn shape(&self) -> [usize; 2] {
        [self.outputs, self.inputs]
    }

    /// The values in the file, unless it is a view.
    pub(crate) fn stored(&self) -> Option<&Stored> {
        self.source.stored.as_ref().map(|(stored, _)| stored)
    }

    pub(crate) fn adapter(&self) -> Adapter {
        match &self.source.stored {
            Some((_, device)) => Adapter::of(device),
            None => self.rows().adapter.clone(),
        }
    }

    fn rows(&self) -> &Arc<DeviceRows> {
        self.source.rows.get_or_init(|| {
            #[allow(clippy::expect_used)] // Of the two constructors one fills the rows and the other this.
            let (stored, device) = self.source.stored.as_ref().expect("rows, or where they come from");
            let uploaded = DeviceRows::upload(std::slice::from_ref(stored), self.inputs, &Adapter::of(device));
            Arc::new(uploaded)
        })
    }

    /// Buffers that it takes.
    #[must_use]
    pub fn parts(&self) -> usize {
        self.rows().parts(self.first, self.first + self.outputs).count()
    }

    /// `x Wᵀ`: `[tokens, inputs]` → `[tokens, outputs]`.
    pub(crate) fn apply(&self, x: Tensor<2>) -> Tensor<2> {
        let tokens = x.dims()[0];
        let operand = Operand {
            rows: self.rows(),
            second: None,
            first: self.first,
            outputs: self.outputs,
            experts: 1,
            bias: None,
        };
        tensor(dense(&buffer(x), tokens, &operand))
    }

    /// Rows by index, `[wanted, inputs]`.
    pub(crate) fn select(&self, wanted: &[usize], device: &Device) -> Tensor<2> {
        let all = self.rows();
        let ids = int_buffer(indices(wanted, device));
        let out = all.adapter.empty([wanted.len(), self.inputs], DType::F32);
        let values = (wanted.len() * self.inputs) as u32;
        let cubes = values.div_ceil(UNITS).clamp(1, CUBES);
        // A view's rows are counted from its first.
        for part in all.parts(self.first, self.first + self.outputs) {
            rows::launch(
                &all.adapter.client,
                CubeCount::Static(cubes, 1, 1),
                CubeDim::new_1d(UNITS),
                part.words.clone().into_buffer_arg(),
                ids.clone().into_buffer_arg(),
                out.clone().into_buffer_arg(),
                part.first as u32,
                part.end as u32,
                self.first as u32,
                self.inputs as u32,
                all.row_words as u32,
                values,
                cubes * UNITS,
                all.storage,
            );
        }
        tensor(out)
    }

    /// All values, read from the file where it is at hand and from the adapter otherwise; nothing if the device fails.
    pub(crate) fn to_f32(&self) -> Vec<f32> {
        if let Some(stored) = self.stored() {
            return stored.to_f32();
        }
        let (all, end) = (self.rows(), self.first + self.outputs);
        let mut values = Vec::with_capacity(self.outputs * self.inputs);
        for part in all.parts(self.first, end) {
            count_read();
            let row = 4 * all.row_words;
            // Its own rows of the part.
            let before = self.first.saturating_sub(part.first) * row;
            let behind = part.end.saturating_sub(end) * row;
            let own = part
                .words
                .handle
                .clone()
                .offset_start(before as u64)
                .offset_end(behind as u64);
            let Ok(bytes) = all.adapter.client.read_one(own) else {
                return Vec::new();
            };
            for bytes in bytes.chunks_exact(row) {
                widen(bytes, all.storage, self.inputs, &mut values);
            }
        }
        values
    }
}

/// The values of one row.
fn widen(bytes: &[u8], storage: Storage, inputs: usize, values: &mut Vec<f32>) {
    let halves = || {
        bytes
            .chunks_exact(2)
            .take(inputs)
            .map(|b| u16::from_le_bytes([b[0], b[1]]))
    };
    match storage {
        Storage::F32 => values.extend(
            bytes
                .chunks_exact(4)
                .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])),
        ),
        Storage::Bf16 => values.extend(halves().map(|bits| bf16::from_bits(bits).to_f32())),
        Storage::F16 => values.extend(halves().map(|bits| f16::from_bits(bits).to_f32())),
    }
}
