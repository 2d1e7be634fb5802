//! `PubHealth`: public health claims, checked by journalists.
//!
//! Kotonya & Toni 2020, <https://aclanthology.org/2020.emnlp-main.623>. Four labels. The authors train models on claim and evidence and
//! prompt none; the prompts here are plain: `pubhealth` shows the claim alone, `pubhealth_evidence` the article before it, which
//! may be longer than a model's context and is then cut from the left. The list of columns in the
//! repository leaves the label of the test file out; where it is indeed not there, put `dev.tsv` in its place.

use std::sync::Arc;

use crate::error::{BadItem, DatasetError};
use crate::item::Item;
use crate::record::Record;
use crate::source::Source;
use crate::tasks::harness::{Layout, Question, no_examples};
use crate::tasks::spec::{ChoiceMetric, Domain, FileSpec, TaskSpec};
use crate::tasks::{Entry, Task};

/// Registry line.
pub const ENTRY: Entry = Entry {
    names: || ["pubhealth", "pubhealth_evidence"].map(str::to_owned).into(),
    make: |name| match name {
        "pubhealth" => Some(Arc::new(PubHealth { evidence: false })),
        "pubhealth_evidence" => Some(Arc::new(PubHealth { evidence: true })),
        _ => None,
    },
};

const TEST: &str = "test.tsv";
const DEVELOPMENT: &str = "dev.tsv";
const LABELS: [&str; 4] = ["true", "false", "mixture", "unproven"];

/// The task, with or without the article.
#[derive(Debug)]
pub struct PubHealth {
    evidence: bool,
}

impl Task for PubHealth {
    fn spec(&self) -> TaskSpec {
        let name = if self.evidence {
            "pubhealth_evidence"
        } else {
            "pubhealth"
        };
        TaskSpec::choice(name, "pubhealth", Domain::Biomedical, &[ChoiceMetric::Acc])
            .about("public health claims: true, false, mixture or unproven")
            .reads(vec![FileSpec::items(TEST).or(DEVELOPMENT)])
            .reliability()
    }

    fn read(&self, source: &mut Source, few_shot: usize, _seed: u64) -> Result<Vec<Item>, DatasetError> {
        no_examples(source.task(), few_shot, "it is zero-shot")?;
        let file = source.first_present(&[TEST, DEVELOPMENT]);
        if file != TEST {
            source.note(format!("read from {file}: {TEST} is not here"));
        }
        let text = source.text(file)?;
        let records = source.rows(file, &text, b'\t', None)?;
        let questions = source.each(&records, |record| question(record, self.evidence))?;
        Ok(Layout::default().items(&[], questions))
    }
}

fn question(record: &Record, evidence: bool) -> Result<Question, BadItem> {
    let claim = record.filled("claim")?.trim();
    let label = record.text("label")?.trim();
    let gold = LABELS.iter().position(|&known| known == label);
    let gold = gold.ok_or_else(|| record.bad("label", format!("\"{label}\""), "true, false, mixture or unproven"))?;
    let article = if evidence {
        format!("Article: {}\n", record.filled("main_text")?.trim())
    } else {
        String::new()
    };
    let prompt = format!(
        "{article}Claim: {claim}\nQuestion: Is this claim true, false, a mixture of both, or unproven?\nAnswer:"
    );
    let question = Question {
        id: record.filled("claim_id")?.trim().to_owned(),
        prompt,
        choices: LABELS.map(str::to_owned).to_vec(),
        gold: vec![gold],
        fields: std::collections::BTreeMap::new(),
        lettered: None,
    };
    let subjects = record.text("subjects").unwrap_or_default();
    Ok(question.with("subjects", subjects))
}
