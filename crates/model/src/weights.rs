//! Named weights for putting a decoder together: from a checkpoint, or from tensors that are being trained.

use std::collections::BTreeMap;

use burn::tensor::Tensor;
use secateur_kernels::WeightDtype;

use crate::checkpoint::{Checkpoint, Dtype, Expected};
use crate::device::Device;
use crate::error::ModelError;
use crate::matrix::{Matrix, Stored};
use crate::spec::{AttentionSpec, DecoderSpec, FeedForwardSpec, QueryKeyNorm};

/// Where a decoder's weights come from.
pub trait WeightSource {
    /// A matrix `[outputs, inputs]`.
    ///
    /// # Errors
    /// If it is missing.
    fn matrix(&self, name: &str, shape: [usize; 2]) -> Result<Matrix, ModelError>;

    /// A vector `[width]`.
    ///
    /// # Errors
    /// If it is missing.
    fn vector(&self, name: &str, width: usize) -> Result<Tensor<1>, ModelError>;
}

/// Every tensor that the decoder reads, with its shape.
#[must_use]
pub fn expected(spec: &DecoderSpec) -> Vec<Expected> {
    let hidden = spec.hidden;
    let mut list = vec![
        Expected::new(&spec.names.embedding, [spec.vocabulary, hidden]),
        Expected::new(&spec.names.final_norm, [hidden]),
    ];
    if !spec.tied_embeddings {
        list.push(Expected::new(&spec.names.output, [spec.vocabulary, hidden]));
    }
    for layer in &spec.layers {
        let mut add =
            |name: &str, shape: Vec<usize>| list.push(Expected::new(format!("{}{name}", layer.prefix), shape));
        add("input_layernorm.weight", vec![hidden]);
        add("post_attention_layernorm.weight", vec![hidden]);
        attention(&layer.attention, hidden, &mut add);
        match &layer.feed_forward {
            FeedForwardSpec::Dense { prefix, intermediate } => {
                add(&format!("{prefix}gate_proj.weight"), vec![*intermediate, hidden]);
                add(&format!("{prefix}up_proj.weight"), vec![*intermediate, hidden]);
                add(&format!("{prefix}down_proj.weight"), vec![hidden, *intermediate]);
            }
            FeedForwardSpec::Moe(moe) => {
                add(&moe.router, vec![moe.experts, hidden]);
                for expert in 0..moe.experts {
                    let [gate, up, down] = moe.expert_names(expert);
                    add(&gate, vec![moe.intermediate, hidden]);
                    add(&up, vec![moe.intermediate, hidden]);
                    add(&down, vec![hidden, moe.intermediate]);
                }
            }
        }
    }
    list
}

fn attention(spec: &AttentionSpec, hidden: usize, add: &mut impl FnMut(&str, Vec<usize>)) {
    let (queries, keys) = (spec.heads * spec.head_dim, spec.key_value_heads * spec.head_dim);
    for (name, outputs, inputs) in [
        ("q_proj", queries, hidden),
        ("k_proj", keys, hidden),
        ("v_proj", keys, hidden),
        ("o_proj", hidden, queries),
    ] {
        add(&format!("self_attn.{name}.weight"), vec![outputs, inputs]);
        if spec.bias {
            add(&format!("self_attn.{name}.bias"), vec![outputs]);
        }
    }
    let norms = match spec.query_key_norm {
        QueryKeyNorm::None => return,
        QueryKeyNorm::PerHead => [spec.head_dim; 2],
        QueryKeyNorm::Flat => [queries, keys],
    };
    add("self_attn.q_norm.weight", vec![norms[0]]);
    add("self_attn.k_norm.weight", vec![norms[1]]);
}

/// Weights in a mapped checkpoint.
#[derive(Debug, Clone, Copy)]
pub struct CheckpointWeights<'a> {
    /// The checkpoint, whose shapes have been checked.
    pub checkpoint: &'a Checkpoint,
    /// Where they will be computed with.
    pub device: &'a Device,
}

impl CheckpointWeights<'_> {
    fn stored(&self, name: &str) -> Result<Stored, ModelError> {
        let tensor = self
            .checkpoint
            .tensor(name)
            .ok_or_else(|| ModelError::Tokens(format!("tensor `{name}` is missing")))?;
        let dtype = match tensor.dtype {
            Dtype::BF16 => WeightDtype::Bf16,
            Dtype::F16 => WeightDtype::F16,
            Dtype::F32 => WeightDtype::F32,
            other => {
                return Err(ModelError::Tokens(format!(
                    "tensor `{name}` is {}, expected BF16, F16 or F32",
                    other.name()
                )));
            }
        };
        Ok(Stored {
            bytes: self.checkpoint.bytes(tensor),
            dtype,
        })
    }
}

impl WeightSource for CheckpointWeights<'_> {
    fn matrix(&self, name: &str, shape: [usize; 2]) -> Result<Matrix, ModelError> {
        Ok(Matrix::new(self.stored(name)?, shape, self.device))
    }

    fn vector(&self, name: &str, width: usize) -> Result<Tensor<1>, ModelError> {
        Ok(self.stored(name)?.tensor([width], self.device))
    }
}

/// Weights as tensors, for training.
#[derive(Debug, Clone, Default)]
pub struct TensorWeights {
    /// Matrices by name.
    pub matrices: BTreeMap<String, Tensor<2>>,
    /// Vectors by name.
    pub vectors: BTreeMap<String, Tensor<1>>,
}

impl WeightSource for TensorWeights {
    fn matrix(&self, name: &str, _shape: [usize; 2]) -> Result<Matrix, ModelError> {
        let tensor = self
            .matrices
            .get(name)
            .ok_or_else(|| ModelError::Tokens(format!("tensor `{name}` is missing")))?;
        Ok(Matrix::Dense(tensor.clone()))
    }

    fn vector(&self, name: &str, _width: usize) -> Result<Tensor<1>, ModelError> {
        self.vectors
            .get(name)
            .cloned()
            .ok_or_else(|| ModelError::Tokens(format!("tensor `{name}` is missing")))
    }
}
