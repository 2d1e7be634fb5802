//! `generation_config.json`: how the model's authors want it sampled, and what ends an answer.

use std::path::Path;

use serde_json::Value;

use crate::checkpoint::{CheckpointError, Config, files};

/// What `generation_config.json` says; `None` where it says nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GenerationConfig {
    /// Tokens that end an answer; from config.json where `generation_config.json` names none.
    pub eos_token_ids: Vec<u32>,
    /// Begin of a sequence.
    pub bos_token_id: Option<u32>,
    /// Padding.
    pub pad_token_id: Option<u32>,
    /// Whether to sample rather than take the likeliest token.
    pub do_sample: Option<bool>,
    /// Divisor of the logits, above 0.
    pub temperature: Option<f64>,
    /// Probability mass to sample from, in (0, 1].
    pub top_p: Option<f64>,
    /// Tokens to sample from; 0 for all.
    pub top_k: Option<usize>,
    /// Least probability relative to the likeliest token, in [0, 1].
    pub min_p: Option<f64>,
    /// Divisor of the logits of tokens that occurred, above 0; 1 for none.
    pub repetition_penalty: Option<f64>,
    /// Tokens to generate at most.
    pub max_new_tokens: Option<usize>,
    /// Fields that nothing here reads.
    pub unread: Vec<String>,
}

impl GenerationConfig {
    /// Reads `generation_config.json` of a model directory, if it is there, and config.json for what it does not say.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::Field`] for values of the wrong type or outside their range, and those of reading the file.
    pub fn open(directory: &Path, config: &Config) -> Result<Self, CheckpointError> {
        const NAME: &str = "generation_config.json";
        let text = files::read_text(directory, NAME, files::CONFIG_LIMIT)?.unwrap_or_else(|| "{}".into());
        Self::read(&Config::parse(&directory.join(NAME), &text)?, config)
    }

    fn read(own: &Config, config: &Config) -> Result<Self, CheckpointError> {
        let mut eos_token_ids = token_ids(own, "eos_token_id")?;
        let fallback = token_ids(config, "eos_token_id")?;
        if eos_token_ids.is_empty() {
            eos_token_ids = fallback;
        }
        let read = Self {
            eos_token_ids,
            bos_token_id: one_of_two(own, config, "bos_token_id")?,
            pad_token_id: one_of_two(own, config, "pad_token_id")?,
            do_sample: own.optional_bool("do_sample")?,
            temperature: ranged(own, "temperature", "a number above 0", |value| value > 0.0)?,
            top_p: ranged(own, "top_p", "a number above 0 and at most 1", |value| {
                value > 0.0 && value <= 1.0
            })?,
            top_k: own.optional_usize("top_k")?,
            min_p: ranged(own, "min_p", "a number from 0 to 1", |value| {
                (0.0..=1.0).contains(&value)
            })?,
            repetition_penalty: ranged(own, "repetition_penalty", "a number above 0", |value| value > 0.0)?,
            max_new_tokens: own.optional_positive("max_new_tokens")?,
            unread: Vec::new(),
        };
        Ok(Self {
            unread: own.unread(),
            ..read
        })
    }
}

fn ranged(
    config: &Config,
    field: &str,
    expected: &str,
    valid: impl Fn(f64) -> bool,
) -> Result<Option<f64>, CheckpointError> {
    match config.optional_f64(field)? {
        // With `do_sample: false`, a temperature of 0 is written by some.
        Some(0.0) if field == "temperature" && config.optional_bool("do_sample")? != Some(true) => Ok(None),
        Some(value) if !valid(value) => Err(config.invalid(field, expected)),
        value => Ok(value),
    }
}

/// An id or a list of ids; −1 stands for none in some files.
fn token_ids(config: &Config, field: &str) -> Result<Vec<u32>, CheckpointError> {
    let id = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
    let ids = match config.value(field) {
        None => Some(Vec::new()),
        Some(Value::Array(items)) => items.iter().map(id).collect(),
        Some(value) if value.as_i64() == Some(-1) => Some(Vec::new()),
        Some(value) => id(value).map(|id| vec![id]),
    };
    ids.ok_or_else(|| config.invalid(field, "a token id or a list of token ids"))
}

fn one_of_two(own: &Config, config: &Config, field: &str) -> Result<Option<u32>, CheckpointError> {
    let (first, second) = (token_ids(own, field)?, token_ids(config, field)?);
    Ok(first.first().or(second.first()).copied())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(own: &str, config: &str) -> Result<GenerationConfig, CheckpointError> {
        let parse = |name: &str, text: &str| Config::parse(Path::new(name), text).unwrap();
        GenerationConfig::read(&parse("generation_config.json", own), &parse("config.json", config))
    }

    #[test]
    fn end_tokens_come_from_either_file() {
        assert_eq!(
            read(r#"{"eos_token_id":[1,2]}"#, r#"{"eos_token_id":3}"#)
                .unwrap()
                .eos_token_ids,
            [1, 2]
        );
        assert_eq!(
            read(r#"{"eos_token_id":1}"#, r#"{"eos_token_id":[3]}"#)
                .unwrap()
                .eos_token_ids,
            [1]
        );
        assert_eq!(
            read("{}", r#"{"eos_token_id":[3,4],"pad_token_id":-1}"#)
                .unwrap()
                .eos_token_ids,
            [3, 4]
        );
        let none = read(r#"{"eos_token_id":null,"seed_of_doom":1}"#, "{}").unwrap();
        assert_eq!(
            (none.eos_token_ids.len(), none.pad_token_id, none.unread),
            (0, None, vec!["seed_of_doom".to_owned()])
        );
    }

    #[test]
    fn values_outside_their_range_are_refused() {
        for own in [
            r#"{"eos_token_id":"a"}"#,
            r#"{"eos_token_id":[1,-2]}"#,
            r#"{"eos_token_id":4294967296}"#,
            r#"{"temperature":-1}"#,
            r#"{"temperature":0,"do_sample":true}"#,
            r#"{"top_p":0}"#,
            r#"{"top_p":1.5}"#,
            r#"{"top_k":-1}"#,
            r#"{"top_k":1.5}"#,
            r#"{"min_p":2}"#,
            r#"{"repetition_penalty":0}"#,
            r#"{"do_sample":"yes"}"#,
            r#"{"max_new_tokens":0}"#,
        ] {
            let message = read(own, "{}").unwrap_err().to_string();
            assert!(message.starts_with("generation_config.json: field `"), "{message}");
        }
        let good = read(r#"{"temperature":0.7,"top_p":0.95,"top_k":20,"do_sample":true}"#, "{}").unwrap();
        assert_eq!(
            (good.temperature, good.top_p, good.top_k),
            (Some(0.7), Some(0.95), Some(20))
        );
        assert_eq!(
            read(r#"{"temperature":0.0,"do_sample":false}"#, "{}")
                .unwrap()
                .temperature,
            None
        );
    }
}
