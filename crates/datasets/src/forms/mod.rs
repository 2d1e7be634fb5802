//! Forms of tasks: the same questions, put in another way, to see whether the answers hold.
//!
//! A form is one file here and one line in [`FORMS`]; `medqa_4options@option-order` names a task in a form. A form asks each
//! question several times in one item: the continuations of all [`Variant`]s stand one after the other, each variant with
//! contexts of its own. So there still is one item per question, and n, intervals and paired tests mean what they mean
//! elsewhere. What the variants are stands in the item's field [`variants::FIELD`], which answers keep. Two forms leave the
//! items as they are, and ask more of the model: further answers ([`sampled`]), or the unpruned model beside it
//! ([`divergence`]).

pub mod variants;
pub mod option_order;
pub mod none_of_the_above;
pub mod paraphrase;
pub mod pushback;
pub mod sampled;
pub mod divergence;

use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::Arc;

use crate::error::{DatasetError, nearest_hint};
use crate::item::{Body, Choice, Item};
use crate::source::Source;
use crate::tasks::Task;
use crate::tasks::spec::{Aspect, GenerationSettings, Scoring, TaskSpec};
pub use variants::Variant;

/// A way to put a task's questions. The same item gives the same items.
pub trait Form: Send + Sync + Debug {
    /// What follows the `@`.
    fn name(&self) -> &'static str;

    /// One line for a list.
    fn about(&self) -> &'static str;

    /// Raised whenever what is asked or how it is counted changes.
    fn version(&self) -> u32;

    /// What a task must be like, for messages: "the form needs …".
    fn needs(&self) -> &'static str;

    /// Tasks that are like that, for messages: "it works on …".
    fn works_on(&self) -> String;

    /// How the form of a task with this scoring is scored.
    ///
    /// # Errors
    /// What the task is instead of what the form needs.
    fn scoring(&self, base: &Scoring) -> Result<Scoring, String>;

    /// How answers in words are generated; as in the task itself, unless a form says otherwise.
    fn generation(&self, base: Option<GenerationSettings>) -> Option<GenerationSettings> {
        base
    }

    /// The item in this form: one for a choice, one per wording for a question answered in words. `rewordings` are those of
    /// [`Task::reworded`].
    ///
    /// # Errors
    /// What the item is instead of what the form needs.
    fn items(&self, item: Item, rewordings: &[Body]) -> Result<Vec<Item>, String>;
}

/// Lists show forms in this order.
pub const FORMS: &[&dyn Form] = &[
    &option_order::OptionOrder,
    &none_of_the_above::NoneOfTheAbove,
    &paraphrase::Paraphrase,
    &pushback::Pushback,
    &sampled::Sampled,
    &divergence::Divergence,
];

/// Names of all forms.
#[must_use]
pub fn names() -> Vec<&'static str> {
    FORMS.iter().map(|form| form.name()).collect()
}

/// The form called `name`.
#[must_use]
pub fn find(name: &str) -> Option<&'static dyn Form> {
    FORMS.iter().find(|form| form.name() == name).copied()
}

/// Forms that a task with this scoring may have; whether its items suit is seen as they are read.
#[must_use]
pub fn of(scoring: &Scoring) -> Vec<&'static dyn Form> {
    FORMS
        .iter()
        .filter(|form| form.scoring(scoring).is_ok())
        .copied()
        .collect()
}

/// A task in a form: a task of its own, with the files of the one it is made of.
#[derive(Debug)]
pub struct FormTask {
    base: Arc<dyn Task>,
    form: &'static dyn Form,
    scoring: Scoring,
}

impl FormTask {
    /// `base` in the form called `form`.
    ///
    /// # Errors
    /// Where there is no such form, or it does not suit the task's scoring.
    pub fn new(base: Arc<dyn Task>, form: &str) -> Result<Self, DatasetError> {
        let spec = base.spec();
        let form = find(form).ok_or_else(|| DatasetError::UnknownForm {
            task: spec.name.clone(),
            form: form.to_owned(),
            hint: nearest_hint(form, names()),
            known: names().join(", "),
        })?;
        let scoring = form
            .scoring(&spec.scoring)
            .map_err(|found| unsuited(&spec, form, found))?;
        Ok(Self { base, form, scoring })
    }
}

fn unsuited(spec: &TaskSpec, form: &dyn Form, found: String) -> DatasetError {
    DatasetError::UnsuitedForm {
        task: spec.name.clone(),
        form: form.name().to_owned(),
        found,
        expected: form.needs().to_owned(),
        works_on: form.works_on(),
    }
}

impl Task for FormTask {
    /// On the reliability axis: how well the task is done, the task itself says.
    fn spec(&self) -> TaskSpec {
        let base = self.base.spec();
        TaskSpec {
            name: format!("{}@{}", base.name, self.form.name()),
            version: base.version + self.form.version() - 1,
            about: format!("{}: {}", base.about, self.form.about()),
            aspect: Aspect::Reliability,
            scoring: self.scoring.clone(),
            generation: self.form.generation(base.generation.clone()),
            ..base
        }
    }

    fn read(&self, source: &mut Source, few_shot: usize, seed: u64) -> Result<Vec<Item>, DatasetError> {
        let items = self.base.read(source, few_shot, seed)?;
        let reworded = self.base.reworded(source, few_shot)?;
        let none = Vec::new();
        let mut made = Vec::with_capacity(items.len());
        for item in items {
            let id = item.id.clone();
            let rewordings = reworded.get(&id).unwrap_or(&none);
            let of_item = self
                .form
                .items(item, rewordings)
                .map_err(|found| unsuited(&self.base.spec(), self.form, format!("item `{id}` is {found}")))?;
            made.extend(of_item);
        }
        Ok(made)
    }

    fn own_directory(&self) -> Option<PathBuf> {
        self.base.own_directory()
    }

    fn definition(&self) -> String {
        let base = self.base.spec();
        format!("{} {}\n{}", base.name, base.version, self.base.definition())
    }
}

/// The scoring of a form of choices by log-likelihood.
fn of_choices(base: &Scoring, form: Scoring) -> Result<Scoring, String> {
    match base {
        Scoring::LogLikelihood { .. } => Ok(form),
        Scoring::LetterAnswer { .. } => Err("its answers are generated".to_owned()),
        _ => Err("it is no choice by log-likelihood".to_owned()),
    }
}

/// A choice with one context for all continuations and one right answer; and which one that is.
fn plain_choice(body: Body) -> Result<(Choice, usize), String> {
    let Body::Choice(choice) = body else {
        return Err("no choice by log-likelihood".to_owned());
    };
    if !choice.contexts.is_empty() {
        return Err("a choice between contexts".to_owned());
    }
    match choice.gold[..] {
        [gold] if choice.choices.len() > 1 => Ok((choice, gold)),
        [_] => Err("a choice of one".to_owned()),
        _ => Err(format!("a question with {} right answers", choice.gold.len())),
    }
}

/// Tasks whose options stand in the prompt by letter, for messages.
fn lettered_tasks() -> String {
    let tasks = [
        "medqa_4options",
        "medmcqa",
        "careqa_en",
        "mmlu",
        "mmlu_anatomy and the other subjects",
    ]
    .join(", ");
    format!("{tasks}, and cards with `{{choices|lettered}}` in the template and `answer = \"letter\"`")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::tasks;

    #[test]
    fn names_are_unique_and_every_form_suits_something() {
        let names = names();
        for (i, form) in FORMS.iter().enumerate() {
            assert!(!names[..i].contains(&form.name()) && !form.about().is_empty() && form.version() > 0);
            let task = if form.name() == "sampled" {
                "medqa_letter"
            } else {
                "medqa_4options"
            };
            let spec = tasks::find(&format!("{task}@{}", form.name()), &[]).unwrap().spec();
            assert_eq!(spec.name, format!("{task}@{}", form.name()));
            assert_eq!((spec.aspect, spec.set.as_str()), (Aspect::Reliability, "medqa"));
        }
    }

    #[test]
    fn what_is_unknown_or_unsuited_is_said() {
        let message = |name: &str| tasks::find(name, &[]).unwrap_err().to_string();
        assert!(message("medqa_4options@option-ordr").contains("did you mean `option-order`?"));
        assert!(message("medqa_4option@option-order").contains("did you mean `medqa_4options`?"));
        let generated = message("medqa_letter@option-order");
        assert!(
            generated.contains("its answers are generated") && generated.contains("medmcqa"),
            "{generated}"
        );
        assert!(message("gsm8k@pushback").contains("it works on"));
        assert!(message("medqa_4options@sampled").contains("it is a choice by log-likelihood"));
        assert!(message("humaneval@sampled").contains("it runs what the model writes"));
    }

    #[test]
    fn a_path_to_a_card_may_hold_an_at() {
        assert_eq!(tasks::split_form("a@b/c.toml"), ("a@b/c.toml", None));
        assert_eq!(
            tasks::split_form("a@b/c.toml@paraphrase"),
            ("a@b/c.toml", Some("paraphrase"))
        );
        assert_eq!(tasks::split_form("mmlu"), ("mmlu", None));
    }
}
