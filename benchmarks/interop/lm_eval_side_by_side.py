"""Secateur beside lm-evaluation-harness on the same checkpoints and records: prompts, log-likelihoods, answers, scores. See README.md."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

for offline in ["HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE"]:
    os.environ[offline] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ["TQDM_DISABLE"] = os.environ["HF_DATASETS_DISABLE_PROGRESS_BARS"] = "1"

import lm_eval
import torch
import yaml
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager
from lm_eval.tasks.squadv2 import task as squadv2

from lm_eval_tasks import Local, all_tasks

LARGEST_DIFFERENCE = 1e-4  # of a log-likelihood, in nats
LARGEST_SHARE = 5e-7  # of its size: a sum of 1000 nats over tokens known in f32 is not known to 1e-4
SEED = 1234  # the harness's own for few-shot examples
TASKS = Path(lm_eval.__file__).parent / "tasks"


# --- lm-evaluation-harness ---


def squad_metrics(predictions, references):
    """SQuAD 2.0's measures: the library that the harness asks for them fetches its code from the hub."""
    import re
    import string

    def words(text):
        text = "".join(c for c in text.lower() if c not in string.punctuation)
        return re.sub(r"\b(a|an|the)\b", " ", text).split()

    def f1(said, gold):
        said, gold = words(said), words(gold)
        if not said or not gold:
            return float(said == gold)
        common = sum((Counter(said) & Counter(gold)).values())
        return 2 * common / (len(said) + len(gold))

    rows = []
    for prediction, reference in zip(predictions, references):
        golds = [gold for gold in reference["answers"]["text"] if words(gold)]
        said = prediction["prediction_text"]
        exact = max(float(words(said) == words(gold)) for gold in golds or [""])
        row = {"exact": exact, "f1": max(f1(said, gold) for gold in golds or [""])}
        rows.append({**row, "has": bool(reference["answers"]["text"]), "said": said, "p": prediction["no_answer_probability"]})
    mean = lambda name, rows: 100 * sum(row[name] for row in rows) / len(rows) if rows else 0
    result = {}
    for name in ["exact", "f1"]:
        result[name] = mean(name, rows)
        result[f"HasAns_{name}"] = mean(name, [row for row in rows if row["has"]])
        result[f"NoAns_{name}"] = mean(name, [row for row in rows if not row["has"]])
        best = current = sum(not row["has"] for row in rows)
        for row in sorted(rows, key=lambda row: row["p"]):
            current += row[name] if row["has"] else -bool(row["said"])
            best = max(best, current)
        result[f"best_{name}"] = 100 * best / len(rows)
    return result


class LocalSquad2(squadv2.SQuAD2):
    """The harness's task on local records. Its few-shot examples fail in 0.4.13, which passes a template that the task does not take."""

    files: dict = {}

    def doc_to_text(self, doc, _template=None):
        return super().doc_to_text(doc)

    def doc_to_target(self, doc, _template=None):
        return super().doc_to_target(doc)

    def download(self, *_args, **_kwargs):
        import datasets

        self.dataset = datasets.load_dataset("json", data_files=self.files)


def harness_task(task: Local, folder: Path):
    """The harness's own task on local records: a task file that includes it and names other files, or a subclass."""
    files = {}
    for split, rows in task.splits.items():
        path = folder / f"{task.ours}-{split}.jsonl"
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
        files[split] = str(path)
    if task.ours == "squad2":
        squadv2._squad_metric = squad_metrics
        made = type("LocalSquad2", (LocalSquad2,), {"files": files})()
        made.set_config("task", "local_squad2")
        return made
    text = {
        "include": str(TASKS / task.yaml),
        "task": f"local_{task.ours}",
        "tag": [],
        "dataset_path": "json",
        "dataset_name": None,
        "dataset_kwargs": {"data_files": files},
    }
    (folder / f"{task.ours}.yaml").write_text(yaml.safe_dump({**text, **task.extra}), encoding="utf-8")
    return f"local_{task.ours}"


def run_harness(model: HFLM, tasks: list[Local], shots: int, tokens: int, folder: Path) -> dict:
    folder.mkdir()
    named = [harness_task(task, folder) for task in tasks]
    # The comparison ends where the limit of new tokens does, so both programs have the same one.
    return lm_eval.simple_evaluate(
        model=model,
        tasks=named,
        num_fewshot=shots,
        gen_kwargs={"max_gen_toks": tokens},
        task_manager=TaskManager(include_path=str(folder), include_defaults=False),
        bootstrap_iters=0,
        fewshot_random_seed=SEED,
        log_samples=True,
    )


# --- Secateur ---


def run_secateur(binary: str, checkpoint: Path, tasks: list[Local], shots: int, tokens: int, folder: Path) -> dict:
    """Scores and answers per task, from a sweep of the unpruned model alone."""
    folder.mkdir()
    for task in tasks:
        for name, content in task.official.items():
            path = folder / "data" / task.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
    (folder / "corpus.jsonl").write_text('{"text": "Nothing is calibrated here."}\n')
    lines = [
        'name = "side-by-side"',
        'methods = ["random"]',
        "ratios = [0.0]",
        'calibrate_on = ["none"]',
        'precision = "f32"',
        'data = "data"',
        "bootstrap_samples = 1000",
        f'[[models]]\nname = "model"\npath = {json.dumps(str(checkpoint.resolve()))}',
        '[[corpora]]\nname = "none"\nfile = "corpus.jsonl"\nsamples = 1\nchat_template = false',
    ]
    for task in tasks:
        lines.append(f'[[tasks]]\nname = "{task.ours}"\nfew_shot = {shots}\nchat_template = false')
        if generates(task):
            lines.append(f"max_new_tokens = {tokens}")
    (folder / "sweep.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    command = [binary, "sweep", str(folder / "sweep.toml"), "--results", str(folder / "results")]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stderr.strip()}")
    return read_results(folder / "results")


def generates(task: Local) -> bool:
    return task.ours in ["nq_open", "truthfulqa_gen", "squad2"]


def read_results(root: Path) -> dict:
    """Per task the values of its metrics and its answers, in the order they were given."""
    found = {}
    for path in sorted(root.rglob("records/*.json")):
        written = json.loads(path.read_text(encoding="utf-8"))
        answers = path.parent.parent / "answers" / f"{written['answers']['key']}.jsonl"
        found[written["record"]["cell"]["task"]] = {
            "metrics": {metric["name"]: metric["value"] for metric in written["record"]["metrics"]},
            "answers": [json.loads(line) for line in answers.read_text(encoding="utf-8").splitlines()],
        }
    return found


# --- both ---


class Comparison:
    """One task of one checkpoint: what differs, item by item and in the scores."""

    def __init__(self, task: Local, shots: int, theirs: dict, ours: dict):
        self.task, self.shots = task, shots
        name = f"local_{task.ours}"
        samples = sorted(theirs["samples"][name], key=lambda sample: sample["doc_id"])
        answers = ours["answers"]
        self.faults: list[str] = []
        self.items, self.answers_differ, self.largest = len(samples), 0, 0.0
        if len(samples) != len(answers):
            self.faults.append(f"{len(samples)} items there, {len(answers)} here")
        for sample, answer in zip(samples, answers):
            self.item(sample, answer)
        self.scores(theirs["results"][name], ours["metrics"])

    def item(self, sample: dict, answer: dict):
        sent = [list(pair) for pair in arguments(sample)]
        output = answer["output"]
        responses = [response[0] for response in sample["resps"]]
        if "choices" in output:
            parts = output["choices"]["continuations"]
            mine = [[part.get("context", answer["prompt"]), part["text"]] for part in parts]
            self.same_prompts(answer["item"], [pair[:2] for pair in sent], mine)
            for part, response in zip(parts, responses):
                self.log_likelihood(answer["item"], response, part["score"]["log_probability"])
            return
        self.same_prompts(answer["item"], [sent[0][0]], [answer["prompt"]])
        if responses[0] != output["text"]["text"]:
            self.answers_differ += 1
            self.faults.append(f"item {answer['item']}: {responses[0]!r} there, {output['text']['text']!r} here")
        if len(sent) > 1:
            self.log_likelihood(answer["item"], responses[1], output["text"]["probe_log_probability"])

    def same_prompts(self, item: str, theirs: list, ours: list):
        if theirs != ours:
            self.faults.append(f"item {item}: prompts differ: {theirs!r} there, {ours!r} here")

    def log_likelihood(self, item: str, response, own: float):
        difference = abs(float(response[0]) - own)
        self.largest = max(self.largest, difference)
        if not difference <= max(LARGEST_DIFFERENCE, LARGEST_SHARE * abs(own)):
            self.faults.append(f"item {item}: log-likelihood {response[0]} there, {own} here")

    def scores(self, theirs: dict, ours: dict):
        self.pairs = []
        for key, own in self.task.scores.items():
            found = [value for name, value in theirs.items() if name.split(",")[0] == key]
            if len(found) != 1 or own not in ours:
                self.faults.append(f"score {key}: {found} there, {ours.get(own)} here as {own}")
                continue
            # SQuAD's own program counts in percent.
            value = found[0] / 100 if own.startswith("squad2_") else found[0]
            self.pairs.append((key, value, ours[own]))
            # A whole item is more than 1e-3; mc2 is a mean of probabilities.
            if not abs(value - ours[own]) <= 1e-6 * max(1.0, abs(value)) + (1e-4 if own == "true_probability_mass" else 0):
                self.faults.append(f"score {key}: {value} there, {ours[own]} here")

    def row(self) -> str:
        shown = ", ".join(f"{key} {theirs:.4f} | {ours:.4f}" for key, theirs, ours in self.pairs[:2])
        largest = f"{self.largest:.1e}" if self.largest else "-"
        verdict = "equal" if not self.faults else f"{len(self.faults)} DIFFER"
        return f"{self.task.ours:24} {self.shots:5} {self.items:5} {largest:>8} {verdict:10} {shown}"


def arguments(sample: dict) -> list:
    """The requests of a sample; logged as a list, or as numbered fields."""
    listed = sample["arguments"]
    if isinstance(listed, dict):
        listed = [[group[key] for key in sorted(group)] for group in (listed[key] for key in sorted(listed))]
    return listed


def compare(binary: str, checkpoint: Path, tasks: list[Local], shots: int, tokens: int, folder: Path) -> list[Comparison]:
    ours = run_secateur(binary, checkpoint, tasks, shots, tokens, folder / "secateur")
    # Not every task of the harness takes the limit from its arguments.
    limited = type("Limited", (HFLM,), {"max_gen_toks": tokens})
    # Sums in f64, as here: in f32 a sum of -1000 nats is known to 6e-5 only.
    model = limited(pretrained=str(checkpoint), device="cpu", dtype="float32", softmax_dtype="float64", batch_size=1)
    theirs = run_harness(model, tasks, shots, tokens, folder / "harness")
    return [Comparison(task, shots, theirs, ours[task.ours]) for task in tasks]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoints", nargs="+", type=Path)
    parser.add_argument("--secateur", required=True, help="the binary")
    parser.add_argument("--data", type=Path, help="folder with slices of the official files; without it only the toy sets")
    parser.add_argument("--tasks", help="names, separated by commas; all where absent")
    parser.add_argument("--items", type=int, default=20, help="questions per task")
    parser.add_argument("--few-shot", type=int, nargs="+", default=[0, 2])
    parser.add_argument("--new-tokens", type=int, default=24, help="longest answer")
    parser.add_argument("--json", type=Path, help="keep the figures")
    options = parser.parse_args()
    torch.set_grad_enabled(False)
    tasks = all_tasks(options.data, options.items, 12)
    if options.tasks:
        wanted = options.tasks.split(",")
        tasks = [task for task in tasks if task.ours in wanted]
        if missing := set(wanted) - {task.ours for task in tasks}:
            parser.error(f"no such task: {', '.join(sorted(missing))}")
    kept, faults = [], 0
    for checkpoint in options.checkpoints:
        print(f"\n{checkpoint}, {len(tasks)} tasks, lm_eval {lm_eval.__version__}: harness | secateur")
        print(f"{'task':24} {'shots':>5} {'items':>5} {'max |Δll|':>8} {'verdict':10} scores")
        for shots in options.few_shot:
            chosen = [task for task in tasks if shots == 0 or task.examples]
            with tempfile.TemporaryDirectory() as folder:
                done = compare(options.secateur, checkpoint, chosen, shots, options.new_tokens, Path(folder))
            for one in done:
                print(one.row(), flush=True)
                for fault in one.faults[:3]:
                    print(f"    {fault[:600]}")
                faults += len(one.faults)
                kept.append({
                    "checkpoint": checkpoint.name, "task": one.task.ours, "few_shot": shots, "items": one.items,
                    "largest_difference": one.largest, "faults": one.faults, "scores": one.pairs,
                })
    if options.json:
        options.json.write_text(json.dumps(kept, indent=1, ensure_ascii=False))
    print(f"\n{len(kept)} comparisons, {faults} differences")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
