//! Layers and baselines of `BERTScore`, by model: facts of the bert-score package, version 0.3.13.
//!
//! The layer is the one whose F1 correlates best with people on WMT16. The baseline is the mean score of unrelated English sentences at
//! that layer; `rescale = true` maps it to 0. Both are of the package's own runs and were not measured here.

/// A model that the package knows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KnownModel {
    /// Name on the hub.
    pub name: &'static str,
    /// Layer whose states are compared.
    pub layer: usize,
    /// P, R and F1 of unrelated English sentences at that layer.
    pub baseline: Option<[f64; 3]>,
}

const fn plain(name: &'static str, layer: usize) -> KnownModel {
    KnownModel {
        name,
        layer,
        baseline: None,
    }
}

const fn based(name: &'static str, layer: usize, baseline: [f64; 3]) -> KnownModel {
    KnownModel {
        name,
        layer,
        baseline: Some(baseline),
    }
}

/// Those whose architecture is implemented.
pub const KNOWN_MODELS: &[KnownModel] = &[
    based("roberta-large", 17, [0.831_505_84, 0.831_494_1, 0.831_225_75]),
    based("roberta-base", 10, [0.814_672_5, 0.814_661_9, 0.814_463]),
    based("roberta-large-mnli", 19, [0.690_159_4, 0.690_18, 0.689_628_8]),
    based("distilroberta-base", 5, [0.847_32, 0.847_595_04, 0.847_331_9]),
    based("bert-base-uncased", 9, [0.353_759_35, 0.353_739_3, 0.352_191_12]),
    based("bert-large-uncased", 18, [0.427_857_6, 0.427_867_14, 0.426_466_73]),
    plain("bert-base-cased-finetuned-mrpc", 9),
    plain("bert-base-multilingual-cased", 9),
    plain("bert-base-chinese", 8),
    plain("allenai/scibert_scivocab_uncased", 8),
    plain("allenai/scibert_scivocab_cased", 9),
    based("albert-base-v2", 9, [0.561_697_36, 0.561_741_35, 0.560_312_75]),
    based("albert-large-v2", 14, [0.637_603_34, 0.637_602_7, 0.637_005_2]),
    based("albert-xlarge-v2", 13, [0.282_236_96, 0.282_243_2, 0.279_904_22]),
    based("albert-xxlarge-v2", 8, [0.236_947_33, 0.236_987_5, 0.235_199_56]),
    plain("xlm-roberta-base", 9),
    plain("xlm-roberta-large", 17),
    plain("microsoft/deberta-v2-xlarge", 10),
    plain("microsoft/deberta-v2-xlarge-mnli", 17),
    plain("microsoft/deberta-v2-xxlarge", 21),
    plain("microsoft/deberta-v2-xxlarge-mnli", 22),
    plain("microsoft/deberta-v3-xsmall", 10),
    plain("microsoft/deberta-v3-small", 4),
    plain("microsoft/deberta-v3-base", 9),
    plain("microsoft/deberta-v3-large", 12),
    plain("microsoft/mdeberta-v3-base", 10),
    plain("khalidalt/DeBERTa-v3-large-mnli", 18),
];

/// The model of this hub id or directory, by its last part.
#[must_use]
pub fn known(path: &str) -> Option<&'static KnownModel> {
    let last = |name: &str| -> String {
        let name = name.trim_end_matches('/').split('@').next().unwrap_or_default();
        name.rsplit('/').next().unwrap_or_default().to_lowercase()
    };
    let wanted = last(path);
    KNOWN_MODELS.iter().find(|model| last(model.name) == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_found_by_id_and_by_directory() {
        for path in [
            "roberta-large",
            "FacebookAI/roberta-large@main",
            "/models/roberta-large/",
        ] {
            assert_eq!(known(path).map(|model| model.layer), Some(17));
        }
        assert_eq!(known("microsoft/deberta-v3-base").map(|model| model.layer), Some(9));
        assert_eq!(known("my-model"), None);
        for (at, model) in KNOWN_MODELS.iter().enumerate() {
            assert_eq!(known(model.name), Some(&KNOWN_MODELS[at]));
        }
    }
}
