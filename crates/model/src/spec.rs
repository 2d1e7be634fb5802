//! What a decoder is made of, as plain data. A family turns its config.json into this; the decoder is put together from it.

use serde::Serialize;

use crate::blocks::rope::RopeSpec;

/// A decoder-only transformer, layer by layer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DecoderSpec {
    /// Width of the residual stream.
    pub hidden: usize,
    /// Rows of the embedding.
    pub vocabulary: usize,
    /// ε of every RMS norm.
    pub norm_epsilon: f64,
    /// The output projection is the embedding.
    pub tied_embeddings: bool,
    /// Longest sequence that the model was made for.
    pub max_positions: usize,
    /// Rotary embedding, shared by all layers.
    pub rope: RopeSpec,
    /// Decoder layers in order.
    pub layers: Vec<LayerSpec>,
    /// Names of the tensors outside the layers.
    pub names: Names,
}

/// Names of the tensors outside the layers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Names {
    /// `[vocabulary, hidden]`.
    pub embedding: String,
    /// `[hidden]`.
    pub final_norm: String,
    /// `[vocabulary, hidden]`; absent from the file when tied.
    pub output: String,
}

/// One decoder layer: attention, then a feed-forward block, each with a norm before it and a residual connection.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LayerSpec {
    /// Tensor names start with this: `model.layers.3.`.
    pub prefix: String,
    /// Self-attention.
    pub attention: AttentionSpec,
    /// Dense or mixture of experts.
    pub feed_forward: FeedForwardSpec,
}

/// Grouped-query attention with rotary embedding.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AttentionSpec {
    /// Query heads.
    pub heads: usize,
    /// Key and value heads; divides `heads`.
    pub key_value_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// Biases on the q, k and v projections, and on the output projection.
    pub bias: bool,
    /// Norm of queries and keys before the rotary embedding.
    pub query_key_norm: QueryKeyNorm,
    /// Queries, keys and values are clamped to ± this, after the norm.
    pub clip: Option<f64>,
    /// A query sees this many positions, itself included.
    pub sliding_window: Option<usize>,
}

/// Norm of queries and keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum QueryKeyNorm {
    /// None.
    None,
    /// Each head by itself, weight `[head_dim]`.
    PerHead,
    /// The whole projection at once, weight `[heads * head_dim]`.
    Flat,
}

/// What follows attention in a layer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum FeedForwardSpec {
    /// `down(silu(gate x) · up x)`.
    Dense {
        /// Names start with this after the layer's prefix: `mlp.`.
        prefix: String,
        /// Width between up and down.
        intermediate: usize,
    },
    /// Routed experts.
    Moe(MoeSpec),
}

/// A mixture-of-experts block.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MoeSpec {
    /// Experts in the checkpoint.
    pub experts: usize,
    /// Experts per token.
    pub top_k: usize,
    /// Width between up and down of one expert.
    pub intermediate: usize,
    /// The weights of the selected experts are divided by their sum.
    pub renormalise: bool,
    /// Router weight, after the layer's prefix.
    pub router: String,
    /// Names of an expert's tensors start with this, `{expert}` being its index, after the layer's prefix.
    pub expert_prefix: String,
    /// Names of gate, up and down after that.
    pub projections: [String; 3],
}

impl MoeSpec {
    /// Names of an expert's gate, up and down weights, after the layer's prefix.
    #[must_use]
    pub fn expert_names(&self, expert: usize) -> [String; 3] {
        let prefix = self.expert_prefix.replace("{expert}", &expert.to_string());
        self.projections.clone().map(|name| format!("{prefix}{name}.weight"))
    }
}
