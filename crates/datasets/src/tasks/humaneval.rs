//! `HumanEval`: functions to be written from their signature and docstring, judged by unit tests.
//!
//! Chen et al. 2021, <https://arxiv.org/abs/2107.03374>. Prompts, stops and the text that an answer begins with are those of
//! lm-evaluation-harness `humaneval` (version 1) and `humaneval_instruct` (version 4; the form of arXiv:2607.01444). What is run is the
//! prompt, the answer (for the instruct form up to the first code fence), the tests and the call of `check`; it is kept in the item's
//! fields, and run only where the caller allows it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::{BadItem, DatasetError};
use crate::item::{Body, Generate, Item};
use crate::record::Record;
use crate::source::Source;
use crate::tasks::ask::question;
use crate::tasks::harness::no_examples;
use crate::tasks::spec::{Domain, FileSpec, GenerationSettings, Scoring, TaskSpec};
use crate::tasks::{Entry, Task};

/// Registry line.
pub const ENTRY: Entry = Entry {
    names: || vec!["humaneval".to_owned(), "humaneval_instruct".to_owned()],
    make: |name| match name {
        "humaneval" => Some(Arc::new(HumanEval { instruct: false })),
        "humaneval_instruct" => Some(Arc::new(HumanEval { instruct: true })),
        _ => None,
    },
};

const PACKED: &str = "HumanEval.jsonl.gz";
const PLAIN: &str = "HumanEval.jsonl";
const STOPS: [&str; 5] = ["\nclass", "\ndef", "\n#", "\nif", "\nprint"];

/// The task, as text to go on from or as an instruction.
#[derive(Debug)]
pub struct HumanEval {
    /// Asked as an instruction.
    pub instruct: bool,
}

impl Task for HumanEval {
    fn spec(&self) -> TaskSpec {
        let name = if self.instruct {
            "humaneval_instruct"
        } else {
            "humaneval"
        };
        let scoring = Scoring::UnitTests {
            until_fence: self.instruct,
        };
        let generation = GenerationSettings::greedy(1024, &STOPS);
        TaskSpec::generated(name, "humaneval", Domain::General, scoring, generation)
            .about("Python functions judged by unit tests; runs generated code")
            .reads(vec![FileSpec::items(PACKED).or(PLAIN)])
    }

    fn read(&self, source: &mut Source, few_shot: usize, _seed: u64) -> Result<Vec<Item>, DatasetError> {
        no_examples(source.task(), few_shot, "it is zero-shot")?;
        let records = source.jsonl(source.first_present(&[PACKED, PLAIN]))?;
        source.each(&records, |record| self.item(record))
    }
}

impl HumanEval {
    fn item(&self, record: &Record) -> Result<Item, BadItem> {
        let prompt = record.filled("prompt")?;
        let entry_point = record.filled("entry_point")?;
        let tests = record.filled("test")?;
        let signature = format!("def {entry_point}(");
        if !prompt.contains(&signature) {
            return Err(record.bad(
                "entry_point",
                entry_point,
                "the name of a function that `prompt` begins",
            ));
        }
        let ask = if self.instruct {
            Generate {
                prefix: Some(format!("Here is the completed function:\n```python\n{prompt}\n")),
                ..question(format!(
                    "Write a solution to the following problem and make sure that it passes the tests:\n```python\n{prompt}\n```\n"
                ))
            }
        } else {
            question(prompt)
        };
        let canonical = record.text("canonical_solution").unwrap_or_default();
        let fields = [
            ("code", prompt.to_owned()),
            ("tests", format!("{tests}\ncheck({entry_point})")),
        ];
        Ok(Item {
            id: record.filled("task_id")?.to_owned(),
            body: Body::Generate(Generate {
                references: vec![canonical.to_owned()],
                ..ask
            }),
            fields: fields
                .into_iter()
                .map(|(k, v)| (k.to_owned(), v))
                .collect::<BTreeMap<_, _>>(),
        })
    }
}
