//! GSM8K: school arithmetic in a few steps.
//!
//! Cobbe et al. 2021, <https://arxiv.org/abs/2110.14168>. Prompt, stops and examples of lm-evaluation-harness `gsm8k` (version 3): five worked
//! examples of `train.jsonl` before each question, drawn anew for every question by one `random.Random(1234)` that runs through the
//! test file. `gsm8k_chat` is the form of the reference experiment (arXiv:2607.01444, `--fewshot_as_multiturn`): the same examples as turns
//! of a conversation. A seed other than 0 is added to the 1234.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::{BadItem, DatasetError};
use crate::item::{Body, Generate, Item, Message};
use crate::record::Record;
use crate::reference_experiment::python_random::PythonRandom;
use crate::source::Source;
use crate::tasks::ask::{question, turn};
use crate::tasks::harness::Layout;
use crate::tasks::spec::{Domain, FileSpec, GenerationSettings, Scoring, TaskSpec};
use crate::tasks::{Entry, Task};

/// Registry line.
pub const ENTRY: Entry = Entry {
    names: || vec!["gsm8k".to_owned(), "gsm8k_chat".to_owned()],
    make: |name| match name {
        "gsm8k" => Some(Arc::new(Gsm8k { chat: false })),
        "gsm8k_chat" => Some(Arc::new(Gsm8k { chat: true })),
        _ => None,
    },
};

const TEST: &str = "test.jsonl";
const TRAIN: &str = "train.jsonl";
const HARNESS_SEED: u64 = 1234;

/// The task, with examples in the text or as turns.
#[derive(Debug)]
pub struct Gsm8k {
    /// Examples are turns of the conversation.
    pub chat: bool,
}

/// A problem with its worked solution.
struct Problem {
    prompt: String,
    solution: String,
    number: String,
}

impl Task for Gsm8k {
    fn spec(&self) -> TaskSpec {
        let name = if self.chat { "gsm8k_chat" } else { "gsm8k" };
        let generation = GenerationSettings::greedy(256, &["Question:", "</s>", "<|im_end|>"]);
        let mut spec = TaskSpec::generated(name, "gsm8k", Domain::General, Scoring::Gsm8k, generation)
            .about("school arithmetic, worked out in words")
            .reads(vec![FileSpec::items(TEST), FileSpec::few_shot(TRAIN)]);
        spec.few_shot = 5;
        spec
    }

    fn read(&self, source: &mut Source, few_shot: usize, seed: u64) -> Result<Vec<Item>, DatasetError> {
        let records = source.jsonl(TEST)?;
        let examples = examples(source, few_shot)?;
        let mut random = PythonRandom::new(HARNESS_SEED.wrapping_add(seed));
        let mut items = Vec::with_capacity(records.len());
        for record in &records {
            // Drawn before the record is looked at: a bad one that is left out does not move the others' examples.
            let drawn = random.sample(examples.len(), few_shot).unwrap_or_default();
            let drawn: Vec<&Problem> = drawn.iter().filter_map(|&i| examples.get(i)).collect();
            items.extend(source.accept(problem(record).map(|problem| self.item(record, problem, &drawn)))?);
        }
        Ok(items)
    }
}

impl Gsm8k {
    fn item(&self, record: &Record, problem: Problem, examples: &[&Problem]) -> Item {
        let ask = if self.chat {
            in_turns(&problem.prompt, examples)
        } else {
            let pairs = examples.iter().map(|e| (e.prompt.as_str(), e.solution.as_str()));
            question(Layout::default().preamble(pairs) + &problem.prompt)
        };
        Item {
            id: format!("line-{}", record.index),
            body: Body::Generate(Generate {
                references: vec![problem.solution],
                ..ask
            }),
            fields: BTreeMap::from([("answer".to_owned(), problem.number)]),
        }
    }
}

fn in_turns(prompt: &str, examples: &[&Problem]) -> Generate {
    let worked = |example: &&Problem| [turn("user", &example.prompt), turn("assistant", &example.solution)];
    let mut messages: Vec<Message> = examples.iter().flat_map(worked).collect();
    messages.push(turn("user", prompt));
    Generate {
        messages,
        ..question("")
    }
}

/// The pool to draw from; read only where something is drawn.
fn examples(source: &mut Source, few_shot: usize) -> Result<Vec<Problem>, DatasetError> {
    if few_shot == 0 {
        return Ok(Vec::new());
    }
    let records = source.jsonl(TRAIN)?;
    let pool = source.each(&records, problem)?;
    if pool.len() < few_shot {
        return Err(DatasetError::FewShot {
            task: source.task().to_owned(),
            asked: few_shot,
            available: pool.len(),
            reason: format!("from {TRAIN}"),
        });
    }
    Ok(pool)
}

fn problem(record: &Record) -> Result<Problem, BadItem> {
    let prompt = format!("Question: {}\nAnswer:", record.filled("question")?);
    let solution = record.filled("answer")?.to_owned();
    let number = solution
        .rsplit_once("#### ")
        .map(|(_, number)| number.trim().to_owned());
    let number = number.filter(|number| number.contains(|c: char| c.is_ascii_digit()));
    let number = number.ok_or_else(|| {
        let expected = "a solution that ends in `#### ` and a number";
        record.bad("answer", crate::error::shorten(&solution), expected)
    })?;
    Ok(Problem {
        prompt,
        solution,
        number,
    })
}
