//! Generated code from the answer to the score. Skipped, with the reason, where it cannot be shut in.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use secateur_datasets::LoadOptions;
use secateur_datasets::item::{Body, Item};
use secateur_datasets::tasks::{TaskSpec, data_directory, find};
use secateur_evaluation::answer::{Answer, Output, Scores, TextAnswer};
use secateur_evaluation::bigram::BigramEngine;
use secateur_evaluation::engine::Finish;
use secateur_evaluation::error::EvaluationError;
use secateur_evaluation::evaluate::{EvaluationOptions, evaluate};
use secateur_evaluation::score;
use secateur_sandbox::{Limits, Sandbox};

fn holds() -> bool {
    match Sandbox::open(Limits::default()) {
        Ok(_) => true,
        Err(reason) => {
            println!("skipped: {reason}");
            false
        }
    }
}

fn problems(task: &str) -> Option<(TaskSpec, Vec<Item>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(3)?
        .join("shared/data");
    if !root.exists() {
        println!("skipped: no ../shared/data");
        return None;
    }
    let task = find(task, &[]).unwrap();
    let data = task
        .load(&data_directory(&root, &task.spec()), &LoadOptions::default())
        .unwrap();
    Some((task.spec(), data.items))
}

fn answer(item: &Item, text: &str) -> Answer {
    Answer {
        item: item.id.clone(),
        prompt: String::new(),
        output: Output::Text(TextAnswer {
            text: text.into(),
            finish: Finish::EndToken,
            tokens: 1,
            prompt_tokens: 1,
            mean_log_probability: None,
            references: Vec::new(),
            unanswerable: false,
            parsed: None,
            probe_log_probability: None,
            samples: Vec::new(),
        }),
        scores: Scores::new(),
        flags: std::collections::BTreeSet::new(),
        unsupported: Vec::new(),
        fields: item.fields.clone(),
    }
}

fn canonical(item: &Item) -> &str {
    match &item.body {
        Body::Generate(generate) => &generate.references[0],
        _ => panic!("answered in words"),
    }
}

/// Items whose answer passes, and why the others do not.
fn passing(task: &TaskSpec, items: &[Item], text: impl Fn(&Item) -> String + Sync) -> (usize, Vec<String>) {
    let halves = items.chunks(items.len().div_ceil(2));
    let results: Vec<Option<String>> = std::thread::scope(|scope| {
        let text = &text;
        let workers: Vec<_> = halves
            .map(|half| {
                scope.spawn(move || {
                    let scorer = score::permitted_scorer(task, half, true).unwrap();
                    let outcome = |item: &Item| {
                        let mut answer = answer(item, &text(item));
                        scorer.score(item, &mut answer).unwrap();
                        let Output::Text(output) = answer.output else {
                            panic!("text")
                        };
                        (answer.scores["passed"] < 1.0).then(|| format!("{}: {:?}", item.id, output.parsed))
                    };
                    half.iter().map(outcome).collect::<Vec<_>>()
                })
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    let failed: Vec<String> = results.iter().flatten().cloned().collect();
    (results.len() - failed.len(), failed)
}

#[test]
fn canonical_solutions_pass_and_empty_ones_fail() {
    let Some((task, items)) = problems("humaneval") else {
        return;
    };
    if !holds() {
        return;
    }
    let (passed, failed) = passing(&task, &items, |item| canonical(item).to_owned());
    assert_eq!((passed, failed), (164, Vec::<String>::new()));
    let (passed, _) = passing(&task, &items, |_| "    pass\n".to_owned());
    assert_eq!(passed, 0);
}

#[test]
fn the_instruct_form_ends_at_the_fence() {
    let Some((task, items)) = problems("humaneval_instruct") else {
        return;
    };
    if !holds() {
        return;
    }
    let fenced = |item: &Item| format!("{}```\nThis is not code.", canonical(item));
    assert_eq!(passing(&task, &items[..4], fenced).0, 4);
    let open = |item: &Item| format!("{}\nThis is not code.", canonical(item));
    let (passed, failed) = passing(&task, &items[..4], open);
    assert_eq!(passed, 0);
    assert!(failed[0].contains("SyntaxError"), "{failed:?}");
}

#[test]
fn without_permission_nothing_is_generated() {
    let item = Item {
        id: "1".into(),
        body: Body::Generate(secateur_datasets::tasks::ask::question("def f():")),
        fields: [("code", "def f():"), ("tests", "f()")]
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .into(),
    };
    let task = find("humaneval", &[]).unwrap().spec();
    let mut engine = BigramEngine::train("abc", &[]);
    let refused = evaluate(
        &mut engine,
        &task,
        std::slice::from_ref(&item),
        &EvaluationOptions::default(),
        &mut (),
    );
    let error = refused.unwrap_err();
    assert!(matches!(error, EvaluationError::GeneratedCode { .. }));
    assert!(error.to_string().contains("run_generated_code = true"), "{error}");
    // Metrics can be listed, but a scorer made without permission scores nothing.
    let refused = score::scorer(&task, &[]).score(&item, &mut answer(&item, "    pass"));
    assert!(refused.unwrap_err().expected.contains("run_generated_code"));
}
