//! `secateur bench`: how fast a checkpoint runs here, and what it takes.

mod arithmetic;
mod figures;
mod measure;
mod memory;
mod print;
mod read;
mod work;

use std::num::NonZero;
use std::time::Instant;

use anyhow::{Context, ensure};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use secateur_model::{DeviceKind, Model};

use super::choice::Opened;
use crate::exit::Exit;
use arithmetic::Arithmetic;
use figures::{Checkpoint, Figures, Setting};
use measure::Stopwatch;
use read::Weights;

const EXAMPLES: &str = "\
Examples:
  secateur bench models/olmoe
  secateur bench models/olmoe --threads 1 --repetitions 9 --json
  secateur bench models/olmoe --device wgpu --only prefill,decode

Prefill reads 8 sequences of 256 tokens; decoding adds 32 tokens behind the first one to prompts of
64, one and eight side by side; calibration collects statistics on 4 sequences of 256. Tokens are
drawn at random, the same ones each time. Beside decoding, all threads read weights in plain loops:
tokens cannot come faster than their weights do. A figure is the median of its runs, behind one that
is not counted and in which memory is watched. benchmarks/side_by_side runs transformers and this on
one checkpoint.";

/// What is measured, besides loading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// 8 sequences of 256 tokens.
    Prefill,
    /// One token after the other.
    Decode,
    /// Statistics for pruning, and the same tokens without them.
    Calibration,
}

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Checkpoint directory, or id on the hub.
    model: String,
    /// cpu, ndarray or wgpu.
    #[arg(long, default_value = "cpu")]
    device: DeviceKind,
    /// How products are computed.
    #[arg(long, value_enum, default_value_t = Arithmetic::Exact)]
    precision: Arithmetic,
    /// Threads that compute; as many as there are cores where absent.
    #[arg(long, value_name = "N")]
    threads: Option<NonZero<usize>>,
    /// Runs per figure.
    #[arg(long, value_name = "N", default_value = "5")]
    repetitions: NonZero<usize>,
    /// Only these; several separated by commas.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "PART")]
    only: Vec<Part>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    if let Some(threads) = arguments.threads {
        // Nothing has computed yet, so that the pool is not there.
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.get());
        pool.build_global()
            .with_context(|| format!("cannot start {threads} threads"))?;
    }
    let device = arguments.precision.open(arguments.device)?;
    let started = Instant::now();
    let opened = Opened::open(&arguments.model)?;
    let mut model = Model::load(&opened.checkpoint, &device)?;
    let load_s = started.elapsed().as_secs_f64();
    let after_load = memory::held();
    let longest = model.spec().max_positions;
    ensure!(
        longest >= work::LENGTH,
        "{}: sequences of {} tokens are measured, but the model's config allows {longest}",
        opened.checkpoint.directory().display(),
        work::LENGTH
    );
    let bar = ProgressBar::new_spinner().with_style(ProgressStyle::with_template("{spinner} {msg}  {elapsed}")?);
    let mut told = |text: String| {
        bar.set_message(text);
        bar.tick();
    };
    let weights = (arguments.device == DeviceKind::Cpu).then(|| Weights::of(&opened.checkpoint));
    let mut watch = Stopwatch::new(arguments.repetitions.get(), &mut told);
    for part in [Part::Prefill, Part::Decode, Part::Calibration] {
        if arguments.only.is_empty() || arguments.only.contains(&part) {
            work::measure(part, &mut model, weights.as_ref(), &mut watch)?;
        }
    }
    let (rates, watched) = watch.finish();
    bar.finish_and_clear();
    let figures = Figures {
        setting: Setting {
            device: arguments.device,
            precision: arguments.precision,
            threads: rayon::current_num_threads(),
            repetitions: arguments.repetitions.get(),
        },
        checkpoint: Checkpoint::of(&opened.checkpoint, model.family()),
        load_s,
        after_load,
        at_end: memory::held(),
        peak_anonymous_mb: memory::larger(watched, after_load.map(|held| held.anonymous)),
        rates,
    };
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&figures.json())?);
    } else {
        print!("{}", print::table(&figures));
    }
    Ok(Exit::Done)
}
