//! A record of a card's JSONL file becomes an item.

use std::collections::BTreeMap;

use serde_json::Value;

use super::CardTask;
use super::file::{AnswerSection, CardKind, ChoicesSection, ScoredAnswer};
use crate::error::BadItem;
use crate::item::{Body, Choice, Generate, Item, Lettered, Message, lettered};
use crate::messages;
use crate::record::{Record, describe};
use crate::tasks::harness::check_answers;
use crate::template::plain;

impl CardTask {
    /// The item of `record` with `preamble` before its prompt.
    pub(super) fn item(&self, record: &Record, preamble: &str) -> Result<Item, BadItem> {
        Ok(Item {
            id: self.id(record)?,
            body: self.body(record, preamble, &self.prompt(record)?)?,
            fields: self.kept(record)?,
        })
    }

    /// The id of `record` and what is asked in other words, where the card names a field with these.
    pub(super) fn reworded_item(&self, record: &Record, preamble: &str) -> Result<(String, Vec<Body>), BadItem> {
        let texts = match &self.card().prompt.paraphrases {
            Some(field) => record.texts(field)?,
            None => Vec::new(),
        };
        let bodies = texts.iter().map(|text| self.body(record, preamble, text));
        Ok((self.id(record)?, bodies.collect::<Result<_, _>>()?))
    }

    fn body(&self, record: &Record, preamble: &str, prompt: &str) -> Result<Body, BadItem> {
        match (self.card().kind, &self.card().choices, &self.card().answer) {
            (CardKind::MultipleChoice, Some(choices), _) => {
                let mut choice = self.choice(record, choices, format!("{preamble}{prompt}"))?;
                choice.lettered = Self::lettered(record, choices, preamble, prompt);
                Ok(Body::Choice(choice))
            }
            (CardKind::Generation, _, Some(answer)) => {
                let question = format!("{preamble}{prompt}");
                self.generate(record, answer, question).map(Body::Generate)
            }
            _ => Ok(Body::Text(self.text(record)?)),
        }
    }

    /// The pieces of a prompt in which the record's choices stand by letter and are answered by letter.
    fn lettered(record: &Record, section: &ChoicesSection, preamble: &str, prompt: &str) -> Option<Lettered> {
        let field = section
            .field
            .as_ref()
            .filter(|_| section.answer == ScoredAnswer::Letter)?;
        let options = record.texts(field).ok()?;
        let (before, after) = prompt.split_once(&lettered(&options))?;
        Some(Lettered {
            preamble: preamble.to_owned(),
            before: before.to_owned(),
            options,
            after: after.to_owned(),
        })
    }

    /// A worked example: prompt and right answer.
    pub(super) fn example(&self, record: &Record) -> Result<(String, String), BadItem> {
        let prompt = self.prompt(record)?;
        if let Some(section) = &self.card().choices {
            let mut choice = self.choice(record, section, String::new())?;
            return Ok((prompt, choice.choices.swap_remove(choice.gold[0])));
        }
        let field = self.card().answer.as_ref().map_or("", |section| &section.references);
        let first = references(record, field)?.into_iter().next();
        Ok((
            prompt,
            first.ok_or_else(|| record.bad(field, "no reference", "a reference answer in an example"))?,
        ))
    }

    fn prompt(&self, record: &Record) -> Result<String, BadItem> {
        self.template()
            .map_or(Ok(String::new()), |template| template.fill(record))
    }

    fn text(&self, record: &Record) -> Result<String, BadItem> {
        let text = self.prompt(record)?;
        if text.is_empty() {
            return Err(record.bad("(prompt)", "an empty text", "text to measure perplexity on"));
        }
        Ok(text)
    }

    fn choice(&self, record: &Record, section: &ChoicesSection, context: String) -> Result<Choice, BadItem> {
        let texts = match (&section.field, &section.texts) {
            (Some(field), _) => {
                let texts = record.texts(field)?;
                check_answers(record, field, &texts)?;
                texts
            }
            (None, texts) => texts.clone().unwrap_or_default(),
        };
        let gold = gold(record, &section.label, &texts)?;
        let choices = match section.answer {
            ScoredAnswer::Text => texts,
            ScoredAnswer::Letter => letters(record, section, texts.len())?,
        };
        let delimiter = self.layout().target_delimiter;
        let continuations = choices.iter().map(|choice| format!("{delimiter}{choice}")).collect();
        Ok(Choice {
            context,
            continuations,
            choices,
            gold,
            ..Choice::default()
        })
    }

    fn generate(&self, record: &Record, section: &AnswerSection, question: String) -> Result<Generate, BadItem> {
        let messages = match &self.card().prompt.messages {
            Some(field) => conversation(record, field)?,
            None => self.turns(question),
        };
        let unanswerable = flag(record, section.unanswerable.as_deref())?;
        let missing = record.optional(&section.references).is_none();
        let references = if unanswerable && missing {
            Vec::new()
        } else {
            references(record, &section.references)?
        };
        if references.is_empty() && !unanswerable {
            return Err(record.bad(
                &section.references,
                "no reference",
                "a reference answer, or the item marked unanswerable",
            ));
        }
        let source = section
            .source
            .as_deref()
            .map(|field| record.filled(field).map(str::to_owned))
            .transpose()?;
        let prefix = self.prefix().map(|prefix| prefix.fill(record)).transpose()?;
        Ok(Generate {
            messages,
            prefix,
            references,
            source,
            unanswerable,
        })
    }

    fn turns(&self, question: String) -> Vec<Message> {
        let turn = |role: &str, content: String| Message {
            role: role.to_owned(),
            content,
        };
        let system = self
            .card()
            .prompt
            .system
            .iter()
            .map(|text| turn("system", text.clone()));
        system.chain([turn("user", question)]).collect()
    }

    fn id(&self, record: &Record) -> Result<String, BadItem> {
        let Some(field) = &self.card().data.id else {
            return Ok(record.at.replace(' ', "-"));
        };
        match record.value(field)? {
            Value::String(id) if !id.trim().is_empty() => Ok(id.clone()),
            Value::Number(number) if number.is_u64() || number.is_i64() => Ok(number.to_string()),
            other => Err(record.bad(field, describe(other), "a string or an integer")),
        }
    }

    fn kept(&self, record: &Record) -> Result<BTreeMap<String, String>, BadItem> {
        let kept = self.card().data.keep.iter().map(|field| {
            let value = record.value(field)?;
            Ok((field.clone(), plain(value).unwrap_or_else(|| value.to_string())))
        });
        kept.collect()
    }
}

fn letters(record: &Record, section: &ChoicesSection, count: usize) -> Result<Vec<String>, BadItem> {
    if count > 26 {
        let field = section.field.as_deref().unwrap_or("choices.texts");
        return Err(record.bad(field, format!("{count} choices"), "at most 26, one per letter"));
    }
    Ok(('A'..='Z').take(count).map(String::from).collect())
}

fn gold(record: &Record, field: &str, choices: &[String]) -> Result<Vec<usize>, BadItem> {
    let value = record.value(field)?;
    let labels = match value {
        Value::Array(list) => list.as_slice(),
        single => std::slice::from_ref(single),
    };
    let mut gold = labels
        .iter()
        .map(|label| position(record, field, label, choices))
        .collect::<Result<Vec<_>, _>>()?;
    gold.sort_unstable();
    gold.dedup();
    if gold.is_empty() {
        return Err(record.bad(field, "an empty list", "at least one right choice"));
    }
    Ok(gold)
}

fn position(record: &Record, field: &str, label: &Value, choices: &[String]) -> Result<usize, BadItem> {
    let found = match label {
        Value::Number(number) => number
            .as_u64()
            .and_then(|index| usize::try_from(index).ok())
            .filter(|&index| index < choices.len()),
        Value::String(text) => choices.iter().position(|choice| choice == text),
        _ => None,
    };
    let expected = || {
        format!(
            "an index from 0 to {} or the text of a choice",
            choices.len().saturating_sub(1)
        )
    };
    found.ok_or_else(|| record.bad(field, describe(label), expected()))
}

fn references(record: &Record, field: &str) -> Result<Vec<String>, BadItem> {
    let references = match record.value(field)? {
        Value::String(text) => vec![text.clone()],
        Value::Number(number) => vec![number.to_string()],
        Value::Array(_) => record.texts(field)?,
        other => return Err(record.bad(field, describe(other), "a reference answer or a list of them")),
    };
    if references.iter().any(|reference| reference.trim().is_empty()) {
        return Err(record.bad(field, "an empty reference", "some text in every reference"));
    }
    Ok(references)
}

fn flag(record: &Record, field: Option<&str>) -> Result<bool, BadItem> {
    let Some((field, value)) = field.and_then(|field| Some((field, record.optional(field)?))) else {
        return Ok(false);
    };
    value
        .as_bool()
        .ok_or_else(|| record.bad(field, describe(value), "true or false"))
}

fn conversation(record: &Record, field: &str) -> Result<Vec<Message>, BadItem> {
    let messages =
        messages::parse(record.value(field)?).map_err(|(found, expected)| record.bad(field, found, expected))?;
    match messages.last().map(|message| message.role.as_str()) {
        Some("user") => Ok(messages),
        last => Err(record.bad(
            field,
            format!("a last turn by {}", last.unwrap_or("nobody")),
            "a last turn by the user",
        )),
    }
}
