//! `secateur calibrate`: statistics and rankings as files, without a sweep.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use secateur_datasets::corpora::CorpusSpec;
use secateur_model::{Device, DeviceKind, Precision};
use secateur_pruning::methods;
use secateur_pruning::ranking::rank;
use secateur_pruning::statistics::Statistics;

use crate::sweep::calibrate::{Pass, statistics};
use crate::sweep::definition::{ModelEntry, Variant, variant};
use crate::sweep::subject::Subject;

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
    /// cpu, ndarray or wgpu.
    #[arg(long, default_value = "cpu")]
    device: DeviceKind,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let variants = arguments
        .methods
        .iter()
        .map(|text| variant(text))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let subject = Subject::open(&ModelEntry::local(
        last_part(Path::new(&arguments.model)),
        &arguments.model,
    ))?;
    let found = collect(arguments, &subject, &variants)?;
    let folder = arguments.output.join(&subject.name);
    for Variant { method, profile } in variants {
        let mut ranking = rank(method, profile, arguments.seed, &subject.shapes(), &[&found])?;
        if !ranking.domains.is_empty() {
            // The seed drew its samples.
            ranking.seed = arguments.seed;
        }
        let path = folder.join(format!("{}@{profile}-{}.json", method.name(), arguments.seed));
        ranking.save(&path)?;
        println!("{}", path.display());
    }
    Ok(ExitCode::SUCCESS)
}

fn collect(arguments: &Arguments, subject: &Subject, variants: &[Variant]) -> anyhow::Result<Statistics> {
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
    let bar = ProgressBar::new(0).with_style(ProgressStyle::with_template(
        "{bar:30} {pos} of {len} samples, {msg}  {elapsed}, {eta} left",
    )?);
    let (found, computed) = statistics(subject, &mut engine, &pass, &arguments.output, &mut |at| {
        bar.set_length(at.samples as u64);
        bar.set_position(at.samples_done as u64);
        bar.set_message(format!("{} tokens", at.tokens_done));
    })?;
    bar.finish_and_clear();
    if computed {
        eprintln!("statistics written: {} tokens", found.provenance.tokens);
    } else {
        eprintln!("statistics found");
    }
    Ok(found)
}

fn last_part(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
