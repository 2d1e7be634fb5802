//! Model families: config.json → [`DecoderSpec`]. One file each, and one line here.

use crate::blocks::rope::{RopeScaling, RopeSpec, Yarn};
use crate::checkpoint::Config;
use crate::error::ModelError;
use crate::export::MoeNaming;
use crate::spec::{DecoderSpec, LayerSpec, Names};

mod mixtral;
mod olmoe;
mod qwen3_moe;

/// A model family. Implementations read config fields and build plain data; they compute nothing.
pub trait Family: Sync {
    /// `model_type` in config.json.
    fn name(&self) -> &'static str;

    /// Reads the config field by field.
    ///
    /// # Errors
    /// If a field is missing or malformed, or asks for something that is not implemented.
    fn spec(&self, config: &Config) -> Result<DecoderSpec, ModelError>;

    /// How its expert tensors are named, for export.
    fn naming(&self) -> &'static MoeNaming;
}

/// Experts as `mlp.experts.E.`, router `mlp.gate`. Configs that transformers 5 wrote say `num_local_experts`.
pub const MLP_EXPERTS: MoeNaming = MoeNaming {
    expert_prefix: Some("model.layers.{layer}.mlp.experts.{expert}."),
    row_sliced: &["model.layers.{layer}.mlp.gate.weight"],
    fused: &[],
    expert_count_keys: &["num_experts", "num_local_experts"],
};

/// Experts as `block_sparse_moe.experts.E.`, router `block_sparse_moe.gate`.
pub const BLOCK_SPARSE_EXPERTS: MoeNaming = MoeNaming {
    expert_prefix: Some("model.layers.{layer}.block_sparse_moe.experts.{expert}."),
    row_sliced: &["model.layers.{layer}.block_sparse_moe.gate.weight"],
    fused: &[],
    expert_count_keys: &["num_local_experts", "num_experts"],
};

/// All families, in the order documents list them.
pub const FAMILIES: &[&dyn Family] = &[&qwen3_moe::Qwen3Moe, &olmoe::Olmoe, &mixtral::Mixtral];

/// How the family of this `model_type` names its experts; `None` if there is no such family.
#[must_use]
pub fn naming_of(model_type: &str) -> Option<&'static MoeNaming> {
    FAMILIES
        .iter()
        .find(|family| family.name() == model_type)
        .map(|family| family.naming())
}

/// The family that `config` names.
///
/// # Errors
/// If `model_type` is missing or unknown.
pub fn family(config: &Config) -> Result<&'static dyn Family, ModelError> {
    let found = config.required_str("model_type")?;
    FAMILIES
        .iter()
        .copied()
        .find(|family| family.name() == found)
        .ok_or_else(|| ModelError::UnknownFamily {
            file: config.file().to_path_buf(),
            found: found.to_owned(),
            supported: FAMILIES
                .iter()
                .map(|family| family.name())
                .collect::<Vec<_>>()
                .join(", "),
        })
}

/// Fields that every decoder has, read once.
struct Common {
    hidden: usize,
    vocabulary: usize,
    layers: usize,
    heads: usize,
    key_value_heads: usize,
    head_dim: usize,
    norm_epsilon: f64,
    max_positions: usize,
    tied_embeddings: bool,
}

impl Common {
    fn read(config: &Config) -> Result<Self, ModelError> {
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
        let head_dim = match config.optional_positive("head_dim")? {
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
            hidden,
            vocabulary: config.required_positive("vocab_size")?,
            layers,
            heads,
            key_value_heads,
            head_dim,
            norm_epsilon: config.optional_f64("rms_norm_eps")?.unwrap_or(1e-6),
            max_positions: config.required_positive("max_position_embeddings")?,
            tied_embeddings: config.optional_bool("tie_word_embeddings")?.unwrap_or(false),
        })
    }

    fn decoder(&self, rope: RopeSpec, layers: Vec<LayerSpec>) -> DecoderSpec {
        DecoderSpec {
            hidden: self.hidden,
            vocabulary: self.vocabulary,
            norm_epsilon: self.norm_epsilon,
            tied_embeddings: self.tied_embeddings,
            max_positions: self.max_positions,
            rope,
            layers,
            names: Names {
                embedding: "model.embed_tokens.weight".into(),
                final_norm: "model.norm.weight".into(),
                output: "lm_head.weight".into(),
            },
        }
    }
}

/// `experts` and `top_k`, checked against each other.
fn expert_counts(config: &Config, keys: &[&str]) -> Result<(usize, usize), ModelError> {
    let key = keys.iter().copied().find(|key| config.has(key)).unwrap_or(keys[0]);
    let experts = config.required_positive(key)?;
    let top_k = config.required_positive("num_experts_per_tok")?;
    if top_k > experts {
        return Err(config
            .invalid("num_experts_per_tok", format!("at most {key} = {experts}"))
            .into());
    }
    if experts > 65_536 {
        return Err(config.invalid(key, "at most 65536").into());
    }
    Ok((experts, top_k))
}

/// The activation must be `SiLU`: what all three families ship.
fn require_silu(config: &Config, family: &'static str) -> Result<(), ModelError> {
    match config.optional_str("hidden_act")? {
        None | Some("silu" | "swish") => Ok(()),
        Some(other) => Err(ModelError::UnsupportedOption {
            file: config.file().to_path_buf(),
            option: "hidden_act".into(),
            found: format!("`{other}`"),
            family,
            expected: "`silu`".into(),
        }),
    }
}

/// Rotary embedding from either form of config: `rope_theta` + `rope_scaling`, or `rope_parameters`.
fn rope(config: &Config, common: &Common, family: &'static str, default_theta: f64) -> Result<RopeSpec, ModelError> {
    let parameters = config.optional_object("rope_parameters")?;
    let scaling = match &parameters {
        Some(parameters) => Some(parameters.clone()),
        None => config.optional_object("rope_scaling")?,
    };
    let theta = match &parameters {
        Some(parameters) => parameters.optional_f64("rope_theta")?,
        None => None,
    };
    let theta = match theta {
        Some(theta) => theta,
        None => config.optional_f64("rope_theta")?.unwrap_or(default_theta),
    };
    if theta <= 0.0 {
        return Err(config.invalid("rope_theta", "a positive number").into());
    }
    let scaling = match scaling {
        Some(scaling) => rope_scaling(&scaling, common, family)?,
        None => RopeScaling::Default,
    };
    Ok(RopeSpec {
        theta,
        head_dim: common.head_dim,
        scaling,
    })
}

fn rope_scaling(scaling: &Config, common: &Common, family: &'static str) -> Result<RopeScaling, ModelError> {
    let kind = match scaling.optional_str("rope_type")? {
        Some(kind) => kind,
        None => scaling.optional_str("type")?.unwrap_or("default"),
    };
    let original = || -> Result<usize, ModelError> {
        Ok(scaling
            .optional_positive("original_max_position_embeddings")?
            .unwrap_or(common.max_positions))
    };
    let factor = || -> Result<f64, ModelError> {
        let factor = scaling.required_f64("factor")?;
        if factor < 1.0 {
            return Err(scaling.invalid("factor", "a number of at least 1").into());
        }
        Ok(factor)
    };
    match kind {
        "default" => Ok(RopeScaling::Default),
        "linear" => Ok(RopeScaling::Linear { factor: factor()? }),
        "yarn" => yarn(scaling, factor()?, original()?),
        "llama3" => Ok(RopeScaling::Llama3 {
            factor: factor()?,
            low_factor: scaling.required_f64("low_freq_factor")?,
            high_factor: scaling.required_f64("high_freq_factor")?,
            original_positions: original()?,
        }),
        other => Err(ModelError::UnsupportedOption {
            file: scaling.file().to_path_buf(),
            option: "rope_type".into(),
            found: format!("`{other}`"),
            family,
            expected: "`default`, `linear`, `yarn` or `llama3`".into(),
        }),
    }
}

fn yarn(scaling: &Config, factor: f64, original_positions: usize) -> Result<RopeScaling, ModelError> {
    let scale = |mscale: f64| {
        if factor <= 1.0 {
            1.0
        } else {
            0.1 * mscale * factor.ln() + 1.0
        }
    };
    let ratio = match (scaling.optional_f64("mscale")?, scaling.optional_f64("mscale_all_dim")?) {
        (Some(mscale), Some(all)) if mscale != 0.0 && all != 0.0 => scale(mscale) / scale(all),
        _ => scale(1.0),
    };
    Ok(RopeScaling::Yarn(Yarn {
        factor,
        original_positions,
        beta_fast: scaling.optional_f64("beta_fast")?.filter(|&b| b != 0.0).unwrap_or(32.0),
        beta_slow: scaling.optional_f64("beta_slow")?.filter(|&b| b != 0.0).unwrap_or(1.0),
        attention_factor: scaling.optional_f64("attention_factor")?.unwrap_or(ratio),
        truncate: scaling.optional_bool("truncate")?.unwrap_or(true),
    }))
}

/// `gate_proj`, `up_proj`, `down_proj`.
fn named_projections() -> [String; 3] {
    ["gate_proj", "up_proj", "down_proj"].map(str::to_owned)
}
