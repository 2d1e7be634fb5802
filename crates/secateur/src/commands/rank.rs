//! `secateur rank`: rankings and masks, from statistics or from other tools' files, to files that other tools read.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{bail, ensure};
use clap::{Args, ValueEnum};
use secateur_model::mask::ExpertId;
use secateur_pruning::import::{Imported, import};
use secateur_pruning::mask_files::{write_mask, write_ranking_lines};
use secateur_pruning::plan::{Plan, Protected};
use secateur_pruning::ranking::Ranking;
use secateur_pruning::shape::LayerShape;
use serde_json::{Value, json};

use super::choice::{Opened, Scoring};
use super::print_json;
use crate::exit::Exit;

/// Ids shown per layer.
const SHOWN: usize = 12;

const EXAMPLES: &str = "\
Examples:
  # The experts of a model by REAP, from saved statistics, as lines {\"layer\": n, \"experts\": [best … worst]}
  secateur rank --statistics stats/olmoe/medinst-0.safetensors --method reap --export reap.jsonl

  # The same at one ratio, as the expert_mask.json of arXiv:2607.01444
  secateur rank --statistics medinst-0.safetensors --method reap --ratio 0.5 --export mask.json

  # Does this mask fit the model? Nothing is written
  secateur rank allenai/OLMoE-1B-7B-0924 --import expert_mask.json

  # A whole ranking that somebody else made, cut at a quarter
  secateur rank models/olmoe --import theirs.jsonl --ratio 0.25 --export expert_mask.json";

/// Layout of an exported file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Layout {
    /// `expert_mask.json`: a list over expert layers of kept ids, best first.
    Mask,
    /// One line per layer with all of its experts, best first.
    Lines,
    /// Secateur's own: all experts with their scores.
    Scores,
}

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Checkpoint directory, or id on the hub; statistics need none.
    model: Option<String>,
    #[command(flatten)]
    scoring: Scoring,
    /// Read this mask or ranking instead of ranking by a method, and check it against the checkpoint.
    #[arg(long, value_name = "FILE", conflicts_with = "method")]
    import: Option<PathBuf>,
    /// Write the ranking, or with --ratio the mask.
    #[arg(long, value_name = "FILE")]
    export: Option<PathBuf>,
    /// Share of each layer's experts to remove: a mask instead of a whole ranking.
    #[arg(long)]
    ratio: Option<f64>,
    /// Layout of the exported file; without it a mask where there is one, else lines.
    #[arg(long, value_enum, requires = "export")]
    layout: Option<Layout>,
    /// Replace the exported file if it is there.
    #[arg(long)]
    overwrite: bool,
    /// Print JSON: every layer's experts, best first.
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    if let Some(path) = &arguments.export {
        ensure!(
            arguments.overwrite || !path.exists(),
            "{} exists already: name another file, or say --overwrite",
            path.display()
        );
    }
    let (shapes, found) = found(arguments)?;
    let found = cut(found, arguments.ratio, &shapes)?;
    if let Some(path) = &arguments.export {
        write(&found, arguments.layout, path)?;
    }
    if arguments.json {
        print_json(&document(&found, &shapes, arguments.export.as_deref()))?;
        return Ok(Exit::Done);
    }
    show(&found, &shapes);
    if let Some(path) = &arguments.export {
        println!("{}", path.display());
    }
    Ok(Exit::Done)
}

/// The expert layers, and what was ranked or read for them.
fn found(arguments: &Arguments) -> anyhow::Result<(Vec<LayerShape>, Imported)> {
    let opened = arguments.model.as_deref().map(Opened::open).transpose()?;
    let statistics = arguments.scoring.load()?;
    let shapes = match (&opened, statistics.first()) {
        (Some(opened), _) => opened.shapes.clone(),
        (None, Some(statistics)) => statistics.shapes(),
        (None, None) => bail!("name the checkpoint that is meant, or statistics of it: secateur rank CHECKPOINT …"),
    };
    if let Some(file) = &arguments.import {
        let found = import(file, &shapes)?;
        return Ok((shapes, found));
    }
    // Hashing reads every weight, so only where there is something to compare.
    let hash = match &opened {
        Some(opened) if !statistics.is_empty() => Some(opened.checkpoint.content_hash()?.weights),
        _ => None,
    };
    let ranking = arguments.scoring.ranking(&statistics, &shapes, hash.as_deref())?;
    Ok((shapes, Imported::Ranking(ranking)))
}

fn cut(found: Imported, ratio: Option<f64>, shapes: &[LayerShape]) -> anyhow::Result<Imported> {
    Ok(match (found, ratio) {
        (Imported::Mask(_), Some(_)) => bail!("a mask says by itself what stays: leave --ratio out"),
        (Imported::Ranking(ranking), Some(ratio)) => {
            Imported::Mask(Plan::new(&ranking, shapes, ratio, &Protected::new())?)
        }
        (found, None) => found,
    })
}

fn write(found: &Imported, layout: Option<Layout>, path: &Path) -> anyhow::Result<()> {
    match (found, layout) {
        (Imported::Mask(plan), None | Some(Layout::Mask)) => write_mask(path, plan)?,
        (Imported::Mask(_), Some(_)) => {
            bail!(
                "a mask says nothing of the experts it removes, so it cannot become a whole ranking; use --layout mask"
            )
        }
        (Imported::Ranking(_), Some(Layout::Mask)) => {
            bail!("a mask needs --ratio: the share of each layer's experts to remove")
        }
        (Imported::Ranking(ranking), Some(Layout::Scores)) => {
            ensure!(
                ranking.layers.iter().all(|l| !l.scores.is_empty()),
                "this ranking has no scores; use --layout lines"
            );
            ranking.save(path)?;
        }
        (Imported::Ranking(ranking), None | Some(Layout::Lines)) => write_ranking_lines(path, ranking)?,
    }
    Ok(())
}

/// What programs read.
fn document(found: &Imported, shapes: &[LayerShape], exported: Option<&Path>) -> Value {
    let experts = |layer: usize| {
        shapes
            .iter()
            .find(|shape| shape.layer == layer)
            .map(|shape| shape.experts)
    };
    let entry = |layer: usize, ids: &[ExpertId]| {
        let ids: Vec<usize> = ids.iter().map(|id| id.0).collect();
        json!({ "layer": layer, "of": experts(layer), "experts": ids })
    };
    match found {
        Imported::Mask(plan) => {
            let layers = plan.layers.iter().map(|layer| entry(layer.shape.layer, &layer.kept));
            json!({
                "kind": "mask",
                "fraction_removed": removed(plan),
                "layers": layers.collect::<Vec<_>>(),
                "exported": exported,
            })
        }
        Imported::Ranking(ranking) => {
            let layers = ranking.layers.iter().map(|layer| entry(layer.layer, &layer.experts));
            json!({
                "kind": "ranking",
                "method": ranking.method,
                "profile": ranking.profile,
                "seed": ranking.seed,
                "calibrated_on": ranking.domains,
                "layers": layers.collect::<Vec<_>>(),
                "exported": exported,
            })
        }
    }
}

fn show(found: &Imported, shapes: &[LayerShape]) {
    let counts: BTreeSet<usize> = shapes.iter().map(|s| s.experts).collect();
    let layers = format!("{} layers of {} experts", shapes.len(), listed(&counts));
    match found {
        Imported::Mask(plan) => {
            let kept: BTreeSet<usize> = plan.experts_kept().into_iter().collect();
            println!(
                "a mask of {layers}: {} stay, {:.1} % are removed",
                listed(&kept),
                100.0 * removed(plan)
            );
            for layer in &plan.layers {
                line(layer.shape.layer, &layer.kept.iter().map(|e| e.0).collect::<Vec<_>>());
            }
        }
        Imported::Ranking(ranking) => {
            println!("a ranking by {} of {layers}, best first", origin(ranking));
            for layer in &ranking.layers {
                line(layer.layer, &layer.experts.iter().map(|e| e.0).collect::<Vec<_>>());
            }
        }
    }
}

fn origin(ranking: &Ranking) -> String {
    let domains = ranking.domains.join("+");
    if ranking.layers.iter().all(|l| l.scores.is_empty()) {
        return format!("the file {}", ranking.method);
    }
    let calibrated = if domains.is_empty() {
        String::new()
    } else {
        format!(", calibrated on {domains}")
    };
    format!(
        "{}@{}, seed {}{calibrated},",
        ranking.method, ranking.profile, ranking.seed
    )
}

/// Share of all experts that the plan removes: of a paper's random mask not what was asked for.
fn removed(plan: &Plan) -> f64 {
    let all: usize = plan.layers.iter().map(|l| l.shape.experts).sum();
    1.0 - plan.experts_kept().iter().sum::<usize>() as f64 / all.max(1) as f64
}

fn listed(counts: &BTreeSet<usize>) -> String {
    counts.iter().map(usize::to_string).collect::<Vec<_>>().join(" or ")
}

fn line(layer: usize, ids: &[usize]) {
    let shown: Vec<String> = ids.iter().take(SHOWN).map(usize::to_string).collect();
    let more = ids.len().saturating_sub(SHOWN);
    let rest = if more > 0 {
        format!(" … and {more} more")
    } else {
        String::new()
    };
    println!("  layer {layer:>3}: {}{rest}", shown.join(" "));
}
