"""What `secateur bench` measures, in transformers: one setting, one process, one JSON object with the same keys.

A figure that a setting has no memory for is left out, and named under `refused`.
"""

import argparse
import json
import resource
import statistics
import sys
import time
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, StoppingCriteria, StoppingCriteriaList, logging

BATCH, LENGTH, PROMPT, NEW, SAMPLES = 8, 256, 64, 32, 4
DTYPES = {"bf16": torch.bfloat16, "f32": torch.float32}
PARTS = ["prefill", "decode", "calibration"]
MEMORY_SHARE = 0.8  # of what is free: the system kills what takes more


def memory_limit():
    """Bytes that may be allocated; a setting that copies weights for each token would take all there is."""
    line = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemAvailable"))
    return int(MEMORY_SHARE * 1024 * int(line.split()[1]))


class Figures:
    def __init__(self, repetitions):
        self.repetitions, self.medians, self.spread, self.refused = repetitions, {}, {}, {}

    def rate(self, name, tokens, work):
        """`work` runs once uncounted, then as often as asked for, and returns the seconds that count, or nothing: then all do. If it is asked
        for no more, the first run counts."""
        try:
            first = tokens / self.seconds(work)
            runs = [tokens / self.seconds(work) for _ in range(self.repetitions)] or [first]
        except (RuntimeError, MemoryError) as error:
            if not any(word in str(error) for word in ["allocate", "memory"]) and not isinstance(error, MemoryError):
                raise
            self.refused[name] = str(error).splitlines()[0][:200]
            return
        self.medians[name] = statistics.median(runs)
        self.spread[name] = {"least": min(runs), "most": max(runs), "runs": runs}
        print(f"{name} {self.medians[name]:.1f}", file=sys.stderr, flush=True)

    @staticmethod
    def seconds(work):
        started = time.perf_counter()
        own = work()
        return time.perf_counter() - started if own is None else own


def prefill(model, tokens, figures):
    count = tokens.numel()
    figures.rate("prefill_tok_s_b8x256", count, lambda: nothing(model(input_ids=tokens, use_cache=False)))
    figures.rate(
        "prefill_last_tok_s_b8x256", count, lambda: nothing(model(input_ids=tokens, use_cache=False, logits_to_keep=1))
    )


def nothing(_):
    return None


class FirstToken(StoppingCriteria):
    """Never stops, and knows when the first new token was there."""

    def __init__(self):
        self.at = None

    def __call__(self, ids, scores, **_):
        if self.at is None:
            self.at = time.perf_counter()
        return torch.zeros(len(ids), dtype=torch.bool, device=ids.device)


def decode(model, tokens, figures):
    def further_tokens(prompts):
        """Seconds from the first new tokens to the last."""
        first = FirstToken()
        ids = model.generate(
            prompts,
            attention_mask=torch.ones_like(prompts),
            max_new_tokens=NEW + 1,
            min_new_tokens=NEW + 1,
            do_sample=False,
            pad_token_id=1,
            stopping_criteria=StoppingCriteriaList([first]),
        )
        if ids.shape[1] != PROMPT + NEW + 1:
            raise SystemExit(f"FAILED: {ids.shape[1] - PROMPT} new tokens, expected {NEW + 1}")
        return time.perf_counter() - first.at

    for batch in [1, BATCH]:
        prompts = tokens[:batch, :PROMPT]
        figures.rate(f"decode_tok_s_b{batch}", batch * NEW, lambda: further_tokens(prompts))


class Reap:
    """Sums of gate weight × norm of the expert's output, per layer and expert."""

    def __init__(self, model):
        self.modules = [layer.mlp.experts for layer in model.model.layers]
        shape = (len(self.modules), model.config.num_experts)
        self.sums, self.counts = torch.zeros(shape, dtype=torch.float64), torch.zeros(shape, dtype=torch.long)

    def outputs(self, module, hidden, selected):
        """Each expert's tokens, places among the selected, and outputs."""
        for expert in selected.unique().tolist():
            token, place = torch.where(selected == expert)
            gate, up = torch.nn.functional.linear(hidden[token], module.gate_up_proj[expert]).chunk(2, dim=-1)
            yield expert, token, place, torch.nn.functional.linear(module.act_fn(gate) * up, module.down_proj[expert])

    def add(self, layer, expert, outputs, weights):
        norms = torch.linalg.vector_norm(outputs.float(), dim=-1)
        self.sums[layer, expert] += (norms * weights.float()).sum(dtype=torch.float64)
        self.counts[layer, expert] += len(weights)

    def beside(self):
        """Routed experts run once more behind the layer: works with every implementation of experts."""

        def hook(layer):
            def collect(module, arguments, _):
                hidden, selected, weights = arguments
                for expert, token, place, outputs in self.outputs(module, hidden, selected):
                    self.add(layer, expert, outputs, weights[token, place])

            return collect

        hooks = [module.register_forward_hook(hook(layer)) for layer, module in enumerate(self.modules)]
        return lambda: [hook.remove() for hook in hooks]

    def instead(self):
        """Experts run once, in a loop that sees their outputs."""

        def forward(layer, module):
            def collect(hidden, selected, weights):
                total = torch.zeros_like(hidden)
                for expert, token, place, outputs in self.outputs(module, hidden, selected):
                    used = weights[token, place]
                    self.add(layer, expert, outputs, used)
                    total.index_add_(0, token, (outputs * used[:, None]).to(total.dtype))
                return total

            return collect

        for layer, module in enumerate(self.modules):
            module.forward = forward(layer, module)
        return lambda: [module.__dict__.pop("forward") for module in self.modules]


def calibration(model, tokens, figures):
    """Sequences one by one, and side by side in one pass."""
    for batch in [1, SAMPLES]:
        layers = lambda: [model.model(input_ids=rows, use_cache=False) for rows in tokens[:SAMPLES].split(batch)]
        suffix = f"tok_s_b{batch}x{LENGTH}"
        reap_sums(model, layers, suffix, figures)
        figures.rate(f"plain_layers_{suffix}", SAMPLES * LENGTH, lambda: nothing(layers()))
    whole = lambda: [model(input_ids=rows, use_cache=False) for rows in tokens[:SAMPLES].split(1)]
    figures.rate(f"plain_forward_tok_s_b1x{LENGTH}", SAMPLES * LENGTH, lambda: nothing(whole()))


def reap_sums(model, layers, suffix, figures):
    """Both ways; the faster one counts."""
    reap = Reap(model)
    found = {}
    for name in ["beside", "instead"]:
        key = f"calibration_reap_{name}_{suffix}"
        undo = getattr(reap, name)()
        figures.rate(key, SAMPLES * LENGTH, lambda: nothing(layers()))
        undo()
        if key in figures.medians:
            found[figures.medians[key]] = key
    if not torch.all(reap.counts.sum(dim=1) > 0):
        raise SystemExit("FAILED: the calibration saw no tokens in some layer")
    if found:
        best = found[max(found)]
        figures.medians[f"calibration_reap_{suffix}"] = figures.medians[best]
        figures.spread[f"calibration_reap_{suffix}"] = figures.spread[best]


def resident_mb():
    """Now."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def peak_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--dtype", choices=DTYPES, default="bf16")
    parser.add_argument("--experts", default="grouped_mm", help="eager, grouped_mm or batched_mm")
    parser.add_argument("--attention", default="sdpa", help="sdpa or eager")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--only", default=",".join(PARTS), help="parts, separated by commas")
    options = parser.parse_args()
    logging.set_verbosity_error()
    torch.set_num_threads(options.threads)
    limit = memory_limit()
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    started = time.perf_counter()
    model = AutoModelForCausalLM.from_pretrained(
        options.checkpoint,
        dtype=DTYPES[options.dtype],
        attn_implementation=options.attention,
        experts_implementation=options.experts,
    ).eval()
    load_s, after_load = time.perf_counter() - started, resident_mb()
    tokens = torch.randint(4, model.config.vocab_size, (BATCH, LENGTH), generator=torch.Generator().manual_seed(1))
    figures = Figures(options.repetitions)
    with torch.inference_mode():
        for part in options.only.split(","):
            {"prefill": prefill, "decode": decode, "calibration": calibration}[part](model, tokens, figures)
    result = {
        "program": "transformers",
        "dir": str(options.checkpoint),
        "dtype": options.dtype,
        "experts": options.experts,
        "attention": options.attention,
        "threads": options.threads,
        "repetitions": options.repetitions,
        "load_s": load_s,
        "rss_after_load_mb": after_load,
        **figures.medians,
        "peak_rss_mb": peak_mb(),
        "spread": figures.spread,
        "refused": figures.refused,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
