"""Validates the manifests of `secateur submit --executor kubernetes` against the JSON schemas that Kubernetes publishes, which the
PyPI package kubernetes-validate carries; strictly: a field that the schema does not know is an error.

    pip install -r benchmarks/slurm/requirements.txt
    python benchmarks/slurm/kubernetes.py SECATEUR
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import kubernetes_validate

# The releases that are maintained, and the oldest with all fields in their final form.
VERSIONS = ["1.33", "1.35", kubernetes_validate.latest_version()]
DEMO = Path(__file__).resolve().parents[2] / "datasets" / "demo"

SWEEP = f"""
name = "Manifest_check.1"
methods = ["frequency"]
ratios = [0.5]
calibrate_on = ["biomedical"]
cards = ["{DEMO}/tasks"]
[cluster]
tasks = 3
max_concurrent = 2
gpus = 1
cpus = 8
memory = "32G"
time = "4:00:00"
environment = {{ NOTE = "it's $(HOME)" }}
[cluster.kubernetes]
image = "registry.example/secateur:1"
claim = "sweeps"
namespace = "lab"
node_selector = {{ "nvidia.com/gpu.product" = "NVIDIA-A100-SXM4-80GB" }}
pull_secret = "registry"
[[models]]
name = "demo-olmoe"
path = "{DEMO}/models/demo-olmoe"
[[corpora]]
name = "biomedical"
file = "{DEMO}/calibration/biomedical.jsonl"
samples = 8
[[tasks]]
name = "demo_bio_choice"
[[tasks]]
name = "demo_bio_recall"
[[tasks]]
name = "demo_general_recall"
"""


def manifests(secateur: str) -> dict[str, dict]:
    """The files that a submission writes, by name."""
    with tempfile.TemporaryDirectory() as folder:
        sweep = Path(folder) / "sweep.toml"
        sweep.write_text(SWEEP)
        command = [secateur, "submit", str(sweep), "--executor", "kubernetes", "--results", f"{folder}/results"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        files = Path(folder).glob("results/*/kubernetes/*.json")
        return {file.name: json.loads(file.read_text()) for file in files}


def refuses_unknown_fields(manifest: dict, version: str) -> bool:
    spoiled = json.loads(json.dumps(manifest))
    spoiled["spec"]["template"]["spec"]["restartPolicies"] = "Never"
    try:
        kubernetes_validate.validate(spoiled, version, strict=True)
    except kubernetes_validate.ValidationError:
        return True
    return False


def main() -> None:
    found = manifests(sys.argv[1])
    assert sorted(found) == ["reduce.json", "shards.json"], f"found {sorted(found)}"
    for name, manifest in sorted(found.items()):
        for version in VERSIONS:
            kubernetes_validate.validate(manifest, version, strict=True)
            assert refuses_unknown_fields(manifest, version), "the validation lets unknown fields pass"
        print(f"ok: {name} is a Job by the schemas of Kubernetes {', '.join(VERSIONS)}")
    print("all checks passed")


if __name__ == "__main__":
    main()
