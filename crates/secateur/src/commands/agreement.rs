//! `secateur agreement`: how alike masks are, of methods, seeds, fractions and domains.

use std::path::PathBuf;

use clap::Args;
use secateur_metrics::mask_grid::Removed;
use secateur_results::agreement::{Alike, Comparisons, Making, ModelSummary, Violations, Written, write};
use serde_json::{Value, json};

use super::{command_line, print_json};
use crate::exit::Exit;
use crate::masks::{Collection, collect};

const EXAMPLES: &str = "\
Examples:
  # The published masks of arXiv:2607.01444: folders model-domain-method-seed[-ratio], each with expert_mask.json
  secateur agreement moe-pruning-reliability/pruning/expert_masks --output agreement

  # The rankings of a sweep of one's own, cut at three ratios
  secateur agreement results/sweeps/demo/rankings --ratios 0.25,0.5,0.75 --output agreement

  # Two masks
  secateur agreement mine/expert_mask.json theirs/expert_mask.json --output agreement";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Masks, rankings, folders of them, or the packed published masks.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Folder for the page, tables and heat maps.
    #[arg(long, default_value = "results/agreement")]
    output: PathBuf,
    /// Shares removed at which rankings are cut.
    #[arg(long, value_delimiter = ',', default_value = "0.25,0.5,0.75")]
    ratios: Vec<f64>,
    /// Print JSON: what is alike, and the files that were written.
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let masks = collect(&arguments.paths, &arguments.ratios)?;
    let found = Comparisons::new(&masks.grid)?;
    let summaries = ModelSummary::all(&masks.grid, &found);
    if arguments.json {
        let written = written(arguments, &masks, &found)?;
        print_json(&document(&summaries, &found, &masks.notes, &written))?;
        return Ok(Exit::Done);
    }
    summaries.iter().for_each(print);
    for pair in &found.domains {
        let (key, alike) = (&pair.key, pair.agreement);
        println!(
            "{}, {}, seed {}, {} removed: {} and {} overlap {:.3}, Jaccard {:.3}",
            key.model, key.method, key.seed, key.removed, pair.a, pair.b, alike.overlap_mean, alike.jaccard_mean
        );
    }
    for note in &masks.notes {
        println!("{note}");
    }
    let written = written(arguments, &masks, &found)?;
    println!(
        "{}, {} tables, {} charts",
        written.page.display(),
        written.tables.len(),
        written.charts.len()
    );
    Ok(Exit::Done)
}

fn written(arguments: &Arguments, masks: &Collection, found: &Comparisons) -> anyhow::Result<Written> {
    let making = Making {
        command: command_line(),
        notes: masks.notes.clone(),
    };
    Ok(write(&masks.grid, found, &making, &arguments.output)?)
}

/// What programs read.
fn document(summaries: &[ModelSummary], found: &Comparisons, notes: &[String], written: &Written) -> Value {
    let alike = |row: &Alike| {
        let at = |(removed, (overlap, jaccard)): (&Removed, &(f64, f64))| json!({ "fraction_removed": removed.0, "overlap": overlap, "jaccard": jaccard });
        row.iter().map(at).collect::<Vec<_>>()
    };
    let nesting = |((low, high), found): (&(Removed, Removed), &Violations)| json!({ "from": low.0, "to": high.0, "layers": found.layers, "sets_not_nested": found.subset, "orders_not_nested": found.prefix });
    let model = |summary: &ModelSummary| {
        let methods = summary.methods.iter();
        let methods = methods.map(|((a, b), row)| json!({ "a": a, "b": b, "alike": alike(row) }));
        let seeds = summary.seeds.iter();
        let seeds = seeds.map(|(method, row)| json!({ "method": method, "alike": alike(row) }));
        let steps = summary.nesting.iter();
        let steps = steps
            .map(|(method, row)| json!({ "method": method, "steps": row.iter().map(nesting).collect::<Vec<_>>() }));
        json!({
            "model": summary.model,
            "domain": summary.domain,
            "masks": summary.masks,
            "layers": summary.layers,
            "experts": summary.experts,
            "methods": methods.collect::<Vec<_>>(),
            "seeds": seeds.collect::<Vec<_>>(),
            "nesting": steps.collect::<Vec<_>>(),
        })
    };
    let domains = found.domains.iter().map(|pair| {
        json!({
            "model": pair.key.model,
            "method": pair.key.method,
            "seed": pair.key.seed,
            "fraction_removed": pair.key.removed.0,
            "a": pair.a,
            "b": pair.b,
            "overlap": pair.agreement.overlap_mean,
            "jaccard": pair.agreement.jaccard_mean,
        })
    });
    json!({
        "models": summaries.iter().map(model).collect::<Vec<_>>(),
        "domains": domains.collect::<Vec<_>>(),
        "notes": notes,
        "page": written.page,
        "tables": written.tables,
        "charts": written.charts,
    })
}

fn print(summary: &ModelSummary) {
    let domain = if summary.domain.is_empty() {
        "without calibration"
    } else {
        &summary.domain
    };
    println!(
        "{}, {domain}: {} masks, {} layers, {} experts",
        summary.model, summary.masks, summary.layers, summary.experts
    );
    let both = |row: &Alike| {
        let at = |removed: &Removed| {
            let found = row.get(removed);
            found.map_or_else(
                || "–".to_owned(),
                |(overlap, jaccard)| format!("{overlap:.3}/{jaccard:.3}"),
            )
        };
        summary.fractions.iter().map(at).collect::<Vec<_>>()
    };
    let fractions: Vec<String> = summary.fractions.iter().map(ToString::to_string).collect();
    let rows = summary
        .methods
        .iter()
        .map(|((a, b), row)| (format!("{a} – {b}"), both(row)));
    table(
        "  overlap/Jaccard of methods, removed",
        &fractions,
        &rows.collect::<Vec<_>>(),
    );
    let rows = summary.seeds.iter().map(|(method, row)| (method.clone(), both(row)));
    table(
        "  overlap/Jaccard of seeds, removed",
        &fractions,
        &rows.collect::<Vec<_>>(),
    );
    let steps: std::collections::BTreeSet<(Removed, Removed)> = summary
        .nesting
        .iter()
        .flat_map(|(_, row)| row.keys().copied())
        .collect();
    let rows = summary.nesting.iter().map(|(method, row)| {
        let at = |step: &(Removed, Removed)| {
            row.get(step).map_or_else(
                || "–".to_owned(),
                |v| format!("{}/{} of {}", v.subset, v.prefix, v.layers),
            )
        };
        (method.clone(), steps.iter().map(at).collect())
    });
    let names: Vec<String> = steps.iter().map(|(low, high)| format!("{low}→{high}")).collect();
    table(
        "  layers not nested (set/order), from → to",
        &names,
        &rows.collect::<Vec<_>>(),
    );
}

fn table(title: &str, columns: &[String], rows: &[(String, Vec<String>)]) {
    if rows.is_empty() {
        return;
    }
    let first = rows
        .iter()
        .map(|(name, _)| name.chars().count() + 4)
        .chain([title.chars().count()])
        .max()
        .unwrap_or(0);
    let cells = rows.iter().flat_map(|(_, cells)| cells).chain(columns);
    let width = cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
    let line = |name: &str, cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|cell| format!("{cell:>width$}")).collect();
        println!("{name:<first$}  {}", cells.join("  "));
    };
    line(title, columns);
    for (name, cells) in rows {
        line(&format!("    {name}"), cells);
    }
}
