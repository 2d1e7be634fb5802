//! What a checkpoint's headers, config and tokenizer say.

use std::path::Path;

use secateur_model::checkpoint::Checkpoint;
use secateur_model::model::{inspect, moe_layers};
use secateur_model::text::{ChatTemplates, Tokenizer};
use secateur_pruning::shape::LayerShape;

use crate::doctor::{self, LayerGroup, Options};

/// A checkpoint that can be pruned.
pub struct Facts {
    /// `model_type`.
    pub family: &'static str,
    /// Decoder layers in all.
    pub decoder_layers: usize,
    /// Layers with experts.
    pub shapes: Vec<LayerShape>,
    /// The same, those with equal numbers together.
    pub groups: Vec<LayerGroup>,
    /// Longest sequence in tokens.
    pub context: usize,
    /// Rows of the embedding.
    pub vocabulary: usize,
    /// Bytes of weights on disk.
    pub weight_bytes: u64,
    /// Bytes to run the unpruned model, where config.json tells.
    pub memory_bytes: Option<u64>,
    /// Whether there is a chat template.
    pub chat_template: bool,
}

impl Facts {
    /// Examines a directory.
    ///
    /// # Errors
    /// If it holds no checkpoint that can be loaded and pruned; all reasons are named.
    pub fn of(directory: &Path) -> anyhow::Result<Self> {
        let options = Options {
            ratios: vec![0.0],
            deep: false,
        };
        let found = doctor::examine(directory, &options);
        if !found.prunes {
            let reasons: Vec<&str> = found.problems.iter().map(|problem| problem.message.as_str()).collect();
            anyhow::bail!(
                "{} cannot be pruned: {}; `secateur doctor {}` says more",
                directory.display(),
                reasons.join("; "),
                directory.display()
            );
        }
        let checkpoint = Checkpoint::open(directory)?;
        let (family, spec, _) = inspect(&checkpoint)?;
        let tokenizer = Tokenizer::open(directory)?;
        Ok(Self {
            family: family.name(),
            decoder_layers: spec.layers.len(),
            shapes: moe_layers(&spec).iter().map(LayerShape::from).collect(),
            groups: found.layers,
            context: spec.max_positions,
            vocabulary: spec.vocabulary,
            weight_bytes: found.parts.iter().map(|part| part.bytes).sum(),
            memory_bytes: found.ratios.first().and_then(|row| row.memory_bytes),
            chat_template: ChatTemplates::open(directory, &tokenizer.special().texts)?.is_some(),
        })
    }
}
