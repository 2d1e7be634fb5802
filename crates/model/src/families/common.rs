//! What many families read from config.json in the same way.

use crate::checkpoint::Config;
use crate::error::ModelError;
use crate::spec::{
    Activation, BlockSpec, DecoderSpec, ExpertLayout, GroupScore, GroupSpec, LayerSpec, MlpNames, MoeSpec, Names,
    NormSpec, Normalise, RouterSpec, Scoring, SharedExpertSpec, StepSpec,
};

/// Fields that every decoder has, read once.
pub(super) struct Common {
    pub(super) family: &'static str,
    pub(super) hidden: usize,
    pub(super) vocabulary: usize,
    pub(super) layers: usize,
    pub(super) heads: usize,
    pub(super) key_value_heads: usize,
    pub(super) head_dim: usize,
    pub(super) norm_epsilon: f64,
    pub(super) max_positions: usize,
    pub(super) tied_embeddings: bool,
}

impl Common {
    pub(super) fn read(config: &Config, family: &'static str) -> Result<Self, ModelError> {
        let head_dim = config.optional_positive("head_dim")?;
        Self::with_head_dim(config, family, head_dim)
    }

    /// The same with a width of heads that is found elsewhere; `None` divides the hidden size by the heads.
    pub(super) fn with_head_dim(
        config: &Config,
        family: &'static str,
        head_dim: Option<usize>,
    ) -> Result<Self, ModelError> {
        let hidden = config.required_positive("hidden_size")?;
        let heads = config.required_positive("num_attention_heads")?;
        let key_value_heads = config.optional_positive("num_key_value_heads")?.unwrap_or(heads);
        if !heads.is_multiple_of(key_value_heads) {
            return Err(config
                .invalid(
                    "num_key_value_heads",
                    format!("a divisor of num_attention_heads = {heads}"),
                )
                .into());
        }
        let head_dim = match head_dim {
            Some(width) => width,
            None if hidden.is_multiple_of(heads) => hidden / heads,
            None => {
                return Err(config
                    .invalid("hidden_size", format!("a multiple of num_attention_heads = {heads}"))
                    .into());
            }
        };
        if !head_dim.is_multiple_of(2) {
            return Err(config
                .invalid("head_dim", "an even number: the rotary embedding rotates pairs")
                .into());
        }
        let layers = config.required_positive("num_hidden_layers")?;
        if layers > 4096 {
            return Err(config.invalid("num_hidden_layers", "at most 4096").into());
        }
        Ok(Self {
            family,
            hidden,
            vocabulary: config.required_positive("vocab_size")?,
            layers,
            heads,
            key_value_heads,
            head_dim,
            norm_epsilon: epsilon(config, "rms_norm_eps", 1e-6)?,
            max_positions: config.required_positive("max_position_embeddings")?,
            tied_embeddings: config.optional_bool("tie_word_embeddings")?.unwrap_or(false),
        })
    }

    /// The norm that the family uses between blocks.
    pub(super) fn norm(&self) -> NormSpec {
        NormSpec::rms(self.norm_epsilon)
    }

    /// A layer of attention and feed-forward, each behind its norm.
    pub(super) fn layer(&self, index: usize, attention: BlockSpec, feed_forward: BlockSpec) -> LayerSpec {
        LayerSpec {
            prefix: format!("model.layers.{index}."),
            residual_scale: 1.0,
            steps: vec![
                StepSpec::before("input_layernorm", self.norm(), attention),
                StepSpec::before("post_attention_layernorm", self.norm(), feed_forward),
            ],
        }
    }

    /// A decoder of these layers under the usual names.
    pub(super) fn decoder(&self, layers: Vec<LayerSpec>) -> DecoderSpec {
        DecoderSpec {
            hidden: self.hidden,
            vocabulary: self.vocabulary,
            max_positions: self.max_positions,
            tied_embeddings: self.tied_embeddings,
            embedding_scale: 1.0,
            logits_divisor: 1.0,
            output_bias: false,
            final_norm: self.norm(),
            layers,
            names: Names {
                embedding: "model.embed_tokens.weight".into(),
                final_norm: "model.norm".into(),
                output: "lm_head".into(),
                layers: "model.layers.".into(),
                skipped: Vec::new(),
            },
        }
    }
}

/// A softmax-or-sigmoid router's groups: `n_group` of them, of which `topk_group` may be used.
pub(super) fn groups(
    config: &Config,
    experts: usize,
    top_k: usize,
    [groups, chosen]: [usize; 2],
    score: GroupScore,
) -> Result<Option<GroupSpec>, ModelError> {
    let groups = config.optional_positive("n_group")?.unwrap_or(groups);
    let chosen = config.optional_positive("topk_group")?.unwrap_or(chosen);
    if groups <= 1 {
        return Ok(None);
    }
    if !experts.is_multiple_of(groups) {
        return Err(config
            .invalid("n_group", format!("a divisor of {experts} experts"))
            .into());
    }
    if chosen > groups || chosen * (experts / groups) < top_k {
        let expected = format!("at most {groups} groups, with {top_k} experts in them");
        return Err(config.invalid("topk_group", expected).into());
    }
    Ok(Some(GroupSpec { groups, chosen, score }))
}

/// The router of `DeepSeek`-V3 and those after it: sigmoid scores, selected with a bias, within groups.
pub(super) fn sigmoid_router(
    config: &Config,
    experts: usize,
    top_k: usize,
    defaults: SigmoidDefaults,
) -> Result<RouterSpec, ModelError> {
    let normalise = config.optional_bool("norm_topk_prob")?.unwrap_or(defaults.normalise);
    Ok(RouterSpec {
        weight: "mlp.gate.weight".into(),
        bias: None,
        scoring: Scoring::Sigmoid,
        selection_bias: Some("mlp.gate.e_score_correction_bias".into()),
        groups: groups(config, experts, top_k, defaults.groups, GroupScore::SumOfTopTwo)?,
        normalise: if normalise {
            Normalise::Sum {
                epsilon: 1e-20,
                floor: 0.0,
            }
        } else {
            Normalise::None
        },
        scale: config.optional_f64("routed_scaling_factor")?.unwrap_or(defaults.scale),
    })
}

/// What a sigmoid router does where the config does not say.
#[derive(Debug, Clone, Copy)]
pub(super) struct SigmoidDefaults {
    pub(super) normalise: bool,
    pub(super) scale: f64,
    pub(super) groups: [usize; 2],
}

/// `n_shared_experts` of the routed experts' width as one network; `None` for 0.
pub(super) fn shared_experts(
    config: &Config,
    field: &str,
    default: usize,
    intermediate: usize,
) -> Result<Option<SharedExpertSpec>, ModelError> {
    let count = config.optional_usize(field)?.unwrap_or(default);
    if count > 65_536 {
        return Err(config.invalid(field, "at most 65536").into());
    }
    Ok((count > 0).then(|| SharedExpertSpec {
        prefix: "mlp.shared_experts.".into(),
        names: MlpNames::projections(),
        intermediate: count * intermediate,
        gate: None,
    }))
}

/// Two sizes whose product is a width of at most 2³².
pub(super) fn product(config: &Config, fields: [&str; 2]) -> Result<[usize; 2], ModelError> {
    let [first, second] = [
        config.required_positive(fields[0])?,
        config.required_positive(fields[1])?,
    ];
    if first.saturating_mul(second) > 1 << 32 {
        let expected = format!("at most 2^32 when multiplied by {} = {second}", fields[1]);
        return Err(config.invalid(fields[0], expected).into());
    }
    Ok([first, second])
}

/// Some positive number.
pub(super) fn epsilon(config: &Config, field: &str, default: f64) -> Result<f64, ModelError> {
    match config.optional_f64(field)? {
        None => Ok(default),
        Some(epsilon) if epsilon >= 0.0 => Ok(epsilon),
        Some(_) => Err(config.invalid(field, "a number of at least 0").into()),
    }
}

/// The number of experts and how many a token uses, checked against each other. The first of `keys` that is there counts.
pub(super) fn expert_counts(config: &Config, keys: &[&str], top_k_key: &str) -> Result<(usize, usize), ModelError> {
    let key = keys.iter().copied().find(|key| config.has(key)).unwrap_or(keys[0]);
    let experts = config.required_positive(key)?;
    let top_k = config.required_positive(top_k_key)?;
    if top_k > experts {
        return Err(config.invalid(top_k_key, format!("at most {key} = {experts}")).into());
    }
    if experts > 65_536 {
        return Err(config.invalid(key, "at most 65536").into());
    }
    Ok((experts, top_k))
}

/// The activation must be `SiLU`: what all published checkpoints of these families have.
pub(super) fn require_silu(config: &Config, family: &'static str) -> Result<(), ModelError> {
    match config.optional_str("hidden_act")? {
        None | Some("silu" | "swish") => Ok(()),
        Some(other) => Err(unsupported(
            config,
            family,
            "hidden_act",
            &format!("`{other}`"),
            "`silu`",
        )),
    }
}

/// An option that asks for something the family's implementation does not do.
pub(super) fn unsupported(
    config: &Config,
    family: &'static str,
    option: &str,
    found: &str,
    expected: &str,
) -> ModelError {
    ModelError::UnsupportedOption {
        file: config.file().to_path_buf(),
        option: option.to_owned(),
        found: found.to_owned(),
        family,
        expected: expected.to_owned(),
    }
}

/// `sliding_window`: `null` is none, and `absent` is what it is where nobody says.
pub(super) fn sliding_window(config: &Config, absent: usize) -> Result<Option<usize>, ModelError> {
    Ok(if config.fields().contains_key("sliding_window") {
        config.optional_positive("sliding_window")?
    } else {
        Some(absent)
    })
}

/// `layer_types`, one word per layer, each one of `known`; `None` where the field is absent.
pub(super) fn layer_types(config: &Config, common: &Common, known: &[&str]) -> Result<Option<Vec<String>>, ModelError> {
    let Some(types) = config.optional_str_list("layer_types")? else {
        return Ok(None);
    };
    if types.len() != common.layers {
        let expected = format!("one entry per layer: num_hidden_layers = {}", common.layers);
        return Err(config.invalid("layer_types", expected).into());
    }
    match types.iter().find(|kind| !known.contains(&kind.as_str())) {
        Some(other) => {
            let expected = format!("of {}", known.join(", "));
            Err(unsupported(
                config,
                common.family,
                "layer_types",
                &format!("`{other}`"),
                &expected,
            ))
        }
        None => Ok(Some(types)),
    }
}

/// The experts of `DeepSeek`-V3 and of those who took them over: sigmoid router, experts one by one, `shared` shared ones unless the
/// config says otherwise.
pub(super) fn sigmoid_moe(
    config: &Config,
    expert_count_keys: &[&str],
    defaults: SigmoidDefaults,
    shared: usize,
) -> Result<MoeSpec, ModelError> {
    let (experts, top_k) = expert_counts(config, expert_count_keys, "num_experts_per_tok")?;
    let intermediate = config.required_positive("moe_intermediate_size")?;
    Ok(MoeSpec {
        experts,
        top_k,
        intermediate,
        activation: Activation::SiluGated,
        layout: ExpertLayout::per_expert("mlp.experts.{expert}.", MlpNames::projections()),
        router: sigmoid_router(config, experts, top_k, defaults)?,
        shared: shared_experts(config, "n_shared_experts", shared, intermediate)?,
    })
}
