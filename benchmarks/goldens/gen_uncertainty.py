"""Reference values of semantic entropy, SelfCheck and clustering by entailment, written from the papers' definitions.

Kuhn, Gal & Farquhar 2023 (arXiv:2302.09664), Farquhar et al. 2024 (10.1038/s41586-024-07421-0), Manakul, Liusie & Gales 2023
(arXiv:2303.08896). numpy and the standard library alone; nothing of Secateur is read. Usage: gen_uncertainty.py OUT.json
"""

import json
import random
import sys
from collections import Counter

import numpy as np

VOCABULARY = "aspirin treats pain fever in adults and children at night the dose is 5 mg , not 10 .".split()


def standard(clusters, logs):
    weights = np.exp(np.array(logs, dtype=np.float64))
    shares = np.array([weights[[c == k for c in clusters]].sum() for k in sorted(set(clusters))]) / weights.sum()
    return float(-(shares * np.log(shares)).sum())


def discrete(clusters):
    shares = np.array(list(Counter(clusters).values())) / len(clusters)
    return float(-(shares * np.log(shares)).sum())


def kuhn(clusters, logs):
    rows = [np.logaddexp.reduce([l for c, l in zip(clusters, logs) if c == k]) for k in sorted(set(clusters))]
    return float(-np.mean(np.array(rows) - 5.0))


def grams(sentence, n):
    padded = ["<s>"] * (n - 1) + sentence
    return [tuple(padded[i : i + n]) for i in range(len(sentence))]


def ngram(answer, samples, n, k):
    counts = Counter({("<unk>",): 0})
    for sentence in answer + samples:
        counts.update(grams(sentence, n))
    total = sum(counts.values())
    values = [[-np.log((counts[g] + k) / (total + k * len(counts))) for g in grams(s, n)] for s in answer]
    return {
        "sentence_means": [float(np.mean(v)) for v in values],
        "sentence_largest": [float(np.max(v)) for v in values],
        "mean": float(np.mean(np.concatenate(values))),
        "largest": float(np.mean([np.max(v) for v in values])),
    }


def f1(one, two):
    common = sum((Counter(one) & Counter(two)).values())
    if common == 0:
        return 0.0
    precision, recall = common / len(one), common / len(two)
    return 2 * precision * recall / (precision + recall)


def overlap(answer, samples):
    return [float(1 - np.mean([max((f1(s, o) for o in sample), default=0.0) for sample in samples])) for s in answer]


def by_entailment(matrix):
    """Algorithm 1 of Kuhn et al.: compared with the first of each cluster, both ways."""
    clusters = []
    for i in range(len(matrix)):
        for members in clusters:
            first = members[0]
            if matrix[first][i] and matrix[i][first]:
                members.append(i)
                break
        else:
            clusters.append([i])
    return [next(k for k, members in enumerate(clusters) if i in members) for i in range(len(matrix))]


def sentence(rng):
    return [rng.choice(VOCABULARY) for _ in range(rng.randint(1, 8))]


def main():
    rng = random.Random(20260127)
    entropies, selfchecks, clusterings = [], [], []
    for _ in range(24):
        n = rng.randint(1, 12)
        clusters = [rng.randint(0, 4) for _ in range(n)]
        logs = [-rng.expovariate(0.5) for _ in range(n)]
        entropies.append({
            "clusters": clusters,
            "log_probabilities": logs,
            "standard": standard(clusters, logs),
            "discrete": discrete(clusters),
            "kuhn": kuhn(clusters, logs),
            "predictive": float(-np.mean(logs)),
        })
    for _ in range(12):
        answer = [sentence(rng) for _ in range(rng.randint(1, 4))]
        samples = [[sentence(rng) for _ in range(rng.randint(0, 3))] for _ in range(rng.randint(1, 6))]
        flat = [s for sample in samples for s in sample]
        n, k = rng.randint(1, 3), rng.choice([0, 1])
        selfchecks.append({
            "answer": answer,
            "samples": samples,
            "n": n,
            "k": k,
            "ngram": ngram(answer, flat, n, k),
            "overlap": overlap(answer, samples),
        })
    for _ in range(8):
        size = rng.randint(1, 9)
        matrix = [[i == j or rng.random() < 0.6 for j in range(size)] for i in range(size)]
        clusterings.append({"entails": matrix, "clusters": by_entailment(matrix)})
    out = {
        "made_by": "benchmarks/goldens/gen_uncertainty.py",
        "numpy": np.__version__,
        "entropies": entropies,
        "selfchecks": selfchecks,
        "clusterings": clusterings,
    }
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        json.dump(out, file, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    main()
