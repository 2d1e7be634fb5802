//! Med-HALT, fake questions: does the model refuse a question that has no answer?
//!
//! Pal, Umapathi & Sankarasubbu 2023, <https://arxiv.org/abs/2307.15343>. Prompt version v0 with examples as in the authors' code: of `n`
//! examples the larger half is drawn from those of type `default`, the rest from those of this task. The authors draw without a
//! seed; here one draw by seed serves all items. Inputs and outputs are written as Python dictionaries. Settings of the reference
//! experiment (arXiv:2607.01444): temperature 0.2, top-p 0.95, 128 tokens.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::{BadItem, DatasetError, shorten};
use crate::item::{Body, Generate, Item, Message};
use crate::python::PyValue;
use crate::python::literal::literal_eval;
use crate::record::Record;
use crate::sampling::draw;
use crate::source::Source;
use crate::tasks::spec::{Domain, FileSpec, GenerationSettings, Scoring, TaskSpec};
use crate::tasks::{Entry, Task};

/// Registry line.
pub const ENTRY: Entry = Entry {
    names: || vec!["medhalt_fake".to_owned()],
    make: |name| {
        if name == "medhalt_fake" {
            Some(Arc::new(MedHaltFake))
        } else {
            None
        }
    },
};

const FILE: &str = "reasoning_fake.csv";
const PROMPTS: &str = "prompts/reasoning_Fake/prompts.json";
const SHOTS: &str = "prompts/reasoning_Fake/shots.json";
const REFUSAL: &str = "I do not know";

/// The task.
#[derive(Debug)]
pub struct MedHaltFake;

#[derive(Deserialize)]
struct Prompts {
    prompts: Vec<Prompt>,
}

#[derive(Deserialize)]
struct Prompt {
    id: String,
    #[serde(rename = "prompt")]
    text: String,
    output_format: String,
}

#[derive(Deserialize)]
struct Shots {
    shots: Vec<Vec<Shot>>,
}

#[derive(Deserialize)]
struct Shot {
    input: Map<String, Value>,
    #[serde(rename = "Output")]
    output: Map<String, Value>,
    prompt_type: String,
}

impl Task for MedHaltFake {
    fn spec(&self) -> TaskSpec {
        let generation = GenerationSettings {
            max_new_tokens: 128,
            stop: vec!["Stop Here".to_owned()],
            temperature: 0.2,
            top_p: 0.95,
        };
        let scoring = Scoring::MedHaltFake;
        let mut spec = TaskSpec::generated("medhalt_fake", "medhalt", Domain::Biomedical, scoring, generation)
            .about("fake medical questions that should be refused")
            .reads(vec![
                FileSpec::items(FILE),
                FileSpec::items(PROMPTS),
                FileSpec::few_shot(SHOTS),
            ])
            .reliability();
        spec.few_shot = 2;
        spec
    }

    fn read(&self, source: &mut Source, few_shot: usize, seed: u64) -> Result<Vec<Item>, DatasetError> {
        let instruction = instruction(source, few_shot, seed)?;
        let records = source.csv(FILE, None)?;
        source.each(&records, |record| item(record, &instruction))
    }
}

/// Prompt, output format and worked examples.
fn instruction(source: &mut Source, few_shot: usize, seed: u64) -> Result<String, DatasetError> {
    let prompts: Prompts = source.json(PROMPTS, "Med-HALT's prompts")?;
    let prompt = prompts.prompts.iter().find(|prompt| prompt.id == "v0");
    let prompt = prompt.ok_or_else(|| source.malformed(PROMPTS, "no prompt with id v0", "prompt version v0"))?;
    let mut text = format!("{}\n{}\n", prompt.text, prompt.output_format);
    if few_shot == 0 {
        return Ok(text);
    }
    let shots: Shots = source.json(SHOTS, "Med-HALT's examples")?;
    let list = shots.shots.into_iter().next().unwrap_or_default();
    let (default, own): (Vec<_>, Vec<_>) = list.into_iter().partition(|shot| shot.prompt_type == "default");
    text.push_str("Examples: \n");
    for (kind, shots, count) in [
        ("default", default, few_shot.div_ceil(2)),
        ("task-specific", own, few_shot / 2),
    ] {
        if count > shots.len() {
            let reason = format!("{count} of them {kind}, of which {SHOTS} holds {}", shots.len());
            let available = 2 * shots.len();
            return Err(DatasetError::FewShot {
                task: source.task().to_owned(),
                asked: few_shot,
                available,
                reason,
            });
        }
        for position in draw(shots.len(), count, seed) {
            let (input, output) = (&shots[position].input, &shots[position].output);
            let (input, output) = (written(input), written(output));
            text.extend(["Input : ", &input, "\nOutput: ", &output, "Stop Here\n\n"]);
        }
    }
    Ok(text)
}

/// `repr` of a dictionary.
fn written(map: &Map<String, Value>) -> String {
    PyValue::from(&Value::Object(map.clone())).repr()
}

fn item(record: &Record, instruction: &str) -> Result<Item, BadItem> {
    let question = record.filled("question")?;
    let literal = record.text("options")?;
    let options = literal_eval(literal)
        .ok()
        .filter(|value| matches!(value, PyValue::Dict(entries) if !entries.is_empty()))
        .ok_or_else(|| record.bad("options", shorten(literal), "a Python dictionary of options"))?;
    let body = PyValue::Dict(vec![("Question".into(), question.into()), ("Options".into(), options)]).repr();
    let generate = Generate {
        messages: vec![Message {
            role: "user".to_owned(),
            content: format!("{instruction}Input: {body}\nOutput: "),
        }],
        prefix: None,
        references: vec![REFUSAL.to_owned()],
        source: None,
        unanswerable: true,
    };
    let mut fields = BTreeMap::new();
    for name in ["dataset", "subject_name"] {
        let value = record.text(name).unwrap_or_default();
        if !value.is_empty() {
            fields.insert(name.to_owned(), value.to_owned());
        }
    }
    Ok(Item {
        id: record.filled("id")?.to_owned(),
        body: Body::Generate(generate),
        fields,
    })
}
