//! A model of a sweep: checkpoint, tokenizer and hashes, opened before any weight is loaded.

use std::collections::BTreeMap;

use anyhow::Context;
use secateur_datasets::corpora::CalibrationSample;
use secateur_datasets::error::nearest_hint;
use secateur_evaluation::local::LocalEngine;
use secateur_model::checkpoint::{Checkpoint, Config, ContentHash};
use secateur_model::families::{FAMILIES, Family};
use secateur_model::hub;
use secateur_model::model::{MoeLayer, inspect, moe_layers};
use secateur_model::spec::DecoderSpec;
use secateur_model::{Device, Model, ModelError};
use secateur_pruning::shape::LayerShape;

use super::definition::ModelEntry;
use super::served::{Export, Served};
use crate::talk;

/// An opened checkpoint.
pub struct Subject {
    /// How reports call it.
    pub name: String,
    /// Family name.
    pub family: &'static str,
    /// The mapped files.
    pub checkpoint: Checkpoint,
    /// `MoE` layers.
    pub moe_layers: Vec<MoeLayer>,
    /// Content hashes.
    pub hash: ContentHash,
    /// Bytes of weights.
    pub weight_bytes: u64,
    /// Things about the checkpoint that the reader must know.
    pub warnings: Vec<String>,
    /// How it is served, if it is.
    pub served: Option<Served>,
}

impl Subject {
    /// Opens and checks a checkpoint without loading it.
    ///
    /// # Errors
    /// If anything about it is missing, malformed or unsupported.
    pub fn open(entry: &ModelEntry) -> anyhow::Result<Self> {
        let directory = hub::resolve(&entry.path, &talk::hub()).with_context(|| format!("model `{}`", entry.name))?;
        let checkpoint = Checkpoint::open(&directory)?;
        let (family, spec, unused) = inspected(&checkpoint)?;
        let moe_layers = moe_layers(&spec);
        anyhow::ensure!(
            !moe_layers.is_empty(),
            "model `{}` has no layers with experts: there is nothing to prune",
            entry.name
        );
        let hash = checkpoint.content_hash()?;
        let weight_bytes: u64 = checkpoint.tensors().map(|t| t.range.len() as u64).sum();
        talk::detail(|| {
            let (name, place, family) = (&entry.name, directory.display(), family.name());
            let megabytes = weight_bytes as f64 / 1e6;
            format!("model `{name}`: {family}, {megabytes:.1} MB of weights in {place}")
        });
        let mut warnings = Vec::new();
        if !unused.is_empty() {
            warnings.push(format!(
                "{}: {} tensors of the checkpoint are not used: {}",
                entry.name,
                unused.len(),
                shortened(&unused)
            ));
        }
        let sizes = (spec.vocabulary, spec.max_positions);
        Ok(Self {
            name: entry.name.clone(),
            family: family.name(),
            served: Served::of(entry, &checkpoint, &moe_layers, sizes)?,
            checkpoint,
            moe_layers,
            hash,
            weight_bytes,
            warnings,
        })
    }

    /// Shapes for planning.
    #[must_use]
    pub fn shapes(&self) -> Vec<LayerShape> {
        self.moe_layers.iter().map(LayerShape::from).collect()
    }

    /// What records and reports call it: a served export goes by the name of what it was pruned from.
    #[must_use]
    pub fn reported_as(&self) -> &str {
        let of = self.served.as_ref().and_then(|served| served.of.as_deref());
        of.unwrap_or(&self.name)
    }

    /// What was removed from its checkpoint, where that is served.
    #[must_use]
    pub fn export(&self) -> Option<&Export> {
        self.served.as_ref()?.export.as_ref()
    }

    /// Loads the weights and the tokenizer.
    ///
    /// # Errors
    /// If a weight is not finite, the tokenizer does not fit, or the device fails.
    pub fn load(&self, device: &Device) -> anyhow::Result<LocalEngine> {
        let model = Model::load(&self.checkpoint, device)?;
        Ok(LocalEngine::new(model, self.checkpoint.directory())?)
    }

    /// The hashes that go into every record's key.
    #[must_use]
    pub fn inputs(&self) -> BTreeMap<String, String> {
        let none = || "none".to_owned();
        BTreeMap::from([
            ("weights".to_owned(), self.hash.weights.clone()),
            ("tokenizer".to_owned(), self.hash.tokenizer.clone().unwrap_or_else(none)),
            (
                "chat_template".to_owned(),
                self.hash.chat_template.clone().unwrap_or_else(none),
            ),
        ])
    }
}

/// What is said of an unknown family beside the error: the nearest name, and that code which comes with the model is not run.
#[must_use]
pub fn on_unknown_family(error: &ModelError, config: &Config) -> String {
    let ModelError::UnknownFamily { found, .. } = error else {
        return String::new();
    };
    let mut advice = nearest_hint(found, FAMILIES.iter().map(|family| family.name()));
    if config.fields().contains_key("auto_map") {
        advice.push_str("; its `auto_map` names Python code of its own, which Secateur never runs");
    }
    advice
}

/// As [`inspect`], with what [`on_unknown_family`] says.
///
/// # Errors
/// As [`inspect`].
pub fn inspected(checkpoint: &Checkpoint) -> anyhow::Result<(&'static dyn Family, DecoderSpec, Vec<String>)> {
    inspect(checkpoint).map_err(|error| {
        let advice = on_unknown_family(&error, checkpoint.config());
        if advice.is_empty() {
            error.into()
        } else {
            anyhow::anyhow!("{error}{advice}")
        }
    })
}

/// A calibration sample as tokens: through the chat template if asked for and there is one, cut after `max_tokens`.
///
/// # Errors
/// If the template or the tokenizer fails.
pub fn tokens(
    engine: &LocalEngine,
    sample: &CalibrationSample,
    chat_template: bool,
    max_tokens: usize,
) -> anyhow::Result<Vec<u32>> {
    let mut ids = match sample {
        CalibrationSample::Conversation(messages) if chat_template => match engine.render(messages, false)? {
            Some(text) => engine.tokenizer().encode(&text, false)?,
            None => engine.tokenizer().encode(&sample.plain_text(), true)?,
        },
        _ => engine.tokenizer().encode(&sample.plain_text(), true)?,
    };
    ids.truncate(max_tokens);
    Ok(ids)
}

fn shortened(names: &[String]) -> String {
    let shown = names.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > 3 {
        format!("{shown}, …")
    } else {
        shown
    }
}
