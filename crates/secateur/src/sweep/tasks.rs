//! The tasks of a sweep, loaded before any model is.

use secateur_datasets::error::DatasetError;
use secateur_datasets::tasks::{self, LoadOptions, TaskData, TaskSpec};
use secateur_datasets::toml_place::Spot;
use secateur_evaluation::score::unit_tests;

use super::definition::{Sweep, TaskEntry};
use super::refused::Refused;
use super::subject::Subject;
use crate::talk;

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
    /// Name and identity of every scorer and judge that suits it, as JSON; empty for none.
    pub scorers: String,
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
    let (plain, form) = tasks::split_form(&entry.name);
    let beside = sweep.base().join(plain);
    let mut name = if beside.is_file() {
        beside.to_string_lossy().into_owned()
    } else {
        plain.to_owned()
    };
    if let Some(form) = form {
        name = format!("{name}@{form}");
    }
    let task = tasks::find(&name, &sweep.cards).map_err(|error| blamed(entry, error))?;
    let mut spec = task.spec();
    if spec.scoring.runs_generated_code() {
        // Refused before a model is loaded, and where the code cannot be shut in.
        unit_tests::check(&spec.name, entry.run_generated_code)
            .map_err(|error| Refused::because_of(spot(entry), error))?;
    }
    match (&mut spec.generation, entry.max_new_tokens) {
        (_, None) => {}
        (Some(generation), Some(tokens)) if tokens > 0 => generation.max_new_tokens = tokens,
        (Some(_), Some(_)) => {
            let message = format!("task `{}`: max_new_tokens must be at least 1", entry.name);
            return Err(Refused::at(spot(entry).then("max_new_tokens"), message));
        }
        (None, Some(_)) => {
            let message = format!(
                "task `{}` generates no answers: max_new_tokens means nothing to it",
                entry.name
            );
            return Err(Refused::at(spot(entry).then("max_new_tokens"), message));
        }
    }
    sample(&mut spec, entry)?;
    let options = LoadOptions {
        few_shot: entry.few_shot,
        few_shot_draw: entry.few_shot_draw,
        limit: entry.limit.into_iter().chain(limit).min(),
        seed: 0,
        skip_bad_items: entry.skip_bad_items || skip,
    };
    let data = task
        .load(&tasks::data_directory(&sweep.data, &spec), &options)
        .map_err(|error| blamed(entry, error))?;
    talk::detail(|| {
        let files: Vec<&str> = data.files.iter().map(|file| file.name.as_str()).collect();
        let (items, all) = (data.items.len(), data.available);
        format!(
            "task `{}`: {items} of {all} items, from {}",
            entry.name,
            files.join(", ")
        )
    });
    Ok(LoadedTask {
        spec,
        data,
        chat_template: entry.chat_template,
        run_generated_code: entry.run_generated_code,
        scorers: String::new(),
    })
}

/// Where the entry stands in the sweep file.
fn spot(entry: &TaskEntry) -> Spot {
    Spot::key("tasks").entry(&entry.name)
}

/// The error, with the entry where that is to blame: what is wrong in a card or in a data file says where by itself.
fn blamed(entry: &TaskEntry, error: DatasetError) -> anyhow::Error {
    match &error {
        DatasetError::UnknownTask { .. }
        | DatasetError::UnknownForm { .. }
        | DatasetError::UnsuitedForm { .. }
        | DatasetError::MissingFile { .. }
        | DatasetError::NoItems { .. } => Refused::because_of(spot(entry), error),
        DatasetError::FewShot { .. } => Refused::because_of(spot(entry).then("few_shot"), error),
        _ => error.into(),
    }
}

/// How many further answers are sampled, and at which temperature, as the sweep file says.
fn sample(spec: &mut TaskSpec, entry: &TaskEntry) -> anyhow::Result<()> {
    let refused = |key: &str, message: String| {
        let message = format!("task `{}`: {message}", entry.name);
        Err(Refused::at(spot(entry).then(key), message))
    };
    let samples = spec.generation.as_mut().and_then(|settings| settings.samples.as_mut());
    let Some(samples) = samples else {
        let given = [
            ("samples", entry.samples.is_some()),
            ("sample_temperature", entry.sample_temperature.is_some()),
        ];
        return match given.into_iter().find(|(_, given)| *given) {
            None => Ok(()),
            Some((key, _)) => refused(
                key,
                "samples and sample_temperature mean something to a task in the form `@sampled` alone".to_owned(),
            ),
        };
    };
    if let Some(count) = entry.samples {
        if count < 2 {
            let message = format!("samples is {count}, expected at least 2: entropy needs several answers");
            return refused("samples", message);
        }
        samples.count = count;
    }
    if let Some(temperature) = entry.sample_temperature {
        if !(temperature > 0.0 && temperature <= 100.0) {
            let message = format!(
                "sample_temperature is {temperature}, expected more than 0 and at most 100: at 0 all samples would be equal"
            );
            return refused("sample_temperature", message);
        }
        samples.temperature = temperature;
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use secateur_datasets::tasks::spec::{Domain, GenerationSettings, Samples, Scoring};

    fn sampled(samples: Option<Samples>, options: &str) -> anyhow::Result<Option<Samples>> {
        let settings = GenerationSettings {
            samples,
            ..GenerationSettings::greedy(8, &[])
        };
        let mut spec = TaskSpec::generated("t", "", Domain::General, Scoring::ShortAnswer, settings);
        let entry = serde_json::from_str(&format!(r#"{{"name": "t" {options}}}"#))?;
        sample(&mut spec, &entry)?;
        Ok(spec.generation.and_then(|settings| settings.samples))
    }

    #[test]
    fn samples_are_as_the_file_says() {
        let usual = Samples::default();
        assert_eq!(sampled(Some(usual), "").unwrap(), Some(usual));
        let asked = sampled(Some(usual), r#", "samples": 3, "sample_temperature": 0.5"#)
            .unwrap()
            .unwrap();
        assert_eq!((asked.count, asked.temperature, asked.top_p), (3, 0.5, 1.0));
        assert_eq!(sampled(None, "").unwrap(), None);
    }

    #[test]
    fn nonsense_is_refused() {
        let refused = |samples, options| sampled(samples, options).unwrap_err().to_string();
        assert!(refused(None, r#", "samples": 3"#).contains("@sampled"));
        assert!(refused(Some(Samples::default()), r#", "samples": 1"#).contains("at least 2"));
        assert!(refused(Some(Samples::default()), r#", "sample_temperature": 0.0"#).contains("more than 0"));
    }
}
