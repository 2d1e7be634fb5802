//! What a decoder is made of, as plain data. A family turns its config.json into this; the decoder is put together from it.

use serde::Serialize;

mod attention;
mod feed_forward;
mod mixer;
mod norm;

pub use attention::{AttentionSpec, LatentAttentionSpec, NormOrder, NormWidth, QueryKeyNormSpec, Sight, Temperature};
pub use feed_forward::{
    Activation, DenseSpec, ExpertLayout, FusedNames, GroupScore, GroupSpec, MlpNames, MoeSpec, Normalise, RouterSpec,
    Scoring, SharedExpertSpec,
};
pub use mixer::{DeltaNetLayout, DeltaNetSpec, Mamba2Spec, MixerSpec, ShortConvSpec};
pub use norm::{NormKind, NormPlacement, NormSpec};

use crate::blocks::rope::RopeSpec;

/// A decoder-only model, layer by layer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DecoderSpec {
    /// Width of the residual stream.
    pub hidden: usize,
    /// Rows of the embedding.
    pub vocabulary: usize,
    /// Longest sequence that the model was made for.
    pub max_positions: usize,
    /// The output projection is the embedding.
    pub tied_embeddings: bool,
    /// Embeddings are multiplied by this; 1 in most families.
    pub embedding_scale: f64,
    /// Logits are divided by this; 1 in most families.
    pub logits_divisor: f64,
    /// The output projection has a bias.
    pub output_bias: bool,
    /// Norm after the last layer.
    pub final_norm: NormSpec,
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
    /// The final norm, without `.weight`.
    pub final_norm: String,
    /// The output projection without `.weight`, `[vocabulary, hidden]`; absent from the file when tied.
    pub output: String,
    /// Names of layers begin with this and their index: `model.layers.`.
    pub layers: String,
    /// Beginnings of names that the family knows and that a text model does not use: `mtp.`, `model.visual.`.
    pub skipped: Vec<String>,
}

/// One decoder layer: steps, each of which changes the residual stream.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LayerSpec {
    /// Tensor names start with this: `model.layers.3.`.
    pub prefix: String,
    /// What a block says is multiplied by this before it is added; 1 in most families.
    pub residual_scale: f64,
    /// In order; two in most families: attention, then feed-forward.
    pub steps: Vec<StepSpec>,
}

/// `x += residual_scale · block(norm(x))`, or `norm(block(x))`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StepSpec {
    /// Name of the norm after the layer's prefix, without `.weight`: `input_layernorm`.
    pub norm: String,
    /// Its kind and ε.
    pub norm_spec: NormSpec,
    /// Before or after the block.
    pub placement: NormPlacement,
    /// What is done.
    pub block: BlockSpec,
}

/// What a step does with its input.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum BlockSpec {
    /// Grouped-query attention.
    Attention(AttentionSpec),
    /// Attention with compressed keys and values.
    LatentAttention(LatentAttentionSpec),
    /// A mixer with a recurrent state.
    Mixer(MixerSpec),
    /// One feed-forward network for all tokens.
    Dense(DenseSpec),
    /// Routed experts.
    Moe(MoeSpec),
}

impl DecoderSpec {
    /// The rotary embedding of the first layer that has one.
    #[must_use]
    pub fn rope(&self) -> Option<&RopeSpec> {
        self.blocks().find_map(|block| match block {
            BlockSpec::Attention(attention) => attention.rope.as_ref(),
            BlockSpec::LatentAttention(attention) => Some(&attention.rope),
            BlockSpec::Mixer(_) | BlockSpec::Dense(_) | BlockSpec::Moe(_) => None,
        })
    }

    /// Values per token of the widest activation that a pass holds of all its tokens at once. Feed-forward blocks take fewer tokens at a time.
    pub(crate) fn widest_activation(&self) -> usize {
        let of = |block: &BlockSpec| match block {
            BlockSpec::Attention(attention) => attention.projected(),
            BlockSpec::LatentAttention(attention) => attention.projected(),
            BlockSpec::Mixer(MixerSpec::Mamba2(mixer)) => mixer.projected(),
            BlockSpec::Mixer(MixerSpec::DeltaNet(mixer)) => {
                let rows = mixer.projections().into_iter().map(|(_, rows)| rows);
                rows.chain([mixer.conv_channels()]).max().unwrap_or(0)
            }
            BlockSpec::Mixer(MixerSpec::ShortConv(_)) => 3 * self.hidden,
            BlockSpec::Dense(_) | BlockSpec::Moe(_) => 0,
        };
        self.blocks().map(of).max().unwrap_or(0).max(self.hidden)
    }

    /// Values of a token's keys in the layer where they are widest.
    pub(crate) fn widest_keys(&self) -> usize {
        let of = |block: &BlockSpec| match block {
            BlockSpec::Attention(attention) => attention.keys(),
            BlockSpec::LatentAttention(attention) => attention.keys(),
            BlockSpec::Mixer(_) | BlockSpec::Dense(_) | BlockSpec::Moe(_) => 0,
        };
        self.blocks().map(of).max().unwrap_or(0)
    }

    /// All blocks in order.
    pub fn blocks(&self) -> impl Iterator<Item = &BlockSpec> {
        self.layers
            .iter()
            .flat_map(|layer| &layer.steps)
            .map(|step| &step.block)
    }

    /// Whether the family knows this tensor and leaves it alone: of another modality, of a layer beyond the last (multi-token
    /// prediction), or an output projection that is the embedding.
    #[must_use]
    pub fn is_skipped(&self, name: &str) -> bool {
        let beyond = || {
            let rest = name.strip_prefix(&self.names.layers)?;
            let index: usize = rest.split_once('.')?.0.parse().ok()?;
            Some(index >= self.layers.len())
        };
        self.names.skipped.iter().any(|prefix| name.starts_with(prefix))
            || (self.tied_embeddings
                && name != self.names.embedding
                && name.strip_prefix(&self.names.output) == Some(".weight"))
            || beyond().unwrap_or(false)
    }
}

impl LayerSpec {
    /// The layer's experts, if it has any.
    #[must_use]
    pub fn moe(&self) -> Option<&MoeSpec> {
        self.steps.iter().find_map(|step| match &step.block {
            BlockSpec::Moe(moe) => Some(moe),
            _ => None,
        })
    }
}

impl StepSpec {
    /// A block with its norm before it.
    #[must_use]
    pub fn before(norm: &str, norm_spec: NormSpec, block: BlockSpec) -> Self {
        Self {
            norm: norm.to_owned(),
            norm_spec,
            placement: NormPlacement::Before,
            block,
        }
    }
}
