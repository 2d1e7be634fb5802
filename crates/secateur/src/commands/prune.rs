//! `secateur prune`: a smaller checkpoint.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use secateur_model::export::{ExtraLayers, export};
use secateur_model::families::naming_of;
use secateur_pruning::plan::{Plan, Protected};

use super::choice::{Scoring, plan_from};
use crate::sweep::definition::ModelEntry;
use crate::sweep::subject::Subject;

const EXAMPLES: &str = "\
Examples:
  # By a mask in the reference experiment's layout, or one that `secateur rank --ratio` wrote
  secateur prune allenai/OLMoE-1B-7B-0924 pruned/ --mask expert_mask.json

  # By a whole ranking (of `secateur calibrate`, `secateur rank`, or {\"layer\": n, \"experts\": […]} lines), cut at a half
  secateur prune models/olmoe pruned/ --ranking reap.jsonl --ratio 0.5

  # By a method on saved statistics
  secateur prune models/olmoe pruned/ --method reap --statistics stats/olmoe/medinst-0.safetensors --ratio 0.5";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Checkpoint directory, or id on the hub.
    model: String,
    /// Directory to write; must not exist.
    output: PathBuf,
    /// Ranking to cut at --ratio.
    #[arg(long, value_name = "FILE", requires = "ratio", conflicts_with_all = ["mask", "method"])]
    ranking: Option<PathBuf>,
    /// `expert_mask.json` (a list over `MoE` layers of kept ids), or a ranking to cut at --ratio.
    #[arg(long, value_name = "FILE", conflicts_with = "method")]
    mask: Option<PathBuf>,
    /// Share of each layer's experts to remove.
    #[arg(long)]
    ratio: Option<f64>,
    #[command(flatten)]
    scoring: Scoring,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let subject = Subject::open(&ModelEntry {
        name: arguments.model.clone(),
        path: arguments.model.clone(),
    })?;
    let shapes = subject.shapes();
    let file = arguments.ranking.as_ref().or(arguments.mask.as_ref());
    let plan = match (file, &arguments.scoring.method, arguments.ratio) {
        (Some(file), _, ratio) => plan_from(file, ratio, &shapes)?,
        (None, Some(_), Some(ratio)) => {
            let statistics = arguments.scoring.load()?;
            let ranking = arguments
                .scoring
                .ranking(&statistics, &shapes, Some(&subject.hash.weights))?;
            Plan::new(&ranking, &shapes, ratio, &Protected::new())?
        }
        _ => bail!("say what stays: --mask FILE, --ranking FILE --ratio R, or --method M --statistics FILE --ratio R"),
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
