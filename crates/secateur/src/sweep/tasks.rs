//! The tasks of a sweep, loaded before any model is.

use secateur_datasets::tasks::{self, LoadOptions, TaskData, TaskSpec};
use secateur_evaluation::score::unit_tests;

use super::definition::{Sweep, TaskEntry};
use super::subject::Subject;

/// A task as it will be asked.
pub struct LoadedTask {
    /// What it is.
    pub spec: TaskSpec,
    /// Its items.
    pub data: TaskData,
    /// As the sweep file says; where it does not, answers are generated with the model's template if it has one.
    chat_template: Option<bool>,
    /// Whether code that the model writes may be run.
    pub run_generated_code: bool,
}

impl LoadedTask {
    /// Whether prompts to `subject` go through its chat template.
    #[must_use]
    pub fn chat_template(&self, subject: &Subject) -> bool {
        let usual = self.spec.generation.is_some() && subject.hash.chat_template.is_some();
        self.chat_template.unwrap_or(usual)
    }
}

/// Loads all tasks of a sweep, at most `limit` items of each, without unusable records where these are skipped.
///
/// # Errors
/// If a task is unknown, or its files are missing or malformed.
pub fn load(sweep: &Sweep, limit: Option<usize>, skip: bool) -> anyhow::Result<Vec<LoadedTask>> {
    let load = |entry| load_one(sweep, entry, limit, skip);
    sweep.tasks.iter().map(load).collect()
}

fn load_one(sweep: &Sweep, entry: &TaskEntry, limit: Option<usize>, skip: bool) -> anyhow::Result<LoadedTask> {
    let beside = sweep.base().join(&entry.name);
    let name = if beside.is_file() {
        beside.to_string_lossy().into_owned()
    } else {
        entry.name.clone()
    };
    let task = tasks::find(&name, &sweep.cards)?;
    let mut spec = task.spec();
    if spec.scoring.runs_generated_code() {
        // Refused before a model is loaded, and where the code cannot be shut in.
        unit_tests::check(&spec.name, entry.run_generated_code)?;
    }
    match (&mut spec.generation, entry.max_new_tokens) {
        (_, None) => {}
        (Some(generation), Some(tokens)) if tokens > 0 => generation.max_new_tokens = tokens,
        (Some(_), Some(_)) => anyhow::bail!("task `{}`: max_new_tokens must be at least 1", entry.name),
        (None, Some(_)) => anyhow::bail!(
            "task `{}` generates no answers: max_new_tokens means nothing to it",
            entry.name
        ),
    }
    let options = LoadOptions {
        few_shot: entry.few_shot,
        few_shot_draw: entry.few_shot_draw,
        limit: entry.limit.into_iter().chain(limit).min(),
        seed: 0,
        skip_bad_items: entry.skip_bad_items || skip,
    };
    let data = task.load(&tasks::data_directory(&sweep.data, &spec), &options)?;
    Ok(LoadedTask {
        spec,
        data,
        chat_template: entry.chat_template,
        run_generated_code: entry.run_generated_code,
    })
}
