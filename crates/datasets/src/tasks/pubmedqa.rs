//! PubMedQA: does the abstract answer the question with yes, no or maybe?
//!
//! Jin et al. 2019, <https://aclanthology.org/D19-1259>. Prompt: lm-evaluation-harness `pubmedqa`; letter form: arXiv:2607.01444.
//! The test split is by membership: the PMIDs of `test_ground_truth.json`. The harness draws examples from the 450
//! training records of fold 0, whose list is not in these files; here from all labelled records outside the test split.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::{BadItem, DatasetError};
use crate::item::Item;
use crate::record::Record;
use crate::source::Source;
use crate::tasks::few_shot::{Example, Sampler, Shots, items};
use crate::tasks::harness::{Layout, Question, letter_items, letter_spec, no_examples};
use crate::tasks::spec::{ChoiceMetric, Domain, FileSpec, TaskSpec};
use crate::tasks::{Entry, Task};

/// Registry line.
pub const ENTRY: Entry = Entry {
    names: || vec!["pubmedqa".to_owned(), "pubmedqa_letter".to_owned()],
    make: |name| match name {
        "pubmedqa" => Some(Arc::new(PubMedQa { letter: false })),
        "pubmedqa_letter" => Some(Arc::new(PubMedQa { letter: true })),
        _ => None,
    },
};

const RECORDS: &str = "ori_pqal.json";
const TEST: &str = "test_ground_truth.json";
const ANSWERS: [&str; 3] = ["yes", "no", "maybe"];

/// The task, by log-likelihood or by name.
#[derive(Debug)]
pub struct PubMedQa {
    /// Asks for the word instead of scoring it.
    pub letter: bool,
}

impl Task for PubMedQa {
    fn spec(&self) -> TaskSpec {
        let spec = if self.letter {
            letter_spec("pubmedqa_letter", "pubmedqa", Domain::Biomedical, &ANSWERS)
        } else {
            TaskSpec::choice("pubmedqa", "pubmedqa", Domain::Biomedical, &[ChoiceMetric::Acc])
        };
        spec.about("yes, no or maybe from a PubMed abstract")
            .reads(vec![FileSpec::items(RECORDS), FileSpec::items(TEST)])
            .revised(if self.letter { 1 } else { 2 })
    }

    fn read(&self, source: &mut Source, few_shot: usize, _seed: u64) -> Result<Vec<Item>, DatasetError> {
        let records = source.json_entries(RECORDS)?;
        let test: BTreeMap<String, String> = source.json(TEST, "a JSON object of PMIDs and answers")?;
        let (test_records, others): (Vec<_>, Vec<_>) = records
            .into_iter()
            .partition(|record| test.contains_key(entry_id(record)));
        let questions = source.each(&test_records, |record| question(record, test.get(entry_id(record))))?;
        let missing = test.len() - test_records.len();
        if missing > 0 {
            source.note(format!(
                "{missing} of the {} test PMIDs are not in {RECORDS}, which is not complete",
                test.len()
            ));
        }
        if self.letter {
            no_examples(source.task(), few_shot, "the letter form is zero-shot")?;
            return Ok(letter_items(questions));
        }
        let others = if few_shot > 0 {
            source.each(&others, |record| question(record, None))?
        } else {
            Vec::new()
        };
        let shots = Shots {
            sampler: Sampler::Random,
            pool: others.iter().map(Example::from).collect(),
            from: "labelled records outside the test split",
            count: few_shot,
        };
        items(source, &Layout::default(), &shots, questions)
    }
}

fn entry_id(record: &Record) -> &str {
    record.at.strip_prefix("entry ").unwrap_or(&record.at)
}

fn question(record: &Record, truth: Option<&String>) -> Result<Question, BadItem> {
    let stem = record.filled("QUESTION")?;
    let contexts = record.texts("CONTEXTS")?;
    if contexts.is_empty() {
        return Err(record.bad("CONTEXTS", "an empty list", "at least one section of the abstract"));
    }
    let decision = record.text("final_decision")?;
    let gold = ANSWERS.iter().position(|&answer| answer == decision);
    let gold = gold.ok_or_else(|| record.bad("final_decision", format!("\"{decision}\""), "yes, no or maybe"))?;
    if let Some(truth) = truth.filter(|&truth| truth != decision) {
        return Err(record.bad(
            "final_decision",
            format!("\"{decision}\""),
            format!("\"{truth}\", as in {TEST}"),
        ));
    }
    Ok(Question {
        id: entry_id(record).to_owned(),
        prompt: format!("Abstract: {}\nQuestion: {stem}\nAnswer:", contexts.join("\n")),
        choices: ANSWERS.iter().map(|&answer| answer.to_owned()).collect(),
        gold: vec![gold],
        fields: BTreeMap::new(),
        lettered: None,
    })
}
