#!/usr/bin/env python3
"""Reference values for correlations: crates/metrics/tests/correlations.json.

Pearson and Spearman by scipy; partial ones as FRANK defines them: least squares on indicators of the group (here by numpy's exact
solver, since the residuals' ranks need ties to stay ties), then the correlations of the residuals.

Usage: gen_correlations.py > crates/metrics/tests/correlations.json
With a FRANK folder as argument it prints the partial correlations of its baseline metrics instead.
"""
import json
import sys

import numpy as np
import scipy
from scipy.stats import pearsonr, spearmanr


def residuals(values, groups):
    values, groups = np.asarray(values, float), np.asarray(groups)
    means = {g: values[groups == g].mean() for g in set(groups)}
    out = np.array([v - means[g] for v, g in zip(values, groups)])
    design = np.array([[float(g == h) for h in sorted(means)] for g in groups])
    fitted = design @ np.linalg.lstsq(design, values, rcond=None)[0]
    assert np.abs(values - fitted - out).max() < 1e-9
    return out


def four(x, y, groups):
    px, py = residuals(x, groups), residuals(y, groups)
    return {
        "pearson": pearsonr(x, y)[0], "spearman": spearmanr(x, y)[0],
        "partial_pearson": pearsonr(px, py)[0], "partial_spearman": spearmanr(px, py)[0],
    }


def made():
    rng, cases = np.random.default_rng(20260101), []
    for n, levels in [(7, 3), (40, 4), (200, 0), (200, 5)]:
        groups = [str(g) for g in rng.integers(0, 3, n)]
        x = rng.normal(size=n) + np.array([float(g) for g in groups])
        y = 0.5 * x + rng.normal(size=n)
        if levels:
            y = np.round(y * levels / 4) / levels * 4
        case = {"x": x.tolist(), "y": y.tolist(), "groups": groups}
        cases.append(case | {"expected": {k: float(v) for k, v in four(x, y, groups).items()}})
    return {"made_with": {"scipy": scipy.__version__, "numpy": np.__version__}, "cases": cases}


def frank(folder):
    human = json.load(open(f"{folder}/human_annotations.json"))
    metrics = {(m["hash"], m["model_name"]): m for m in json.load(open(f"{folder}/baseline_factuality_metrics_outputs.json"))}
    for name in ["Rouge L", "BertScore P Art", "FEQA", "QAGS", "Dep Entail", "FactCC"]:
        rows = [(metrics[h["hash"], h["model_name"]][name], h["Factuality"], h["model_name"]) for h in human]
        x, y, groups = zip(*[row for row in rows if row[0] is not None])
        print(name, len(x), {k: round(float(v), 9) for k, v in four(x, y, groups).items()})


if __name__ == "__main__":
    if len(sys.argv) > 1:
        frank(sys.argv[1])
    else:
        json.dump(made(), sys.stdout)
        print()
