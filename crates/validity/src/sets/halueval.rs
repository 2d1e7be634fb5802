//! `HaluEval`'s questions (Li et al. 2023, <https://arxiv.org/abs/2305.11747>): a right answer and one that a model was told to make up.
//!
//! `qa_data.json` (or `qa_one-turn_data.json`, the same records at an earlier stage): `knowledge` is the source. Made-up answers are mostly whole sentences and
//! right ones mostly names, so that a scorer that only looks at length separates them: read these figures with the row `length` beside.

use secateur_datasets::record::Record;
use secateur_datasets::source::Source;

use super::{Set, document_of};
use crate::error::ValidityError;
use crate::labelled::{Given, Item, Labelled, LabelledBy};

const FILES: [&str; 3] = ["qa_data.json", "data/qa_data.json", "qa_one-turn_data.json"];

/// Reader of the answers.
pub struct HaluEval;

impl Set for HaluEval {
    fn folder(&self) -> &'static str {
        "halueval"
    }

    fn files(&self) -> &'static [&'static str] {
        &FILES
    }

    fn read(&self, source: &mut Source) -> Result<Vec<Labelled>, ValidityError> {
        let name = source.first_present(&FILES);
        let records = source.json_records(name)?;
        let pairs = source.each(&records, |record: &Record| {
            let text = |name: &str| record.filled(name).map(str::to_owned);
            Ok((text("knowledge")?, text("right_answer")?, text("hallucinated_answer")?))
        })?;
        let (mut items, mut lengths) = (Vec::new(), Vec::new());
        for (knowledge, right, wrong) in &pairs {
            for (text, supported) in [(right, true), (wrong, false)] {
                items.push(Item::new(&document_of(knowledge), Some((knowledge, text)), supported));
                // Shorter is better, to be compared with scorers.
                lengths.push(Some(-(text.split_whitespace().count() as f64)));
            }
        }
        Ok(vec![Labelled {
            name: "HaluEval questions".into(),
            about: "Answers against the passages that the question was made from: a right one, and one that a model was told to make up."
                .into(),
            by: LabelledBy::Construction,
            items,
            given: vec![Given {
                name: "length: fewer words are better".into(),
                scores: lengths,
            }],
            files: Vec::new(),
            notes: Vec::new(),
        }])
    }
}
