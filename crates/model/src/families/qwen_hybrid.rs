//! What Qwen3-Next and Qwen3.5-MoE share: gated `DeltaNet` layers with a gated full attention in between, zero-centred norms, a gated
//! shared expert.
//!
//! Source: `Qwen3NextForCausalLM` and `Qwen3_5MoeForCausalLM` in transformers 5.23; <https://qwen.ai/blog?id=qwen3-next>.

use super::common::{Common, expert_counts, layer_types, product, require_silu, unsupported};
use super::rope::{RopeDefaults, rope};
use crate::checkpoint::Config;
use crate::error::ModelError;
use crate::spec::{
    Activation, AttentionSpec, BlockSpec, DecoderSpec, DeltaNetLayout, DeltaNetSpec, ExpertLayout, LayerSpec,
    MixerSpec, MlpNames, MoeSpec, Names, NormKind, NormSpec, NormWidth, QueryKeyNormSpec, RouterSpec, SharedExpertSpec,
    StepSpec,
};

/// In what the two differ.
pub(super) struct Hybrid<'a> {
    pub(super) family: &'static str,
    /// The text model's part of config.json.
    pub(super) config: &'a Config,
    /// What the names of its tensors begin with: `model.`.
    pub(super) prefix: &'static str,
    pub(super) delta_net: DeltaNetLayout,
    pub(super) experts: ExpertLayout,
    /// Whether the weights of the selected experts are divided by their sum.
    pub(super) renormalise: bool,
}

impl Hybrid<'_> {
    /// The decoder; `feed_forward` makes the second block of a layer from its index and the experts.
    pub(super) fn decoder(
        &self,
        feed_forward: &dyn Fn(usize, &MoeSpec) -> Result<BlockSpec, ModelError>,
    ) -> Result<DecoderSpec, ModelError> {
        let config = self.config;
        require_silu(config, self.family)?;
        let common = Common {
            head_dim: config.optional_positive("head_dim")?.unwrap_or(256),
            ..Common::read(config, self.family)?
        };
        let norm = NormSpec {
            kind: NormKind::RmsZeroCentred,
            epsilon: common.norm_epsilon,
        };
        let full = self.full_attention_layers(&common)?;
        let attention = BlockSpec::Attention(self.attention(&common, norm)?);
        let delta_net = BlockSpec::Mixer(MixerSpec::DeltaNet(self.delta_net(&common)?));
        let moe = self.moe()?;
        let layer = |index: usize| -> Result<LayerSpec, ModelError> {
            let mixer = if full[index] { &attention } else { &delta_net };
            Ok(LayerSpec {
                prefix: format!("{}layers.{index}.", self.prefix),
                residual_scale: 1.0,
                steps: vec![
                    StepSpec::before("input_layernorm", norm, mixer.clone()),
                    StepSpec::before("post_attention_layernorm", norm, feed_forward(index, &moe)?),
                ],
            })
        };
        let layers = (0..common.layers).map(layer).collect::<Result<_, _>>()?;
        Ok(DecoderSpec {
            final_norm: norm,
            names: Names {
                embedding: format!("{}embed_tokens.weight", self.prefix),
                final_norm: format!("{}norm", self.prefix),
                output: "lm_head".into(),
                layers: format!("{}layers.", self.prefix),
                skipped: vec!["mtp.".into()],
            },
            ..common.decoder(layers)
        })
    }

    /// Which layers have full attention: `layer_types`, or every `full_attention_interval`-th.
    fn full_attention_layers(&self, common: &Common) -> Result<Vec<bool>, ModelError> {
        let interval = self.config.optional_positive("full_attention_interval")?.unwrap_or(4);
        let types = layer_types(self.config, common, &["linear_attention", "full_attention"])?;
        Ok(match types {
            Some(types) => types.iter().map(|kind| kind == "full_attention").collect(),
            None => (1..=common.layers)
                .map(|number| number.is_multiple_of(interval))
                .collect(),
        })
    }

    fn attention(&self, common: &Common, norm: NormSpec) -> Result<AttentionSpec, ModelError> {
        if self.config.optional_bool("attn_output_gate")? == Some(false) {
            return Err(unsupported(
                self.config,
                self.family,
                "attn_output_gate",
                "false",
                "true",
            ));
        }
        let defaults = RopeDefaults {
            theta: 10_000.0,
            partial: Some(0.25),
        };
        let rope = rope(self.config, common, defaults)?;
        let bias = self.config.optional_bool("attention_bias")?.unwrap_or(false);
        Ok(AttentionSpec {
            input_bias: bias,
            output_bias: bias,
            query_key_norm: Some(QueryKeyNormSpec::new(NormWidth::PerHead, norm)),
            output_gate: true,
            ..AttentionSpec::plain(common.heads, common.key_value_heads, common.head_dim, Some(rope))
        })
    }

    fn delta_net(&self, common: &Common) -> Result<DeltaNetSpec, ModelError> {
        let [key_heads, key_dim] = product(self.config, ["linear_num_key_heads", "linear_key_head_dim"])?;
        let [value_heads, value_dim] = product(self.config, ["linear_num_value_heads", "linear_value_head_dim"])?;
        if !value_heads.is_multiple_of(key_heads) {
            let expected = format!("a multiple of linear_num_key_heads = {key_heads}");
            return Err(self.config.invalid("linear_num_value_heads", expected).into());
        }
        Ok(DeltaNetSpec {
            prefix: "linear_attn.".into(),
            key_heads,
            value_heads,
            key_dim,
            value_dim,
            kernel: self.config.optional_positive("linear_conv_kernel_dim")?.unwrap_or(4),
            layout: self.delta_net,
            norm_epsilon: common.norm_epsilon,
        })
    }

    fn moe(&self) -> Result<MoeSpec, ModelError> {
        let keys = ["num_experts", "num_local_experts"];
        let (experts, top_k) = expert_counts(self.config, &keys, "num_experts_per_tok")?;
        Ok(MoeSpec {
            experts,
            top_k,
            intermediate: self.config.required_positive("moe_intermediate_size")?,
            activation: Activation::SiluGated,
            layout: self.experts.clone(),
            router: RouterSpec::softmax("mlp.gate.weight", self.renormalise),
            shared: Some(SharedExpertSpec {
                prefix: "mlp.shared_expert.".into(),
                names: MlpNames::projections(),
                intermediate: self.config.required_positive("shared_expert_intermediate_size")?,
                gate: Some("mlp.shared_expert_gate.weight".into()),
            }),
        })
    }
}
