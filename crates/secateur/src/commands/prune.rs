//! `secateur prune`: a smaller checkpoint.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use secateur_model::export::{ExportOptions, ExtraLayers, export};
use secateur_model::families::naming_of;
use secateur_pruning::import::Imported;
use secateur_pruning::plan::{Plan, Protected};
use secateur_pruning::ranking::Ranking;
use secateur_pruning::shape::LayerShape;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::choice::{Scoring, imported_from};
use super::print_json;
use crate::exit::Exit;
use crate::sweep::definition::ModelEntry;
use crate::sweep::subject::Subject;

const EXAMPLES: &str = "\
Examples:
  # By a mask in the reference experiment's layout, or one that `secateur rank --ratio` wrote
  secateur prune allenai/OLMoE-1B-7B-0924 pruned/ --mask expert_mask.json

  # By a whole ranking (of `secateur calibrate`, `secateur rank`, or {\"layer\": n, \"experts\": […]} lines), cut at a half
  secateur prune models/olmoe pruned/ --ranking reap.jsonl --ratio 0.5

  # By a method on saved statistics
  secateur prune models/olmoe pruned/ --method reap --statistics medinst-0.safetensors --ratio 0.5";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Checkpoint directory, or id on the hub.
    model: String,
    /// Directory to write.
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
    /// Replace an earlier export.
    #[arg(long)]
    overwrite: bool,
    /// Print JSON: the directory, what is in it, and what chose the experts.
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let subject = Subject::open(&ModelEntry::local(&arguments.model, &arguments.model))?;
    let (plan, chosen_by) = choose(arguments, &subject, &subject.shapes())?;
    let naming =
        naming_of(subject.family).with_context(|| format!("family `{}` cannot be exported yet", subject.family))?;
    let provenance = [
        ("source", json!(arguments.model)),
        ("source_weights_sha256", json!(subject.hash.weights)),
        ("family", json!(subject.family)),
        ("chosen_by", chosen_by.clone()),
    ];
    let options = ExportOptions {
        extra_layers: ExtraLayers::Drop,
        overwrite: arguments.overwrite,
        provenance: Map::from_iter(provenance.map(|(name, value)| (name.to_owned(), value))),
    };
    let written = export(&subject.checkpoint, &plan.mask(), naming, &options, &arguments.output)?;
    if arguments.json {
        print_json(&json!({
            "directory": written.directory,
            "experts": written.experts,
            "tensors": written.tensors,
            "chosen_by": chosen_by,
        }))?;
        return Ok(Exit::Done);
    }
    println!(
        "{}: {} experts per layer, {} tensors",
        written.directory.display(),
        written.experts,
        written.tensors
    );
    Ok(Exit::Done)
}

/// What stays, and for the provenance file by what that was decided.
fn choose(arguments: &Arguments, subject: &Subject, shapes: &[LayerShape]) -> anyhow::Result<(Plan, Value)> {
    let file = arguments.ranking.as_ref().or(arguments.mask.as_ref());
    match (file, &arguments.scoring.method, arguments.ratio) {
        (Some(file), _, ratio) => {
            let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
            let source = json!({ "file": file, "sha256": format!("{:x}", Sha256::digest(&bytes)) });
            match (imported_from(file, ratio, shapes)?, ratio) {
                (Imported::Ranking(ranking), Some(ratio)) => {
                    let mut by = described(&ranking, ratio);
                    by["read_from"] = source;
                    Ok((Plan::new(&ranking, shapes, ratio, &Protected::new())?, by))
                }
                (Imported::Mask(plan), _) => Ok((plan, json!({ "mask": source }))),
                (Imported::Ranking(_), None) => bail!("{} is a ranking: say --ratio", file.display()),
            }
        }
        (None, Some(_), Some(ratio)) => {
            let statistics = arguments.scoring.load()?;
            let hash = Some(subject.hash.weights.as_str());
            let ranking = arguments.scoring.ranking(&statistics, shapes, hash)?;
            let mut by = described(&ranking, ratio);
            by["statistics"] = json!(statistics.iter().map(|found| &found.provenance).collect::<Vec<_>>());
            Ok((Plan::new(&ranking, shapes, ratio, &Protected::new())?, by))
        }
        _ => bail!("say what stays: --mask FILE, --ranking FILE --ratio R, or --method M --statistics FILE --ratio R"),
    }
}

fn described(ranking: &Ranking, ratio: f64) -> Value {
    json!({
        "method": ranking.method,
        "profile": ranking.profile,
        "seed": ranking.seed,
        "calibrated_on": ranking.domains,
        "fraction_removed": ratio,
    })
}
