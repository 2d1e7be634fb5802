//! `IFEval`: prompts with instructions that a program can check.
//!
//! Zhou et al. 2023, <https://arxiv.org/abs/2311.07911>; the file is `input_data.jsonl` of google-research's
//! `instruction_following_eval`. Asked as lm-evaluation-harness `leaderboard_ifeval` does: the prompt alone, greedy, up to 1280 tokens, no
//! stops. The instructions are kept in the item's field `instructions`, as JSON.

pub mod instruction;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::{BadItem, DatasetError};
use crate::item::{Body, Item};
use crate::record::{Record, describe};
use crate::source::Source;
use crate::tasks::ask::question;
use crate::tasks::harness::no_examples;
use crate::tasks::spec::{Domain, FileSpec, GenerationSettings, Scoring, TaskSpec};
use crate::tasks::{Entry, Task};
use instruction::Instruction;

/// Registry line.
pub const ENTRY: Entry = Entry {
    names: || vec!["ifeval".to_owned()],
    make: |name| if name == "ifeval" { Some(Arc::new(IfEval)) } else { None },
};

/// The field of an item that holds its instructions.
pub const INSTRUCTIONS: &str = "instructions";

const OFFICIAL: &str = "input_data.jsonl";
const HUB: &str = "ifeval_input_data.jsonl";

/// The task.
#[derive(Debug)]
pub struct IfEval;

impl Task for IfEval {
    fn spec(&self) -> TaskSpec {
        let generation = GenerationSettings::greedy(1280, &[]);
        TaskSpec::generated("ifeval", "ifeval", Domain::General, Scoring::IfEval, generation)
            .about("instructions that a program can check")
            .reads(vec![FileSpec::items(OFFICIAL).or(HUB)])
    }

    fn read(&self, source: &mut Source, few_shot: usize, _seed: u64) -> Result<Vec<Item>, DatasetError> {
        no_examples(source.task(), few_shot, "it is zero-shot")?;
        let records = source.jsonl(source.first_present(&[OFFICIAL, HUB]))?;
        source.each(&records, item)
    }
}

fn item(record: &Record) -> Result<Item, BadItem> {
    let key = record.value("key")?;
    let key = key
        .as_i64()
        .ok_or_else(|| record.bad("key", describe(key), "a whole number"))?;
    let prompt = record.filled("prompt")?;
    let instructions = instructions(record)?;
    let json = serde_json::to_string(&instructions)
        .map_err(|error| record.bad("kwargs", error.to_string(), "instructions that can be written as JSON"))?;
    Ok(Item {
        id: key.to_string(),
        body: Body::Generate(question(prompt)),
        fields: BTreeMap::from([(INSTRUCTIONS.to_owned(), json)]),
    })
}

fn instructions(record: &Record) -> Result<Vec<Instruction>, BadItem> {
    let ids = record.texts("instruction_id_list")?;
    let kwargs = record.value("kwargs")?;
    let list = kwargs
        .as_array()
        .filter(|list| list.len() == ids.len() && !list.is_empty());
    let Some(list) = list else {
        let expected = format!("a list of {} objects, one per instruction, and at least one", ids.len());
        return Err(record.bad("kwargs", describe(kwargs), expected));
    };
    let read = |(i, (id, kwargs)): (usize, (&String, &serde_json::Value))| {
        Instruction::read(id, kwargs)
            .map_err(|(found, expected)| record.bad(&format!("kwargs.{i} ({id})"), found, expected))
    };
    ids.iter().zip(list).enumerate().map(read).collect()
}
