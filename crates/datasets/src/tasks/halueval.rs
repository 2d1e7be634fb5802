//! `HaluEval`: can the model tell a hallucinated answer from a right one?
//!
//! Li et al. 2023, <https://arxiv.org/abs/2305.11747>. Prompts: the authors' instruction files and `evaluation/evaluate.py` (commit b7253db3),
//! in the form sent to completion models: one turn, no system message. Of the two answers of a record the authors show one by an
//! unseeded toss; here the toss is seeded. For the general queries, each with one response and a person's judgement, the authors published
//! no instruction; [`GENERAL`] is ours. Settings: greedy, 16 tokens, the limit of the interface they used.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::{BadItem, DatasetError};
use crate::item::{Body, Generate, Item, Message};
use crate::record::Record;
use crate::sampling::tosses;
use crate::source::Source;
use crate::tasks::harness::no_examples;
use crate::tasks::spec::{Domain, FileSpec, GenerationSettings, Scoring, TaskSpec};
use crate::tasks::{Entry, Task};

/// Registry line.
pub const ENTRY: Entry = Entry {
    names: || KINDS.iter().map(|kind| kind.name.to_owned()).collect(),
    make: |name| {
        let kind = KINDS.iter().find(|kind| kind.name == name)?;
        Some(Arc::new(HaluEval { kind }))
    },
};

/// The instruction before a general query and its response.
pub const GENERAL: &str = "I want you to act as a response judge. Given a user query and a response, your objective is to determine \
whether the response contains non-factual or hallucinated information. The answer you give MUST be \"Yes\" or \"No\".";

/// One of the four parts.
#[derive(Debug)]
struct Kind {
    name: &'static str,
    about: &'static str,
    data: &'static str,
    instead: Option<&'static str>,
    /// File with the instruction; ours where absent.
    instruction: Option<&'static str>,
    /// Heading and field of what was asked.
    asked: (&'static str, &'static str),
    /// Heading of the answer to be judged.
    answer: &'static str,
    /// Fields with the right and the hallucinated answer; the part without them has one response and its label.
    answers: Option<(&'static str, &'static str)>,
}

const KINDS: &[Kind] = &[
    Kind {
        name: "halueval_qa",
        about: "is the answer hallucinated, questions",
        data: "qa_data.json",
        instead: Some("qa_one-turn_data.json"),
        instruction: Some("qa_evaluation_instruction.txt"),
        asked: ("Question", "question"),
        answer: "Answer",
        answers: Some(("right_answer", "hallucinated_answer")),
    },
    Kind {
        name: "halueval_dialogue",
        about: "is the response hallucinated, conversations",
        data: "dialogue_data.json",
        instead: None,
        instruction: Some("dialogue_evaluation_instruction.txt"),
        asked: ("Dialogue History", "dialogue_history"),
        answer: "Response",
        answers: Some(("right_response", "hallucinated_response")),
    },
    Kind {
        name: "halueval_summarization",
        about: "is the summary hallucinated, news",
        data: "summarization_data.json",
        instead: None,
        instruction: Some("summarization_evaluation_instruction.txt"),
        asked: ("Document", "document"),
        answer: "Summary",
        answers: Some(("right_summary", "hallucinated_summary")),
    },
    Kind {
        name: "halueval_general",
        about: "is the response hallucinated, user queries",
        data: "general_data.json",
        instead: None,
        instruction: None,
        asked: ("User Query", "user_query"),
        answer: "Response",
        answers: None,
    },
];

/// One part of the set.
#[derive(Debug)]
pub struct HaluEval {
    kind: &'static Kind,
}

impl Task for HaluEval {
    fn spec(&self) -> TaskSpec {
        let kind = self.kind;
        let generation = GenerationSettings::greedy(16, &[]);
        let mut data = FileSpec::items(kind.data);
        data.instead.extend(kind.instead.map(str::to_owned));
        let mut files = vec![data];
        files.extend(kind.instruction.map(FileSpec::items));
        TaskSpec::generated(kind.name, "halueval", Domain::General, Scoring::HaluEval, generation)
            .about(kind.about)
            .reads(files)
            .reliability()
    }

    fn definition(&self) -> String {
        self.kind.instruction.map_or(GENERAL, |_| "").to_owned()
    }

    fn read(&self, source: &mut Source, few_shot: usize, seed: u64) -> Result<Vec<Item>, DatasetError> {
        no_examples(source.task(), few_shot, "its instruction holds worked examples")?;
        let instruction = match self.kind.instruction {
            Some(file) => source.text(file)?,
            None => GENERAL.to_owned(),
        };
        let names: Vec<&str> = [self.kind.data].into_iter().chain(self.kind.instead).collect();
        let records = source.jsonl(source.first_present(&names))?;
        let last = records.last().map_or(0, |record| record.index + 1);
        let shown = tosses(last, seed);
        source.each(&records, |record| self.item(record, &instruction, shown[record.index]))
    }
}

impl HaluEval {
    fn item(&self, record: &Record, instruction: &str, hallucinated: bool) -> Result<Item, BadItem> {
        let (answer, hallucinated) = match self.kind.answers {
            Some((right, wrong)) => {
                // Both have to be there, whichever is shown.
                let texts = [record.filled(right)?, record.filled(wrong)?];
                (texts[usize::from(hallucinated)], hallucinated)
            }
            None => (record.text("chatgpt_response")?, label(record)?),
        };
        let asked = record.filled(self.kind.asked.1)?;
        let content = format!(
            "{instruction}\n\n#{}#: {asked}\n#{}#: {answer}\n#Your Judgement#:",
            self.kind.asked.0, self.kind.answer
        );
        let shown = if hallucinated { "hallucinated" } else { "right" };
        let id = match record.optional("ID").and_then(serde_json::Value::as_str) {
            Some(id) => id.to_owned(),
            None => format!("line-{}", record.index),
        };
        Ok(Item {
            id,
            body: Body::Generate(Generate {
                messages: vec![Message {
                    role: "user".to_owned(),
                    content,
                }],
                prefix: None,
                references: vec![if hallucinated { "Yes" } else { "No" }.to_owned()],
                source: None,
                unanswerable: false,
            }),
            fields: BTreeMap::from([("group".to_owned(), shown.to_owned())]),
        })
    }
}

fn label(record: &Record) -> Result<bool, BadItem> {
    match record.text("hallucination")? {
        "yes" => Ok(true),
        "no" => Ok(false),
        other => Err(record.bad("hallucination", format!("\"{other}\""), "yes or no")),
    }
}
