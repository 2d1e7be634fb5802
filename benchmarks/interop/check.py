"""Exports against transformers: prune, load, compare logits with the masked model's. See README.md."""

import argparse
import json
import logging
import pathlib
import random
import subprocess
import sys
import tempfile
import warnings

import torch
import transformers
from safetensors.torch import load_file

WEIGHT_WORDS = ("weight", "missing", "unexpected", "newly initialized", "not used", "mismatch", "tied")


class Kept(logging.Handler):
    """Keeps what transformers logs."""

    def __init__(self):
        super().__init__(level=logging.WARNING)
        self.lines = []

    def emit(self, record):
        self.lines.append(record.getMessage())


def secateur(binary, *arguments):
    """Runs a command; its message is ours where it refuses."""
    done = subprocess.run([binary, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"secateur {arguments[0]}: {done.stderr.strip()}")
    return done.stdout


def prompts(vocabulary, seed, count=3, longest=48):
    """Sequences of token ids, the same for equal seeds."""
    draw = random.Random(seed)
    return [[draw.randrange(vocabulary) for _ in range(length)] for length in (1, longest // 3, longest)[:count]]


def load(directory):
    """The model in f32, and everything that speaks against its weights."""
    kept = Kept()
    logger = logging.getLogger("transformers")
    logger.addHandler(kept)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model, info = transformers.AutoModelForCausalLM.from_pretrained(
            directory, dtype=torch.float32, attn_implementation="eager", output_loading_info=True, trust_remote_code=False
        )
    logger.removeHandler(kept)
    faults = [f"{key}: {sorted(map(str, value))[:5]}" for key, value in info.items() if value]
    lines = kept.lines + [str(warning.message) for warning in caught]
    faults += [line for line in lines if any(word in line.lower() for word in WEIGHT_WORDS)]
    return model.eval(), faults


def logits_of(model, sequences):
    with torch.no_grad():
        return [model(torch.tensor([ids])).logits[0].double() for ids in sequences]


def compare(ours, theirs):
    """Largest difference, as a share of the logits' standard deviation, and positions with another likeliest token."""
    largest = max((a.double() - b).abs().max().item() for a, b in zip(ours, theirs, strict=True))
    spread = torch.cat([b.flatten() for b in theirs]).std().item()
    other = sum((a.argmax(-1) != b.argmax(-1)).sum().item() for a, b in zip(ours, theirs, strict=True))
    return {"largest": largest, "of_standard_deviation": largest / spread, "other_argmax": other}


def vocabulary_of(directory):
    config = transformers.AutoConfig.from_pretrained(directory, trust_remote_code=False)
    return getattr(config, "text_config", config).vocab_size


def ours_of(binary, directory, folder, name, mask=None):
    output = folder / f"{name}.safetensors"
    chosen = ["--mask", mask] if mask else []
    secateur(binary, "logits", directory, "--tokens", folder / "tokens.json", "--output", output, *chosen)
    tensors = load_file(output)
    return [tensors[f"logits.{i}"] for i in range(len(tensors))]


def choose(arguments, directory, folder):
    """The mask as a file."""
    if arguments.mask:
        return arguments.mask
    mask = folder / "expert_mask.json"
    command = ["rank", directory, "--method", arguments.method, "--seed", arguments.seed, "--ratio", arguments.ratio]
    for statistics in arguments.statistics:
        command += ["--statistics", statistics]
    secateur(arguments.secateur, *command, "--export", mask)
    return mask


def check(arguments, directory):
    """All figures of one checkpoint, and its faults."""
    with tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place)
        sequences = prompts(vocabulary_of(directory), arguments.seed)
        (folder / "tokens.json").write_text(json.dumps(sequences))
        mask = choose(arguments, directory, folder)
        pruned = folder / "pruned"
        secateur(arguments.secateur, "prune", directory, pruned, "--mask", mask)
        whole, faults_before = load(directory)
        before = logits_of(whole, sequences)
        del whole
        smaller, faults = load(pruned)
        after = logits_of(smaller, sequences)
        parameters = sum(p.numel() for p in smaller.parameters())
        found = {
            "checkpoint": str(directory),
            "parameters_after": parameters,
            "unpruned": compare(ours_of(arguments.secateur, directory, folder, "whole"), before),
            "pruned": compare(ours_of(arguments.secateur, directory, folder, "masked", mask), after),
            "export_in_secateur": compare(ours_of(arguments.secateur, pruned, folder, "pruned_logits"), after),
            # What transformers says of the original too is not the export's doing, but it is shown.
            "faults_of_the_original": faults_before,
            "faults": faults,
        }
    for name in ("unpruned", "pruned", "export_in_secateur"):
        if not found[name]["of_standard_deviation"] <= arguments.tolerance:
            found["faults"].append(f"{name}: logits differ by {found[name]['of_standard_deviation']:.2e} standard deviations")
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoints", nargs="+", type=pathlib.Path)
    parser.add_argument("--secateur", default="target/release/secateur", help="the program")
    parser.add_argument("--mask", type=pathlib.Path, help="mask instead of a method; one checkpoint only")
    parser.add_argument("--method", default="random")
    parser.add_argument("--statistics", action="append", default=[], help="for methods that need them")
    parser.add_argument("--ratio", type=float, default=0.5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tolerance", type=float, default=1e-4, help="largest difference, in standard deviations of the logits")
    parser.add_argument("--json", type=pathlib.Path, help="write the figures here")
    arguments = parser.parse_args()
    if arguments.mask and len(arguments.checkpoints) > 1:
        parser.error("--mask fits one checkpoint")
    transformers.utils.logging.set_verbosity_warning()
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(2)
    results, failed = [], 0
    for directory in arguments.checkpoints:
        try:
            found = check(arguments, directory)
        except Exception as error:  # one checkpoint must not hide the others
            found = {"checkpoint": str(directory), "faults": [f"{type(error).__name__}: {error}"]}
        results.append(found)
        failed += bool(found["faults"])
        verdict = "FAILED" if found["faults"] else "ok"
        figures = " ".join(f"{k} {found[k]['of_standard_deviation']:.1e}" for k in ("unpruned", "pruned", "export_in_secateur") if k in found)
        print(f"{verdict:6} {directory}: {figures}", *found["faults"], sep="\n         " if found["faults"] else "", flush=True)
    if arguments.json:
        versions = {"torch": torch.__version__, "transformers": transformers.__version__}
        arguments.json.write_text(json.dumps({"versions": versions, "results": results}, indent=1) + "\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
