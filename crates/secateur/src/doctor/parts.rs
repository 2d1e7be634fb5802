//! Bytes by what tensors are for, told from their names.

use std::collections::{BTreeMap, BTreeSet};

use secateur_model::checkpoint::{Config, TensorEntry};
use serde::Serialize;
use serde_json::Value;

/// Tensors of one purpose.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Part {
    /// `experts`, `attention`, ….
    pub name: &'static str,
    /// Tensors.
    pub tensors: usize,
    /// Elements.
    pub elements: u64,
    /// Bytes on disk.
    pub bytes: u64,
    /// Element types.
    pub dtypes: Vec<&'static str>,
}

/// Purposes in the order in which they are shown, and what a name of each contains. The first that fits is taken.
const PURPOSES: &[(&str, &[&str])] = &[
    ("vision", &["visual.", "vision_", "vision."]),
    ("multi-token prediction", &["mtp."]),
    ("shared experts", &["shared_expert", "shared_mlp"]),
    ("experts", &[".experts.", "input_linear", "output_linear"]),
    (
        "router",
        &[
            ".gate.weight",
            ".gate.wg.",
            ".router.",
            "correction_bias",
            "expert_bias",
            "moe_statics",
        ],
    ),
    ("embeddings", &["embed_tokens", "embeddings.", "embedding."]),
    ("output projection", &["lm_head"]),
    ("norms", &["norm"]),
    ("attention", &["attn", "attention", "mixer.", ".conv."]),
    ("dense feed-forward", &["mlp.", "feed_forward.", "block_sparse_moe."]),
];

/// Tensors by purpose; those of layers that config.json does not count are multi-token prediction.
pub(super) fn of(tensors: &[TensorEntry], config: Option<&Config>) -> Vec<Part> {
    let layers = config.and_then(|config| {
        let fields = config.fields();
        let nested = fields.get("text_config").and_then(|text| text.get("num_hidden_layers"));
        fields.get("num_hidden_layers").or(nested).and_then(Value::as_u64)
    });
    let mut parts: BTreeMap<usize, (Part, BTreeSet<&'static str>)> = BTreeMap::new();
    for tensor in tensors {
        let place = purpose(&tensor.name, layers);
        let name = PURPOSES.get(place).map_or("other", |(name, _)| name);
        let (part, dtypes) = parts.entry(place).or_insert_with(|| {
            let part = Part {
                name,
                tensors: 0,
                elements: 0,
                bytes: 0,
                dtypes: Vec::new(),
            };
            (part, BTreeSet::new())
        });
        part.tensors += 1;
        part.elements += tensor.shape.iter().map(|&n| n as u64).product::<u64>();
        part.bytes += tensor.range.len() as u64;
        dtypes.insert(tensor.dtype.name());
    }
    let with = |(mut part, dtypes): (Part, BTreeSet<&'static str>)| {
        part.dtypes = dtypes.into_iter().collect();
        part
    };
    let mut parts: Vec<Part> = parts.into_values().map(with).collect();
    parts.sort_by_key(|part| std::cmp::Reverse(part.bytes));
    parts
}

fn purpose(name: &str, layers: Option<u64>) -> usize {
    let beyond = layer_of(name)
        .zip(layers)
        .is_some_and(|(layer, layers)| layer >= layers);
    let fits = |(purpose, words): &(&str, &[&str])| {
        beyond && *purpose == "multi-token prediction" || words.iter().any(|word| name.contains(word))
    };
    PURPOSES.iter().position(fits).unwrap_or(PURPOSES.len())
}

fn layer_of(name: &str) -> Option<u64> {
    let rest = name.split_once("layers.")?.1;
    rest.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_many_families_find_their_purpose() {
        for (name, expected) in [
            ("model.layers.0.mlp.experts.3.up_proj.weight", "experts"),
            ("model.layers.0.block_sparse_moe.input_linear.weight", "experts"),
            ("model.layers.0.mlp.experts.gate_up_proj_blocks", "experts"),
            ("backbone.layers.1.mixer.experts.0.up_proj.weight", "experts"),
            ("model.layers.0.mlp.shared_experts.up_proj.weight", "shared experts"),
            ("model.layers.0.mlp.gate.weight", "router"),
            ("model.layers.0.mlp.gate.e_score_correction_bias", "router"),
            ("model.layers.0.mlp.router.bias", "router"),
            ("model.layers.0.mlp.gate_proj.weight", "dense feed-forward"),
            ("model.layers.0.self_attn.q_norm.weight", "norms"),
            ("model.layers.0.self_attn.sinks", "attention"),
            ("model.layers.0.linear_attn.in_proj_qkv.weight", "attention"),
            ("backbone.layers.0.mixer.A_log", "attention"),
            ("model.embed_tokens.weight", "embeddings"),
            ("backbone.embeddings.weight", "embeddings"),
            ("lm_head.weight", "output projection"),
            ("model.visual.blocks.0.attn.qkv.weight", "vision"),
            ("mtp.layers.0.mlp.experts.0.up_proj.weight", "multi-token prediction"),
            ("model.layers.9.mlp.experts.0.up_proj.weight", "multi-token prediction"),
            ("something.else", "other"),
        ] {
            let place = purpose(name, Some(9));
            assert_eq!(
                PURPOSES.get(place).map_or("other", |(name, _)| name),
                expected,
                "{name}"
            );
        }
    }
}
