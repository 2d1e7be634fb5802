//! Scores: the parts in the metrics crate, and the text they are given.

use secateur_datasets::reference_experiment::summaries::truncate_words;
use secateur_metrics::exact_match::{exact_match, normalise, token_f1};
use secateur_metrics::reference_experiment::medinst32::{CATEGORIES, Kind, evaluate};
use secateur_metrics::reference_experiment::{aggregate, entities, similarity};
use secateur_metrics::rouge::{PrecisionRecallF1, Stemmer, rouge_1, rouge_2, rouge_l, rouge_lsum};
use serde_json::{Map, Value, json};

use super::{Computed, FileCheck, What, field, integer, outputs, text, texts};

pub const CHECKS: &[FileCheck] = &[
    cases("hallu_helpers", &["kind", "text", "max_words", "values"], hallu_helpers),
    cases("medinst32_normalize", &["input"], |case| {
        outputs([("output", json!(normalise(text(case, "input")?)))])
    }),
    cases("medinst32_entity", &["target", "prediction"], entity),
    cases("medinst32_multilabel", &["target", "prediction"], |case| {
        outputs([(
            "f1",
            json!(entities::label_list_f1(
                text(case, "target")?,
                text(case, "prediction")?
            )),
        )])
    }),
    cases("medinst32_mse", &["targets", "predictions"], |case| {
        let mse = similarity::mean_squared_error(&texts(case, "targets")?, &texts(case, "predictions")?);
        outputs([("mse", json!(mse.map_err(|e| e.to_string())?))])
    }),
    cases("medinst32_word_f1_em", &["target", "prediction"], |case| {
        let (target, prediction) = (text(case, "target")?, text(case, "prediction")?);
        outputs([
            ("word_f1", json!(token_f1(prediction, target))),
            ("em", json!(exact_match(prediction, target))),
        ])
    }),
    cases("medinst32_rouge", &["target", "prediction"], rouge),
    cases(
        "medinst32_evaluate",
        &["types", "targets", "predictions"],
        medinst32_evaluate,
    ),
    FileCheck {
        stem: "medinst32_tasks",
        what: What::Whole(tasks),
    },
];

const fn cases(stem: &'static str, inputs: &'static [&'static str], compute: fn(&Value) -> Computed) -> FileCheck {
    FileCheck {
        stem,
        what: What::Cases(inputs, compute),
    }
}

fn hallu_helpers(case: &Value) -> Computed {
    let output = match text(case, "kind")? {
        "truncate_words" => {
            let most = usize::try_from(integer(case, "max_words")?).unwrap_or(0);
            json!(truncate_words(text(case, "text")?, most))
        }
        "aggregate" => {
            let values = field(case, "values")?.as_array().ok_or("`values` is not a list")?;
            let values: Option<Vec<f64>> = values.iter().map(Value::as_f64).collect();
            let found = aggregate::aggregate(&values.ok_or("`values` holds something that is not a number")?);
            let found = found.map_err(|e| e.to_string())?;
            json!({"mean": found.mean, "std": found.std, "min": found.min, "max": found.max})
        }
        other => return Err(format!("`kind` is {other}, expected truncate_words or aggregate")),
    };
    outputs([("output", output)])
}

fn entity(case: &Value) -> Computed {
    let (target, prediction) = (text(case, "target")?, text(case, "prediction")?);
    outputs([
        ("target_entities", json!(entities::bracketed(target))),
        ("pred_entities", json!(entities::bracketed(prediction))),
        ("f1", json!(entities::entity_f1(target, prediction))),
    ])
}

fn rouge(case: &Value) -> Computed {
    let (target, prediction) = (text(case, "target")?, text(case, "prediction")?);
    let scores: [(&str, PrecisionRecallF1); 4] = [
        ("rouge1", rouge_1(prediction, target, Stemmer::Porter)),
        ("rouge2", rouge_2(prediction, target, Stemmer::Porter)),
        ("rougeL", rouge_l(prediction, target, Stemmer::Porter)),
        ("rougeLsum", rouge_lsum(prediction, target, Stemmer::Porter)),
    ];
    let mut out = Map::new();
    out.insert("rougeL".into(), json!(scores[2].1.f1));
    for (name, score) in scores {
        out.insert(format!("{name}_precision"), json!(score.precision));
        out.insert(format!("{name}_recall"), json!(score.recall));
        out.insert(format!("{name}_fmeasure"), json!(score.f1));
    }
    Ok(out)
}

fn medinst32_evaluate(case: &Value) -> Computed {
    let kind = |code: &String| {
        let found = Kind::ALL.into_iter().find(|kind| kind.code() == code);
        found.ok_or_else(|| format!("`types` holds {code}, which is no kind of task"))
    };
    let kinds: Vec<Kind> = texts(case, "types")?.iter().map(kind).collect::<Result<_, _>>()?;
    let scores = evaluate(&texts(case, "targets")?, &texts(case, "predictions")?, &kinds);
    outputs([("metrics", json!(scores.map_err(|e| e.to_string())?))])
}

fn tasks() -> Value {
    let categories: Map<String, Value> = CATEGORIES
        .iter()
        .map(|(category, tasks)| ((*category).to_owned(), json!(tasks)))
        .collect();
    let mut out = Map::from_iter([("tests".to_owned(), Value::Object(categories))]);
    out.extend(
        Kind::ALL
            .iter()
            .map(|kind| (kind.code().to_owned(), json!(kind.tasks()))),
    );
    Value::Object(out)
}
