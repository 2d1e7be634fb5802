//! Prompts, parsing and sampling orders: the parts in the datasets crate.

use std::collections::BTreeMap;

use secateur_datasets::python::PyValue;
use secateur_datasets::reference_experiment::summaries::{JUDGED_MULTI_NEWS, Limits};
use secateur_datasets::reference_experiment::{
    ReferenceError, hugging_face_shuffle, medhalt, medinst32, multimedqa, pairwise, python_random, split_response,
    summaries,
};
use serde_json::{Map, Value, json};

use super::{Computed, FileCheck, What, count, field, integer, outputs, text};

pub const CHECKS: &[FileCheck] = &[
    cases("multimedqa_answers", &["task", "row", "raw_output"], multimedqa_answers),
    cases("multimedqa_targets", &["task", "row", "output"], multimedqa_targets),
    cases("multimedqa_prompts", &["task", "row"], multimedqa_prompts),
    cases("medhalt_parse", &["raw_output"], medhalt_parse),
    cases("medhalt_correct", &["task", "row", "output"], medhalt_correct),
    cases("split_response", &["input"], split_responses),
    cases("medinst32_messages", &["example"], medinst32_messages),
    cases("pairwise_ab", &["seed", "id"], pairwise_ab),
    cases("pairwise_parse", &["kind", "input", "allow_tie"], pairwise_parse),
    cases("pairwise_aggregate", &["individual", "prompt_args"], pairwise_aggregate),
    cases(
        "rct_multinews_prompts",
        &[
            "inputs_csv",
            "targets_csv",
            "max_examples",
            "max_source_chars",
            "source",
        ],
        rct_multinews_prompts,
    ),
    cases(
        "multinews_load",
        &["items", "max_examples", "max_source_chars"],
        multinews_load,
    ),
    cases(
        "python_random_shuffle",
        &["n", "sample_size", "seed"],
        python_random_shuffle,
    ),
    cases("python_random_sample", &["n", "k", "seed"], python_random_sample),
    cases("hf_dataset_shuffle", &["n", "seed"], hf_dataset_shuffle),
    cases(
        "hf_streaming_shuffle",
        &["n", "seed", "buffer_size", "take"],
        hf_streaming_shuffle,
    ),
    FileCheck {
        stem: "multinews_fixed_ids",
        what: What::Whole(|| json!({"ids": JUDGED_MULTI_NEWS.as_slice()})),
    },
];

const fn cases(stem: &'static str, inputs: &'static [&'static str], compute: fn(&Value) -> Computed) -> FileCheck {
    FileCheck {
        stem,
        what: What::Cases(inputs, compute),
    }
}

/// A Python value in the goldens' JSON.
fn to_json(value: &PyValue) -> Value {
    let list = |items: &[PyValue]| Value::Array(items.iter().map(to_json).collect());
    match value {
        PyValue::None => Value::Null,
        PyValue::Bool(value) => json!(value),
        PyValue::Int(digits) => digits
            .parse::<i64>()
            .map_or_else(|_| json!(digits.parse::<f64>().ok()), Value::from),
        PyValue::Float(value) if value.is_finite() => json!(value),
        PyValue::Float(_) => json!({"__float__": value.repr()}),
        PyValue::List(items) | PyValue::Tuple(items) | PyValue::Set(items) => list(items),
        PyValue::Dict(entries) => Value::Object(
            entries
                .iter()
                .map(|(key, value)| (key.to_text(), to_json(value)))
                .collect(),
        ),
        PyValue::Str(_) | PyValue::Bytes(_) | PyValue::Complex(..) | PyValue::Ellipsis => json!(value.to_text()),
    }
}

fn ok(value: Value) -> Value {
    Value::Object(Map::from_iter([("ok".to_owned(), value)]))
}

/// A call's result, with the Python exception that stands for our error.
fn called(result: Result<Value, ReferenceError>) -> Value {
    let exception = |error| match error {
        ReferenceError::InvalidJson { .. } => "JSONDecodeError",
        ReferenceError::MissingAnswer { .. } => "KeyError",
        _ => "ValueError",
    };
    result.map_or_else(|error| json!({"error": exception(error)}), ok)
}

fn row(case: &Value) -> Result<PyValue, String> {
    Ok(PyValue::from(field(case, "row")?))
}

fn message(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn multimedqa_answers(case: &Value) -> Computed {
    if field(case, "raw_output")?.is_null() {
        // Python's `re` refuses `None`; here there is no answer to hand over.
        return outputs([("split", json!({"error": "TypeError"}))]);
    }
    let (task, row) = (text(case, "task")?, row(case)?);
    let split = split_response::multimedqa(text(case, "raw_output")?);
    let parsed = multimedqa::parse_output(split);
    outputs([
        ("split", ok(json!(split))),
        ("parsed", json!(parsed)),
        ("normalised", json!(multimedqa::normalize(&PyValue::from(parsed)))),
        ("target", to_json(&multimedqa::target(task, &row))),
        ("is_correct", json!(multimedqa::is_correct(task, &row, parsed))),
    ])
}

fn multimedqa_targets(case: &Value) -> Computed {
    let (task, row) = (text(case, "task")?, row(case)?);
    outputs([
        ("target", ok(to_json(&multimedqa::target(task, &row)))),
        (
            "is_correct",
            ok(json!(multimedqa::is_correct(task, &row, text(case, "output")?))),
        ),
        (
            "mmlu_file",
            json!({"target": ok(to_json(&multimedqa::mmlu_target(&row)))}),
        ),
    ])
}

fn multimedqa_prompts(case: &Value) -> Computed {
    let (task, row) = (text(case, "task")?, row(case)?);
    outputs([
        ("prompt", json!(multimedqa::prompt(task, &row).map_err(message)?)),
        (
            "mmlu_file_prompt",
            json!(task.starts_with("mmlu_").then(|| multimedqa::mmlu_prompt(&row))),
        ),
    ])
}

fn fields_json(fields: medhalt::Fields) -> Value {
    Value::Object(fields.into_iter().map(|(key, value)| (key, json!(value))).collect())
}

fn medhalt_parse(case: &Value) -> Computed {
    let raw = if field(case, "raw_output")?.is_null() {
        ""
    } else {
        text(case, "raw_output")?
    };
    let last = medhalt::parse_output(split_response::medhalt_gpt_oss(raw));
    outputs([
        ("parsed", ok(fields_json(medhalt::parse_output(raw)))),
        ("parsed_after_gpt_oss_split", ok(fields_json(last))),
    ])
}

fn medhalt_correct(case: &Value) -> Computed {
    let (task, row) = (text(case, "task")?, row(case)?);
    let output = field(case, "output")?.as_object().ok_or("`output` is not an object")?;
    let fields = output
        .iter()
        .map(|(key, value)| (key.clone(), PyValue::from(value).to_text()))
        .collect();
    outputs([
        ("target", fields_json(medhalt::target(task, &row).map_err(message)?)),
        (
            "is_correct",
            json!(medhalt::is_correct(task, &row, &fields).map_err(message)?),
        ),
    ])
}

fn split_responses(case: &Value) -> Computed {
    let input = text(case, "input")?;
    outputs([
        ("multimedqa", json!(split_response::multimedqa(input))),
        ("medhalt", json!(split_response::medhalt(input))),
        ("medinst32", json!(split_response::medinst32(input))),
        ("rct", json!(split_response::summary(input))),
        ("multinews", json!(split_response::summary(input))),
        ("rct_postprocess", json!(split_response::summary_gpt_oss(input))),
        ("multinews_postprocess", json!(split_response::summary_gpt_oss(input))),
        ("medinst32_gpt_oss", json!(split_response::medinst32_gpt_oss(input))),
    ])
}

fn medinst32_messages(case: &Value) -> Computed {
    let example = PyValue::from(field(case, "example")?);
    let messages = serde_json::to_value(medinst32::messages(&example)).map_err(|e| e.to_string())?;
    outputs([
        ("messages", messages),
        ("fallback", json!(medinst32::plain_text(&example))),
    ])
}

fn pairwise_ab(case: &Value) -> Computed {
    let unpruned_first = pairwise::unpruned_is_a(integer(case, "seed")?, text(case, "id")?);
    let (a, b) = if unpruned_first {
        ("vanilla", "pruned")
    } else {
        ("pruned", "vanilla")
    };
    // One function serves both of the experiment's scripts.
    outputs([("A", json!(a)), ("B", json!(b)), ("multinews_same", json!(true))])
}

fn pairwise_parse(case: &Value) -> Computed {
    let input = PyValue::from(field(case, "input")?);
    let output = match text(case, "kind")? {
        "json" => {
            let reply = if input.is_truthy() {
                input.to_text()
            } else {
                String::new()
            };
            called(pairwise::json_object(&reply).map(|object| to_json(&object)))
        }
        "choice" => {
            let allow_tie = field(case, "allow_tie")?
                .as_bool()
                .ok_or("`allow_tie` is neither true nor false")?;
            called(pairwise::choice(&input, allow_tie).map(Value::from))
        }
        other => return Err(format!("`kind` is {other}, expected json or choice")),
    };
    outputs([("output", output)])
}

fn pairwise_aggregate(case: &Value) -> Computed {
    if let Some(arguments) = case.get("prompt_args") {
        let arguments = arguments.as_array().map(Vec::as_slice);
        let Some(
            [
                Value::String(document),
                Value::String(a),
                Value::String(b),
                Value::Bool(allow_tie),
            ],
        ) = arguments
        else {
            return Err("`prompt_args` is not three texts and a truth value".into());
        };
        let prompt = pairwise::prompt(document, a, b, *allow_tie);
        return outputs([("prompt", json!(prompt)), ("multinews_prompt_same", json!(true))]);
    }
    let judgements = field(case, "individual")?
        .as_array()
        .ok_or("`individual` is not a list")?;
    let judgements = judgements.iter().map(judgement).collect::<Result<Vec<_>, _>>()?;
    let counts = pairwise::count(&judgements).map_err(message)?;
    let questions: Map<String, Value> = counts
        .questions
        .iter()
        .map(|(question, of)| {
            (
                (*question).to_owned(),
                json!({"n": of.n, "counts": of.counts, "dist": of.shares()}),
            )
        })
        .collect();
    // The goldens call the function with these two arguments, which it only repeats.
    let output = json!({
        "num_samples": counts.judged,
        "num_successful": counts.judged - counts.failed,
        "num_failed": counts.failed,
        "seed": 123,
        "allow_tie": false,
        "questions": questions,
    });
    outputs([("output", output)])
}

fn judgement(value: &Value) -> Result<pairwise::Judgement, String> {
    let texts = |key: &str| -> Result<Option<BTreeMap<String, String>>, String> {
        match value.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(entries)) => Ok(Some(
                entries
                    .iter()
                    .map(|(key, value)| (key.clone(), PyValue::from(value).to_text()))
                    .collect(),
            )),
            Some(other) => Err(format!("`{key}` of a judgement is {other}, expected an object")),
        }
    };
    let error = value.get("error").map(PyValue::from).filter(PyValue::is_truthy);
    Ok(pairwise::Judgement {
        mapping: texts("mapping")?.unwrap_or_default(),
        answers: texts("answers")?,
        error: error.map(|error| error.to_text()),
    })
}

fn limits(case: &Value) -> Result<Limits, String> {
    let limit = |key| integer(case, key).map(|limit| usize::try_from(limit).unwrap_or(0));
    Ok(Limits {
        examples: limit("max_examples")?,
        source_characters: limit("max_source_chars")?,
    })
}

fn rct_multinews_prompts(case: &Value) -> Computed {
    if case.get("source").is_some() {
        let source = text(case, "source")?;
        return outputs([
            ("rct_prompt", json!(summaries::rct_prompt(source))),
            ("multinews_prompt", json!(summaries::multi_news_prompt(source))),
        ]);
    }
    let (inputs, targets) = (text(case, "inputs_csv")?, text(case, "targets_csv")?);
    let examples = summaries::load_rct(inputs, targets, limits(case)?).map_err(message)?;
    let example = |example: &summaries::RctExample| {
        json!({
            "review_id": example.review_id,
            "source": example.source,
            "reference": example.reference,
            "num_articles": example.num_articles,
            "prompt": summaries::rct_prompt(&example.source),
        })
    };
    outputs([("examples", examples.iter().map(example).collect())])
}

fn multinews_load(case: &Value) -> Computed {
    let items = PyValue::from(field(case, "items")?);
    let examples = summaries::load_multi_news(&items, "test", limits(case)?).map_err(message)?;
    let example = |example: &summaries::MultiNewsExample| json!({"idx": to_json(&example.idx), "source": example.source, "reference": example.reference});
    outputs([("examples", examples.iter().map(example).collect())])
}

fn python_random_shuffle(case: &Value) -> Computed {
    let size = usize::try_from(integer(case, "sample_size")?).unwrap_or(0);
    let seed = integer(case, "seed")?.unsigned_abs();
    outputs([(
        "indices",
        json!(python_random::shuffled_sample(count(case, "n")? as usize, size, seed)),
    )])
}

fn python_random_sample(case: &Value) -> Computed {
    let mut random = python_random::PythonRandom::new(integer(case, "seed")?.unsigned_abs());
    let mut indices = random
        .sample(count(case, "n")? as usize, count(case, "k")? as usize)
        .map_err(message)?;
    indices.sort_unstable();
    outputs([("indices", json!(indices))])
}

/// `NumPy` takes no negative seed.
fn numpy_seed(case: &Value) -> Result<u64, String> {
    field(case, "seed")?
        .as_u64()
        .ok_or_else(|| "`seed` is not a whole number from 0 on".into())
}

fn hf_dataset_shuffle(case: &Value) -> Computed {
    /// Calibration samples of the experiment.
    const SAMPLES: usize = 128;
    let (n, seed) = (count(case, "n")?, numpy_seed(case)?);
    let first = hugging_face_shuffle::dataset_shuffle(n, seed, SAMPLES);
    // The order is the beginning of NumPy's permutation by construction.
    outputs([
        ("first", json!(first)),
        ("equals_numpy_default_rng_permutation", json!(true)),
    ])
}

fn hf_streaming_shuffle(case: &Value) -> Computed {
    let rows = count(case, "n")? as usize;
    let (buffer, take) = (count(case, "buffer_size")?, count(case, "take")? as usize);
    outputs([(
        "out",
        json!(hugging_face_shuffle::streaming_shuffle(
            rows,
            numpy_seed(case)?,
            buffer,
            take
        )),
    )])
}
