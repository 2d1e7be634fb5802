//! `secateur prune`: a smaller checkpoint.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use secateur_model::export::{ExtraLayers, export};
use secateur_model::families::naming_of;
use secateur_pruning::mask_files::read_mask;
use secateur_pruning::plan::Plan;
use secateur_pruning::ranking::Ranking;

use crate::sweep::definition::ModelEntry;
use crate::sweep::subject::Subject;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Checkpoint directory, or id on the hub.
    model: String,
    /// Directory to write; must not exist.
    output: PathBuf,
    /// Ranking made by `secateur calibrate`.
    #[arg(long, requires = "ratio", conflicts_with = "mask")]
    ranking: Option<PathBuf>,
    /// Share of each layer's experts to remove.
    #[arg(long)]
    ratio: Option<f64>,
    /// `expert_mask.json`: a list over `MoE` layers of kept ids.
    #[arg(long)]
    mask: Option<PathBuf>,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let subject = Subject::open(&ModelEntry {
        name: arguments.model.clone(),
        path: arguments.model.clone(),
    })?;
    let shapes = subject.shapes();
    let plan = match (&arguments.ranking, &arguments.mask, arguments.ratio) {
        (Some(ranking), None, Some(ratio)) => {
            Plan::new(&Ranking::load(ranking)?, &shapes, ratio, &BTreeMap::default())?
        }
        (None, Some(mask), _) => read_mask(mask, &shapes)?,
        _ => anyhow::bail!("say what stays: --ranking FILE --ratio R, or --mask FILE"),
    };
    let naming =
        naming_of(subject.family).with_context(|| format!("family `{}` cannot be exported yet", subject.family))?;
    let written = export(
        &subject.checkpoint,
        &plan.mask(),
        naming,
        ExtraLayers::Drop,
        &arguments.output,
    )?;
    println!(
        "{}: {} experts per layer, {} tensors",
        written.directory.display(),
        written.experts,
        written.tensors
    );
    Ok(ExitCode::SUCCESS)
}
