"""A served checkpoint against the same checkpoint in Secateur's own process, over a real server on loopback. See README.md."""

import argparse
import json
import math
import pathlib
import shutil
import subprocess
import tempfile
import time

from transformers_server import Server, check, without_proxies

ROOT = pathlib.Path(__file__).resolve().parents[2]
RATIO = 0.5
SOME_FAILED = 3


def sweep_file(path, name, models, tasks, pruning=False, limit=8):
    """A sweep file; each model: name, path, further settings."""
    lines = [f'name = "{name}"', f"cards = [{json.dumps(str(ROOT / 'datasets/demo/tasks'))}]", "bootstrap_samples = 100"]
    if pruning:
        lines += ['methods = ["random"]', f"ratios = [{RATIO}]", 'calibrate_on = ["biomedical"]']
    for model, directory, settings in models:
        lines += ["[[models]]", f'name = "{model}"', f"path = {json.dumps(str(directory))}"]
        lines += [f"{key} = {toml(value)}" for key, value in settings.items()]
    if pruning:
        corpus = ROOT / "datasets/demo/calibration/biomedical.jsonl"
        lines += ["[[corpora]]", 'name = "biomedical"', f"file = {json.dumps(str(corpus))}", "samples = 2"]
    for task in tasks:
        lines += ["[[tasks]]", f'name = "{task}"', f"limit = {limit}"]
    path.write_text("\n".join(lines) + "\n")
    return path


def toml(value):
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {json.dumps(item)}" for key, item in value.items()) + " }"
    return json.dumps(value)


class Secateur:
    """The program."""

    def __init__(self, binary, work):
        self.binary, self.results = binary, work / "results"

    def command(self, file):
        return [self.binary, "sweep", file, "--results", self.results]

    def sweep(self, file, status=0):
        done = subprocess.run(self.command(file), capture_output=True, text=True)
        if done.returncode != status:
            raise SystemExit(f"FAILED: exit status {done.returncode}, expected {status}: {done.stdout}{done.stderr}")
        check("panicked" not in done.stderr, f"{file.stem}: {done.stdout.splitlines()[0]}")
        return done.stdout, done.stderr

    def records(self, name):
        """Records by task and fraction, each with its answers by item."""
        found = {}
        for path in sorted((self.results / name / "records").glob("*.json")):
            record = json.loads(path.read_text())
            record = record.get("record", record)
            lines = (self.results / name / "answers" / f"{record['key']}.jsonl").read_text().splitlines()
            answers = {answer["item"]: answer for answer in map(json.loads, lines)}
            found[record["cell"]["task"], record["cell"]["fraction_removed"]] = (record, answers)
        return found

    def export(self, model, ranking, directory):
        subprocess.run(
            [self.binary, "prune", model, directory, "--ranking", ranking, "--ratio", str(RATIO)], check=True, stdout=subprocess.DEVNULL
        )
        return directory


def engine(address, model, **more):
    settings = {"openai": address, "model": str(model), "dtype": "f32", "timeout_s": 300, "attempts": 2, "first_wait_s": 0.2}
    return settings | more


def compare(served, local, apart):
    """Answers text by text, log-probabilities at most `apart` nats apart, and what the records say of the cell."""
    check(set(served) == set(local), f"the same {len(local)} cells")
    for cell in sorted(local):
        (theirs, answers), (ours, expected) = served[cell], local[cell]
        what = f"{cell[0]}, {cell[1]} removed"
        check(list(answers) == list(expected), f"{what}: {len(expected)} items in the same order")
        check(all(answers[item]["prompt"] == expected[item]["prompt"] for item in expected), f"{what}: equal prompts")
        furthest, texts = 0.0, 0
        for item in expected:
            a, b = answers[item]["output"], expected[item]["output"]
            if "text" in b:
                fields = ("text", "finish", "tokens", "prompt_tokens")
                different = [field for field in fields if a["text"][field] != b["text"][field]]
                if different:
                    raise SystemExit(f"FAILED: {what}, {item}: {different}: {a['text']} and {b['text']}")
                texts += 1
                values = [(a["text"].get("mean_log_probability"), b["text"].get("mean_log_probability"))]
            else:
                pairs = zip(a["choices"]["continuations"], b["choices"]["continuations"])
                values = [(one["score"]["log_probability"], two["score"]["log_probability"]) for one, two in pairs]
                if a["choices"]["predicted"] != b["choices"]["predicted"]:
                    raise SystemExit(f"FAILED: {what}, {item}: another choice is the likeliest")
            furthest = max([furthest] + [abs(x - y) for x, y in values if x is not None and y is not None])
        check(furthest <= apart, f"{what}: {texts} equal texts, log-probabilities at most {furthest:.1e} apart")
        same = ("mask", "method", "profile", "seed", "calibration", "fraction_removed", "experts_kept", "experts_total", "family")
        different = [name for name in same if theirs["cell"][name] != ours["cell"][name]]
        check(not different, f"{what}: the record names the same mask{': ' + str(different) if different else ''}")
        figures = {metric["name"]: metric for metric in ours["metrics"]}
        for metric in theirs["metrics"]:
            other = figures.get(metric["name"])
            values = [metric["value"]["value"] if isinstance(metric.get("value"), dict) else metric.get("value")]
            values.append(other["value"]["value"] if isinstance(other.get("value"), dict) else other.get("value")) if other else None
            if len(values) == 2 and all(isinstance(value, (int, float)) for value in values):
                if not math.isclose(*values, abs_tol=max(apart, 1e-12)):
                    raise SystemExit(f"FAILED: {what}: {metric['name']} is {values[0]}, in this process {values[1]}")
        check(bool(theirs.get("regressions")) == (cell[1] > 0), f"{what}: {len(theirs['metrics'])} metrics, compared with the unpruned model where pruned")
        inputs = theirs["inputs"]
        check(
            (inputs["dtype"], inputs["device"]) == ("f32", "served") and "127.0.0.1" not in json.dumps(inputs),
            f"{what}: the key holds {inputs['engine']} and the dtype, no address",
        )


def killed_in_the_middle(secateur, server, work, model, half):
    """The server dies while cells are evaluated; what was evaluated is kept, and the same command goes on."""
    tasks = ["demo_bio_recall", "demo_general_recall"]
    cells = 2 * len(tasks)

    def file(address):
        models = [
            ("whole", model, {"engine": engine(address, model)}),
            ("half", half, {"engine": engine(address, half), "of": "whole"}),
        ]
        return sweep_file(work / "middle.toml", "middle", models, tasks, limit=16)

    run = subprocess.Popen(secateur.command(file(server.address)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    records = secateur.results / "middle" / "records"
    while len(list(records.glob("*.json"))) < 1 and run.poll() is None:
        time.sleep(0.05)
    server.kill()
    out, err = run.communicate(timeout=300)
    kept = len(list(records.glob("*.json")))
    check(run.returncode == SOME_FAILED and 0 < kept < cells, f"server killed: exit status {SOME_FAILED}, {kept} of {cells} cells kept")
    said = [line for line in err.splitlines() if line.startswith("failed:")]
    check(
        said
        and all(server.address[:-3] in line or "not evaluated" in line for line in said)
        and any("same command goes on" in line for line in said),
        f"{len(said)} failures are said: {said[0] if said else err}",
    )
    check("panicked" not in err, "no panic")
    # On another port: where a server is does not matter.
    again = Server(work, dtype="float32")
    out, err = secateur.sweep(file(again.address))
    check(out.startswith(f"{cells - kept} cells evaluated") and f"{kept} done before" in out, f"started again, it goes on: {out.splitlines()[0]}")
    again.kill()
    out, err = secateur.sweep(file(again.address))
    check(out.startswith("0 cells evaluated") and f"{cells} done before" in out, "a finished sweep needs no server")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--secateur", required=True, type=pathlib.Path)
    parser.add_argument("--items", type=int, default=8)
    parser.add_argument("--keep", type=pathlib.Path, help="folder for everything that is made; a temporary one by default")
    parser.add_argument("--at", help="address of a server that runs already, as http://127.0.0.1:8000/v1: unpruned cells alone, log-probabilities too")
    parser.add_argument("--name", help="the model's name there")
    parser.add_argument("--apart", type=float, default=1e-3, help="most that log-probabilities may differ, in nats")
    parser.add_argument("model", type=pathlib.Path, help="a small checkpoint with a chat template")
    arguments = parser.parse_args()
    without_proxies()
    work = arguments.keep or pathlib.Path(tempfile.mkdtemp(prefix="served-"))
    work.mkdir(parents=True, exist_ok=True)
    secateur, model = Secateur(arguments.secateur.resolve(), work), arguments.model.resolve()
    generated = ["demo_bio_recall", "demo_general_recall", "demo_bio_passages", "demo_bio_unanswerable"]
    scored = ["demo_bio_choice", "demo_general_choice"]

    tasks = generated + (scored if arguments.at else [])
    secateur.sweep(sweep_file(work / "local.toml", "local", [("demo", model, {})], tasks, pruning=True, limit=arguments.items))
    local = secateur.records("local")

    if arguments.at:
        models = [("demo", model, {"engine": engine(arguments.at, arguments.name or model)})]
        secateur.sweep(sweep_file(work / "served.toml", "served", models, tasks, limit=arguments.items))
        compare(secateur.records("served"), {cell: found for cell, found in local.items() if cell[1] == 0}, arguments.apart)
    else:
        ranking = next((secateur.results / "local" / "rankings").glob("*/random@reference-0.json"))
        half = secateur.export(model, ranking, work / "half")
        server = Server(work, dtype="float32")
        models = [
            ("half", half, {"engine": engine(server.address, half, concurrency=4), "of": "demo"}),
            ("demo", model, {"engine": engine(server.address, model, concurrency=4)}),
        ]
        secateur.sweep(sweep_file(work / "served.toml", "served", models, tasks, limit=arguments.items))
        compare(secateur.records("served"), local, arguments.apart)
        out, err = secateur.sweep(sweep_file(work / "scored.toml", "scored", models[1:], scored[:1], limit=2), status=SOME_FAILED)
        said = [line for line in err.splitlines() if line.startswith("failed:")]
        check(len(said) == 1 and "needs log-probabilities" in said[0], f"what the server cannot tell is refused: {said}")
        killed_in_the_middle(secateur, server, work, model, half)
    if not arguments.keep:
        shutil.rmtree(work)
    print("all checks passed")


main()
