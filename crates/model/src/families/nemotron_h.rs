//! Nemotron-H and Nemotron 3: one mixer per layer, Mamba2, attention without positions, experts, or a dense network.
//!
//! Source: `NemotronHForCausalLM` in transformers 5.23; <https://arxiv.org/abs/2504.03624>. Experts are `down(relu(up x)²)`, the router
//! is that of DeepSeek-V3. Not read: `expand` (the inner width is heads × head width), `chunk_size`, the `rope_*` fields, and the limits
//! of the time step, which fused kernels do not apply (see [`crate::blocks::mamba2`]).

use serde_json::Value;

use super::Family;
use super::common::{Common, SigmoidDefaults, epsilon, expert_counts, product, sigmoid_router, unsupported};
use crate::checkpoint::Config;
use crate::error::ModelError;
use crate::export::MoeNaming;
use crate::spec::{
    Activation, AttentionSpec, BlockSpec, DecoderSpec, DenseSpec, ExpertLayout, LayerSpec, Mamba2Spec, MixerSpec,
    MlpNames, MoeSpec, Names, RouterSpec, SharedExpertSpec, StepSpec,
};

const NAME: &str = "nemotron_h";

const NAMING: MoeNaming = MoeNaming {
    expert_prefix: Some("backbone.layers.{layer}.mixer.experts.{expert}."),
    row_sliced: &[
        "backbone.layers.{layer}.mixer.gate.weight",
        "backbone.layers.{layer}.mixer.gate.e_score_correction_bias",
    ],
    expert_count_keys: &["n_routed_experts", "num_local_experts"],
    layer_prefix: "backbone.layers.{layer}.",
    ..MoeNaming::NONE
};

pub(super) struct NemotronH;

impl Family for NemotronH {
    fn name(&self) -> &'static str {
        NAME
    }

    fn naming(&self) -> &'static MoeNaming {
        &NAMING
    }

    fn spec(&self, config: &Config) -> Result<DecoderSpec, ModelError> {
        refuse_unsupported(config)?;
        let kinds = layer_kinds(config)?;
        let common = common(config, kinds.len())?;
        let mut blocks = Blocks::default();
        let layers = kinds
            .iter()
            .enumerate()
            .map(|(index, kind)| {
                Ok(LayerSpec {
                    prefix: format!("backbone.layers.{index}."),
                    residual_scale: 1.0,
                    steps: vec![StepSpec::before(
                        "norm",
                        common.norm(),
                        blocks.get(*kind, config, &common)?,
                    )],
                })
            })
            .collect::<Result<_, ModelError>>()?;
        Ok(DecoderSpec {
            names: Names {
                embedding: "backbone.embeddings.weight".into(),
                final_norm: "backbone.norm_f".into(),
                output: "lm_head".into(),
                layers: "backbone.layers.".into(),
                skipped: vec!["mtp.".into()],
            },
            ..common.decoder(layers)
        })
    }

    /// Some checkpoints say `backbone.embedding`.
    fn adapt(&self, spec: &mut DecoderSpec, has: &dyn Fn(&str) -> bool) {
        let other = "backbone.embedding.weight";
        if !has(&spec.names.embedding) && has(other) {
            spec.names.embedding = other.into();
        }
    }
}

/// What a layer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Mamba,
    Attention,
    Moe,
    Dense,
}

/// `layers_block_type` (words), or `hybrid_override_pattern` (one character per layer).
fn layer_kinds(config: &Config) -> Result<Vec<Kind>, ModelError> {
    let from_word = |word: &String| match word.as_str() {
        "mamba" | "linear_attention" => Some(Kind::Mamba),
        "attention" | "full_attention" => Some(Kind::Attention),
        "moe" => Some(Kind::Moe),
        "mlp" => Some(Kind::Dense),
        _ => None,
    };
    let from_letter = |letter: char| match letter {
        'M' => Some(Kind::Mamba),
        '*' => Some(Kind::Attention),
        'E' => Some(Kind::Moe),
        '-' => Some(Kind::Dense),
        _ => None,
    };
    let field = ["layers_block_type", "layer_types", "hybrid_override_pattern"]
        .into_iter()
        .find(|field| config.has(field))
        .unwrap_or("hybrid_override_pattern");
    let (kinds, expected): (Option<Vec<Kind>>, _) = if field == "hybrid_override_pattern" {
        let pattern = config.required_str(field)?;
        (
            pattern.chars().map(from_letter).collect(),
            "the letters M (Mamba2), E (experts), * (attention) and - (dense), one per layer",
        )
    } else {
        let words = config.optional_str_list(field)?.unwrap_or_default();
        (
            words.iter().map(from_word).collect(),
            "a list of `mamba` or `linear_attention`, `attention` or `full_attention`, `moe` and `mlp`",
        )
    };
    let kinds = kinds
        .filter(|kinds| (1..=4096).contains(&kinds.len()))
        .ok_or_else(|| config.invalid(field, expected))?;
    match config.optional_usize("num_hidden_layers")? {
        Some(layers) if layers != kinds.len() => {
            let expected = format!("{}, the number of layers in {field}", kinds.len());
            Err(config.invalid("num_hidden_layers", expected).into())
        }
        _ => Ok(kinds),
    }
}

fn common(config: &Config, layers: usize) -> Result<Common, ModelError> {
    let heads = config.required_positive("num_attention_heads")?;
    let key_value_heads = config.optional_positive("num_key_value_heads")?.unwrap_or(heads);
    if !heads.is_multiple_of(key_value_heads) {
        let expected = format!("a divisor of num_attention_heads = {heads}");
        return Err(config.invalid("num_key_value_heads", expected).into());
    }
    Ok(Common {
        family: NAME,
        hidden: config.required_positive("hidden_size")?,
        vocabulary: config.required_positive("vocab_size")?,
        layers,
        heads,
        key_value_heads,
        head_dim: either(config, "head_dim", "attention_head_dim")?.unwrap_or(128),
        norm_epsilon: epsilon(config, "layer_norm_epsilon", 1e-5)?,
        max_positions: config.required_positive("max_position_embeddings")?,
        tied_embeddings: config.optional_bool("tie_word_embeddings")?.unwrap_or(false),
    })
}

/// Blocks that have been read from the config: each kind once.
#[derive(Default)]
struct Blocks(Vec<(Kind, BlockSpec)>);

impl Blocks {
    fn get(&mut self, kind: Kind, config: &Config, common: &Common) -> Result<BlockSpec, ModelError> {
        if let Some((_, block)) = self.0.iter().find(|(known, _)| *known == kind) {
            return Ok(block.clone());
        }
        let block = match kind {
            Kind::Mamba => BlockSpec::Mixer(MixerSpec::Mamba2(mamba(config, common)?)),
            Kind::Attention => BlockSpec::Attention(AttentionSpec {
                prefix: "mixer.".into(),
                ..AttentionSpec::plain(common.heads, common.key_value_heads, common.head_dim, None)
            }),
            Kind::Moe => BlockSpec::Moe(moe(config)?),
            Kind::Dense => BlockSpec::Dense(DenseSpec {
                prefix: "mixer.".into(),
                names: MlpNames::projections(),
                intermediate: config.required_positive("intermediate_size")?,
                activation: Activation::ReluSquared,
                bias: config.optional_bool("mlp_bias")?.unwrap_or(false),
            }),
        };
        self.0.push((kind, block.clone()));
        Ok(block)
    }
}

fn mamba(config: &Config, common: &Common) -> Result<Mamba2Spec, ModelError> {
    let [heads, head_dim] = product(config, ["mamba_num_heads", "mamba_head_dim"])?;
    let groups = either(config, "mamba_n_groups", "n_groups")?.unwrap_or(8);
    if !heads.is_multiple_of(groups) {
        let expected = format!("a divisor of mamba_num_heads = {heads}");
        return Err(config.invalid("n_groups", expected).into());
    }
    let conv_bias = match config.optional_bool("mamba_conv_bias")? {
        Some(bias) => bias,
        None => config.optional_bool("use_conv_bias")?.unwrap_or(true),
    };
    Ok(Mamba2Spec {
        prefix: "mixer.".into(),
        heads,
        head_dim,
        groups,
        // As many groups as heads make the largest B and C.
        state: product(config, ["ssm_state_size", "mamba_num_heads"])?[0],
        kernel: either(config, "mamba_d_conv", "conv_kernel")?.unwrap_or(4),
        conv_bias,
        bias: config.optional_bool("use_bias")?.unwrap_or(false),
        norm_epsilon: common.norm_epsilon,
    })
}

fn moe(config: &Config) -> Result<MoeSpec, ModelError> {
    if config.optional_bool("mlp_bias")?.unwrap_or(false) {
        return Err(unsupported(config, NAME, "mlp_bias", "true", "false with experts"));
    }
    if let Some(width) = config.optional_positive("moe_latent_size")? {
        let expected = "experts that work on the residual width (null)";
        return Err(unsupported(
            config,
            NAME,
            "moe_latent_size",
            &width.to_string(),
            expected,
        ));
    }
    let (experts, top_k) = expert_counts(config, NAMING.expert_count_keys, "num_experts_per_tok")?;
    let shared = match config.optional_usize("n_shared_experts")? {
        Some(0) => None,
        _ => Some(SharedExpertSpec {
            prefix: "mixer.shared_experts.".into(),
            names: MlpNames::projections(),
            intermediate: config.required_positive("moe_shared_expert_intermediate_size")?,
            gate: None,
        }),
    };
    let defaults = SigmoidDefaults {
        normalise: true,
        scale: 1.0,
        groups: [1, 1],
    };
    Ok(MoeSpec {
        experts,
        top_k,
        intermediate: config.required_positive("moe_intermediate_size")?,
        activation: Activation::ReluSquared,
        layout: ExpertLayout::per_expert("mixer.experts.{expert}.", MlpNames::projections()),
        router: RouterSpec {
            weight: "mixer.gate.weight".into(),
            selection_bias: Some("mixer.gate.e_score_correction_bias".into()),
            ..sigmoid_router(config, experts, top_k, defaults)?
        },
        shared,
    })
}

/// Options that would change what is computed.
fn refuse_unsupported(config: &Config) -> Result<(), ModelError> {
    for (field, known) in [
        ("mamba_hidden_act", ["silu", "swish"]),
        ("mlp_hidden_act", ["relu2", "relu2"]),
    ] {
        if let Some(found) = config.optional_str(field)?.filter(|found| !known.contains(found)) {
            return Err(unsupported(
                config,
                NAME,
                field,
                &format!("`{found}`"),
                &format!("`{}`", known[0]),
            ));
        }
    }
    if config.optional_bool("attention_bias")?.unwrap_or(false) {
        return Err(unsupported(config, NAME, "attention_bias", "true", "false"));
    }
    if let Some(window) = config.optional_positive("sliding_window")? {
        return Err(unsupported(config, NAME, "sliding_window", &window.to_string(), "null"));
    }
    // Implementations disagree about finite limits; every published checkpoint has [0, ∞].
    match config.value("time_step_limit") {
        Some(limits) if !unlimited(limits) => {
            let found = limits.to_string();
            Err(unsupported(config, NAME, "time_step_limit", &found, "[0.0, Infinity]"))
        }
        _ => Ok(()),
    }
}

/// `[0.0, Infinity]`, the latter as a bare word of Python or as transformers 5 writes it.
fn unlimited(limits: &Value) -> bool {
    let infinite =
        |value: &Value| value.as_str() == Some("Infinity") || value["__float__"].as_str() == Some("Infinity");
    matches!(limits.as_array().map(Vec::as_slice), Some([low, high]) if low.as_f64() == Some(0.0) && infinite(high))
}

/// A size under either of two names; the first counts.
fn either(config: &Config, first: &str, second: &str) -> Result<Option<usize>, ModelError> {
    Ok(match config.optional_positive(first)? {
        Some(value) => Some(value),
        None => config.optional_positive(second)?,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::path::Path;

    use super::*;

    fn spec(change: &str) -> Result<DecoderSpec, ModelError> {
        let text = format!(
            r#"{{"vocab_size": 9, "hidden_size": 4, "num_attention_heads": 2, "head_dim": 3, "max_position_embeddings": 8,
            "mamba_num_heads": 4, "mamba_head_dim": 2, "n_groups": 2, "ssm_state_size": 3, "n_routed_experts": 8,
            "num_experts_per_tok": 2, "moe_intermediate_size": 5, "moe_shared_expert_intermediate_size": 6,
            "intermediate_size": 7, {change}}}"#
        );
        NemotronH.spec(&Config::parse(Path::new("config.json"), &text).unwrap())
    }

    #[test]
    fn layers_by_letters_or_words_and_infinities_in_any_spelling() {
        let letters = spec(r#""hybrid_override_pattern": "M*E-", "time_step_limit": [0.0, Infinity]"#).unwrap();
        let words = r#""layers_block_type": ["mamba", "full_attention", "moe", "mlp"]"#;
        let limit = r#""time_step_limit": [0.0, {"__float__": "Infinity"}]"#;
        assert_eq!(spec(&format!("{words}, {limit}")).unwrap(), letters);
        let blocks: Vec<_> = letters.blocks().collect();
        assert!(matches!(blocks[0], BlockSpec::Mixer(_)) && matches!(blocks[1], BlockSpec::Attention(_)));
        assert!(matches!(blocks[2], BlockSpec::Moe(_)) && matches!(blocks[3], BlockSpec::Dense(_)));
    }

    #[test]
    fn what_is_not_implemented_is_refused() {
        let refused = |change: &str| {
            let change = format!(r#""hybrid_override_pattern": "ME", {change}"#);
            spec(&change).unwrap_err().to_string()
        };
        for (change, named) in [
            (r#""time_step_limit": [0.0, 0.1]"#, "time_step_limit"),
            (r#""moe_latent_size": 3"#, "moe_latent_size"),
            (r#""mlp_hidden_act": "silu""#, "mlp_hidden_act"),
            (r#""num_hidden_layers": 3"#, "num_hidden_layers"),
            (r#""n_group": 3"#, "n_group"),
            (r#""n_group": 8, "topk_group": 1"#, "topk_group"),
            (r#""attention_bias": true"#, "attention_bias"),
        ] {
            let message = refused(change);
            assert!(message.contains(named), "{message}");
        }
        assert!(
            spec(r#""hybrid_override_pattern": "MX""#)
                .unwrap_err()
                .to_string()
                .contains("letters")
        );
    }
}
