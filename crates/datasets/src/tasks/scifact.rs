//! `SciFact`: does an abstract support or contradict a scientific claim, and which of its sentences show it?
//!
//! Wadden et al. 2020, <https://aclanthology.org/2020.emnlp-main.609>. One item per claim and abstract that it cites (the paper's
//! setting with cited abstracts given). An abstract without evidence for the claim is `NOT_ENOUGH_INFO`. The authors prompt no
//! model; the prompts here are plain. `scifact` scores the three words `support`, `contradict` and `neither`; `scifact_rationale`
//! asks for the label and up to three sentences by number, and reports the measures of the official evaluator.
//! Claims that cite one abstract share a cluster.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use serde_json::Value;

use crate::error::{BadItem, DatasetError};
use crate::item::{Body, Generate, Item};
use crate::record::{Record, describe};
use crate::source::Source;
use crate::tasks::harness::{Layout, Question, no_examples};
use crate::tasks::spec::{ChoiceMetric, Domain, FileSpec, GenerationSettings, Scoring, TaskSpec};
use crate::tasks::{Entry, Task};

/// Registry line.
pub const ENTRY: Entry = Entry {
    names: || ["scifact", "scifact_rationale"].map(str::to_owned).into(),
    make: |name| match name {
        "scifact" => Some(Arc::new(SciFact { rationale: false })),
        "scifact_rationale" => Some(Arc::new(SciFact { rationale: true })),
        _ => None,
    },
};

const CLAIMS: &str = "claims_dev.jsonl";
const CORPUS: &str = "corpus.jsonl";
/// Labels of the files, the last for an abstract without evidence.
pub const LABELS: [&str; 3] = ["SUPPORT", "CONTRADICT", "NOT_ENOUGH_INFO"];
const WORDS: [&str; 3] = ["support", "contradict", "neither"];

/// The task, by log-likelihood or with the sentences asked for.
#[derive(Debug)]
pub struct SciFact {
    rationale: bool,
}

/// A claim and one abstract that it cites.
struct Pair {
    id: String,
    document: String,
    claim: String,
    /// Index into [`LABELS`].
    label: usize,
    /// Sets of sentences, each of which is evidence enough.
    rationales: Vec<Vec<usize>>,
}

struct Abstract {
    title: String,
    sentences: Vec<String>,
}

impl Task for SciFact {
    fn spec(&self) -> TaskSpec {
        let spec = if self.rationale {
            let generation = GenerationSettings::greedy(32, &["\n"]);
            TaskSpec::generated(
                "scifact_rationale",
                "scifact",
                Domain::Biomedical,
                Scoring::ClaimEvidence,
                generation,
            )
        } else {
            TaskSpec::choice("scifact", "scifact", Domain::Biomedical, &[ChoiceMetric::Acc])
        };
        spec.about("scientific claims against the abstracts they cite")
            .reads(vec![FileSpec::items(CLAIMS), FileSpec::items(CORPUS)])
            .reliability()
    }

    fn read(&self, source: &mut Source, few_shot: usize, _seed: u64) -> Result<Vec<Item>, DatasetError> {
        no_examples(source.task(), few_shot, "it is zero-shot")?;
        let corpus = corpus(source)?;
        let claims = source.jsonl(CLAIMS)?;
        let pairs = source.each(&claims, |record| pairs(record, &corpus))?;
        let pairs = pairs.into_iter().flatten();
        Ok(if self.rationale {
            pairs.map(|pair| generated(&pair, &corpus[&pair.document])).collect()
        } else {
            let questions = pairs.map(|pair| question(&pair, &corpus[&pair.document]));
            Layout::default().items(&[], questions.collect())
        })
    }
}

fn corpus(source: &mut Source) -> Result<BTreeMap<String, Abstract>, DatasetError> {
    let records = source.jsonl(CORPUS)?;
    let documents = source.each(&records, |record| {
        let sentences = record.texts("abstract")?;
        if sentences.is_empty() {
            return Err(record.bad("abstract", "an empty list", "at least one sentence"));
        }
        let title = record.filled("title")?.to_owned();
        Ok((whole(record, "doc_id")?, Abstract { title, sentences }))
    })?;
    Ok(documents.into_iter().collect())
}

/// A document number, as the key that evidence uses.
fn whole(record: &Record, field: &str) -> Result<String, BadItem> {
    let value = record.value(field)?;
    let number = value.as_u64();
    number.map_or_else(
        || Err(record.bad(field, describe(value), "a whole number")),
        |number| Ok(number.to_string()),
    )
}

fn pairs(record: &Record, corpus: &BTreeMap<String, Abstract>) -> Result<Vec<Pair>, BadItem> {
    let (id, claim) = (whole(record, "id")?, record.filled("claim")?);
    let cited = record.value("cited_doc_ids")?;
    let documents = cited.as_array().filter(|list| !list.is_empty());
    let documents =
        documents.ok_or_else(|| record.bad("cited_doc_ids", describe(cited), "a list of document numbers"))?;
    let mut pairs: Vec<Pair> = Vec::new();
    for position in 0..documents.len() {
        let document = whole(record, &format!("cited_doc_ids.{position}"))?;
        if pairs.iter().any(|pair| pair.document == document) {
            continue;
        }
        let Some(text) = corpus.get(&document) else {
            let expected = format!("a document of {CORPUS}");
            return Err(record.bad("cited_doc_ids", document, expected));
        };
        let (label, rationales) = evidence(record, &document, text.sentences.len())?;
        pairs.push(Pair {
            id: format!("{id}-{document}"),
            document,
            claim: claim.to_owned(),
            label,
            rationales,
        });
    }
    Ok(pairs)
}

/// Label and rationales of one document, which may have none.
fn evidence(record: &Record, document: &str, sentences: usize) -> Result<(usize, Vec<Vec<usize>>), BadItem> {
    let all = record.value("evidence")?;
    let Some(sets) = all.get(document) else {
        return Ok((2, Vec::new()));
    };
    let field = format!("evidence.{document}");
    let expected = "a list of {sentences, label} with one label, SUPPORT or CONTRADICT";
    let wrong = || record.bad(&field, describe(sets), expected);
    let mut found = None;
    let mut rationales = Vec::new();
    for set in sets.as_array().filter(|list| !list.is_empty()).ok_or_else(wrong)? {
        let name = set.get("label").and_then(Value::as_str);
        let label = LABELS[..2].iter().position(|&label| Some(label) == name);
        let label = label.filter(|&label| found.is_none_or(|other| other == label));
        found = Some(label.ok_or_else(wrong)?);
        let list = set.get("sentences").and_then(Value::as_array).ok_or_else(wrong)?;
        let numbers = list.iter().map(|number| {
            let number = number.as_u64().and_then(|number| usize::try_from(number).ok());
            let sentence = number.filter(|&number| number < sentences);
            sentence.ok_or_else(|| record.bad(&field, describe(set), format!("sentences from 0 to {}", sentences - 1)))
        });
        rationales.push(numbers.collect::<Result<Vec<_>, _>>()?);
    }
    Ok((found.unwrap_or(2), rationales))
}

fn fields(pair: &Pair) -> BTreeMap<String, String> {
    BTreeMap::from([
        ("cluster".to_owned(), pair.document.clone()),
        ("label".to_owned(), LABELS[pair.label].to_owned()),
        (
            "rationales".to_owned(),
            Value::from(pair.rationales.clone()).to_string(),
        ),
    ])
}

fn question(pair: &Pair, text: &Abstract) -> Question {
    let prompt = format!(
        "Title: {}\nAbstract: {}\nClaim: {}\nQuestion: Does the abstract support the claim, contradict it, or neither?\nAnswer:",
        text.title,
        text.sentences.join(" "),
        pair.claim
    );
    Question {
        id: pair.id.clone(),
        prompt,
        choices: WORDS.map(str::to_owned).to_vec(),
        gold: vec![pair.label],
        fields: fields(pair),
        lettered: None,
    }
}

fn generated(pair: &Pair, text: &Abstract) -> Item {
    let mut numbered = String::new();
    for (number, sentence) in text.sentences.iter().enumerate() {
        // Writing to a string cannot fail.
        let _ = writeln!(numbered, "{number} {sentence}");
    }
    let content = format!(
        "Title: {}\nAbstract, one numbered sentence per line:\n{numbered}\nClaim: {}\n\n\
         Does the abstract support or contradict the claim? If it does neither, answer NOT_ENOUGH_INFO. Otherwise answer \
         SUPPORT or CONTRADICT, a colon, and the numbers of at most three sentences that show it, separated by commas, \
         for example SUPPORT: 2, 5.\nAnswer:",
        text.title, pair.claim
    );
    let reference = LABELS[pair.label].to_owned();
    Item {
        id: pair.id.clone(),
        body: Body::Generate(Generate::turn(content, vec![reference])),
        fields: fields(pair),
    }
}
