//! The wgpu device against the CPU, on whatever adapter there is (in CI a software Vulkan driver).
#![cfg(feature = "wgpu")]
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use secateur_model::checkpoint::Checkpoint;
use secateur_model::mask::ExpertId;
use secateur_model::observe::{MoeObservation, MoeObserver};
use secateur_model::{Device, DeviceKind, Model, ModelError, Precision};

/// Fixtures that ship with the project.
fn checkpoints() -> Vec<PathBuf> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../goldens/fixtures/core/models");
    let mut found: Vec<PathBuf> = std::fs::read_dir(fixtures)
        .unwrap()
        .flatten()
        .map(|entry| entry.path().join("checkpoint"))
        .collect();
    found.sort();
    found
}

#[derive(Default)]
struct Routes(Vec<Vec<ExpertId>>);

impl MoeObserver for Routes {
    fn observe(&mut self, moe: &MoeObservation<'_>) -> Result<(), ModelError> {
        self.0.push(moe.selected().to_vec());
        Ok(())
    }
}

fn run(checkpoint: &Path, device: &Device) -> (Vec<f64>, Vec<Vec<ExpertId>>) {
    let model = Model::load(&Checkpoint::open(checkpoint).unwrap(), device).unwrap();
    let tokens: Vec<u32> = (0..24).map(|i| (i * 37 + 11) % model.vocabulary() as u32).collect();
    let mut routes = Routes::default();
    model.observe(&tokens, &mut routes).unwrap();
    (model.logits(&tokens).unwrap(), routes.0)
}

#[test]
fn wgpu_gives_the_routing_and_logits_of_the_cpu() {
    let device = match Device::open(DeviceKind::Wgpu, Precision::F32) {
        Ok(device) => device,
        Err(error) => return println!("skipped: {error}"),
    };
    println!("adapter: {}", device.description());
    let cpu = Device::open(DeviceKind::Cpu, Precision::F32).unwrap();
    for checkpoint in checkpoints() {
        let ((here, routes), (there, gpu_routes)) = (run(&checkpoint, &cpu), run(&checkpoint, &device));
        assert_eq!(routes, gpu_routes, "{}", checkpoint.display());
        let mean = here.iter().sum::<f64>() / here.len() as f64;
        let scale = (here.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / here.len() as f64).sqrt();
        let worst = here.iter().zip(&there).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max) / scale;
        println!(
            "{}: largest deviation {worst:.1e} of the logits' deviation",
            checkpoint.display()
        );
        assert!(worst < 1e-3, "{}: {worst}", checkpoint.display());
    }
}
