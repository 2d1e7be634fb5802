"""Tiny hub-style configs for the hybrid families. SPECS rows: (name, kind, options, config.json)."""
INF = float("inf")


def O(seed, **k):
    d = dict(seed=seed, tok="gpt2", dtype="float32", shards=1); d.update(k); return d


def nemotron(pattern="MEM*EME", **k):
    d = dict(architectures=["NemotronHForCausalLM"], model_type="nemotron_h", vocab_size=512, hidden_size=48,
             hybrid_override_pattern=pattern, num_hidden_layers=len(pattern), intermediate_size=24, head_dim=16,
             num_attention_heads=4, num_key_value_heads=2, attention_bias=False, attention_dropout=0.0, sliding_window=None,
             mlp_hidden_act="relu2", mlp_bias=False, mamba_num_heads=4, mamba_head_dim=16, mamba_hidden_act="silu",
             mamba_proj_bias=False, n_groups=2, ssm_state_size=12, conv_kernel=4, expand=2, chunk_size=16, use_conv_bias=True,
             use_bias=False, use_mamba_kernels=True, time_step_floor=1e-4, time_step_limit=[0.0, INF], time_step_max=0.1,
             time_step_min=0.001, mamba_ssm_cache_dtype="float32", n_routed_experts=16, num_experts_per_tok=4, n_shared_experts=1,
             moe_intermediate_size=24, moe_shared_expert_intermediate_size=40, n_group=1, topk_group=1, norm_topk_prob=True,
             routed_scaling_factor=2.5, layer_norm_epsilon=1e-5, norm_eps=1e-5, residual_in_fp32=False, rescale_prenorm_residual=True,
             hidden_dropout=0.0, initializer_range=0.02, max_position_embeddings=4096, num_logits_to_keep=1, partial_rotary_factor=1.0,
             rope_theta=10000, tie_word_embeddings=False, use_cache=True, bos_token_id=1, eos_token_id=2, pad_token_id=0,
             torch_dtype="bfloat16", transformers_version="4.55.4")
    d.update(k); return d


def qwen35(layers=4, interval=4, text=None, **k):
    t = dict(attention_bias=False, attention_dropout=0.0, attn_output_gate=True, dtype="bfloat16", eos_token_id=2, full_attention_interval=interval,
             head_dim=32, hidden_act="silu", hidden_size=48, initializer_range=0.02,
             layer_types=["full_attention" if (i + 1) % interval == 0 else "linear_attention" for i in range(layers)],
             linear_conv_kernel_dim=4, linear_key_head_dim=16, linear_num_key_heads=2, linear_num_value_heads=4, linear_value_head_dim=12,
             mamba_ssm_dtype="float32", max_position_embeddings=4096, mlp_only_layers=[], model_type="qwen3_5_moe_text",
             moe_intermediate_size=20, mtp_num_hidden_layers=1, mtp_use_dedicated_embeddings=False, num_attention_heads=4, num_experts=16,
             num_experts_per_tok=4, num_hidden_layers=layers, num_key_value_heads=2, rms_norm_eps=1e-6, router_aux_loss_coef=0.001,
             shared_expert_intermediate_size=28, use_cache=True, vocab_size=512,
             rope_parameters=dict(mrope_interleaved=True, mrope_section=[2, 1, 1], rope_type="default", rope_theta=10000000, partial_rotary_factor=0.25))
    t.update(text or {})
    d = dict(architectures=["Qwen3_5MoeForConditionalGeneration"], model_type="qwen3_5_moe", image_token_id=500, video_token_id=501,
             vision_start_token_id=502, vision_end_token_id=503, text_config=t, tie_word_embeddings=False, transformers_version="4.57.1",
             vision_config=dict(depth=1, hidden_act="gelu_pytorch_tanh", hidden_size=16, in_channels=3, initializer_range=0.02, intermediate_size=24,
                                model_type="qwen3_5_moe", num_heads=2, num_position_embeddings=16, out_hidden_size=t["hidden_size"], patch_size=4,
                                spatial_merge_size=2, temporal_patch_size=2, deepstack_visual_indexes=[]))
    d.update(k); return d


def qwen3_next(**k):
    d = dict(architectures=["Qwen3NextForCausalLM"], model_type="qwen3_next", vocab_size=512, hidden_act="silu", hidden_size=48, intermediate_size=96,
             moe_intermediate_size=20, shared_expert_intermediate_size=28, num_hidden_layers=4, num_attention_heads=4,
             num_key_value_heads=2, head_dim=32, partial_rotary_factor=0.25, full_attention_interval=4, linear_conv_kernel_dim=4,
             linear_key_head_dim=16, linear_value_head_dim=12, linear_num_key_heads=2, linear_num_value_heads=4, num_experts=12,
             num_experts_per_tok=3, norm_topk_prob=True, decoder_sparse_step=1, mlp_only_layers=[], attention_bias=False, attention_dropout=0.0,
             max_position_embeddings=4096, rms_norm_eps=1e-6, rope_theta=10000000, rope_scaling=None, output_router_logits=False,
             router_aux_loss_coef=0.001, tie_word_embeddings=False, bos_token_id=0, eos_token_id=2, use_cache=True, initializer_range=0.02,
             torch_dtype="bfloat16", transformers_version="4.57.0.dev0")
    d.update(k); return d


def lfm2(**k):
    d = dict(architectures=["Lfm2MoeForCausalLM"], model_type="lfm2_moe", vocab_size=512, hidden_size=48, intermediate_size=72, moe_intermediate_size=20,
             num_hidden_layers=5, layer_types=["conv", "conv", "full_attention", "conv", "full_attention"], num_dense_layers=2,
             num_attention_heads=4, num_key_value_heads=2, conv_L_cache=3, conv_bias=False, norm_eps=1e-5, norm_topk_prob=True, num_experts=12,
             num_experts_per_tok=3, use_expert_bias=True, routed_scaling_factor=1.0, rope_theta=1000000.0, max_position_embeddings=4096,
             initializer_range=0.02, use_cache=True, tie_embedding=True, bos_token_id=1, eos_token_id=7, pad_token_id=0, dtype="bfloat16",
             transformers_version="4.57.0.dev0")
    d.update(k); return d


SPECS = [
    ("nemotron_h_grouped", "nemotron", O(7101, dtype="bfloat16", shards=2, n_keep=12),
     nemotron("M-E*EM*M", hidden_size=40, mamba_num_heads=5, mamba_head_dim=6, n_groups=5, ssm_state_size=9, chunk_size=8, conv_kernel=2,
              n_routed_experts=24, n_group=4, topk_group=2, num_experts_per_tok=5, routed_scaling_factor=1.3, use_conv_bias=False,
              num_attention_heads=4, num_key_value_heads=4, head_dim=10, moe_intermediate_size=18, moe_shared_expert_intermediate_size=26,
              intermediate_size=52, layer_norm_epsilon=1e-6, norm_eps=1e-6)),
    ("nemotron_h_bias", "nemotron", O(7102, n_keep=6),
     nemotron("EM*EM", hidden_size=36, mamba_num_heads=6, mamba_head_dim=8, n_groups=1, ssm_state_size=20, chunk_size=32, use_bias=True,
              n_routed_experts=10, num_experts_per_tok=3, norm_topk_prob=False, routed_scaling_factor=0.8, num_attention_heads=2,
              num_key_value_heads=1, head_dim=8, moe_intermediate_size=22)),
    ("qwen3_5_moe_split", "qwen3_5", O(7103, tok="qwen", dtype="bfloat16", shards=3, mtp="split", n_keep=5),
     qwen35(4, 2, text=dict(hidden_size=40, head_dim=16, num_attention_heads=4, num_key_value_heads=1, linear_num_key_heads=2, linear_num_value_heads=6,
                            linear_key_head_dim=10, linear_value_head_dim=7, linear_conv_kernel_dim=2, num_experts=9, num_experts_per_tok=2,
                            moe_intermediate_size=15, rms_norm_eps=1e-5, attention_bias=True,
                            rope_parameters=dict(mrope_interleaved=True, mrope_section=[2, 1, 1], rope_type="default", rope_theta=1000000, partial_rotary_factor=0.5)))),
    ("qwen3_next_dense", "qwen3_next", O(7104, tok="qwen", dtype="bfloat16", shards=2, n_keep=5),
     qwen3_next(hidden_size=40, num_hidden_layers=4, full_attention_interval=2, num_experts=10, num_experts_per_tok=4, linear_num_key_heads=3,
                linear_num_value_heads=3, linear_key_head_dim=8, linear_value_head_dim=14, linear_conv_kernel_dim=3, norm_topk_prob=False,
                mlp_only_layers=[2], attention_bias=True, partial_rotary_factor=0.5, rope_theta=50000)),
    ("lfm2_moe_bias", "lfm2", O(7105, n_keep=5),
     lfm2(hidden_size=40, num_hidden_layers=4, layer_types=["full_attention", "conv", "conv", "full_attention"], num_dense_layers=1, conv_L_cache=5,
          conv_bias=True, num_experts=9, num_experts_per_tok=2, routed_scaling_factor=1.7, norm_topk_prob=False, norm_eps=1e-6)),
    ("lfm2_moe_plain", "lfm2", O(7106, dtype="bfloat16", n_keep=4),
     lfm2(num_hidden_layers=3, layer_types=["conv", "full_attention", "conv"], num_dense_layers=0, conv_L_cache=2, use_expert_bias=False,
          num_experts=6, num_experts_per_tok=3, rope_theta=10000.0)),
]
