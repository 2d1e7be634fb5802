//! The demo models and how they are trained.

use serde_json::{Value, json};

use super::TrainError;
use crate::text::Mixture;

/// Everything that decides a trained model.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    /// Directory name.
    pub name: &'static str,
    /// config.json without the vocabulary size, which the tokenizer decides.
    pub config: Value,
    /// Seed of the initial weights and of the order of documents.
    pub seed: u64,
    /// Optimiser steps.
    pub steps: usize,
    /// Steps over which the learning rate rises linearly; then it falls as a cosine to a twentieth.
    pub warm_up: usize,
    /// Highest learning rate.
    pub learning_rate: f64,
    /// Decoupled weight decay, on matrices only.
    pub weight_decay: f32,
    /// How often each kind of document is drawn.
    pub mixture: Mixture,
    /// Initial weight of the norms of queries and keys: with 1, no attention score exceeds √`head_dim`; more lets attention be
    /// sharp from the start.
    pub query_key_norm: f32,
    /// Rows per batch.
    pub rows: usize,
    /// Tokens per row; several documents share one.
    pub row_tokens: usize,
    /// Weight of the load-balancing loss (Switch Transformer, <https://arxiv.org/abs/2101.03961>, eq. 4).
    pub balance: f64,
    /// What a step adds to the selection bias of an expert with too few tokens and takes from one with too many, where the
    /// family has such a bias (`DeepSeek-V3`, <https://arxiv.org/abs/2412.19437>, section 2.1.2).
    pub bias_rate: f64,
}

/// Entries of the tokenizer, special tokens included.
pub const VOCABULARY: usize = 2048;

/// Ends a document; the model's padding and end-of-text token.
pub const END_OF_TEXT: &str = "<|endoftext|>";
/// Begins a turn.
pub const TURN_START: &str = "<|im_start|>";
/// Ends a turn.
pub const TURN_END: &str = "<|im_end|>";

/// The demo models.
#[must_use]
pub fn recipes() -> Vec<Recipe> {
    let base = |name, config, seed| Recipe {
        name,
        config,
        seed,
        steps: 2200,
        warm_up: 100,
        learning_rate: 3e-3,
        weight_decay: 0.05,
        mixture: Mixture::default(),
        query_key_norm: 1.0,
        rows: 16,
        row_tokens: 128,
        balance: 0.01,
        bias_rate: 0.0,
    };
    // Reading a passage is harder to learn than a fact: copying needs many different passages.
    let reading = Mixture {
        weights: [22, 22, 12, 6, 22, 6, 10],
        biomedical_percent: 50,
    };
    let qwen3_moe = Recipe {
        steps: 3000,
        mixture: reading.clone(),
        query_key_norm: 2.0,
        ..base(
            "demo-qwen3-moe",
            json!({
                "architectures": ["Qwen3MoeForCausalLM"], "model_type": "qwen3_moe", "hidden_size": 96, "num_hidden_layers": 4,
                "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 24, "intermediate_size": 96, "moe_intermediate_size": 48,
                "num_experts": 16, "num_experts_per_tok": 2, "norm_topk_prob": true, "decoder_sparse_step": 1, "mlp_only_layers": [],
                "hidden_act": "silu", "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "rope_scaling": null, "attention_bias": false,
                "use_sliding_window": false, "sliding_window": null, "max_position_embeddings": 512, "tie_word_embeddings": false,
                "initializer_range": 0.02, "router_aux_loss_coef": 0.01, "output_router_logits": false, "use_cache": true,
            }),
            1,
        )
    };
    let olmoe = base(
        "demo-olmoe",
        json!({
            "architectures": ["OlmoeForCausalLM"], "model_type": "olmoe", "hidden_size": 96, "num_hidden_layers": 4,
            "num_attention_heads": 4, "num_key_value_heads": 4, "intermediate_size": 24, "num_experts": 32, "num_experts_per_tok": 4,
            "norm_topk_prob": false, "hidden_act": "silu", "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "rope_scaling": null,
            "attention_bias": false, "clip_qkv": null, "max_position_embeddings": 512, "tie_word_embeddings": false,
            "initializer_range": 0.02, "router_aux_loss_coef": 0.01, "output_router_logits": false, "use_cache": true,
        }),
        2,
    );
    let deepseek_v3 = Recipe {
        steps: 2600,
        mixture: reading,
        // The selection bias balances, as in the family's own training.
        balance: 0.0,
        bias_rate: 0.002,
        ..base(
            "demo-deepseek-v3",
            json!({
                "architectures": ["DeepseekV3ForCausalLM"], "model_type": "deepseek_v3", "hidden_size": 96, "num_hidden_layers": 4,
                "first_k_dense_replace": 1, "num_attention_heads": 4, "num_key_value_heads": 4, "q_lora_rank": null, "kv_lora_rank": 48,
                "qk_nope_head_dim": 16, "qk_rope_head_dim": 16, "v_head_dim": 24, "intermediate_size": 144, "moe_intermediate_size": 48,
                "n_routed_experts": 16, "num_experts_per_tok": 2, "n_shared_experts": 1, "n_group": 1, "topk_group": 1,
                "norm_topk_prob": true, "routed_scaling_factor": 1.0, "scoring_func": "sigmoid", "topk_method": "noaux_tc",
                "moe_layer_freq": 1, "hidden_act": "silu", "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "rope_scaling": null,
                "rope_interleave": true, "attention_bias": false, "attention_dropout": 0.0, "max_position_embeddings": 512,
                "tie_word_embeddings": false, "initializer_range": 0.02, "use_cache": true,
            }),
            3,
        )
    };
    vec![qwen3_moe, olmoe, deepseek_v3]
}

/// The recipe of a name.
///
/// # Errors
/// If there is none.
pub fn recipe(name: &str) -> Result<Recipe, TrainError> {
    recipes()
        .into_iter()
        .find(|recipe| recipe.name == name)
        .ok_or_else(|| TrainError::UnknownModel {
            found: name.to_owned(),
            known: recipes()
                .iter()
                .map(|recipe| recipe.name)
                .collect::<Vec<_>>()
                .join(", "),
        })
}

impl Recipe {
    /// Learning rate of step `step`, counted from 0.
    #[must_use]
    pub fn rate(&self, step: usize) -> f64 {
        const FLOOR: f64 = 0.05;
        if step < self.warm_up {
            return self.learning_rate * (step + 1) as f64 / self.warm_up as f64;
        }
        let progress = (step - self.warm_up) as f64 / (self.steps - self.warm_up).max(1) as f64;
        let cosine = 0.5 * (1.0 + (std::f64::consts::PI * progress.min(1.0)).cos());
        self.learning_rate * (FLOOR + (1.0 - FLOOR) * cosine)
    }

    /// config.json of the checkpoint, complete.
    #[must_use]
    pub fn full_config(&self, vocabulary: usize, end_of_text: u32, turn_end: u32) -> Value {
        let mut config = self.config.clone();
        config["vocab_size"] = json!(vocabulary);
        config["bos_token_id"] = Value::Null;
        config["eos_token_id"] = json!(turn_end);
        config["pad_token_id"] = json!(end_of_text);
        config["torch_dtype"] = json!("bfloat16");
        config
    }
}

#[cfg(test)]
mod tests {
    use super::recipes;

    #[test]
    fn rates_rise_then_fall() {
        for recipe in recipes() {
            assert!(recipe.rate(0) < recipe.rate(50) && recipe.rate(recipe.warm_up) > recipe.rate(recipe.steps - 1));
            assert!((recipe.rate(recipe.steps) - 0.05 * recipe.learning_rate).abs() < 1e-12);
        }
    }
}
