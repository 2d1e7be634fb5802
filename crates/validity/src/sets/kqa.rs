//! Physicians' labels of K-QA (Manes et al. 2024, <https://arxiv.org/abs/2401.14493>): does a model's answer entail a statement?
//!
//! `NLI_medical_annotator.csv`: `answer` is the source, `claim` the text; three physicians' labels and their majority.

use secateur_datasets::record::Record;
use secateur_datasets::source::Source;
use secateur_metrics::statements;

use super::Set;
use super::annotators::{Votes, each_against_the_others};
use crate::error::ValidityError;
use crate::labelled::{Given, Item, Labelled, LabelledBy};

const FILE: &str = "NLI_medical_annotator.csv";
const LABELS: [&str; 3] = ["Entailment", "Neutral", "Contradiction"];

/// Reader of the labels.
pub struct Kqa;

struct Row {
    question: String,
    answer: String,
    claim: String,
    label: String,
    votes: Vec<String>,
}

impl Set for Kqa {
    fn folder(&self) -> &'static str {
        "kqa"
    }

    fn files(&self) -> &'static [&'static str] {
        &[FILE]
    }

    fn read(&self, source: &mut Source) -> Result<Vec<Labelled>, ValidityError> {
        let records = source.csv(FILE, None)?;
        let rows = source.each(&records, |record| {
            let text = |name: &str| record.filled(name).map(str::to_owned);
            let votes = ["label_0", "label_1", "label_2"].map(|name| label(record, name));
            Ok(Row {
                question: text("Question")?,
                answer: text("answer")?,
                claim: text("claim")?,
                label: label(record, "majority_label")?,
                votes: votes.into_iter().collect::<Result<_, _>>()?,
            })
        })?;
        Ok(vec![entailed(&rows), agreement(&rows), contradicted(&rows)])
    }
}

fn label(record: &Record, name: &str) -> Result<String, secateur_datasets::error::BadItem> {
    let text = record.text(name)?;
    if LABELS.contains(&text) {
        Ok(text.to_owned())
    } else {
        Err(record.bad(name, text, "`Entailment`, `Neutral` or `Contradiction`"))
    }
}

fn entailed(rows: &[Row]) -> Labelled {
    let item = |row: &Row| {
        Item::new(
            &row.question,
            Some((&row.answer, &row.claim)),
            row.label == "Entailment",
        )
    };
    let recall = |row: &Row| Some(statements::recall(&row.answer, &row.claim, &row.question));
    let stated = |row: &Row| {
        Some(f64::from(u8::from(statements::states(
            &row.answer,
            &row.claim,
            &row.question,
        ))))
    };
    Labelled {
        name: "K-QA".into(),
        about: "Physicians' statements (text) against a model's answer (source). Supported: most of three physicians say the answer \
                entails the statement."
            .into(),
        by: LabelledBy::People,
        items: rows.iter().map(item).collect(),
        given: vec![
            Given {
                name: "statement recall, the question's words aside".into(),
                scores: rows.iter().map(recall).collect(),
            },
            Given {
                name: "stated (rule of the K-QA task)".into(),
                scores: rows.iter().map(stated).collect(),
            },
        ],
        files: Vec::new(),
        notes: Vec::new(),
    }
}

fn agreement(rows: &[Row]) -> Labelled {
    let votes = |row: &Row| Votes {
        document: row.question.clone(),
        votes: row.votes.iter().map(|vote| vote == "Entailment").collect(),
    };
    let texts: Vec<Votes> = rows.iter().map(votes).collect();
    let about = "Does a physician see entailment where the other two agree? What a person reaches.";
    each_against_the_others("K-QA, physicians", about, LabelledBy::People, &texts)
}

fn contradicted(rows: &[Row]) -> Labelled {
    let item = |row: &Row| {
        Item::new(
            &row.question,
            Some((&row.answer, &row.claim)),
            row.label != "Contradiction",
        )
    };
    let said = |row: &Row| Some(f64::from(u8::from(!statements::contradicts(&row.answer, &row.claim))));
    let count = rows.iter().filter(|row| row.label == "Contradiction").count();
    Labelled {
        name: "K-QA contradictions".into(),
        about: "The same, but supported means that most physicians see no contradiction.".into(),
        by: LabelledBy::People,
        items: rows.iter().map(item).collect(),
        given: vec![Given {
            name: "not contradicted (rule of the K-QA task)".into(),
            scores: rows.iter().map(said).collect(),
        }],
        files: Vec::new(),
        notes: vec![format!(
            "Only {count} of {} statements are contradicted: these figures say little.",
            rows.len()
        )],
    }
}
