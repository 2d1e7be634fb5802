"""Reads results of `secateur rescore` with lm-evaluation-harness's own code, and compares them with the harness's.

    lm_eval run --model hf --model_args pretrained=CHECKPOINT --tasks … --log_samples --output_path harness
    secateur rescore harness --out rescored
    python rescored.py harness rescored

Every metric that both have under one name must be the same to 1e-9; every sample of ours must load as the harness's dataset cards load it.
"""

import json
import sys
from pathlib import Path

from datasets import load_dataset
from lm_eval.utils import (
    get_file_datetime,
    get_file_task_name,
    get_latest_filename,
    get_results_filenames,
    get_sample_results_filenames,
    make_table,
)

TOLERANCE = 1e-9
# Another definition under the same name: ours folds case, punctuation and articles.
OTHER_DEFINITION = {"exact_match"}


def latest(folder: Path) -> tuple[dict, list[str]]:
    """The newest results below a folder, and its sample files, found by the harness's rules."""
    files = [str(path) for path in folder.rglob("*") if path.is_file()]
    results = get_latest_filename(get_results_filenames(files))
    time = get_file_datetime(results).removesuffix(".json")
    samples = [name for name in get_sample_results_filenames(files) if get_file_datetime(name).startswith(time)]
    return json.loads(Path(results).read_text()), samples


def main() -> int:
    theirs, their_samples = latest(Path(sys.argv[1]))
    ours, our_samples = latest(Path(sys.argv[2]))
    print(make_table(ours))
    compared, failed = 0, 0
    for task, metrics in theirs["results"].items():
        for key, value in metrics.items():
            name = key.split(",")[0]
            if not isinstance(value, float) or name in OTHER_DEFINITION or name.removesuffix("_stderr") in OTHER_DEFINITION:
                continue
            other = ours["results"].get(task, {}).get(key)
            if not isinstance(other, float):
                print(f"{task} {key}: {value} there, not here")
                continue
            compared += 1
            if abs(value - other) > TOLERANCE * max(1.0, abs(value)):
                failed += 1
                print(f"{task} {key}: {value} there, {other} here")
    failed += len(our_samples) != len(their_samples)
    for name in our_samples:
        task = get_file_task_name(Path(name).name)
        rows = load_dataset("json", data_files=name, split="train")
        there = [other for other in their_samples if get_file_task_name(Path(other).name) == task]
        count = sum(1 for _ in Path(there[0]).open()) if there else len(rows)
        print(f"{task}: {len(rows)} samples loaded, {count} there")
        failed += len(rows) != count
    print(f"{compared} values compared, {failed} differ")
    return 1 if failed or not compared else 0


if __name__ == "__main__":
    sys.exit(main())
