//! What is known about each data set: where it comes from, its official files, licence, citation, and how far our loader was tested.
//!
//! The cards are `datasets/cards/<set>.toml` of the repository, compiled in.

use serde::{Deserialize, Serialize};

use crate::tasks::TaskSpec;

/// The card of one data set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataCard {
    /// Folder name, and the name that tasks refer to.
    pub set: String,
    /// Full name.
    pub title: String,
    /// Home of the data.
    pub source: String,
    /// Who may have the files.
    #[serde(default)]
    pub access: Access,
    /// Licence and restrictions.
    pub licence: String,
    /// Paper to cite.
    pub citation: String,
    /// What to do to have the files.
    pub how_to_get: String,
    /// `yes`, or what part of the real data the loader was tested on.
    pub loader_tested_on_real_data: String,
    /// Files as the authors publish them.
    pub file: Vec<CardFile>,
}

/// Who may have the files of a data set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Anybody, without an account.
    #[default]
    Open,
    /// Whoever accepts the terms on the hub, with a token.
    Gated,
    /// Whoever registers with the authors or signs their agreement.
    Registration,
    /// Nobody may pass the files on; the card says what can be done instead.
    NotRedistributable,
}

/// One official file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CardFile {
    /// Name below the folder of the set.
    pub name: String,
    /// Where the file can be downloaded, of a fixed revision where the host has them; empty where `how_to_get` must be followed.
    #[serde(default)]
    pub url: String,
    /// Size of the complete official file in bytes, where known.
    #[serde(default)]
    pub bytes: Option<u64>,
    /// SHA-256 of the complete official file, where known.
    #[serde(default)]
    pub sha256: String,
    /// Records in the complete file, where known.
    #[serde(default)]
    pub records: Option<usize>,
}

/// Cards by set name.
pub const CARDS: &[(&str, &str)] = &[
    ("pubmedqa", include_str!("../../../datasets/cards/pubmedqa.toml")),
    ("medqa", include_str!("../../../datasets/cards/medqa.toml")),
    ("medmcqa", include_str!("../../../datasets/cards/medmcqa.toml")),
    ("mmlu", include_str!("../../../datasets/cards/mmlu.toml")),
    ("multimedqa", include_str!("../../../datasets/cards/multimedqa.toml")),
    ("meqsum", include_str!("../../../datasets/cards/meqsum.toml")),
    ("kqa", include_str!("../../../datasets/cards/kqa.toml")),
    ("medlfqa", include_str!("../../../datasets/cards/medlfqa.toml")),
    ("medhalt", include_str!("../../../datasets/cards/medhalt.toml")),
    ("medinst32", include_str!("../../../datasets/cards/medinst32.toml")),
    (
        "rct_summaries",
        include_str!("../../../datasets/cards/rct_summaries.toml"),
    ),
    ("scifact", include_str!("../../../datasets/cards/scifact.toml")),
    ("pubhealth", include_str!("../../../datasets/cards/pubhealth.toml")),
    ("medec", include_str!("../../../datasets/cards/medec.toml")),
    ("mts_dialog", include_str!("../../../datasets/cards/mts_dialog.toml")),
    (
        "cochrane_simplification",
        include_str!("../../../datasets/cards/cochrane_simplification.toml"),
    ),
    ("bioner", include_str!("../../../datasets/cards/bioner.toml")),
    ("careqa", include_str!("../../../datasets/cards/careqa.toml")),
    ("hellaswag", include_str!("../../../datasets/cards/hellaswag.toml")),
    ("arc", include_str!("../../../datasets/cards/arc.toml")),
    ("piqa", include_str!("../../../datasets/cards/piqa.toml")),
    ("truthfulqa", include_str!("../../../datasets/cards/truthfulqa.toml")),
    ("gsm8k", include_str!("../../../datasets/cards/gsm8k.toml")),
    ("humaneval", include_str!("../../../datasets/cards/humaneval.toml")),
    ("ifeval", include_str!("../../../datasets/cards/ifeval.toml")),
    (
        "multi_news_plus",
        include_str!("../../../datasets/cards/multi_news_plus.toml"),
    ),
    ("xsum", include_str!("../../../datasets/cards/xsum.toml")),
];

/// The card of a set.
#[must_use]
pub fn card(set: &str) -> Option<DataCard> {
    let (_, text) = CARDS.iter().find(|(name, _)| *name == set)?;
    toml::from_str(text).ok()
}

/// What to do where a file of the task is missing.
pub(crate) fn remedy(spec: &TaskSpec) -> String {
    match card(&spec.set) {
        Some(card) => format!("{} ({})", card.how_to_get, card.source),
        None => "the task card names it relative to the card's own folder".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::tasks;

    #[test]
    fn every_card_parses_and_every_task_has_one() {
        for (set, text) in CARDS {
            let card: DataCard = toml::from_str(text).unwrap_or_else(|error| panic!("{set}: {error}"));
            assert_eq!(card.set, *set);
            assert!(card.source.starts_with("https://"), "{set}");
            assert!(
                card.file
                    .iter()
                    .all(|file| file.sha256.is_empty() || file.sha256.len() == 64),
                "{set}"
            );
        }
        for name in tasks::names() {
            let spec = tasks::find(&name, &[]).unwrap().spec();
            let card = card(&spec.set).unwrap_or_else(|| panic!("{name} has no card"));
            if spec.set != "mmlu" {
                for file in &spec.files {
                    let listed = card.file.iter().any(|listed| listed.name == file.name);
                    assert!(
                        listed || file.usage == tasks::spec::FileUse::FewShot,
                        "{name}: {}",
                        file.name
                    );
                }
            }
        }
    }
}
