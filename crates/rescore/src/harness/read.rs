//! Sample files to kept answers.

use std::collections::BTreeMap;
use std::path::Path;

use secateur_datasets::error::shorten;
use secateur_datasets::item::{Body, Choice, Generate, Item, Message};
use secateur_evaluation::answer::{Answer, ChoiceAnswer, Continuation, LikelihoodAnswer, Output, Scores, TextAnswer};
use secateur_evaluation::engine::{Finish, Score};
use secateur_evaluation::score::first_largest;
use serde_json::{Map, Value};

use super::find::SampleFile;
use super::target::{Reading, gold, references};
use crate::error::RescoreError;
use crate::kept::{Batch, Kept, Unknown, without_delimiter};

/// How sample files are read.
#[derive(Debug, Clone, Default)]
pub struct ReadOptions {
    /// Field of the document that holds the text which answers must be supported by.
    pub source_field: Option<String>,
    /// Leave lines out that cannot be used, and count them.
    pub skip_bad_items: bool,
}

/// The harness's name of a score, and ours.
const NAMES: [(&str, &str); 5] = [
    ("acc", "accuracy"),
    ("acc_norm", "accuracy_per_character"),
    ("acc_bytes", "accuracy_per_byte"),
    ("mc2", "true_probability_mass"),
    ("brier_score", "brier_score"),
];

/// Reads a sample file: one batch per filter, in the order in which filters appear.
///
/// # Errors
/// If the file cannot be read, or a line cannot be used (unless such lines are skipped).
pub fn read(file: &SampleFile, options: &ReadOptions) -> Result<Vec<Batch>, RescoreError> {
    let text = std::fs::read_to_string(&file.path).map_err(|source| RescoreError::io("read", &file.path, source))?;
    let mut skipped = Vec::new();
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        match Line::parse(&file.path, index + 1, line).and_then(|line| line.raw(options).map(|raw| (line, raw))) {
            Ok(parsed) => lines.push(parsed),
            Err(error) if options.skip_bad_items => skipped.push(error.to_string()),
            Err(error) => return Err(error),
        }
    }
    if lines.is_empty() {
        return Err(RescoreError::Malformed {
            path: file.path.clone(),
            found: format!("no usable sample ({} lines could not be used)", skipped.len()),
            expected: "one JSON object per line, as lm-evaluation-harness writes with --log_samples".into(),
        });
    }
    let reading = reading(&file.path, &lines)?;
    let mut batches: Vec<Batch> = Vec::new();
    for (line, raw) in lines {
        let kept = match line.keep(raw, reading) {
            Ok(kept) => kept,
            Err(error) if options.skip_bad_items => {
                skipped.push(error.to_string());
                continue;
            }
            Err(error) => return Err(error),
        };
        let at = batches
            .iter()
            .position(|batch| batch.filter == line.filter)
            .unwrap_or_else(|| {
                batches.push(empty(file, &line.filter, options));
                batches.len() - 1
            });
        batches[at].unknown.choice_lengths |= line.contexts_differ;
        batches[at].kept.push(kept);
    }
    for batch in &mut batches {
        batch.skipped.clone_from(&skipped);
        unique(batch)?;
    }
    Ok(batches)
}

fn empty(file: &SampleFile, filter: &str, options: &ReadOptions) -> Batch {
    Batch {
        path: file.path.clone(),
        model: file.model.clone(),
        task: file.task.clone(),
        filter: filter.to_owned(),
        kept: Vec::new(),
        skipped: Vec::new(),
        unknown: Unknown {
            finish: true,
            source: options.source_field.is_none(),
            tokens: true,
            choice_lengths: false,
        },
        notes: Vec::new(),
    }
}

/// Ids must tell items apart: results are joined by them.
fn unique(batch: &Batch) -> Result<(), RescoreError> {
    let mut first: BTreeMap<&str, usize> = BTreeMap::new();
    for kept in &batch.kept {
        if let Some(before) = first.insert(&kept.item.id, kept.line) {
            return Err(RescoreError::BadLine {
                path: batch.path.clone(),
                line: kept.line,
                field: "doc_id".into(),
                found: format!("{}, which is also that of line {before}", kept.item.id),
                expected: "a document once per filter".into(),
            });
        }
    }
    Ok(())
}

/// A line, its fields and where it is.
struct Line<'a> {
    path: &'a Path,
    number: usize,
    fields: Map<String, Value>,
    filter: String,
    /// The context is not the same for all choices, as in `WinoGrande`.
    contexts_differ: bool,
}

/// What a line asks and holds, before its target is read.
enum Raw {
    Choices {
        context: String,
        continuations: Vec<String>,
        scores: Vec<Score>,
    },
    Text {
        prompt: String,
        said: String,
        source: Option<String>,
    },
    Likelihood {
        text: String,
        log_probability: f64,
    },
}

impl<'a> Line<'a> {
    fn parse(path: &'a Path, number: usize, text: &str) -> Result<Self, RescoreError> {
        let mut line = Self {
            path,
            number,
            fields: Map::new(),
            filter: "none".into(),
            contexts_differ: false,
        };
        line.fields = match serde_json::from_str(text) {
            Ok(Value::Object(fields)) => fields,
            Ok(other) => return Err(line.bad("(line)", shorten(&other.to_string()), "a JSON object")),
            Err(error) => return Err(line.bad("(line)", format!("text that is not JSON ({error})"), "a JSON object")),
        };
        if let Some(filter) = line.fields.get("filter").and_then(Value::as_str) {
            filter.clone_into(&mut line.filter);
        }
        let contexts = line.arguments()?;
        line.contexts_differ = contexts.iter().any(|(context, _)| *context != contexts[0].0);
        Ok(line)
    }

    fn bad(&self, field: &str, found: impl Into<String>, expected: &str) -> RescoreError {
        RescoreError::BadLine {
            path: self.path.to_owned(),
            line: self.number,
            field: field.to_owned(),
            found: found.into(),
            expected: expected.to_owned(),
        }
    }

    fn field(&self, name: &str) -> Result<&Value, RescoreError> {
        self.fields
            .get(name)
            .ok_or_else(|| self.bad(name, "nothing", "a field of a harness sample"))
    }

    /// Contexts and what stands beside them, in the order of requests. Early versions wrote lists instead of names.
    fn arguments(&self) -> Result<Vec<(String, Value)>, RescoreError> {
        let value = self.field("arguments")?;
        let wrong = || self.bad("arguments", shorten(&value.to_string()), "requests with a context each");
        let pairs: Vec<(Option<&Value>, Option<&Value>)> = match value {
            Value::Object(named) => (0..named.len())
                .map(|n| named.get(&format!("gen_args_{n}")))
                .map(|request| request.map_or((None, None), |request| (request.get("arg_0"), request.get("arg_1"))))
                .collect(),
            Value::Array(list) => list.iter().map(|request| (request.get(0), request.get(1))).collect(),
            _ => return Err(wrong()),
        };
        let pair = |(context, beside): &(Option<&Value>, Option<&Value>)| {
            let context = context.and_then(Value::as_str).ok_or_else(wrong)?;
            Ok((context.to_owned(), beside.cloned().unwrap_or(Value::Null)))
        };
        let arguments: Vec<_> = pairs.iter().map(pair).collect::<Result<_, RescoreError>>()?;
        if arguments.is_empty() {
            Err(wrong())
        } else {
            Ok(arguments)
        }
    }

    fn raw(&self, options: &ReadOptions) -> Result<Raw, RescoreError> {
        let arguments = self.arguments()?;
        let answers = self.field("filtered_resps")?;
        let wrong = |expected: &str| self.bad("filtered_resps", shorten(&answers.to_string()), expected);
        let list = answers.as_array().ok_or_else(|| wrong("a list"))?;
        let continuations: Option<Vec<String>> = arguments
            .iter()
            .map(|(_, beside)| beside.as_str().map(str::to_owned))
            .collect();
        if let Some(continuations) = continuations {
            let scores: Option<Vec<Score>> = list.iter().map(score).collect();
            let scores = scores.filter(|scores| scores.len() == continuations.len());
            return Ok(Raw::Choices {
                scores: scores.ok_or_else(|| wrong("a log-probability and whether it is greedy, per choice"))?,
                context: arguments[0].0.clone(),
                continuations,
            });
        }
        let (prompt, beside) = &arguments[0];
        if beside.is_null() {
            let likelihood = list.first().and_then(number).filter(|_| list.len() == 1);
            return Ok(Raw::Likelihood {
                text: prompt.clone(),
                log_probability: likelihood.ok_or_else(|| wrong("one finite log-probability"))?,
            });
        }
        let [said] = list.as_slice() else {
            return Err(wrong("one answer; choose one of several with a filter of the harness"));
        };
        Ok(Raw::Text {
            said: self.said(said)?,
            prompt: prompt.clone(),
            source: options
                .source_field
                .as_ref()
                .map(|field| self.source(field))
                .transpose()?,
        })
    }

    fn said(&self, value: &Value) -> Result<String, RescoreError> {
        let text = value
            .as_str()
            .or_else(|| value.as_array().filter(|list| list.len() == 1)?[0].as_str());
        let text = text.ok_or_else(|| self.bad("filtered_resps", shorten(&value.to_string()), "a text"))?;
        Ok(text.to_owned())
    }

    fn source(&self, field: &str) -> Result<String, RescoreError> {
        let path = format!("doc.{field}");
        let value = self.field("doc")?.get(field);
        match value {
            Some(Value::String(text)) => Ok(text.clone()),
            Some(Value::Array(list)) if list.iter().all(Value::is_string) => {
                Ok(list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("\n"))
            }
            Some(other) => Err(self.bad(&path, shorten(&other.to_string()), "a text, or a list of texts")),
            None => Err(self.bad(&path, "nothing", "the field named by --source")),
        }
    }

    /// As text, whatever it was.
    fn target(&self) -> Result<String, RescoreError> {
        Ok(match self.field("target")? {
            Value::String(text) => text.clone(),
            Value::Array(list) => {
                let shown = |value: &Value| {
                    value
                        .as_str()
                        .map_or_else(|| value.to_string(), |text| format!("{text:?}"))
                };
                format!("[{}]", list.iter().map(shown).collect::<Vec<_>>().join(", "))
            }
            other => other.to_string(),
        })
    }

    fn recorded(&self, name: &str) -> Option<f64> {
        self.fields.get(name).and_then(number)
    }

    fn keep(&self, raw: Raw, reading: Option<Reading>) -> Result<Kept, RescoreError> {
        let id = match self.field("doc_id")? {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let (prompt, body, output) = match raw {
            Raw::Choices {
                context,
                continuations,
                scores,
            } => {
                let choices = without_delimiter(&continuations);
                let target = self.target()?;
                let gold = reading.and_then(|reading| gold(&target, &choices, reading));
                let gold = gold.ok_or_else(|| self.bad("target", shorten(&target), "a choice, or the index of one"))?;
                let output = choice_output(&continuations, scores, gold.clone());
                let choice = Choice {
                    context: context.clone(),
                    continuations,
                    choices,
                    gold,
                    ..Choice::default()
                };
                (context, Body::Choice(choice), output)
            }
            Raw::Text { prompt, said, source } => text_parts(prompt, said, source, references(&self.target()?)),
            Raw::Likelihood { text, log_probability } => {
                let output = Output::Likelihood(LikelihoodAnswer {
                    log_probability,
                    tokens: 0,
                });
                (text.clone(), Body::Text(text), output)
            }
        };
        let recorded = NAMES
            .iter()
            .filter_map(|(theirs, ours)| Some(((*ours).to_owned(), self.recorded(theirs)?)));
        Ok(Kept {
            line: self.number,
            recorded: recorded.collect(),
            answer: Answer {
                item: id.clone(),
                prompt,
                output,
                scores: Scores::new(),
                flags: std::collections::BTreeSet::new(),
                unsupported: Vec::new(),
                fields: BTreeMap::new(),
            },
            item: Item {
                id,
                body,
                fields: BTreeMap::new(),
            },
            doc: self.fields.get("doc").cloned(),
        })
    }
}

fn text_parts(prompt: String, said: String, source: Option<String>, references: Vec<String>) -> (String, Body, Output) {
    let output = Output::Text(TextAnswer {
        text: said,
        // Not known; metrics of it are left out.
        finish: Finish::EndToken,
        tokens: 0,
        prompt_tokens: 0,
        mean_log_probability: None,
        references: references.clone(),
        unanswerable: false,
        parsed: None,
        probe_log_probability: None,
        samples: Vec::new(),
    });
    let body = Body::Generate(Generate {
        messages: vec![Message {
            role: "user".into(),
            content: prompt.clone(),
        }],
        prefix: None,
        references,
        source,
        unanswerable: false,
    });
    (prompt, body, output)
}

fn choice_output(continuations: &[String], scores: Vec<Score>, gold: Vec<usize>) -> Output {
    let sums: Vec<f64> = scores.iter().map(|score| score.log_probability).collect();
    let one = |(text, score): (&String, Score)| Continuation {
        text: text.clone(),
        context: None,
        score: Some(score),
        unscorable: None,
    };
    Output::Choices(ChoiceAnswer {
        continuations: continuations.iter().zip(scores).map(one).collect(),
        gold,
        predicted: first_largest(&sums),
    })
}

/// A finite number, as such or as text.
fn number(value: &Value) -> Option<f64> {
    let number = match value {
        Value::String(text) => text.parse().ok(),
        other => other.as_f64(),
    };
    number.filter(|number: &f64| number.is_finite())
}

/// `["-1.5", "False"]`, or the same with JSON's own types.
fn score(value: &Value) -> Option<Score> {
    let [log_probability, greedy] = value.as_array()?.as_slice() else {
        return None;
    };
    let is_greedy = match greedy {
        Value::Bool(greedy) => *greedy,
        Value::String(text) if text == "True" => true,
        Value::String(text) if text == "False" => false,
        _ => return None,
    };
    Some(Score {
        log_probability: number(log_probability)?,
        is_greedy,
        tokens: 0,
    })
}

/// How the targets of choices are meant: as the recorded accuracies have it where both readings are possible.
fn reading(path: &Path, lines: &[(Line<'_>, Raw)]) -> Result<Option<Reading>, RescoreError> {
    let mut fits = [(Reading::Index, true, 0), (Reading::Text, true, 0)];
    let mut any = false;
    for (line, raw) in lines {
        let Raw::Choices {
            continuations, scores, ..
        } = raw
        else {
            continue;
        };
        any = true;
        let choices = without_delimiter(continuations);
        let target = line.target()?;
        let sums: Vec<f64> = scores.iter().map(|score| score.log_probability).collect();
        let predicted = first_largest(&sums);
        for (reading, agrees, readable) in &mut fits {
            let Some(gold) = gold(&target, &choices, *reading) else {
                continue;
            };
            *readable += 1;
            if let (Some(recorded), Some(predicted)) = (line.recorded("acc"), predicted) {
                *agrees &= (recorded > 0.5) == gold.contains(&predicted);
            }
        }
    }
    if !any {
        return Ok(None);
    }
    let [index, text] = fits;
    Ok(Some(match (index, text) {
        ((_, true, n), (_, agrees, m)) if n > m || (n == m && !agrees) => Reading::Index,
        ((_, agrees, n), (_, true, m)) if m > n || (n == m && !agrees) => Reading::Text,
        ((_, true, n), (_, true, _)) if n > 0 => {
            let same = lines.iter().all(|(line, raw)| same_either_way(line, raw));
            if !same {
                return Err(ambiguous(path));
            }
            Reading::Index
        }
        // Neither agrees with the recorded accuracies: read what can be read, and let the comparison show it.
        ((_, _, n), (_, _, m)) if n >= m => Reading::Index,
        _ => Reading::Text,
    }))
}

fn same_either_way(line: &Line<'_>, raw: &Raw) -> bool {
    let Raw::Choices { continuations, .. } = raw else {
        return true;
    };
    let choices = without_delimiter(continuations);
    let Ok(target) = line.target() else { return true };
    gold(&target, &choices, Reading::Index) == gold(&target, &choices, Reading::Text)
}

fn ambiguous(path: &Path) -> RescoreError {
    RescoreError::Malformed {
        path: path.to_owned(),
        found: "targets that are both an index and the text of a choice, and recorded accuracies that fit either"
            .into(),
        expected: "targets of one reading; log the samples with `acc`".into(),
    }
}
