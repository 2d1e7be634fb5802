//! The published masks and their summary beside the repository, where they are there.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use secateur_goldens::{Report, mask_summary};

#[test]
fn the_summary_of_the_published_masks_is_recomputed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(3).unwrap();
    let dir = root.join("shared/goldens/paper/masks");
    if !dir.is_dir() {
        return println!("skipped: no ../shared");
    }
    let mut report = Report::default();
    mask_summary::check(&dir, &mut report);
    assert_eq!(report.counts(), (8, 0, 0));
}
