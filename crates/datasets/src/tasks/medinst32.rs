//! MedINST32: 32 biomedical test tasks with an instruction each, and Multi-XScience out of it as a summary task of its own.
//!
//! Han et al. 2024, <https://arxiv.org/abs/2410.13458>. The hub's set `LiinXemmon/MedINST32` has a configuration per task; its `test`
//! split is read as `<task>/test.jsonl`, with the fields `instruction`, `input`, `output` and, where there is one, `history`. The
//! instruction becomes the system turn and the input the user turn, as the reference experiment (arXiv:2607.01444) asks: greedy, at most
//! 1024 new tokens. The configuration without `-zs` is the one it asks; its instructions hold worked examples.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{BadItem, DatasetError};
use crate::item::{Body, Generate, Item};
use crate::python::PyValue;
use crate::record::{Record, describe};
use crate::reference_experiment::medinst32::messages;
use crate::source::Source;
use crate::tasks::harness::{free_text, no_examples};
use crate::tasks::spec::{Domain, FileSpec, GenerationSettings, Scoring, TaskSpec};
use crate::tasks::{Entry, Task};

/// Registry line.
pub const ENTRY: Entry = Entry {
    names: || {
        let names = TESTS.iter().map(|(test, _)| task_name(test));
        names.chain([SUMMARIES.to_owned()]).collect()
    },
    make: |name| {
        let summaries = name == SUMMARIES;
        let is_named = |test: &str| {
            if summaries {
                test == MULTI_XSCIENCE
            } else {
                task_name(test) == name
            }
        };
        let (test, answers) = TESTS.iter().find(|(test, _)| is_named(test))?;
        Some(Arc::new(MedInst {
            test,
            answers: *answers,
            summaries,
        }))
    },
};

/// What the answers of a task are, and so how they are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answers {
    /// One label.
    Label,
    /// Several labels, separated by commas.
    Labels,
    /// A phrase that must be met exactly.
    Exact,
    /// Entities in square brackets, with their type after a bar.
    Entities,
    /// A tag `[B]`, `[I]` or `[O]` per word.
    Tags,
    /// A number from 0 to 5.
    Similarity,
    /// A text.
    Text,
}

const MULTI_XSCIENCE: &str = "Multi-XScience";
const SUMMARIES: &str = "multi_xscience";

/// The tasks by the names of their configurations, category by category as the authors list them.
pub const TESTS: [(&str, Answers); 32] = [
    ("BioASQ-Task-B-yesno", Answers::Label),
    ("PubMedQA-labeled", Answers::Label),
    ("MedQA", Answers::Exact),
    ("SciFact", Answers::Label),
    ("ManConCorpus", Answers::Label),
    ("CoVERt", Answers::Label),
    ("NCBI-disease", Answers::Tags),
    ("BC5CDR", Answers::Tags),
    ("AnEM", Answers::Entities),
    ("BioNLP-2009", Answers::Entities),
    ("BioNLP-2011-GE", Answers::Entities),
    ("BioNLP-2011-ID", Answers::Entities),
    ("BioNLP-2011-REL", Answers::Entities),
    ("BioNLP-2013-CG", Answers::Entities),
    ("BioNLP-2013-GE", Answers::Entities),
    ("BioNLP-2013-GRO", Answers::Entities),
    ("BioNLP-2013-PC", Answers::Entities),
    ("BioRED", Answers::Entities),
    ("tmVar-v3", Answers::Entities),
    ("Hallmarks-of-Cancer", Answers::Labels),
    ("MedDialog", Answers::Label),
    ("MeDAL", Answers::Exact),
    ("tmVar-v3-NED", Answers::Entities),
    ("AnEM-RE", Answers::Entities),
    ("BC5CDR-RE", Answers::Entities),
    ("BioInfer-RE", Answers::Entities),
    ("AnEM-COREF", Answers::Entities),
    ("MLEE-COREF", Answers::Entities),
    (MULTI_XSCIENCE, Answers::Text),
    ("MLEE-EE", Answers::Entities),
    ("BIOSSES", Answers::Similarity),
    ("ParaMed", Answers::Text),
];

/// `medinst32_` and the configuration in lower case with underscores.
fn task_name(test: &str) -> String {
    format!("medinst32_{}", test.to_lowercase().replace('-', "_"))
}

/// One of the tasks.
#[derive(Debug)]
pub struct MedInst {
    test: &'static str,
    answers: Answers,
    /// As a summary that has to be supported by its input.
    summaries: bool,
}

impl MedInst {
    fn file(&self) -> String {
        format!("{}/test.jsonl", self.test)
    }
}

impl Task for MedInst {
    fn spec(&self) -> TaskSpec {
        let spec = if self.summaries {
            free_text(SUMMARIES, "medinst32", 1024, &[])
                .about("related-work paragraphs from several abstracts")
                .reliability()
        } else {
            let scoring = Scoring::MedInst { answers: self.answers };
            let generation = GenerationSettings::greedy(1024, &[]);
            TaskSpec::generated(
                task_name(self.test),
                "medinst32",
                Domain::Biomedical,
                scoring,
                generation,
            )
            .about(format!("MedINST32, {}", self.test))
        };
        spec.reads(vec![FileSpec::items(self.file())])
    }

    fn read(&self, source: &mut Source, few_shot: usize, _seed: u64) -> Result<Vec<Item>, DatasetError> {
        no_examples(source.task(), few_shot, "its instructions hold the examples")?;
        let records = source.jsonl(&self.file())?;
        source.each(&records, item)
    }
}

fn item(record: &Record) -> Result<Item, BadItem> {
    record.text("instruction")?;
    let input = record.filled("input")?;
    let output = record.filled("output")?;
    if let Some(history) = record.optional("history").filter(|value| !value.is_array()) {
        return Err(record.bad("history", describe(history), "a list of pairs of turns, or nothing"));
    }
    let turns = messages(&PyValue::from(&Value::Object(record.fields.clone())));
    let mut generate = Generate::turn(input, vec![output.to_owned()]).from_source(input);
    generate.messages = turns;
    Ok(Item {
        id: format!("line-{}", record.index + 1),
        body: Body::Generate(generate),
        fields: BTreeMap::new(),
    })
}
