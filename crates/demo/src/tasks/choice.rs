//! Four-way cloze: which ending of a held-out sentence is the most likely? Chance is 1/4.
//!
//! Wrong endings are answers of the same relation, as frequent among the choices as they are among the right answers, so
//! that knowing which answers are common does not help. The other wordings (`paraphrases`) are sentences of training.

use rand::Rng;
use rand::seq::SliceRandom;
use serde::Serialize;

use super::card::{Card, Form};
use super::{PARAPHRASES, Task, asked_facts, line, task_name, task_rng, training_form};
use crate::facts::{Domain, Fact, Knowledge, KnowledgeError, Relation, phrase};

const ITEMS: usize = 120;
const CHOICES: usize = 4;

#[derive(Serialize)]
struct Record<'a> {
    id: String,
    prompt: String,
    paraphrases: Vec<String>,
    choices: Vec<&'a str>,
    label: usize,
    relation: &'a str,
    subject: &'a str,
    training: &'static str,
}

pub(super) fn task(knowledge: &Knowledge, domain: Domain) -> Result<Task, KnowledgeError> {
    let name = task_name(domain, "choice");
    let mut rng = task_rng(&name);
    let enough = |relation: &Relation, fact: &Fact| {
        let mut wrong = relation.wrong_answers(fact);
        wrong.sort_unstable();
        wrong.dedup();
        wrong.len() >= CHOICES - 1
    };
    let mut lines = Vec::new();
    for (relation, fact) in asked_facts(knowledge, domain, ITEMS, enough) {
        let mut choices = vec![fact.answer.as_str()];
        let wrong = relation.wrong_answers(fact);
        while choices.len() < CHOICES {
            let drawn = wrong[rng.random_range(0..wrong.len())];
            if !choices.contains(&drawn) {
                choices.push(drawn);
            }
        }
        choices.shuffle(&mut rng);
        let label = choices.iter().position(|c| *c == fact.answer);
        // The answer of a cloze comes last.
        let trained = relation
            .statements
            .iter()
            .filter(|statement| statement.ends_with(" {o}."));
        let cloze = |statement: &String| {
            let sentence = phrase(statement, &fact.subject, "");
            sentence.trim_end_matches([' ', '.']).to_string()
        };
        let record = Record {
            id: format!("{}:{}", relation.name, fact.subject),
            prompt: cloze(&relation.held_out_statement),
            paraphrases: trained.take(PARAPHRASES).map(cloze).collect(),
            choices,
            label: label.unwrap_or_default(),
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
        about: "Facts of the demo as a four-way cloze with wording that training never showed.".into(),
        form: Form::Choices,
        paraphrased: true,
        metrics: &["acc", "acc_norm"],
        keep: &["relation", "subject", "training"],
    };
    Ok(Task { card, lines })
}
