//! `secateur scorers`: how good is each scorer?

mod demo;
mod judge;
mod lists;

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use secateur_datasets::strict_toml;
use secateur_judges::scorers::lexical::LexicalScorer;
use secateur_judges::scorers::{ScorerSpec, open};
use secateur_metrics::lexical::{LEXICAL, WordLists};
use secateur_metrics::statistics::Bootstrap;
use secateur_model::{Device, DeviceKind, Precision};
use secateur_validity::combination::tried;
use secateur_validity::labelled::Labelled;
use secateur_validity::measure::measure;
use secateur_validity::page::Page;
use secateur_validity::scorer::PairScorer;
use secateur_validity::sets;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{command_line, print_json};
use crate::exit::Exit;
use crate::talk;

const EXAMPLES: &str = "\
Examples:
  secateur scorers
  secateur scorers --data datasets/downloads --demo results/sweeps/scorers --out results/scorers.md
  secateur scorers --config models.toml
  secateur scorers --list drugs=rxnorm.txt --list genes=hgnc.txt

Files, below the data directory, as their authors publish them; a set is left out where its folder is not there, and what a missing
file would have allowed is named in the page:
  frank/                human_annotations.json, benchmark_data.json (texts), baseline_factuality_metrics_outputs.json
  xsum_hallucination/   hallucination_annotations_xsum_summaries.csv, factuality_annotations_xsum_summaries.csv,
                        articles.jsonl (XSum's articles: id, document)
  kqa/                  NLI_medical_annotator.csv
  refchecker/           human_annotations_v1/…, data/<setting>/<set>.json (references)
  factscore/            ChatGPT.jsonl, InstructGPT.jsonl, PerplexityAI.jsonl, knowledge.jsonl (title, text)
  paper_judge_samples/  absolute_evaluation_samples_30.json, relative_evaluation_samples_30.json
  medec/                MEDEC-MS-TestSet-with-GroundTruth-and-ErrorType.csv
  halueval/             qa_data.json or qa_one-turn_data.json";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Folder of the labelled sets.
    #[arg(long, default_value = "datasets/downloads", value_name = "DIR")]
    data: PathBuf,
    /// Results directory of a sweep over the demo's tasks: its answers are labelled by the facts that the demo knows; may be repeated.
    #[arg(long, value_name = "RESULTS")]
    demo: Vec<PathBuf>,
    /// Folders with cards of the demo's tasks.
    #[arg(long, default_value = "datasets/demo/tasks", value_name = "DIR")]
    cards: Vec<PathBuf>,
    /// Word list for the lexical scorers, one term a line: `names=FILE`, `drugs=FILE` or `genes=FILE`; may be repeated.
    #[arg(long, value_name = "KIND=FILE")]
    list: Vec<String>,
    /// File with `[[scorers]]` entries as in a sweep file: models to measure beside the lexical scorers.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Page in Markdown; the table goes beside it, with the ending `.csv`.
    #[arg(long, default_value = "results/scorers.md", value_name = "FILE")]
    out: PathBuf,
    /// Resamples of the bootstrap.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    bootstrap_samples: u32,
    /// Seed of the bootstrap.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Print JSON: the sets, and every scorer's figures on each.
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let lists = lists::read(&arguments.list)?;
    let mut scorers = lexical(&lists)?;
    if let Some(file) = &arguments.config {
        scorers.extend(configured(file)?);
    }
    let mut all: Vec<Labelled> = if arguments.demo.is_empty() || arguments.data.is_dir() {
        sets::read_all(&arguments.data)?
    } else {
        Vec::new()
    };
    all.extend(demo::read(&arguments.demo, &arguments.cards)?);
    let bootstrap = Bootstrap {
        resamples: arguments.bootstrap_samples as usize,
        seed: arguments.seed,
        ..Bootstrap::default()
    };
    let rows = measured(&all, &mut scorers, &bootstrap)?;
    let tried = tried(&all);
    let page = Page {
        command: command_line(),
        resamples: bootstrap.resamples,
        seed: bootstrap.seed,
        sets: &all,
        rows: &rows,
        tried: &tried,
    };
    let markdown = page.markdown();
    if arguments.json {
        print_json(&document(&page))?;
    } else {
        print!("{markdown}");
    }
    let csv = arguments.out.with_extension("csv");
    if let Some(parent) = arguments.out.parent() {
        std::fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
    }
    for (path, text) in [(&arguments.out, &markdown), (&csv, &page.csv())] {
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    talk::note(format!("{} and {}", arguments.out.display(), csv.display()));
    Ok(Exit::Done)
}

/// What programs read.
fn document(page: &Page<'_>) -> Value {
    let set = |set: &Labelled| {
        json!({
            "name": set.name,
            "about": set.about,
            "labelled_by": set.by.words(),
            "items": set.items.len(),
            "documents": set.documents(),
            "notes": set.notes,
        })
    };
    json!({
        "resamples": page.resamples,
        "seed": page.seed,
        "sets": page.sets.iter().map(set).collect::<Vec<_>>(),
        "rows": page.rows,
    })
}

/// Every scorer that needs no model.
fn lexical(lists: &WordLists) -> anyhow::Result<Vec<Box<dyn PairScorer>>> {
    let mut scorers: Vec<Box<dyn PairScorer>> = Vec::new();
    for rule in LEXICAL {
        let scorer = LexicalScorer::new(rule.definition().name, lists.clone())?;
        scorers.push(Box::new(judge::Judge(Box::new(scorer))));
    }
    Ok(scorers)
}

/// The scorers of a file.
fn configured(file: &Path) -> anyhow::Result<Vec<Box<dyn PairScorer>>> {
    /// The file, field by field.
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Configured {
        scorers: Vec<ScorerSpec>,
    }
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let written: Configured = strict_toml::parse_file(file, &text).map_err(anyhow::Error::msg)?;
    let device = Device::open(DeviceKind::Cpu, Precision::F32)?;
    let open = |spec: &ScorerSpec| -> anyhow::Result<Box<dyn PairScorer>> {
        let scorer = open(spec, &device).with_context(|| file.display().to_string())?;
        Ok(Box::new(judge::Judge(scorer)))
    };
    written.scorers.iter().map(open).collect()
}

fn measured(
    sets: &[Labelled],
    scorers: &mut [Box<dyn PairScorer>],
    bootstrap: &Bootstrap,
) -> anyhow::Result<Vec<secateur_validity::measure::Row>> {
    let count = |set: &Labelled| set.given.len() + if set.has_texts() { scorers.len() } else { 0 };
    let all: usize = sets.iter().map(count).sum();
    let bar = talk::bar(all as u64, "{bar:30} {pos}/{len} {msg}");
    let mut rows = Vec::new();
    for set in sets {
        let mut progress = |scorer: &str| {
            bar.set_message(format!("{}: {scorer}", set.name));
            bar.inc(1);
        };
        rows.extend(measure(set, scorers, bootstrap, &mut progress)?);
    }
    bar.finish_and_clear();
    Ok(rows)
}
