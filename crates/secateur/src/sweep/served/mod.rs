//! A served model of a sweep: a checkpoint with one fixed mask, which the file beside an export names.
//!
//! It is asked as it is. What pruning did is told by comparing it with the unpruned checkpoint, which is served too (`of`).

mod export;
pub mod seen;

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use secateur_datasets::error::nearest_hint;
use secateur_datasets::toml_place::Spot;
use secateur_evaluation::served::{ServedCheckpoint, ServedEngine, ServedSettings};
use secateur_model::checkpoint::Checkpoint;
use secateur_model::export::PROVENANCE;
use secateur_model::model::MoeLayer;

pub use export::Export;

use super::definition::ModelEntry;
use super::refused::Refused;
use super::subject::Subject;
use crate::interrupt::interrupted;

/// How a model of the sweep is served, and what was removed from it.
pub struct Served {
    /// Where and how it is asked.
    pub settings: ServedSettings,
    /// What answers there, as keys have it; why that is not known, where it is not.
    pub server: Result<String, String>,
    /// The sweep's model that this one is compared with.
    pub of: Option<String>,
    /// What was removed, if anything was.
    pub export: Option<Export>,
    vocabulary: usize,
    max_positions: usize,
}

impl Served {
    /// Reads what was removed; the server is not asked yet ([`seen`]). `None` for a model that runs in this process.
    ///
    /// # Errors
    /// If a setting makes no sense, or the provenance file is malformed.
    pub fn of(
        entry: &ModelEntry,
        checkpoint: &Checkpoint,
        layers: &[MoeLayer],
        (vocabulary, max_positions): (usize, usize),
    ) -> anyhow::Result<Option<Self>> {
        let whose = || format!("model `{}`", entry.name);
        let Some(settings) = &entry.engine else {
            if entry.of.is_some() {
                let message =
                    "`of` names what a served model is compared with; a model without `engine` is pruned here";
                return Err(refused(&entry.name, "of", message));
            }
            return Ok(None);
        };
        settings
            .check()
            .map_err(|error| refused(&entry.name, "engine", &error.to_string()))?;
        Ok(Some(Self {
            settings: settings.clone(),
            server: Err("its server has not been asked yet".to_owned()),
            of: entry.of.clone(),
            export: Export::read(checkpoint, layers).with_context(whose)?,
            vocabulary,
            max_positions,
        }))
    }

    /// The engine that asks it.
    ///
    /// # Errors
    /// As [`ServedEngine::open`]; also if the server is not what its keys say.
    pub fn engine(&self, checkpoint: &Checkpoint) -> anyhow::Result<ServedEngine> {
        let checkpoint = ServedCheckpoint {
            directory: checkpoint.directory(),
            vocabulary: self.vocabulary,
            max_positions: self.max_positions,
        };
        let engine = ServedEngine::open(&self.settings, checkpoint, interrupted)?;
        let (found, at) = (engine.server().to_string(), &self.settings.openai);
        match &self.server {
            Ok(known) if *known == found => Ok(engine),
            Ok(known) => {
                bail!("the server at {at} is {found} now and was {known} before; start the same command again")
            }
            Err(reason) => bail!("{reason}"),
        }
    }

    /// By what it is served, for people: `in bf16, served by vllm 0.32.0 at http://127.0.0.1:8000/v1`.
    #[must_use]
    pub fn description(&self) -> String {
        let server = self.server.as_deref().unwrap_or("an unknown server");
        format!(
            "in {}, served by {server} at {}",
            self.settings.dtype, self.settings.openai
        )
    }

    /// What decides a record beside the checkpoint: the server, not its address.
    #[must_use]
    pub fn inputs(&self) -> BTreeMap<String, String> {
        BTreeMap::from([
            ("engine".to_owned(), self.server.clone().unwrap_or_default()),
            ("engine.model".to_owned(), self.settings.model.clone()),
            ("dtype".to_owned(), self.settings.dtype.clone()),
            ("device".to_owned(), "served".to_owned()),
        ])
    }
}

/// Refuses served models that could not be compared with what they were pruned from.
///
/// # Errors
/// Names the model, and what to write.
pub fn check(subjects: &[Subject]) -> anyhow::Result<()> {
    for subject in subjects {
        let Some(served) = &subject.served else { continue };
        let wrong = |message: &str| Err(refused(&subject.name, "of", message));
        let Some(export) = &served.export else {
            let Some(of) = &served.of else { continue };
            return wrong(&format!(
                "nothing was removed from it ({PROVENANCE} is not there), so it cannot be `of` `{of}`"
            ));
        };
        let Some(of) = &served.of else {
            return wrong(&format!(
                "it is pruned ({PROVENANCE} says so): write `of = \"…\"`, the name of the unpruned served model to compare it with"
            ));
        };
        let base = subjects.iter().find(|other| other.name == *of);
        let Some((base, base_served)) = base.and_then(|base| Some((base, base.served.as_ref()?))) else {
            let others = subjects
                .iter()
                .filter(|other| other.served.is_some() && other.name != subject.name);
            let hint = nearest_hint(of, others.map(|other| other.name.as_str()));
            return wrong(&format!("`of` is `{of}`, which is no served model of this sweep{hint}"));
        };
        if base_served.export.is_some() {
            return wrong(&format!("`of` is `{of}`, which is pruned itself"));
        }
        if base.hash.weights != export.source {
            return wrong(&format!(
                "it was pruned from weights {}, `{of}` has {}: `of` must name the checkpoint that it was made from",
                short(&export.source),
                short(&base.hash.weights)
            ));
        }
        if base_served.settings.dtype != served.settings.dtype {
            return wrong(&format!(
                "it is served as {}, `{of}` as {}: what pruning does cannot be told from what the dtype does",
                served.settings.dtype, base_served.settings.dtype
            ));
        }
    }
    Ok(())
}

/// About a key of a model's entry.
fn refused(model: &str, key: &str, message: &str) -> anyhow::Error {
    let spot = Spot::key("models").entry(model).then(key);
    Refused::at(spot, format!("model `{model}`: {message}"))
}

fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::sweep::Sweep;

    fn opened(port: u16, model: &str, tail: &str) -> anyhow::Result<Sweep> {
        let directory = tempfile::tempdir()?;
        let file = directory.path().join("sweep.toml");
        let text = format!(
            "name = \"s\"\n[[models]]\nname = \"a\"\npath = \"m\"\n\
             engine = {{ openai = \"http://127.0.0.1:{port}/v1\", model = \"{model}\", dtype = \"bf16\", concurrency = {port} }}\n\
             [[tasks]]\nname = \"t\"\n{tail}"
        );
        std::fs::write(&file, text)?;
        Sweep::open(&file)
    }

    #[test]
    fn a_sweep_of_served_models_needs_no_methods_and_may_move() {
        let here = opened(8, "m", "").unwrap();
        assert!(here.methods.is_empty() && here.corpora.is_empty());
        assert_eq!(here.definition, opened(9, "m", "").unwrap().definition);
        assert_ne!(here.definition, opened(8, "n", "").unwrap().definition);
        let local = opened(8, "m", "[[models]]\nname = \"b\"\npath = \"m\"\n")
            .err()
            .unwrap();
        assert!(format!("{local:#}").contains("the list is empty"));
    }
}
