//! Documents as token batches with the targets that are learned from.

use secateur_model::batch::Batch;
use tokenizers::Tokenizer;

use super::TrainError;
use super::recipe::{END_OF_TEXT, Recipe, TURN_END, TURN_START};
use super::tokenizer::id;
use crate::text::{Body, Corpus, Document, Role};

/// A document as tokens, and which of them are learned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// Token ids, the end mark included.
    pub ids: Vec<u32>,
    /// Whether the loss counts the prediction of this token: all of running text, and what the assistant says.
    pub learned: Vec<bool>,
}

/// A batch with its targets.
#[derive(Debug, Clone)]
pub struct TrainingBatch {
    /// Tokens, several documents per row.
    pub batch: Batch,
    /// Cells of the batch whose next token is learned, ascending.
    pub cells: Vec<usize>,
    /// That token, per entry of `cells`.
    pub targets: Vec<u32>,
}

/// Turns documents into batches.
#[derive(Debug)]
pub struct Encoder<'a> {
    tokenizer: &'a Tokenizer,
    end_of_text: u32,
    turn_start: u32,
    turn_end: u32,
}

impl<'a> Encoder<'a> {
    /// An encoder for a tokenizer that has the special tokens.
    ///
    /// # Errors
    /// If it lacks one.
    pub fn new(tokenizer: &'a Tokenizer) -> Result<Self, TrainError> {
        Ok(Self {
            end_of_text: id(tokenizer, END_OF_TEXT)?,
            turn_start: id(tokenizer, TURN_START)?,
            turn_end: id(tokenizer, TURN_END)?,
            tokenizer,
        })
    }

    /// One document. Conversations read exactly as the chat template renders them.
    ///
    /// # Errors
    /// If the tokenizer fails.
    pub fn document(&self, document: &Document) -> Result<Encoded, TrainError> {
        let mut encoded = Encoded {
            ids: Vec::new(),
            learned: Vec::new(),
        };
        match &document.body {
            Body::Text(text) => {
                self.push_text(&mut encoded, text, true)?;
                encoded.push(&[self.end_of_text], true);
            }
            Body::Chat(turns) => {
                for turn in turns {
                    let learned = turn.role == Role::Assistant;
                    encoded.push(&[self.turn_start], false);
                    self.push_text(&mut encoded, &format!("{}\n", turn.role.name()), false)?;
                    self.push_text(&mut encoded, &turn.content, learned)?;
                    encoded.push(&[self.turn_end], learned);
                    self.push_text(&mut encoded, "\n", false)?;
                }
            }
        }
        Ok(encoded)
    }

    fn push_text(&self, encoded: &mut Encoded, text: &str, learned: bool) -> Result<(), TrainError> {
        let encoding = self
            .tokenizer
            .encode(text, false)
            .map_err(|e| TrainError::Tokenizer(e.to_string()))?;
        encoded.push(encoding.get_ids(), learned);
        Ok(())
    }

    /// The documents of one batch, from document `first` of the stream on; returns the first document of the next batch.
    ///
    /// Documents are laid into the first row that has room for them; the batch is full when one fits nowhere.
    ///
    /// # Errors
    /// If the tokenizer fails.
    pub fn batch(&self, corpus: &Corpus, recipe: &Recipe, first: u64) -> Result<(TrainingBatch, u64), TrainError> {
        let mut rows: Vec<(usize, Vec<Encoded>)> = vec![(0, Vec::new()); recipe.rows];
        let mut next = first;
        loop {
            let mut encoded = self.document(&corpus.document(next))?;
            encoded.truncate(recipe.row_tokens);
            let Some(row) = rows
                .iter_mut()
                .find(|(used, _)| used + encoded.ids.len() <= recipe.row_tokens)
            else {
                break;
            };
            row.0 += encoded.ids.len();
            row.1.push(encoded);
            next += 1;
        }
        let slices: Vec<Vec<&[u32]>> = rows
            .iter()
            .map(|(_, row)| row.iter().map(|e| e.ids.as_slice()).collect())
            .collect();
        let batch = Batch::packed(&slices, recipe.row_tokens);
        let (mut cells, mut targets) = (Vec::new(), Vec::new());
        for (row, (_, documents)) in rows.iter().enumerate() {
            let mut cell = row * recipe.row_tokens;
            for document in documents {
                for at in 1..document.ids.len() {
                    if document.learned[at] {
                        cells.push(cell + at - 1);
                        targets.push(document.ids[at]);
                    }
                }
                cell += document.ids.len();
            }
        }
        Ok((TrainingBatch { batch, cells, targets }, next))
    }
}

impl Encoded {
    fn push(&mut self, ids: &[u32], learned: bool) {
        self.ids.extend_from_slice(ids);
        self.learned.resize(self.ids.len(), learned);
    }

    fn truncate(&mut self, length: usize) {
        self.ids.truncate(length);
        self.learned.truncate(length);
    }
}
