//! How many texts a minute a BART scores: `cargo run --release -p secateur-judges --example bart_speed -- DIRECTORY [TEXTS]`.
//!
//! Sources of 600 tokens and texts of 60, four texts to a source, ids drawn by a fixed rule; each text with its source and without.

use std::path::PathBuf;
use std::time::Instant;

use secateur_judges::seq2seq::Seq2Seq;
use secateur_model::{Device, DeviceKind, Precision};

const SOURCE: usize = 600;
const TEXT: usize = 60;
const TEXTS_PER_SOURCE: usize = 4;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory = PathBuf::from(arguments.next().ok_or("usage: bart_speed DIRECTORY [TEXTS]")?);
    let texts: usize = arguments.next().map_or(Ok(16), |count| count.parse())?;
    let device = Device::open(DeviceKind::Cpu, Precision::F32)?;
    let opened = Instant::now();
    let model = Seq2Seq::open(&directory, &device)?;
    println!("opened in {:.1} s: {:?}", opened.elapsed().as_secs_f64(), model.spec());
    let words = model.spec().vocabulary as u32;
    let draw = |seed: usize, length: usize| -> Vec<u32> {
        (0..length)
            .map(|at| ((seed * 7919 + at * 104_729) as u32) % words)
            .collect()
    };
    let sources: Vec<Vec<u32>> = (0..texts.div_ceil(TEXTS_PER_SOURCE)).map(|n| draw(n, SOURCE)).collect();
    let drawn: Vec<Vec<u32>> = (0..texts).map(|n| draw(n + 1000, TEXT)).collect();
    let nothing = model.encode("", SOURCE)?;
    let with = drawn
        .iter()
        .enumerate()
        .map(|(n, text)| (sources[n / TEXTS_PER_SOURCE].as_slice(), text.as_slice()));
    let without = drawn.iter().map(|text| (nothing.as_slice(), text.as_slice()));
    let pairs: Vec<(&[u32], &[u32])> = with.chain(without).collect();
    let began = Instant::now();
    model.log_probabilities(&pairs, &mut |_| ())?;
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{texts} texts with and without source in {seconds:.1} s: {:.0} a minute",
        texts as f64 * 60.0 / seconds
    );
    Ok(())
}
