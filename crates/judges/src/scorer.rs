//! What every scorer of a text against its source has in common.

use std::cell::RefCell;
use std::rc::Rc;

use secateur_metrics::value::Definition;

use crate::error::JudgeError;

/// A text and what it has to be supported by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pair<'a> {
    /// The source: a document, or a reference where there is none.
    pub source: &'a str,
    /// The text that is judged.
    pub text: &'a str,
}

/// What a scorer says of one text.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// The score of the whole text. Always finite.
    pub score: f64,
    /// Its parts (sentences, mostly) with scores of their own, where the scorer has such.
    pub parts: Vec<Part>,
}

/// A part of a text with its own score.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// The part as it stands in the text.
    pub text: String,
    /// Its score.
    pub score: f64,
}

/// A scorer of texts against their sources. The same pairs give the same readings, whatever else is in the batch.
///
/// ```
/// use secateur_judges::scorer::{Pair, TextScorer};
/// use secateur_judges::scorers::lexical::LexicalScorer;
/// use secateur_metrics::lexical::WordLists;
///
/// let mut scorer = LexicalScorer::new("lexical_support", WordLists::default())?;
/// let source = "The patient was given 40 mg of furosemide.";
/// let pairs = [source, "The patient was given 80 mg of furosemide.", ""].map(|text| Pair { source, text });
/// let readings = scorer.score(&pairs, &mut |_| {})?;
/// let scores: Vec<Option<f64>> = readings.iter().map(|reading| reading.as_ref().map(|r| r.score)).collect();
/// assert_eq!(scores[0], Some(1.0));
/// assert!(scores[1] < scores[0]);
/// assert_eq!(scores[2], None); // says nothing, so there is nothing to score
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait TextScorer {
    /// Name, unit, direction and aspect of its number.
    fn definition(&self) -> Definition;

    /// Everything that decides its numbers besides the texts: kind and version of the rule, hash of the weights, options.
    fn identity(&self) -> String;

    /// One reading per pair; `None` where the score is undefined (an empty text, mostly). `progress` is called with the number
    /// of pairs finished since the last call.
    ///
    /// # Errors
    /// If the model behind it fails, or yields a value that is not finite.
    fn score(
        &mut self,
        pairs: &[Pair<'_>],
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<Option<Reading>>, JudgeError>;
}

/// A scorer whose model has other uses too.
impl<S: TextScorer> TextScorer for Rc<RefCell<S>> {
    fn definition(&self) -> Definition {
        self.borrow().definition()
    }

    fn identity(&self) -> String {
        self.borrow().identity()
    }

    fn score(
        &mut self,
        pairs: &[Pair<'_>],
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<Option<Reading>>, JudgeError> {
        self.borrow_mut().score(pairs, progress)
    }
}

/// A model that puts pairs of texts into classes (natural language inference, mostly).
pub trait PairClassifier {
    /// Names of the classes, in the order of the logits, as config.json's `id2label` has them.
    fn labels(&self) -> &[String];

    /// SHA-256 over weights, config and tokenizer, hexadecimal.
    fn sha256(&self) -> &str;

    /// Longest input in tokens, special tokens included; what is longer is cut as the tokenizer of the model cuts.
    fn max_length(&self) -> usize;

    /// Logits, `[pairs, classes]`, in the order of the pairs. Does not depend on how they are batched.
    ///
    /// # Errors
    /// If the tokenizer or the model fails, or a logit is not finite.
    fn logits(&mut self, pairs: &[(&str, &str)], progress: &mut dyn FnMut(usize)) -> Result<Vec<Vec<f32>>, JudgeError>;

    /// The same for single texts, `[texts, classes]`: for models whose input is joined before it is tokenised.
    ///
    /// # Errors
    /// As [`Self::logits`].
    fn text_logits(&mut self, texts: &[&str], progress: &mut dyn FnMut(usize)) -> Result<Vec<Vec<f32>>, JudgeError>;
}

/// A model that gives every token of a text a vector.
pub trait TokenEmbedder {
    /// SHA-256 over weights, config and tokenizer, hexadecimal.
    fn sha256(&self) -> &str;

    /// Hidden states after `layer` blocks (0: the embeddings) of every token, special tokens included, one `[tokens, hidden]`
    /// per text, with the tokens' ids.
    ///
    /// # Errors
    /// If the tokenizer or the model fails, there is no such layer, or a value is not finite.
    fn embed(&mut self, texts: &[&str], layer: usize) -> Result<Vec<Embedded>, JudgeError>;
}

/// Hidden states of one text.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedded {
    /// Token ids, special tokens included.
    pub ids: Vec<u32>,
    /// Whether a token is one that the tokenizer added.
    pub special: Vec<bool>,
    /// `[tokens, hidden]`, row by row.
    pub states: Vec<f32>,
    /// Columns of `states`.
    pub hidden: usize,
}
