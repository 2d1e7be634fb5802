//! The number of experts in config.json.

use std::path::Path;

use serde_json::Value;

use super::{ExportError, MoeNaming};
use crate::checkpoint::{CheckpointError, Config, files, quoted_python_floats};

/// The number of experts that config.json states.
pub(super) fn experts(config: &Config, naming: &MoeNaming) -> Result<usize, ExportError> {
    let mut found = None;
    for key in naming.expert_count_keys {
        let (object, field) = match key.rsplit_once('.') {
            Some((outer, field)) => (config.optional_object(outer)?, field),
            None => (Some(config.clone()), *key),
        };
        let Some(object) = object else { continue };
        let Some(count) = object.optional_positive(field)? else {
            continue;
        };
        if found.is_some_and(|found| found != count) {
            return Err(object
                .invalid(
                    field,
                    format!("the same as in {}", naming.expert_count_keys.join(" and ")),
                )
                .into());
        }
        found = Some(count);
    }
    found.ok_or_else(|| {
        config
            .invalid(
                naming.expert_count_keys.first().copied().unwrap_or("num_experts"),
                "the number of experts",
            )
            .into()
    })
}

/// Text of config.json with another number of experts; field order and everything else stay.
pub(super) fn with_experts(
    directory: &Path,
    naming: &MoeNaming,
    before: usize,
    after: usize,
) -> Result<String, ExportError> {
    let missing = || CheckpointError::MissingFile {
        directory: directory.to_path_buf(),
        file: "config.json".into(),
        hint: "it was removed".into(),
    };
    let text = files::read_text(directory, "config.json", files::CONFIG_LIMIT)?.ok_or_else(missing)?;
    // Bare infinities travel as marked strings, the mark being in no text of the file.
    let mut mark = "\u{e000}".to_owned();
    while text.contains(&mark) {
        mark.push('\u{e000}');
    }
    let parsed = serde_json::from_str(&quoted_python_floats(&text, &mark));
    let mut config: Value = parsed.map_err(|error| CheckpointError::Json {
        file: directory.join("config.json"),
        reason: error.to_string(),
    })?;
    for key in naming.expert_count_keys {
        let pointer = format!("/{}", key.replace('.', "/"));
        if let Some(value) = config
            .pointer_mut(&pointer)
            .filter(|value| value.as_u64() == Some(before as u64))
        {
            *value = Value::from(after);
        }
    }
    let mut text = format!("{config:#}\n");
    for word in ["-Infinity", "Infinity", "NaN"] {
        text = text.replace(&format!("\"{mark}{word}\""), word);
    }
    Ok(text)
}
