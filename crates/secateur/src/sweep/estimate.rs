//! What a sweep would take, without running it.

use std::time::Instant;

use secateur_datasets::item::Body;
use secateur_datasets::tasks::spec::Scoring;
use secateur_evaluation::engine::Engine;
use secateur_model::generate::GenerateOptions;
use secateur_results::store::Store;

use super::costs::Costs;
use super::opened::Opened;
use super::served::Served;
use super::subject::Subject;
use super::tasks::LoadedTask;

/// Tokens of the prefill that is timed, and sequences and steps of the decoding.
const PREFILL: usize = 512;
const SEQUENCES: usize = 16;
const STEPS: usize = 8;

/// Prints cells, memory and an estimate of time, measured on a short prefill and a short decode of each model.
///
/// # Errors
/// If a model cannot be loaded or run.
pub(super) fn print(opened: &Opened<'_>) -> anyhow::Result<()> {
    let Opened {
        sweep,
        subjects,
        tasks,
        rankings,
        device,
        ..
    } = opened;
    let masks = 1 + rankings.len() * sweep.ratios.len();
    println!("sweep `{}` on {}", sweep.name, device.description());
    let (served, local): (Vec<&Subject>, Vec<&Subject>) = subjects.iter().partition(|subject| subject.served.is_some());
    if !local.is_empty() {
        println!(
            "{} models × {masks} masks × {} tasks = {} cells",
            local.len(),
            tasks.len(),
            local.len() * masks * tasks.len()
        );
    }
    for subject in served {
        let at = subject.served.as_ref().map(Served::description).unwrap_or_default();
        println!(
            "{}: {} {at}: {} cells, not timed",
            subject.name,
            subject.family,
            tasks.len()
        );
    }
    let mut total = 0.0;
    for subject in local {
        let mut engine = subject.load(device)?;
        let (prefill, decode) = speeds(&mut engine)?;
        let (mut read, mut written) = (0usize, 0usize);
        for task in tasks {
            let (r, w) = amount(task, &|text: &str| engine.encode(text, false).map(|ids| ids.len()))?;
            (read, written) = (read + r, written + w);
        }
        let seconds = masks as f64 * (read as f64 / prefill + written as f64 / decode);
        total += seconds;
        println!(
            "{}: {}, weights {:.1} MB mapped; {read} tokens read and at most {written} written per mask, at {prefill:.0} and {decode:.0} tokens/s: at most {}",
            subject.name,
            subject.family,
            subject.weight_bytes as f64 / 1e6,
            duration(seconds),
        );
    }
    for task in tasks {
        println!(
            "  {}: {} of {} items, {} skipped",
            task.spec.name,
            task.data.items.len(),
            task.data.available,
            task.data.skipped.len()
        );
    }
    println!(
        "in all at most {}; equal masks are evaluated once, finished cells not at all",
        duration(total)
    );
    Ok(())
}

fn speeds(engine: &mut secateur_evaluation::local::LocalEngine) -> anyhow::Result<(f64, f64)> {
    let model = engine.model_mut();
    let length = PREFILL.min(model.spec().max_positions / 2).max(8);
    let ids: Vec<u32> = (0..length).map(|i| (i * 7 % model.vocabulary()) as u32).collect();
    model.score(&[(&ids[..length - 1], &ids[length - 1..])], &mut |_| {})?;
    let started = Instant::now();
    model.score(&[(&ids[..length - 1], &ids[length - 1..])], &mut |_| {})?;
    let prefill = length as f64 / started.elapsed().as_secs_f64();
    let request = GenerateOptions {
        prompt: ids[..8].to_vec(),
        max_new_tokens: STEPS,
        end_tokens: Vec::new(),
        temperature: 0.0,
        top_p: 1.0,
        seed: 0,
    };
    let started = Instant::now();
    model.generate(&vec![request; SEQUENCES], &|_, _| Ok(false), &mut |_| {})?;
    Ok((prefill, (SEQUENCES * STEPS) as f64 / started.elapsed().as_secs_f64()))
}

/// How much of a task is read and, at most, written for each mask: `count` of every text, and tokens.
///
/// # Errors
/// As `count`.
pub(super) fn amount<E>(task: &LoadedTask, count: &dyn Fn(&str) -> Result<usize, E>) -> Result<(usize, usize), E> {
    let (mut read, mut written) = (0, 0);
    for item in &task.data.items {
        match &item.body {
            Body::Choice(choice) => {
                let shared = count(&choice.context)?;
                for (index, continuation) in choice.continuations.iter().enumerate() {
                    let own = choice.contexts.get(index).map(|context| count(context)).transpose()?;
                    read += own.unwrap_or(shared) + count(continuation)?;
                }
            }
            Body::Generate(generate) => {
                for message in &generate.messages {
                    read += count(&message.content)?;
                }
                written += task.spec.generation.as_ref().map_or(0, |settings| {
                    // Samples share the reading of their prompt.
                    settings.max_new_tokens * (1 + settings.samples.map_or(0, |samples| samples.count))
                });
            }
            Body::Text(text) => read += count(text)?,
        }
    }
    if task.spec.scoring == Scoring::Divergence {
        // Two models read the text, and nothing is written.
        return Ok((2 * read, 0));
    }
    Ok((read, written))
}

/// Seconds that each cell of the plan takes by those that have records; see [`Costs`]. `None` where there is no record yet.
///
/// # Errors
/// If records cannot be read.
pub fn measured(opened: &Opened<'_>, store: &Store) -> anyhow::Result<Vec<Option<f64>>> {
    let costs = Costs::of_records(opened, &store.read_all()?.0);
    let cells = opened.plan.iter();
    Ok(cells.map(|cell| costs.seconds(cell.index().siblings())).collect())
}

/// Seconds in words.
pub fn duration(seconds: f64) -> String {
    if seconds < 120.0 {
        format!("{seconds:.0} s")
    } else if seconds < 7200.0 {
        format!("{:.0} min", seconds / 60.0)
    } else {
        format!("{:.1} h", seconds / 3600.0)
    }
}
