//! The one forward pass of all families.

use burn::tensor::{Int, Tensor, TensorData};
use secateur_model::Device;

use super::batch::Batch;
use super::block::Block;
use super::conv::Convolution;
use super::embeddings::Embeddings;
use super::head::Head;
use super::norm::Norm;
use super::relative::{Prepared, Relative};
use crate::error::JudgeError;

/// An encoder put together by its family.
#[derive(Debug, Clone)]
pub struct Network {
    /// Before the layers.
    pub embeddings: Embeddings,
    /// Distinct layers.
    pub blocks: Vec<Block>,
    /// Which block each layer runs: some families share them.
    pub order: Vec<usize>,
    /// How distances count.
    pub relative: Relative,
    /// Beside the first layer.
    pub convolution: Option<Convolution>,
    /// After the last layer; its result counts as that layer's.
    pub final_norm: Option<Norm>,
    /// Makes logits, where the checkpoint classifies.
    pub head: Option<Head>,
    /// Columns of hidden states.
    pub hidden: usize,
    /// Longest sequence that has positions; `None`: any.
    pub longest: Option<usize>,
    /// Longest sequence where neither caller nor tokenizer says.
    pub usual_length: usize,
}

impl Network {
    /// Hidden states after `layers` layers, `[rows, hidden]`.
    ///
    /// # Errors
    /// If a tensor is not on the device of the weights.
    pub fn states(&self, batch: &Batch<'_>, layers: usize, device: &Device) -> Result<Tensor<2>, JudgeError> {
        let prepared = batch.runs.iter().map(|run| self.relative.prepare(run.length, device));
        let relative: Vec<Prepared> = prepared.collect();
        let mut x = self.embeddings.apply(batch, device)?;
        for (layer, &block) in self.order.iter().take(layers).enumerate() {
            let y = self.blocks[block].apply(x.clone(), &batch.runs, &relative)?;
            x = match &self.convolution {
                Some(convolution) if layer == 0 => convolution.apply(&x, y, &batch.runs)?,
                _ => y,
            };
        }
        match &self.final_norm {
            Some(norm) if layers == self.order.len() => norm.apply(x),
            _ => Ok(x),
        }
    }

    /// `[sequences, classes]` by this network's head, in the order of the batch.
    ///
    /// # Errors
    /// If a tensor is not on the device of the weights.
    pub fn logits(&self, head: &Head, batch: &Batch<'_>, device: &Device) -> Result<Tensor<2>, JudgeError> {
        let states = self.states(batch, self.order.len(), device)?;
        let first: Vec<i64> = batch.ranges().map(|range| range.start as i64).collect();
        let count = first.len();
        let first = Tensor::<1, Int>::from_data(TensorData::new(first, [count]), device.burn());
        head.apply(states.select(0, first))
    }
}
