"""Writes an OLMoE of 453 million random parameters: DIRECTORY/f32 and DIRECTORY/bf16, the same each time.

Large enough that products decide, small enough that transformers and the checkpoint fit into 4 GB. Weights are scaled so that the
residual stream neither dies nor explodes, and the router spreads tokens over all experts.

With --full one of OLMoE-1B-7B's shape instead, 6.9 thousand million parameters, as DIRECTORY/full in bf16: written tensor by tensor, so
that it takes the memory of one.
"""

import argparse
import json
import struct
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
# As allenai/OLMoE-1B-7B-0924 has them.
FULL = SIZES | {
    "vocab_size": 50304,
    "hidden_size": 2048,
    "intermediate_size": 1024,
    "num_hidden_layers": 16,
    "num_experts": 64,
}
THETA = 10000.0
DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16}


def config_of(sizes):
    return OlmoeConfig(
        **sizes,
        norm_topk_prob=False,
        rms_norm_eps=1e-5,
        tie_word_embeddings=False,
        pad_token_id=1,
        eos_token_id=None,
        rope_parameters={"rope_type": "default", "rope_theta": THETA},
    )


def scale(name, inputs):
    """Standard deviation of a matrix."""
    return 1.0 if "embed" in name else 1.5 * inputs**-0.5


def random_model(seed):
    """In f32."""
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config_of(SIZES), dtype=torch.float32)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() > 1:
                weight.normal_(0, scale(name, weight.shape[-1]))
    return model


def write_config(path, config, dtype):
    """As checkpoints on the hub have it: one spelling that every reader knows."""
    config.pop("rope_parameters", None)
    config |= {"rope_theta": THETA, "rope_scaling": None, "torch_dtype": str(dtype).removeprefix("torch.")}
    path.write_text(json.dumps(config, indent=2) + "\n")


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
        path = folder / "config.json"
        write_config(path, json.loads(path.read_text()), DTYPES[name])


def shards(sizes):
    """Names and shapes: a shard for each layer, and one for what is outside of them."""
    hidden, inner, vocabulary = sizes["hidden_size"], sizes["intermediate_size"], sizes["vocab_size"]
    for layer in range(sizes["num_hidden_layers"]):
        named = lambda name: f"model.layers.{layer}.{name}.weight"
        shard = {named(name): [hidden] for name in ("input_layernorm", "post_attention_layernorm")}
        shard |= {named(f"self_attn.{name}_norm"): [hidden] for name in "qk"}
        shard |= {named(f"self_attn.{name}_proj"): [hidden, hidden] for name in "qkvo"}
        shard[named("mlp.gate")] = [sizes["num_experts"], hidden]
        for expert in range(sizes["num_experts"]):
            shard |= {named(f"mlp.experts.{expert}.{name}_proj"): [inner, hidden] for name in ("gate", "up")}
            shard[named(f"mlp.experts.{expert}.down_proj")] = [hidden, inner]
        yield shard
    yield {"model.embed_tokens.weight": [vocabulary, hidden], "lm_head.weight": [vocabulary, hidden], "model.norm.weight": [hidden]}


class Normals:
    """Normal numbers from a pool, from another place in it each time: to draw every one would take minutes."""

    SIZE = 1 << 24

    def __init__(self, seed):
        self.generator = torch.Generator().manual_seed(seed)
        self.pool = torch.randn(self.SIZE, generator=self.generator)

    def take(self, shape, deviation):
        """In bf16, as bytes."""
        parts, left = [], torch.Size(shape).numel()
        while left:
            place = int(torch.randint(self.SIZE, (), generator=self.generator))
            part = self.pool[place : place + left]
            parts.append((part * deviation).to(torch.bfloat16).view(torch.int16).numpy().tobytes())
            left -= len(part)
        return b"".join(parts)


def write_shard(path, shapes, normals):
    """A safetensors file; returns its tensors' bytes. Vectors are ones, as norms are at first."""
    header, end = {}, 0
    for name, shape in shapes.items():
        begin, end = end, end + 2 * torch.Size(shape).numel()
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for name, shape in shapes.items():
            ones = struct.pack("<H", 0x3F80) * shape[0]
            out.write(normals.take(shape, scale(name, shape[-1])) if len(shape) > 1 else ones)
    return end


def write_full(directory, seed=0, layers=FULL["num_hidden_layers"]):
    """The large one, of as many layers; what is there already stays."""
    folder, sizes = directory / f"full-{layers}", FULL | {"num_hidden_layers": layers}
    if (folder / "config.json").exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    normals = Normals(seed)
    every = list(shards(sizes))
    weight_map, total = {}, 0
    for number, shapes in enumerate(every, 1):
        name = f"model-{number:05}-of-{len(every):05}.safetensors"
        total += write_shard(folder / name, shapes, normals)
        weight_map |= dict.fromkeys(shapes, name)
        print(f"{name}: {total / 1e9:.1f} GB so far", flush=True)
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    config = {"architectures": ["OlmoeForCausalLM"], **config_of(sizes).to_dict()}
    # The last one: without it the checkpoint is not whole.
    write_config(folder / "config.json", config, torch.bfloat16)
    return folder


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--full", action="store_true", help="one of OLMoE-1B-7B's shape, 13.8 GB")
    options = parser.parse_args()
    (write_full if options.full else write)(options.directory, options.seed)
