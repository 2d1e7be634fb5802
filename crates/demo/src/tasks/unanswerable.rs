//! Questions without an answer: about things that do not exist, or about what a passage leaves out.
//!
//! Abstaining is right. Invented names and passages are kept out of training.

use std::collections::BTreeSet;

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use super::card::{Card, Form};
use super::{Task, line, task_name, task_rng};
use crate::facts::passages::Ask;
use crate::facts::{Domain, Knowledge, KnowledgeError, Split, phrase};
use crate::text::documents::INPUT_MARK;

const INVENTED: usize = 40;
const LEFT_OUT: usize = 20;

#[derive(Serialize)]
struct Record {
    id: String,
    prompt: String,
    answers: Vec<String>,
    unanswerable: bool,
    reason: &'static str,
    about: String,
}

pub(super) fn task(knowledge: &Knowledge, domain: Domain) -> Result<Task, KnowledgeError> {
    let name = task_name(domain, "unanswerable");
    let mut rng = task_rng(&name);
    let mut seen = BTreeSet::new();
    let mut lines = Vec::new();
    while lines.len() < INVENTED + LEFT_OUT {
        let (reason, (prompt, about)) = if lines.len() < INVENTED {
            ("invented", invented(knowledge, domain, &mut rng))
        } else {
            ("left-out", left_out(knowledge, domain, &mut rng))
        };
        if !seen.insert(prompt.clone()) {
            continue;
        }
        let record = Record {
            id: format!("{reason}-{:03}", lines.len() + 1),
            prompt,
            answers: Vec::new(),
            unanswerable: true,
            reason,
            about,
        };
        lines.push(line(&name, &record)?);
    }
    let card = Card {
        name,
        domain,
        aspect: "reliability",
        about: "Questions about things that do not exist, or about what a passage leaves out: abstaining is right."
            .into(),
        form: Form::Generation {
            source: false,
            max_new_tokens: 24,
        },
        paraphrased: false,
        metrics: &["abstention"],
        keep: &["reason", "about"],
    };
    Ok(Task { card, lines })
}

/// Question about an invented name, and the name.
fn invented(knowledge: &Knowledge, domain: Domain, rng: &mut ChaCha8Rng) -> (String, String) {
    let relations: Vec<_> = knowledge
        .relations
        .iter()
        .filter(|r| r.domain == domain)
        .filter_map(|r| r.invented.map(|kind| (r, kind)))
        .collect();
    let (relation, kind) = relations[rng.random_range(0..relations.len())];
    let name = kind.draw(Split::Evaluation, &knowledge.words, rng);
    (phrase(&relation.held_out_question, &name, ""), name)
}

/// Question that its passage leaves open, and the scene.
fn left_out(knowledge: &Knowledge, domain: Domain, rng: &mut ChaCha8Rng) -> (String, String) {
    let reading = knowledge.passages.draw(domain, Ask::LeftOut, Split::Evaluation, rng);
    let prompt = format!("{}{INPUT_MARK}{}", reading.request, reading.passage);
    (prompt, reading.scene)
}
