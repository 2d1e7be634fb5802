//! `secateur init`.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use secateur_datasets::tasks::spec;
use serde_json::json;

use super::doctor::local;
use super::print_json;
use crate::exit::Exit;
use crate::init::{Draft, Wish};
use crate::talk;

const EXAMPLES: &str = "\
Examples:
  secateur init datasets/demo/models/demo-olmoe    # writes demo-olmoe.toml, which runs as it is
  secateur init models/mixtral --domain general --out sweeps/mixtral.toml
  secateur init models/mixtral --out -             # to the terminal
  # From the hub's cache; nothing is downloaded
  secateur init allenai/OLMoE-1B-7B-0924 --corpus notes.jsonl";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Checkpoint directory, or id of a model in the hub's cache.
    checkpoint: String,
    /// The file to write, which must not be there; `-` prints it. By default the model's name with `.toml`, here.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Text to calibrate on: JSONL with instruction/input/output, messages, or text.
    #[arg(long, value_name = "FILE")]
    corpus: Option<PathBuf>,
    /// What the model is pruned for: decides which tasks are in the domain and which outside it.
    #[arg(long, value_enum, default_value_t = Domain::Biomedical)]
    domain: Domain,
    /// Print JSON: the file, or with `--out -` its text, and what is left to do.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Domain {
    Biomedical,
    General,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let directory = local(&arguments.checkpoint)?;
    let printed = arguments.out.as_deref() == Some(Path::new("-"));
    let folder = match &arguments.out {
        Some(file) if !printed => file.parent().unwrap_or(Path::new("")).to_path_buf(),
        _ => PathBuf::new(),
    };
    let wish = Wish {
        named: arguments.checkpoint.clone(),
        directory,
        folder,
        corpus: arguments.corpus.clone(),
        domain: match arguments.domain {
            Domain::Biomedical => spec::Domain::Biomedical,
            Domain::General => spec::Domain::General,
        },
    };
    let draft = Draft::new(&wish)?;
    let mut file = None;
    if !printed {
        let usual = || PathBuf::from(format!("{}.toml", draft.name()));
        let new = arguments.out.clone().unwrap_or_else(usual);
        write(&new, &draft.text())?;
        file = Some(new);
    }
    if arguments.json {
        let text = printed.then(|| draft.text());
        print_json(&json!({ "file": file, "text": text, "left_to_do": draft.left_to_do() }))?;
        return Ok(Exit::Done);
    }
    match &file {
        None => print!("{}", draft.text()),
        Some(file) => {
            println!("{}", file.display());
            talk::note(format!("next: secateur sweep {} --dry-run", file.display()));
        }
    }
    for left in draft.left_to_do() {
        talk::note(format!("before it can run: {left}"));
    }
    Ok(Exit::Done)
}

fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    match File::create_new(file) {
        Ok(mut created) => created
            .write_all(text.as_bytes())
            .with_context(|| format!("cannot write {}", file.display())),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            bail!(
                "{} is there already; name another file with --out, or remove it",
                file.display()
            )
        }
        Err(error) => Err(error).with_context(|| format!("cannot write {}", file.display())),
    }
}
