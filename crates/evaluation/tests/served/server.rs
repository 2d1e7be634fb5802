//! An engine of the scripted server.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use secateur_evaluation::engine::{EngineError, GenerateRequest};
use secateur_evaluation::served::{ServedCheckpoint, ServedEngine, ServedSettings};

pub use crate::loopback::{Prompted, Reply, Request, Server, vllm, well_behaved};

impl Server {
    pub fn settings(&self) -> ServedSettings {
        ServedSettings {
            first_wait_s: 0.001,
            attempts: 3,
            timeout_s: 20.0,
            ..ServedSettings::new(&self.address(), "m", "bf16")
        }
    }

    pub fn open(&self) -> Result<ServedEngine, EngineError> {
        open(&self.settings())
    }
}

/// The demo's `OLMoE` behind a server.
pub fn open(settings: &ServedSettings) -> Result<ServedEngine, EngineError> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../datasets/demo/models/demo-olmoe");
    let checkpoint = ServedCheckpoint {
        directory: &directory,
        vocabulary: 2048,
        max_positions: 512,
    };
    ServedEngine::open(settings, checkpoint, || false)
}

/// A greedy request of at most eight tokens.
pub fn greedy(prompt: &[u32]) -> GenerateRequest {
    GenerateRequest {
        prompt: prompt.to_vec(),
        stop: Vec::new(),
        max_new_tokens: 8,
        temperature: 0.0,
        top_p: 1.0,
        seed: 0,
    }
}
