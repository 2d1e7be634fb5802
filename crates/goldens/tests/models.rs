//! The model checks on the goldens beside the repository, where they are there.
#![cfg(feature = "models")]
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use secateur_goldens::{Report, models};
use secateur_model::DeviceKind;

fn shared() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2)?;
    let shared = root.parent()?.join("shared");
    shared.is_dir().then_some(shared)
}

#[test]
fn models_equal_the_reference() {
    let Some(shared) = shared() else {
        return println!("skipped: no ../shared");
    };
    let mut report = Report::default();
    for half in ["core", "paper"] {
        let mut names: Vec<_> = std::fs::read_dir(shared.join("goldens").join(half).join("models"))
            .unwrap()
            .flatten()
            .map(|e| e.path())
            .collect();
        names.sort();
        for dir in names {
            models::check(&dir, DeviceKind::Cpu, &mut report);
        }
    }
    let (passed, failed, _) = report.counts();
    assert!(failed == 0 && passed > 0, "{passed} passed, {failed} failed");
}
