//! Runs of lm-evaluation-harness (`lm_eval/results_MODEL.json`, tasks beside them): prompts, token boundaries, log-likelihoods,
//! accuracies, generations with ROUGE, and rolling perplexities, all through the ordinary evaluation.

use std::collections::BTreeMap;
use std::path::Path;

use secateur_datasets::item::{Body, Choice, Generate, Item, Message};
use secateur_datasets::tasks::spec::{
    ChoiceMetric, Domain, GenerationMetric, GenerationSettings, Normalise, Scoring, TaskSpec,
};
use secateur_evaluation::answer::Output;
use secateur_evaluation::encoding::encode_pair;
use secateur_evaluation::engine::Engine;
use secateur_evaluation::evaluate::{Evaluation, EvaluationOptions, evaluate};
use serde_json::Value;

use crate::Report;
use crate::models::LoadFailure;

/// Log-probabilities and what follows from them.
const TOLERANCE: f64 = 1e-4;
/// ROUGE, and aggregates of equal items.
const EXACT: f64 = 1e-9;

type Failure = String;

/// Loads the model of a results file.
pub type EngineFor<'a> = dyn FnMut(&str) -> Result<Box<dyn Engine>, LoadFailure> + 'a;

/// Checks every `results_*.json` of a directory `lm_eval`. `engine_for` loads the model that a file names.
pub fn check(dir: &Path, engine_for: &mut EngineFor<'_>, report: &mut Report) {
    let mut files: Vec<_> = std::fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    files.retain(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name.strip_suffix(".json")
            .is_some_and(|stem| stem.starts_with("results_"))
    });
    files.sort();
    if files.is_empty() {
        report.broken("lm_eval", format!("{}: no results_*.json", dir.display()));
    }
    for path in files {
        let name = format!("lm_eval/{}", path.file_stem().unwrap_or_default().to_string_lossy());
        let results = match read(&path) {
            Ok(results) => results,
            Err(error) => {
                report.broken(name, error);
                continue;
            }
        };
        let model = results["model"].as_str().unwrap_or_default();
        match engine_for(model) {
            Ok(mut engine) => check_results(&name, dir, &results, engine.as_mut(), report),
            Err(LoadFailure::Unsupported(reason)) => report.skipped(name, reason),
            Err(LoadFailure::Broken(reason)) => report.broken(name, reason),
        }
    }
}

fn check_results(name: &str, dir: &Path, results: &Value, engine: &mut dyn Engine, report: &mut Report) {
    let prefix = results["settings"]["prefix_token_id"].as_u64();
    let own = u64::from(engine.prefix_token());
    let differs = (prefix != Some(own)).then(|| format!("prefix token {own}, expected {prefix:?}"));
    report.exact(format!("{name}/prefix_token"), 1, differs);
    let max_length = results["settings"]["max_length"].as_u64().map(|n| n as usize);
    for (key, run) in results.as_object().into_iter().flatten() {
        let Some(samples) = run["samples"].as_array() else {
            continue;
        };
        let name = format!("{name}/{key}");
        let checked = Run::new(dir, key, run, samples).and_then(|run| run.check(&name, engine, max_length, report));
        if let Err(error) = checked {
            report.broken(name, error);
        }
    }
}

/// One task with a number of examples: what its files say, and what the harness made of it.
struct Run<'a> {
    card: BTreeMap<String, String>,
    documents: Vec<Value>,
    examples: Vec<Value>,
    samples: &'a [Value],
    aggregate: &'a Value,
}

impl<'a> Run<'a> {
    fn new(dir: &Path, key: &str, run: &'a Value, samples: &'a [Value]) -> Result<Self, Failure> {
        let (task, shots) = key
            .strip_suffix("shot")
            .and_then(|rest| rest.rsplit_once('_'))
            .and_then(|(task, shots)| Some((task, shots.parse::<usize>().ok()?)))
            .ok_or_else(|| format!("the name `{key}` is not TASK_Nshot"))?;
        let tasks = dir.join("tasks");
        let card = card(&tasks.join(format!("{task}.yaml")))?;
        let file = |field: &str| {
            let name = card
                .get(field)
                .ok_or_else(|| format!("tasks/{task}.yaml has no `{field}`"))?;
            lines(&tasks.join(name.trim_start_matches("./")))
        };
        let documents = file("test")?;
        let mut examples = if shots > 0 { file("train")? } else { Vec::new() };
        if examples.len() < shots {
            return Err(format!("{shots} examples asked for, {} there", examples.len()));
        }
        examples.truncate(shots);
        if documents.len() != samples.len() {
            return Err(format!("{} documents, but {} samples", documents.len(), samples.len()));
        }
        Ok(Self {
            documents,
            examples,
            samples,
            aggregate: &run["aggregate"],
            card,
        })
    }

    fn check(
        &self,
        name: &str,
        engine: &mut dyn Engine,
        max_length: Option<usize>,
        report: &mut Report,
    ) -> Result<(), Failure> {
        let mut options = EvaluationOptions::default();
        options.prompt.max_length = max_length;
        options.bootstrap.resamples = 10;
        let kind = self.card.get("output_type").map_or("", String::as_str);
        let (items, task) = match kind {
            "multiple_choice" => self.choices()?,
            "generate_until" => self.questions()?,
            "loglikelihood_rolling" => self.texts()?,
            other => return Err(format!("unknown output_type `{other}`")),
        };
        if kind == "multiple_choice" {
            self.check_encoding(name, &items, engine, report)?;
        }
        let evaluation = evaluate(engine, &task, &items, &options, &mut ()).map_err(|error| error.to_string())?;
        match kind {
            "multiple_choice" => self.check_choices(name, &evaluation, report),
            "generate_until" => self.check_generations(name, &evaluation, report),
            _ => self.check_texts(name, &evaluation, report),
        }
        Ok(())
    }

    fn field(&self, field: &str) -> Result<&str, Failure> {
        self.card
            .get(field)
            .map(String::as_str)
            .ok_or_else(|| format!("the task has no `{field}`"))
    }

    fn prompt(&self, document: &Value) -> Result<String, Failure> {
        fill(self.field("doc_to_text")?, document)
    }

    fn choices(&self) -> Result<(Vec<Item>, TaskSpec), Failure> {
        let delimiter = self.field("target_delimiter")?;
        let choices = |document: &Value| texts(&document[self.field("doc_to_choice")?]);
        let gold = |document: &Value| {
            let label = document[self.field("doc_to_target")?].as_u64();
            label
                .map(|n| n as usize)
                .ok_or_else(|| "a label is no index".to_string())
        };
        let mut before = String::new();
        for example in &self.examples {
            let options = choices(example)?;
            let answer = options.get(gold(example)?).ok_or("a label names no choice")?;
            let prompt = self.prompt(example)?;
            before.extend([prompt.as_str(), delimiter, answer, "\n\n"]);
        }
        let mut items = Vec::new();
        for (index, document) in self.documents.iter().enumerate() {
            let choices = choices(document)?;
            let choice = Choice {
                context: format!("{before}{}", self.prompt(document)?),
                continuations: choices.iter().map(|choice| format!("{delimiter}{choice}")).collect(),
                choices,
                gold: vec![gold(document)?],
                ..Choice::default()
            };
            items.push(item(index, Body::Choice(choice)));
        }
        let metrics = [ChoiceMetric::Acc, ChoiceMetric::AccNorm];
        Ok((items, TaskSpec::choice("lm_eval", "", Domain::General, &metrics)))
    }

    fn questions(&self) -> Result<(Vec<Item>, TaskSpec), Failure> {
        let settings = &self.samples[0]["arguments"][0][1];
        let stop = texts(&settings["until"])?;
        let limit = settings["max_gen_toks"].as_u64().ok_or("no max_gen_toks")? as usize;
        let stop: Vec<&str> = stop.iter().map(String::as_str).collect();
        let scoring = Scoring::Generation {
            metrics: vec![GenerationMetric::Rouge],
            normalise: Normalise::default(),
            abstain_phrases: Vec::new(),
        };
        let generation = GenerationSettings::greedy(limit, &stop);
        let task = TaskSpec::generated("lm_eval", "", Domain::General, scoring, generation);
        let mut items = Vec::new();
        for (index, document) in self.documents.iter().enumerate() {
            let target = document[self.field("doc_to_target")?]
                .as_str()
                .ok_or("a target is no text")?;
            let question = Generate {
                messages: vec![Message {
                    role: "user".into(),
                    content: self.prompt(document)?,
                }],
                prefix: None,
                references: vec![target.to_owned()],
                source: None,
                unanswerable: false,
            };
            items.push(item(index, Body::Generate(question)));
        }
        Ok((items, task))
    }

    fn texts(&self) -> Result<(Vec<Item>, TaskSpec), Failure> {
        let mut task = TaskSpec::choice("lm_eval", "", Domain::General, &[]);
        task.scoring = Scoring::Perplexity;
        let mut items = Vec::new();
        for (index, document) in self.documents.iter().enumerate() {
            items.push(item(index, Body::Text(fill(self.field("doc_to_target")?, document)?)));
        }
        Ok((items, task))
    }

    /// Prompts as the harness made them, and token ids on both sides of the boundary.
    fn check_encoding(
        &self,
        name: &str,
        items: &[Item],
        engine: &dyn Engine,
        report: &mut Report,
    ) -> Result<(), Failure> {
        let (mut prompts, mut tokens) = (Exact::default(), Exact::default());
        for (item, sample) in items.iter().zip(self.samples) {
            let Body::Choice(choice) = &item.body else { continue };
            let arguments = list(&sample["arguments"])?;
            let encoded = list(&sample["encoded"])?;
            prompts.compare(&item.id, &choice.continuations.len(), &arguments.len());
            for ((continuation, argument), ids) in choice.continuations.iter().zip(arguments).zip(encoded) {
                let expected = texts(argument)?;
                prompts.compare(&item.id, &vec![choice.context.clone(), continuation.clone()], &expected);
                let pair = encode_pair(engine, &choice.context, continuation).map_err(|error| error.to_string())?;
                let expected = (numbers(&ids["context_ids"])?, numbers(&ids["continuation_ids"])?);
                tokens.compare(&item.id, &(pair.context, pair.continuation), &expected);
            }
        }
        prompts.report(format!("{name}/prompts"), report);
        tokens.report(format!("{name}/encoded"), report);
        Ok(())
    }

    fn check_choices(&self, name: &str, evaluation: &Evaluation, report: &mut Report) {
        let (mut likelihood, mut greedy, mut right) = (Worst::default(), Exact::default(), Exact::default());
        for (answer, sample) in evaluation.answers.iter().zip(self.samples) {
            let Output::Choices(output) = &answer.output else {
                continue;
            };
            let expected = sample["filtered_resps"].as_array().map_or(&[][..], Vec::as_slice);
            greedy.compare(&answer.item, &output.continuations.len(), &expected.len());
            for (continuation, expected) in output.continuations.iter().zip(expected) {
                let score = continuation.score.as_ref();
                let expected_sum = expected[0].as_f64();
                let scale = scale(expected_sum);
                let found = score.map(|s| s.log_probability / scale);
                likelihood.compare(found, expected_sum.map(|v| v / scale));
                greedy.compare(&answer.item, &score.map(|s| s.is_greedy), &expected[1].as_bool());
            }
            for (ours, theirs) in [("accuracy", "acc"), ("accuracy_per_character", "acc_norm")] {
                right.compare(
                    &answer.item,
                    &answer.scores.get(ours).copied(),
                    &sample[theirs].as_f64(),
                );
            }
        }
        likelihood.report(format!("{name}/log_likelihood"), TOLERANCE, report);
        greedy.report(format!("{name}/is_greedy"), report);
        right.report(format!("{name}/acc"), report);
        let metrics = [("accuracy", "acc"), ("accuracy_per_character", "acc_norm")];
        self.check_aggregates(name, evaluation, &metrics, EXACT, report);
    }

    fn check_generations(&self, name: &str, evaluation: &Evaluation, report: &mut Report) {
        const FORMS: [(&str, &str); 4] = [
            ("rouge_1", "rouge1"),
            ("rouge_2", "rouge2"),
            ("rouge_l", "rougeL"),
            ("rouge_lsum", "rougeLsum"),
        ];
        let (mut said, mut rouge) = (Exact::default(), Worst::default());
        for (answer, sample) in evaluation.answers.iter().zip(self.samples) {
            let Output::Text(output) = &answer.output else { continue };
            let expected = sample["filtered_resps"][0].as_str().map(String::from);
            said.compare(&answer.item, &Some(output.text.clone()), &expected);
            for (ours, theirs) in FORMS {
                rouge.compare(answer.scores.get(ours).copied(), sample[theirs].as_f64());
            }
        }
        said.report(format!("{name}/text"), report);
        rouge.report(format!("{name}/rouge"), EXACT, report);
        self.check_aggregates(name, evaluation, &FORMS, EXACT, report);
    }

    fn check_texts(&self, name: &str, evaluation: &Evaluation, report: &mut Report) {
        let (mut likelihood, mut sizes) = (Worst::default(), Exact::default());
        for (answer, sample) in evaluation.answers.iter().zip(self.samples) {
            let score = |name: &str| answer.scores.get(name).copied();
            let expected = sample["filtered_resps"][0].as_f64();
            // A sum over hundreds of tokens, in f32 there: relative.
            let scale = expected.unwrap_or(f64::NAN).abs().max(1.0);
            likelihood.compare(score("log_probability").map(|v| v / scale), expected.map(|v| v / scale));
            sizes.compare(&answer.item, &score("words"), &sample["word_perplexity"][1].as_f64());
            sizes.compare(&answer.item, &score("bytes"), &sample["byte_perplexity"][1].as_f64());
        }
        likelihood.report(format!("{name}/log_likelihood"), TOLERANCE, report);
        sizes.report(format!("{name}/words_and_bytes"), report);
        let metrics = [
            ("perplexity_per_word", "word_perplexity"),
            ("perplexity_per_byte", "byte_perplexity"),
            ("bits_per_byte", "bits_per_byte"),
        ];
        self.check_aggregates(name, evaluation, &metrics, TOLERANCE, report);
    }

    /// Relative where the value is large: perplexities per word go into the billions here.
    fn check_aggregates(
        &self,
        name: &str,
        evaluation: &Evaluation,
        metrics: &[(&str, &str)],
        tolerance: f64,
        report: &mut Report,
    ) {
        let mut worst = Worst::default();
        for (ours, theirs) in metrics {
            let value = evaluation
                .outcome
                .metrics
                .iter()
                .find(|metric| metric.name == *ours)
                .map(|metric| metric.value);
            let expected = self.aggregate[format!("{theirs},none")].as_f64();
            let scale = expected.unwrap_or(f64::NAN).abs().max(1.0);
            worst.compare(value.map(|v| v / scale), expected.map(|v| v / scale));
        }
        worst.report(format!("{name}/aggregate"), tolerance, report);
    }
}

fn item(index: usize, body: Body) -> Item {
    Item {
        id: index.to_string(),
        body,
        fields: BTreeMap::new(),
    }
}

/// The reference adds up in f32: absolute to −10, beyond that a hundred-thousandth of the value.
fn scale(expected: Option<f64>) -> f64 {
    (expected.unwrap_or(f64::NAN).abs() / 10.0).max(1.0)
}

/// Largest deviation; a value missing on either side is an infinite one.
#[derive(Default)]
struct Worst {
    compared: usize,
    deviation: f64,
}

impl Worst {
    fn compare(&mut self, found: Option<f64>, expected: Option<f64>) {
        self.compared += 1;
        let deviation = match (found, expected) {
            (Some(found), Some(expected)) => (found - expected).abs(),
            _ => f64::INFINITY,
        };
        if deviation.is_nan() || deviation > self.deviation {
            self.deviation = deviation;
        }
    }

    fn report(self, name: String, tolerance: f64, report: &mut Report) {
        report.numeric(name, self.compared, self.deviation, tolerance);
    }
}

/// First difference of things that must be equal.
#[derive(Default)]
struct Exact {
    compared: usize,
    first: Option<String>,
}

impl Exact {
    fn compare<T: PartialEq + std::fmt::Debug>(&mut self, item: &str, found: &T, expected: &T) {
        self.compared += 1;
        if found != expected && self.first.is_none() {
            self.first = Some(format!("item {item}: found {found:?}, expected {expected:?}"));
        }
    }

    fn report(self, name: String, report: &mut Report) {
        report.exact(name, self.compared, self.first);
    }
}

fn read(path: &Path) -> Result<Value, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
}

fn lines(path: &Path) -> Result<Vec<Value>, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let parse = |line: &str| serde_json::from_str(line).map_err(|error| format!("{}: {error}", path.display()));
    text.lines().filter(|line| !line.trim().is_empty()).map(parse).collect()
}

/// The scalar fields of a task's YAML, whatever their depth; double-quoted ones unescaped. Enough for the tasks of the goldens.
fn card(path: &Path) -> Result<BTreeMap<String, String>, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut fields = BTreeMap::new();
    for line in text.lines() {
        let Some((key, value)) = line.split_once(':') else {
            continue;
        };
        let value = value.trim();
        let value = if value.starts_with('"') {
            serde_json::from_str(value).map_err(|error| format!("{}: {line}: {error}", path.display()))?
        } else {
            value.to_owned()
        };
        if !value.is_empty() {
            fields.insert(key.trim().to_owned(), value);
        }
    }
    Ok(fields)
}

/// A template with `{{field}}`.
fn fill(template: &str, document: &Value) -> Result<String, Failure> {
    let mut filled = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let (field, after) = after
            .split_once("}}")
            .ok_or_else(|| format!("`{template}` is not closed"))?;
        let value = document[field.trim()].as_str();
        filled.push_str(before);
        filled.push_str(value.ok_or_else(|| format!("a document has no text `{field}`"))?);
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

fn list(value: &Value) -> Result<&Vec<Value>, Failure> {
    value
        .as_array()
        .ok_or_else(|| format!("expected a list, found {value}"))
}

fn texts(value: &Value) -> Result<Vec<String>, Failure> {
    let text = |value: &Value| {
        value
            .as_str()
            .map(String::from)
            .ok_or_else(|| format!("expected a text, found {value}"))
    };
    list(value)?.iter().map(text).collect()
}

fn numbers(value: &Value) -> Result<Vec<u32>, Failure> {
    let number = |value: &Value| value.as_u64().and_then(|n| u32::try_from(n).ok());
    let number = |value: &Value| number(value).ok_or_else(|| format!("expected a token id, found {value}"));
    list(value)?.iter().map(number).collect()
}
