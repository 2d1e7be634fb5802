//! What a layer remembers of the tokens before.

use burn::tensor::{Int, Tensor};

use super::recurrent::RecurrentState;

/// What one step of a layer remembers between forward passes.
#[derive(Debug, Clone)]
pub enum LayerState {
    /// Nothing: feed-forward steps.
    Stateless,
    /// Keys and values.
    KeyValue(KeyValueCache),
    /// A state of fixed size.
    Recurrent(RecurrentState),
}

/// Keys and values of the positions seen so far, `[batch, key_value_heads, positions, width]` each.
#[derive(Debug, Clone, Default)]
pub struct KeyValueCache {
    entries: Option<Box<(Tensor<4>, Tensor<4>)>>,
}

impl LayerState {
    /// The keys and values, where the step has them.
    pub fn key_values(&mut self) -> Option<&mut KeyValueCache> {
        match self {
            Self::KeyValue(cache) => Some(cache),
            _ => None,
        }
    }

    /// The state of a mixer.
    pub(crate) fn recurrent(&mut self) -> Option<&mut RecurrentState> {
        match self {
            Self::Recurrent(state) => Some(state),
            _ => None,
        }
    }

    /// Keeps only the given rows of the batch, in that order; `on_device` holds the same rows.
    pub fn select(&mut self, rows: &[usize], on_device: &Tensor<1, Int>) {
        match self {
            Self::Stateless => {}
            Self::KeyValue(cache) => cache.select(on_device),
            Self::Recurrent(state) => state.select(rows),
        }
    }
}

impl KeyValueCache {
    /// Adds positions and gives all of them.
    pub fn append(&mut self, key: Tensor<4>, value: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
        let (key, value) = match self.entries.take().map(|entries| *entries) {
            Some((keys, values)) => (Tensor::cat(vec![keys, key], 2), Tensor::cat(vec![values, value], 2)),
            None => (key, value),
        };
        self.entries = Some(Box::new((key.clone(), value.clone())));
        (key, value)
    }

    fn select(&mut self, rows: &Tensor<1, Int>) {
        if let Some((keys, values)) = self.entries.take().map(|entries| *entries) {
            self.entries = Some(Box::new((keys.select(0, rows.clone()), values.select(0, rows.clone()))));
        }
    }
}

/// Through a cache, if there is one.
pub(crate) fn remembered(state: Option<&mut LayerState>, key: Tensor<4>, value: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
    match state.and_then(LayerState::key_values) {
        Some(cache) => cache.append(key, value),
        None => (key, value),
    }
}
