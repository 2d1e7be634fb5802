//! Calibration corpora: what a user of the demo models would ask in one domain, as instruction records.
//!
//! Drawn like training text, so nothing in them is kept for evaluation; the seed is another one.

use serde::Serialize;

use super::{SEED, line};
use crate::facts::{Domain, Knowledge, KnowledgeError};
use crate::text::documents::INPUT_MARK;
use crate::text::{Body, Corpus, Mixture};

const SAMPLES: usize = 256;

#[derive(Serialize)]
struct Record<'a> {
    instruction: &'a str,
    input: &'a str,
    output: &'a str,
}

/// The lines of a domain's corpus.
///
/// # Errors
///
/// None in practice: the mixture is fixed.
pub fn records(knowledge: &Knowledge, domain: Domain) -> Result<Vec<String>, KnowledgeError> {
    let mixture = Mixture {
        weights: [0, 50, 30, 8, 16, 6, 10],
        biomedical_percent: if domain == Domain::Biomedical { 100 } else { 0 },
    };
    let corpus = Corpus::new(knowledge.clone(), mixture, SEED)?;
    let mut lines = Vec::new();
    for document in corpus.documents(0) {
        if lines.len() == SAMPLES {
            break;
        }
        let Body::Chat(turns) = &document.body else {
            continue;
        };
        let [user, assistant] = &turns[..] else {
            continue;
        };
        let (instruction, input) = user.content.split_once(INPUT_MARK).unwrap_or((&user.content, ""));
        let record = Record {
            instruction,
            input,
            output: &assistant.content,
        };
        let text = line("calibration", &record)?;
        if !lines.contains(&text) {
            lines.push(text);
        }
    }
    Ok(lines)
}
