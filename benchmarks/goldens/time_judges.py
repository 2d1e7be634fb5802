#!/usr/bin/env python3
"""The checkpoints and pairs of `cargo bench --package secateur-judges --bench encoder` in transformers.

Usage: ENCODER_BENCH_DIR=DIR cargo bench --package secateur-judges --bench encoder && time_judges.py DIR

Sorted by length, in batches of 16, with two threads. Prints pairs per minute, CPU seconds per pair and the largest difference of logits.
"""
import json, os, sys, time
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

torch.set_num_threads(2)


def run(model, tokenizer, pairs):
    lengths = [len(tokenizer(a, b)["input_ids"]) for a, b in pairs]
    order = sorted(range(len(pairs)), key=lengths.__getitem__)
    logits = [None] * len(pairs)
    with torch.inference_mode():
        for begin in range(0, len(order), 16):
            part = order[begin:begin + 16]
            inputs = tokenizer([pairs[i][0] for i in part], [pairs[i][1] for i in part], padding=True, truncation=True, return_tensors="pt")
            for i, row in zip(part, model(**inputs).logits): logits[i] = row
    return torch.stack(logits)


def main(root):
    for name in ("bert-small", "bert-base", "albert-base"):
        directory = os.path.join(root, name)
        tokenizer = AutoTokenizer.from_pretrained(directory)
        model = AutoModelForSequenceClassification.from_pretrained(directory, dtype=torch.float32).eval()
        for length in ("sentences", "longer"):
            pairs = json.load(open(os.path.join(root, f"{length}.json")))
            run(model, tokenizer, pairs[:8])
            begin, cpu = time.time(), time.process_time()
            logits = run(model, tokenizer, pairs)
            seconds, spent = time.time() - begin, time.process_time() - cpu
            ours = torch.tensor(json.load(open(os.path.join(directory, f"{length}.json"))))
            print(f"{name}, {length}: {60 * len(pairs) / seconds:.0f} pairs per minute, {spent / len(pairs):.3f} CPU seconds per pair, "
                  f"logits differ by at most {(ours - logits).abs().max():.1e}")


if __name__ == "__main__":
    main(sys.argv[1])
