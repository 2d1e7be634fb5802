//! What a sweep would take, without running it.

use std::time::Instant;

use secateur_datasets::item::Body;
use secateur_datasets::tasks::spec::Scoring;
use secateur_evaluation::engine::Engine;
use secateur_evaluation::local::LocalEngine;
use secateur_model::DeviceKind;
use secateur_model::generate::GenerateOptions;
use secateur_model::layerwise::Visits;
use secateur_results::store::Store;
use serde::Serialize;

use super::costs::Costs;
use super::memory::Memory;
use super::opened::Opened;
use super::served::Served;
use super::subject::Subject;
use super::tasks::LoadedTask;

/// Tokens of the prefill that is timed, and sequences and steps of the decoding.
const PREFILL: usize = 512;
const SEQUENCES: usize = 16;
const STEPS: usize = 8;

/// What a sweep would take.
#[derive(Debug, Serialize)]
pub struct Estimate {
    sweep: String,
    device: String,
    masks: usize,
    tasks: Vec<TaskSize>,
    models: Vec<ModelCost>,
    cells: usize,
    /// At most, for all models that run here.
    seconds: f64,
}

#[derive(Debug, Serialize)]
struct TaskSize {
    name: String,
    items: usize,
    available: usize,
    skipped: usize,
}

#[derive(Debug, Serialize)]
struct ModelCost {
    name: String,
    family: String,
    cells: usize,
    weight_bytes: u64,
    /// Where and how it is served, which is not timed; null for a model that runs here.
    served: Option<String>,
    /// What it takes of memory; null for one that is served, or not on the CPU.
    memory: Option<Memory>,
    /// What was measured; null for a served model.
    pace: Option<Pace>,
}

/// Of one mask, and of all.
#[derive(Debug, Serialize)]
struct Pace {
    tokens_read: usize,
    tokens_written_at_most: usize,
    tokens_per_second_read: f64,
    /// Null where nothing is written and weights are read anew at every step.
    tokens_per_second_written: Option<f64>,
    seconds_at_most: f64,
}

/// Cells, memory and an estimate of time, measured on a short prefill and a short decode of each model.
///
/// # Errors
/// If a model cannot be loaded or run.
pub(super) fn estimate(opened: &Opened<'_>) -> anyhow::Result<Estimate> {
    let masks = 1 + opened.rankings.len() * opened.sweep.ratios.len();
    let cost = |subject: &Subject| {
        let local = subject.served.is_none();
        Ok(ModelCost {
            name: subject.name.clone(),
            family: subject.family.to_owned(),
            cells: opened.tasks.len() * if local { masks } else { 1 },
            weight_bytes: subject.weight_bytes,
            served: subject.served.as_ref().map(Served::description),
            memory: if local && opened.device.kind() == DeviceKind::Cpu {
                Some(Memory::of(opened, subject)?)
            } else {
                None
            },
            pace: if local {
                Some(pace(opened, subject, masks)?)
            } else {
                None
            },
        })
    };
    let models: Vec<ModelCost> = opened.subjects.iter().map(cost).collect::<anyhow::Result<_>>()?;
    let task = |task: &LoadedTask| TaskSize {
        name: task.spec.name.clone(),
        items: task.data.items.len(),
        available: task.data.available,
        skipped: task.data.skipped.len(),
    };
    Ok(Estimate {
        sweep: opened.sweep.name.clone(),
        device: opened.device.description().to_owned(),
        masks,
        tasks: opened.tasks.iter().map(task).collect(),
        cells: models.iter().map(|model| model.cells).sum(),
        seconds: models
            .iter()
            .filter_map(|model| Some(model.pace.as_ref()?.seconds_at_most))
            .sum(),
        models,
    })
}

fn pace(opened: &Opened<'_>, subject: &Subject, masks: usize) -> anyhow::Result<Pace> {
    let mut engine = subject.load(&opened.device)?;
    let (mut read, mut written) = (0usize, 0usize);
    for task in &opened.tasks {
        let (r, w) = amount(task, &|text: &str| engine.encode(text, false).map(|ids| ids.len()))?;
        (read, written) = (read + r, written + w);
    }
    let prefill = read_speed(&mut engine)?;
    let by_layer = matches!(engine.model_mut().visits(), Visits::LayerByLayer { .. });
    let decode = if by_layer && written == 0 {
        None
    } else {
        Some(write_speed(&mut engine)?)
    };
    let seconds = read as f64 / prefill + decode.map_or(0.0, |speed| written as f64 / speed);
    Ok(Pace {
        tokens_read: read,
        tokens_written_at_most: written,
        tokens_per_second_read: prefill,
        tokens_per_second_written: decode,
        seconds_at_most: masks as f64 * seconds,
    })
}

impl Estimate {
    /// Prints it for people.
    pub(super) fn print(&self) {
        println!("sweep `{}` on {}", self.sweep, self.device);
        let local: Vec<&ModelCost> = self.models.iter().filter(|model| model.served.is_none()).collect();
        if !local.is_empty() {
            println!(
                "{} models × {} masks × {} tasks = {} cells",
                local.len(),
                self.masks,
                self.tasks.len(),
                local.iter().map(|model| model.cells).sum::<usize>()
            );
        }
        for model in &self.models {
            model.print();
        }
        for task in &self.tasks {
            println!(
                "  {}: {} of {} items, {} skipped",
                task.name, task.items, task.available, task.skipped
            );
        }
        println!(
            "in all at most {}; equal masks are evaluated once, finished cells not at all",
            duration(self.seconds)
        );
    }
}

impl ModelCost {
    fn print(&self) {
        let (name, family) = (&self.name, &self.family);
        if let Some(at) = &self.served {
            println!("{name}: {family} {at}: {} cells, not timed", self.cells);
        }
        if let Some(pace) = &self.pace {
            let written = pace
                .tokens_per_second_written
                .map_or_else(|| "–".to_owned(), |speed| format!("{speed:.0}"));
            println!(
                "{name}: {family}, weights {:.1} MB mapped; {} tokens read and at most {} written per mask, at {:.0} and {written} tokens/s: \
                 at most {}",
                self.weight_bytes as f64 / 1e6,
                pace.tokens_read,
                pace.tokens_written_at_most,
                pace.tokens_per_second_read,
                duration(pace.seconds_at_most),
            );
        }
        if let Some(memory) = &self.memory {
            memory.print();
        }
    }
}

fn read_speed(engine: &mut LocalEngine) -> anyhow::Result<f64> {
    let ids = some_tokens(engine);
    let length = ids.len();
    let model = engine.model_mut();
    model.score(&[(&ids[..length - 1], &ids[length - 1..])], &mut |_| {})?;
    let started = Instant::now();
    model.score(&[(&ids[..length - 1], &ids[length - 1..])], &mut |_| {})?;
    Ok(length as f64 / started.elapsed().as_secs_f64())
}

fn write_speed(engine: &mut LocalEngine) -> anyhow::Result<f64> {
    let request = GenerateOptions {
        prompt: some_tokens(engine)[..8].to_vec(),
        max_new_tokens: STEPS,
        end_tokens: Vec::new(),
        temperature: 0.0,
        top_p: 1.0,
        seed: 0,
    };
    let model = engine.model_mut();
    let started = Instant::now();
    model.generate(&vec![request; SEQUENCES], &|_, _| Ok(false), &mut |_| {})?;
    Ok((SEQUENCES * STEPS) as f64 / started.elapsed().as_secs_f64())
}

fn some_tokens(engine: &mut LocalEngine) -> Vec<u32> {
    let model = engine.model_mut();
    let length = PREFILL.min(model.spec().max_positions / 2).max(8);
    (0..length).map(|i| (i * 7 % model.vocabulary()) as u32).collect()
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
