//! What can be done with a checkpoint, from its headers and small files: no weight is read unless it is asked for.
//!
//! A diagnosis lists every problem, where the loader stops at the first.

mod config;
pub mod machine;
pub mod memory;
mod parts;
pub mod ratios;
mod text;
mod weights;

pub mod print;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use secateur_model::checkpoint::{Checkpoint, Config, TensorEntry, check_counts, survey};
use secateur_model::export::{ExtraLayers, export_size};
use secateur_model::families::naming_of;
use secateur_model::mask::ExpertMask;
use secateur_model::model::{inspect, moe_layers};
use secateur_model::spec::DecoderSpec;
use secateur_pruning::shape::LayerShape;
use serde::Serialize;

pub use memory::Memory;
pub use parts::Part;
pub use ratios::RatioRow;

/// What a problem stops; it stops what comes after it as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// Loading the model.
    Load,
    /// Choosing experts.
    Prune,
    /// Writing the smaller checkpoint.
    Export,
}

/// Something that stops a step.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Problem {
    /// What it stops first.
    pub stops: Step,
    /// Where, what was found, what was expected.
    pub message: String,
}

/// Layers with equal numbers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LayerGroup {
    /// Decoder layers.
    pub layers: Vec<usize>,
    /// Routed experts of each.
    pub experts: usize,
    /// Experts per token.
    pub top_k: usize,
    /// Groups of a group-limited router; 1 without.
    pub groups: usize,
    /// Groups per token.
    pub topk_groups: usize,
}

/// Everything found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Diagnosis {
    /// The directory.
    pub directory: PathBuf,
    /// `model_type` of config.json.
    pub family: Option<String>,
    /// Whether the model can be loaded.
    pub loads: bool,
    /// Whether experts can be chosen.
    pub prunes: bool,
    /// Whether a smaller checkpoint can be written.
    pub exports: bool,
    /// What stops a step.
    pub problems: Vec<Problem>,
    /// What the reader should know.
    pub notes: Vec<String>,
    /// Weight files with their bytes.
    pub files: Vec<(String, u64)>,
    /// Weights by what they are for.
    pub parts: Vec<Part>,
    /// Layers with experts.
    pub layers: Vec<LayerGroup>,
    /// Decoder layers in all.
    pub decoder_layers: Option<usize>,
    /// What it takes of memory here, where its tensors are known.
    pub memory: Option<Memory>,
    /// Tensors that the model does not read.
    pub unused_tensors: Vec<String>,
    /// Fields of config.json that nothing reads.
    pub unread_config_fields: Vec<String>,
    /// What remains at each ratio.
    pub ratios: Vec<RatioRow>,
}

/// What to look at.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Ratios that the user asked for; one that cannot be is a problem then.
    pub ratios: Vec<f64>,
    /// Read all weights and check that they are finite.
    pub deep: bool,
}

impl Diagnosis {
    /// Nothing found yet.
    fn of(directory: &Path) -> Self {
        Self {
            directory: directory.to_path_buf(),
            family: None,
            loads: false,
            prunes: false,
            exports: false,
            problems: Vec::new(),
            notes: Vec::new(),
            files: Vec::new(),
            parts: Vec::new(),
            layers: Vec::new(),
            decoder_layers: None,
            memory: None,
            unused_tensors: Vec::new(),
            unread_config_fields: Vec::new(),
            ratios: Vec::new(),
        }
    }

    /// What the problems leave possible.
    fn conclude(mut self) -> Self {
        self.loads = self.passes(Step::Load) && !matches!(self.memory, Some(Memory::Refused(_)));
        self.prunes = self.passes(Step::Prune) && !self.layers.is_empty();
        self.exports = self.passes(Step::Export) && self.prunes;
        self
    }

    fn problem(&mut self, stops: Step, message: impl std::fmt::Display) {
        self.problems.push(Problem {
            stops,
            message: message.to_string(),
        });
    }

    fn passes(&self, step: Step) -> bool {
        !self.problems.iter().any(|problem| problem.stops <= step)
    }
}

/// Examines a model directory.
#[must_use]
pub fn examine(directory: &Path, options: &Options) -> Diagnosis {
    let mut found = Diagnosis::of(directory);
    let config = config::examine(directory, &mut found);
    if !directory.is_dir() {
        return found;
    }
    let files = survey(directory);
    for problem in &files.problems {
        found.problem(Step::Load, problem);
    }
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    found.files = files.shards.iter().map(|(path, bytes)| (name(path), *bytes)).collect();
    let (described, spec) = config.map_or((None, None), |(config, spec)| (Some(config), spec));
    found.parts = parts::of(&files.tensors, described.as_ref());
    let opened = open(directory, &mut found);
    match (&opened, &spec) {
        (Some(checkpoint), Some(_)) => shapes_and_sizes(checkpoint, options, &mut found),
        // Where a file cannot be read, all of its tensors would be missing.
        (None, Some(spec)) if files.problems.is_empty() => {
            compare_headers(described.as_ref(), spec, &files.tensors, &mut found);
        }
        _ => {}
    }
    text::examine(
        directory,
        described.as_ref(),
        spec.as_ref().map(|s| s.vocabulary),
        &mut found,
    );
    if let (Some(checkpoint), Some(described)) = (&opened, &described) {
        // The family read the one, everything else the other.
        let others = described.unread();
        found.unread_config_fields = checkpoint.config().unread();
        found.unread_config_fields.retain(|field| others.contains(field));
    }
    if let (Some(checkpoint), true) = (&opened, options.deep) {
        weights::finite(checkpoint, &mut found);
    }
    found.conclude()
}

fn open(directory: &Path, found: &mut Diagnosis) -> Option<Checkpoint> {
    match Checkpoint::open(directory) {
        Ok(checkpoint) => Some(checkpoint),
        Err(error) => {
            if found.problems.is_empty() {
                found.problem(Step::Load, error);
            }
            None
        }
    }
}

/// What headers say of a checkpoint that does not open. Where the counts cannot be right, there is no list of tensors to compare with.
fn compare_headers(config: Option<&Config>, spec: &DecoderSpec, tensors: &[TensorEntry], found: &mut Diagnosis) {
    match config.map(|config| check_counts(config, tensors)) {
        Some(Err(error)) if found.problems.iter().all(|p| p.message != error.to_string()) => {
            found.problem(Step::Load, error);
        }
        Some(Err(_)) => {}
        _ => weights::compare(spec, tensors, found),
    }
}

/// What a checkpoint that opens says by its headers.
fn shapes_and_sizes(checkpoint: &Checkpoint, options: &Options, found: &mut Diagnosis) {
    let (family, spec, unused) = match inspect(checkpoint) {
        Ok(inspected) => inspected,
        Err(error) => return weights::explain(checkpoint, &error, found),
    };
    found.unused_tensors = unused;
    found.decoder_layers = Some(spec.layers.len());
    found.memory = Some(Memory::of(checkpoint, &spec));
    let shapes: Vec<LayerShape> = moe_layers(&spec).iter().map(LayerShape::from).collect();
    found.layers = grouped(&shapes);
    if shapes.is_empty() {
        found.problem(
            Step::Prune,
            "the model has no layers with experts: there is nothing to prune",
        );
        return;
    }
    for shape in &shapes {
        if let Err(error) = shape.check() {
            found.problem(Step::Prune, error);
        }
    }
    let naming = naming_of(family.name());
    match naming {
        None => found.problem(
            Step::Export,
            format!(
                "family `{}` cannot be exported: it is not known where its expert tensors are",
                family.name()
            ),
        ),
        Some(naming) => {
            if let Err(error) = export_size(checkpoint, &ExpertMask::default(), naming, ExtraLayers::Drop) {
                found.problem(Step::Export, error);
            }
        }
    }
    let counts: BTreeSet<usize> = shapes.iter().map(|s| s.experts).collect();
    if counts.len() > 1 {
        found.notes.push(format!(
            "layers have different numbers of experts {counts:?}; a ratio keeps a share of each"
        ));
    }
    ratios::examine(checkpoint, &shapes, naming, &options.ratios, found);
}

fn grouped(shapes: &[LayerShape]) -> Vec<LayerGroup> {
    let mut groups: Vec<LayerGroup> = Vec::new();
    for shape in shapes {
        let same = |g: &&mut LayerGroup| {
            (g.experts, g.top_k, g.groups, g.topk_groups)
                == (shape.experts, shape.top_k, shape.groups, shape.topk_groups)
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.layers.push(shape.layer),
            None => groups.push(LayerGroup {
                layers: vec![shape.layer],
                experts: shape.experts,
                top_k: shape.top_k,
                groups: shape.groups,
                topk_groups: shape.topk_groups,
            }),
        }
    }
    groups
}

/// The first names of a list, and how many more there are.
fn some(names: &[String]) -> String {
    const SHOWN: usize = 4;
    let shown: Vec<String> = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
