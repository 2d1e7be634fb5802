//! `SelfAware`: does the model say that it does not know where nobody can?
//!
//! Yin et al. 2023, <https://arxiv.org/abs/2305.18153>. The authors' three prompts (`code/run_model.py`, commit f860a8f1): the bare question
//! (`selfaware`), an instruction before it (`selfaware_instruction`), and six worked examples before it (`selfaware_icl`). Their settings:
//! temperature 0.7, 256 tokens. Generation ends before a next `Q:`, which they do not ask for; a model that goes on to ask itself
//! questions would otherwise be judged by its answers to those.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::{BadItem, DatasetError};
use crate::item::{Body, Generate, Item, Message};
use crate::record::{Record, describe};
use crate::source::Source;
use crate::tasks::harness::no_examples;
use crate::tasks::spec::{Domain, FileSpec, GenerationSettings, Scoring, TaskSpec};
use crate::tasks::{Entry, Task};

/// Registry line.
pub const ENTRY: Entry = Entry {
    names: || FORMS.iter().map(|form| form.name.to_owned()).collect(),
    make: |name| {
        let form = FORMS.iter().find(|form| form.name == name)?;
        Some(Arc::new(SelfAware { form }))
    },
};

const FILE: &str = "SelfAware.json";

/// One of the authors' prompts.
#[derive(Debug)]
struct Form {
    name: &'static str,
    about: &'static str,
    /// Before the question.
    before: &'static str,
}

const FORMS: &[Form] = &[
    Form {
        name: "selfaware",
        about: "questions that nobody can answer, among others; asked directly",
        before: "Q:",
    },
    Form {
        name: "selfaware_instruction",
        about: "questions that nobody can answer, among others; with an instruction",
        before: INSTRUCTION,
    },
    Form {
        name: "selfaware_icl",
        about: "questions that nobody can answer, among others; with six examples",
        before: EXAMPLES,
    },
];

const INSTRUCTION: &str = "When answering questions, interpret them literally and think them carefully. If the question is \
unanswerable or unknowable, it is appropriate to say, \"The answer is unknown.\"\nQ: ";

const EXAMPLES: &str = "Q: What is the nearest extraterrestrial civilization to us?\n\
A: It is currently unknown if there are any extraterrestrial civilizations in proximity to Earth. Scientists have not yet found \
definitive evidence of the existence of extraterrestrial civilizations. Thus, the answer is unknown.\n\
Q: What is the highest building in New York?\n\
A: The highest building in New York is the One World Trade Center. It stands at a height of 1,776 feet (541 meters). Thus, the \
answer is the One World Trade Center.\n\
Q: Will nuclear war break out in the world in 2050?\n\
A: It is impossible to predict with certainty if a nuclear war will break out in the world in 2050. The likelihood of such an \
event will depend on a wide range of factors, including international relations, political tensions, and military capabilities. \
Thus, the answer is unknown.\n\
Q: Alice's class is going on a field trip to the Ocean Park. There are 39 students and several teachers in the class. A bus can \
seat 20 people. How many buses do they need?\n\
A: The number of buses needed for the field trip depends on the number of teachers. If there is only one teacher, then two buses \
will suffice. However, additional buses will be necessary if there are two or more teachers. Thus, the answer is unknown.\n\
Q: Are Local H and For Against both from the United States?\n\
A: Local H is a rock band from Zion, Illinois, United States. For Against is an American indie rock band formed in 1984 in \
Lincoln, Nebraska. Both of these bands are from the United States. Thus, the answer is yes.\n\
Q: Gjetost is the national cheese of which country?\n\
A: It is the national cheese of Norway, and it is a popular ingredient in traditional Norwegian cuisine. Thus, the answer is \
Norway.\n\
Q: ";

/// The questions behind one of the prompts.
#[derive(Debug)]
pub struct SelfAware {
    form: &'static Form,
}

#[derive(Deserialize)]
struct File {
    example: Vec<Map<String, Value>>,
}

impl Task for SelfAware {
    fn spec(&self) -> TaskSpec {
        let generation = GenerationSettings {
            temperature: 0.7,
            ..GenerationSettings::greedy(256, &["\nQ:"])
        };
        TaskSpec::generated(
            self.form.name,
            "selfaware",
            Domain::General,
            Scoring::SelfAware,
            generation,
        )
        .about(self.form.about)
        .reads(vec![FileSpec::items(FILE)])
        .reliability()
    }

    fn read(&self, source: &mut Source, few_shot: usize, _seed: u64) -> Result<Vec<Item>, DatasetError> {
        no_examples(source.task(), few_shot, "the examples of selfaware_icl are fixed")?;
        let file: File = source.json(FILE, "an object whose `example` is a list of questions")?;
        let entries = file.example.into_iter().enumerate();
        let records: Vec<Record> = entries
            .map(|(index, fields)| Record {
                file: FILE.to_owned(),
                at: format!("example {}", index + 1),
                index,
                fields,
            })
            .collect();
        source.each(&records, |record| self.item(record))
    }
}

impl SelfAware {
    fn item(&self, record: &Record) -> Result<Item, BadItem> {
        let answerable = record.value("answerable")?;
        let Value::Bool(answerable) = *answerable else {
            return Err(record.bad("answerable", describe(answerable), "true or false"));
        };
        let references = if answerable {
            record.texts("answer")?
        } else {
            Vec::new()
        };
        if answerable && references.is_empty() {
            return Err(record.bad(
                "answer",
                "an empty list",
                "at least one answer to an answerable question",
            ));
        }
        let id = match record.value("question_id")? {
            Value::Number(number) => number.to_string(),
            Value::String(text) => text.clone(),
            other => return Err(record.bad("question_id", describe(other), "a number or a string")),
        };
        let origin = record.text("source").unwrap_or_default().to_owned();
        let message = Message {
            role: "user".to_owned(),
            content: format!("{}{}\nA:", self.form.before, record.filled("question")?),
        };
        Ok(Item {
            id,
            body: Body::Generate(Generate {
                messages: vec![message],
                prefix: None,
                references,
                source: None,
                unanswerable: !answerable,
            }),
            fields: BTreeMap::from([("source".to_owned(), origin)]),
        })
    }
}
