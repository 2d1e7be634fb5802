//! Med-HALT: seven tests of whether a model invents what it does not know.
//!
//! Pal, Umapathi & Sankarasubbu 2023, <https://arxiv.org/abs/2307.15343>; layout of a question as in the authors' code, settings of the
//! reference experiment (arXiv:2607.01444): two examples, temperature 0.2, top-p 0.95, 128 tokens.
//!
//! The false-confidence test asks to review a student's answer. The authors' code writes question and options alone, so that
//! nothing is there to review unless the options hold it (`medhalt_fct_paper`); `medhalt_fct` shows the student's answer where the
//! worked examples show it, as the option `correct answer`.

mod prompt;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::{BadItem, DatasetError, shorten};
use crate::item::{Body, Generate, Item};
use crate::python::PyValue;
use crate::python::literal::literal_eval;
use crate::record::Record;
use crate::source::Source;
use crate::tasks::spec::{Domain, FileSpec, GenerationSettings, Scoring, TaskSpec};
use crate::tasks::{Entry, Task};

/// Registry line.
pub const ENTRY: Entry = Entry {
    names: || TESTS.iter().map(|test| test.name.to_owned()).collect(),
    make: |name| {
        let test = TESTS.iter().find(|test| test.name == name)?;
        Some(Arc::new(MedHalt { test }))
    },
};

/// What a test asks for, and so what its replies are compared by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Asked {
    /// Refusing a question that makes no sense.
    Refusal,
    /// The right option, after looking at a student's answer.
    Review,
    /// The option `None of the above`.
    NoneOfTheAbove,
    /// The title of a paper.
    Title,
    /// The PubMed address of a paper.
    Address,
}

/// One of the tests.
#[derive(Debug)]
pub struct Test {
    name: &'static str,
    about: &'static str,
    file: &'static str,
    folder: &'static str,
    asked: Asked,
    /// Column and key of what is given, where that is a paper.
    given: Option<(&'static str, &'static str)>,
    shows_student: bool,
}

const fn reasoning(
    name: &'static str,
    about: &'static str,
    file: &'static str,
    folder: &'static str,
    asked: Asked,
) -> Test {
    Test {
        name,
        about,
        file,
        folder,
        asked,
        given: None,
        shows_student: false,
    }
}

const fn memory(
    name: &'static str,
    file: &'static str,
    folder: &'static str,
    asked: Asked,
    given: (&'static str, &'static str),
) -> Test {
    let about = match asked {
        Asked::Title => "titles of papers from memory, given number or address",
        _ => "PubMed addresses of papers from memory, given title or abstract",
    };
    Test {
        given: Some(given),
        ..reasoning(name, about, file, folder, asked)
    }
}

const TESTS: [Test; 8] = [
    reasoning(
        "medhalt_fake",
        "fake medical questions that should be refused",
        "reasoning_fake.csv",
        "reasoning_Fake",
        Asked::Refusal,
    ),
    Test {
        shows_student: true,
        ..reasoning(
            "medhalt_fct",
            "false confidence: a student's answer is to be reviewed",
            "reasoning_FCT.csv",
            "reasoning_FCT",
            Asked::Review,
        )
    },
    reasoning(
        "medhalt_fct_paper",
        "false confidence as in the authors' code, where the student's answer is not added",
        "reasoning_FCT.csv",
        "reasoning_FCT",
        Asked::Review,
    ),
    reasoning(
        "medhalt_nota",
        "none of the above is the right option",
        "reasoning_nota.csv",
        "Reasoning_Nota",
        Asked::NoneOfTheAbove,
    ),
    memory(
        "medhalt_abstract2pubmedlink",
        "IR_abstract2pubmedlink.csv",
        "IR_abstract2pubmedlink",
        Asked::Address,
        ("Abstract", "paper_abstract"),
    ),
    memory(
        "medhalt_pmid2title",
        "IR_pmid2title.csv",
        "IR_pmid2title",
        Asked::Title,
        ("PMID", "Pmid"),
    ),
    memory(
        "medhalt_pubmedlink2title",
        "IR_pubmedlink2title.csv",
        "IR_pubmedlink2title",
        Asked::Title,
        ("url", "url"),
    ),
    memory(
        "medhalt_title2pubmedlink",
        "IR_title2pubmedlink.csv",
        "IR_title2pubmedlink",
        Asked::Address,
        ("Title", "paper_title"),
    ),
];

const REFUSAL: &str = "I do not know";
/// Where the worked examples of the false-confidence test show what the student answered.
const STUDENT: &str = "correct answer";

/// The task of one test.
#[derive(Debug)]
pub struct MedHalt {
    test: &'static Test,
}

impl Task for MedHalt {
    fn spec(&self) -> TaskSpec {
        let generation = GenerationSettings {
            max_new_tokens: 128,
            stop: vec!["Stop Here".to_owned()],
            temperature: 0.2,
            top_p: 0.95,
            samples: None,
        };
        let asked = self.test.asked;
        let scoring = match asked {
            Asked::Refusal => Scoring::MedHaltFake,
            _ => Scoring::MedHalt { asked },
        };
        let (prompts, shots) = prompt::files(self.test.folder);
        let mut spec = TaskSpec::generated(self.test.name, "medhalt", Domain::Biomedical, scoring, generation)
            .about(self.test.about)
            .reads(vec![
                FileSpec::items(self.test.file),
                FileSpec::items(prompts),
                FileSpec::few_shot(shots),
            ])
            .reliability();
        spec.few_shot = 2;
        if asked == Asked::Refusal {
            // Since version 2 a reply that is cut off is read to the end of each value.
            spec.version = 2;
        }
        spec
    }

    fn read(&self, source: &mut Source, few_shot: usize, seed: u64) -> Result<Vec<Item>, DatasetError> {
        let instruction = prompt::instruction(source, self.test.folder, few_shot, seed)?;
        let records = source.csv(self.test.file, None)?;
        source.each(&records, |record| self.test.item(record, &instruction))
    }
}

impl Test {
    fn item(&self, record: &Record, instruction: &str) -> Result<Item, BadItem> {
        let body = self.body(record)?.repr();
        let reference = match self.asked {
            Asked::Refusal => REFUSAL,
            Asked::Review | Asked::NoneOfTheAbove => record.filled("correct_answer")?,
            Asked::Title => record.filled("Title")?,
            Asked::Address => record.filled("url")?,
        };
        let content = format!("{instruction}Input: {body}\nOutput: ");
        let mut generate = Generate::turn(content, vec![reference.to_owned()]);
        generate.unanswerable = self.asked == Asked::Refusal;
        Ok(Item {
            id: self.id(record)?,
            body: Body::Generate(generate),
            fields: self.fields(record),
        })
    }

    /// The dictionary that is asked about.
    fn body(&self, record: &Record) -> Result<PyValue, BadItem> {
        if let Some((column, key)) = self.given {
            let value = match column {
                "PMID" => whole_number(record, column)?,
                _ => record.filled(column)?.to_owned(),
            };
            return Ok(PyValue::Dict(vec![(key.into(), value.as_str().into())]));
        }
        let question = record.filled("question")?;
        let literal = record.text("options")?;
        let options = literal_eval(literal).ok().and_then(|value| match value {
            PyValue::Dict(entries) if !entries.is_empty() => Some(entries),
            _ => None,
        });
        let mut options =
            options.ok_or_else(|| record.bad("options", shorten(literal), "a Python dictionary of options"))?;
        if self.shows_student && !options.iter().any(|(key, _)| *key == PyValue::from(STUDENT)) {
            options.push((STUDENT.into(), record.filled("student_answer")?.into()));
        }
        Ok(PyValue::Dict(vec![
            ("Question".into(), question.into()),
            ("Options".into(), PyValue::Dict(options)),
        ]))
    }

    /// The record's id; papers that have none go by their position.
    fn id(&self, record: &Record) -> Result<String, BadItem> {
        if self.given.is_some() && record.optional("id").is_none() {
            return Ok(format!("row-{}", record.index + 1));
        }
        Ok(record.filled("id")?.to_owned())
    }

    fn fields(&self, record: &Record) -> BTreeMap<String, String> {
        let mut names = vec!["dataset", "subject_name"];
        if self.shows_student {
            names.push("student_answer");
        }
        let mut fields = BTreeMap::new();
        for name in names {
            let value = record.text(name).unwrap_or_default();
            if !value.is_empty() {
                fields.insert(name.to_owned(), value.to_owned());
            }
        }
        fields
    }
}

/// A number that a spreadsheet may have written with `.0` behind it.
fn whole_number(record: &Record, column: &str) -> Result<String, BadItem> {
    let text = record.filled(column)?.trim();
    let digits = text.strip_suffix(".0").unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(record.bad(column, shorten(text), "a whole number"));
    }
    let digits = digits.trim_start_matches('0');
    Ok(if digits.is_empty() { "0" } else { digits }.to_owned())
}
