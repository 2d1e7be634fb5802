//! config.json: family, options, code that it names.

use std::path::Path;

use secateur_model::ModelError;
use secateur_model::checkpoint::{CheckpointError, Config, open_config};
use secateur_model::families::{Family, family};
use secateur_model::spec::DecoderSpec;
use serde_json::{Map, Value};

use super::{Diagnosis, Step};
use crate::sweep::subject::on_unknown_family;

/// Fields that may be found wrong one after another.
const MOST_PROBLEMS: usize = 40;

/// The config, and what its family makes of it if it can.
pub(super) fn examine(directory: &Path, found: &mut Diagnosis) -> Option<(Config, Option<DecoderSpec>)> {
    let config = match open_config(directory) {
        Ok(config) => config,
        Err(error) => {
            found.problem(Step::Load, error);
            return None;
        }
    };
    let shown = |name: &str| name.chars().filter(|c| !c.is_control()).take(60).collect();
    let named = config.fields().get("model_type").and_then(Value::as_str);
    found.family = named.map(shown);
    let code = config.fields().get("auto_map").is_some();
    let family = match family(&config) {
        Ok(family) => family,
        Err(error) => {
            let advice = on_unknown_family(&error, &config);
            found.problem(Step::Load, format!("{error}{advice}"));
            return Some((config, None));
        }
    };
    if code {
        found.notes.push(format!(
            "config.json names Python code in `auto_map`; it is not run: Secateur has an implementation of {} of its own",
            family.name()
        ));
    }
    let spec = read(&config, family, found);
    Some((config, spec))
}

/// Every field that the family refuses: after each, the config is read again without it.
fn read(config: &Config, family: &'static dyn Family, found: &mut Diagnosis) -> Option<DecoderSpec> {
    let mut fields = config.fields().clone();
    let mut complete = true;
    for _ in 0..MOST_PROBLEMS {
        let text = Value::Object(fields.clone()).to_string();
        let error = match Config::parse(config.file(), &text).map_err(ModelError::from) {
            Ok(config) => match family.spec(&config) {
                Ok(spec) => return complete.then_some(spec),
                Err(error) => error,
            },
            Err(error) => error,
        };
        complete = false;
        let field = match &error {
            ModelError::Checkpoint(CheckpointError::Field { field, .. }) => field.clone(),
            ModelError::UnsupportedOption { option, .. } => option.clone(),
            _ => String::new(),
        };
        found.problem(Step::Load, &error);
        if !remove(&mut fields, &field) {
            break;
        }
    }
    None
}

/// Removes a field by its path, or by its name wherever it is; whether it was there.
fn remove(fields: &mut Map<String, Value>, path: &str) -> bool {
    if let Some((outer, rest)) = path.split_once('.')
        && let Some(Value::Object(inner)) = fields.get_mut(outer)
    {
        return remove(inner, rest);
    }
    if fields.remove(path).is_some_and(|value| !value.is_null()) {
        return true;
    }
    let mut objects = fields.values_mut().filter_map(Value::as_object_mut);
    objects.any(|inner| inner.remove(path).is_some_and(|value| !value.is_null()))
}
