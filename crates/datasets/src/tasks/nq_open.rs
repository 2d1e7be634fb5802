//! NQ-open: short answers to questions that people asked a search engine.
//!
//! Lee et al. 2019, <https://arxiv.org/abs/1906.00300>, after Kwiatkowski et al. 2019. Prompt and stop texts: lm-evaluation-harness `nq_open`
//! (version 4), whose examples are separated by one line end and show the first of the accepted answers. An answer is right where it
//! equals an accepted one: with the normalisation of `SQuAD`, as the authors have it, and in the harness's own form beside it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::{BadItem, DatasetError};
use crate::item::{Body, Generate, Item, Message};
use crate::record::Record;
use crate::source::Source;
use crate::tasks::few_shot::{Example, Sampler, Shots};
use crate::tasks::harness::Layout;
use crate::tasks::spec::{Domain, FileSpec, GenerationSettings, Scoring, TaskSpec};
use crate::tasks::{Entry, Task};

/// Registry line.
pub const ENTRY: Entry = Entry {
    names: || vec!["nq_open".to_owned()],
    make: |name| (name == "nq_open").then(|| Arc::new(NqOpen) as Arc<dyn Task>),
};

const DEV: &str = "NQ-open.dev.jsonl";
const TRAIN: &str = "NQ-open.train.jsonl";
const DESCRIPTION: &str = "Answer these questions:\n\n";

/// The task.
#[derive(Debug)]
pub struct NqOpen;

impl Task for NqOpen {
    fn spec(&self) -> TaskSpec {
        let generation = GenerationSettings::greedy(256, &["\n", ".", ","]);
        TaskSpec::generated("nq_open", "nq_open", Domain::General, Scoring::ShortAnswer, generation)
            .about("short answers without a passage")
            .reads(vec![FileSpec::items(DEV), FileSpec::few_shot(TRAIN)])
    }

    fn read(&self, source: &mut Source, few_shot: usize, _seed: u64) -> Result<Vec<Item>, DatasetError> {
        let records = source.jsonl(DEV)?;
        let questions = source.each(&records, question)?;
        let example = |record: &Record| question(record).map(|question| question.example());
        let shots = Shots::from_lines(source, TRAIN, few_shot, Sampler::RandomOthers, example)?;
        let layout = Layout {
            few_shot_delimiter: "\n".to_owned(),
            ..Layout::described(DESCRIPTION)
        };
        let asked: Vec<Example> = questions.iter().map(OpenQuestion::example).collect();
        let preambles = shots.preambles(source, &layout, &asked)?;
        let pairs = preambles.iter().zip(questions);
        Ok(pairs.map(|(preamble, question)| question.item(preamble)).collect())
    }
}

struct OpenQuestion {
    id: String,
    prompt: String,
    answers: Vec<String>,
}

fn question(record: &Record) -> Result<OpenQuestion, BadItem> {
    let answers = record.texts("answer")?;
    if answers.is_empty() {
        return Err(record.bad("answer", "an empty list", "at least one accepted answer"));
    }
    Ok(OpenQuestion {
        id: format!("line-{}", record.index),
        prompt: format!("Q: {}?\nA:", record.filled("question")?),
        answers,
    })
}

impl OpenQuestion {
    fn example(&self) -> Example {
        Example {
            prompt: self.prompt.clone(),
            answer: self.answers[0].clone(),
        }
    }

    fn item(self, preamble: &str) -> Item {
        let message = Message {
            role: "user".to_owned(),
            content: format!("{preamble}{}", self.prompt),
        };
        Item {
            id: self.id,
            body: Body::Generate(Generate {
                messages: vec![message],
                prefix: None,
                references: self.answers,
                source: None,
                unanswerable: false,
            }),
            fields: BTreeMap::new(),
        }
    }
}
