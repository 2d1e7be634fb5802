//! `BoolQ`: does the passage say yes or no to the question?
//!
//! Clark et al. 2019, <https://arxiv.org/abs/1905.10044>, in the form of `SuperGLUE` (Wang et al. 2019, <https://arxiv.org/abs/1905.00537>),
//! whose passages begin with their article's title: `title -- passage`. Prompt: lm-evaluation-harness `boolq`. Where the files of
//! `SuperGLUE` are absent, those of the authors are read and the title is put in front. Questions on one article are one cluster.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::error::{BadItem, DatasetError};
use crate::item::Item;
use crate::record::{Record, describe};
use crate::source::Source;
use crate::tasks::few_shot::{Example, Sampler, Shots, items};
use crate::tasks::harness::{Layout, Question};
use crate::tasks::spec::{ChoiceMetric, Domain, FileSpec, TaskSpec};
use crate::tasks::{Entry, Task};

/// Registry line.
pub const ENTRY: Entry = Entry {
    names: || vec!["boolq".to_owned()],
    make: |name| (name == "boolq").then(|| Arc::new(BoolQ) as Arc<dyn Task>),
};

const VALIDATION: &str = "val.jsonl";
const DEV: &str = "dev.jsonl";
const TRAIN: &str = "train.jsonl";
const ANSWERS: [&str; 2] = ["no", "yes"];

/// The task.
#[derive(Debug)]
pub struct BoolQ;

impl Task for BoolQ {
    fn spec(&self) -> TaskSpec {
        TaskSpec::choice("boolq", "boolq", Domain::General, &[ChoiceMetric::Acc])
            .about("yes or no from a passage")
            .reads(vec![FileSpec::items(VALIDATION).or(DEV), FileSpec::few_shot(TRAIN)])
    }

    fn read(&self, source: &mut Source, few_shot: usize, _seed: u64) -> Result<Vec<Item>, DatasetError> {
        let records = source.jsonl(source.first_present(&[VALIDATION, DEV]))?;
        let questions = source.each(&records, question)?;
        let example = |record: &Record| question(record).map(|question| Example::from(&question));
        let shots = Shots::from_lines(source, TRAIN, few_shot, Sampler::RandomOthers, example)?;
        items(source, &Layout::default(), &shots, questions)
    }
}

fn question(record: &Record) -> Result<Question, BadItem> {
    let (field, titled) = if record.fields.contains_key("label") {
        ("label", String::new())
    } else {
        ("answer", format!("{} -- ", record.filled("title")?))
    };
    let value = record.value(field)?;
    let Value::Bool(truth) = value else {
        return Err(record.bad(field, describe(value), "true or false"));
    };
    let passage = format!("{titled}{}", record.filled("passage")?);
    let article = passage.split_once(" -- ").map_or(passage.as_str(), |(title, _)| title);
    Ok(Question {
        id: format!("line-{}", record.index),
        prompt: format!("{passage}\nQuestion: {}?\nAnswer:", record.filled("question")?),
        choices: ANSWERS.map(str::to_owned).to_vec(),
        gold: vec![usize::from(*truth)],
        fields: BTreeMap::from([("cluster".to_owned(), article.to_owned())]),
        lettered: None,
    })
}
