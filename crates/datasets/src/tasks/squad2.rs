//! `SQuAD` 2.0: answers that stand in the passage, and questions that the passage does not answer.
//!
//! Rajpurkar et al. 2018, <https://arxiv.org/abs/1806.03822>. Prompt: lm-evaluation-harness `squadv2` (version 3), which answers until the end
//! of the line and takes the probability of ` unanswerable` after the prompt for that of there being no answer. Its examples have two
//! spaces before the answer, one of the delimiter and one of the answer. Questions on one article are one cluster.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::{BadItem, DatasetError};
use crate::item::{Body, Generate, Item, Message};
use crate::record::{Record, describe};
use crate::source::Source;
use crate::tasks::few_shot::{Example, Sampler, Shots};
use crate::tasks::harness::Layout;
use crate::tasks::spec::{Domain, FileSpec, GenerationSettings, Scoring, TaskSpec};
use crate::tasks::{Entry, Task};

/// Registry line.
pub const ENTRY: Entry = Entry {
    names: || vec!["squad2".to_owned()],
    make: |name| (name == "squad2").then(|| Arc::new(Squad2) as Arc<dyn Task>),
};

const DEV: &str = "dev-v2.0.json";
const TRAIN: &str = "train-v2.0.json";

/// The task.
#[derive(Debug)]
pub struct Squad2;

/// A file as the authors publish it.
#[derive(Deserialize)]
struct File {
    data: Vec<Article>,
}

#[derive(Deserialize)]
struct Article {
    title: String,
    paragraphs: Vec<Paragraph>,
}

#[derive(Deserialize)]
struct Paragraph {
    context: String,
    qas: Vec<Map<String, Value>>,
}

impl Task for Squad2 {
    fn spec(&self) -> TaskSpec {
        let generation = GenerationSettings::greedy(256, &["\n"]);
        TaskSpec::generated("squad2", "squad2", Domain::General, Scoring::Squad2, generation)
            .about("answers from a passage, half of the questions have none")
            .reads(vec![FileSpec::items(DEV), FileSpec::few_shot(TRAIN)])
    }

    fn read(&self, source: &mut Source, few_shot: usize, _seed: u64) -> Result<Vec<Item>, DatasetError> {
        let questions = questions(source, DEV)?;
        let mut pool = Vec::new();
        if few_shot > 0 {
            pool = self::questions(source, TRAIN)?
                .iter()
                .map(PassageQuestion::example)
                .collect();
        }
        let shots = Shots {
            sampler: Sampler::RandomOthers,
            pool,
            from: TRAIN,
            count: few_shot,
        };
        let asked: Vec<Example> = questions.iter().map(PassageQuestion::example).collect();
        let preambles = shots.preambles(source, &Layout::default(), &asked)?;
        let pairs = preambles.iter().zip(questions);
        Ok(pairs.map(|(preamble, question)| question.item(preamble)).collect())
    }
}

struct PassageQuestion {
    id: String,
    title: String,
    context: String,
    prompt: String,
    answers: Vec<String>,
}

fn questions(source: &mut Source, name: &str) -> Result<Vec<PassageQuestion>, DatasetError> {
    let file: File = source.json(name, "articles with paragraphs of questions, as in the official file")?;
    let mut questions = Vec::new();
    let mut index = 0;
    for article in &file.data {
        for paragraph in &article.paragraphs {
            for fields in &paragraph.qas {
                index += 1;
                let record = Record {
                    file: name.to_owned(),
                    at: format!("question {index} (article {})", article.title),
                    index: index - 1,
                    fields: fields.clone(),
                };
                questions.extend(source.accept(question(&record, article, paragraph))?);
            }
        }
    }
    Ok(questions)
}

fn question(record: &Record, article: &Article, paragraph: &Paragraph) -> Result<PassageQuestion, BadItem> {
    let listed = record.value("answers")?;
    let count = listed.as_array().map(Vec::len);
    let count = count.ok_or_else(|| record.bad("answers", describe(listed), "a list of answers"))?;
    let answers = (0..count).map(|at| record.filled(&format!("answers.{at}.text")).map(str::to_owned));
    let answers = answers.collect::<Result<Vec<_>, _>>()?;
    let impossible = record.value("is_impossible")?;
    if *impossible != Value::Bool(answers.is_empty()) {
        let found = format!("{} with {count} answers", describe(impossible));
        return Err(record.bad("is_impossible", found, "true where there is no answer, false elsewhere"));
    }
    let stem = record.filled("question")?;
    Ok(PassageQuestion {
        id: record.filled("id")?.to_owned(),
        title: article.title.clone(),
        prompt: format!(
            "Title: {}\n\nBackground: {}\n\nQuestion: {stem}\n\nAnswer:",
            article.title, paragraph.context
        ),
        context: paragraph.context.clone(),
        answers,
    })
}

impl PassageQuestion {
    fn example(&self) -> Example {
        let answer = self.answers.first().map_or("unanswerable", String::as_str);
        Example {
            prompt: self.prompt.clone(),
            answer: format!(" {answer}"),
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
                unanswerable: self.answers.is_empty(),
                references: self.answers,
                source: Some(self.context),
            }),
            fields: BTreeMap::from([("cluster".to_owned(), self.title)]),
        }
    }
}
