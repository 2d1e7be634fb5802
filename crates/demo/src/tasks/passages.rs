//! Passages with a question whose answer they state, or to be summarised.
//!
//! No passage occurs in training. Names and numbers of a right response are listed in `values`.

use std::collections::BTreeSet;

use serde::Serialize;

use super::card::{Card, Form};
use super::{Task, line, task_name, task_rng};
use crate::facts::passages::Ask;
use crate::facts::{Domain, Knowledge, KnowledgeError, Split};
use crate::text::documents::INPUT_MARK;

const QUESTIONS: usize = 56;
const SUMMARIES: usize = 24;

#[derive(Serialize)]
struct Record {
    id: String,
    prompt: String,
    passage: String,
    answers: Vec<String>,
    unanswerable: bool,
    request: &'static str,
    scene: String,
    values: String,
}

pub(super) fn task(knowledge: &Knowledge, domain: Domain) -> Result<Task, KnowledgeError> {
    let name = task_name(domain, "passages");
    let mut rng = task_rng(&name);
    let mut seen = BTreeSet::new();
    let mut lines = Vec::new();
    while lines.len() < QUESTIONS + SUMMARIES {
        let (ask, request) = if lines.len() < QUESTIONS {
            (Ask::Stated, "question")
        } else {
            (Ask::Summary, "summary")
        };
        let reading = knowledge.passages.draw(domain, ask, Split::Evaluation, &mut rng);
        if !seen.insert(reading.passage.clone()) {
            continue;
        }
        let mut answers = vec![reading.answer];
        if ask == Ask::Stated {
            answers.extend(reading.values.clone());
        }
        let record = Record {
            id: format!("{request}-{:03}", lines.len() + 1),
            prompt: format!("{}{INPUT_MARK}{}", reading.request, reading.passage),
            passage: reading.passage,
            answers,
            unanswerable: false,
            request,
            scene: reading.scene,
            values: reading.values.join("; "),
        };
        lines.push(line(&name, &record)?);
    }
    let card = Card {
        name,
        domain,
        aspect: "reliability",
        about: "Questions about made-up passages that state the answer, and passages to summarise.".into(),
        form: Form::Generation {
            source: true,
            max_new_tokens: 48,
        },
        paraphrased: false,
        metrics: &["exact_match", "token_f1", "rouge", "support"],
        keep: &["request", "scene", "values"],
    };
    Ok(Task { card, lines })
}
