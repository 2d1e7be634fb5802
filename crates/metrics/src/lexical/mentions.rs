//! What scorers of mentions have in common.

use std::ops::Range;

use super::LexicalReading;

/// The reading of mentions and whether each is supported; `None` without any.
pub(super) fn reading(mentions: impl IntoIterator<Item = (Range<usize>, bool)>) -> Option<LexicalReading> {
    let (mut all, mut unsupported) = (0_usize, Vec::new());
    for (range, supported) in mentions {
        all += 1;
        if !supported {
            unsupported.push(range);
        }
    }
    (all > 0).then(|| LexicalReading {
        score: 1.0 - unsupported.len() as f64 / all as f64,
        looked_at: all,
        unsupported,
        parts: Vec::new(),
    })
}
