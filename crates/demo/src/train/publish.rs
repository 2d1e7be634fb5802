//! The trained weights as an ordinary Hugging Face directory.

use std::path::Path;

use half::bf16;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};

use super::recipe::{END_OF_TEXT, Recipe, TURN_END};
use super::state::{State, is_selection_bias};
use super::{TrainError, file_error, tokenizer};

/// `ChatML`, as the training text has it.
const CHAT_TEMPLATE: &str = "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

/// Writes config, bf16 weights, tokenizer, chat template, generation config, training log and model card.
///
/// # Errors
/// If a file cannot be written.
pub fn publish(recipe: &Recipe, config: &Value, state: &State, work: &Path, output: &Path) -> Result<(), TrainError> {
    std::fs::create_dir_all(output).map_err(file_error(output))?;
    let write = |name: &str, bytes: &[u8]| {
        let path = output.join(name);
        std::fs::write(&path, bytes).map_err(file_error(&path))
    };
    let words = tokenizer::open(&work.join("tokenizer.json"))?;
    let (end_of_text, turn_end) = (tokenizer::id(&words, END_OF_TEXT)?, tokenizer::id(&words, TURN_END)?);
    write("config.json", pretty(config).as_bytes())?;
    write("model.safetensors", &weights(state, output)?)?;
    copy(work, output, "tokenizer.json")?;
    write(
        "tokenizer_config.json",
        pretty(&json!({
            "tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": config["max_position_embeddings"],
            "bos_token": null, "eos_token": TURN_END, "pad_token": END_OF_TEXT, "clean_up_tokenization_spaces": false,
            "add_bos_token": false, "chat_template": CHAT_TEMPLATE,
        }))
        .as_bytes(),
    )?;
    let generation =
        json!({ "eos_token_id": [turn_end, end_of_text], "pad_token_id": end_of_text, "do_sample": false });
    write("generation_config.json", pretty(&generation).as_bytes())?;
    copy(work, output, "log.jsonl")?;
    write("README.md", card(recipe, state).as_bytes())
}

fn weights(state: &State, output: &Path) -> Result<Vec<u8>, TrainError> {
    let wrong = |found: String| TrainError::State {
        path: output.join("model.safetensors"),
        found,
    };
    let tensors: Vec<(&str, Dtype, &[usize], Vec<u8>)> = state
        .weights()
        .map(|(name, shape, values)| {
            if is_selection_bias(name) {
                let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
                return (name, Dtype::F32, shape, bytes);
            }
            let halves = values.iter().map(|&value| bf16::from_f32(value));
            (name, Dtype::BF16, shape, halves.flat_map(bf16::to_le_bytes).collect())
        })
        .collect();
    let mut views = Vec::new();
    for (name, dtype, shape, bytes) in &tensors {
        let view = TensorView::new(*dtype, shape.to_vec(), bytes).map_err(|e| wrong(e.to_string()))?;
        views.push((*name, view));
    }
    let metadata = [("format".to_owned(), "pt".to_owned())].into();
    safetensors::serialize(views, Some(metadata)).map_err(|e| wrong(e.to_string()))
}

fn copy(work: &Path, output: &Path, name: &str) -> Result<(), TrainError> {
    let (from, to) = (work.join(name), output.join(name));
    std::fs::copy(&from, &to).map(drop).map_err(file_error(&from))
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

fn card(recipe: &Recipe, state: &State) -> String {
    let parameters: usize = state
        .weights()
        .map(|(_, shape, _)| shape.iter().product::<usize>())
        .sum();
    let config = &recipe.config;
    format!(
        "---\nlicense: apache-2.0\nlanguage: en\ntags: [mixture-of-experts, demo]\n---\n\n\
         # {name}\n\n\
         A tiny mixture-of-experts language model ({parameters} parameters, `{family}` layout, {layers} layers, {experts} experts, \
         top-{top_k}) that ships with Secateur, so that a sweep can be run offline in minutes on real, trained weights.\n\n\
         ## What it was trained on\n\n\
         Only the text under `datasets/demo` of the Secateur repository: templated statements, questions, claims and short passages \
         about a few hundred facts of biomedicine and of the general world, half of the documents from each. {steps} steps of \
         {rows} × {tokens} tokens, {documents} documents, seed {seed}, AdamW at {rate}, burn autodiff on CPU; `log.jsonl` holds the loss. \
         `cargo xtask demo train --model {name}` makes it again.\n\n\
         ## What it is not for\n\n\
         Anything but trying out Secateur. It knows a few hundred sentences, invents the rest, and must not be asked for medical advice, \
         nor used as evidence of how pruning affects models that people deploy.\n",
        name = recipe.name,
        family = config["model_type"].as_str().unwrap_or_default(),
        layers = config["num_hidden_layers"],
        experts = config.get("num_experts").unwrap_or(&config["n_routed_experts"]),
        top_k = config["num_experts_per_tok"],
        steps = state.step,
        rows = recipe.rows,
        tokens = recipe.row_tokens,
        documents = state.next_document,
        seed = recipe.seed,
        rate = recipe.learning_rate,
    )
}
