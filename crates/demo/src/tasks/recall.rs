//! Open questions with one right answer, in wording that training never showed.
//!
//! A reference is the whole sentence in each of the relation's wordings, or the answer alone; `answer` is the entity
//! that a right response must hold. The other wordings (`paraphrases`) are questions of training.

use serde::Serialize;

use super::card::{Card, Form};
use super::{PARAPHRASES, Task, asked_facts, line, task_name, training_form};
use crate::facts::{Domain, Knowledge, KnowledgeError, phrase};

const ITEMS: usize = 120;

#[derive(Serialize)]
struct Record<'a> {
    id: String,
    prompt: String,
    paraphrases: Vec<String>,
    answers: Vec<String>,
    unanswerable: bool,
    answer: &'a str,
    relation: &'a str,
    subject: &'a str,
    training: &'static str,
}

pub(super) fn task(knowledge: &Knowledge, domain: Domain) -> Result<Task, KnowledgeError> {
    let name = task_name(domain, "recall");
    let mut lines = Vec::new();
    for (relation, fact) in asked_facts(knowledge, domain, ITEMS, |relation, _| relation.open) {
        let mut answers: Vec<String> = relation
            .statements
            .iter()
            .map(|s| phrase(s, &fact.subject, &fact.answer))
            .collect();
        answers.push(fact.answer.clone());
        let asked = |question: &String| phrase(question, &fact.subject, "");
        let record = Record {
            id: format!("{}:{}", relation.name, fact.subject),
            prompt: asked(&relation.held_out_question),
            paraphrases: relation.questions.iter().take(PARAPHRASES).map(asked).collect(),
            answers,
            unanswerable: false,
            answer: &fact.answer,
            relation: &relation.name,
            subject: &fact.subject,
            training: training_form(fact),
        };
        lines.push(line(&name, &record)?);
    }
    let card = Card {
        name,
        domain,
        aspect: "utility",
        about: "Open questions about the facts of the demo, answered in a sentence.".into(),
        form: Form::Generation {
            source: false,
            max_new_tokens: 32,
        },
        paraphrased: true,
        metrics: &["exact_match", "token_f1", "support", "abstention"],
        keep: &["answer", "relation", "subject", "training"],
    };
    Ok(Task { card, lines })
}
