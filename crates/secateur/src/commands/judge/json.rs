//! What programs read.

use secateur_datasets::reference_experiment::pairwise::QUESTIONS;
use secateur_judges::llm::absolute::{self, Agreement};
use secateur_judges::llm::figures::{
    QuestionFigures, agreement_on_pairs, agreement_on_texts, contradiction_rate, questions,
};
use secateur_judges::llm::relative::{self, Choices, RelativeOptions};
use secateur_judges::llm::{Client, Summary, Unjudged, Verdict};
use secateur_metrics::error::MetricError;
use secateur_metrics::judged::{CONSISTENT_WIN_RATES, CONTRADICTION_RATE, Named, WIN_RATES, WinRate};
use secateur_metrics::krippendorff::Alpha;
use secateur_metrics::position_bias::{FIRST_SHARE, FLIP_RATE};
use serde_json::{Value, json};

use super::Judged;
use super::inputs::Item;

pub fn document(judged: &Judged, items: &[Item], options: RelativeOptions) -> Value {
    match judged {
        Judged::Absolute(runs) => {
            let judges = runs.iter().map(|(client, run)| {
                let figures = contradiction_rate(&run.verdicts).map(|rate| {
                    json!({CONTRADICTION_RATE.name: {
                        "value": rate.rate, "interval": rate.interval, "n": rate.n, "contradictions": rate.contradictions,
                    }})
                });
                let verdicts = run.verdicts.iter().zip(items);
                let verdicts = verdicts.map(|(verdict, item)| entry(item, verdict, &|value: &Agreement| json!(value)));
                judge(client, &run.summary, figures, &verdicts.collect::<Vec<_>>())
            });
            let judges: Vec<Value> = judges.collect();
            let all: Vec<_> = runs.iter().map(|(_, run)| run.verdicts.as_slice()).collect();
            json!({
                "protocol": absolute::PROTOCOL.name,
                "version": absolute::PROTOCOL.version,
                "judges": judges,
                "agreement": alpha(&agreement_on_texts(&all)),
            })
        }
        Judged::Relative(runs) => {
            let judges = runs.iter().map(|(client, run)| {
                let both = run.drawn.iter().zip(items).chain(run.swapped.iter().zip(items));
                let verdicts: Vec<Value> = both
                    .map(|(verdict, item)| entry(item, verdict, &|value: &Choices| choices(*value)))
                    .collect();
                judge(
                    client,
                    &run.summary,
                    questions(run).map(|figures| of_questions(&figures)),
                    &verdicts,
                )
            });
            let judges: Vec<Value> = judges.collect();
            let all: Vec<_> = runs.iter().map(|(_, run)| run.drawn.as_slice()).collect();
            let of = |index: usize| (QUESTIONS[index].to_owned(), alpha(&agreement_on_pairs(&all, index)));
            json!({
                "protocol": relative::PROTOCOL.name,
                "version": relative::PROTOCOL.version,
                "seed": options.seed,
                "both_orders": options.both_orders,
                "judges": judges,
                "agreement": Value::Object((0..QUESTIONS.len()).map(of).collect()),
            })
        }
    }
}

fn judge(client: &Client, summary: &Summary, figures: Result<Value, MetricError>, verdicts: &[Value]) -> Value {
    let endpoint = client.endpoint();
    let figures = figures.unwrap_or_else(|reason| json!({"undefined": reason.to_string()}));
    json!({
        "name": endpoint.name,
        "endpoint": endpoint.endpoint,
        "model": endpoint.model,
        "identity": client.identity(),
        "summary": summary,
        "figures": figures,
        "verdicts": verdicts,
    })
}

fn entry<V>(item: &Item, outcome: &Result<Verdict<V>, Unjudged>, value: &dyn Fn(&V) -> Value) -> Value {
    let (verdict, reason, record, cached) = match outcome {
        Ok(verdict) => (
            value(&verdict.value),
            verdict.reason.clone(),
            Some(&verdict.record),
            verdict.cached,
        ),
        Err(Unjudged::Unparsable { record, cached, .. }) => (Value::Null, String::new(), Some(&**record), *cached),
        Err(_) => (Value::Null, String::new(), None, false),
    };
    json!({
        "id": item.id,
        "verdict": verdict,
        "reason": reason,
        "problem": outcome.as_ref().err().map(ToString::to_string),
        "key": record.map(|record| &record.key),
        "reply": record.map(|record| &record.reply),
        "tokens_in": record.and_then(|record| record.tokens_in),
        "tokens_out": record.and_then(|record| record.tokens_out),
        "cached": cached,
    })
}

fn choices(choices: Choices) -> Value {
    let named = |index| match choices.named(index) {
        Named::Pruned => "pruned",
        Named::Unpruned => "unpruned",
        Named::Tie => "tie",
    };
    let answers = QUESTIONS.into_iter().enumerate();
    let answers = answers
        .map(|(index, question)| (question.to_owned(), json!(named(index))))
        .collect();
    json!({"a": if choices.unpruned_is_a { "unpruned" } else { "pruned" }, "named": Value::Object(answers)})
}

fn of_questions(figures: &[QuestionFigures]) -> Value {
    let of = |(index, figures): (usize, &QuestionFigures)| {
        let first = figures.first_share;
        let value = json!({
            WIN_RATES[index].name: wins(&figures.win_rate),
            CONSISTENT_WIN_RATES[index].name: figures.consistent.as_ref().map(wins),
            FIRST_SHARE.name: {
                "value": first.share, "interval": first.interval, "n": first.n, "first": first.first, "p_value": first.p_value,
            },
            FLIP_RATE.name: figures.flips.map(|flips| json!({
                "value": flips.rate, "interval": flips.interval, "n": flips.n,
                "first_twice": flips.first_twice, "second_twice": flips.second_twice, "p_value": flips.p_value,
            })),
        });
        (figures.question.to_owned(), value)
    };
    Value::Object(figures.iter().enumerate().map(of).collect())
}

fn wins(rate: &WinRate) -> Value {
    json!({
        "value": rate.rate,
        "interval": rate.interval,
        "n": rate.pruned + rate.unpruned + rate.ties,
        "pruned": rate.pruned,
        "unpruned": rate.unpruned,
        "ties": rate.ties,
        "p_value": rate.p_value,
    })
}

fn alpha(found: &Result<Alpha, MetricError>) -> Value {
    match found {
        Ok(alpha) => json!({
            "krippendorff_alpha": alpha.value,
            "interval": alpha.interval,
            "units": alpha.units,
            "labels": alpha.labels,
            "observed_agreement": alpha.observed_agreement,
        }),
        Err(reason) => json!({"undefined": reason.to_string()}),
    }
}
