#![allow(clippy::unwrap_used)]

use std::path::Path;

use serde_json::{Value, json};

use super::{FAMILIES, family, naming_of};
use crate::blocks::rope::RopeScaling;
use crate::checkpoint::Config;
use crate::error::ModelError;
use crate::export::MoeNaming;
use crate::spec::{BlockSpec, DecoderSpec, ExpertLayout, GroupScore, Scoring, Sight};
use crate::weights::expected;

/// A config of the family: what all say, and what the hybrid ones need besides.
fn base(model_type: &str) -> Value {
    let mut config = common(model_type);
    match model_type {
        "nemotron_h" => {
            config["hybrid_override_pattern"] = json!("ME*-");
            config["sliding_window"] = Value::Null;
            for field in ["mamba_num_heads", "mamba_head_dim", "ssm_state_size", "n_groups"] {
                config[field] = json!(4);
            }
            config["moe_shared_expert_intermediate_size"] = json!(24);
        }
        "lfm2_moe" => config["layer_types"] = json!(["conv", "full_attention", "conv", "full_attention"]),
        "qwen3_next" | "qwen3_5_moe" | "qwen3_5_moe_text" => {
            for field in ["num_key_heads", "num_value_heads", "key_head_dim", "value_head_dim"] {
                config[format!("linear_{field}")] = json!(4);
            }
        }
        _ => {}
    }
    if model_type == "qwen3_5_moe" {
        config = json!({"model_type": model_type, "text_config": config});
    }
    config
}

/// What all families' configs say.
fn common(model_type: &str) -> Value {
    json!({
        "model_type": model_type, "hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 4,
        "head_dim": 16, "intermediate_size": 96, "moe_intermediate_size": 32, "vocab_size": 128, "max_position_embeddings": 256,
        "num_experts_per_tok": 2, "num_experts": 8, "num_local_experts": 8, "n_routed_experts": 8, "moe_num_experts": 8,
        "moe_k": 2, "moe_topk": 2, "shared_expert_intermediate_size": 48, "intermediate_size_mlp": 96,
        "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 8, "kv_lora_rank": 16, "n_group": 2, "topk_group": 1,
        "sliding_window": 32, "interleave_moe_layer_step": 2, "first_k_dense_replace": 1,
    })
}

fn spec_of(config: &Value) -> Result<DecoderSpec, ModelError> {
    let config = Config::parse(Path::new("config.json"), &config.to_string()).unwrap();
    family(&config)?.spec(&config)
}

fn with(model_type: &str, field: &str, value: Value) -> Value {
    let mut config = base(model_type);
    config[field] = value;
    config
}

/// Which tensors of the list an export slices or renumbers.
fn sliced<'a>(naming: &MoeNaming, names: &'a [String]) -> Vec<&'a str> {
    let known = |name: &&String| naming.touches(name);
    names.iter().filter(known).map(String::as_str).collect()
}

#[test]
fn every_family_reads_a_config_and_exports_what_it_reads() {
    for family in FAMILIES {
        let name = family.name();
        let spec = spec_of(&base(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let names: Vec<String> = expected(&spec).into_iter().map(|tensor| tensor.name).collect();
        let mut distinct = names.clone();
        distinct.sort();
        distinct.dedup();
        assert_eq!(distinct.len(), names.len(), "{name}: a tensor is listed twice");
        let sliced = sliced(naming_of(name).unwrap(), &names);
        let mut count = 0;
        for (layer, moe) in spec.layers.iter().filter_map(|layer| Some((layer, layer.moe()?))) {
            let has = |tensor: &str| sliced.contains(&format!("{}{tensor}", layer.prefix).as_str());
            let router = &moe.router;
            for tensor in [
                Some(&router.weight),
                router.bias.as_ref(),
                router.selection_bias.as_ref(),
            ]
            .into_iter()
            .flatten()
            {
                assert!(has(tensor), "{name}: an export forgets {tensor}");
                count += 1;
            }
            count += match &moe.layout {
                ExpertLayout::PerExpert { .. } => moe.experts * if moe.activation.is_gated() { 3 } else { 2 },
                ExpertLayout::Fused(names) => 2 + names.biases.iter().flatten().count(),
            };
        }
        assert!(count > 0, "{name}: no experts");
        assert_eq!(sliced.len(), count, "{name}: {sliced:?}");
    }
}

#[test]
fn packed_experts_are_exported_as_blocks_and_scales() {
    let config = with("gpt_oss", "quantization_config", json!({"quant_method": "mxfp4"}));
    let spec = spec_of(&config).unwrap();
    let names: Vec<String> = expected(&spec).into_iter().map(|tensor| tensor.name).collect();
    // Router weight and bias, blocks, scales and bias of both projections.
    assert_eq!(sliced(naming_of("gpt_oss").unwrap(), &names).len(), 4 * 8);
    let odd = json!({"quant_method": "gptq"});
    let message = spec_of(&with("gpt_oss", "quantization_config", odd))
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("`quantization_config.quant_method` = `gptq`"),
        "{message}"
    );
    let mut narrow = config;
    narrow["intermediate_size"] = json!(40);
    assert!(spec_of(&narrow).unwrap_err().to_string().contains("a multiple of 32"));
}

#[test]
fn routers_are_what_the_families_say() {
    let router = |config: &Value| {
        let spec = spec_of(config).unwrap();
        spec.layers.iter().find_map(|layer| layer.moe()).unwrap().router.clone()
    };
    let deepseek = router(&base("deepseek_v3"));
    assert_eq!(
        (deepseek.scoring, deepseek.groups.unwrap().score),
        (Scoring::Sigmoid, GroupScore::SumOfTopTwo)
    );
    assert!((deepseek.scale - 2.5).abs() < 1e-12);
    assert_eq!(router(&base("deepseek_v2")).groups, None);
    let grouped = router(&with("deepseek_v2", "topk_method", json!("group_limited_greedy")));
    assert_eq!(grouped.groups.unwrap().score, GroupScore::Max);
    assert_eq!(router(&base("granitemoe")).scoring, Scoring::SoftmaxOfSelected);
    assert_eq!(router(&base("llama4_text")).scoring, Scoring::SigmoidOnInput);
}

#[test]
fn windows_and_dense_layers_are_where_they_belong() {
    let sights = |config: &Value| -> Vec<Sight> {
        let spec = spec_of(config).unwrap();
        let sight = |block: &BlockSpec| match block {
            BlockSpec::Attention(attention) => Some(attention.sight),
            _ => None,
        };
        spec.blocks().filter_map(sight).collect()
    };
    let (full, window) = (Sight::Full, Sight::Window(32));
    assert_eq!(sights(&base("gpt_oss")), [window, full, window, full]);
    assert_eq!(sights(&base("mixtral")), [window; 4]);
    assert_eq!(sights(&base("qwen3_moe")), [full; 4]);
    assert_eq!(
        sights(&with("qwen3_moe", "use_sliding_window", json!(true))),
        [window; 4]
    );
    assert_eq!(
        sights(&with("dots1", "max_window_layers", json!(3))),
        [full, full, full, window]
    );
    // As transformers 5 writes a Qwen2-MoE without windows.
    let narrow = with("qwen2_moe", "sliding_window", json!(0));
    assert_eq!(sights(&narrow), [full; 4]);
    let mut windowed = narrow;
    windowed["use_sliding_window"] = json!(true);
    assert!(
        spec_of(&windowed)
            .unwrap_err()
            .to_string()
            .contains("`sliding_window` is 0")
    );
    windowed["sliding_window"] = json!(32);
    assert_eq!(sights(&windowed), [window, full, window, full]);
    // `null` is no window, nothing one of 4096.
    for (model_type, field, value) in [
        ("qwen3_moe", "use_sliding_window", json!(true)),
        ("dots1", "max_window_layers", json!(0)),
    ] {
        let mut config = with(model_type, field, value);
        config["sliding_window"] = Value::Null;
        assert_eq!(sights(&config), [full; 4], "{model_type}");
        config.as_object_mut().unwrap().remove("sliding_window");
        assert_eq!(sights(&config), [Sight::Window(4096); 4], "{model_type}");
    }
    let chunk = Sight::Chunk(8);
    assert_eq!(
        sights(&with("llama4_text", "attention_chunk_size", json!(8))),
        [chunk, chunk, chunk, full]
    );
    let sparse = |config: &Value| -> Vec<bool> {
        let spec = spec_of(config).unwrap();
        spec.layers.iter().map(|layer| layer.moe().is_some()).collect()
    };
    assert_eq!(sparse(&base("deepseek_v3")), [false, true, true, true]);
    assert_eq!(sparse(&base("llama4_text")), [false, true, false, true]);
    assert_eq!(
        sparse(&with("ernie4_5_moe", "moe_layer_end_index", json!(2))),
        [false, true, true, false]
    );
}

#[test]
fn what_is_not_implemented_is_refused() {
    for (model_type, field, value, said) in [
        (
            "olmoe",
            "hidden_act",
            json!("gelu"),
            "`hidden_act` = `gelu` is not supported for olmoe",
        ),
        (
            "deepseek_v3",
            "scoring_func",
            json!("softmax"),
            "`scoring_func` = `softmax`",
        ),
        ("deepseek_v3", "moe_layer_freq", json!(2), "`moe_layer_freq` = 2"),
        (
            "deepseek_v2",
            "topk_method",
            json!("noaux_tc"),
            "`topk_method` = `noaux_tc`",
        ),
        ("deepseek_v3", "n_group", json!(3), "a divisor of 8 experts"),
        ("deepseek_v3", "num_key_value_heads", json!(2), "keys are made per head"),
        ("phimoe", "num_experts_per_tok", json!(3), "the router mixes two"),
        (
            "hunyuan_v1_moe",
            "moe_topk",
            json!([2, 2, 1, 2]),
            "the same for every layer",
        ),
        (
            "minimax_m2",
            "qk_norm_type",
            json!("per_head"),
            "`qk_norm_type` = `per_head`",
        ),
        (
            "gpt_oss",
            "layer_types",
            json!(["full_attention"]),
            "one entry per layer",
        ),
        ("llama4_text", "no_rope_layers", json!([1, 1]), "one entry per layer"),
        (
            "glm4_moe",
            "partial_rotary_factor",
            json!(1.5),
            "a share of the head width 16",
        ),
        ("granitemoe", "logits_scaling", json!(0), "other than 0"),
        (
            "mixtral",
            "num_local_experts",
            json!(1),
            "at most num_local_experts = 1",
        ),
        (
            "qwen2_moe",
            "rope_scaling",
            json!({"type": "axial"}),
            "`rope_type` = `axial`",
        ),
        (
            "qwen3_moe",
            "rope_scaling",
            json!({"type": "longrope", "short_factor": [1]}),
            "8 positive numbers",
        ),
    ] {
        let message = spec_of(&with(model_type, field, value)).unwrap_err().to_string();
        assert!(message.contains(said), "{model_type}: {message}");
    }
}

#[test]
fn the_older_form_of_rope_counts_where_both_are() {
    let mut config = with(
        "olmoe",
        "rope_parameters",
        json!({"rope_type": "linear", "factor": 2.0, "rope_theta": 5.0}),
    );
    let rope = |config: &Value| spec_of(config).unwrap().rope().cloned().unwrap();
    assert_eq!(
        (rope(&config).theta, rope(&config).scaling),
        (5.0, RopeScaling::Linear { factor: 2.0 })
    );
    config["rope_scaling"] = json!({});
    assert_eq!(rope(&config).scaling, RopeScaling::Linear { factor: 2.0 });
    config["rope_scaling"] = json!({"rope_type": "linear", "factor": 4.0});
    config["rope_theta"] = json!(7.0);
    assert_eq!(
        (rope(&config).theta, rope(&config).scaling),
        (7.0, RopeScaling::Linear { factor: 4.0 })
    );
}

#[test]
fn an_output_projection_that_is_the_embedding_keeps_its_bias() {
    let mut config = with("phimoe", "lm_head_bias", json!(true));
    config["tie_word_embeddings"] = json!(true);
    let spec = spec_of(&config).unwrap();
    let names: Vec<String> = expected(&spec).into_iter().map(|tensor| tensor.name).collect();
    let has = |name: &str| names.iter().any(|other| other == name);
    assert!(has("lm_head.bias") && !has("lm_head.weight") && !spec.is_skipped("lm_head.bias"));
}

#[test]
fn experts_of_a_text_model_may_be_saved_one_by_one() {
    let config = Config::parse(Path::new("config.json"), &base("qwen3_5_moe_text").to_string()).unwrap();
    let family = family(&config).unwrap();
    let first = |has: bool| {
        let mut spec = family.spec(&config).unwrap();
        family.adapt(&mut spec, &|_| has);
        expected(&spec)
            .into_iter()
            .any(|tensor| tensor.name == "model.layers.0.mlp.experts.0.up_proj.weight")
    };
    assert!(first(true) && !first(false));
}
