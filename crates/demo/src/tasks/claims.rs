//! True and false claims, half each: is "Yes" or "No" more likely? Chance is 1/2.
//!
//! The frame of the question is held out, and no false claim of this task is made in training.

use rand::Rng;
use serde::Serialize;

use super::card::{Card, Form};
use super::{Task, asked_facts, line, task_name, task_rng, training_form};
use crate::facts::{Domain, Knowledge, KnowledgeError, Split, phrase};
use crate::text::documents::{HELD_OUT_CLAIM_FRAME, false_answers};

const ITEMS: usize = 100;

#[derive(Serialize)]
struct Record<'a> {
    id: String,
    prompt: String,
    label: &'static str,
    relation: &'a str,
    subject: &'a str,
    claimed: &'a str,
    right: &'a str,
    training: &'static str,
}

pub(super) fn task(knowledge: &Knowledge, domain: Domain) -> Result<Task, KnowledgeError> {
    let name = task_name(domain, "claims");
    let mut rng = task_rng(&name);
    let facts = asked_facts(knowledge, domain, ITEMS, |relation, fact| {
        !false_answers(relation, fact, Split::Evaluation).is_empty()
    });
    let mut lines = Vec::new();
    for (index, (relation, fact)) in facts.into_iter().enumerate() {
        let true_claim = index % 2 == 0;
        let claimed = if true_claim {
            fact.answer.as_str()
        } else {
            let wrong = false_answers(relation, fact, Split::Evaluation);
            wrong[rng.random_range(0..wrong.len())]
        };
        let claim = phrase(&relation.claim, &fact.subject, claimed);
        let record = Record {
            id: format!("{}:{}", relation.name, fact.subject),
            prompt: HELD_OUT_CLAIM_FRAME.replace("{c}", &claim),
            label: if true_claim { "Yes" } else { "No" },
            relation: &relation.name,
            subject: &fact.subject,
            claimed,
            right: &fact.answer,
            training: training_form(fact),
        };
        lines.push(line(&name, &record)?);
    }
    let card = Card {
        name,
        domain,
        aspect: "reliability",
        about: "True and false claims about the facts of the demo, half each.".into(),
        form: Form::FixedChoices(&["Yes", "No"]),
        paraphrased: false,
        metrics: &["acc"],
        keep: &["relation", "subject", "claimed", "right", "training"],
    };
    Ok(Task { card, lines })
}
