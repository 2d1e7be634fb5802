//! MMLU, one task per subject.
//!
//! Hendrycks et al. 2021, <https://arxiv.org/abs/2009.03300>. Prompt: lm-evaluation-harness `mmlu_<subject>`, few-shot examples are the
//! first of the development split; letter form: arXiv:2607.01444. The official files are CSV without a header:
//! question, A, B, C, D, answer letter.

use std::sync::Arc;

use crate::error::{BadItem, DatasetError};
use crate::item::Item;
use crate::python::text::strip;
use crate::record::Record;
use crate::source::Source;
use crate::tasks::harness::{LETTERS, Layout, Question, first, letter_items, letter_spec, no_examples};
use crate::tasks::spec::{ChoiceMetric, Domain, FileSpec, TaskSpec};
use crate::tasks::{Entry, Task};

/// Registry line: `mmlu_<subject>` and `mmlu_<subject>_letter`.
pub const ENTRY: Entry = Entry {
    names: || {
        SUBJECTS
            .iter()
            .flat_map(|subject| [format!("mmlu_{subject}"), format!("mmlu_{subject}_letter")])
            .collect()
    },
    make: |name| {
        let rest = name.strip_prefix("mmlu_")?;
        let (rest, letter) = rest.strip_suffix("_letter").map_or((rest, false), |rest| (rest, true));
        let subject = SUBJECTS.iter().find(|&&subject| subject == rest)?;
        Some(Arc::new(Mmlu { subject, letter }))
    },
};

/// The 57 subjects, as the official files are named.
pub const SUBJECTS: &[&str] = &[
    "abstract_algebra",
    "anatomy",
    "astronomy",
    "business_ethics",
    "clinical_knowledge",
    "college_biology",
    "college_chemistry",
    "college_computer_science",
    "college_mathematics",
    "college_medicine",
    "college_physics",
    "computer_security",
    "conceptual_physics",
    "econometrics",
    "electrical_engineering",
    "elementary_mathematics",
    "formal_logic",
    "global_facts",
    "high_school_biology",
    "high_school_chemistry",
    "high_school_computer_science",
    "high_school_european_history",
    "high_school_geography",
    "high_school_government_and_politics",
    "high_school_macroeconomics",
    "high_school_mathematics",
    "high_school_microeconomics",
    "high_school_physics",
    "high_school_psychology",
    "high_school_statistics",
    "high_school_us_history",
    "high_school_world_history",
    "human_aging",
    "human_sexuality",
    "international_law",
    "jurisprudence",
    "logical_fallacies",
    "machine_learning",
    "management",
    "marketing",
    "medical_genetics",
    "miscellaneous",
    "moral_disputes",
    "moral_scenarios",
    "nutrition",
    "philosophy",
    "prehistory",
    "professional_accounting",
    "professional_law",
    "professional_medicine",
    "professional_psychology",
    "public_relations",
    "security_studies",
    "sociology",
    "us_foreign_policy",
    "virology",
    "world_religions",
];

/// The six subjects that MultiMedQA counts as medical.
pub const MULTIMEDQA_SUBJECTS: [&str; 6] = [
    "anatomy",
    "clinical_knowledge",
    "college_biology",
    "college_medicine",
    "medical_genetics",
    "professional_medicine",
];

/// One subject, by log-likelihood or by letter.
#[derive(Debug)]
pub struct Mmlu {
    /// One of [`SUBJECTS`].
    pub subject: &'static str,
    /// Asks for the letter instead of scoring it.
    pub letter: bool,
}

impl Mmlu {
    fn file(&self, split: &str) -> String {
        format!("{split}/{}_{split}.csv", self.subject)
    }
}

impl Task for Mmlu {
    fn spec(&self) -> TaskSpec {
        let medical = MULTIMEDQA_SUBJECTS.contains(&self.subject);
        let domain = if medical { Domain::Biomedical } else { Domain::General };
        let spec = if self.letter {
            letter_spec(format!("mmlu_{}_letter", self.subject), "mmlu", domain, &LETTERS)
        } else {
            TaskSpec::choice(format!("mmlu_{}", self.subject), "mmlu", domain, &[ChoiceMetric::Acc])
        };
        let files = vec![FileSpec::items(self.file("test")), FileSpec::few_shot(self.file("dev"))];
        spec.about(format!("MMLU, {}", self.subject.replace('_', " ")))
            .reads(files)
    }

    fn read(&self, source: &mut Source, few_shot: usize, _seed: u64) -> Result<Vec<Item>, DatasetError> {
        let questions = self.questions(source, "test")?;
        if self.letter {
            no_examples(source.task(), few_shot, "the letter form is zero-shot")?;
            return Ok(letter_items(questions));
        }
        let mut examples = Vec::new();
        if few_shot > 0 {
            let dev = self.questions(source, "dev")?;
            examples = first(source.task(), dev, few_shot, &self.file("dev"))?;
        }
        let subject = self.subject.replace('_', " ");
        let description = format!("The following are multiple choice questions (with answers) about {subject}.\n\n");
        Ok(Layout::described(description).items(&examples, questions))
    }
}

impl Mmlu {
    fn questions(&self, source: &mut Source, split: &str) -> Result<Vec<Question>, DatasetError> {
        let records = source.csv(&self.file(split), Some(&["question", "A", "B", "C", "D", "answer"]))?;
        source.each(&records, |record| question(self.subject, record))
    }
}

fn question(subject: &str, record: &Record) -> Result<Question, BadItem> {
    let stem = strip(record.filled("question")?);
    let options = LETTERS.map(|letter| record.text(letter).map(str::to_owned));
    let options = options.into_iter().collect::<Result<Vec<_>, _>>()?;
    let letter = record.text("answer")?;
    let gold = LETTERS.iter().position(|&known| known == letter);
    let gold = gold.ok_or_else(|| record.bad("answer", format!("\"{letter}\""), "A, B, C or D"))?;
    let id = format!("{subject}-{}", record.index);
    Ok(Question::lettered(id, stem, &options, gold).with("subject", subject))
}
