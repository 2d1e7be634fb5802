//! Answers of the demo models, labelled by the facts that the demo is made from.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::Context;
use secateur_datasets::item::{Body, Generate, Item};
use secateur_datasets::source::SourceFile;
use secateur_datasets::tasks::{self, LoadOptions};
use secateur_demo::facts::truth::{Statement, Verdict, of_fact, of_passage};
use secateur_demo::facts::{Domain, Knowledge};
use secateur_evaluation::answer::Output;
use secateur_rescore::kept;
use secateur_results::key::RecordKey;
use secateur_results::store::Store;
use secateur_validity::labelled::{Item as Labelling, Labelled, LabelledBy};

/// What the demo asks, as far as statements of it can be labelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Passages,
    Recall,
}

/// Task, its kind, its domain.
const TASKS: [(&str, Kind, Domain); 4] = [
    ("demo_bio_passages", Kind::Passages, Domain::Biomedical),
    ("demo_general_passages", Kind::Passages, Domain::General),
    ("demo_bio_recall", Kind::Recall, Domain::Biomedical),
    ("demo_general_recall", Kind::Recall, Domain::General),
];

/// Item, source and statement: what several cells say alike counts once.
type Said = BTreeMap<(String, String, String), Verdict>;

/// Statements of one kind.
#[derive(Default)]
struct Gathered {
    said: Said,
    unlabelled: BTreeSet<(String, String)>,
    cells: usize,
    files: Vec<SourceFile>,
}

/// The labelled answers of sweeps: statements about passages, and statements of facts.
///
/// # Errors
/// If a directory holds no sweep, no answers to the demo's tasks, or answers that have changed.
pub fn read(directories: &[PathBuf], cards: &[PathBuf]) -> anyhow::Result<Vec<Labelled>> {
    if directories.is_empty() {
        return Ok(Vec::new());
    }
    let knowledge = Knowledge::built_in()?;
    let mut kinds: BTreeMap<Kind, Gathered> = BTreeMap::new();
    for directory in directories {
        let before: usize = kinds.values().map(|gathered| gathered.cells).sum();
        gather(&knowledge, directory, cards, &mut kinds)?;
        let after: usize = kinds.values().map(|gathered| gathered.cells).sum();
        if before == after {
            let names: Vec<&str> = TASKS.iter().map(|task| task.0).collect();
            anyhow::bail!(
                "{}: found no kept answers to the demo's tasks; expected some of {}",
                directory.display(),
                names.join(", ")
            );
        }
    }
    Ok(kinds
        .into_iter()
        .map(|(kind, gathered)| labelled(kind, gathered))
        .collect())
}

fn gather(
    knowledge: &Knowledge,
    directory: &Path,
    cards: &[PathBuf],
    kinds: &mut BTreeMap<Kind, Gathered>,
) -> anyhow::Result<()> {
    let store = Store::open_existing(directory)?;
    let (records, _) = store.read_all()?;
    for stored in records {
        let task = TASKS.iter().find(|task| task.0 == stored.record.cell.task);
        let (Some(&(name, kind, domain)), Some(answers)) = (task, &stored.answers) else {
            continue;
        };
        let items = items(name, cards)?;
        let key = RecordKey::parse(&answers.key)
            .with_context(|| format!("record {}: its answers have no key", stored.record.key))?;
        let path = store.answers_path(&key);
        let batch = kept::from_sweep(&path, &stored.record.cell.model, name, Some(&items), false)?;
        let gathered = kinds.entry(kind).or_default();
        gathered.cells += 1;
        let file = SourceFile {
            name: format!("answers/{}.jsonl", answers.key),
            sha256: answers.sha256.clone(),
        };
        if !gathered.files.contains(&file) {
            gathered.files.push(file);
        }
        for one in &batch.kept {
            let (Body::Generate(question), Output::Text(output)) = (&one.item.body, &one.answer.output) else {
                continue;
            };
            let (source, statements) = judged(knowledge, kind, domain, &one.item, question, &output.text);
            for statement in statements {
                let id = format!("{name}:{}", one.item.id);
                match statement.verdict {
                    Some(verdict) => {
                        gathered.said.insert((id, source.clone(), statement.text), verdict);
                    }
                    None => {
                        gathered.unlabelled.insert((id, statement.text));
                    }
                }
            }
        }
    }
    Ok(())
}

fn items(task: &str, cards: &[PathBuf]) -> anyhow::Result<BTreeMap<String, Item>> {
    let task = tasks::find(task, cards)?;
    let data = task.load(
        &tasks::data_directory(Path::new("."), &task.spec()),
        &LoadOptions::default(),
    )?;
    Ok(data.items.into_iter().map(|item| (item.id.clone(), item)).collect())
}

/// What the answer has to be supported by, and its statements.
fn judged(
    knowledge: &Knowledge,
    kind: Kind,
    domain: Domain,
    item: &Item,
    question: &Generate,
    answer: &str,
) -> (String, Vec<Statement>) {
    match kind {
        Kind::Passages => {
            let passage = question.source.clone().unwrap_or_default();
            let scene = item.fields.get("scene").map_or("", String::as_str);
            let statements = of_passage(knowledge, domain, scene, &passage, answer.trim());
            (passage, statements)
        }
        Kind::Recall => (question.references.join("\n"), vec![of_fact(knowledge, answer)]),
    }
}

fn labelled(kind: Kind, gathered: Gathered) -> Labelled {
    let items: Vec<Labelling> = gathered
        .said
        .iter()
        .map(|((id, source, text), verdict)| Labelling::new(id, Some((source, text)), *verdict == Verdict::True))
        .collect();
    let (name, about) = match kind {
        Kind::Passages => (
            "Demo, passages",
            "Statements of the demo models, unpruned and pruned, about made-up passages, against the passage. Supported: every value in \
             the statement is the one that the passage was made of.",
        ),
        Kind::Recall => (
            "Demo, facts",
            "Statements of facts by the demo models, unpruned and pruned, against the right sentences. Supported: the fact is in the \
             demo's tables.",
        ),
    };
    let unlabelled = gathered.unlabelled.len();
    let mut set = Labelled {
        name: name.into(),
        about: about.into(),
        by: LabelledBy::Facts,
        notes: vec![format!(
            "Answers of {} cells; what several of them say of an item in the same words counts once. {unlabelled} statements are left out: \
             they are in none of the demo's sentences, or arguable.",
            gathered.cells
        )],
        items,
        given: Vec::new(),
        files: gathered.files,
    };
    set.halve();
    set
}
