//! Keeping experts evenly loaded: a loss for softmax routers, a moving selection bias where the family has one.

use std::cmp::Ordering;

use burn::tensor::{Tensor, TensorData};
use secateur_model::Device;
use secateur_model::blocks::router::Routing;
use secateur_model::spec::{DecoderSpec, MoeSpec, Scoring};

use super::data::TrainingBatch;
use super::state::OnDevice;

/// Tokens of a batch that are not padding: 1 or 0 each.
fn real(batch: &TrainingBatch) -> Vec<f32> {
    let documents = batch.batch.documents.iter();
    documents
        .map(|document| f32::from(u8::from(document.is_some())))
        .collect()
}

/// Share of the selections that falls on each expert of a layer; padding is left out.
fn shares(layer: &Routing, real: &[f32]) -> Vec<f32> {
    let experts = layer.scores.dims()[1];
    // Training selects on the host.
    let selected = layer.selected.host().unwrap_or_default();
    let top_k = selected.len() / real.len();
    let tokens: f32 = real.iter().sum();
    let mut shares = vec![0.0f32; experts];
    for (slot, id) in selected.iter().enumerate() {
        shares[id.0] += real[slot / top_k] / (tokens * top_k as f32);
    }
    shares
}

/// Layers with experts: the prefix of their tensors and their description.
fn moe_layers(spec: &DecoderSpec) -> impl Iterator<Item = (&str, &MoeSpec)> {
    let layers = spec.layers.iter();
    layers.filter_map(|layer| layer.moe().map(|moe| (layer.prefix.as_str(), moe)))
}

/// `E · Σ_e share of tokens routed to e × mean score of e`, averaged over layers; padding is left out. Sigmoid scores are divided
/// by their sum over the experts first (`DeepSeek-V3`, eq. 19).
#[must_use]
pub fn loss(spec: &DecoderSpec, routing: &[Routing], batch: &TrainingBatch, device: &Device) -> Tensor<1> {
    let real = real(batch);
    let tokens: f32 = real.iter().sum();
    let mask: Tensor<2> = Tensor::from_data(TensorData::new(real.clone(), [real.len(), 1]), device.burn());
    let mut sum: Option<Tensor<1>> = None;
    for (layer, (_, moe)) in routing.iter().zip(moe_layers(spec)) {
        let experts = layer.scores.dims()[1];
        let shares = TensorData::new(shares(layer, &real), [1, experts]);
        let shares: Tensor<2> = Tensor::from_data(shares, device.burn());
        let mut scores = layer.scores.clone();
        if moe.router.scoring == Scoring::Sigmoid {
            scores = scores.clone() / scores.sum_dim(1);
        }
        let mean = (scores * mask.clone()).sum_dim(0).div_scalar(tokens);
        let layer = (mean * shares).sum().mul_scalar(experts as f64 / routing.len() as f64);
        sum = Some(match sum {
            Some(sum) => sum + layer,
            None => layer,
        });
    }
    sum.unwrap_or_else(|| Tensor::zeros([1], device.burn()))
}

/// How far each selection bias has to move: up for experts with less than an even share of the tokens, down for those with more
/// (`DeepSeek-V3`, section 2.1.2). By the name of the bias.
#[must_use]
pub fn directions(spec: &DecoderSpec, routing: &[Routing], batch: &TrainingBatch) -> Vec<(String, Vec<f32>)> {
    let real = real(batch);
    let layers = routing.iter().zip(moe_layers(spec));
    let directions = layers.filter_map(|(layer, (prefix, moe))| {
        let name = format!("{prefix}{}", moe.router.selection_bias.as_ref()?);
        let even = 1.0 / moe.experts as f32;
        let direction = |share: f32| match share.total_cmp(&even) {
            Ordering::Less => 1.0,
            Ordering::Equal => 0.0,
            Ordering::Greater => -1.0,
        };
        Some((name, shares(layer, &real).into_iter().map(direction).collect()))
    });
    directions.collect()
}

/// Moves the selection biases by `rate`.
pub fn move_biases(parameters: &mut OnDevice, directions: Vec<(String, Vec<f32>)>, rate: f64, device: &Device) {
    for (name, direction) in directions {
        let Some(bias) = parameters.vectors.get_mut(&name) else {
            continue;
        };
        let count = direction.len();
        let step = Tensor::<1>::from_data(TensorData::new(direction, [count]), &device.burn().clone().inner());
        let moved = bias.value.clone().inner() + step.mul_scalar(rate);
        bias.value = Tensor::from_inner(moved).require_grad();
    }
}
