"""What bf16 activations do to every metric of a sweep: one run in each precision, cell by cell. See README.md."""

import argparse
import csv
import json
import re
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

from machine import facts, run

ROOT = Path(__file__).resolve().parents[2]
# A cell's metric; `aspect` and `unit` go with the metric.
CELL = ["model", "method", "fraction_removed", "task", "metric", "scorer"]


def in_precision(sweep, precision, folder):
    """The sweep file with `precision`, its paths made absolute."""
    text = sweep.read_text()
    if re.search(r"(?m)^precision\s*=", text):
        raise SystemExit(f"{sweep} names its precision already: take that line out")
    absolute = lambda match: json.dumps(str((sweep.parent / match[0].strip('"')).resolve()))
    written = folder / f"{precision}.toml"
    written.write_text(f'precision = "{precision}"\n' + re.sub(r'"\.\.?/[^"]*"', absolute, text))
    return written


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def read(results):
    """Metric of a cell → value and unit, with the unpruned model's; cell → experts that stay; what is safe → fraction."""
    values = {}
    for row in rows(results / "tables/comparisons.csv"):
        if not row["difference"]:  # `missing` says why
            continue
        unpruned = float(row["unpruned"])
        cell = tuple(row[name] for name in CELL)
        values[cell] = unpruned + float(row["difference"]), row["unit"]
        values[(row["model"], "", "0", *cell[3:])] = unpruned, row["unit"]
    # Metrics of a whole task, as an expected calibration error.
    for row in rows(results / "tables/risk_ratios.csv"):
        cell = tuple(row[name] for name in CELL)
        if row["pruned"] and cell not in values:
            values[cell] = float(row["pruned"]), "fraction"
    safe = {(row["model"], row["method"], row["domain"]): row["safe_fraction"] for row in rows(results / "tables/safe.csv")}
    masks = {(row["model"], row["method"], float(row["fraction_removed"]), row["task"]): row["mask"] for row in rows(results / "tables/cells.csv")}
    return values, masks, safe


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--secateur", type=Path, required=True)
    parser.add_argument("--sweep", type=Path, default=ROOT / "benchmarks/sweeps/demo.toml")
    parser.add_argument("--work", type=Path, help="keeps both runs here, and goes on with what is there")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    options.secateur = options.secateur.resolve()
    machine = facts(options.secateur)
    with tempfile.TemporaryDirectory() as scratch:
        work = options.work or Path(scratch)
        work.mkdir(parents=True, exist_ok=True)
        results = {}
        for precision in ["f32", "fast"]:
            file = in_precision(options.sweep.resolve(), precision, work)
            done = run([options.secateur, "sweep", file, "--results", work / precision, "--quiet"], options.threads)
            print(f"{precision}: {done.seconds:.0f} s", flush=True)
            (results[precision],) = (path.parent for path in (work / precision).glob("*/manifest.json"))
        exact, fast = read(results["f32"]), read(results["fast"])
        words = [options.secateur, "compare", results["f32"], results["fast"], "--json"]
        compared = compare(words)
    if exact[0].keys() != fast[0].keys():
        odd = sorted(exact[0].keys() ^ fast[0].keys())
        print(f"{len(odd)} metrics of cells are in one run alone, as {', '.join(odd[0])}", file=sys.stderr)
    by_metric = defaultdict(list)
    for cell in exact[0].keys() & fast[0].keys():
        (a, unit), (b, _) = exact[0][cell], fast[0][cell]
        by_metric[(cell[4], cell[5], unit)].append((b - a, a, cell))
    metrics = []
    moved = {cell for cell, mask in exact[1].items() if fast[1].get(cell) != mask}
    same_experts = lambda cell: (cell[0], cell[1], float(cell[2]), cell[3]) not in moved
    for (metric, scorer, unit), found in sorted(by_metric.items()):
        sizes = [abs(difference) for difference, _, _ in found]
        alike = [abs(difference) for difference, _, cell in found if same_experts(cell)]
        _, of, at = max(found, key=lambda one: (abs(one[0]), one[2]))
        metrics.append(
            {
                "metric": metric,
                "scorer": scorer,
                "unit": unit,
                "cells": len(found),
                "cells_that_move": sum(size > 0 for size in sizes),
                "mean": sum(difference for difference, _, _ in found) / len(found),
                "mean_size": sum(sizes) / len(sizes),
                "cells_of_the_same_experts": len(alike),
                "mean_size_of_the_same_experts": sum(alike) / len(alike) if alike else None,
                "largest_of_the_same_experts": max(alike, default=None),
                "largest": max(sizes),
                "largest_at": dict(zip(CELL[:4], at[:4], strict=True)),
                "there_in_f32": of,
            }
        )
    page = {
        "kind": "precision",
        "sweep": options.sweep.stem,
        "machine": machine,
        "threads": options.threads,
        "metrics": metrics,
        "masks": len({cell[:3] for cell in exact[1]}),
        "masks_that_move": len({cell[:3] for cell in moved}),
        "safe_fractions": len(exact[2]),
        "safe_fractions_that_move": [
            {"model": key[0], "method": key[1], "domain": key[2], "f32": exact[2][key], "fast": fast[2].get(key)}
            for key in sorted(exact[2])
            if exact[2][key] != fast[2].get(key)
        ],
        "compared": compared,
    }
    for row in metrics:
        print(f"{row['metric']} ({row['scorer']}): {row['cells_that_move']} of {row['cells']} cells move, at most {row['largest']:.3g} {row['unit']}")
    print(f"{page['masks_that_move']} of {page['masks']} sets of experts move")
    print(f"{len(page['safe_fractions_that_move'])} of {page['safe_fractions']} safe fractions move; {json.dumps(compared)}")
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(page, indent=1) + "\n")
    return 0


def compare(words):
    """What `secateur compare` says: how many answers differ, and which metrics by its paired tests."""
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    if done.returncode not in (0, 4):
        raise SystemExit(f"secateur compare: exit status {done.returncode}\n{done.stderr[-2000:]}")
    found = json.loads(done.stdout)
    return {
        **found["compared"],
        "answers_that_differ": len(found["answers"]),
        "counts_that_differ": len(found["counts"]),
        "verdicts": dict(Counter(one["verdict"] for one in found["metrics"])),
    }


if __name__ == "__main__":
    sys.exit(main())
