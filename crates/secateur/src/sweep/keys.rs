//! What decides a cell.

use std::collections::BTreeMap;

use secateur_results::key::RecordKey;

/// Fields of a record's inputs that name the cell but do not change its answers.
const NAMES: &[&str] = &[
    "cell.method",
    "cell.profile",
    "cell.fraction_removed",
    "cell.seed",
    "cell.calibration",
    "cell.model",
];

/// Key of the evaluation alone: cells with equal masks share it.
#[must_use]
pub fn evaluation_key(inputs: &BTreeMap<String, String>) -> String {
    let shared = inputs.iter().filter(|(name, _)| !NAMES.contains(&name.as_str()));
    RecordKey::from_inputs(&shared.map(|(k, v)| (k.clone(), v.clone())).collect())
        .as_str()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::evaluation_key;
    use std::collections::BTreeMap;

    fn inputs(changes: &[(&str, &str)]) -> BTreeMap<String, String> {
        let base = [
            ("weights", "w"),
            ("mask", "m"),
            ("task.data", "t"),
            ("cell.method", "reap"),
            ("dtype", "f32"),
            ("program", "1"),
        ];
        base.iter()
            .chain(changes)
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    }

    #[test]
    fn only_names_are_shared() {
        let base = evaluation_key(&inputs(&[]));
        assert_eq!(base, evaluation_key(&inputs(&[("cell.method", "ean")])));
        for change in [
            ("weights", "v"),
            ("mask", "n"),
            ("task.data", "u"),
            ("dtype", "f64"),
            ("program", "2"),
        ] {
            assert_ne!(base, evaluation_key(&inputs(&[change])), "{change:?}");
        }
    }
}
