//! Which scorings fit kept answers, and which of them report the metrics asked for.

use std::collections::BTreeSet;

use secateur_datasets::error::nearest_hint;
use secateur_datasets::forms::{self, paraphrase, variants};
use secateur_datasets::item::Body;
use secateur_datasets::tasks::spec::{
    ABSTAIN_PHRASES, AnswerStyle, ChoiceMetric, Domain, GenerationMetric, GenerationSettings, Normalise, Scoring,
    TaskSpec,
};
use secateur_datasets::tasks::split_form;
use secateur_evaluation::answer::{Answer, Output};
use secateur_evaluation::score;

use crate::error::RescoreError;
use crate::kept::{Batch, Unknown};

/// What the user asks for.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// Metrics by name; all that fit where empty.
    pub metrics: Vec<String>,
    /// Score as this task does.
    pub task: Option<TaskSpec>,
}

/// The tasks whose scorings together report what is asked for, and the names of the metrics they may report.
#[derive(Debug, Clone)]
pub struct Scorings {
    /// One per scoring.
    pub tasks: Vec<TaskSpec>,
    /// Metrics to keep.
    pub metrics: BTreeSet<String>,
    /// Metrics that the answers can have.
    pub known: BTreeSet<String>,
}

/// Names under which lm-evaluation-harness has a metric, and names of several at once.
const OTHER_NAMES: [(&str, &[&str]); 12] = [
    ("acc", &["accuracy"]),
    ("acc_norm", &["accuracy_per_character"]),
    ("acc_bytes", &["accuracy_per_byte"]),
    ("word_perplexity", &["perplexity_per_word"]),
    ("byte_perplexity", &["perplexity_per_byte"]),
    ("rouge1", &["rouge_1"]),
    ("rouge2", &["rouge_2"]),
    ("rougeL", &["rouge_l"]),
    ("rougeLsum", &["rouge_lsum"]),
    ("rouge", &["rouge_1", "rouge_2", "rouge_l", "rouge_lsum"]),
    (
        "support",
        &[
            "supported_mentions",
            "supported_entities",
            "supported_numbers",
            "unsupported_answer_rate",
        ],
    ),
    (
        "abstention",
        &[
            "abstention_precision",
            "abstention_recall",
            "abstention_f1",
            "false_abstention_rate",
        ],
    ),
];

/// Words that questions with a closed set of answers are answered in.
const WORDS: [&[&str]; 3] = [&["yes", "no", "maybe"], &["yes", "no"], &["true", "false"]];
/// Most letters that name answers.
const LETTERS: usize = 10;

/// The scorings for a batch; none where nothing that fits reports what is asked for.
#[must_use]
pub fn scorings(batch: &Batch, wish: &Wish) -> Scorings {
    let candidates = match &wish.task {
        Some(task) => vec![restricted(task.clone(), batch.unknown)],
        None => fitting(batch),
    };
    let answers: Vec<Answer> = batch.kept.iter().map(|kept| kept.answer.clone()).collect();
    let reported: Vec<(TaskSpec, BTreeSet<&str>)> = candidates
        .into_iter()
        .map(|task| {
            let metrics = score::metrics(&task, &answers);
            let names = metrics.iter().map(|metric| metric.definition.name);
            let names = names.filter(|name| !is_unknown(name, batch.unknown)).collect();
            (task, names)
        })
        .collect();
    let known: BTreeSet<&str> = reported.iter().flat_map(|(_, names)| names.iter().copied()).collect();
    let wanted: BTreeSet<&str> = if wish.metrics.is_empty() {
        known.clone()
    } else {
        wish.metrics.iter().flat_map(|name| meant(name, &known)).collect()
    };
    let tasks = reported
        .into_iter()
        .filter(|(_, names)| names.iter().any(|name| wanted.contains(name)))
        .map(|(task, _)| task);
    let owned = |names: &BTreeSet<&str>| names.iter().map(ToString::to_string).collect();
    Scorings {
        tasks: tasks.collect(),
        metrics: owned(&wanted),
        known: owned(&known),
    }
}

/// Refuses a metric asked for that none of the batches can have.
///
/// # Errors
/// The first such metric.
pub fn check(asked: &[String], scorings: &[Scorings]) -> Result<(), RescoreError> {
    let known: BTreeSet<&str> = scorings
        .iter()
        .flat_map(|one| one.known.iter().map(String::as_str))
        .collect();
    match asked.iter().find(|name| meant(name, &known).is_empty()) {
        None => Ok(()),
        Some(name) => Err(RescoreError::UnknownMetric {
            name: name.clone(),
            hint: nearest_hint(name, known.iter().copied()),
            known: known.into_iter().collect::<Vec<_>>().join(", "),
        }),
    }
}

/// The known metrics that a name stands for.
fn meant<'a>(name: &str, known: &BTreeSet<&'a str>) -> Vec<&'a str> {
    let other = OTHER_NAMES.iter().find(|(other, _)| *other == name);
    let names = other.map_or_else(|| vec![name], |(_, names)| names.to_vec());
    known.iter().copied().filter(|known| names.contains(known)).collect()
}

/// Metrics that the file says too little for: left out, not made up.
fn is_unknown(name: &str, unknown: Unknown) -> bool {
    match name {
        "truncated_rate" => unknown.finish,
        "accuracy_per_character" | "accuracy_per_byte" => unknown.choice_lengths,
        "perplexity_per_token" => unknown.tokens,
        _ => false,
    }
}

/// The task without what cannot be known here.
fn restricted(mut task: TaskSpec, unknown: Unknown) -> TaskSpec {
    if let Scoring::Generation { metrics, .. } = &mut task.scoring
        && unknown.source
    {
        metrics.retain(|metric| *metric != GenerationMetric::Support);
    }
    task
}

/// All scorings that suit the answers.
fn fitting(batch: &Batch) -> Vec<TaskSpec> {
    let Some(first) = batch.kept.first() else {
        return Vec::new();
    };
    if let Some(form) = form_of(batch) {
        return form;
    }
    match &first.answer.output {
        Output::Choices(_) => {
            let metrics = [ChoiceMetric::Acc, ChoiceMetric::AccNorm, ChoiceMetric::AccBytes];
            vec![TaskSpec::choice(batch.task.clone(), "", Domain::General, &metrics)]
        }
        Output::Likelihood(_) => vec![TaskSpec {
            scoring: Scoring::Perplexity,
            ..TaskSpec::choice(batch.task.clone(), "", Domain::General, &[])
        }],
        Output::Divergence(_) => vec![TaskSpec {
            scoring: Scoring::Divergence,
            ..TaskSpec::choice(batch.task.clone(), "", Domain::General, &[])
        }],
        Output::Text(_) => text_scorings(batch),
    }
}

/// The scoring of a form of a task, where the answers are to a question put in several ways; none of it fits where it is not known
/// which form (the task's name says so). `None` where questions were put in one way.
fn form_of(batch: &Batch) -> Option<Vec<TaskSpec>> {
    let fields = &batch.kept.first()?.item.fields;
    if !fields.contains_key(variants::FIELD) && !fields.contains_key(paraphrase::QUESTION) {
        return None;
    }
    let form = split_form(&batch.task).1.and_then(forms::find);
    let choices = TaskSpec::choice(batch.task.clone(), "", Domain::General, &[ChoiceMetric::Acc]);
    let bases = match &batch.kept.first()?.answer.output {
        Output::Choices(_) => vec![choices],
        _ => text_scorings(batch),
    };
    let scored = bases.into_iter().filter_map(|base| {
        let scoring = form?.scoring(&base.scoring).ok()?;
        Some(TaskSpec { scoring, ..base })
    });
    Some(scored.collect())
}

fn text_scorings(batch: &Batch) -> Vec<TaskSpec> {
    let task = |scoring| {
        let settings = GenerationSettings::greedy(1, &[]);
        TaskSpec::generated(batch.task.clone(), "", Domain::General, scoring, settings)
    };
    let mut scorings: Vec<TaskSpec> = named_answers(batch).into_iter().map(task).collect();
    let short = [GenerationMetric::ExactMatch, GenerationMetric::TokenF1];
    let mut single = vec![
        GenerationMetric::Rouge,
        GenerationMetric::Bleu,
        GenerationMetric::Chrf,
        GenerationMetric::Abstention,
    ];
    if !batch.unknown.source {
        single.push(GenerationMetric::Support);
    }
    let generation = |metrics: Vec<GenerationMetric>| Scoring::Generation {
        metrics,
        normalise: Normalise::default(),
        abstain_phrases: ABSTAIN_PHRASES.iter().map(ToString::to_string).collect(),
    };
    // One scoring each, so that only what is asked for is computed.
    scorings.push(task(generation(short.to_vec())));
    scorings.extend(single.into_iter().map(|metric| task(generation(vec![metric]))));
    scorings
}

/// The scoring of named answers, where all references are letters, or all are words of a closed set.
fn named_answers(batch: &Batch) -> Option<Scoring> {
    let references = || {
        batch.kept.iter().map(|kept| match &kept.item.body {
            Body::Generate(question) => match question.references.as_slice() {
                [one] => one.trim(),
                _ => "",
            },
            _ => "",
        })
    };
    let letter = |text: &str| match text.as_bytes() {
        [byte @ b'A'..=b'Z'] => Some(usize::from(byte - b'A')).filter(|&index| index < LETTERS),
        _ => None,
    };
    let highest = references()
        .map(letter)
        .try_fold(0, |highest, index| Some(highest.max(index?)));
    if let Some(highest) = highest.filter(|&highest| highest > 0) {
        let answers = (b'A'..=b'A' + highest as u8).map(|byte| char::from(byte).to_string());
        return Some(Scoring::LetterAnswer {
            answers: answers.collect(),
            style: AnswerStyle::Letters,
        });
    }
    let lower: BTreeSet<String> = references().map(str::to_lowercase).collect();
    let words = WORDS
        .into_iter()
        .rev()
        .find(|words| lower.iter().all(|text| words.contains(&text.as_str())));
    words.filter(|_| lower.len() > 1).map(|words| Scoring::LetterAnswer {
        answers: words.iter().map(ToString::to_string).collect(),
        style: AnswerStyle::Words,
    })
}
