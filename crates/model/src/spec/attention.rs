//! Attention as data.

use serde::Serialize;

use super::norm::NormSpec;
use crate::blocks::rope::RopeSpec;

/// Grouped-query attention.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[allow(clippy::struct_excessive_bools)] // Independent options of the config.
pub struct AttentionSpec {
    /// Tensor names start with this after the layer's prefix: `self_attn.`.
    pub prefix: String,
    /// Names of the query, key, value and output projections after that.
    pub projections: [String; 4],
    /// Query heads.
    pub heads: usize,
    /// Key and value heads; divides `heads`.
    pub key_value_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// Multiplies query–key products.
    pub scale: f64,
    /// Biases on the query, key and value projections.
    pub input_bias: bool,
    /// Bias on the output projection.
    pub output_bias: bool,
    /// Rotary embedding of queries and keys.
    pub rope: Option<RopeSpec>,
    /// Norm of queries and keys.
    pub query_key_norm: Option<QueryKeyNormSpec>,
    /// Queries, keys and values are clamped to ± this, after a flat norm.
    pub clip: Option<f64>,
    /// What a query sees.
    pub sight: Sight,
    /// Each head has a learned score that takes part in the softmax and stands for nothing, `[heads]`.
    pub sinks: bool,
    /// The query projection has `[query | gate]` per head, and what attention says is multiplied by sigmoid(gate).
    pub output_gate: bool,
    /// Queries grow with their position.
    pub temperature: Option<Temperature>,
}

/// Norm of queries and keys.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct QueryKeyNormSpec {
    /// Names of the two after the attention's prefix, without `.weight`.
    pub names: [String; 2],
    /// What is normed together.
    pub width: NormWidth,
    /// Before or after the rotary embedding; a flat norm always comes before.
    pub order: NormOrder,
    /// Its kind and ε.
    pub norm: NormSpec,
}

/// What a norm of queries or keys covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum NormWidth {
    /// Each head by itself, weight `[head_dim]`.
    PerHead,
    /// The whole projection at once, weight `[heads * head_dim]`.
    Flat,
}

/// Where a norm of queries and keys is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum NormOrder {
    /// Before the rotary embedding.
    BeforeRotation,
    /// After it.
    AfterRotation,
}

/// Which earlier positions a query sees, its own included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Sight {
    /// All.
    Full,
    /// The last so many.
    Window(usize),
    /// Those in its own block of so many positions, counted from 0.
    Chunk(usize),
}

/// Queries are multiplied by `1 + scale · ln(1 + floor((position + 1) / floor))`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Temperature {
    /// Positions per step.
    pub floor: f64,
    /// Growth per step.
    pub scale: f64,
}

/// Attention whose keys and values are projected from a narrow latent (`DeepSeek`-V2, <https://arxiv.org/abs/2405.04434>).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LatentAttentionSpec {
    /// Tensor names start with this after the layer's prefix: `self_attn.`.
    pub prefix: String,
    /// Heads of queries, keys and values alike.
    pub heads: usize,
    /// Width of the queries' latent; `None` projects queries directly.
    pub query_rank: Option<usize>,
    /// Width of the latent of keys and values.
    pub key_value_rank: usize,
    /// Width of the part of queries and keys that is not rotated.
    pub plain_dim: usize,
    /// Width of the values.
    pub value_dim: usize,
    /// Rotates the remaining part of queries, and one key part that all heads share. Its width is `rope.width`.
    pub rope: RopeSpec,
    /// Multiplies query–key products.
    pub scale: f64,
    /// Biases on the projections into latents and on the output projection.
    pub bias: bool,
    /// Norm of the latents.
    pub norm: NormSpec,
}

impl Sight {
    /// Whether a query at one position sees an earlier one.
    #[must_use]
    pub fn reaches(self, query: usize, key: usize) -> bool {
        match self {
            Self::Full => true,
            Self::Window(window) => key + window > query,
            Self::Chunk(chunk) => key / chunk == query / chunk,
        }
    }

    /// A window, if there is one.
    #[must_use]
    pub fn window(window: Option<usize>) -> Self {
        window.map_or(Self::Full, Self::Window)
    }
}

impl AttentionSpec {
    /// Attention over all earlier positions under the usual names, without biases, norms or extras.
    #[must_use]
    pub fn plain(heads: usize, key_value_heads: usize, head_dim: usize, rope: Option<RopeSpec>) -> Self {
        Self {
            prefix: "self_attn.".into(),
            projections: ["q_proj", "k_proj", "v_proj", "o_proj"].map(str::to_owned),
            heads,
            key_value_heads,
            head_dim,
            scale: (head_dim as f64).powf(-0.5),
            input_bias: false,
            output_bias: false,
            rope,
            query_key_norm: None,
            clip: None,
            sight: Sight::Full,
            sinks: false,
            output_gate: false,
            temperature: None,
        }
    }
}

impl AttentionSpec {
    /// Rows of the widest projection.
    pub(crate) fn projected(&self) -> usize {
        let queries = self.heads * self.head_dim;
        (if self.output_gate { 2 * queries } else { queries }).max(self.keys())
    }

    /// Values of a token's keys.
    pub(crate) fn keys(&self) -> usize {
        self.key_value_heads * self.head_dim
    }
}

impl LatentAttentionSpec {
    /// Rows of the widest projection.
    pub(crate) fn projected(&self) -> usize {
        (self.heads * (self.plain_dim + self.value_dim)).max(self.keys())
    }

    /// Values of a token's keys, of queries as well.
    pub(crate) fn keys(&self) -> usize {
        self.heads * (self.plain_dim + self.rope.width)
    }
}

impl QueryKeyNormSpec {
    /// `q_norm` and `k_norm`, before the rotary embedding.
    #[must_use]
    pub fn new(width: NormWidth, norm: NormSpec) -> Self {
        Self {
            names: ["q_norm", "k_norm"].map(str::to_owned),
            width,
            order: NormOrder::BeforeRotation,
            norm,
        }
    }
}
