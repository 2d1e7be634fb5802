"""`secateur bench --device wgpu` beside transformers in bf16 on the same card, and both as shares of what the card can do. See README.md."""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "side_by_side"))

try:
    import torch
    from transformers import AutoModelForCausalLM

    from transformers_figures import BATCH, LENGTH, Figures, decode, prefill
except ImportError as missing:
    raise SystemExit(f"needs PyTorch and transformers ({missing.name} is missing): requirements.txt of benchmarks/side_by_side") from None

RATES = ["prefill_tok_s_b8x256", "prefill_last_tok_s_b8x256", "decode_tok_s_b1", "decode_tok_s_b8"]
READ_MB, SIDE = 1024, 8192  # of a card
REHEARSED_MB, REHEARSED_SIDE = 64, 512  # of a processor that stands in for one


class Synchronised(Figures):
    """Seconds until the card is done."""

    @staticmethod
    def seconds(work):
        wait()
        started = time.perf_counter()
        own = work()
        wait()
        return time.perf_counter() - started if own is None else own


def wait():
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def best(work, runs=7):
    """Least seconds; the first run does not count."""
    work()
    return min(Synchronised.seconds(work) for _ in range(runs))


def limits(device, megabytes, side):
    """Bandwidth of a read and rates of matrix products, measured."""
    read = torch.ones(megabytes << 19, dtype=torch.bfloat16, device=device)
    one = torch.randn(side, side, device=device)
    half = one.to(torch.bfloat16)
    torch.backends.cuda.matmul.allow_tf32 = False
    product = lambda x: 2 * side**3 / best(lambda: nothing(x @ x))
    return {
        "read_bytes_s": read.nbytes / best(lambda: nothing(read.max())),
        "bf16_flop_s": product(half),
        "f32_flop_s": product(one),
    }


def nothing(_):
    return None


def work_per_token(checkpoint):
    """Values and bytes of weights that one token is multiplied with: of experts its own, of the embedding one row."""
    config = json.loads((checkpoint / "config.json").read_text())
    config = config.get("text_config", config)
    experts = next(config[key] for key in ["num_experts", "num_local_experts", "n_routed_experts"] if key in config)
    chosen = config.get("num_experts_per_tok") or config["moe_topk"]
    values = held = 0.0
    for shard in sorted(checkpoint.glob("*.safetensors")):
        with open(shard, "rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        for name, tensor in header.items():
            if name == "__metadata__" or ("embed_tokens" in name and not config.get("tie_word_embeddings")):
                continue
            share = chosen / experts if ".experts." in name else 1.0
            count = 1
            for length in tensor["shape"]:
                count *= length
            begin, end = tensor["data_offsets"]
            values, held = values + share * count, held + share * (end - begin)
    return {"values": values, "bytes": held}


def transformers_rates(options, device):
    model = AutoModelForCausalLM.from_pretrained(options.checkpoint, dtype=torch.bfloat16, experts_implementation=options.experts)
    model = model.eval().to(device)
    tokens = torch.randint(0, model.config.vocab_size, (BATCH, LENGTH), generator=torch.Generator().manual_seed(0)).to(device)
    figures = Synchronised(options.repetitions)
    with torch.inference_mode():
        prefill(model, tokens, figures)
        decode(model, tokens, figures)
    return figures.medians


def secateur(options):
    words = [options.secateur, "bench", options.checkpoint, "--device", "wgpu", "--repetitions", options.repetitions, "--json"]
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"FAILED: {' '.join(map(str, words))}\n{done.stderr.strip()}")
    return json.loads(done.stdout)


def adapters(options):
    done = subprocess.run([options.secateur, "devices"], capture_output=True, text=True)
    return [line.strip() for line in done.stdout.splitlines() if "wgpu" in line]


def shares(rates, work, card):
    """Of the bandwidth at batch 1, where every weight a token needs is read for it; of the matrix rate in prefill."""
    found = {}
    if "decode_tok_s_b1" in rates:
        found["decode_b1_of_read_bandwidth"] = rates["decode_tok_s_b1"] * work["bytes"] / card["read_bytes_s"]
    if "prefill_tok_s_b8x256" in rates:
        flop_s = rates["prefill_tok_s_b8x256"] * 2 * work["values"]
        found["prefill_of_bf16_rate"], found["prefill_of_f32_rate"] = flop_s / card["bf16_flop_s"], flop_s / card["f32_flop_s"]
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path, help="a directory that both can read")
    parser.add_argument("--secateur", required=True, help="built with --features wgpu, for a card with gpu too")
    parser.add_argument("--experts", default="grouped_mm", help="how transformers computes experts (default: %(default)s)")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--rehearse", action="store_true", help="without a card: transformers on the processor; says nothing about GPUs")
    parser.add_argument("--json", type=Path, help="where to write all of it")
    options = parser.parse_args()
    there = adapters(options)
    if not torch.cuda.is_available() and not options.rehearse:
        raise SystemExit(
            "no card that PyTorch can compute on. Needed: a GPU with a Vulkan driver (for Secateur) and a PyTorch built for its CUDA "
            f"or ROCm (for transformers). Secateur finds: {'; '.join(there) or 'nothing, or was built without wgpu'}. "
            "--rehearse runs everything on what there is."
        )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    size = (READ_MB, SIDE) if device == "cuda" else (REHEARSED_MB, REHEARSED_SIDE)
    card = limits(device, *size)
    work = work_per_token(options.checkpoint)
    theirs = transformers_rates(options, device)
    if device == "cuda":
        torch.cuda.empty_cache()
    ours = secateur(options)
    result = {
        "rehearsed": device == "cpu",
        "card": torch.cuda.get_device_name() if device == "cuda" else "none",
        "adapters": there,
        "limits": card,
        "per_token": work,
        "transformers": {**theirs, "torch": torch.__version__, "experts": options.experts},
        "secateur": ours,
        "ratios": {name: ours[name] / theirs[name] for name in RATES if name in ours and name in theirs},
        "shares": {"secateur": shares(ours, work, card), "transformers": shares(theirs, work, card)},
    }
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    print(f"{result['card']}: read {card['read_bytes_s'] / 1e9:.0f} GB/s, bf16 {card['bf16_flop_s'] / 1e12:.2f}, f32 {card['f32_flop_s'] / 1e12:.2f} TFLOP/s")
    for name, ratio in result["ratios"].items():
        print(f"{name:28} {ours[name]:10.1f} / {theirs[name]:10.1f} = {ratio:.2f}")
    for program, found in result["shares"].items():
        for name, share in found.items():
            print(f"{program:13} {name:28} {100 * share:.2f} %")
    if result["rehearsed"]:
        print("a rehearsal: no figure here says anything about a GPU")


if __name__ == "__main__":
    main()
