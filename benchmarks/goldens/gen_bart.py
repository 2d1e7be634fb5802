#!/usr/bin/env python3
"""Tiny random BART checkpoints with the values that transformers computes on them.

    python gen_bart.py OUT [NAME …]

For every configuration below a directory in the layout of the hub (config.json, model.safetensors, tokenizer.json,
tokenizer_config.json) and golden.json, which crates/judges/fixtures/README.md describes. Weights and f64 values come out the
same on every run.
"""
import json
import math
import pathlib
import sys

import torch
import transformers
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import BartConfig, BartForConditionalGeneration, PreTrainedTokenizerFast

LAMBDA = 7.0
SPECIALS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
TEXT = """The trial enrolled 120 patients with severe asthma. Half of them received the new inhaler twice a day.
After twelve weeks the rate of attacks had fallen by a third. No serious harm was seen in either group.
The authors conclude that the inhaler is safe, but that longer trials are needed. It does not cure asthma."""
PAIRS = [
    ("The trial enrolled 120 patients with severe asthma. No serious harm was seen.", "120 patients took part."),
    ("The trial enrolled 120 patients with severe asthma. No serious harm was seen.", "It cures asthma in twelve weeks, the authors say."),
    ("Half received the new inhaler.", "The inhaler is safe. Longer trials are needed, é 😀."),
    (TEXT * 2, "The rate of attacks fell by a third " * 6),
    ("", "Nothing is known."),
]

# name: (seed, dtype on disk, options)
CONFIGS = {
    "plain": (11, torch.float32, dict(d_model=16, encoder_layers=2, decoder_layers=2, encoder_attention_heads=2,
                                      decoder_attention_heads=2, encoder_ffn_dim=24, decoder_ffn_dim=24)),
    "scaled": (12, torch.bfloat16, dict(d_model=24, encoder_layers=1, decoder_layers=3, encoder_attention_heads=4,
                                        decoder_attention_heads=3, encoder_ffn_dim=40, decoder_ffn_dim=16,
                                        scale_embedding=True, activation_function="relu")),
    "shallow": (13, torch.float16, dict(d_model=8, encoder_layers=3, decoder_layers=1, encoder_attention_heads=1,
                                        decoder_attention_heads=8, encoder_ffn_dim=8, decoder_ffn_dim=32,
                                        decoder_start_token_id=0, activation_function="gelu_new")),
}


def tokenizer() -> Tokenizer:
    tok = Tokenizer(models.BPE())
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tok.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=320, special_tokens=SPECIALS, show_progress=False,
                                  initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()))
    tok.train_from_iterator(TEXT.split("\n"), trainer)
    tok.add_special_tokens([AddedToken("<mask>", lstrip=True, special=True)])
    tok.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=False)
    return tok


def make(out: pathlib.Path, name: str, seed: int, dtype, options: dict) -> None:
    directory = out / name
    directory.mkdir(parents=True, exist_ok=True)
    tok = tokenizer()
    tok.save(str(directory / "tokenizer.json"))
    (directory / "tokenizer_config.json").write_text(json.dumps(
        {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>",
         "model_max_length": 64}, indent=1))
    config = BartConfig(vocab_size=tok.get_vocab_size(), max_position_embeddings=64, init_std=0.25, **options)
    torch.manual_seed(seed)
    model = BartForConditionalGeneration(config).eval()
    with torch.no_grad():
        for key, value in model.named_parameters():
            if "layer_norm" in key or "layernorm" in key or key.endswith("bias"):
                value.add_(torch.randn_like(value) * 0.2)
        model.final_logits_bias.add_(torch.randn_like(model.final_logits_bias))
    model.to(dtype).save_pretrained(directory)
    model = BartForConditionalGeneration.from_pretrained(directory, dtype=torch.float32).eval()
    fast = PreTrainedTokenizerFast.from_pretrained(directory)
    golden = {"transformers": transformers.__version__, "torch": torch.__version__.split("+")[0], "lambda": LAMBDA, "cases": [], "batch": []}
    exact = BartForConditionalGeneration.from_pretrained(directory, dtype=torch.float64).double().eval()
    for index, (source, target) in enumerate(PAIRS):
        case = one(model, exact, fast, source, target)
        if index in (0, 2):
            case["logits"] = [[round(v, 5) for v in row] for row in case.pop("all_logits")]
        else:
            case.pop("all_logits")
        golden["cases"].append(case)
    golden["padded_by_the_original"] = original(exact, fast, [p[0] for p in PAIRS], [p[1] for p in PAIRS])
    (directory / "golden.json").write_text(json.dumps(golden, ensure_ascii=False) + "\n")


def encoded(fast, text: str, limit: int):
    return fast(text, truncation=True, max_length=limit, return_tensors="pt").input_ids


def token_log_probabilities(model, source, target):
    with torch.no_grad():
        logits = model(input_ids=source, attention_mask=torch.ones_like(source), labels=target).logits[0]
    logs = torch.log_softmax(logits, dim=-1)
    return logits.tolist(), logs.gather(-1, target[0].unsqueeze(-1)).squeeze(-1).tolist()


def one(model, exact, fast, source: str, target: str) -> dict:
    source_ids, target_ids, empty = encoded(fast, source, 64), encoded(fast, target, 40), encoded(fast, "", 64)
    logits, f32 = token_log_probabilities(model, source_ids, target_ids)
    _, given = token_log_probabilities(exact, source_ids, target_ids)
    _, prior = token_log_probabilities(exact, empty, target_ids)
    return {"source": source, "target": target, "source_ids": source_ids[0].tolist(), "target_ids": target_ids[0].tolist(),
            "all_logits": logits, "f32": f32, "f64": given, "f64_empty_source": prior, **harim(given, prior)}


def harim(given, prior) -> dict:
    """By the definition, without any padding."""
    count = len(given)
    terms = [(1 - math.exp(s)) * (1 - (math.exp(s) - math.exp(l))) / 2 for s, l in zip(given, prior)]
    mean = math.fsum(given) / count
    risk = math.fsum(terms) / count
    return {"mean_log_probability": mean, "harim": risk, "harim_plus": mean + LAMBDA * (1 - risk)}


def original(model, fast, sources, targets):
    """What the published scorer says of the pairs in one padded batch: probabilities at padding are set to 0, where its second
    term is then 1 - (1 - 0) (1 - 0) / 2 = 0.5, and these are added up with the others."""
    pad = lambda texts, limit: fast(texts, padding=True, truncation=True, max_length=limit, return_tensors="pt")
    src, tgt, emp = pad(sources, 64), pad(targets, 40), pad([""] * len(sources), 64)
    mask = tgt.attention_mask
    labels = tgt.input_ids.masked_fill(mask == 0, -100)
    def gathered(batch):
        with torch.no_grad():
            logits = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask, labels=labels).logits
        return torch.log_softmax(logits, -1).gather(-1, tgt.input_ids.unsqueeze(-1)).squeeze(-1)
    given, prior = gathered(src), gathered(emp)
    p_s, p_l = given.exp() * mask, prior.exp() * mask
    second = 1 - (1 - p_s) * (1 - (p_s - p_l)) / 2
    lengths = mask.sum(-1)
    return ((given * mask).sum(-1) / lengths + LAMBDA * second.sum(-1) / lengths).tolist()


if __name__ == "__main__":
    out = pathlib.Path(sys.argv[1])
    for name in sys.argv[2:] or CONFIGS:
        make(out, name, *CONFIGS[name])
