"""Runs the kernel bench and keeps its figures with the machine they are of. See README.md."""

import argparse
import json
import os
import subprocess
import tempfile
from pathlib import Path

from machine import facts, warn_if_busy

ROOT = Path(__file__).resolve().parents[2]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--secateur", required=True, type=Path, help="the binary, for its version")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path, required=True, help="keep the figures")
    options = parser.parse_args()
    machine = facts(options.secateur)
    warn_if_busy(machine)
    cores = sorted(os.sched_getaffinity(0))[: options.threads]
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder) / "kernels.json"
        subprocess.run(
            ["cargo", "bench", "--package", "secateur-kernels", "--bench", "experts"],
            cwd=ROOT,
            env={**os.environ, "EXPERTS_BENCH_JSON": str(kept), "RAYON_NUM_THREADS": str(options.threads)},
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
            check=True,
        )
        page = json.loads(kept.read_text())
    options.json.write_text(json.dumps({"kind": page.pop("kind"), "machine": machine, **page}, indent=1) + "\n")


if __name__ == "__main__":
    main()
