//! What remains of a checkpoint at each ratio.

use secateur_model::checkpoint::{Checkpoint, Config};
use secateur_model::export::{ExtraLayers, MoeNaming, export_size};
use secateur_model::mask::ExpertId;
use secateur_pruning::methods::{Budget, Profile};
use secateur_pruning::plan::{Plan, Protected};
use secateur_pruning::ranking::{LayerRanking, Ranking};
use secateur_pruning::shape::LayerShape;
use serde::Serialize;
use serde_json::Value;

use super::{Diagnosis, Step};

/// Shown where the user names none: those of the reference experiment, and the unpruned model.
const USUAL: [f64; 8] = [0.0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875];
/// Tokens of the sequence whose cache is counted.
pub const CACHED_TOKENS: u64 = 4096;

/// One ratio.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RatioRow {
    /// Share of each layer's experts that is removed.
    pub ratio: f64,
    /// Experts that stay in each layer, of the layers' different numbers.
    pub experts_kept: Vec<usize>,
    /// Parameters of the smaller checkpoint.
    pub parameters: Option<u64>,
    /// Bytes of its safetensors files.
    pub file_bytes: Option<u64>,
    /// Bytes to run it: its weights as they are on disk, and at most the keys and values of a sequence of 4096 tokens in f32.
    pub memory_bytes: Option<u64>,
    /// Why the ratio is not possible.
    pub refused: Option<String>,
}

pub(super) fn examine(
    checkpoint: &Checkpoint,
    shapes: &[LayerShape],
    naming: Option<&MoeNaming>,
    asked: &[f64],
    found: &mut Diagnosis,
) {
    let ratios = if asked.is_empty() { &USUAL } else { asked };
    for &ratio in ratios {
        let row = row(checkpoint, shapes, naming, ratio);
        if let (Some(reason), false) = (&row.refused, asked.is_empty()) {
            found.problem(Step::Prune, format!("--ratios {ratio}: {reason}"));
        }
        found.ratios.push(row);
    }
}

fn row(checkpoint: &Checkpoint, shapes: &[LayerShape], naming: Option<&MoeNaming>, ratio: f64) -> RatioRow {
    let mut row = RatioRow {
        ratio,
        experts_kept: Vec::new(),
        parameters: None,
        file_bytes: None,
        memory_bytes: None,
        refused: None,
    };
    let plan = match Plan::new(&in_order(shapes), shapes, ratio, &Protected::new()) {
        Ok(plan) => plan,
        Err(error) => {
            row.refused = Some(error.to_string());
            return row;
        }
    };
    let mut kept = plan.experts_kept();
    kept.dedup();
    row.experts_kept = kept;
    let Some(naming) = naming else {
        return row;
    };
    match export_size(checkpoint, &plan.mask(), naming, ExtraLayers::Drop) {
        Ok(size) => {
            row.parameters = Some(size.elements);
            row.file_bytes = Some(size.file_bytes);
            row.memory_bytes = Some(size.tensor_bytes + cache_bytes(checkpoint.config()));
        }
        Err(error) => row.refused = Some(error.to_string()),
    }
    row
}

/// Any ranking gives the same sizes.
fn in_order(shapes: &[LayerShape]) -> Ranking {
    let layer = |shape: &LayerShape| LayerRanking {
        layer: shape.layer,
        experts: (0..shape.experts).map(ExpertId).collect(),
        scores: Vec::new(),
    };
    Ranking {
        method: "order of ids".into(),
        profile: Profile::Reference,
        seed: 0,
        domains: Vec::new(),
        budget: Budget::Fraction,
        layers: shapes.iter().map(layer).collect(),
    }
}

/// Keys and values in f32 if every layer were full attention; 0 where config.json does not say.
fn cache_bytes(config: &Config) -> u64 {
    let text = config.fields().get("text_config").and_then(Value::as_object);
    let number = |key: &str| {
        let value = config.fields().get(key).or_else(|| text?.get(key));
        value.and_then(Value::as_u64).filter(|&n| n < 1 << 32)
    };
    let heads = number("num_attention_heads").unwrap_or(0);
    let width = number("head_dim")
        .or_else(|| number("hidden_size")?.checked_div(heads))
        .unwrap_or(0);
    let keys = number("num_key_value_heads").unwrap_or(heads);
    let layers = number("num_hidden_layers").unwrap_or(0);
    let per_token = 2_u64.saturating_mul(layers).saturating_mul(keys).saturating_mul(width);
    per_token.saturating_mul(4 * CACHED_TOKENS)
}
