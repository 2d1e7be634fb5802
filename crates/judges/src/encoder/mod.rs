//! Encoders from Hugging Face directories: BERT, RoBERTa and XLM-R, ALBERT, DeBERTa-v2 and -v3, the encoder of T5.
//!
//! A [family](families) turns config.json into a [`network::Network`] over shared blocks; [`Encoder`] runs it on texts. Sequences are
//! [sorted by length and packed](batch) without padding, so that no pass computes on nothing, nothing has to be masked, and a pair's
//! logits do not depend on the others.

pub mod attention;
pub mod batch;
pub mod block;
pub mod conv;
pub mod dense;
pub mod disentangled;
pub mod elementwise;
pub mod embeddings;
pub mod families;
pub mod head;
pub mod network;
pub mod norm;
pub mod options;
pub mod relative;
pub mod table;
pub mod weights;

use std::fmt::Write as _;
use std::path::Path;

use burn::tensor::Tensor;
use rayon::prelude::*;
use secateur_model::checkpoint::Checkpoint;
use secateur_model::text::{PairTokenizer, PairTokens, Tokenizer};
use secateur_model::{Device, DeviceKind, ModelError};
use sha2::{Digest, Sha256};

use crate::error::JudgeError;
use crate::scorer::{Embedded, PairClassifier, TokenEmbedder};
use batch::{Batch, batches};
use network::Network;
pub use options::EncoderOptions;
use weights::Weights;

/// An opened encoder with its tokenizer.
#[derive(Debug)]
pub struct Encoder {
    network: Network,
    tokenizer: PairTokenizer,
    labels: Vec<String>,
    sha256: String,
    max_length: usize,
    tokens_per_batch: usize,
    device: Device,
    /// The directory, for messages.
    name: String,
}

impl Encoder {
    /// Opens a directory with config.json, safetensors and tokenizer.json.
    ///
    /// # Errors
    /// One clear [`JudgeError`] for whatever is missing, malformed, not finite, not used or not supported.
    pub fn open(directory: &Path, device: &Device) -> Result<Self, JudgeError> {
        Self::open_with(directory, device, &EncoderOptions::default())
    }

    /// [`Self::open`] with options.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with(directory: &Path, device: &Device, options: &EncoderOptions) -> Result<Self, JudgeError> {
        let checkpoint = Checkpoint::open(directory)?;
        let family = families::find(checkpoint.config())?;
        let weights = Weights::new(&checkpoint, device);
        let network = family.build(checkpoint.config(), &weights, options.head.as_deref())?;
        weights.finish(family.leftovers())?;
        let used = weights.used();
        checkpoint.verify_finite(&|name| !used.contains(name))?;
        let max_length = options.length(directory, &network)?;
        let tokenizer = Tokenizer::open(directory)?;
        tokenizer.check_ids(network.embeddings.words.rows)?;
        let tokenizer = tokenizer.into_pairs(max_length, options.truncation)?;
        let name = directory.display().to_string();
        check_types(&network, &tokenizer, &name)?;
        let head = network.head.as_ref();
        Ok(Self {
            sha256: sha256(&checkpoint, max_length, options)?,
            labels: head.map(|head| head.labels.clone()).unwrap_or_default(),
            network,
            tokenizer,
            max_length,
            tokens_per_batch: options.tokens_per_batch.max(1),
            device: device.clone(),
            name,
        })
    }

    /// Number of layers, which is also the last index of [`TokenEmbedder::embed`].
    #[must_use]
    pub fn layers(&self) -> usize {
        self.network.order.len()
    }

    /// SHA-256 over weights, config and tokenizer, and the options that decide numbers, hexadecimal.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// [`PairClassifier::logits`] of single texts.
    ///
    /// # Errors
    /// As there.
    pub fn text_logits(
        &mut self,
        texts: &[&str],
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<Vec<f32>>, JudgeError> {
        let tokens = self.tokens(texts.par_iter().map(|text| (*text, None)))?;
        self.run(&tokens, progress)
    }

    /// Tokens of inputs, in their order.
    fn tokens<'a>(
        &self,
        inputs: impl IndexedParallelIterator<Item = (&'a str, Option<&'a str>)>,
    ) -> Result<Vec<PairTokens>, JudgeError> {
        let encode = |(first, second)| {
            let tokens = self.tokenizer.encode(first, second)?;
            if tokens.ids.is_empty() {
                return Err(JudgeError::Unsuitable {
                    judge: self.name.clone(),
                    found: "no token at all for a text".to_owned(),
                    expected: "a tokenizer that adds special tokens, or a text that is not empty".to_owned(),
                });
            }
            Ok(tokens)
        };
        inputs.map(encode).collect()
    }

    fn run(&self, tokens: &[PairTokens], progress: &mut dyn FnMut(usize)) -> Result<Vec<Vec<f32>>, JudgeError> {
        let Some(head) = &self.network.head else {
            return Err(JudgeError::Unsuitable {
                judge: self.name.clone(),
                found: "no classifier".to_owned(),
                expected: "a checkpoint with a classification head".to_owned(),
            });
        };
        let mut logits = vec![Vec::new(); tokens.len()];
        let compute = |batch: &Batch<'_>| self.values(self.network.logits(head, batch, &self.device)?, "logits");
        self.each(&batches(tokens, self.tokens_per_batch), compute, |batch, values| {
            for (&origin, row) in batch.origins.iter().zip(values.chunks_exact(head.labels.len())) {
                logits[origin] = row.to_vec();
            }
            progress(batch.origins.len());
        })?;
        Ok(logits)
    }

    /// Computes with all batches, on the CPU several at a time, and hands on what comes out in their order.
    fn each<T: Send>(
        &self,
        batches: &[Batch<'_>],
        compute: impl Fn(&Batch<'_>) -> Result<T, JudgeError> + Sync,
        mut take: impl FnMut(&Batch<'_>, T),
    ) -> Result<(), JudgeError> {
        let at_a_time = match self.device.kind() {
            // A few for each core, so that none waits long for the longest.
            DeviceKind::Cpu => 4 * rayon::current_num_threads(),
            DeviceKind::Ndarray | DeviceKind::Wgpu => 1,
        };
        for some in batches.chunks(at_a_time) {
            let done: Vec<T> = match some {
                [one] => vec![compute(one)?],
                some => some.par_iter().map(&compute).collect::<Result<_, _>>()?,
            };
            some.iter().zip(done).for_each(|(batch, done)| take(batch, done));
        }
        Ok(())
    }

    /// All values of a tensor, on the host.
    fn values(&self, tensor: Tensor<2>, place: &str) -> Result<Vec<f32>, JudgeError> {
        let place = format!("{}: {place}", self.name);
        let data = tensor.try_into_data().map_err(|error| ModelError::Execution {
            place: place.clone(),
            reason: error.to_string(),
        })?;
        let values: Vec<f32> = data
            .convert::<f32>()
            .try_into_vec()
            .map_err(|error| ModelError::Execution {
                place: place.clone(),
                reason: format!("{error:?}"),
            })?;
        match values.iter().find(|value| !value.is_finite()) {
            Some(found) => Err(ModelError::NotFinite {
                place,
                found: found.to_string(),
            }
            .into()),
            None => Ok(values),
        }
    }
}

impl PairClassifier for Encoder {
    fn labels(&self) -> &[String] {
        &self.labels
    }

    fn sha256(&self) -> &str {
        &self.sha256
    }

    fn max_length(&self) -> usize {
        self.max_length
    }

    fn logits(&mut self, pairs: &[(&str, &str)], progress: &mut dyn FnMut(usize)) -> Result<Vec<Vec<f32>>, JudgeError> {
        let tokens = self.tokens(pairs.par_iter().map(|(first, second)| (*first, Some(*second))))?;
        self.run(&tokens, progress)
    }

    fn text_logits(&mut self, texts: &[&str], progress: &mut dyn FnMut(usize)) -> Result<Vec<Vec<f32>>, JudgeError> {
        Self::text_logits(self, texts, progress)
    }
}

impl TokenEmbedder for Encoder {
    fn sha256(&self) -> &str {
        &self.sha256
    }

    fn embed(&mut self, texts: &[&str], layer: usize) -> Result<Vec<Embedded>, JudgeError> {
        if layer > self.layers() {
            return Err(JudgeError::Unsuitable {
                judge: self.name.clone(),
                found: format!("{} layers", self.layers()),
                expected: format!("{layer} or more, as states after layer {layer} are wanted"),
            });
        }
        let tokens = self.tokens(texts.par_iter().map(|text| (*text, None)))?;
        let nothing = Embedded {
            ids: Vec::new(),
            special: Vec::new(),
            states: Vec::new(),
            hidden: self.network.hidden,
        };
        let mut embedded = vec![nothing; tokens.len()];
        let hidden = self.network.hidden;
        let compute =
            |batch: &Batch<'_>| self.values(self.network.states(batch, layer, &self.device)?, "hidden states");
        self.each(&batches(&tokens, self.tokens_per_batch), compute, |batch, values| {
            for ((&origin, rows), tokens) in batch.origins.iter().zip(batch.ranges()).zip(&batch.sequences) {
                embedded[origin] = Embedded {
                    ids: tokens.ids.clone(),
                    special: tokens.special.clone(),
                    states: values[rows.start * hidden..rows.end * hidden].to_vec(),
                    hidden,
                };
            }
        })?;
        Ok(embedded)
    }
}

/// A pair's second text must have a row among the types.
fn check_types(network: &Network, tokenizer: &PairTokenizer, name: &str) -> Result<(), JudgeError> {
    let Some(types) = network.embeddings.types.as_ref().filter(|types| !types.all_zero) else {
        return Ok(());
    };
    let pair = tokenizer.encode("a", Some("a"))?;
    match pair.types.iter().max() {
        Some(&largest) if largest as usize >= types.table.rows => Err(JudgeError::Unsuitable {
            judge: name.to_owned(),
            found: format!("a tokenizer that gives tokens the type {largest}"),
            expected: format!("types below config.json's type_vocab_size, {}", types.table.rows),
        }),
        _ => Ok(()),
    }
}

/// Over weights, config and tokenizer, and the options that decide logits.
fn sha256(checkpoint: &Checkpoint, max_length: usize, options: &EncoderOptions) -> Result<String, JudgeError> {
    let content = checkpoint.content_hash()?;
    let mut hasher = Sha256::new();
    for part in [
        "secateur encoder 1",
        &content.weights,
        content.tokenizer.as_deref().unwrap_or_default(),
        &max_length.to_string(),
        options.truncation.name(),
        options.head.as_deref().unwrap_or_default(),
    ] {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    let digest = hasher.finalize();
    let hex = digest.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    Ok(hex)
}
