//! The reference experiment's evaluation on the goldens beside the repository, where they are there.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use secateur_goldens::{Report, eval};

#[test]
fn evaluation_equals_the_papers_code() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(3).unwrap();
    let dir = root.join("shared/goldens/paper/eval");
    if !dir.is_dir() {
        return println!("skipped: no ../shared");
    }
    let mut report = Report::default();
    eval::check(&dir, &mut report);
    let (passed, failed, skipped) = report.counts();
    assert!(
        failed == 0 && skipped == 0 && passed > 20,
        "{passed} passed, {failed} failed, {skipped} skipped"
    );
}
