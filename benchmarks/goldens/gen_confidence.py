#!/usr/bin/env python3
"""Reference values for metrics of confidence and of consistency, from the papers' definitions.

    python3 gen_confidence.py > ../../crates/metrics/tests/confidence/reference.json

Everything is computed in the plainest way there is: bins by comparison, curves by enumerating items, ties by averaging over
orders of the tied items (by simulation of the exact expectation: within a group of equal confidence every order is equally likely,
so k of its items hold k/n of its errors). AUROC and the negative log-likelihood are scikit-learn's.
"""

import itertools
import json
import math
import sys
from collections import Counter
from fractions import Fraction

import numpy as np
import sklearn
from sklearn.metrics import log_loss, roc_auc_score

BINS = 10


def groups(confidence, right):
    """Most confident first: (confidence, items, errors)."""
    out = []
    for value in sorted(set(confidence), reverse=True):
        members = [r for c, r in zip(confidence, right) if c == value]
        out.append((value, len(members), sum(not r for r in members)))
    return out


def risks(confidence, right):
    """Expected risk after each k items, over all orders of tied items; exact."""
    out, before, errors = [], 0, 0
    for _, items, wrong in groups(confidence, right):
        for k in range(1, items + 1):
            out.append(Fraction(errors * items + k * wrong, items) / (before + k))
        before += items
        errors += wrong
    return out


def aurc(confidence, right):
    values = risks(confidence, right)
    return float(sum(values) / len(values))


def coverage_at(confidence, right, risk):
    best, answered, errors = 0.0, 0, 0
    for _, items, wrong in groups(confidence, right):
        answered += items
        errors += wrong
        if errors / answered <= risk:
            best = answered / len(right)
    return best


def bins_equal_width(confidence, right):
    out = []
    for b in range(BINS):
        low, high = b * (1 / BINS), 1.0 if b == BINS - 1 else (b + 1) * (1 / BINS)
        members = [(c, r) for c, r in zip(confidence, right) if (low < c <= high) or (b == 0 and c == 0)]
        if members:
            out.append(members)
    return out


def bins_equal_mass(confidence, right):
    """Items in order of confidence, tied ones sharing their rights evenly, cut into runs of equal length."""
    share = {v: np.mean([r for c, r in zip(confidence, right) if c == v]) for v in set(confidence)}
    items = [(c, share[c]) for c in sorted(confidence)]
    return [[items[i] for i in part] for part in np.array_split(np.arange(len(items)), BINS) if len(part)]


def gaps(bins):
    return [(len(b), abs(np.mean([r for _, r in b]) - np.mean([c for c, _ in b]))) for b in bins]


def ece(bins):
    n = sum(len(b) for b in bins)
    return float(sum(count / n * gap for count, gap in gaps(bins)))


def confidence_case(rng, items, classes, rounding, sharp):
    logits = rng.normal(size=(items, classes)) * 2.0
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    if rounding:
        first = np.round(probabilities[:, 0], rounding)
        rest = probabilities[:, 1:] / probabilities[:, 1:].sum(axis=1, keepdims=True) * (1 - first)[:, None]
        probabilities = np.column_stack([first, rest])
    # `sharp`: how much surer the truth is than the model.
    truth = probabilities**sharp
    labels = [int(rng.choice(classes, p=row / row.sum())) for row in truth]
    confidence = [float(max(row)) for row in probabilities]
    if rounding:
        confidence = [round(c, rounding) for c in confidence]
    right = [int(np.argmax(row)) == label for row, label in zip(probabilities, labels)]
    ordered = sorted(right, reverse=True)
    best = float(sum(Fraction(sum(not r for r in ordered[:k]), k) for k in range(1, items + 1)) / items)
    width, mass = bins_equal_width(confidence, right), bins_equal_mass(confidence, right)
    return {
        "probabilities": probabilities.tolist(),
        "labels": labels,
        "confidence": confidence,
        "right": right,
        "expected_calibration_error": ece(width),
        "expected_calibration_error_equal_mass": ece(mass),
        "maximum_calibration_error": float(max(gap for _, gap in gaps(width))),
        "brier_score": float(np.mean([np.sum((row - np.eye(classes)[label]) ** 2) for row, label in zip(probabilities, labels)])),
        "negative_log_likelihood": float(log_loss(labels, probabilities, labels=list(range(classes)))),
        "aurc": aurc(confidence, right),
        "e_aurc": aurc(confidence, right) - best,
        "auroc": float(roc_auc_score(right, confidence)),
        "coverage_at_risk_05": coverage_at(confidence, right, 0.05),
        "coverage_at_risk_10": coverage_at(confidence, right, 0.10),
    }


def consistency_case(rng, questions, variants, options):
    answers = rng.integers(options, size=(questions, variants))
    answers[rng.random(questions) < 0.4] = 1
    gold = rng.integers(options, size=questions)
    at_letter = (answers == gold[:, None]).astype(int)
    pairs = lambda row: [a == b for a, b in itertools.combinations(row.tolist(), 2)]
    most = []
    for row in answers.tolist():
        counts = Counter(row)
        most.append(min(option for option in counts if counts[option] == max(counts.values())))
    recalls = at_letter.mean(axis=0)
    return {
        "answers": answers.tolist(),
        "right": at_letter.tolist(),
        "majority": most,
        "pairwise_agreement": float(np.mean([np.mean(pairs(row)) for row in answers])),
        "letter_recall_deviation": float(np.std(recalls)),
        "accuracy_range": float(recalls.max() - recalls.min()),
    }


def main():
    rng = np.random.default_rng(20260107)
    shapes = [(37, 4, 0, 0.5), (60, 3, 1, 4), (101, 2, 2, 2), (9, 5, 0, 1)]
    json.dump(
        {
            "made_with": {"numpy": np.__version__, "scikit-learn": sklearn.__version__},
            "confidence": [confidence_case(rng, *shape) for shape in shapes],
            "consistency": [consistency_case(rng, 12, 4, 4), consistency_case(rng, 7, 6, 3)],
        },
        sys.stdout,
        separators=(",", ":"),
    )
    print()


if __name__ == "__main__":
    main()
