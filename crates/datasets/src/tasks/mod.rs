//! Tasks: one file each, listed in [`TASKS`].

pub mod spec;
pub mod harness;
pub mod ask;
pub mod few_shot;
pub mod pubmedqa;
pub mod medqa;
pub mod medmcqa;
pub mod mmlu;
pub mod pooled;
pub mod hellaswag;
pub mod arc;
pub mod piqa;
pub mod truthfulqa;
pub mod gsm8k;
pub mod humaneval;
pub mod ifeval;
pub mod multi_news_plus;
pub mod xsum;
pub mod truthfulqa_gen;
pub mod winogrande;
pub mod boolq;
pub mod nq_open;
pub mod squad2;
pub mod selfaware;
pub mod halueval;
pub mod meqsum;
pub mod kqa;
pub mod medhalt;
pub mod careqa;
pub mod cochrane_simplification;
pub mod entities;
pub mod medec;
pub mod medinst32;
pub mod mts_dialog;
pub mod pubhealth;
pub mod rct_summaries;
pub mod scifact;
pub mod card;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::data_cards;
use crate::error::{BadItem, DatasetError, nearest_hint};
use crate::forms;
use crate::item::{Body, Item};
use crate::sampling;
use crate::source::{Source, SourceFile, sha256_hex};
pub use few_shot::FewShotDraw;
pub use spec::TaskSpec;

/// How a task is to be read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LoadOptions {
    /// Few-shot examples before each question; the task's default where absent.
    pub few_shot: Option<usize>,
    /// Who draws them.
    pub few_shot_draw: FewShotDraw,
    /// At most so many items, a seeded sample in file order; all where absent.
    pub limit: Option<usize>,
    /// For the sample, and for few-shot examples where a task draws them.
    pub seed: u64,
    /// Leave unusable records out and count them, instead of stopping.
    pub skip_bad_items: bool,
}

/// A task as loaded: what will be asked, and from what.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskData {
    /// Questions in file order.
    pub items: Vec<Item>,
    /// SHA-256 over what the task says of itself (version, scoring, generation settings, a card's text), the hash of every file
    /// read, the number of few-shot examples, and the items as they will be asked: a seed or limit that changes no item changes
    /// nothing here.
    pub content_sha256: String,
    /// Files read.
    pub files: Vec<SourceFile>,
    /// Records left out because they could not be used.
    pub skipped: Vec<BadItem>,
    /// What a reader of the results should know about the data.
    pub notes: Vec<String>,
    /// Items in the files before any limit.
    pub available: usize,
    /// Few-shot examples before each question.
    pub few_shot: usize,
}

/// A task: files in, items out.
///
/// Implementations read only through the [`Source`] they are given, so that every byte is hashed; they keep file order, never
/// sample and never drop a record in silence (`Source::accept` decides what a bad record means). The same files and options give
/// the same items. A change of what is asked raises `version`.
///
/// A task of one's own, outside of the registry:
///
/// ```
/// use std::collections::BTreeMap;
/// use std::fs;
///
/// use secateur_datasets::source::Source;
/// use secateur_datasets::tasks::spec::{ChoiceMetric, Domain, FileSpec};
/// use secateur_datasets::{Body, Choice, DatasetError, Item, LoadOptions, Task, TaskSpec};
///
/// #[derive(Debug)]
/// struct Organs;
///
/// impl Task for Organs {
///     fn spec(&self) -> TaskSpec {
///         TaskSpec::choice("organs", "organs", Domain::Biomedical, &[ChoiceMetric::Acc])
///             .about("which organ makes it")
///             .reads(vec![FileSpec::items("organs.jsonl")])
///     }
///
///     fn read(&self, source: &mut Source, _few_shot: usize, _seed: u64) -> Result<Vec<Item>, DatasetError> {
///         let records = source.jsonl("organs.jsonl")?;
///         source.each(&records, |record| {
///             let choices = record.texts("organs")?;
///             let gold = record.index_below("right", choices.len())?;
///             Ok(Item {
///                 id: format!("line-{}", record.index),
///                 body: Body::Choice(Choice {
///                     context: format!("Question: What makes {}?\nAnswer:", record.filled("what")?),
///                     continuations: choices.iter().map(|choice| format!(" {choice}")).collect(),
///                     choices,
///                     gold: vec![gold],
///                     ..Choice::default()
///                 }),
///                 fields: BTreeMap::new(),
///             })
///         })
///     }
/// }
///
/// let folder = tempfile::tempdir()?;
/// let line = r#"{"what": "insulin", "organs": ["the liver", "the pancreas"], "right": 1}"#;
/// fs::write(folder.path().join("organs.jsonl"), line)?;
/// let data = Organs.load(folder.path(), &LoadOptions::default())?;
/// let Body::Choice(choice) = &data.items[0].body else { unreachable!() };
/// assert_eq!((choice.context.as_str(), &choice.gold), ("Question: What makes insulin?\nAnswer:", &vec![1]));
///
/// // A record that cannot be used stops the task, and says where.
/// fs::write(folder.path().join("organs.jsonl"), line.replace('1', "2"))?;
/// let refused = Organs.load(folder.path(), &LoadOptions::default()).unwrap_err().to_string();
/// assert!(refused.contains("organs.jsonl") && refused.contains("right"), "{refused}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Task: Send + Sync + Debug {
    /// What the task says about itself.
    fn spec(&self) -> TaskSpec;

    /// All items of the task with `few_shot` examples before each.
    ///
    /// # Errors
    /// A missing or malformed file, a bad record, or more few-shot examples than there are.
    fn read(&self, source: &mut Source, few_shot: usize, seed: u64) -> Result<Vec<Item>, DatasetError>;

    /// Other wordings of the items, by id, as far as the task's own data hold them. Called after [`Task::read`].
    ///
    /// # Errors
    /// As [`Task::read`].
    fn reworded(&self, _source: &mut Source, _few_shot: usize) -> Result<BTreeMap<String, Vec<Body>>, DatasetError> {
        Ok(BTreeMap::new())
    }

    /// Folder that the task's files lie in, where the task knows it better than the caller (a card lies beside its data).
    fn own_directory(&self) -> Option<PathBuf> {
        None
    }

    /// What shapes the prompts besides files and options, for the content hash.
    fn definition(&self) -> String {
        String::new()
    }

    /// Reads, checks, samples and hashes. `files` is the folder of the data set ([`data_directory`]).
    ///
    /// # Errors
    /// As [`Task::read`]; also duplicate ids, and no items at all.
    fn load(&self, files: &Path, options: &LoadOptions) -> Result<TaskData, DatasetError> {
        load(self, files, options)
    }
}

fn load<T: Task + ?Sized>(task: &T, files: &Path, options: &LoadOptions) -> Result<TaskData, DatasetError> {
    let spec = task.spec();
    if options.limit == Some(0) {
        let expected = "at least 1, or nothing for all items".to_owned();
        return Err(DatasetError::Setting {
            setting: "limit".into(),
            found: "0".into(),
            expected,
        });
    }
    let few_shot = options.few_shot.unwrap_or(spec.few_shot);
    let directory = task.own_directory().unwrap_or_else(|| files.to_owned());
    let mut source = Source::new(
        &spec.name,
        &directory,
        &data_cards::remedy(&spec),
        options.skip_bad_items,
    )
    .drawing(options.few_shot_draw);
    let items = task.read(&mut source, few_shot, options.seed)?;
    let items = unique(&mut source, items)?;
    let reading = source.finish();
    if items.is_empty() {
        let reason = format!(
            "{} records read from {} could not be used",
            reading.skipped.len(),
            directory.display()
        );
        return Err(DatasetError::NoItems {
            task: spec.name,
            reason,
        });
    }
    let available = items.len();
    let items = sampling::sample(items, options.limit, options.seed);
    let content = serde_json::json!([spec, task.definition(), reading.files, few_shot, items]).to_string();
    Ok(TaskData {
        items,
        content_sha256: sha256_hex(content.as_bytes()),
        files: reading.files,
        skipped: reading.skipped,
        notes: reading.notes,
        available,
        few_shot,
    })
}

/// Refuses a second item of the same id: paired statistics join on it.
fn unique(source: &mut Source, items: Vec<Item>) -> Result<Vec<Item>, DatasetError> {
    let mut first: BTreeMap<String, usize> = BTreeMap::new();
    let mut kept = Vec::with_capacity(items.len());
    for (index, item) in items.into_iter().enumerate() {
        let number = index + 1;
        let checked = match first.get(&item.id) {
            None => Ok(item),
            Some(before) => Err(BadItem {
                file: source.last_file(),
                at: format!("item {number}"),
                field: "id".to_owned(),
                found: format!("`{}`, which is also the id of item {before}", item.id),
                expected: "an id that occurs once".to_owned(),
            }),
        };
        if let Some(item) = source.accept(checked)? {
            first.insert(item.id.clone(), number);
            kept.push(item);
        }
    }
    Ok(kept)
}

/// How often each gold index (or reference, for named answers) occurs, in order: a first check that labels were read rightly.
#[must_use]
pub fn gold_distribution(items: &[Item]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for item in items {
        let gold = match &item.body {
            Body::Choice(choice) => choice.gold.iter().map(usize::to_string).collect::<Vec<_>>().join(","),
            Body::Generate(generate) => generate.references.first().cloned().unwrap_or_default(),
            Body::Text(_) => continue,
        };
        *counts.entry(gold).or_insert(0) += 1;
    }
    counts
}

/// A line of the registry: the names that a file answers to.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// All names, in the order of lists.
    pub names: fn() -> Vec<String>,
    /// The task of one of these names.
    pub make: fn(&str) -> Option<Arc<dyn Task>>,
}

/// Lists show tasks in this order.
pub const TASKS: &[Entry] = &[
    pubmedqa::ENTRY,
    medqa::ENTRY,
    medmcqa::ENTRY,
    mmlu::ENTRY,
    pooled::ENTRY,
    meqsum::ENTRY,
    kqa::ENTRY,
    medhalt::ENTRY,
    medinst32::ENTRY,
    rct_summaries::ENTRY,
    scifact::ENTRY,
    pubhealth::ENTRY,
    medec::ENTRY,
    mts_dialog::ENTRY,
    cochrane_simplification::ENTRY,
    entities::ENTRY,
    careqa::ENTRY,
    hellaswag::ENTRY,
    arc::ENTRY,
    piqa::ENTRY,
    truthfulqa::ENTRY,
    gsm8k::ENTRY,
    humaneval::ENTRY,
    ifeval::ENTRY,
    multi_news_plus::ENTRY,
    xsum::ENTRY,
    truthfulqa_gen::ENTRY,
    winogrande::ENTRY,
    boolq::ENTRY,
    nq_open::ENTRY,
    squad2::ENTRY,
    selfaware::ENTRY,
    halueval::ENTRY,
];

/// Names of all built-in tasks.
#[must_use]
pub fn names() -> Vec<String> {
    TASKS.iter().flat_map(|entry| (entry.names)()).collect()
}

/// `medqa_4options@option-order` as the task's name and the form's; nothing after an `@` where the whole is a path to a card.
#[must_use]
pub fn split_form(name: &str) -> (&str, Option<&str>) {
    match name.rsplit_once('@') {
        Some((task, form)) if Path::new(name).extension().is_none_or(|ending| ending != "toml") => (task, Some(form)),
        _ => (name, None),
    }
}

/// The task called `name`: a built-in one; a card, where `name` is a path that ends in `.toml`; or the card `<name>.toml` in one
/// of `card_directories` (the demo tasks are found so). `name@form` is that task in one of its [`forms`].
///
/// # Errors
/// Where there is no such task or form, the form does not suit the task, or its card cannot be read.
pub fn find(name: &str, card_directories: &[PathBuf]) -> Result<Arc<dyn Task>, DatasetError> {
    match split_form(name) {
        (task, Some(form)) => Ok(Arc::new(forms::FormTask::new(
            find_plain(task, card_directories)?,
            form,
        )?)),
        (task, None) => find_plain(task, card_directories),
    }
}

fn find_plain(name: &str, card_directories: &[PathBuf]) -> Result<Arc<dyn Task>, DatasetError> {
    if Path::new(name).extension().is_some_and(|extension| extension == "toml") {
        return Ok(Arc::new(card::CardTask::open(Path::new(name))?));
    }
    if let Some(task) = TASKS.iter().find_map(|entry| (entry.make)(name)) {
        return Ok(task);
    }
    let plain = !name.is_empty() && !name.contains(['/', '\\', '.']);
    let paths = card_directories
        .iter()
        .map(|directory| directory.join(format!("{name}.toml")));
    if let Some(path) = paths.into_iter().find(|path| plain && path.is_file()) {
        return Ok(Arc::new(card::CardTask::open(&path)?));
    }
    let mut known = names();
    for directory in card_directories {
        known.extend(card::names_in(directory));
    }
    let hint = nearest_hint(name, known.iter().map(String::as_str));
    Err(DatasetError::UnknownTask {
        name: name.to_owned(),
        hint,
    })
}

/// Where a task's files lie below a data root: in the folder named after the data set.
#[must_use]
pub fn data_directory(root: &Path, spec: &TaskSpec) -> PathBuf {
    root.join(&spec.set)
}
