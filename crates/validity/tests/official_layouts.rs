//! Readers of sets whose texts are not shared here, on small files in their authors' layout.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use secateur_validity::labelled::{Half, Labelled};
use secateur_validity::sets::{Set, factscore, frank, halueval, read, read_all, refchecker, xsum};

fn written(set: &dyn Set, files: &[(&str, &str)]) -> Result<Vec<Labelled>, String> {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    read(set, directory.path()).map_err(|error| error.to_string())
}

const ANNOTATION: &str = r#"[
  {"hash": "a1", "model_name": "bart", "dataset": "cnndm", "Factuality": 1.0, "split": "valid"},
  {"hash": "a1", "model_name": "pgn", "dataset": "cnndm", "Factuality": 0.5, "split": "valid"},
  {"hash": "b2", "model_name": "bart", "dataset": "cnndm", "Factuality": 0.0, "split": "test"}
]"#;

#[test]
fn frank_is_joined_by_hash_and_system() {
    let texts = r#"[
      {"hash": "b2", "model_name": "bart", "article": "B.", "summary": "b bart", "reference": "", "split": "test"},
      {"hash": "a1", "model_name": "pgn", "article": "A.", "summary": "a pgn", "reference": "", "split": "valid"},
      {"hash": "a1", "model_name": "bart", "article": "A.", "summary": "a bart", "reference": "", "split": "valid"}
    ]"#;
    let baselines = r#"[{"hash": "a1", "model_name": "pgn", "dataset": "cnndm", "Rouge 1": 0.25, "Dep Entail": null, "split": "valid"}]"#;
    let files = [
        ("human_annotations.json", ANNOTATION),
        ("benchmark_data.json", texts),
        ("baseline_factuality_metrics_outputs.json", baselines),
    ];
    let set = written(&frank::Frank, &files).unwrap().remove(0);
    let summaries: Vec<&str> = set
        .items
        .iter()
        .map(|item| item.texts.as_ref().unwrap().1.as_str())
        .collect();
    assert_eq!(summaries, ["a bart", "a pgn", "b bart"]);
    assert_eq!((set.items[0].half, set.items[2].half), (Half::Choice, Half::Report));
    assert_eq!(
        (set.items[0].supported, set.items[1].supported, set.documents()),
        (true, false, 2)
    );
    assert_eq!(set.given[0].scores, [None, Some(0.25), None]);
    assert_eq!(
        (set.given[1].name.as_str(), set.given[1].scores[1]),
        ("Dep Entail", None)
    );
    assert_eq!(set.files.len(), 3);
    assert!(set.notes.is_empty());
    let without = written(&frank::Frank, &files[..1]).unwrap().remove(0);
    assert!(!without.has_texts() && without.notes[0].contains("benchmark_data.json"));
    let bad = ANNOTATION.replace("0.5", "\"half\"");
    let message = written(&frank::Frank, &[("human_annotations.json", &bad)]).unwrap_err();
    assert!(
        message.contains("Factuality") && message.contains("entry 2"),
        "{message}"
    );
}

#[test]
fn xsum_needs_its_articles() {
    let spans = "bbcid,system,summary,hallucination_type,hallucinated_span,hallucinated_span_start,hallucinated_span_end,worker_id\n\
                 1,A,cats bark,extrinsic,bark,6,9,w0\n1,A,cats bark,intrinsic,cats,1,4,w0\n1,A,cats bark,NULL,,0,0,w1\n\
                 1,A,cats bark,extrinsic,bark,6,9,w2\n2,A,cats sleep,NULL,,0,0,w0\n2,A,cats sleep,NULL,,0,0,w1\n2,A,cats sleep,NULL,,0,0,w2\n";
    let name = "hallucination_annotations_xsum_summaries.csv";
    let articles = "{\"id\": \"1\", \"document\": \"Cats sleep.\"}\n{\"bbcid\": \"2\", \"document\": \"They do.\"}\n";
    let sets = written(&xsum::XSum, &[(name, spans), ("articles.jsonl", articles)]).unwrap();
    let supported: Vec<bool> = sets[0].items.iter().map(|item| item.supported).collect();
    assert_eq!(supported, [false, true]);
    assert_eq!(sets[0].items[1].texts.as_ref().unwrap().0, "They do.");
    // Of the first summary's three, only the one that marks nothing faces two who agree.
    assert_eq!((sets[1].items.len(), sets[1].given[0].scores[0]), (4, Some(1.0)));
    let without = written(&xsum::XSum, &[(name, spans)]).unwrap();
    assert!(without[0].items.is_empty() && without[0].notes[0].contains("articles.jsonl"));
    let message = written(&xsum::XSum, &[(name, &spans.replace("NULL", "none"))]).unwrap_err();
    assert!(message.contains("hallucination_type"), "{message}");
}

#[test]
fn refchecker_needs_its_references() {
    let answers = r#"[
      {"id": "q1", "response": "x", "claude2_response_kg": [
        {"triplet": ["Paris", "is capital of", "France"], "human_label": "Entailment"},
        {"triplet": ["Paris", "lies in", "Spain"], "human_label": "Contradiction"}]},
      {"id": "q2", "response": "I do not know"}
    ]"#;
    let references = r#"[{"id": "q1", "question": "?", "context": ["Paris is in France.", "It is the capital."]}]"#;
    let official = "human_annotations_v1/zero_context/nq_gpt4_answers.json";
    let files = [(official, answers), ("data/zero_context/nq.json", references)];
    let set = written(&refchecker::RefChecker, &files).unwrap().remove(0);
    let (source, text) = set.items[1].texts.clone().unwrap();
    assert_eq!(
        (source.as_str(), text.as_str()),
        ("Paris is in France.\nIt is the capital.", "Paris lies in Spain")
    );
    assert_eq!((set.items[0].supported, set.items[1].supported), (true, false));
    let without = written(&refchecker::RefChecker, &[("nq_gpt4_answers.json", answers)])
        .unwrap()
        .remove(0);
    assert!(without.items.is_empty() && without.notes[0].contains("2 labelled claims"));
    let bad = answers.replace("Contradiction", "Maybe");
    assert!(
        written(&refchecker::RefChecker, &[("nq_gpt4_answers.json", &bad)])
            .unwrap_err()
            .contains("claude2_response_kg")
    );
}

#[test]
fn factscore_needs_its_articles() {
    let answers = r#"{"input": "?", "output": "x", "topic": "Ada", "annotations": [{"text": "s", "human-atomic-facts": [{"text": "Ada was born.", "label": "S"}, {"text": "Ada flew.", "label": "NS"}, {"text": "Flying exists.", "label": "IR"}]}, {"text": "t", "human-atomic-facts": null}]}
{"input": "?", "output": "Sorry", "topic": "Bob", "annotations": null}
"#;
    let knowledge = "{\"title\": \"Ada\", \"text\": \"Ada was born in London.\"}\n";
    let files = [("ChatGPT.jsonl", answers), ("knowledge.jsonl", knowledge)];
    let set = written(&factscore::FActScore, &files).unwrap().remove(0);
    let read: Vec<(&str, bool)> = set
        .items
        .iter()
        .map(|item| (item.texts.as_ref().unwrap().1.as_str(), item.supported))
        .collect();
    assert_eq!(read, [("Ada was born.", true), ("Ada flew.", false)]);
    let without = written(&factscore::FActScore, &files[..1]).unwrap().remove(0);
    assert!(without.items.is_empty() && without.notes[0].contains("2 labelled facts"));
}

#[test]
fn halueval_comes_as_lines() {
    let line = r#"{"knowledge": "Cats sleep.", "question": "?", "right_answer": "Cats", "hallucinated_answer": "Dogs sleep all day."}"#;
    let set = written(&halueval::HaluEval, &[("qa_data.json", line)])
        .unwrap()
        .remove(0);
    assert_eq!((set.items.len(), set.documents()), (2, 1));
    assert_eq!(set.given[0].scores, [Some(-1.0), Some(-4.0)]);
}

#[test]
fn an_empty_folder_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let message = read_all(directory.path()).unwrap_err().to_string();
    assert!(
        message.contains("frank") && message.contains("no labelled set"),
        "{message}"
    );
    assert!(read_all(Path::new("/nowhere")).is_err());
}
