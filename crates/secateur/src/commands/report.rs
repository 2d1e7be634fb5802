//! `secateur report`.

use std::path::PathBuf;

use clap::Args;
use secateur_results::report::{ITEMS, ReportOptions, report, written_section};
use secateur_results::store::Store;
use serde_json::json;

use super::safe::Rule;
use super::{command_line, print_json, records};
use crate::exit::Exit;
use crate::masks::agreement_page;
use crate::sweep::drawing::FOLDERS;
use crate::talk;

const EXAMPLES: &str = "\
Examples:
  secateur report results/sweeps/demo
  secateur report results/sweeps/demo --margin 0.1 --tasks mean
  secateur report results/sweeps/demo --figures
  secateur report s3://bucket/sweeps/demo";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// A sweep's results directory, or its address: `s3://…`, `gs://…`, `az://…`.
    directory: PathBuf,
    #[command(flatten)]
    rule: Rule,
    /// Fraction removed at which kept sets are compared.
    #[arg(long, default_value_t = 0.5)]
    agreement_at: f64,
    /// Pairs of answers, unpruned and pruned, that the page holds at most; the others stay in the answers' files.
    #[arg(long, value_name = "PAIRS", default_value_t = ITEMS)]
    items: usize,
    /// Print JSON: pages, charts, tables and warnings.
    #[arg(long)]
    json: bool,
    /// Draw the charts for papers too, as SVG and PDF at the width of one column or of both, with captions: in `figures/`.
    #[arg(long)]
    figures: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let store = Store::open_existing(&arguments.directory)?;
    store.bring_all("rankings")?;
    let command = command_line();
    let options = ReportOptions {
        safe: Some(arguments.rule.over(written_section(&store)?)?),
        agreement_fraction: arguments.agreement_at,
        agreement_page: agreement_page(store.directory(), &fractions(&store)?, &command),
        command,
        only: None,
        items: arguments.items,
        figures: arguments.figures,
    };
    let written = report(&store, &options)?;
    for folder in FOLDERS {
        store.send_all(folder)?;
    }
    if arguments.figures {
        store.send_all("figures")?;
    }
    if arguments.json {
        print_json(&json!({
            "pages": written.pages,
            "charts": written.charts,
            "figures": written.figures,
            "tables": written.tables,
            "warnings": written.warnings,
        }))?;
        return Ok(Exit::Done);
    }
    let pictures = written.charts.iter().chain(&written.figures);
    for path in written.pages.iter().chain(pictures).chain(&written.tables) {
        println!("{}", path.display());
    }
    if !written.warnings.is_empty() {
        talk::warning(format!("{} warnings; the report lists them", written.warnings.len()));
    }
    Ok(Exit::Done)
}

/// Shares removed that have been evaluated.
fn fractions(store: &Store) -> anyhow::Result<Vec<f64>> {
    let stored = records(store)?;
    let mut fractions: Vec<f64> = stored
        .iter()
        .map(|stored| stored.record.cell.fraction_removed)
        .collect();
    fractions.retain(|&fraction| fraction > 0.0);
    fractions.sort_by(f64::total_cmp);
    fractions.dedup();
    Ok(fractions)
}
