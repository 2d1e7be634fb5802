//! What the model is asked: tasks in the domain that it is pruned for, and outside it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use secateur_datasets::tasks::spec::Domain;
use secateur_datasets::tasks::{self, card};

use super::{Wish, paths};

/// Public tasks of either domain: choices, free answers, and questions without an answer.
const BIOMEDICAL: [&str; 4] = ["pubmedqa", "medqa_4options", "medhalt_fake", "careqa_open"];
const GENERAL: [&str; 4] = ["hellaswag", "arc_challenge", "squad2", "truthfulqa_gen"];
/// Items of each public task: enough for a margin of 0.05 where one item in ten changes.
const PUBLIC_ITEMS: usize = 500;
/// Margin that so many items can confirm.
const PUBLIC_MARGIN: f64 = 0.05;
/// Cards beside a checkpoint ask about a hundred items.
const CARD_MARGIN: f64 = 0.1;
/// Claims ask for more than the demo's models can tell: answered by chance, they would say nothing about pruning.
const LEFT_OUT: &str = "_claims";

/// Tasks, and what comes with them.
pub struct Questions {
    /// Folder of their cards, as the sweep file writes it.
    pub cards: Option<String>,
    /// Calibration text that lies beside them.
    pub corpus: Option<PathBuf>,
    /// In the domain, then outside it.
    pub asked: Vec<Asked>,
    /// Margin that their items can confirm.
    pub margin: f64,
}

/// A task.
pub struct Asked {
    /// Its name.
    pub name: String,
    /// What it asks.
    pub about: String,
    /// Whether it is of the domain that the model is pruned for.
    pub inside: bool,
    /// Most items.
    pub limit: Option<usize>,
    /// Public data set; empty for a card.
    set: String,
}

impl Questions {
    /// Those in `tasks`, two folders above the checkpoint, where text to calibrate on lies beside them, as with the demo's models;
    /// public ones otherwise.
    ///
    /// # Errors
    /// If a card there cannot be read.
    pub fn beside(checkpoint: &Path, wish: &Wish) -> anyhow::Result<Self> {
        let above = checkpoint.join("../..");
        let folder = above.join("tasks");
        let corpus = above.join("calibration").join(format!("{}.jsonl", word(wish.domain)));
        let names = card::names_in(&folder);
        if names.is_empty() || !corpus.is_file() {
            return Self::public(wish.domain);
        }
        let names = names.iter().filter(|name| !name.ends_with(LEFT_OUT));
        let folders = [folder];
        let asked = names.map(|name| Asked::new(name, &folders, wish.domain, None));
        let mut asked: Vec<Asked> = asked.collect::<anyhow::Result<_>>()?;
        asked.sort_by_key(|task| !task.inside);
        let [folder] = folders;
        Ok(Self {
            cards: Some(paths::from(&wish.folder, &in_short(checkpoint, &folder))?),
            corpus: Some(in_short(checkpoint, &corpus)),
            asked,
            margin: CARD_MARGIN,
        })
    }

    fn public(domain: Domain) -> anyhow::Result<Self> {
        let names = match domain {
            Domain::Biomedical => [BIOMEDICAL, GENERAL],
            Domain::General => [GENERAL, BIOMEDICAL],
        };
        let names = names.iter().flatten();
        let asked = names.map(|name| Asked::new(name, &[], domain, Some(PUBLIC_ITEMS)));
        Ok(Self {
            cards: None,
            corpus: None,
            asked: asked.collect::<anyhow::Result<_>>()?,
            margin: PUBLIC_MARGIN,
        })
    }

    /// Public data sets, each once.
    pub fn sets(&self) -> Vec<&str> {
        let sets = self.asked.iter().map(|task| task.set.as_str());
        let sets: BTreeSet<&str> = sets.filter(|set| !set.is_empty()).collect();
        sets.into_iter().collect()
    }
}

impl Asked {
    fn new(name: &str, cards: &[PathBuf], domain: Domain, limit: Option<usize>) -> anyhow::Result<Self> {
        let spec = tasks::find(name, cards)?.spec();
        Ok(Self {
            name: name.to_owned(),
            about: spec.about,
            inside: spec.domain == domain,
            limit,
            set: if cards.is_empty() { spec.set } else { String::new() },
        })
    }
}

/// The domain as sweep files and records write it.
pub fn word(domain: Domain) -> &'static str {
    match domain {
        Domain::Biomedical => "biomedical",
        Domain::General => "general",
    }
}

/// The real path, made relative to the current folder again where the checkpoint was named so.
fn in_short(checkpoint: &Path, path: &Path) -> PathBuf {
    if checkpoint.is_absolute() {
        path.canonicalize().unwrap_or_else(|_| path.to_path_buf())
    } else {
        path.to_path_buf()
    }
}
