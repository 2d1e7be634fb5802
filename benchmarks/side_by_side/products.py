"""Expert products of Secateur's kernels, of torch and of numpy in alternation. See README.md."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import facts, run, spread, warn_if_busy

ROOT = Path(__file__).resolve().parents[2]
# As in crates/kernels/benches/experts.rs, so that both do the same work.
SHAPES = [(2048, 1024), (1024, 512)]
EXPERTS = 8  # of a product
POOL = 256 << 20  # bytes of weights that are gone through before one is read again
LOOKS = 25  # or as many as there is time for
LOOK_S = 0.02
LOOKS_S = 3
LIBRARIES = [("torch", "f32"), ("torch", "bf16"), ("numpy", "f32")]
OURS = {"bf16": "exact", "bf16 fast": "fast"}  # a kernel of the bench, and its precision


def there(tokens):
    """GF/s of the libraries, medians of short looks, with weights that no cache holds and with weights that were just read."""
    import numpy
    import torch

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    rows = []
    for (library, dtype), (hidden, inner) in ((one, shape) for one in LIBRARIES for shape in SHAPES):
        kind = {"f32": torch.float32, "bf16": torch.bfloat16}[dtype]
        made = lambda *shape: torch.full(shape, 0.01, dtype=kind)
        product = torch.nn.functional.linear
        if library == "numpy":
            made, product = lambda *shape: numpy.full(shape, 0.01, numpy.float32), lambda x, w: x @ w.T
        # Gate and up side by side, as transformers has them: one product where the kernels take two.
        count = max(EXPERTS, POOL // (3 * hidden * inner * kind.itemsize))
        weights = [(made(2 * inner, hidden), made(hidden, inner)) for _ in range(count)]
        for number in tokens:
            x, between = made(number, hidden), made(number, inner)
            for cold in (True, False):
                rates, turn, first = [], 0, time.perf_counter()
                while len(rates) < LOOKS and (not rates or time.perf_counter() - first < LOOKS_S):
                    started, times = time.perf_counter(), 0
                    while times == 0 or time.perf_counter() - started < LOOK_S:
                        for _ in range(EXPERTS):
                            gate_up, down = weights[turn]
                            turn = (turn + 1) % count if cold else 0
                            product(x, gate_up)
                            product(between, down)
                        times += 1
                    operations = 6 * EXPERTS * number * hidden * inner * times
                    rates.append(operations / (time.perf_counter() - started) / 1e9)
                rows.append(
                    {
                        "library": library,
                        "dtype": dtype,
                        "hidden": hidden,
                        "inner": inner,
                        "tokens_per_expert": number,
                        "weights": "memory" if cold else "cache",
                        "gflops": statistics.median(rates),
                    }
                )
    return rows


def ours(tokens, threads):
    """The rows of the kernels' bench."""
    cores = sorted(os.sched_getaffinity(0))[:threads]
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder) / "kernels.json"
        chosen = {"EXPERTS_BENCH_JSON": str(kept), "EXPERTS_BENCH_TOKENS": ",".join(map(str, tokens))}
        subprocess.run(
            ["cargo", "bench", "--quiet", "--package", "secateur-kernels", "--bench", "experts"],
            cwd=ROOT,
            env={**os.environ, **chosen, "RAYON_NUM_THREADS": str(threads)},
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
            stdout=subprocess.DEVNULL,
            check=True,
        )
        return json.loads(kept.read_text())["rows"]


def place(row):
    return row["hidden"], row["inner"], row["tokens_per_expert"]


def rows_of(rounds):
    """Per precision, shape and number of tokens: rates and shares of the peak, and the ratio to each library within each round."""
    rows = []
    for kernel, precision in OURS.items():
        for shape in (place(row) for row in rounds[0][0] if row["kernel"].startswith(f"{kernel} {row['hidden']}")):
            own = [
                next(row for row in mine if place(row) == shape and row["kernel"].startswith(f"{kernel} {row['hidden']}"))
                for mine, _ in rounds
            ]
            peak = "share_of_bf16_peak" if precision == "fast" and own[0]["share_of_bf16_peak"] else "share_of_f32_peak"
            against = []
            for one in (row for row in rounds[0][1] if place(row) == shape):
                name = {key: one[key] for key in ("library", "dtype", "weights")}
                same = lambda row: place(row) == shape and all(row[key] == value for key, value in name.items())
                rates = [next(row["gflops"] for row in other if same(row)) for _, other in rounds]
                ratios = [mine["gflops"] / rate for mine, rate in zip(own, rates)]
                against.append({**name, "gflops": spread(rates), "ratio": spread(ratios)})
            rows.append(
                {
                    "precision": precision,
                    "hidden": shape[0],
                    "inner": shape[1],
                    "tokens_per_expert": shape[2],
                    "gflops": spread([row["gflops"] for row in own]),
                    "peak": peak.removeprefix("share_of_"),
                    "share": spread([row[peak] for row in own]),
                    "against": against,
                }
            )
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--secateur", type=Path, help="the binary, for its version")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", default="64,512", help="numbers of tokens per expert")
    parser.add_argument("--json", type=Path, help="keep the figures")
    parser.add_argument("--there", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    tokens = [int(number) for number in options.tokens.split(",")]
    if options.there:
        print(json.dumps(there(tokens)))
        return
    if options.secateur is None:
        parser.error("--secateur is missing: which version the figures are of")
    machine = facts(options.secateur)
    warn_if_busy(machine)
    rounds = []
    for turn in range(options.rounds):
        beside = lambda: json.loads(
            run([sys.executable, Path(__file__), "--there", "--tokens", options.tokens], options.threads).output
        )
        if turn % 2:
            other = beside()
            mine = ours(tokens, options.threads)
        else:
            mine = ours(tokens, options.threads)
            other = beside()
        rounds.append((mine, other))
        print(f"  round {turn + 1} of {options.rounds}", flush=True)
    rows = rows_of(rounds)
    for row in rows:
        name = f"{row['precision']} {row['hidden']} × {row['inner']}, {row['tokens_per_expert']} tokens"
        print(f"{name}: {row['gflops']['median']:.0f} GF/s, {100 * row['share']['median']:.0f} % of the {row['peak'].replace('_', ' ')}")
        for one in row["against"]:
            print(
                f"  {one['library']} {one['dtype']}, weights from {one['weights']}: {one['gflops']['median']:.0f} GF/s, "
                f"ratio {one['ratio']['median']:.2f} ({one['ratio']['least']:.2f} – {one['ratio']['most']:.2f})"
            )
    if options.json:
        page = {"kind": "products", "machine": machine, "threads": options.threads, "rounds": options.rounds, "rows": rows}
        options.json.write_text(json.dumps(page, indent=1) + "\n")


if __name__ == "__main__":
    main()
