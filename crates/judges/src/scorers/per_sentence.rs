//! Any scorer, sentence by sentence: the form in which the study applies all of them.
//!
//! arXiv:2607.01444 splits a generated summary at line breaks and then with NLTK, scores every sentence alone against the source, and
//! averages; before that the summary is cut to 384 words and the source to 768. `form = "study"` says all of this; `per_sentence`,
//! `text_words` and `source_words` say it one by one. Range and direction are those of the scorer inside; cost is that of its texts being
//! sentences. A sentence that the scorer inside has no score for (`SummaC` leaves out those of at most 10 characters) does not
//! count; a text without a scored sentence has none.

use secateur_metrics::value::Definition;

use super::progress::Share;
use super::{image, split};
use crate::error::JudgeError;
use crate::scorer::{Pair, Part, Reading, TextScorer};

/// Words of a summary in the study.
pub const STUDY_TEXT_WORDS: usize = 384;
/// Words of a source in the study.
pub const STUDY_SOURCE_WORDS: usize = 768;

/// What is done before the scorer inside.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Preparation {
    /// Every sentence alone.
    pub per_sentence: bool,
    /// Words of the text that count.
    pub text_words: Option<usize>,
    /// Words of the source that count.
    pub source_words: Option<usize>,
}

/// The scorer inside and what is done before.
pub struct Prepared {
    inner: Box<dyn TextScorer>,
    preparation: Preparation,
}

impl Prepared {
    /// Wraps a scorer.
    #[must_use]
    pub fn new(inner: Box<dyn TextScorer>, preparation: Preparation) -> Self {
        Self { inner, preparation }
    }

    fn parts(&self, text: &str) -> Vec<String> {
        let text = cut(text, self.preparation.text_words);
        if self.preparation.per_sentence {
            split::sentences_of_lines(text)
        } else {
            vec![text.to_owned()]
        }
    }
}

fn cut(text: &str, words: Option<usize>) -> &str {
    words.map_or(text, |words| split::first_words(text, words))
}

/// The mean of the sentences that have a score, and these; `None` without one.
fn averaged(sentences: &[String], readings: &[Option<Reading>]) -> Option<Reading> {
    let scored = sentences.iter().zip(readings);
    let parts: Vec<Part> = scored
        .filter_map(|(text, reading)| {
            reading.as_ref().map(|reading| Part {
                text: text.clone(),
                score: reading.score,
            })
        })
        .collect();
    let scores: Vec<f64> = parts.iter().map(|part| part.score).collect();
    Some(Reading {
        score: image::mean(&scores)?,
        parts,
    })
}

impl TextScorer for Prepared {
    fn definition(&self) -> Definition {
        self.inner.definition()
    }

    fn identity(&self) -> String {
        let Preparation {
            per_sentence,
            text_words,
            source_words,
        } = self.preparation;
        let count = |words: Option<usize>| words.map_or("all".to_owned(), |words| words.to_string());
        format!(
            "{} per_sentence={per_sentence} text_words={} source_words={}",
            self.inner.identity(),
            count(text_words),
            count(source_words)
        )
    }

    fn score(
        &mut self,
        pairs: &[Pair<'_>],
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<Option<Reading>>, JudgeError> {
        let parts: Vec<Vec<String>> = pairs.iter().map(|pair| self.parts(pair.text)).collect();
        let inner: Vec<Pair<'_>> = pairs
            .iter()
            .zip(&parts)
            .flat_map(|(pair, parts)| {
                let source = cut(pair.source, self.preparation.source_words);
                parts.iter().map(move |text| Pair { source, text })
            })
            .collect();
        let mut share = Share::new(pairs.len(), inner.len(), progress);
        let readings = self.inner.score(&inner, &mut |finished| share.inputs(finished))?;
        share.finish();
        let mut rest = readings.as_slice();
        let one = |parts: &Vec<String>| {
            let (own, after) = rest.split_at(parts.len());
            rest = after;
            if self.preparation.per_sentence {
                averaged(parts, own)
            } else {
                own.first().cloned().flatten()
            }
        };
        Ok(parts.iter().map(one).collect())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use secateur_metrics::harim::HARIM;

    use super::*;

    /// Scores a text by its words, and not if it begins with `skip`.
    struct Words;

    impl TextScorer for Words {
        fn definition(&self) -> Definition {
            HARIM
        }

        fn identity(&self) -> String {
            "words".into()
        }

        fn score(
            &mut self,
            pairs: &[Pair<'_>],
            progress: &mut dyn FnMut(usize),
        ) -> Result<Vec<Option<Reading>>, JudgeError> {
            progress(pairs.len());
            let reading = |pair: &Pair<'_>| {
                assert_eq!(pair.source, "one two");
                (!pair.text.starts_with("skip")).then(|| Reading {
                    score: split::words(pair.text) as f64,
                    parts: Vec::new(),
                })
            };
            Ok(pairs.iter().map(reading).collect())
        }
    }

    #[test]
    fn sentences_are_averaged_by_hand() {
        let preparation = Preparation {
            per_sentence: true,
            text_words: Some(7),
            source_words: Some(2),
        };
        let mut prepared = Prepared::new(Box::new(Words), preparation);
        let texts = ["All be cut. Done\nskip this. Last one beyond.", " \n", "skip me."];
        let pairs: Vec<Pair<'_>> = texts
            .iter()
            .map(|text| Pair {
                source: "one two three",
                text,
            })
            .collect();
        let mut finished = 0;
        let readings = prepared.score(&pairs, &mut |n| finished += n).unwrap();
        // `All be cut.`, `Done`, and `Last`, the seventh word.
        let reading = readings[0].as_ref().unwrap();
        assert!((reading.score - 5.0 / 3.0).abs() < 1e-15);
        assert_eq!(reading.parts[2].text, "Last");
        assert_eq!((&readings[1], &readings[2], finished), (&None, &None, 3));
        assert_eq!(
            prepared.identity(),
            "words per_sentence=true text_words=7 source_words=2"
        );
    }
}
