//! `secateur logits`: what a model, masked or not, computes for given tokens, for comparison with other programs.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::Args;
use safetensors::tensor::{Dtype, TensorView};
use secateur_model::{Device, DeviceKind, Model, Precision};
use serde_json::json;

use super::choice::{Opened, plan_from};
use super::{device, print_json};
use crate::exit::Exit;

/// A prompt is compared, not a library: more than this is a mistake.
const LARGEST_TOKENS_FILE: u64 = 64 << 20;

const EXAMPLES: &str = "\
Examples:
  # tokens.json: [[1, 57, 300], [2, 9]]
  secateur logits models/olmoe --tokens tokens.json --output logits.safetensors
  secateur logits models/olmoe --mask expert_mask.json --tokens tokens.json --output m.safetensors

The file has `logits.I` F32 [tokens, vocabulary] for the I-th sequence, counted from 0, each run by itself.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Checkpoint directory, or id on the hub.
    model: String,
    /// JSON: a list of sequences, each a list of token ids.
    #[arg(long, value_name = "FILE")]
    tokens: PathBuf,
    /// Safetensors file to write.
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// Switch to this mask first, or to a ranking cut at --ratio.
    #[arg(long, value_name = "FILE")]
    mask: Option<PathBuf>,
    /// Share of each layer's experts that a ranking given as --mask removes.
    #[arg(long, requires = "mask")]
    ratio: Option<f64>,
    /// What to run on.
    #[arg(long, default_value = "cpu", value_parser = device::parser())]
    device: DeviceKind,
    /// Replace the output if it is there.
    #[arg(long)]
    overwrite: bool,
    /// Print JSON: the file, and how many tokens each sequence has.
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    ensure!(
        arguments.overwrite || !arguments.output.exists(),
        "{} exists already: name another file, or say --overwrite",
        arguments.output.display()
    );
    let sequences = sequences(&arguments.tokens)?;
    let opened = Opened::open(&arguments.model)?;
    let plan = match &arguments.mask {
        Some(file) => Some(plan_from(file, arguments.ratio, &opened.shapes)?),
        None => None,
    };
    let device = Device::open(arguments.device, Precision::F32)?;
    let mut model = Model::load(&opened.checkpoint, &device)?;
    model.set_mask(plan.map(|plan| plan.mask()).as_ref())?;
    let vocabulary = model.vocabulary();
    let mut tensors = Vec::new();
    for (place, tokens) in sequences.iter().enumerate() {
        let logits = model.logits(tokens).with_context(|| format!("sequence {place}"))?;
        // The model computes in f32; f64 is only how the host holds it.
        let bytes: Vec<u8> = logits.iter().flat_map(|&x| (x as f32).to_le_bytes()).collect();
        tensors.push((format!("logits.{place}"), [tokens.len(), vocabulary], bytes));
    }
    write(&arguments.output, &tensors)?;
    if arguments.json {
        let tokens: Vec<usize> = sequences.iter().map(Vec::len).collect();
        print_json(&json!({ "file": arguments.output, "vocabulary": vocabulary, "tokens": tokens }))?;
        return Ok(Exit::Done);
    }
    println!("{}: logits of {} sequences", arguments.output.display(), tensors.len());
    Ok(Exit::Done)
}

fn sequences(path: &Path) -> anyhow::Result<Vec<Vec<u32>>> {
    let place = || format!("cannot read {}", path.display());
    let length = std::fs::metadata(path).with_context(place)?.len();
    ensure!(
        length <= LARGEST_TOKENS_FILE,
        "{} is {length} bytes; at most {LARGEST_TOKENS_FILE} are read",
        path.display()
    );
    let bytes = std::fs::read(path).with_context(place)?;
    let sequences: Vec<Vec<u32>> = serde_json::from_slice(&bytes)
        .with_context(|| format!("{}: expected a list of lists of token ids", path.display()))?;
    ensure!(!sequences.is_empty(), "{}: it has no sequence", path.display());
    if let Some(place) = sequences.iter().position(Vec::is_empty) {
        anyhow::bail!("{}: sequence {place} is empty", path.display());
    }
    Ok(sequences)
}

fn write(path: &Path, tensors: &[(String, [usize; 2], Vec<u8>)]) -> anyhow::Result<()> {
    let views = tensors
        .iter()
        .map(|(name, shape, bytes)| Ok((name.as_str(), TensorView::new(Dtype::F32, shape.to_vec(), bytes)?)))
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()?;
    // One entry: the map's order cannot reach the file.
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let bytes = safetensors::serialize(views, Some(metadata))?;
    secateur_results::atomic::write_over(path, &bytes)?;
    Ok(())
}
