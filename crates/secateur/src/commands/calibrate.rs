//! `secateur calibrate`: statistics and rankings as files, without a sweep.

use std::path::{Path, PathBuf};

use clap::Args;
use secateur_datasets::corpora::CorpusSpec;
use secateur_model::{Device, DeviceKind, Precision};
use secateur_pruning::methods;
use secateur_pruning::ranking::rank;
use secateur_pruning::statistics::Statistics;
use serde_json::json;

use super::{device, print_json};

use crate::exit::Exit;
use crate::sweep::calibrate::{Pass, statistics};
use crate::sweep::definition::{ModelEntry, Variant, variant};
use crate::sweep::subject::Subject;
use crate::talk;

const EXAMPLES: &str = "\
Examples:
  secateur calibrate models/olmoe medinst.jsonl --output stats
  secateur calibrate models/olmoe medinst.jsonl --output stats --methods reap,frequency --seed 1

Statistics are computed once: the same command finds them again. `secateur rank` and
`secateur prune` read them.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Checkpoint directory, or id on the hub.
    model: String,
    /// JSONL with `instruction`/`input`/`output`, `messages` or `text`.
    corpus: PathBuf,
    /// Folder for statistics and rankings.
    #[arg(long)]
    output: PathBuf,
    /// `method` or `method@profile`; several separated by commas.
    #[arg(long, value_delimiter = ',', default_value = "reap")]
    methods: Vec<String>,
    /// Samples drawn from the corpus.
    #[arg(long, default_value_t = 128)]
    samples: usize,
    /// Seed of the draw and of the random method.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Longer samples are cut.
    #[arg(long, default_value_t = 2048)]
    max_tokens: usize,
    /// Do not apply the chat template.
    #[arg(long)]
    no_chat_template: bool,
    /// What to run on.
    #[arg(long, default_value = "cpu", value_parser = device::parser())]
    device: DeviceKind,
    /// Print JSON: the statistics' provenance, whether they were there, and the rankings' files.
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let variants = arguments
        .methods
        .iter()
        .map(|text| variant(text))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let subject = Subject::open(&ModelEntry::local(
        last_part(Path::new(&arguments.model)),
        &arguments.model,
    ))?;
    let (found, computed) = collect(arguments, &subject, &variants)?;
    let mut rankings = Vec::new();
    let folder = arguments.output.join(&subject.name);
    for Variant { method, profile } in variants {
        let mut ranking = rank(method, profile, arguments.seed, &subject.shapes(), &[&found])?;
        if !ranking.domains.is_empty() {
            // The seed drew its samples.
            ranking.seed = arguments.seed;
        }
        let path = folder.join(format!("{}@{profile}-{}.json", method.name(), arguments.seed));
        ranking.save(&path)?;
        rankings.push(path);
    }
    if arguments.json {
        print_json(&json!({ "statistics": found.provenance, "computed": computed, "rankings": rankings }))?;
        return Ok(Exit::Done);
    }
    for path in rankings {
        println!("{}", path.display());
    }
    Ok(Exit::Done)
}

fn collect(arguments: &Arguments, subject: &Subject, variants: &[Variant]) -> anyhow::Result<(Statistics, bool)> {
    let corpus = CorpusSpec {
        name: last_part(&arguments.corpus.with_extension("")),
        file: arguments.corpus.clone(),
        layout: None,
        samples: arguments.samples,
        seed: None,
        chat_template: !arguments.no_chat_template,
        max_tokens: arguments.max_tokens,
        sha256: None,
    };
    let wanted = methods::wanted(&variants.iter().map(|v| (v.method, v.profile)).collect::<Vec<_>>());
    let pass = Pass {
        corpus: &corpus,
        base: Path::new("."),
        seed: arguments.seed,
        wanted: &wanted,
    };
    let device = Device::open(arguments.device, Precision::F32)?;
    let mut engine = subject.load(&device)?;
    let bar = talk::bar(0, "{bar:30} {pos} of {len} samples, {msg}  {elapsed}, {eta} left");
    let (found, computed) = statistics(subject, &mut engine, &pass, &arguments.output, &mut |at| {
        bar.set_length(at.samples as u64);
        bar.set_position(at.samples_done as u64);
        bar.set_message(format!("{} tokens", at.tokens_done));
    })?;
    bar.finish_and_clear();
    if computed {
        talk::note(format!("statistics written: {} tokens", found.provenance.tokens));
    } else {
        talk::note("statistics found");
    }
    Ok((found, computed))
}

fn last_part(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
