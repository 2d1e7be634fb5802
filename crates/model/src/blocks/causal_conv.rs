//! A short causal convolution over time, each channel by itself.

use rayon::prelude::*;

use super::recurrent::{Real, Rows, host_weight, widen};
use super::timeline::{Run, Start, Timeline};
#[cfg(feature = "wgpu")]
use crate::device::Device;
use crate::error::ModelError;
#[cfg(feature = "wgpu")]
use crate::gpu::DeviceConv;
use crate::weights::WeightSource;

/// `y_t[c] = b[c] + Σ_j w[c, j] · x_(t-K+1+j)[c]`, inputs before the document's first being 0.
#[derive(Debug, Clone)]
pub(crate) struct CausalConv {
    channels: usize,
    kernel: usize,
    /// `[kernel, channels]`: the checkpoint's `[channels, 1, kernel]` with time first.
    weight: Vec<f32>,
    /// `[channels]`.
    bias: Option<Vec<f32>>,
}

impl CausalConv {
    /// Reads `{name}.weight`, `[channels, 1, kernel]`, and `{name}.bias` where there is one.
    pub(crate) fn new(
        weights: &dyn WeightSource,
        name: &str,
        [channels, kernel]: [usize; 2],
        bias: bool,
    ) -> Result<Self, ModelError> {
        let stored = host_weight(weights, &format!("{name}.weight"), channels * kernel)?;
        let bias = bias.then(|| host_weight(weights, &format!("{name}.bias"), channels));
        Ok(Self {
            weight: (0..kernel)
                .flat_map(|time| stored.iter().skip(time).step_by(kernel))
                .copied()
                .collect(),
            bias: bias.transpose()?,
            channels,
            kernel,
        })
    }

    /// The same on an adapter; with `silu` the activation follows.
    #[cfg(feature = "wgpu")]
    pub(crate) fn there(&self, silu: bool, device: &Device) -> DeviceConv {
        let shape = [self.channels, self.kernel];
        DeviceConv::new(&self.weight, self.bias.as_deref(), shape, silu, device)
    }

    /// `[cells, channels]` → `[cells, channels]`, 0 at padding. The state keeps the last `kernel` inputs of each row.
    pub(crate) fn apply<R: Real>(&self, x: &[R], timeline: &Timeline, state: &mut Rows) -> Vec<R> {
        let (channels, kernel) = (self.channels, self.kernel);
        let past = state.values::<R>(timeline.batch(), kernel * channels);
        let weight: Vec<R> = widen(&self.weight);
        let bias: Option<Vec<R>> = self.bias.as_deref().map(widen);
        let places = timeline.places();
        let mut y = vec![R::default(); x.len()];
        y.par_chunks_mut(channels)
            .zip(&places)
            .enumerate()
            .for_each(|(cell, (y, place))| {
                let Some((run, at)) = *place else { return };
                if let Some(bias) = &bias {
                    y.copy_from_slice(bias);
                }
                let row = Row::new(self, timeline, past, cell / timeline.length());
                for back in 0..kernel {
                    let Some(x) = row.input(x, run, at, back) else {
                        break;
                    };
                    let weight = &weight[(kernel - 1 - back) * channels..(kernel - back) * channels];
                    for ((y, &w), &x) in y.iter_mut().zip(weight).zip(x) {
                        *y += w * x;
                    }
                }
            });
        self.remember(x, timeline, past);
        y
    }

    /// Keeps the last `kernel` inputs of each row that had any.
    fn remember<R: Real>(&self, x: &[R], timeline: &Timeline, past: &mut [R]) {
        let size = self.kernel * self.channels;
        for row in 0..timeline.batch() {
            let Some(run) = timeline.row(row).last() else { continue };
            let mut kept = vec![R::default(); size];
            let inputs = Row::new(self, timeline, past, row);
            for (back, slot) in kept.chunks_exact_mut(self.channels).rev().enumerate() {
                if let Some(x) = inputs.input(x, run, run.cells.len() - 1, back) {
                    slot.copy_from_slice(x);
                }
            }
            past[row * size..(row + 1) * size].copy_from_slice(&kept);
        }
    }
}

/// Where a row's inputs are found.
struct Row<'a, R> {
    runs: &'a [Run],
    /// The last inputs before this batch, `[kernel, channels]`.
    past: &'a [R],
    channels: usize,
}

impl<'a, R> Row<'a, R> {
    fn new(conv: &CausalConv, timeline: &'a Timeline, past: &'a [R], row: usize) -> Self {
        let size = conv.kernel * conv.channels;
        Self {
            runs: timeline.row(row),
            past: &past[row * size..(row + 1) * size],
            channels: conv.channels,
        }
    }

    /// The input `back` steps before token `at` of a run; `None` before the document's first.
    fn input(&self, x: &'a [R], mut run: &'a Run, mut at: usize, mut back: usize) -> Option<&'a [R]> {
        let channels = self.channels;
        while at < back {
            match run.start {
                Start::Nothing => return None,
                Start::Cached => {
                    let slot = (self.past.len() / channels).checked_sub(back - at)?;
                    return Some(&self.past[slot * channels..(slot + 1) * channels]);
                }
                Start::Behind(before) => {
                    back -= at + 1;
                    run = &self.runs[before];
                    at = run.cells.len() - 1;
                }
            }
        }
        let cell = run.cells[at - back];
        Some(&x[cell * channels..(cell + 1) * channels])
    }
}

#[cfg(test)]
mod tests {
    use super::{CausalConv, Rows, Timeline};
    use crate::batch::Batch;

    /// Weighs the inputs 100 (oldest), 10 and 1.
    fn conv() -> CausalConv {
        CausalConv {
            channels: 1,
            kernel: 3,
            weight: vec![100.0, 10.0, 1.0],
            bias: Some(vec![0.5]),
        }
    }

    #[test]
    fn padding_and_documents_are_respected() {
        let left = Timeline::new(&Batch::left_padded(&[&[0; 4], &[0; 2]]), &[]);
        let y = conv().apply(&[1.0, 2.0, 3.0, 4.0, 9.0, 9.0, 5.0, 6.0], &left, &mut Rows::default());
        assert_eq!(y, [1.5, 12.5, 123.5, 234.5, 0.0, 0.0, 5.5, 56.5]);
        let packed = Timeline::new(&Batch::packed(&[vec![&[0, 0], &[0, 0]]], 5), &[]);
        let y = conv().apply(&[1.0, 2.0, 3.0, 4.0, 9.0], &packed, &mut Rows::default());
        assert_eq!(y, [1.5, 12.5, 3.5, 34.5, 0.0]);
    }

    #[test]
    fn pieces_equal_the_whole() {
        let x: Vec<f32> = (0u8..7).map(f32::from).collect();
        let whole = conv().apply(&x, &Timeline::new(&Batch::single(&[0; 7]), &[]), &mut Rows::default());
        for first in 1..6 {
            let mut state = Rows::default();
            let mut y = conv().apply(
                &x[..first],
                &Timeline::new(&Batch::single(&vec![0; first]), &[]),
                &mut state,
            );
            for x in &x[first..] {
                let step = Timeline::new(&Batch::step(vec![0], vec![0]), &[Some(0)]);
                y.extend(conv().apply(&[*x], &step, &mut state));
            }
            assert_eq!(y, whole);
            assert_eq!(state.values::<f32>(1, 3), [4.0, 5.0, 6.0]);
        }
    }
}
