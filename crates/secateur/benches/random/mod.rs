//! An `OLMoE` with random weights: 73 million of them in bf16, wide enough that its products are what takes time.

use std::fs;
use std::path::Path;

use half::bf16;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::json;

const HIDDEN: usize = 768;
const INNER: usize = 384;
const LAYERS: usize = 4;
const EXPERTS: usize = 16;
const VOCABULARY: usize = 4096;

/// Writes config.json and weights, always the same.
pub fn write(directory: &Path) {
    let config = json!({
        "architectures": ["OlmoeForCausalLM"], "model_type": "olmoe", "hidden_size": HIDDEN, "num_hidden_layers": LAYERS,
        "num_attention_heads": 12, "num_key_value_heads": 12, "intermediate_size": INNER, "num_experts": EXPERTS,
        "num_experts_per_tok": 4, "norm_topk_prob": false, "hidden_act": "silu", "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
        "rope_scaling": null, "attention_bias": false, "clip_qkv": null, "max_position_embeddings": 2048,
        "tie_word_embeddings": false, "vocab_size": VOCABULARY, "torch_dtype": "bfloat16",
    });
    fs::write(directory.join("config.json"), config.to_string()).unwrap();
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let data: Vec<(String, Vec<usize>, Vec<u8>)> = tensors()
        .into_iter()
        .map(|(name, shape)| {
            let values = shape.iter().product();
            let scale = 3.0 / (HIDDEN as f32).sqrt();
            let norm = shape.len() == 1;
            let mut value = || if norm { 1.0 } else { scale * centred(&mut state) };
            let bytes = (0..values)
                .flat_map(|_| bf16::from_f32(value()).to_le_bytes())
                .collect();
            (name, shape, bytes)
        })
        .collect();
    let views = data.iter().map(|(name, shape, bytes)| {
        let view = TensorView::new(Dtype::BF16, shape.clone(), bytes).unwrap();
        (name.as_str(), view)
    });
    let bytes = safetensors::serialize(views, None).unwrap();
    fs::write(directory.join("model.safetensors"), bytes).unwrap();
}

fn tensors() -> Vec<(String, Vec<usize>)> {
    let mut list = vec![
        ("model.embed_tokens.weight".to_owned(), vec![VOCABULARY, HIDDEN]),
        ("model.norm.weight".to_owned(), vec![HIDDEN]),
        ("lm_head.weight".to_owned(), vec![VOCABULARY, HIDDEN]),
    ];
    for layer in 0..LAYERS {
        let mut add = |name: &str, shape: &[usize]| {
            list.push((format!("model.layers.{layer}.{name}.weight"), shape.to_vec()));
        };
        for name in ["q_proj", "k_proj", "v_proj", "o_proj"] {
            add(&format!("self_attn.{name}"), &[HIDDEN, HIDDEN]);
        }
        for name in [
            "self_attn.q_norm",
            "self_attn.k_norm",
            "input_layernorm",
            "post_attention_layernorm",
        ] {
            add(name, &[HIDDEN]);
        }
        add("mlp.gate", &[EXPERTS, HIDDEN]);
        for expert in 0..EXPERTS {
            add(&format!("mlp.experts.{expert}.gate_proj"), &[INNER, HIDDEN]);
            add(&format!("mlp.experts.{expert}.up_proj"), &[INNER, HIDDEN]);
            add(&format!("mlp.experts.{expert}.down_proj"), &[HIDDEN, INNER]);
        }
    }
    list
}

/// xorshift, in [−½, ½).
fn centred(state: &mut u64) -> f32 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    (*state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
}
