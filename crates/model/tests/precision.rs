//! `fast` against `f32`: activations rounded to bf16 move logits a little, and only on the CPU.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use secateur_model::checkpoint::Checkpoint;
use secateur_model::{Device, DeviceKind, Model, Precision};

/// Fixtures that ship with the project, of every block and mixer.
fn checkpoints() -> Vec<PathBuf> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../goldens/fixtures");
    let children = |folder: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect()
    };
    let sets = children(&fixtures);
    let models = sets.iter().flat_map(|set| children(&set.join("models")));
    let mut found: Vec<PathBuf> = models
        .map(|model| model.join("checkpoint"))
        .filter(|path| path.is_dir())
        .collect();
    found.sort();
    assert!(found.len() > 3, "fixtures are missing");
    found
}

fn logits(checkpoint: &Path, precision: Precision) -> Vec<f64> {
    let device = Device::open(DeviceKind::Cpu, precision).unwrap();
    let model = Model::load(&Checkpoint::open(checkpoint).unwrap(), &device).unwrap();
    let tokens: Vec<u32> = (0..24).map(|i| (i * 37 + 11) % model.vocabulary() as u32).collect();
    model.logits(&tokens).unwrap()
}

/// Σ (a − b)² / Σ a²: random models' logits are centred.
fn moved(exact: &[f64], fast: &[f64]) -> f64 {
    let difference: f64 = exact.iter().zip(fast).map(|(a, b)| (a - b).powi(2)).sum();
    difference / exact.iter().map(|a| a.powi(2)).sum::<f64>()
}

#[test]
fn fast_moves_logits_a_little() {
    for checkpoint in checkpoints() {
        let (exact, fast) = (
            logits(&checkpoint, Precision::F32),
            logits(&checkpoint, Precision::Fast),
        );
        let moved = moved(&exact, &fast).sqrt();
        println!("{moved:.1e} of the logits: {}", checkpoint.display());
        // A token near a tie of the router's may take another expert.
        assert!(moved > 1e-6 && moved < 0.2, "{}: {moved}", checkpoint.display());
    }
}

#[test]
fn fast_is_of_the_cpu() {
    for kind in [DeviceKind::Ndarray, DeviceKind::Wgpu] {
        let error = Device::open(kind, Precision::Fast).unwrap_err().to_string();
        assert!(error.contains(kind.name()) && error.contains("--device cpu"), "{error}");
    }
}
