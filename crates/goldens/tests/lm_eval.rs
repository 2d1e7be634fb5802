//! Every run of lm-evaluation-harness in the goldens, with the models they name.
#![cfg(feature = "models")]
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use secateur_evaluation::engine::Engine;
use secateur_evaluation::local::LocalEngine;
use secateur_goldens::models::{LoadFailure, load};
use secateur_goldens::{Report, lm_eval};
use secateur_model::{DeviceKind, Precision};

fn goldens() -> Option<PathBuf> {
    let found = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .map(|dir| dir.join("../shared/goldens/core"));
    found.into_iter().find(|dir| dir.is_dir())
}

fn engine(checkpoint: &Path) -> Result<Box<dyn Engine>, LoadFailure> {
    let model = load(checkpoint, DeviceKind::Cpu, Precision::F32)?;
    let engine = LocalEngine::new(model, checkpoint).map_err(|error| LoadFailure::Broken(error.to_string()))?;
    Ok(Box::new(engine))
}

#[test]
fn harness_runs_are_reproduced() {
    let Some(dir) = goldens() else {
        println!("skipped: no ../shared");
        return;
    };
    let mut report = Report::default();
    let models = dir.join("models");
    let mut engine_for = |name: &str| engine(&models.join(name).join("checkpoint"));
    lm_eval::check(&dir.join("lm_eval"), &mut engine_for, &mut report);
    let (passed, failed, _) = report.counts();
    assert_eq!(failed, 0);
    assert!(passed > 20, "{passed} checks");
}
