//! Reading the next layer's weights while this one computes.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, Scope};

use super::files::LayerFiles;
use crate::error::ModelError;

/// A thread that reads one layer ahead, never more: it is asked for the next layer when the one before is there.
pub(crate) struct ReadAhead<'f> {
    files: &'f LayerFiles,
    layers: usize,
    thread: Option<Asked>,
}

/// Both ends of what is said to the thread. It ends when they are gone.
struct Asked {
    layers: Sender<usize>,
    read: Receiver<Result<(), ModelError>>,
}

impl<'f> ReadAhead<'f> {
    /// Begins with the layer `first` of so many. Where the system has no thread for it, layers are read when they are needed.
    pub(crate) fn new<'scope>(
        scope: &'scope Scope<'scope, 'f>,
        files: &'f LayerFiles,
        first: usize,
        layers: usize,
    ) -> Self {
        let ((layer_in, layer_out), (read_in, read_out)) = (channel(), channel());
        let work = move || {
            while let Ok(layer) = layer_out.recv() {
                if read_in.send(files.read(layer)).is_err() {
                    break;
                }
            }
        };
        let started = Builder::new()
            .name("read-ahead".into())
            .spawn_scoped(scope, work)
            .is_ok();
        let thread = started.then_some(Asked {
            layers: layer_in,
            read: read_out,
        });
        let ahead = Self { files, layers, thread };
        ahead.ask(first);
        ahead
    }

    /// Waits for a layer's weights, which were asked for before, and begins to read the next.
    ///
    /// # Errors
    /// If one is not finite.
    pub(crate) fn wait_for(&self, layer: usize) -> Result<(), ModelError> {
        let read = self.thread.as_ref().and_then(|thread| thread.read.recv().ok());
        read.unwrap_or_else(|| self.files.read(layer))?;
        self.ask(layer + 1);
        Ok(())
    }

    fn ask(&self, layer: usize) {
        if let Some(thread) = self.thread.as_ref().filter(|_| layer < self.layers) {
            // Nobody listens: then `wait_for` reads.
            let _ = thread.layers.send(layer);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::ReadAhead;
    use crate::layerwise::files::tests::files;

    #[test]
    fn one_layer_is_read_ahead_and_no_more() {
        let (files, ..) = files();
        let layers = 3;
        std::thread::scope(|scope| {
            let ahead = ReadAhead::new(scope, &files, 0, layers);
            assert!(!files.is_checked(1));
            for layer in 0..layers {
                ahead.wait_for(layer).unwrap();
                assert!(files.is_checked(layer));
                assert!(layer + 2 >= layers || !files.is_checked(layer + 2));
            }
        });
    }

    #[test]
    fn a_wave_that_is_left_ends_the_thread() {
        let (files, ..) = files();
        std::thread::scope(|scope| {
            ReadAhead::new(scope, &files, 1, 3).wait_for(1).unwrap();
        });
        assert!(files.is_checked(1) && !files.is_checked(0));
    }
}
