//! `bos_token`, `eos_token`, `pad_token`, … of `tokenizer_config.json`.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::TextError;
use crate::checkpoint::files;

/// A token with a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecialToken {
    /// Its text.
    pub text: String,
    /// Its id.
    pub id: u32,
}

/// The tokens that `tokenizer_config.json` gives a role.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SpecialTokens {
    /// Begin of a sequence.
    pub bos: Option<SpecialToken>,
    /// End of a sequence.
    pub eos: Option<SpecialToken>,
    /// Padding.
    pub pad: Option<SpecialToken>,
    /// Text of every `…_token` field that names one: the variables of chat templates.
    pub texts: BTreeMap<String, String>,
}

impl SpecialTokens {
    /// Reads `tokenizer_config.json` (no roles where there is none); `id_of` looks a token up.
    ///
    /// # Errors
    ///
    /// [`TextError::File`], [`TextError::Field`] for a token that is neither a string nor an object with `content`,
    /// [`TextError::UnknownSpecial`] if bos, eos or pad has no id.
    pub fn open(directory: &Path, id_of: impl Fn(&str) -> Option<u32>) -> Result<Self, TextError> {
        const NAME: &str = "tokenizer_config.json";
        let file = directory.join(NAME);
        let mut special = Self::default();
        let config = files::read_json(directory, NAME, files::CONFIG_LIMIT)?;
        let Some(Value::Object(fields)) = config else {
            return Ok(special);
        };
        for (field, value) in fields
            .iter()
            .filter(|(field, value)| field.ends_with("_token") && !value.is_null() && !value.is_boolean())
        {
            let text = value
                .as_str()
                .or_else(|| value.get("content")?.as_str())
                .ok_or_else(|| TextError::Field {
                    file: file.clone(),
                    field: field.clone(),
                    found: crate::checkpoint::describe(value),
                    expected: "a string or an object with `content`",
                })?;
            special.texts.insert(field.clone(), text.to_owned());
        }
        let token = |role: &'static str| match special.texts.get(role) {
            None => Ok(None),
            Some(text) => match id_of(text) {
                Some(id) => Ok(Some(SpecialToken { text: text.clone(), id })),
                None => Err(TextError::UnknownSpecial {
                    file: file.clone(),
                    role,
                    token: text.clone(),
                }),
            },
        };
        (special.bos, special.eos, special.pad) = (token("bos_token")?, token("eos_token")?, token("pad_token")?);
        Ok(special)
    }
}
