"""A checkpoint of 13.8 GB under a memory limit, and without one: calibration, a task, an export. See README.md."""

import argparse
import json
import os
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "side_by_side"))

from cage import Open, cage, run
from machine import facts, warn_if_busy
from random_olmoe import FULL, write_full

# Of each kind as much: a sample, or a question with its choices.
WORDS_PER_SAMPLE = 512
WORDS_PER_QUESTION = 24
KEPT_SHARE = 0.25
CHUNK = 8 << 20
# Bytes after which the disk's rate is known.
ENOUGH = 8e9


# --- the checkpoint ---


def tokenizer(folder):
    """Words w0 … w9999, a token each."""
    words = {f"w{n}": n for n in range(10000)}
    whole = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": None,
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": words, "unk_token": "w0"},
    }
    (folder / "tokenizer.json").write_text(json.dumps(whole))
    (folder / "tokenizer_config.json").write_text(json.dumps({"eos_token": "w1"}))


def shards(folder):
    return sorted(folder.glob("*.safetensors"))


def forget(folder):
    """Has the system drop the checkpoint's pages, so that whoever comes next reads from disk."""
    os.sync()
    for path in shards(folder):
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def disk_rate(folder):
    """Bytes a second of reading the first shards in order, cold."""
    forget(folder)
    read, started = 0, time.perf_counter()
    for path in shards(folder):
        if read > ENOUGH:
            break
        with path.open("rb", buffering=0) as file:
            while chunk := file.read(CHUNK):
                read += len(chunk)
    seconds = time.perf_counter() - started
    forget(folder)
    return read / seconds


# --- the work ---


def work(options, folder):
    """A sweep file with one corpus and one task, and a mask."""
    chance = random.Random(0)
    words = lambda count: " ".join(f"w{chance.randrange(10000)}" for _ in range(count))
    samples = options.calibration_tokens // WORDS_PER_SAMPLE
    (folder / "corpus.jsonl").write_text("".join(json.dumps({"text": words(WORDS_PER_SAMPLE)}) + "\n" for _ in range(samples)))
    cards = folder / "cards"
    cards.mkdir()
    items = [
        {"id": str(n), "question": words(WORDS_PER_QUESTION), "choices": [words(2) for _ in range(4)], "label": n % 4}
        for n in range(options.items)
    ]
    (cards / "words.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    (cards / "words.toml").write_text(
        'name = "words"\nversion = 1\nkind = "multiple_choice"\ndomain = "general"\nlicence = "CC0-1.0"\n'
        '[data]\nfile = "words.jsonl"\nid = "id"\n[prompt]\ntemplate = "{question}"\n'
        '[choices]\nfield = "choices"\nlabel = "label"\n[scoring]\nmetrics = ["acc"]\n'
    )
    (folder / "sweep.toml").write_text(
        'name = "larger"\nmethods = ["reap"]\nratios = [0.5]\ncalibrate_on = ["words"]\ncards = ["cards"]\nbootstrap_samples = 1000\n'
        f'[[models]]\nname = "full"\npath = {json.dumps(str(options.checkpoint))}\n'
        f'[[corpora]]\nname = "words"\nfile = "corpus.jsonl"\nsamples = {samples}\nchat_template = false\nmax_tokens = {WORDS_PER_SAMPLE}\n'
        '[[tasks]]\nname = "words"\nchat_template = false\n'
    )
    kept = list(range(int(FULL["num_experts"] * KEPT_SHARE)))
    (folder / "mask.json").write_text(json.dumps([kept] * options.layers))


def sweep(options, folder, around, name):
    """The whole, and calibration and the unpruned model's cell by themselves."""
    marks = {}

    def told(line, read):
        event = json.loads(line)
        marks.setdefault(event["event"], []).append((event, read, time.perf_counter()))

    words = [options.secateur, "sweep", folder / "sweep.toml", "--results", folder / name, "--json"]
    began = time.perf_counter()
    taken = run(words, around, told)
    found = summary(taken)
    if taken.status:
        return found, {}
    phases = {}
    (_, before, loaded), = marks["model_loaded"]
    phases["opening, checksums and loading"] = {"seconds": loaded - began, "read_bytes": before}
    begun, done = marks["calibration_begun"][0], marks["calibration_done"][0]
    tokens = done[0]["tokens"]
    phases["calibration"] = phase(begun, done, tokens)
    for begun, done in zip(marks["cell_begun"], marks["cell_done"]):
        phases[f"one task, {'unpruned' if len(phases) == 2 else 'masked'}"] = phase(begun, done, done[0]["tokens"])
    return found, phases


def phase(begun, done, tokens):
    seconds = done[2] - begun[2]
    return {"seconds": seconds, "read_bytes": done[1] - begun[1], "tokens": tokens, "tokens_per_second": tokens / seconds}


def summary(taken):
    if taken.status:
        print(f"exit status {taken.status}:\n{taken.errors[-3000:]}", file=sys.stderr)
    return {"seconds": taken.seconds, "cpu_seconds": taken.cpu_seconds, "read_bytes": taken.read_bytes, "status": taken.status, "memory": taken.memory}


def records(folder):
    """Metrics and answers, to be the same with a limit and without."""
    found = {}
    for path in sorted((folder / "larger/records").glob("*.json")):
        record = json.loads(path.read_text())["record"]
        found[path.name] = (record["metrics"], (folder / "larger/answers" / f"{record['key']}.jsonl").read_text())
    return found


def all_work(options, folder, around, name):
    """Calibration and a task in one sweep, then an export; each begins with a cold file."""
    planned = run([options.secateur, "doctor", options.checkpoint, "--json"], around)
    found = {"limit": around.how, "planned": json.loads("".join(planned.output))["memory"]}
    for limit in filter(None, found["planned"].get("plan", {}).get("limits", {}).values()):
        # Where groups lie is this machine's business.
        limit["said_by"] = Path(limit["said_by"]).name
    forget(options.checkpoint)
    found["sweep"], found["phases"] = sweep(options, folder, around, name)
    if options.sweep_alone:
        return found
    forget(options.checkpoint)
    out = folder / f"{name}-export"
    exported = run([options.secateur, "prune", options.checkpoint, out, "--mask", folder / "mask.json"], around)
    found["export"] = summary(exported)
    if out.exists():
        found["export"]["written_bytes"] = sum(path.stat().st_size for path in shards(out))
        shutil.rmtree(out)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--secateur", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="folder for the checkpoint and results")
    parser.add_argument("--limit-gb", type=float, default=6.0)
    parser.add_argument("--calibration-tokens", type=int, default=8192)
    parser.add_argument("--items", type=int, default=64)
    parser.add_argument("--layers", type=int, default=FULL["num_hidden_layers"], help="0.84 GB each; 49 are more than 40 GB")
    parser.add_argument("--sweep-alone", action="store_true", help="no export, and nothing without a limit: where disk or memory have no room for these")
    parser.add_argument("--json", type=Path, help="keeps the figures")
    options = parser.parse_args()
    options.secateur, options.work = options.secateur.resolve(), options.work.resolve()
    options.checkpoint = write_full(options.work, layers=options.layers)
    tokenizer(options.checkpoint)
    machine = facts(options.secateur)
    warn_if_busy(machine)
    page = {
        "kind": "larger_than_memory",
        "machine": machine,
        "checkpoint_bytes": sum(path.stat().st_size for path in shards(options.checkpoint)),
        "limit_bytes": int(options.limit_gb * 1e9),
        "disk_bytes_per_second": disk_rate(options.checkpoint),
        "calibration_tokens": options.calibration_tokens,
        "items": options.items,
        "layers": options.layers,
    }
    print(f"the disk reads {page['disk_bytes_per_second'] / 1e9:.2f} GB/s", flush=True)
    with tempfile.TemporaryDirectory(dir=options.work) as folder:
        folder = Path(folder)
        work(options, folder)
        around = cage(page["limit_bytes"])
        try:
            page["limited"] = all_work(options, folder, around, "limited")
        finally:
            around.close()
        print(json.dumps(page["limited"], indent=2), flush=True)
        if not options.sweep_alone:
            page["unlimited"] = all_work(options, folder, Open(), "unlimited")
            print(json.dumps(page["unlimited"], indent=2), flush=True)
            page["answers_equal"] = records(folder / "limited") == records(folder / "unlimited")
    if options.json:
        options.json.write_text(json.dumps(page, indent=2) + "\n")
    ways = [page[name] for name in ("limited", "unlimited") if name in page]
    ended = [way[part]["status"] for way in ways for part in ("sweep", "export") if part in way]
    equal = page.get("answers_equal")
    print({None: "nothing to compare answers with", True: "answers are the same", False: "answers DIFFER"}[equal])
    return 1 if equal is False or any(ended) else 0


if __name__ == "__main__":
    sys.exit(main())
