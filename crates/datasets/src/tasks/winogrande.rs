//! `WinoGrande`: which of two things does the blank stand for?
//!
//! Sakaguchi et al. 2020, <https://arxiv.org/abs/1907.10641>. lm-evaluation-harness `winogrande` (partial evaluation, Trinh & Le 2018,
//! <https://arxiv.org/abs/1806.02847>): each option is put into the blank, and the log-likelihood of what follows the blank is compared.
//! Files of release 1.1: `dev.jsonl`, examples from `train_xl.jsonl`. Twin sentences share an id up to its last hyphen: one cluster.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::{BadItem, DatasetError};
use crate::item::{Body, Choice, Item};
use crate::python::text::strip;
use crate::record::Record;
use crate::source::Source;
use crate::tasks::few_shot::{Example, Sampler, Shots};
use crate::tasks::harness::{Layout, check_answers};
use crate::tasks::spec::{ChoiceMetric, Domain, FileSpec, TaskSpec};
use crate::tasks::{Entry, Task};

/// Registry line.
pub const ENTRY: Entry = Entry {
    names: || vec!["winogrande".to_owned()],
    make: |name| (name == "winogrande").then(|| Arc::new(WinoGrande) as Arc<dyn Task>),
};

const DEV: &str = "dev.jsonl";
const TRAIN: &str = "train_xl.jsonl";

/// The task.
#[derive(Debug)]
pub struct WinoGrande;

impl Task for WinoGrande {
    fn spec(&self) -> TaskSpec {
        TaskSpec::choice("winogrande", "winogrande", Domain::General, &[ChoiceMetric::Acc])
            .about("what a blank refers to, two options")
            .reads(vec![FileSpec::items(DEV), FileSpec::few_shot(TRAIN)])
    }

    fn read(&self, source: &mut Source, few_shot: usize, _seed: u64) -> Result<Vec<Item>, DatasetError> {
        let records = source.jsonl(DEV)?;
        let sentences = source.each(&records, Sentence::read)?;
        let example = |record: &Record| Sentence::read(record).map(|sentence| sentence.example());
        let shots = Shots::from_lines(source, TRAIN, few_shot, Sampler::RandomOthers, example)?;
        let layout = Layout::default();
        let asked: Vec<Example> = sentences.iter().map(Sentence::example).collect();
        let preambles = shots.preambles(source, &layout, &asked)?;
        let pairs = preambles.into_iter().zip(sentences);
        Ok(pairs
            .map(|(preamble, sentence)| sentence.item(preamble, &layout))
            .collect())
    }
}

/// A sentence with its blank filled both ways.
struct Sentence {
    id: String,
    /// Text before the blank and each option.
    filled: Vec<String>,
    /// Text after the blank.
    rest: String,
    gold: usize,
}

impl Sentence {
    fn read(record: &Record) -> Result<Self, BadItem> {
        let sentence = record.filled("sentence")?;
        let blank = || {
            record.bad(
                "sentence",
                format!("\"{}\"", crate::error::shorten(sentence)),
                "a blank `_` and text after it",
            )
        };
        let (before, rest) = sentence.split_once('_').ok_or_else(blank)?;
        let rest = strip(rest);
        if rest.is_empty() {
            return Err(blank());
        }
        let options = vec![record.text("option1")?.to_owned(), record.text("option2")?.to_owned()];
        check_answers(record, "option1, option2", &options)?;
        let answer = record.text("answer")?;
        let gold = ["1", "2"].iter().position(|&known| known == answer);
        Ok(Self {
            id: record.filled("qID")?.to_owned(),
            filled: options.iter().map(|option| format!("{before}{option}")).collect(),
            rest: rest.to_owned(),
            gold: gold.ok_or_else(|| record.bad("answer", format!("\"{answer}\""), "1 or 2"))?,
        })
    }

    fn example(&self) -> Example {
        Example {
            prompt: self.filled[self.gold].clone(),
            answer: self.rest.clone(),
        }
    }

    fn item(self, preamble: String, layout: &Layout) -> Item {
        let contexts = self.filled.iter().map(|filled| format!("{preamble}{filled}")).collect();
        let continuation = format!("{}{}", layout.target_delimiter, self.rest);
        let twin = self.id.rsplit_once('-').map_or(self.id.as_str(), |(pair, _)| pair);
        let fields = BTreeMap::from([("cluster".to_owned(), twin.to_owned())]);
        Item {
            body: Body::Choice(Choice {
                context: preamble,
                contexts,
                continuations: vec![continuation; 2],
                choices: self.filled,
                gold: vec![self.gold],
                ..Choice::default()
            }),
            id: self.id,
            fields,
        }
    }
}
