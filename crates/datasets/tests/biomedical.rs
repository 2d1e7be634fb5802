//! The biomedical tasks on small files written by hand in the official formats: prompts, references, and what broken files are told.

#![allow(clippy::unwrap_used)]

use secateur_datasets::tasks::find;
use secateur_datasets::{Body, DatasetError, Generate, Item, LoadOptions, TaskData};

type Files<'a> = &'a [(&'a str, &'a str)];

fn load_with(task: &str, files: Files, options: &LoadOptions) -> Result<TaskData, DatasetError> {
    let directory = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = directory.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    find(task, &[]).unwrap().load(directory.path(), options)
}

fn load(task: &str, files: Files) -> TaskData {
    load_with(task, files, &LoadOptions::default()).unwrap_or_else(|error| panic!("{task}: {error}"))
}

fn assert_refused(task: &str, files: Files, parts: &[&str]) {
    let message = load_with(task, files, &LoadOptions::default()).unwrap_err().to_string();
    assert!(!message.contains('\n'), "{message}");
    for part in parts {
        assert!(message.contains(part), "{message}\n does not say: {part}");
    }
}

fn generate(item: &Item) -> &Generate {
    match &item.body {
        Body::Generate(generate) => generate,
        other => panic!("{other:?} is no generation"),
    }
}

fn asked(item: &Item) -> &str {
    &generate(item).messages.last().unwrap().content
}

fn context(item: &Item) -> (&str, &[usize]) {
    match &item.body {
        Body::Choice(choice) => (&choice.context, &choice.gold),
        other => panic!("{other:?} is no choice"),
    }
}

const PROMPTS: &str = r#"{"prompts": [{"id": "v0", "prompt": "P", "output_format": "F"}]}"#;

fn medhalt(task: &str, file: &str, folder: &str, rows: &str) -> Result<TaskData, DatasetError> {
    let prompts = format!("prompts/{folder}/prompts.json");
    let none = LoadOptions {
        few_shot: Some(0),
        ..LoadOptions::default()
    };
    load_with(task, &[(file, rows), (&prompts, PROMPTS)], &none)
}

#[test]
fn medhalt_memory_tests_give_one_field_and_ask_for_another() {
    let rows = "PMID,Title,url,Abstract\n25933806.0,\"It's a title, long\",https://pubmed.ncbi.nlm.nih.gov/25933806,An abstract.\n";
    let cases = [
        (
            "medhalt_pmid2title",
            "IR_pmid2title",
            "{'Pmid': '25933806'}",
            "It's a title, long",
        ),
        (
            "medhalt_pubmedlink2title",
            "IR_pubmedlink2title",
            "{'url': 'https://pubmed.ncbi.nlm.nih.gov/25933806'}",
            "It's a title, long",
        ),
        (
            "medhalt_title2pubmedlink",
            "IR_title2pubmedlink",
            "{'paper_title': \"It's a title, long\"}",
            "https://pubmed.ncbi.nlm.nih.gov/25933806",
        ),
        (
            "medhalt_abstract2pubmedlink",
            "IR_abstract2pubmedlink",
            "{'paper_abstract': 'An abstract.'}",
            "https://pubmed.ncbi.nlm.nih.gov/25933806",
        ),
    ];
    for (task, folder, body, reference) in cases {
        let data = medhalt(task, &format!("{folder}.csv"), folder, rows).unwrap();
        assert_eq!(
            asked(&data.items[0]),
            format!("P\nF\nInput: {body}\nOutput: "),
            "{task}"
        );
        assert_eq!(generate(&data.items[0]).references, [reference]);
        assert_eq!(data.items[0].id, "row-1");
        let broken = medhalt(
            task,
            &format!("{folder}.csv"),
            folder,
            "PMID,Title,url,Abstract\nx1,, ,\n",
        );
        assert!(
            broken.unwrap_err().to_string().contains("row 1 (line 2), field"),
            "{task}"
        );
    }
}

#[test]
fn medhalt_false_confidence_shows_the_student_only_in_the_correct_form() {
    let rows = "id,question,options,correct_answer,correct_index,student_answer\n\
                q1,Which?,\"{'0': 'a', '1': 'b'}\",b,1,a\n\
                q2,Which?,\"{'0': 'a', '1': 'b', 'correct answer': 'b'}\",b,1,b\n";
    let shown = medhalt("medhalt_fct", "reasoning_FCT.csv", "reasoning_FCT", rows).unwrap();
    let with = "Input: {'Question': 'Which?', 'Options': {'0': 'a', '1': 'b', 'correct answer': 'a'}}\nOutput: ";
    assert!(asked(&shown.items[0]).ends_with(with), "{}", asked(&shown.items[0]));
    assert!(asked(&shown.items[1]).ends_with("'1': 'b', 'correct answer': 'b'}}\nOutput: "));
    assert_eq!(shown.items[0].fields["student_answer"], "a");
    assert_eq!(generate(&shown.items[0]).references, ["b"]);
    let paper = medhalt("medhalt_fct_paper", "reasoning_FCT.csv", "reasoning_FCT", rows).unwrap();
    let without = "Input: {'Question': 'Which?', 'Options': {'0': 'a', '1': 'b'}}\nOutput: ";
    assert!(asked(&paper.items[0]).ends_with(without));
    assert!(!paper.items[0].fields.contains_key("student_answer"));
    let nota = medhalt("medhalt_nota", "reasoning_nota.csv", "Reasoning_Nota", rows).unwrap();
    assert!(asked(&nota.items[0]).ends_with(without));
    let blank = rows.replace(",b,1,a", ",b,1,");
    let message = medhalt("medhalt_fct", "reasoning_FCT.csv", "reasoning_FCT", &blank).unwrap_err();
    assert!(
        message
            .to_string()
            .contains("field `student_answer`: found an empty string"),
        "{message}"
    );
}

#[test]
fn medinst32_puts_the_instruction_into_the_system_turn() {
    let line = r#"{"instruction": "Say yes or no.", "input": "Is it?", "output": "yes", "history": [["u", "a"]]}"#;
    let data = load(
        "medinst32_bioasq_task_b_yesno",
        &[("BioASQ-Task-B-yesno/test.jsonl", line)],
    );
    let turns: Vec<_> = generate(&data.items[0])
        .messages
        .iter()
        .map(|turn| (turn.role.as_str(), turn.content.as_str()))
        .collect();
    assert_eq!(
        turns,
        [
            ("system", "Say yes or no."),
            ("user", "u"),
            ("assistant", "a"),
            ("user", "Is it?")
        ]
    );
    assert_eq!(generate(&data.items[0]).references, ["yes"]);
    let names: Vec<String> = secateur_datasets::tasks::names()
        .into_iter()
        .filter(|name| name.starts_with("medinst32_"))
        .collect();
    assert_eq!(names.len(), 32);
    let summary = load("multi_xscience", &[("Multi-XScience/test.jsonl", line)]);
    assert_eq!(summary.items[0].body, data.items[0].body);
    assert_refused(
        "medinst32_biosses",
        &[("BIOSSES/test.jsonl", "{\"instruction\": \"\", \"input\": \"x\"}")],
        &["BIOSSES/test.jsonl, line 1, field `output`: found nothing"],
    );
    let history = line.replace(r#"[["u", "a"]]"#, "3");
    assert_refused(
        "medinst32_biosses",
        &[("BIOSSES/test.jsonl", &history)],
        &["field `history`: found 3, expected a list of pairs"],
    );
}

#[test]
fn rct_summaries_have_one_abstract_and_one_summary() {
    let inputs = ",ReviewID,PMID,Title,Abstract\n0,R1,11,T,\"Abs, one\"\n1,R2,12,T,x\n2,R2,13,T,x\n3,R3,14,T,y\n";
    let targets = ",ReviewID,Target\n0,R3,three\n1,R2,two\n2,R1,one\n";
    let data = load(
        "rct_summaries",
        &[("test-inputs.csv", inputs), ("test-targets.csv", targets)],
    );
    let ids: Vec<&str> = data.items.iter().map(|item| item.id.as_str()).collect();
    assert_eq!(ids, ["R3", "R1"]);
    assert_eq!(
        asked(&data.items[1]),
        "You are a medical evidence summarization assistant. Given a randomized controlled trial abstract, write a concise factual summary in 2-4 sentences. Do not include information that is not supported by the abstract.\n\nSource documents:\nReviewID: R1\n\nArticle 1\nPMID: 11\nTitle: T\nAbstract: Abs, one\n\nSummary:"
    );
    assert_eq!(data.notes, ["2 of 3 reviews have exactly one abstract and one summary"]);
    let settings = find("rct_summaries", &[]).unwrap().spec().generation.unwrap();
    assert!((settings.temperature - 0.7).abs() < 1e-12 && (settings.top_p - 0.8).abs() < 1e-12);
    let blank = inputs.replace("14,T,y", "14,T,");
    assert_refused(
        "rct_summaries",
        &[("test-inputs.csv", &blank), ("test-targets.csv", targets)],
        &["row 4 (line 5), field `Abstract`: found an empty string"],
    );
    assert_refused(
        "rct_summaries",
        &[("test-inputs.csv", "a,b\n1,2\n"), ("test-targets.csv", targets)],
        &["field `ReviewID`: found nothing"],
    );
}

const CORPUS: &str = "{\"doc_id\": 7, \"title\": \"On mice\", \"abstract\": [\"Mice run.\", \"They sleep.\"], \"structured\": false}\n{\"doc_id\": 9, \"title\": \"T\", \"abstract\": [\"S.\"]}\n";

#[test]
fn scifact_asks_each_claim_about_each_abstract_it_cites() {
    let claims = "{\"id\": 1, \"claim\": \"Mice sleep.\", \"evidence\": {\"7\": [{\"sentences\": [1], \"label\": \"SUPPORT\"}]}, \"cited_doc_ids\": [7, 9]}\n{\"id\": 2, \"claim\": \"Mice fly.\", \"evidence\": {\"7\": [{\"sentences\": [0], \"label\": \"CONTRADICT\"}]}, \"cited_doc_ids\": [7]}\n";
    let files: Files = &[("claims_dev.jsonl", claims), ("corpus.jsonl", CORPUS)];
    let data = load("scifact", files);
    let golds: Vec<&[usize]> = data.items.iter().map(|item| context(item).1).collect();
    assert_eq!(golds, [[0], [2], [1]]);
    assert_eq!(
        context(&data.items[0]).0,
        "Title: On mice\nAbstract: Mice run. They sleep.\nClaim: Mice sleep.\nQuestion: Does the abstract support the claim, contradict it, or neither?\nAnswer:"
    );
    let clusters: Vec<&str> = data.items.iter().map(|item| item.fields["cluster"].as_str()).collect();
    assert_eq!(clusters, ["7", "9", "7"]);
    let data = load("scifact_rationale", files);
    assert_eq!(
        (data.items[0].id.as_str(), data.items[0].fields["rationales"].as_str()),
        ("1-7", "[[1]]")
    );
    assert!(asked(&data.items[0]).contains("\n0 Mice run.\n1 They sleep.\n\nClaim: Mice sleep.\n"));
    assert_eq!(generate(&data.items[1]).references, ["NOT_ENOUGH_INFO"]);
    for (old, new, said) in [
        (
            "[7, 9]",
            "[7, 8]",
            "field `cited_doc_ids`: found 8, expected a document of corpus.jsonl",
        ),
        ("[7, 9]", "[]", "expected a list of document numbers"),
        ("[1], \"label\"", "[2], \"label\"", "expected sentences from 0 to 1"),
        ("\"SUPPORT\"", "\"REFUTES\"", "with one label, SUPPORT or CONTRADICT"),
    ] {
        let broken = claims.replace(old, new);
        assert_refused(
            "scifact",
            &[("claims_dev.jsonl", &broken), ("corpus.jsonl", CORPUS)],
            &["line 1", said],
        );
    }
}

#[test]
fn pubhealth_reads_tabs_and_quotes() {
    let rows = "claim_id\tclaim\tdate_published\tmain_text\tlabel\tsubjects\n15\t\"A \"\"quoted\"\" claim\"\t2020\tArticle text.\tmixture\tHealth\n";
    let data = load("pubhealth", &[("test.tsv", rows)]);
    let asks =
        "Claim: A \"quoted\" claim\nQuestion: Is this claim true, false, a mixture of both, or unproven?\nAnswer:";
    assert_eq!(context(&data.items[0]), (asks, [2].as_slice()));
    assert_eq!(data.items[0].id, "15");
    let data = load("pubhealth_evidence", &[("test.tsv", rows)]);
    assert_eq!(context(&data.items[0]).0, format!("Article: Article text.\n{asks}"));
    let broken = rows.replace("mixture", "snopes");
    assert_refused(
        "pubhealth",
        &[("test.tsv", &broken)],
        &["row 1 (line 2), field `label`: found \"snopes\""],
    );
}

#[test]
fn entities_are_spans_of_tags() {
    let rows = "Renal\tB-Disease\nfailure\tI-Disease\nafter\tO\nlithium\tB-Chemical\nlithium\tB-Chemical\n\nNothing\tO\n.\tO\n";
    let train = "Gout\tB-Disease\n.\tO\n";
    let files: Files = &[("BC5CDR-IOB/test.tsv", rows), ("BC5CDR-IOB/train.tsv", train)];
    let data = load("bc5cdr", files);
    assert_eq!(
        generate(&data.items[0]).references,
        ["Disease: Renal failure\nChemical: lithium\nChemical: lithium"]
    );
    assert_eq!(generate(&data.items[1]).references, ["None"]);
    assert_eq!(
        (data.items[0].id.as_str(), data.items[1].id.as_str()),
        ("line-1", "line-7")
    );
    assert!(asked(&data.items[0]).ends_with("Sentence: Renal failure after lithium lithium\nMentions:"));
    let one = LoadOptions {
        few_shot: Some(1),
        ..LoadOptions::default()
    };
    let data = load_with("bc5cdr", files, &one).unwrap();
    assert!(
        asked(&data.items[1]).ends_with("Sentence: Gout .\nMentions:\nDisease: Gout\n\nSentence: Nothing .\nMentions:")
    );
    for (old, new) in [
        ("after\tO", "after O"),
        ("B-Disease", "B-Gene"),
        ("I-Disease", "X-Disease"),
    ] {
        let broken = rows.replacen(old, new, 1);
        assert_refused(
            "bc5cdr",
            &[("BC5CDR-IOB/test.tsv", &broken)],
            &["BC5CDR-IOB/test.tsv, line", "expected a token, a tab"],
        );
    }
    // A chemical is no type of the disease corpus.
    assert_refused("ncbi_disease", &[("NCBI-disease-IOB/test.tsv", rows)], &["line 4"]);
}

#[test]
fn medec_references_are_what_the_reply_should_be() {
    let rows = "Text ID,Text,Sentences,Error Flag,Error Type,Error Sentence ID,Error Sentence,Corrected Sentence,Corrected Text\n\
                ms-1,t,\"0 He coughs.\n1 It is gout.\",1,diagnosis,1,It is gout.,\"It is\nflu.\",t\n\
                ms-2,t,\"0 He coughs.\n1 It is flu.\",0,NA,-1,NA,NA,NA\n\
                uw-1,,,0,NA,-1,NA,NA,NA\n";
    let name = "MEDEC-MS-TestSet-with-GroundTruth-and-ErrorType.csv";
    let data = load("medec", &[(name, rows)]);
    let references: Vec<&str> = data
        .items
        .iter()
        .map(|item| generate(item).references[0].as_str())
        .collect();
    assert_eq!(references, ["1 It is flu.", "CORRECT"]);
    assert!(asked(&data.items[0]).ends_with("\n\nClinical Note: 0 He coughs.\n1 It is gout.\nAnswer:"));
    assert_eq!(data.items[1].fields["cluster"], "ms-1");
    assert_eq!(
        data.notes,
        ["not asked, because their text needs an agreement with its authors: 1"]
    );
    let broken = rows.replace(",diagnosis,1,", ",diagnosis,4,");
    assert_refused("medec", &[(name, &broken)], &["field `Error Sentence ID`: found \"4\""]);
}

#[test]
fn dialogues_and_abstracts() {
    let rows = "ID,section_header,section_text,dialogue\n0,GENHX,Has a cough.,Doctor: Well?\n1,ROS,No.,Doctor: Pain?\n";
    let name = "MTS-Dialog-TestSet-1-MEDIQA-Chat-2023.csv";
    let data = load("mts_dialog", &[(name, rows)]);
    assert_eq!(data.items.len(), 1);
    assert_eq!(
        asked(&data.items[0]),
        "Instructions: The following text is from a collection of medical dialogs between doctor and patient. Extract all relevant information to compose a note that summarizes the relevant content of the dialog.\nDoctor: Well?"
    );
    assert_eq!(
        data.notes,
        ["1 of 2 notes have fewer than 5 characters and are not asked"]
    );
    let data = load(
        "cochrane_simplification",
        &[("test.source", "One.\nTwo.\n"), ("test.target", "1.\n2.\n")],
    );
    assert_eq!(
        (data.items.len(), generate(&data.items[1]).references[0].as_str()),
        (2, "2.")
    );
    assert_refused(
        "cochrane_simplification",
        &[("test.source", "One.\nTwo.\n"), ("test.target", "1.\n")],
        &["found 1 lines, expected 2 lines, one for each of test.source"],
    );
    assert_refused(
        "cochrane_simplification",
        &[("test.source", "One.\n\n"), ("test.target", "1.\n2.\n")],
        &["test.source, line 2, field `(line)`: found an empty line"],
    );
}

#[test]
fn careqa_counts_options_from_one_in_lists_and_lines() {
    let record = r#"{"question": "Q?", "op1": "a", "op2": "b", "op3": "c", "op4": "d", "cop": 4, "category": "Nursing", "unique_id": "u1"}"#;
    let list = format!("[{record}]");
    for content in [record, &list] {
        let data = load("careqa_en", &[("CareQA_en.json", content)]);
        let asks = "Question: Q?\nChoices:\nA. a\nB. b\nC. c\nD. d\nAnswer:";
        assert_eq!(context(&data.items[0]), (asks, [3].as_slice()));
        assert_eq!(
            (data.items[0].id.as_str(), data.items[0].fields["category"].as_str()),
            ("u1", "Nursing")
        );
    }
    let zero = record.replace("\"cop\": 4", "\"cop\": 0");
    assert_refused(
        "careqa_en",
        &[("CareQA_en.json", &zero)],
        &["line 1, field `cop`: found 0, expected a number from 1 to 4"],
    );
    let data = load(
        "careqa_open",
        &[("CareQA_en_open.json", r#"{"question": "Q?", "answer": "A."}"#)],
    );
    assert_eq!(
        asked(&data.items[0]),
        "Instructions: The following text is a medical question. Answer it in the most factual, concise and informative way possible\"\nQ?"
    );
}

/// `str({"paper_abstract": text})` as Python 3.11 writes it, for a text with everything that it escapes.
#[test]
fn abstracts_are_written_as_python_writes_them() {
    let rows = "PMID,Title,url,Abstract\n1,T,u/1,\"It's \"\"a\"\" test\u{a0}é\n→ x\\y\t\u{200b}\"\n";
    let data = medhalt(
        "medhalt_abstract2pubmedlink",
        "IR_abstract2pubmedlink.csv",
        "IR_abstract2pubmedlink",
        rows,
    )
    .unwrap();
    assert_eq!(
        asked(&data.items[0]),
        "P\nF\nInput: {'paper_abstract': 'It\\'s \"a\" test\\xa0é\\n→ x\\\\y\\t\\u200b'}\nOutput: "
    );
}
