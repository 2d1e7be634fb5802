//! Evaluation tasks and calibration corpora of the demo, as the files under `datasets/demo`.
//!
//! Five tasks per domain, each one file here: what is asked, and the card that tells the evaluation how.

pub mod calibration;
mod card;
mod choice;
mod claims;
mod passages;
mod recall;
mod unanswerable;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use crate::facts::{Domain, Fact, Knowledge, KnowledgeError, Relation, fnv1a};
use card::Card;

/// Everything below is drawn with this seed.
const SEED: u64 = 20_260_101;

/// Other wordings of a question beside its own: every relation has at least so many in training.
const PARAPHRASES: usize = 2;

/// One task of one domain: its card and the lines of its file.
struct Task {
    card: Card,
    lines: Vec<String>,
}

/// Makes a task.
type Maker = fn(&Knowledge, Domain) -> Result<Task, KnowledgeError>;

/// Tasks in the order of reports. A new task is one file and one line here.
const TASKS: &[Maker] = &[
    choice::task,
    claims::task,
    recall::task,
    passages::task,
    unanswerable::task,
];

/// Every generated file: path relative to `datasets/demo` → contents.
///
/// # Errors
///
/// Knowledge files that break a rule.
pub fn files() -> Result<BTreeMap<String, String>, KnowledgeError> {
    let knowledge = Knowledge::built_in()?;
    let mut files = BTreeMap::new();
    for domain in Domain::ALL {
        for make in TASKS {
            let Task { card, lines } = make(&knowledge, domain)?;
            let records = lines.concat();
            files.insert(format!("tasks/{}.toml", card.name), card.toml(&records));
            files.insert(format!("tasks/{}.jsonl", card.name), records);
        }
        let records = calibration::records(&knowledge, domain)?;
        files.insert(format!("calibration/{domain}.jsonl"), records.concat());
    }
    Ok(files)
}

/// Writes every generated file under `dir` (`datasets/demo`) and returns their paths.
///
/// # Errors
///
/// Knowledge files that break a rule, or a file that cannot be written.
pub fn write_all(dir: &Path) -> Result<Vec<PathBuf>, KnowledgeError> {
    let mut written = Vec::new();
    for (name, contents) in files()? {
        let path = dir.join(name);
        let parent = path.parent().unwrap_or(dir);
        fs::create_dir_all(parent).map_err(|source| KnowledgeError::Write {
            path: parent.to_path_buf(),
            source,
        })?;
        fs::write(&path, contents).map_err(|source| KnowledgeError::Write {
            path: path.clone(),
            source,
        })?;
        written.push(path);
    }
    Ok(written)
}

/// `demo_bio_choice`, `demo_general_choice` …
fn task_name(domain: Domain, task: &str) -> String {
    let domain = match domain {
        Domain::Biomedical => "bio",
        Domain::General => "general",
    };
    format!("demo_{domain}_{task}")
}

/// Generator of one task: tasks do not move when another one changes.
fn task_rng(name: &str) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(SEED ^ fnv1a(name))
}

/// One JSON line.
fn line<T: Serialize>(file: &str, record: &T) -> Result<String, KnowledgeError> {
    let json = serde_json::to_string(record).map_err(|source| KnowledgeError::Json {
        file: file.into(),
        source,
    })?;
    Ok(json + "\n")
}

/// `count` facts to ask about, two thirds of them asked about in training and one third statement-only, without `skip`ped
/// relations. The order is the same for every task, so tasks ask about the same facts as far as they can.
fn asked_facts(
    knowledge: &Knowledge,
    domain: Domain,
    count: usize,
    wanted: impl Fn(&Relation, &Fact) -> bool,
) -> Vec<(&Relation, &Fact)> {
    let mut facts: Vec<_> = knowledge.facts(domain).collect();
    facts.shuffle(&mut task_rng(domain.name()));
    facts.retain(|(relation, fact)| wanted(relation, fact));
    let (unasked, asked): (Vec<_>, Vec<_>) = facts.into_iter().partition(|(_, f)| f.statement_only);
    let unasked_count = (count / 3).min(unasked.len());
    let mut chosen: Vec<_> = asked.into_iter().take(count - unasked_count).collect();
    chosen.extend(unasked.into_iter().take(unasked_count));
    chosen
}

/// `seen as question` or `statement only`: how training showed a fact.
fn training_form(fact: &Fact) -> &'static str {
    if fact.statement_only {
        "statement only"
    } else {
        "seen as question"
    }
}

#[cfg(test)]
mod tests;
