//! What is known about each data set: where it comes from, its official files, licence, citation, and how far our loader was tested.
//!
//! The cards are `cards/<set>.toml` of this crate, compiled in.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::DatasetError;
use crate::strict_toml;
use crate::tasks::{self, TaskSpec};
use crate::toml_place::{Spot, refusal};

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
    /// Where `url` is an archive (.zip, .tar, .tar.gz, .gz): path of the file inside. Size and checksum are of the file.
    #[serde(default)]
    pub member: String,
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
    ("pubmedqa", include_str!("../cards/pubmedqa.toml")),
    ("medqa", include_str!("../cards/medqa.toml")),
    ("medmcqa", include_str!("../cards/medmcqa.toml")),
    ("mmlu", include_str!("../cards/mmlu.toml")),
    ("multimedqa", include_str!("../cards/multimedqa.toml")),
    ("meqsum", include_str!("../cards/meqsum.toml")),
    ("kqa", include_str!("../cards/kqa.toml")),
    ("medlfqa", include_str!("../cards/medlfqa.toml")),
    ("medhalt", include_str!("../cards/medhalt.toml")),
    ("medinst32", include_str!("../cards/medinst32.toml")),
    ("rct_summaries", include_str!("../cards/rct_summaries.toml")),
    ("scifact", include_str!("../cards/scifact.toml")),
    ("pubhealth", include_str!("../cards/pubhealth.toml")),
    ("medec", include_str!("../cards/medec.toml")),
    ("mts_dialog", include_str!("../cards/mts_dialog.toml")),
    (
        "cochrane_simplification",
        include_str!("../cards/cochrane_simplification.toml"),
    ),
    ("bioner", include_str!("../cards/bioner.toml")),
    ("careqa", include_str!("../cards/careqa.toml")),
    ("hellaswag", include_str!("../cards/hellaswag.toml")),
    ("arc", include_str!("../cards/arc.toml")),
    ("piqa", include_str!("../cards/piqa.toml")),
    ("truthfulqa", include_str!("../cards/truthfulqa.toml")),
    ("gsm8k", include_str!("../cards/gsm8k.toml")),
    ("humaneval", include_str!("../cards/humaneval.toml")),
    ("ifeval", include_str!("../cards/ifeval.toml")),
    ("multi_news_plus", include_str!("../cards/multi_news_plus.toml")),
    ("xsum", include_str!("../cards/xsum.toml")),
    ("winogrande", include_str!("../cards/winogrande.toml")),
    ("boolq", include_str!("../cards/boolq.toml")),
    ("nq_open", include_str!("../cards/nq_open.toml")),
    ("squad2", include_str!("../cards/squad2.toml")),
    ("selfaware", include_str!("../cards/selfaware.toml")),
    ("halueval", include_str!("../cards/halueval.toml")),
];

/// The card of a set.
#[must_use]
pub fn card(set: &str) -> Option<DataCard> {
    let (_, text) = CARDS.iter().find(|(name, _)| *name == set)?;
    toml::from_str(text).ok()
}

/// All cards, by set name.
#[must_use]
pub fn all() -> Vec<DataCard> {
    let mut cards: Vec<DataCard> = CARDS.iter().filter_map(|(set, _)| card(set)).collect();
    cards.sort_by(|a, b| a.set.cmp(&b.set));
    cards
}

/// Reads the card of a set of one's own.
///
/// # Errors
/// If it cannot be read or parsed, its `set` is not its file name, or a checksum is none.
pub fn open(path: &Path) -> Result<DataCard, DatasetError> {
    let text = std::fs::read_to_string(path).map_err(|source| DatasetError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    let bad = |message| DatasetError::Card {
        path: path.to_owned(),
        message,
    };
    let refused = |place: &Spot, message: &str| bad(refusal(path, &text, place.find(&text), message));
    let card: DataCard = strict_toml::parse_file(path, &text).map_err(bad)?;
    if path.file_stem().is_none_or(|stem| stem != card.set.as_str()) {
        let message = format!("`set` is `{}`, expected the name of the file without `.toml`", card.set);
        return Err(refused(&Spot::key("set"), &message));
    }
    let is_hash = |text: &str| text.is_empty() || (text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()));
    if let Some(file) = card.file.iter().find(|file| !is_hash(&file.sha256)) {
        let message = format!(
            "`sha256` of `{}` is `{}`, expected 64 hexadecimal digits",
            file.name, file.sha256
        );
        let place = Spot::key("file").entry(&file.name).then("sha256");
        return Err(refused(&place, &message));
    }
    Ok(card)
}

/// The cards in a folder, by set name.
///
/// # Errors
/// If the folder cannot be read, or a card in it.
pub fn in_folder(folder: &Path) -> Result<Vec<DataCard>, DatasetError> {
    let unreadable = |source| DatasetError::Unreadable {
        path: folder.to_owned(),
        source,
    };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        paths.push(entry.map_err(unreadable)?.path());
    }
    paths.retain(|path: &PathBuf| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    paths.iter().map(|path| open(path)).collect()
}

/// Built-in tasks that read a set, in the order of lists.
#[must_use]
pub fn tasks_of(set: &str) -> Vec<TaskSpec> {
    let specs = tasks::names()
        .into_iter()
        .filter_map(|name| tasks::find(&name, &[]).ok());
    specs.map(|task| task.spec()).filter(|spec| spec.set == set).collect()
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

    #[test]
    fn own_cards_are_checked_as_they_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine.toml");
        let good = "set = \"mine\"\ntitle = \"\"\nsource = \"\"\nlicence = \"\"\ncitation = \"\"\nhow_to_get = \"\"\n\
            loader_tested_on_real_data = \"no\"\n[[file]]\nname = \"a\"\n";
        let message = |text: String| {
            std::fs::write(&path, text).unwrap();
            in_folder(folder.path()).unwrap_err().to_string()
        };
        let other = message(good.replace("\"mine\"", "\"other\""));
        assert!(
            other.contains("mine.toml, line 1, column 7: `set` is `other`, expected the name of the file"),
            "{other}"
        );
        let short = message(format!("{good}sha256 = \"12\"\n"));
        assert!(
            short.contains("line 10, column 10: ") && short.contains("64 hexadecimal digits"),
            "{short}"
        );
        assert!(short.ends_with("\n10 | sha256 = \"12\"\n   |          ^^^^"), "{short}");
        assert!(message(format!("{good}size = 3\n")).contains("line 10, column 1: unknown key `size`"));
        std::fs::write(&path, good).unwrap();
        assert_eq!(in_folder(folder.path()).unwrap()[0].set, "mine");
    }

    #[test]
    fn a_set_knows_its_tasks() {
        let names: Vec<String> = tasks_of("truthfulqa").into_iter().map(|spec| spec.name).collect();
        assert!(names.contains(&"truthfulqa_mc1".to_owned()) && names.contains(&"truthfulqa_mc2".to_owned()));
        assert!(all().windows(2).all(|pair| pair[0].set < pair[1].set));
    }
}
