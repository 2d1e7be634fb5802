//! The model in memory: loaded when a cell needs it, and kept until one of another model does.

use std::time::Instant;

use secateur_evaluation::local::LocalEngine;
use secateur_model::Device;

use super::progress::Progress;
use super::progress::event::Event;
use super::subject::Subject;

/// At most one loaded model.
pub struct Hot<'a> {
    device: &'a Device,
    loaded: Option<(String, LocalEngine)>,
}

impl<'a> Hot<'a> {
    /// Nothing loaded yet.
    #[must_use]
    pub fn new(device: &'a Device) -> Self {
        Self { device, loaded: None }
    }

    /// The engine of `subject`, whatever mask is set.
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
}
