"""Tiny model specifications, written as hub-style config.json dictionaries.

Each entry of SPECS is (name, options, config).  `config` is written to disk
as config.json unchanged for fmt="hub" (legacy keys: rope_theta, rope_scaling,
torch_dtype ...).  For fmt="v5" the file that transformers 5 writes itself is kept
(rope_parameters, dtype).

options: seed, tok (tokenizer style), dtype (on-disk dtype), shards (number of
safetensors files), cfg ("hub"/"v5"), pruned (list of (method, ratio) goldens),
naee (list of numbers of experts to drop).
"""
BASE = dict(vocab_size=512, hidden_act="silu", initializer_range=0.02, use_cache=True,
            attention_dropout=0.0, torch_dtype="float32", transformers_version="4.46.0")
PR = [("reap", 0.25), ("reap", 0.5), ("frequency", 0.25), ("frequency", 0.5)]


def S(name, seed, config, **opt):
    o = dict(seed=seed, tok="gpt2", dtype="float32", shards=1, fmt="hub", pruned=PR, naee=[4], saliency=True)
    o.update(opt)
    c = dict(BASE)
    c.update(config)
    if o["dtype"] == "bfloat16":
        c["torch_dtype"] = "bfloat16"
    return (name, o, c)


def olmoe(**k):
    d = dict(architectures=["OlmoeForCausalLM"], model_type="olmoe", hidden_size=48, intermediate_size=32,
             num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=4, num_experts=16, num_experts_per_tok=4,
             norm_topk_prob=False, clip_qkv=None, attention_bias=False, max_position_embeddings=4096, rms_norm_eps=1e-5,
             rope_theta=10000.0, rope_scaling=None, output_router_logits=False, router_aux_loss_coef=0.01,
             tie_word_embeddings=False, pad_token_id=1, eos_token_id=0)
    d.update(k); return d


def qwen3_moe(**k):
    d = dict(architectures=["Qwen3MoeForCausalLM"], model_type="qwen3_moe", hidden_size=64, intermediate_size=96,
             moe_intermediate_size=32, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2, head_dim=24,
             num_experts=16, num_experts_per_tok=4, norm_topk_prob=True, decoder_sparse_step=1, mlp_only_layers=[],
             attention_bias=False, max_position_embeddings=40960, max_window_layers=3, rms_norm_eps=1e-6,
             rope_theta=1000000.0, rope_scaling=None, sliding_window=None, use_sliding_window=False,
             output_router_logits=False, router_aux_loss_coef=0.001, tie_word_embeddings=False,
             bos_token_id=0, eos_token_id=3)
    d.update(k); return d


def qwen2_moe(**k):
    d = dict(architectures=["Qwen2MoeForCausalLM"], model_type="qwen2_moe", hidden_size=64, intermediate_size=96,
             moe_intermediate_size=24, shared_expert_intermediate_size=72, num_hidden_layers=3, num_attention_heads=4,
             num_key_value_heads=4, num_experts=12, num_experts_per_tok=4, norm_topk_prob=False, decoder_sparse_step=1,
             mlp_only_layers=[], qkv_bias=True, max_position_embeddings=8192, max_window_layers=3, rms_norm_eps=1e-6,
             rope_theta=1000000.0, sliding_window=32768, use_sliding_window=False, output_router_logits=False,
             router_aux_loss_coef=0.001, tie_word_embeddings=False, bos_token_id=0, eos_token_id=0)
    d.update(k); return d


def mixtral(**k):
    d = dict(architectures=["MixtralForCausalLM"], model_type="mixtral", hidden_size=64, intermediate_size=48,
             num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2, num_local_experts=8, num_experts_per_tok=2,
             max_position_embeddings=32768, rms_norm_eps=1e-5, rope_theta=1000000.0, sliding_window=None,
             output_router_logits=False, router_aux_loss_coef=0.02, tie_word_embeddings=False, bos_token_id=1, eos_token_id=2)
    d.update(k); return d


DS_YARN = dict(beta_fast=32, beta_slow=1, factor=40, mscale=0.707, mscale_all_dim=0.707,
               original_max_position_embeddings=64, type="yarn")


def deepseek_v2(**k):
    d = dict(architectures=["DeepseekV2ForCausalLM"], model_type="deepseek_v2", hidden_size=64, intermediate_size=96,
             moe_intermediate_size=24, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=4,
             q_lora_rank=None, kv_lora_rank=24, qk_nope_head_dim=16, qk_rope_head_dim=8, v_head_dim=16,
             n_routed_experts=16, num_experts_per_tok=4, n_shared_experts=2, first_k_dense_replace=1, moe_layer_freq=1,
             topk_method="greedy", n_group=1, topk_group=1, norm_topk_prob=False, routed_scaling_factor=1.0,
             scoring_func="softmax", seq_aux=True, aux_loss_alpha=0.001, pretraining_tp=1, attention_bias=False,
             max_position_embeddings=2560, rms_norm_eps=1e-6, rope_theta=10000, rope_scaling=dict(DS_YARN),
             tie_word_embeddings=False, bos_token_id=0, eos_token_id=3)
    d.update(k); return d


def deepseek_v3(**k):
    d = dict(architectures=["DeepseekV3ForCausalLM"], model_type="deepseek_v3", hidden_size=64, intermediate_size=96,
             moe_intermediate_size=24, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=4,
             q_lora_rank=24, kv_lora_rank=24, qk_nope_head_dim=16, qk_rope_head_dim=8, v_head_dim=16,
             n_routed_experts=16, num_experts_per_tok=4, n_shared_experts=1, first_k_dense_replace=1, moe_layer_freq=1,
             topk_method="noaux_tc", n_group=4, topk_group=2, norm_topk_prob=True, routed_scaling_factor=2.5,
             scoring_func="sigmoid", ep_size=1, num_nextn_predict_layers=1, attention_bias=False,
             max_position_embeddings=2560, rms_norm_eps=1e-6, rope_theta=10000,
             rope_scaling=dict(DS_YARN, mscale=1.0, mscale_all_dim=1.0),
             tie_word_embeddings=False, bos_token_id=0, eos_token_id=1)
    d.update(k); return d


def gpt_oss(**k):
    d = dict(architectures=["GptOssForCausalLM"], model_type="gpt_oss", hidden_size=64, intermediate_size=32, head_dim=16,
             num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2, num_local_experts=16, num_experts_per_tok=4,
             experts_per_token=4, layer_types=["sliding_attention", "full_attention", "sliding_attention"],
             sliding_window=16, initial_context_length=64, max_position_embeddings=2048, rms_norm_eps=1e-5,
             rope_theta=150000, rope_scaling=dict(beta_fast=32.0, beta_slow=1.0, factor=32.0,
                                                  original_max_position_embeddings=64, rope_type="yarn", truncate=False),
             attention_bias=True, swiglu_limit=7.0, output_router_logits=False, router_aux_loss_coef=0.9,
             tie_word_embeddings=False, pad_token_id=1, eos_token_id=0)
    d.update(k); return d


def ernie(**k):
    d = dict(architectures=["Ernie4_5_MoeForCausalLM"], model_type="ernie4_5_moe", hidden_size=64, intermediate_size=96,
             moe_intermediate_size=24, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
             moe_num_experts=16, moe_k=4, moe_num_shared_experts=2, moe_layer_start_index=1, moe_layer_end_index=2,
             moe_layer_interval=1, moe_use_aux_free=True, moe_norm_min=1e-12, use_bias=False,
             max_position_embeddings=2048, rms_norm_eps=1e-5, rope_theta=500000.0,
             tie_word_embeddings=True, pad_token_id=1, bos_token_id=0, eos_token_id=2)
    d.update(k); return d


def glm4_moe(**k):
    d = dict(architectures=["Glm4MoeForCausalLM"], model_type="glm4_moe", hidden_size=64, intermediate_size=96,
             moe_intermediate_size=24, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2, head_dim=16,
             partial_rotary_factor=0.5, n_routed_experts=16, num_experts_per_tok=4, n_shared_experts=1, n_group=1,
             topk_group=1, first_k_dense_replace=1, norm_topk_prob=True, routed_scaling_factor=1.5, use_qk_norm=True,
             attention_bias=True, num_nextn_predict_layers=0, max_position_embeddings=2048, rms_norm_eps=1e-5,
             rope_theta=1000000, rope_scaling=None, tie_word_embeddings=False, pad_token_id=1, eos_token_id=[0, 2])
    d.update(k); return d


def phimoe(**k):
    n = 8  # head_dim/2
    d = dict(architectures=["PhimoeForCausalLM"], model_type="phimoe", hidden_size=64, intermediate_size=40,
             num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2, num_local_experts=8, num_experts_per_tok=2,
             router_jitter_noise=0.01, input_jitter_noise=0.01, attention_bias=True, lm_head_bias=True,
             max_position_embeddings=2048, original_max_position_embeddings=64, rms_norm_eps=1e-5, rope_theta=10000.0,
             rope_scaling=dict(type="longrope", short_mscale=1.243163121016122, long_mscale=1.243163121016122,
                               original_max_position_embeddings=64,
                               short_factor=[1.0 + 0.05 * i for i in range(n)], long_factor=[1.0 + 0.8 * i for i in range(n)]),
             sliding_window=2047, output_router_logits=False, router_aux_loss_coef=0.0, tie_word_embeddings=False,
             bos_token_id=1, eos_token_id=2)
    d.update(k); return d


def granitemoe(**k):
    d = dict(architectures=["GraniteMoeForCausalLM"], model_type="granitemoe", hidden_size=64, intermediate_size=24,
             num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2, num_local_experts=16, num_experts_per_tok=4,
             embedding_multiplier=1.5, attention_multiplier=0.09, residual_multiplier=0.6, logits_scaling=0.25,
             attention_bias=False, max_position_embeddings=4096, rms_norm_eps=1e-6, rope_theta=10000.0, rope_scaling=None,
             output_router_logits=False, router_aux_loss_coef=0.0, tie_word_embeddings=True,
             pad_token_id=1, bos_token_id=0, eos_token_id=0)
    d.update(k); return d


def dots1(**k):
    d = dict(architectures=["Dots1ForCausalLM"], model_type="dots1", hidden_size=64, intermediate_size=96,
             moe_intermediate_size=24, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2, head_dim=20,
             n_routed_experts=16, num_experts_per_tok=4, n_shared_experts=2, n_group=1, topk_group=1, first_k_dense_replace=1,
             moe_layer_freq=1, norm_topk_prob=True, routed_scaling_factor=2.5, scoring_func="noaux_tc", attention_bias=False,
             max_position_embeddings=2048, max_window_layers=3, rms_norm_eps=1e-5, rope_theta=10000000, rope_scaling=None,
             sliding_window=None, tie_word_embeddings=False, eos_token_id=0)
    d.update(k); return d


def flex_olmo(**k):
    d = dict(architectures=["FlexOlmoForCausalLM"], model_type="flex_olmo", hidden_size=48, intermediate_size=40,
             num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, num_experts=8, num_experts_per_tok=3,
             norm_topk_prob=False, attention_bias=False, max_position_embeddings=4096, rms_norm_eps=1e-6,
             rope_theta=500000, rope_scaling=None, output_router_logits=False, router_aux_loss_coef=0.01,
             tie_word_embeddings=False, pad_token_id=1, eos_token_id=0)
    d.update(k); return d


def minimax_m2(**k):
    d = dict(architectures=["MiniMaxM2ForCausalLM"], model_type="minimax_m2", hidden_size=64, intermediate_size=24,
             num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2, head_dim=16, rotary_dim=8,
             num_local_experts=16, num_experts_per_tok=4, scoring_func="sigmoid", use_routing_bias=True, use_qk_norm=True,
             qk_norm_type="per_layer", max_position_embeddings=2048, rms_norm_eps=1e-6, rope_theta=5000000,
             tie_word_embeddings=False, bos_token_id=1, eos_token_id=0)
    d.update(k); return d


def hunyuan(**k):
    d = dict(architectures=["HunYuanMoEV1ForCausalLM"], model_type="hunyuan_v1_moe", hidden_size=64, intermediate_size=32,
             num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, head_dim=16, num_experts=8, moe_topk=3,
             attention_bias=False, max_position_embeddings=2048, rms_norm_eps=1e-5, rope_theta=10000.0, rope_scaling=None,
             tie_word_embeddings=True, pad_token_id=1, bos_token_id=0, eos_token_id=0)
    d.update(k); return d


def llama4(**k):
    d = dict(architectures=["Llama4ForCausalLM"], model_type="llama4_text", hidden_size=64, intermediate_size=32,
             intermediate_size_mlp=96, num_hidden_layers=4, num_attention_heads=4, num_key_value_heads=2, head_dim=16,
             num_local_experts=8, num_experts_per_tok=1, interleave_moe_layer_step=2, use_qk_norm=True,
             attention_chunk_size=32, no_rope_layers=[1, 1, 1, 0], attn_temperature_tuning=True, floor_scale=16, attn_scale=0.1,
             for_llm_compressor=False, max_position_embeddings=2048, rms_norm_eps=1e-5, rope_theta=500000.0,
             rope_scaling=dict(factor=8.0, high_freq_factor=4.0, low_freq_factor=1.0,
                               original_max_position_embeddings=64, rope_type="llama3"),
             output_router_logits=False, router_aux_loss_coef=0.001, router_jitter_noise=0.0, attention_bias=False,
             tie_word_embeddings=False, pad_token_id=1, bos_token_id=0, eos_token_id=[2, 3])
    d.update(k); return d


def qwen3_next(**k):
    d = dict(architectures=["Qwen3NextForCausalLM"], model_type="qwen3_next", hidden_size=64, intermediate_size=96,
             moe_intermediate_size=24, shared_expert_intermediate_size=24, num_hidden_layers=4, num_attention_heads=4,
             num_key_value_heads=2, head_dim=16, partial_rotary_factor=0.25, full_attention_interval=4,
             linear_conv_kernel_dim=4, linear_key_head_dim=16, linear_value_head_dim=16, linear_num_key_heads=2,
             linear_num_value_heads=4, num_experts=8, num_experts_per_tok=3, norm_topk_prob=True, decoder_sparse_step=1,
             mlp_only_layers=[], attention_bias=False, max_position_embeddings=2048, rms_norm_eps=1e-6, rope_theta=10000000,
             rope_scaling=None, output_router_logits=False, router_aux_loss_coef=0.001, tie_word_embeddings=False,
             bos_token_id=0, eos_token_id=0)
    d.update(k); return d


QYARN = dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=32)
P1 = PR[1:2]
LIN = dict(rope_type="linear", factor=2.0)
LL3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=64)
LONG = dict(rope_type="longrope", short_factor=[1.0 + 0.05 * i for i in range(8)], long_factor=[1.0 + 0.6 * i for i in range(8)],
            original_max_position_embeddings=64)
SPECS = [
    # Families that shared reference values do not cover.
    S("glm4_moe", 5101, glm4_moe(), pruned=P1),
    S("ernie4_5_moe", 5102, ernie(), tok="llama", pruned=P1),
    S("granitemoe", 5103, granitemoe(), pruned=P1),
    S("phimoe", 5104, phimoe(), tok="llama", pruned=P1),
    S("dots1", 5105, dots1(), tok="qwen", pruned=P1),
    S("minimax_m2", 5106, minimax_m2(), pruned=P1),
    S("flex_olmo", 5107, flex_olmo(), pruned=P1),
    S("hunyuan_v1_moe", 5108, hunyuan(), pruned=P1),
    S("llama4_text", 5109, llama4(), pruned=[], saliency=False),
    # Options of the families that they do cover.
    S("olmoe_clip", 5201, olmoe(clip_qkv=0.8, num_key_value_heads=2), pruned=P1),
    S("olmoe_bias_tied", 5202, olmoe(attention_bias=True, tie_word_embeddings=True, rope_scaling=LIN), dtype="bfloat16", pruned=P1),
    S("qwen3_moe_window_llama3", 5203, qwen3_moe(sliding_window=12, use_sliding_window=True, max_window_layers=0,
      rope_scaling=LL3, attention_bias=True), tok="qwen", pruned=P1),
    S("qwen3_moe_longrope", 5204, qwen3_moe(head_dim=16, rope_scaling=LONG, decoder_sparse_step=2, max_position_embeddings=256), tok="qwen", pruned=P1, shards=2),
    S("mixtral_window", 5205, mixtral(sliding_window=10, tie_word_embeddings=True), tok="llama", naee=[2], pruned=P1),
    S("deepseek_v2_grouped", 5206, deepseek_v2(topk_method="group_limited_greedy", n_group=4, topk_group=2, q_lora_rank=20,
      routed_scaling_factor=1.7), tok="deepseek", pruned=[], saliency=True, naee=[]),
    S("deepseek_v3_plain", 5207, deepseek_v3(n_group=1, topk_group=1, q_lora_rank=None, norm_topk_prob=False, rope_scaling=None,
      num_nextn_predict_layers=0, attention_bias=True), tok="deepseek", dtype="bfloat16", pruned=P1),
    S("gpt_oss_bf16", 5208, gpt_oss(num_hidden_layers=2, layer_types=["full_attention", "sliding_attention"], num_local_experts=8,
      num_experts_per_tok=2, experts_per_token=2), tok="o200k", dtype="bfloat16", shards=2, pruned=P1),
    S("hunyuan_alpha", 5210, hunyuan(rope_scaling=dict(type="dynamic", alpha=1000.0, beta_fast=32, beta_slow=1, factor=1.0,
      mscale=1.0, mscale_all_dim=1.0)), pruned=P1),
    S("olmoe_dynamic", 5211, olmoe(rope_scaling=dict(rope_type="dynamic", factor=4.0), max_position_embeddings=40), pruned=P1),
    S("qwen2_moe_window", 5209, qwen2_moe(use_sliding_window=True, sliding_window=9, max_window_layers=1, mlp_only_layers=[1],
      norm_topk_prob=True, qkv_bias=False), tok="qwen", pruned=P1),
]
