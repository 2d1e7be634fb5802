"""Writes an OLMoE of 453 million random parameters: DIRECTORY/f32 and DIRECTORY/bf16, the same each time.

Large enough that products decide, small enough that transformers and the checkpoint fit into 4 GB. Weights are scaled so that the
residual stream neither dies nor explodes, and the router spreads tokens over all experts.
"""

import argparse
import json
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, OlmoeConfig

SIZES = {
    "vocab_size": 8192,
    "hidden_size": 1024,
    "intermediate_size": 512,
    "num_hidden_layers": 8,
    "num_attention_heads": 16,
    "num_key_value_heads": 16,
    "num_experts": 32,
    "num_experts_per_tok": 8,
    "max_position_embeddings": 4096,
}
THETA = 10000.0
DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16}


def random_model(seed):
    """In f32."""
    config = OlmoeConfig(
        **SIZES,
        norm_topk_prob=False,
        rms_norm_eps=1e-5,
        tie_word_embeddings=False,
        pad_token_id=1,
        eos_token_id=None,
        rope_parameters={"rope_type": "default", "rope_theta": THETA},
    )
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() > 1:
                weight.normal_(0, 1.0 if "embed" in name else 1.5 * weight.shape[-1] ** -0.5)
    return model


def write(directory, seed=0):
    """Both checkpoints; what is there already stays."""
    missing = [name for name in DTYPES if not (directory / name / "config.json").exists()]
    if not missing:
        return
    model = random_model(seed)
    print(f"{sum(weight.numel() for weight in model.parameters()) / 1e6:.1f} M parameters", flush=True)
    for name in missing:
        folder = directory / name
        model.to(DTYPES[name]).save_pretrained(folder, max_shard_size="500MB")
        # As checkpoints on the hub have it: one spelling that every reader knows.
        config = json.loads((folder / "config.json").read_text())
        config.pop("rope_parameters", None)
        config |= {"rope_theta": THETA, "rope_scaling": None, "torch_dtype": str(DTYPES[name]).removeprefix("torch.")}
        (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    write(options.directory, options.seed)
