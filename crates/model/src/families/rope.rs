//! Rotary embeddings from either form of config: `rope_theta` and `rope_scaling`, or `rope_parameters`.

use super::common::{Common, unsupported};
use crate::blocks::rope::{LongRope, Pairing, RopeScaling, RopeSpec, Yarn};
use crate::checkpoint::Config;
use crate::error::ModelError;

/// What a family's rotary embedding is where the config does not say.
#[derive(Debug, Clone, Copy)]
pub(super) struct RopeDefaults {
    pub(super) theta: f64,
    /// Share of a head that is rotated, if the family's configs may say so.
    pub(super) partial: Option<f64>,
}

impl RopeDefaults {
    /// Whole heads.
    pub(super) fn theta(theta: f64) -> Self {
        Self { theta, partial: None }
    }
}

/// A rotary embedding over the common width of heads.
pub(super) fn rope(config: &Config, common: &Common, defaults: RopeDefaults) -> Result<RopeSpec, ModelError> {
    let scaling = parameters(config)?;
    let in_parameters = |field: &str| -> Result<Option<f64>, ModelError> {
        match &scaling {
            Some(scaling) => Ok(scaling.optional_f64(field)?),
            None => Ok(None),
        }
    };
    let field = |name: &str| -> Result<Option<f64>, ModelError> {
        Ok(match in_parameters(name)? {
            Some(value) => Some(value),
            None => config.optional_f64(name)?,
        })
    };
    let theta = field("rope_theta")?.unwrap_or(defaults.theta);
    if theta <= 0.0 {
        return Err(config.invalid("rope_theta", "a positive number").into());
    }
    let width = match defaults.partial {
        None => common.head_dim,
        Some(partial) => {
            let partial = field("partial_rotary_factor")?.unwrap_or(partial);
            rotary_width(config, common.head_dim, partial)?
        }
    };
    let scaling = match scaling {
        Some(scaling) => rope_scaling(config, &scaling, common, width)?,
        None => RopeScaling::Default,
    };
    Ok(RopeSpec {
        theta,
        width,
        pairing: Pairing::Halves,
        scaling,
    })
}

/// `rope_scaling`, unless it is empty, or else `rope_parameters`: the order of transformers, where somebody has added the first to the second.
pub(super) fn parameters(config: &Config) -> Result<Option<Config>, ModelError> {
    let scaling = config.optional_object("rope_scaling")?;
    Ok(match scaling.filter(|scaling| !scaling.fields().is_empty()) {
        Some(scaling) => Some(scaling),
        None => config.optional_object("rope_parameters")?,
    })
}

fn rotary_width(config: &Config, head_dim: usize, partial: f64) -> Result<usize, ModelError> {
    #[allow(clippy::cast_sign_loss)]
    let width = if (0.0..=1.0).contains(&partial) {
        (head_dim as f64 * partial) as usize
    } else {
        0
    };
    if width == 0 || !width.is_multiple_of(2) {
        let expected = format!("a share of the head width {head_dim} that makes an even number");
        return Err(config.invalid("partial_rotary_factor", expected).into());
    }
    Ok(width)
}

fn rope_scaling(config: &Config, scaling: &Config, common: &Common, width: usize) -> Result<RopeScaling, ModelError> {
    let kind = match scaling.optional_str("rope_type")? {
        Some(kind) => kind,
        None => scaling.optional_str("type")?.unwrap_or("default"),
    };
    let original = || -> Result<usize, ModelError> {
        // Where both are there, the outer one counts, as in the reference implementation.
        let inner = scaling.optional_positive("original_max_position_embeddings")?;
        let outer = config.optional_positive("original_max_position_embeddings")?;
        Ok(outer.or(inner).unwrap_or(common.max_positions))
    };
    let given_factor = || -> Result<Option<f64>, ModelError> {
        match scaling.optional_f64("factor")? {
            Some(factor) if factor < 1.0 => Err(scaling.invalid("factor", "a number of at least 1").into()),
            other => Ok(other),
        }
    };
    let factor = || -> Result<f64, ModelError> {
        Ok(given_factor()?.ok_or_else(|| scaling.invalid("factor", "a number of at least 1"))?)
    };
    match kind {
        "default" => Ok(RopeScaling::Default),
        "linear" => Ok(RopeScaling::Linear { factor: factor()? }),
        "dynamic" => Ok(RopeScaling::Dynamic {
            factor: factor()?,
            max_positions: common.max_positions,
        }),
        "yarn" => {
            let original = original()?;
            let stated = given_factor()?;
            yarn(
                scaling,
                stated.unwrap_or(common.max_positions as f64 / original as f64),
                original,
            )
        }
        "llama3" => Ok(RopeScaling::Llama3 {
            factor: factor()?,
            low_factor: scaling.required_f64("low_freq_factor")?,
            high_factor: scaling.required_f64("high_freq_factor")?,
            original_positions: original()?,
        }),
        "longrope" | "su" => {
            let original = original()?;
            let stated = given_factor()?;
            let factor = stated.unwrap_or(common.max_positions as f64 / original as f64);
            long_rope(scaling, factor, original, width)
        }
        other => Err(unsupported(
            scaling,
            common.family,
            "rope_type",
            &format!("`{other}`"),
            "`default`, `linear`, `dynamic`, `yarn`, `llama3` or `longrope`",
        )),
    }
}

fn long_rope(scaling: &Config, factor: f64, original: usize, width: usize) -> Result<RopeScaling, ModelError> {
    let scale = match scaling.optional_f64("attention_factor")? {
        Some(scale) => scale,
        None if factor <= 1.0 || original <= 1 => 1.0,
        None => (1.0 + factor.ln() / (original as f64).ln()).sqrt(),
    };
    Ok(RopeScaling::Long(LongRope {
        short: divisors(scaling, "short_factor", width)?,
        long: divisors(scaling, "long_factor", width)?,
        original_positions: original,
        short_scale: scale,
        long_scale: scale,
    }))
}

/// One positive divisor per frequency.
fn divisors(scaling: &Config, field: &str, width: usize) -> Result<Vec<f64>, ModelError> {
    let divisors = scaling.optional_f64_list(field)?.unwrap_or_default();
    if divisors.len() == width / 2 && divisors.iter().all(|&divisor| divisor > 0.0) {
        return Ok(divisors);
    }
    Err(scaling.invalid(field, format!("{} positive numbers", width / 2)).into())
}

fn yarn(scaling: &Config, factor: f64, original_positions: usize) -> Result<RopeScaling, ModelError> {
    let ratio = match (scaling.optional_f64("mscale")?, scaling.optional_f64("mscale_all_dim")?) {
        (Some(mscale), Some(all)) if mscale != 0.0 && all != 0.0 => {
            yarn_scale(factor, mscale) / yarn_scale(factor, all)
        }
        _ => yarn_scale(factor, 1.0),
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

/// `0.1 · mscale · ln(factor) + 1`, for factors above 1.
pub(super) fn yarn_scale(factor: f64, mscale: f64) -> f64 {
    if factor <= 1.0 {
        1.0
    } else {
        0.1 * mscale * factor.ln() + 1.0
    }
}
