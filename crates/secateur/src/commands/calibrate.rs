//! `secateur calibrate`: statistics and rankings as files, without a sweep.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use secateur_datasets::corpora::CorpusSpec;
use secateur_model::{Device, DeviceKind, Precision};
use secateur_pruning::methods;
use secateur_pruning::ranking::rank;

use crate::sweep::calibrate::{Pass, statistics};
use crate::sweep::definition::{ModelEntry, variant};
use crate::sweep::subject::Subject;

#[derive(Debug, Args)]
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
    let name = arguments
        .corpus
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let corpus = CorpusSpec {
        name,
        file: arguments.corpus.clone(),
        layout: None,
        samples: arguments.samples,
        seed: None,
        chat_template: !arguments.no_chat_template,
        max_tokens: arguments.max_tokens,
        sha256: None,
    };
    let model_name = Path::new(&arguments.model)
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let subject = Subject::open(&ModelEntry {
        name: model_name,
        path: arguments.model.clone(),
    })?;
    let device = Device::open(arguments.device, Precision::F32)?;
    let mut engine = subject.load(&device)?;
    let wanted = methods::wanted(&variants.iter().map(|v| (v.method, v.profile)).collect::<Vec<_>>());
    let pass = Pass {
        corpus: &corpus,
        base: Path::new("."),
        seed: arguments.seed,
        wanted: &wanted,
    };
    let (found, computed) = statistics(&subject, &mut engine, &pass, &arguments.output, &mut |at| {
        eprint!(
            "\r{} of {} samples, {} tokens",
            at.samples_done, at.samples, at.tokens_done
        );
    })?;
    eprintln!(
        "\n{}",
        if computed {
            "statistics written"
        } else {
            "statistics found"
        }
    );
    for variant in variants {
        let ranking = rank(
            variant.method,
            variant.profile,
            arguments.seed,
            &subject.shapes(),
            &[&found],
        )?;
        let path = arguments.output.join(&subject.name).join(format!(
            "{}@{}-{}.json",
            variant.method.name(),
            variant.profile,
            arguments.seed
        ));
        ranking.save(&path)?;
        println!("{}", path.display());
    }
    Ok(ExitCode::SUCCESS)
}
