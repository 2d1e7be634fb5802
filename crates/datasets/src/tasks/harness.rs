//! How lm-evaluation-harness (commit 4e7e0d47) puts a multiple-choice context together:
//!
//! ```text
//! context      = description + Σ (example prompt + " " + its right answer + "\n\n") + prompt
//! continuation = " " + choice
//! ```
//!
//! and the letter form of the reference experiment (arXiv:2607.01444), which asks for the answer's name instead.

use std::collections::BTreeMap;

use crate::error::{BadItem, DatasetError};
use crate::item::{Body, Choice, Generate, Item, Lettered, Message};
use crate::record::Record;
use crate::tasks::spec::{AnswerStyle, Domain, GenerationMetric, GenerationSettings, Normalise, Scoring, TaskSpec};

/// The letters of lettered choices.
pub const LETTERS: [&str; 4] = ["A", "B", "C", "D"];

/// A question before few-shot examples are put in front of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// Identity within the task.
    pub id: String,
    /// Ends where the answer begins, mostly in `Answer:`.
    pub prompt: String,
    /// What can be answered.
    pub choices: Vec<String>,
    /// Right ones.
    pub gold: Vec<usize>,
    /// For the reader.
    pub fields: BTreeMap<String, String>,
    /// The pieces of `prompt`, where options stand in it by letter.
    pub lettered: Option<Lettered>,
}

impl Question {
    /// The four-letter question with option texts `options` below `stem`.
    #[must_use]
    pub fn lettered(id: String, stem: &str, options: &[String], gold: usize) -> Self {
        let lettered = Lettered {
            preamble: String::new(),
            before: format!("{stem}\n"),
            options: options.iter().take(LETTERS.len()).cloned().collect(),
            after: "\nAnswer:".to_owned(),
        };
        Self {
            id,
            prompt: lettered.context(&lettered.options),
            choices: LETTERS.iter().map(|&letter| letter.to_owned()).collect(),
            gold: vec![gold],
            fields: BTreeMap::new(),
            lettered: Some(lettered),
        }
    }

    /// With a field kept for the reader.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.fields.insert(name.to_owned(), value.to_owned());
        self
    }
}

/// The pieces between the texts of a context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Before everything.
    pub description: String,
    /// Between a prompt and its answer.
    pub target_delimiter: String,
    /// After each example.
    pub few_shot_delimiter: String,
}

impl Default for Layout {
    fn default() -> Self {
        Self {
            description: String::new(),
            target_delimiter: " ".to_owned(),
            few_shot_delimiter: "\n\n".to_owned(),
        }
    }
}

impl Layout {
    /// The default delimiters after a description.
    #[must_use]
    pub fn described(description: impl Into<String>) -> Self {
        Self {
            description: description.into(),
            ..Self::default()
        }
    }

    /// Description and worked examples, as they stand before every question. An example is its prompt and its right answer.
    #[must_use]
    pub fn preamble<'a>(&self, examples: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
        let mut text = self.description.clone();
        for (prompt, answer) in examples {
            text.extend([prompt, &self.target_delimiter, answer, &self.few_shot_delimiter]);
        }
        text
    }

    /// Items of `questions`, each behind the same `examples`.
    #[must_use]
    pub fn items(&self, examples: &[Question], questions: Vec<Question>) -> Vec<Item> {
        let shots = examples.iter().map(|example| {
            let gold = example.gold.first().and_then(|&gold| example.choices.get(gold));
            (example.prompt.as_str(), gold.map_or("", String::as_str))
        });
        let preamble = self.preamble(shots);
        questions
            .into_iter()
            .map(|question| self.item(&preamble, question))
            .collect()
    }

    /// The item of `question` behind `preamble`.
    #[must_use]
    pub fn item(&self, preamble: &str, question: Question) -> Item {
        let continuations = question
            .choices
            .iter()
            .map(|choice| format!("{}{choice}", self.target_delimiter));
        let lettered = question.lettered.map(|pieces| Lettered {
            preamble: preamble.to_owned(),
            ..pieces
        });
        let choice = Choice {
            context: format!("{preamble}{}", question.prompt),
            continuations: continuations.collect(),
            choices: question.choices,
            gold: question.gold,
            lettered,
            ..Choice::default()
        };
        Item {
            id: question.id,
            body: Body::Choice(choice),
            fields: question.fields,
        }
    }
}

/// The first `count` of `examples`.
///
/// # Errors
/// Where there are fewer.
pub fn first<T>(task: &str, mut examples: Vec<T>, count: usize, from: &str) -> Result<Vec<T>, DatasetError> {
    let available = examples.len();
    if count > available {
        let reason = format!("from {from}");
        return Err(DatasetError::FewShot {
            task: task.to_owned(),
            asked: count,
            available,
            reason,
        });
    }
    examples.truncate(count);
    Ok(examples)
}

/// Refuses few-shot examples on behalf of a task that has none.
///
/// # Errors
/// Where `count` is not 0.
pub fn no_examples(task: &str, count: usize, reason: &str) -> Result<(), DatasetError> {
    first::<()>(task, Vec::new(), count, reason).map(|_| ())
}

/// The two to many answer texts of `field`, none of them blank.
///
/// # Errors
/// Where there are fewer than two, or one is empty: its length-normalised score would be 0/0.
pub fn answer_texts(record: &Record, field: &str) -> Result<Vec<String>, BadItem> {
    let texts = record.texts(field)?;
    check_answers(record, field, &texts)?;
    Ok(texts)
}

/// As [`answer_texts`], on texts already taken out of the record.
///
/// # Errors
/// As [`answer_texts`].
pub fn check_answers(record: &Record, field: &str, texts: &[String]) -> Result<(), BadItem> {
    if texts.len() < 2 {
        return Err(record.bad(field, format!("{} choices", texts.len()), "at least 2 choices"));
    }
    if let Some(empty) = texts.iter().position(String::is_empty) {
        return Err(record.bad(
            field,
            format!("an empty text as choice {empty}"),
            "a text in every choice",
        ));
    }
    Ok(())
}

/// The reference experiment asks for the answer's name: its task description.
#[must_use]
pub fn letter_spec(name: impl Into<String>, set: &str, domain: Domain, answers: &[&str]) -> TaskSpec {
    let style = if answers[0].len() == 1 {
        AnswerStyle::Letters
    } else {
        AnswerStyle::Words
    };
    let answers = answers.iter().map(|&answer| answer.to_owned()).collect();
    let scoring = Scoring::LetterAnswer { answers, style };
    TaskSpec::generated(name, set, domain, scoring, GenerationSettings::greedy(128, &[]))
}

/// A biomedical task answered in free text, greedily, scored by overlap with its references and by what its source supports.
#[must_use]
pub fn free_text(name: impl Into<String>, set: &str, max_new_tokens: usize, stop: &[&str]) -> TaskSpec {
    let scoring = Scoring::Generation {
        metrics: vec![
            GenerationMetric::Rouge,
            GenerationMetric::Bleu,
            GenerationMetric::Chrf,
            GenerationMetric::Support,
        ],
        normalise: Normalise::default(),
        abstain_phrases: Vec::new(),
    };
    let generation = GenerationSettings::greedy(max_new_tokens, stop);
    TaskSpec::generated(name, set, Domain::Biomedical, scoring, generation)
}

/// The items of the letter form: the harness prompt, then an instruction to name the answer, in one user turn, zero-shot.
#[must_use]
pub fn letter_items(questions: Vec<Question>) -> Vec<Item> {
    questions.into_iter().map(letter_item).collect()
}

fn letter_item(question: Question) -> Item {
    let words = question.choices.first().is_some_and(|choice| choice.len() > 1);
    let instruction = if words {
        " Respond with ONLY one word: yes, no, or maybe"
    } else {
        " Respond with ONLY a single letter: A, B, C, or D"
    };
    let references = question
        .gold
        .iter()
        .filter_map(|&gold| question.choices.get(gold).cloned())
        .collect();
    let message = Message {
        role: "user".to_owned(),
        content: format!("{}{instruction}", question.prompt),
    };
    let generate = Generate {
        messages: vec![message],
        prefix: None,
        references,
        source: None,
        unanswerable: false,
    };
    Item {
        id: question.id,
        body: Body::Generate(generate),
        fields: question.fields,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn question(stem: &str, gold: usize) -> Question {
        let options = ["w", "x", "y", "z"].map(str::to_owned);
        Question::lettered(stem.to_owned(), stem, &options, gold)
    }

    #[test]
    fn examples_stand_between_description_and_question() {
        let items = Layout::described("About.\n\n").items(&[question("one", 2)], vec![question("two", 0)]);
        let Body::Choice(choice) = &items[0].body else {
            panic!("a choice")
        };
        let options = "\nA. w\nB. x\nC. y\nD. z\nAnswer:";
        assert_eq!(choice.context, format!("About.\n\none{options} C\n\ntwo{options}"));
        assert_eq!(choice.continuations, [" A", " B", " C", " D"]);
        assert_eq!(choice.choices, LETTERS);
    }

    #[test]
    fn too_many_examples_are_refused() {
        let message = first("piqa", vec![1, 2], 5, "train.jsonl").unwrap_err().to_string();
        assert_eq!(
            message,
            "piqa: 5 few-shot examples asked for, 2 available (from train.jsonl)"
        );
    }
}
