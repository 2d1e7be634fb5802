//! Tokenizer, chat template, generation config, and files that are left alone.

use std::collections::BTreeMap;
use std::path::Path;

use secateur_model::checkpoint::{Config, files};
use secateur_model::generation_config::GenerationConfig;
use secateur_model::text::{ChatTemplates, Message, Tokenizer};
use serde_json::Value;

use super::{Diagnosis, Step, some};

pub(super) fn examine(directory: &Path, config: Option<&Config>, rows: Option<usize>, found: &mut Diagnosis) {
    let tokenizer = match Tokenizer::open(directory) {
        Ok(tokenizer) => Some(tokenizer),
        Err(error) => {
            found.problem(Step::Load, error);
            None
        }
    };
    if let Some(tokenizer) = &tokenizer {
        let size = tokenizer.vocabulary_size();
        match rows.map(|rows| (rows, tokenizer.check_ids(rows))) {
            Some((_, Err(error))) => found.problem(Step::Load, error),
            Some((rows, Ok(()))) => found
                .notes
                .push(format!("tokenizer: {size} tokens for an embedding of {rows} rows")),
            None => found.notes.push(format!("tokenizer: {size} tokens")),
        }
        template(directory, tokenizer, found);
    }
    if let Some(config) = config {
        generation(directory, config, found);
        if let Some(quantised) = config
            .fields()
            .get("quantization_config")
            .filter(|value| !value.is_null())
        {
            let method = quantised
                .get("quant_method")
                .and_then(Value::as_str)
                .unwrap_or("unnamed");
            found
                .notes
                .push(format!("the weights are quantised (quant_method `{method}`)"));
        }
    }
    others(directory, found);
}

fn template(directory: &Path, tokenizer: &Tokenizer, found: &mut Diagnosis) {
    let templates = match ChatTemplates::open(directory, &tokenizer.special().texts) {
        Ok(Some(templates)) => templates,
        Ok(None) => {
            let note = "no chat template: prompts are given as plain text";
            return found.notes.push(note.into());
        }
        Err(error) => return found.problem(Step::Load, error),
    };
    let rendered = templates
        .get("default")
        .and_then(|template| template.render(&[Message::new("user", "Hello")], true, &BTreeMap::new()));
    match rendered {
        Ok(text) => found.notes.push(format!(
            "chat template: one question becomes {} characters",
            text.chars().count()
        )),
        Err(error) => found
            .notes
            .push(format!("the chat template fails on one question: {error}")),
    }
}

fn generation(directory: &Path, config: &Config, found: &mut Diagnosis) {
    match GenerationConfig::open(directory, config) {
        Err(error) => found.problem(Step::Load, error),
        Ok(generation) => {
            if generation.eos_token_ids.is_empty() {
                found.notes.push(
                    "neither generation_config.json nor config.json names a token that ends an answer: answers run to their limit"
                        .into(),
                );
            } else {
                found
                    .notes
                    .push(format!("answers end with token {:?}", generation.eos_token_ids));
            }
            if !files::exists(directory, "generation_config.json") {
                found.notes.push("no generation_config.json".into());
            }
        }
    }
}

/// Weights in formats that can run code, and code: none of it is read.
fn others(directory: &Path, found: &mut Diagnosis) {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return;
    };
    let mut names: Vec<String> = entries
        .flatten()
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    let with = |endings: &[&str]| -> Vec<String> {
        let fits = |name: &&String| endings.iter().any(|ending| name.ends_with(ending));
        names.iter().filter(fits).cloned().collect()
    };
    let pickles = with(&[".bin", ".pt", ".pth", ".ckpt", ".pkl"]);
    if !pickles.is_empty() {
        found.notes.push(format!(
            "{} Python pickle(s), which can run code when read, are never opened: {}",
            pickles.len(),
            some(&pickles)
        ));
    }
    let code = with(&[".py"]);
    if !code.is_empty() {
        found
            .notes
            .push(format!("{} Python file(s) are never run: {}", code.len(), some(&code)));
    }
    let tokenizer = files::read_json(directory, "tokenizer_config.json", files::CONFIG_LIMIT);
    if tokenizer.is_ok_and(|config| config.is_some_and(|config| config.get("auto_map").is_some())) {
        found.notes.push(
            "tokenizer_config.json names Python code in `auto_map`; it is not run: tokenizer.json is read instead"
                .into(),
        );
    }
}
