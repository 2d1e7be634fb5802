//! HellaSwag: which sentence comes next?
//!
//! Zellers et al. 2019, <https://arxiv.org/abs/1905.07830>. Prompt and cleaning: lm-evaluation-harness `hellaswag`. `ctx_b` is capitalised
//! as Python does it, which lowers every letter but the first; cleaning replaces double spaces once, not until none is left.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use regex::Regex;

use crate::error::{BadItem, DatasetError};
use crate::item::Item;
use crate::python::text::{capitalize, strip};
use crate::record::{Record, describe};
use crate::source::Source;
use crate::tasks::few_shot::{Example, Sampler, Shots, items};
use crate::tasks::harness::{Layout, Question, check_answers};
use crate::tasks::spec::{ChoiceMetric, Domain, FileSpec, TaskSpec};
use crate::tasks::{Entry, Task};

/// Registry line.
pub const ENTRY: Entry = Entry {
    names: || vec!["hellaswag".to_owned()],
    make: |name| {
        if name == "hellaswag" {
            Some(Arc::new(HellaSwag))
        } else {
            None
        }
    },
};

const VALIDATION: &str = "hellaswag_val.jsonl";
const SAMPLE: &str = "hellaswag_val.sample.jsonl";
const TRAIN: &str = "hellaswag_train.jsonl";

/// The task.
#[derive(Debug)]
pub struct HellaSwag;

impl Task for HellaSwag {
    fn spec(&self) -> TaskSpec {
        TaskSpec::choice(
            "hellaswag",
            "hellaswag",
            Domain::General,
            &[ChoiceMetric::Acc, ChoiceMetric::AccNorm],
        )
        .about("the most likely next sentence, four endings")
        .reads(vec![FileSpec::items(VALIDATION).or(SAMPLE), FileSpec::few_shot(TRAIN)])
        .revised(2)
    }

    fn read(&self, source: &mut Source, few_shot: usize, _seed: u64) -> Result<Vec<Item>, DatasetError> {
        let records = source.jsonl(source.first_present(&[VALIDATION, SAMPLE]))?;
        let questions = source.each(&records, question)?;
        let example = |record: &Record| question(record).map(|question| Example::from(&question));
        let shots = Shots::from_lines(source, TRAIN, few_shot, Sampler::RandomOthers, example)?;
        items(source, &Layout::default(), &shots, questions)
    }
}

fn question(record: &Record) -> Result<Question, BadItem> {
    let (label, first, second) = (
        record.text("activity_label")?,
        record.text("ctx_a")?,
        record.text("ctx_b")?,
    );
    let choices: Vec<String> = record.texts("endings")?.iter().map(|ending| clean(ending)).collect();
    check_answers(record, "endings", &choices)?;
    let id = record.value("ind")?.as_u64();
    let id = id.ok_or_else(|| record.bad("ind", describe(&record.fields["ind"]), "a number"))?;
    Ok(Question {
        id: id.to_string(),
        prompt: clean(&format!("{label}: {first} {}", capitalize(second))),
        gold: vec![record.index_below("label", choices.len())?],
        choices,
        fields: BTreeMap::from([(
            "split_type".to_owned(),
            record.text("split_type").unwrap_or_default().to_owned(),
        )]),
        lettered: None,
    })
}

static BRACKETS: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\[.*?\]").ok());

/// Removes the traces of `WikiHow` mark-up.
fn clean(text: &str) -> String {
    let text = strip(text).replace(" [title]", ". ");
    let text = BRACKETS
        .as_ref()
        .map_or_else(|| text.clone(), |pattern| pattern.replace_all(&text, "").into_owned());
    text.replace("  ", " ")
}

#[cfg(test)]
mod tests {
    use super::clean;

    #[test]
    fn cleaning_is_one_pass() {
        assert_eq!(
            clean(" How to [title] Do [step] it [x"),
            "How to.  Do it [x".replace(".  ", ". ")
        );
        assert_eq!(clean("a [b]   c"), "a  c");
        assert_eq!(clean("A: x [title] y"), "A: x.  y".replace("  ", " "));
    }
}
