//! A byte-level BPE tokenizer trained on the demo text.

use std::collections::HashSet;
use std::path::Path;

use tokenizers::models::bpe::{BPE, BpeTrainerBuilder};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{AddedToken, DecoderWrapper, Tokenizer, TokenizerBuilder};

use super::TrainError;
use super::recipe::{END_OF_TEXT, TURN_END, TURN_START, VOCABULARY};
use crate::text::Corpus;

/// Documents that the merges are learned from.
const DOCUMENTS: u64 = 40_000;

/// Learns the merges and writes `tokenizer.json`.
///
/// # Errors
/// If the library fails or the file cannot be written.
pub fn train(corpus: &Corpus, path: &Path) -> Result<(), TrainError> {
    let failed = |e: tokenizers::Error| TrainError::Tokenizer(e.to_string());
    let special = [END_OF_TEXT, TURN_START, TURN_END].map(|text| AddedToken::from(text, true));
    let mut trainer = BpeTrainerBuilder::new()
        .vocab_size(VOCABULARY)
        .min_frequency(2)
        .show_progress(false)
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect::<HashSet<_>>())
        .special_tokens(special.to_vec())
        .build();
    let byte_level = ByteLevel::new(false, true, true);
    let mut tokenizer = TokenizerBuilder::new()
        .with_model(BPE::default())
        .with_normalizer(None::<tokenizers::NormalizerWrapper>)
        .with_pre_tokenizer(Some(byte_level))
        .with_post_processor(Some(ByteLevel::new(false, false, true)))
        .with_decoder(Some(DecoderWrapper::from(byte_level)))
        .build()
        .map_err(failed)?;
    let texts: Vec<String> = corpus
        .documents(0)
        .take(DOCUMENTS as usize)
        .map(|document| document.plain())
        .collect();
    tokenizer.train(&mut trainer, texts.into_iter()).map_err(failed)?;
    tokenizer.save(path, true).map_err(failed)
}

/// Reads a tokenizer.
///
/// # Errors
/// If the file is missing or malformed.
pub fn open(path: &Path) -> Result<Tokenizer, TrainError> {
    Tokenizer::from_file(path).map_err(|e| TrainError::Tokenizer(format!("{}: {e}", path.display())))
}

/// Id of a special token.
///
/// # Errors
/// If the tokenizer does not have it.
pub fn id(tokenizer: &Tokenizer, token: &str) -> Result<u32, TrainError> {
    tokenizer
        .token_to_id(token)
        .ok_or_else(|| TrainError::Tokenizer(format!("it has no token `{token}`")))
}
