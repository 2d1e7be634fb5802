//! What answers: the model in memory, loaded when a cell needs it and kept until one of another model does, and the servers.

use std::collections::BTreeMap;
use std::time::Instant;

use secateur_evaluation::engine::Engine;
use secateur_evaluation::local::LocalEngine;
use secateur_evaluation::served::ServedEngine;
use secateur_model::Device;

use super::progress::Progress;
use super::progress::event::Event;
use super::pruned::Pruned;
use super::subject::Subject;

/// At most one loaded model, and all servers that have been asked.
pub struct Hot<'a> {
    device: &'a Device,
    loaded: Option<(String, LocalEngine)>,
    /// By model; where a server could not be opened, why: it is not tried again for every cell.
    served: BTreeMap<String, Result<ServedEngine, String>>,
}

impl<'a> Hot<'a> {
    /// Nothing loaded yet, nobody asked.
    #[must_use]
    pub fn new(device: &'a Device) -> Self {
        Self {
            device,
            loaded: None,
            served: BTreeMap::new(),
        }
    }

    /// The engine of `subject`, which runs here, whatever mask is set.
    ///
    /// # Errors
    /// As [`Subject::load`].
    pub fn engine(&mut self, subject: &Subject, progress: &mut Progress) -> anyhow::Result<&mut LocalEngine> {
        let engine = match self.loaded.take() {
            Some((name, engine)) if name == subject.name => engine,
            // Two models may not fit beside each other.
            other => {
                drop(other);
                let started = Instant::now();
                let engine = subject.load(self.device)?;
                progress.tell(Event::ModelLoaded {
                    model: subject.name.clone(),
                    family: subject.family.to_owned(),
                    seconds: started.elapsed().as_secs_f64(),
                });
                engine
            }
        };
        Ok(&mut self.loaded.insert((subject.name.clone(), engine)).1)
    }

    /// The engine of `subject` with the mask of `pruned`, which one that is served has already.
    ///
    /// # Errors
    /// As [`Subject::load`] and [`ServedEngine::open`]; also if the mask does not fit.
    pub fn masked(
        &mut self,
        subject: &Subject,
        pruned: &Pruned,
        progress: &mut Progress,
    ) -> anyhow::Result<&mut dyn Engine> {
        if let Some(served) = &subject.served {
            let open = || {
                served
                    .engine(&subject.checkpoint)
                    .map_err(|error| crate::message(&error))
            };
            let engine = self.served.entry(subject.name.clone()).or_insert_with(open);
            return match engine {
                Ok(engine) => Ok(engine),
                Err(message) => anyhow::bail!("{message}"),
            };
        }
        let engine = self.engine(subject, progress)?;
        engine.model_mut().set_mask(Some(&pruned.mask))?;
        Ok(engine)
    }
}
