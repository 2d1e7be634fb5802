//! Biomedical scorings from file to number: items read by their loaders, replies written by hand.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};

use secateur_datasets::LoadOptions;
use secateur_datasets::tasks::find;
use secateur_evaluation::answer::{Answer, Flag, Output, Scores, TextAnswer};
use secateur_evaluation::engine::Finish;
use secateur_evaluation::evaluate::outcome;
use secateur_evaluation::score::scorer;
use secateur_evaluation::summary::Bootstrap;

fn answer(item: &secateur_datasets::Item, text: &str) -> Answer {
    Answer {
        item: item.id.clone(),
        prompt: String::new(),
        output: Output::Text(TextAnswer {
            text: text.to_owned(),
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
        flags: BTreeSet::new(),
        unsupported: Vec::new(),
        fields: item.fields.clone(),
    }
}

/// Metrics by name, and the scored answers.
fn scored(name: &str, files: &[(&str, &str)], replies: &[&str]) -> (BTreeMap<String, f64>, Vec<Answer>) {
    let directory = tempfile::tempdir().unwrap();
    for (file, content) in files {
        let path = directory.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    let task = find(name, &[]).unwrap();
    let options = LoadOptions {
        few_shot: Some(0),
        ..LoadOptions::default()
    };
    let data = task.load(directory.path(), &options).unwrap();
    assert_eq!(data.items.len(), replies.len());
    let scorer = scorer(&task.spec(), &data.items);
    let scored = data.items.iter().zip(replies).map(|(item, reply)| {
        let mut answer = answer(item, reply);
        scorer
            .score(item, &mut answer)
            .unwrap_or_else(|mismatch| panic!("{name}: {mismatch:?}"));
        assert!(answer.scores.values().all(|value| value.is_finite()));
        answer
    });
    let answers: Vec<Answer> = scored.collect();
    let bootstrap = Bootstrap {
        resamples: 50,
        ..Bootstrap::default()
    };
    let outcome = outcome(&task.spec(), &answers, &bootstrap).unwrap();
    let metrics = outcome.metrics.into_iter().map(|metric| (metric.name, metric.value));
    (metrics.collect(), answers)
}

fn assert_metrics(found: &BTreeMap<String, f64>, expected: &[(&str, f64)]) {
    for (name, value) in expected {
        let found = found.get(*name).unwrap_or_else(|| panic!("no {name} in {found:?}"));
        assert!((found - value).abs() < 1e-9, "{name}: {found}, expected {value}");
    }
}

const PROMPTS: &str = r#"{"prompts": [{"id": "v0", "prompt": "P", "output_format": "F"}]}"#;

#[test]
fn medhalt_titles() {
    let rows = "PMID,Title,url\n1,\"Uptake of testing, a study\",u/1\n2,Second,u/2\n3,Third,u/3\n4,Fourth,u/4\n";
    let files = [
        ("IR_pmid2title.csv", rows),
        ("prompts/IR_pmid2title/prompts.json", PROMPTS),
    ];
    let replies = [
        // Cut off: the pattern of the paper stops at the comma.
        "{\"paper_title\": \"Uptake of testing, a study\", \"why\": \"cut",
        "{'paper_title': 'Unknown'}",
        "{'paper_title': 'Another paper'}",
        "I recall no paper.",
    ];
    let (metrics, answers) = scored("medhalt_pmid2title", &files, &replies);
    let expected = [
        ("accuracy", 0.25),
        ("accuracy_paper", 0.0),
        ("medhalt_score", (1.0 - 0.75) / 4.0),
        // Three replies were readable to the paper, all wrong.
        ("medhalt_score_authors_code", -0.75 / 100.0),
        ("wrong_answer_rate", 0.25),
        ("unparsable_rate", 0.25),
    ];
    assert_metrics(&metrics, &expected);
    assert!(answers[1].flags.contains(&Flag::Abstained) && answers[3].flags.contains(&Flag::Unparsable));
}

#[test]
fn medhalt_addresses_and_reviews() {
    let rows = "PMID,Title,url\n1,T,https://pubmed.ncbi.nlm.nih.gov/25933806\n";
    let files = [
        ("IR_title2pubmedlink.csv", rows),
        ("prompts/IR_title2pubmedlink/prompts.json", PROMPTS),
    ];
    let reply = ["{'url': 'https://www.ncbi.nlm.nih.gov/pubmed/25933806/'}"];
    let (metrics, _) = scored("medhalt_title2pubmedlink", &files, &reply);
    assert_metrics(&metrics, &[("accuracy", 1.0), ("accuracy_paper", 0.0)]);
    let rows = "id,question,options,correct_answer,correct_index,student_answer\n\
                a,Q,\"{'0': 'x', '1': 'y'}\",y,1,x\nb,Q,\"{'0': 'x', '1': 'y'}\",y,1,y\n";
    let files = [
        ("reasoning_FCT.csv", rows),
        ("prompts/reasoning_FCT/prompts.json", PROMPTS),
    ];
    let replies = [
        "{'is_answer_correct': 'no', 'answer': 'y'}",
        "{'is_answer_correct': 'no', 'answer': 'x'}",
    ];
    let (metrics, _) = scored("medhalt_fct", &files, &replies);
    assert_metrics(
        &metrics,
        &[("accuracy", 0.5), ("judgement_accuracy", 0.5), ("medhalt_score", 0.375)],
    );
    let (metrics, _) = scored("medhalt_fct_paper", &files, &replies);
    assert!(!metrics.contains_key("judgement_accuracy"));
    assert_metrics(&metrics, &[("accuracy_paper", 0.5)]);
}

#[test]
fn medhalt_fake_keeps_its_scores() {
    let rows = "id,question,options\na,Q,\"{'0': 'x', '1': 'I do not know'}\"\nb,Q,\"{'0': 'x'}\"\nc,Q,\"{'0': 'x'}\"\nd,Q,\"{'0': 'x'}\"\n";
    let files = [
        ("reasoning_fake.csv", rows),
        ("prompts/reasoning_Fake/prompts.json", PROMPTS),
    ];
    // The last is cut off; its refusal stands after a comma.
    let replies = [
        "{'cop': 'I do not know'}",
        "{'cop': 'Science fiction'}",
        "?",
        "{'cop': 'Sorry, I do not know', 'why_correct': 'cut",
    ];
    let (metrics, _) = scored("medhalt_fake", &files, &replies);
    let expected = [
        ("refusal_rate", 0.5),
        ("refusal_rate_paper", 0.5),
        ("medhalt_score", 1.5 / 4.0),
        ("medhalt_score_authors_code", 1.75 / 100.0),
    ];
    assert_metrics(&metrics, &expected);
}

#[test]
fn scifact_rationales() {
    let corpus = "{\"doc_id\": 7, \"title\": \"T\", \"abstract\": [\"a\", \"b\", \"c\"]}\n{\"doc_id\": 9, \"title\": \"T\", \"abstract\": [\"a\"]}\n";
    let claims = "{\"id\": 1, \"claim\": \"C\", \"evidence\": {\"7\": [{\"sentences\": [0, 2], \"label\": \"SUPPORT\"}]}, \"cited_doc_ids\": [7, 9]}\n{\"id\": 2, \"claim\": \"C\", \"evidence\": {\"7\": [{\"sentences\": [1], \"label\": \"CONTRADICT\"}]}, \"cited_doc_ids\": [7]}\n";
    let files = [("claims_dev.jsonl", claims), ("corpus.jsonl", corpus)];
    let (metrics, answers) = scored(
        "scifact_rationale",
        &files,
        &["SUPPORT: 0, 2, 1", "SUPPORT: 0", "Mice."],
    );
    let expected = [
        ("accuracy", 1.0 / 3.0),
        // One right of two said and two wanted.
        ("abstract_label_only_f1", 0.5),
        ("abstract_rationalized_f1", 0.5),
        // Two right of four said and three wanted.
        ("sentence_selection_f1", 4.0 / 7.0),
        ("unparsable_rate", 1.0 / 3.0),
    ];
    assert_metrics(&metrics, &expected);
    assert!(answers[2].flags.contains(&Flag::Unparsable));
}

#[test]
fn entities_errors_and_statements() {
    let rows = "Renal\tB-Disease\nfailure\tI-Disease\n\nNothing\tO\n\nGout\tB-Disease\n";
    let (metrics, _) = scored(
        "ncbi_disease",
        &[("NCBI-disease-IOB/test.tsv", rows)],
        &["Disease: failure", "None", "gout it is"],
    );
    let expected = [
        ("entity_f1", 0.0),
        // One of one said, two wanted.
        ("entity_f1_relaxed", 2.0 / 3.0),
        ("unparsable_rate", 1.0 / 3.0),
    ];
    assert_metrics(&metrics, &expected);

    let rows = "Text ID,Text,Sentences,Error Flag,Error Type,Error Sentence ID,Error Sentence,Corrected Sentence,Corrected Text\n\
                a,t,\"0 He coughs.\n1 It is gout.\",1,diagnosis,1,s,It is flu.,t\n\
                b,t,\"0 He coughs.\n1 It is flu.\",0,NA,-1,NA,NA,NA\n\
                c,t,\"0 She coughs.\n1 It is flu.\",0,NA,-1,NA,NA,NA\n";
    let name = "MEDEC-MS-TestSet-with-GroundTruth-and-ErrorType.csv";
    let (metrics, _) = scored("medec", &[(name, rows)], &["0 It is flu.", "CORRECT", "1 It is gout."]);
    let expected = [
        ("error_flag_accuracy", 2.0 / 3.0),
        ("error_sentence_accuracy", 1.0 / 3.0),
        ("correction_rouge_1_composite", 2.0 / 3.0),
        ("error_flag_precision", 0.5),
        ("error_flag_recall", 1.0),
    ];
    assert_metrics(&metrics, &expected);

    let line = r#"{"Question": "Is ibuprofen safe?", "Free_form_answer": "A.", "Must_have": ["Ibuprofen irritates the stomach", "The maximal dose is 400 mg daily"], "Nice_to_have": ["It thins blood"]}"#;
    let reply = ["Ibuprofen irritates the stomach. The maximal dose is 800 mg daily."];
    let (metrics, _) = scored("kqa", &[("questions_w_answers.jsonl", line)], &reply);
    let expected = [
        ("comprehensiveness_lexical", 50.0),
        ("hallucination_lexical", 100.0 / 3.0),
        ("contradicted_statements_lexical", 1.0),
    ];
    assert_metrics(&metrics, &expected);
    assert!(metrics.contains_key("rouge_l") && metrics.contains_key("supported_mentions"));
}

#[test]
fn medinst32_reports_both_forms() {
    let line = |output: &str| format!("{{\"instruction\": \"I\", \"input\": \"x\", \"output\": \"{output}\"}}\n");
    let lines: String = ["yes", "no", "no"].map(line).concat();
    let files = [("SciFact/test.jsonl", lines.as_str())];
    let (metrics, _) = scored("medinst32_scifact", &files, &["Yes.", "the no", "maybe"]);
    let expected = [
        ("accuracy", 1.0 / 3.0),
        ("macro_f1", 0.5),
        ("macro_f1_paper", f64::midpoint(1.0, 2.0 / 3.0)),
        ("unparsable_rate", 2.0 / 3.0),
    ];
    assert_metrics(&metrics, &expected);
}
