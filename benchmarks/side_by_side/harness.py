"""lm-evaluation-harness on checkpoints, one after the other: scores and log-likelihoods per task as JSON. `grid.py` starts it."""

import argparse
import json
from pathlib import Path

import lm_eval
import torch
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager


def evaluate(checkpoint, tasks, folder, batch_size):
    """Per task its scores, and per item the log-likelihood of each choice, in the order of the file."""
    # f32, as Secateur computes: the same answers, item by item.
    model = HFLM(pretrained=str(checkpoint), device="cpu", dtype="float32", batch_size=batch_size)
    found = lm_eval.simple_evaluate(
        model=model,
        tasks=tasks,
        task_manager=TaskManager(include_path=str(folder), include_defaults=False),
        bootstrap_iters=0,
        log_samples=True,
    )
    result = {}
    for task in tasks:
        samples = sorted(found["samples"][task], key=lambda sample: sample["doc_id"])
        scores = {name.split(",")[0]: value for name, value in found["results"][task].items() if isinstance(value, float)}
        result[task] = {
            "scores": scores,
            "log_likelihoods": [[float(response[0][0]) for response in sample["resps"]] for sample in samples],
        }
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoints", nargs="+", type=Path)
    parser.add_argument("--tasks", required=True, help="names, separated by commas")
    parser.add_argument("--folder", required=True, type=Path, help="with their files")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--out", required=True, type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    tasks = options.tasks.split(",")
    results = {str(path): evaluate(path, tasks, options.folder, options.batch_size) for path in options.checkpoints}
    options.out.write_text(json.dumps(results))


if __name__ == "__main__":
    main()
