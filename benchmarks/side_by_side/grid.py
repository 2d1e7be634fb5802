"""A small grid both ways: one export and one run of lm-evaluation-harness per mask, and one sweep. See README.md."""

import argparse
import json
import shutil
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

from machine import Run, facts, run, warn_if_busy

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
DEMO = ROOT / "datasets/demo"
# The harness's metric and ours.
SCORES = {"acc": "accuracy", "acc_norm": "accuracy_per_character"}
LARGEST_DIFFERENCE = 1e-4  # of a log-likelihood, in nats; items whose choices are nearer to each other may be answered either way


@dataclass(frozen=True)
class Mask:
    """One pruned model, or the unpruned one."""

    model: str
    method: str | None = None
    ratio: float = 0.0

    def __str__(self):
        return f"{self.model}, {self.method} {self.ratio}" if self.method else f"{self.model}, unpruned"

    @property
    def folder(self):
        return f"{self.model}-{self.method}-{self.ratio}"


# --- one sweep ---


def sweep_file(options, folder):
    quoted = lambda values: json.dumps(list(values))
    lines = [
        'name = "grid"',
        f"methods = {quoted(options.methods)}",
        f"ratios = {quoted(options.ratios)}",
        'calibrate_on = ["biomedical"]',
        f"cards = {quoted([str(DEMO / 'tasks')])}",
        "bootstrap_samples = 1000",
    ]
    for model in options.models:
        lines += ["[[models]]", f'name = "{model}"', f"path = {json.dumps(str(DEMO / 'models' / model))}"]
    corpus = DEMO / "calibration/biomedical.jsonl"
    lines += ["[[corpora]]", 'name = "biomedical"', f"file = {json.dumps(str(corpus))}", "samples = 128"]
    for task in options.tasks:
        lines += ["[[tasks]]", f'name = "{task}"', "chat_template = false"]
    path = folder / "grid.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


def sweep(options, folder):
    """The run, and per mask and task the scores and log-likelihoods."""
    done = run(
        [options.secateur, "sweep", sweep_file(options, folder), "--results", folder / "results"], options.threads
    )
    found = {}
    for path in sorted((folder / "results/grid/records").glob("*.json")):
        record = json.loads(path.read_text())["record"]
        cell = record["cell"]
        answers = (path.parent.parent / "answers" / f"{record['key']}.jsonl").read_text().splitlines()
        parts = [json.loads(line)["output"]["choices"]["continuations"] for line in answers]
        found[Mask(cell["model"], cell["method"], cell["fraction_removed"]), cell["task"]] = {
            "scores": {metric["name"]: metric["value"] for metric in record["metrics"]},
            "log_likelihoods": [[part["score"]["log_probability"] for part in item] for item in parts],
        }
    return done, found


# --- one export and one run of the harness per mask ---


def task_files(options, folder):
    """The demo's cards in the harness's words."""
    folder.mkdir()
    for name in options.tasks:
        card = tomllib.loads((DEMO / "tasks" / f"{name}.toml").read_text())
        if card["kind"] != "multiple_choice":
            raise SystemExit(f"{name}: it is a task of {card['kind']}; the grid compares multiple choice by log-likelihood")
        choices = card["choices"]
        asked = {
            "task": name,
            "dataset_path": "json",
            "dataset_kwargs": {"data_files": {"test": str(DEMO / "tasks" / card["data"]["file"])}},
            "output_type": "multiple_choice",
            "test_split": "test",
            "doc_to_text": card["prompt"]["template"].replace("{", "{{").replace("}", "}}"),
            "doc_to_choice": choices.get("texts", choices.get("field")),
            "doc_to_target": choices["label"],
            "metric_list": [{"metric": metric} for metric in card["scoring"]["metrics"]],
        }
        # JSON is YAML.
        (folder / f"{name}.yaml").write_text(json.dumps(asked))


class Pipeline:
    """What is done without a sweep; rankings are taken from it for nothing."""

    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.tasks = folder / "tasks"
        task_files(options, self.tasks)

    def checkpoint(self, mask):
        return DEMO / "models" / mask.model if mask.method is None else self.folder / mask.folder

    def export(self, mask):
        if mask.method is None:
            return Run("", 0.0, 0.0)
        ranking = self.folder / f"results/grid/rankings/{mask.model}/{mask.method}@reference-0.json"
        words = [DEMO / "models" / mask.model, self.checkpoint(mask), "--ranking", ranking, "--ratio", mask.ratio]
        return run([self.options.secateur, "prune", *words, "--overwrite"], self.options.threads)

    def evaluate(self, masks):
        out = self.folder / "harness.json"
        words = ["--tasks", ",".join(self.options.tasks), "--folder", self.tasks, "--out", out]
        words += ["--threads", self.options.threads, "--batch-size", self.options.batch_size]
        checkpoints = [self.checkpoint(mask) for mask in masks]
        done = run([sys.executable, HERE / "harness.py", *checkpoints, *words], self.options.threads)
        results = json.loads(out.read_text())
        found = {(mask, task): results[str(self.checkpoint(mask))][task] for mask in masks for task in self.options.tasks}
        return done, found

    def one_process_each(self, masks):
        """As a shell loop over masks does it."""
        runs, found = [], {}
        for mask in masks:
            runs.append(self.export(mask))
            done, results = self.evaluate([mask])
            runs.append(done)
            found |= results
            print(f"  {mask}: {runs[-2].seconds:.1f} s export, {done.seconds:.1f} s harness", flush=True)
        return total(runs), found

    def one_process(self, masks):
        """All exports, then one process that imports the harness once."""
        runs = [self.export(mask) for mask in masks]
        done, found = self.evaluate(masks)
        return total([*runs, done]), found


def total(runs):
    return {"seconds": sum(run.seconds for run in runs), "cpu_seconds": sum(run.cpu_seconds for run in runs)}


# --- both ---


def differences(theirs, ours):
    """What differs beyond rounding, cell by cell, and the largest difference of a log-likelihood."""
    faults, largest, scores = [], 0.0, 0
    if theirs.keys() != ours.keys():
        faults.append(f"cells differ: {len(theirs)} there, {len(ours)} here")
    for key in theirs.keys() & ours.keys():
        there, here = theirs[key], ours[key]
        name = f"{key[0]}, on {key[1]}"
        a, b = there["log_likelihoods"], here["log_likelihoods"]
        if [len(item) for item in a] != [len(item) for item in b]:
            faults.append(f"{name}: {len(a)} items there, {len(b)} here")
            continue
        largest = max([largest, *(abs(x - y) for p, q in zip(a, b) for x, y in zip(p, q))])
        near = sum(is_near(item) for item in b) / max(len(b), 1)
        for metric, own in SCORES.items():
            if metric not in there["scores"]:
                continue
            if own not in here["scores"]:
                faults.append(f"{name}: no {own} here")
                continue
            scores += 1
            # Per character, lengths move choices apart or together: only plain accuracy has a known set of near ties.
            allowed = near if metric == "acc" else 0.0
            if abs(there["scores"][metric] - here["scores"][own]) > allowed + 1e-9:
                faults.append(f"{name}: {metric} {there['scores'][metric]:.6f} there, {here['scores'][own]:.6f} here")
    if largest > LARGEST_DIFFERENCE:
        faults.append(f"log-likelihoods differ by up to {largest:.2e} nats, expected at most {LARGEST_DIFFERENCE}")
    return faults, largest, scores


def is_near(log_likelihoods):
    """Whether two choices are as likely as each other, as far as f32 can tell."""
    first, second = sorted(log_likelihoods, reverse=True)[:2]
    return first - second < 2 * LARGEST_DIFFERENCE


def words(text):
    return text.split(",")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--secateur", required=True, type=Path, help="the binary, a release build")
    parser.add_argument("--models", type=words, default=["demo-olmoe", "demo-qwen3-moe", "demo-deepseek-v3"])
    parser.add_argument("--methods", type=words, default=["reap", "frequency", "ean"])
    parser.add_argument("--ratios", type=lambda text: [float(one) for one in words(text)], default=[0.25, 0.5])
    parser.add_argument("--tasks", type=words, default=["demo_bio_choice", "demo_general_choice"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=16, help="of the harness")
    parser.add_argument("--rounds", type=int, default=1, help="of all of it; medians are of these")
    parser.add_argument("--json", type=Path, help="keep the figures")
    options = parser.parse_args()
    machine = facts(options.secateur)
    warn_if_busy(machine)
    masks = [Mask(model) for model in options.models]
    masks += [Mask(model, method, ratio) for model in options.models for method in options.methods for ratio in options.ratios]
    print(f"{len(masks)} masks, {len(masks) * len(options.tasks)} cells", flush=True)
    kept = []
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory() as folder:
            kept.append(one_round(options, masks, Path(folder)))
    verdict = report(options, machine, masks, kept)
    return 1 if verdict else 0


def one_round(options, masks, folder):
    done, ours = sweep(options, folder)
    print(f"  the sweep, calibration and report included: {done.seconds:.1f} s", flush=True)
    pipeline = Pipeline(options, folder)
    each, found = pipeline.one_process_each(masks)
    for mask in masks:
        shutil.rmtree(folder / mask.folder, ignore_errors=True)
    once, again = pipeline.one_process(masks)
    times = {"sweep": total([done]), "one_process_each": each, "one_process": once}
    faults, largest, scores = differences(found, ours)
    faults += differences(again, ours)[0]
    return {"times": times, "faults": faults, "largest": largest, "scores": scores}


def report(options, machine, masks, kept):
    middle = lambda name, what: sorted(one["times"][name][what] for one in kept)[len(kept) // 2]
    names = {
        "sweep": "one sweep",
        "one_process_each": "an export and a harness process per mask",
        "one_process": "all exports, one harness process",
    }
    times = {name: {what: middle(name, what) for what in ["seconds", "cpu_seconds"]} for name in names}
    ratios = {name: times[name]["seconds"] / times["sweep"]["seconds"] for name in names if name != "sweep"}
    print(f"\n{'':44} {'seconds':>9} {'CPU':>9} {'ratio':>7}")
    for name, text in names.items():
        ratio = f"{ratios[name]:7.1f}" if name in ratios else ""
        print(f"{text:44} {times[name]['seconds']:9.1f} {times[name]['cpu_seconds']:9.1f} {ratio}")
    faults = [fault for one in kept for fault in one["faults"]]
    for fault in faults[:20]:
        print(f"  {fault}")
    scores, largest = kept[0]["scores"], max(one["largest"] for one in kept)
    verdict = f"{len(faults)} DIFFER" if faults else "equal"
    print(f"{scores} scores: {verdict}; log-likelihoods at most {largest:.1e} nats apart")
    if options.json:
        page = {
            "kind": "grid",
            "machine": machine,
            "threads": options.threads,
            "rounds": options.rounds,
            "models": options.models,
            "methods": options.methods,
            "ratios": options.ratios,
            "tasks": options.tasks,
            "masks": len(masks),
            "cells": len(masks) * len(options.tasks),
            "batch_size": options.batch_size,
            "times": times,
            "ratios_of_seconds": ratios,
            "scores_compared": scores,
            "faults": faults,
            "largest_difference": largest,
        }
        options.json.write_text(json.dumps(page, indent=1, ensure_ascii=False) + "\n")
    return faults


if __name__ == "__main__":
    sys.exit(main())
