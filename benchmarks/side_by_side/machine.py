"""The machine, the programs, and processes that are held to some of its cores."""

import importlib.metadata
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

PACKAGES = ["torch", "transformers", "lm_eval", "numpy", "safetensors"]
# Instruction sets that products depend on.
FEATURES = ["avx2", "fma", "avx512f", "avx512bw", "avx512_bf16", "amx_bf16", "asimd", "bf16"]
BUSY = 0.3  # other programs' share of a core from which figures are doubtful


def facts(secateur):
    """What a figure depends on besides the model."""
    info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    field = lambda name: next((line.split(":", 1)[1].strip() for line in info.splitlines() if line.startswith(name)), None)
    # Vendors tell generations apart by numbers alone where a machine is rented.
    family, model = field("cpu family"), field("model\t")
    flags = set((field("flags") or field("Features") or "").split())
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "processor": field("model name") or platform.processor(),
        "processor_family": f"family {family}, model {model}" if family and model else None,
        "processor_features": [name for name in FEATURES if name in flags],
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "system": f"{platform.system()} {platform.release()}",
        "load_before": os.getloadavg()[0],
        "versions": {
            "python": platform.python_version(),
            "secateur": subprocess.run([secateur, "--version"], capture_output=True, text=True, check=True).stdout.strip(),
            **{name: importlib.metadata.version(name) for name in PACKAGES},
        },
    }


def warn_if_busy(found):
    if found["load_before"] > BUSY:
        print(f"warning: the load is {found['load_before']:.2f}; wait for an idle machine, or trust ratios alone", file=sys.stderr)


@dataclass
class Run:
    """A process that has ended well."""

    output: str
    seconds: float  # of the clock
    cpu_seconds: float  # of all cores


class Failed(Exception):
    """A process that has not."""


def run(command, threads, patience=None):
    """Runs a command on the first `threads` cores with as many threads, for at most `patience` seconds."""
    cores = sorted(os.sched_getaffinity(0))[:threads]
    if len(cores) < threads:
        raise SystemExit(f"--threads {threads}: there are {len(cores)} cores")
    counts = dict.fromkeys(["OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"], str(threads))
    offline = dict.fromkeys(["HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE"], "1")
    command = [str(word) for word in command]
    cpu, started = children_s(), time.perf_counter()
    try:
        done = subprocess.run(
            command,
            env={**os.environ, **counts, **offline, "TOKENIZERS_PARALLELISM": "false"},
            capture_output=True,
            text=True,
            timeout=patience,
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"{' '.join(command)}: not done after {patience} seconds") from None
    seconds = time.perf_counter() - started
    if done.returncode:
        raise Failed(f"{' '.join(command)}: exit status {done.returncode}\n{done.stdout[-500:]}\n{done.stderr[-3000:]}")
    return Run(done.stdout, seconds, children_s() - cpu)


def children_s():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def median(values):
    return statistics.median(values)


def spread(values):
    """What is kept of repeated figures."""
    return {"median": median(values), "least": min(values), "most": max(values), "runs": list(values)}
