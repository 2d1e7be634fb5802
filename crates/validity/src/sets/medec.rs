//! MEDEC (Ben Abacha et al. 2025, <https://arxiv.org/abs/2412.19260>): clinical notes with one error, and their correction.
//!
//! Of each note with an error, the sentence with the error and the corrected one are held against the corrected note (and, the other
//! way round, against the note with the error). The right one stands in the source word for word, and the wrong one differs from it in
//! a term: this asks whether a scorer notices one wrong term, not whether it copes with other words for the same.

use secateur_datasets::record::Record;
use secateur_datasets::source::Source;

use super::Set;
use crate::error::ValidityError;
use crate::labelled::{Item, Labelled, LabelledBy};

const FILES: [&str; 2] = [
    "MEDEC-MS-TestSet-with-GroundTruth-and-ErrorType.csv",
    "MEDEC-MS/MEDEC-MS-TestSet-with-GroundTruth-and-ErrorType.csv",
];

/// Reader of the notes.
pub struct Medec;

impl Set for Medec {
    fn folder(&self) -> &'static str {
        "medec"
    }

    fn files(&self) -> &'static [&'static str] {
        &FILES
    }

    fn read(&self, source: &mut Source) -> Result<Vec<Labelled>, ValidityError> {
        let name = source.first_present(&FILES);
        let rows = source.csv(name, None)?;
        let notes = source.each(&rows, |record: &Record| match record.text("Error Flag")? {
            "0" => Ok(None),
            "1" => {
                let fields = [
                    "Text ID",
                    "Text",
                    "Corrected Text",
                    "Error Sentence",
                    "Corrected Sentence",
                ];
                let texts: Result<Vec<String>, _> = fields
                    .iter()
                    .map(|name| record.filled(name).map(str::to_owned))
                    .collect();
                Ok(Some(texts?))
            }
            other => Err(record.bad("Error Flag", other, "0 or 1")),
        })?;
        let (mut corrected, mut wrong) = (Vec::new(), Vec::new());
        for texts in notes.into_iter().flatten() {
            let [id, note, fixed, error, right] = &texts[..] else {
                continue;
            };
            corrected.push(Item::new(id, Some((fixed, error)), false));
            corrected.push(Item::new(id, Some((fixed, right)), true));
            wrong.push(Item::new(id, Some((note, right)), false));
            wrong.push(Item::new(id, Some((note, error)), true));
        }
        let set = |name: &str, about: &str, items| Labelled {
            name: name.to_owned(),
            about: about.to_owned(),
            by: LabelledBy::Construction,
            items,
            given: Vec::new(),
            files: Vec::new(),
            notes: vec!["The right sentence stands in its source word for word.".into()],
        };
        Ok(vec![
            set(
                "MEDEC",
                "The sentence with the error, and the corrected one, against the corrected note.",
                corrected,
            ),
            set(
                "MEDEC, reversed",
                "The corrected sentence, and the one with the error, against the note with the error.",
                wrong,
            ),
        ])
    }
}
