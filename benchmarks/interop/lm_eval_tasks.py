"""The tasks of the comparison: official files for Secateur, the same records as the hub's data sets have them for lm-evaluation-harness.

A slice of each official file is cut into questions and worked examples. `Local.official` is written below a data root in the official
format; `Local.splits` becomes JSON lines with the fields of the data set that the harness's task names.
"""

import csv
import io
import json
from dataclasses import dataclass, field
from pathlib import Path

TOY = Path(__file__).with_name("lm_eval_toy.json")


@dataclass
class Local:
    """One task, ready for both programs."""

    ours: str  # Secateur's name of the task
    folder: str  # its data set
    yaml: str  # the harness's task file, relative to lm_eval/tasks
    official: dict[str, str]  # file name -> content
    splits: dict[str, list[dict]]  # split -> records as the hub has them
    scores: dict[str, str]  # the harness's metric -> ours
    examples: bool = True  # whether few-shot examples can be asked for
    extra: dict = field(default_factory=dict)  # further lines of the local task file


def lines(path: Path, count: int) -> list[str]:
    return path.read_text(encoding="utf-8").split("\n")[:count]


def halves(rows: list, count: int, pool: int) -> tuple[list, list]:
    """The first `count` are asked, the `pool` after them are worked examples."""
    return rows[:count], rows[count : count + pool]


def jsonl(rows: list) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


ACC = {"acc": "accuracy"}
ACC_NORM = {"acc": "accuracy", "acc_norm": "accuracy_per_character"}


def arc(data: Path, count: int, pool: int) -> list[Local]:
    read = lambda name, n: [json.loads(line) for line in lines(data / "arc" / name, n)]
    test, dev = read("ARC-Challenge-Test.jsonl", count), read("ARC-Challenge-Dev.jsonl", pool)

    def hub(row: dict) -> dict:
        choices = row["question"]["choices"]
        return {
            "id": row["id"],
            "question": row["question"]["stem"],
            "choices": {"text": [c["text"] for c in choices], "label": [c["label"] for c in choices]},
            "answerKey": row["answerKey"],
        }

    made = []
    for ours, prefix in [("arc_challenge", "ARC-Challenge"), ("arc_easy", "ARC-Easy")]:
        # The easy set is not at hand; its task is tried on questions of the other.
        official = {f"{prefix}-Test.jsonl": jsonl(test), f"{prefix}-Train.jsonl": jsonl(dev)}
        splits = {"test": list(map(hub, test)), "train": list(map(hub, dev)), "validation": list(map(hub, dev))}
        made.append(Local(ours, "arc", f"arc/{ours}.yaml", official, splits, ACC_NORM))
    return made


def hellaswag(data: Path, count: int, pool: int) -> list[Local]:
    rows = [json.loads(line) for line in lines(data / "hellaswag/hellaswag_val.sample.jsonl", count + pool)]
    asked, shots = halves(rows, count, pool)
    official = {"hellaswag_val.jsonl": jsonl(asked), "hellaswag_train.jsonl": jsonl(shots)}
    hub = lambda row: {**row, "label": str(row["label"])}
    splits = {"validation": list(map(hub, asked)), "train": list(map(hub, shots))}
    return [Local("hellaswag", "hellaswag", "hellaswag/hellaswag.yaml", official, splits, ACC_NORM)]


def piqa(data: Path, count: int, pool: int) -> list[Local]:
    rows = [json.loads(line) for line in lines(data / "piqa/valid.jsonl", count + pool)]
    labels = lines(data / "piqa/valid-labels.lst", count + pool)
    asked, shots = halves(list(zip(rows, labels)), count, pool)
    official = {
        "valid.jsonl": jsonl([row for row, _ in asked]),
        "valid-labels.lst": "\n".join(label for _, label in asked),
        "train.jsonl": jsonl([row for row, _ in shots]),
        "train-labels.lst": "\n".join(label for _, label in shots),
    }
    hub = lambda pair: {"goal": pair[0]["goal"], "sol1": pair[0]["sol1"], "sol2": pair[0]["sol2"], "label": int(pair[1])}
    splits = {"validation": list(map(hub, asked)), "train": list(map(hub, shots))}
    return [Local("piqa", "piqa", "piqa/piqa.yaml", official, splits, ACC_NORM)]


def mmlu(data: Path, count: int, pool: int) -> list[Local]:
    made = []
    for subject in ["anatomy", "astronomy", "clinical_knowledge", "philosophy"]:
        read = lambda split, n: list(csv.reader(io.StringIO((data / f"mmlu/{split}/{subject}_{split}.csv").read_text())))[:n]
        test, dev = read("test", count), read("dev", 5)

        def text(rows: list) -> str:
            out = io.StringIO()
            csv.writer(out, lineterminator="\n").writerows(rows)
            return out.getvalue()

        hub = lambda row: {"question": row[0], "subject": subject, "choices": row[1:5], "answer": "ABCD".index(row[5])}
        official = {f"test/{subject}_test.csv": text(test), f"dev/{subject}_dev.csv": text(dev)}
        splits = {"test": list(map(hub, test)), "dev": list(map(hub, dev)), "validation": list(map(hub, dev))}
        made.append(Local(f"mmlu_{subject}", "mmlu", f"mmlu/default/mmlu_{subject}.yaml", official, splits, ACC))
    return made


def medqa(data: Path, count: int, pool: int) -> list[Local]:
    rows = [json.loads(line) for line in lines(data / "medqa/phrases_no_exclude_test.jsonl", count + pool)]
    asked, shots = halves(rows, count, pool)
    official = {"phrases_no_exclude_test.jsonl": jsonl(asked), "phrases_no_exclude_train.jsonl": jsonl(shots)}

    def hub(row: dict) -> dict:
        endings = {f"ending{i}": row["options"][letter] for i, letter in enumerate("ABCD")}
        return {"sent1": row["question"], **endings, "label": "ABCD".index(row["answer_idx"])}

    splits = {"test": list(map(hub, asked)), "train": list(map(hub, shots)), "validation": list(map(hub, shots))}
    return [Local("medqa_4options", "medqa", "medqa/medqa.yaml", official, splits, ACC_NORM)]


def medmcqa(data: Path, count: int, pool: int) -> list[Local]:
    rows = [json.loads(line) for line in lines(data / "medmcqa/dev.json", count + pool)]
    asked, shots = halves(rows, count, pool)
    official = {"dev.json": jsonl(asked), "train.json": jsonl(shots)}
    # The official file counts answers from 1, the hub from 0.
    hub = lambda row: {**{k: row[k] for k in ["id", "question", "opa", "opb", "opc", "opd"]}, "cop": int(row["cop"]) - 1}
    splits = {"validation": list(map(hub, asked)), "train": list(map(hub, shots))}
    return [Local("medmcqa", "medmcqa", "medmcqa/medmcqa.yaml", official, splits, ACC_NORM)]


def pubmedqa(data: Path, count: int, pool: int) -> list[Local]:
    records = json.loads((data / "pubmedqa/ori_pqal.json").read_text(encoding="utf-8"))
    truth = json.loads((data / "pubmedqa/test_ground_truth.json").read_text(encoding="utf-8"))
    asked = [key for key in records if key in truth][:count]
    shots = [key for key in records if key not in truth][:pool]
    official = {
        "ori_pqal.json": json.dumps({key: records[key] for key in records if key in asked or key in shots}),
        "test_ground_truth.json": json.dumps({key: truth[key] for key in asked}),
    }
    hub = lambda key: {name: records[key][name] for name in ["QUESTION", "CONTEXTS", "final_decision"]}
    splits = {"test": list(map(hub, asked)), "train": list(map(hub, shots)), "validation": list(map(hub, shots))}
    return [Local("pubmedqa", "pubmedqa", "pubmedqa/pubmedqa.yaml", official, splits, ACC)]


def truthfulqa(data: Path, count: int, _pool: int) -> list[Local]:
    entries = json.loads((data / "truthfulqa/mc_task.json").read_text(encoding="utf-8"))[:count]
    targets = lambda answers: {"choices": list(answers), "labels": list(answers.values())}
    hub = [
        {"question": e["question"], "mc1_targets": targets(e["mc1_targets"]), "mc2_targets": targets(e["mc2_targets"])}
        for e in entries
    ]
    official = {"mc_task.json": json.dumps(entries, ensure_ascii=False)}
    made = [
        Local("truthfulqa_mc1", "truthfulqa", "truthfulqa/truthfulqa_mc1.yaml", official, {"validation": hub}, ACC, False),
        Local(
            "truthfulqa_mc2", "truthfulqa", "truthfulqa/truthfulqa_mc2.yaml", official, {"validation": hub},
            {"acc": "true_probability_mass"}, False,
        ),
    ]
    text = (data / "truthfulqa/TruthfulQA.csv").read_text(encoding="utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))[:count]
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    split = lambda cell: [answer.strip() for answer in cell.split(";") if answer.strip()]
    hub = [
        {
            "question": row["Question"],
            "correct_answers": split(row["Correct Answers"]),
            "incorrect_answers": split(row["Incorrect Answers"]),
        }
        for row in rows
    ]
    scores = {"bleu": "bleu", "rouge1": "rouge_1", "rouge2": "rouge_2", "rougeL": "rouge_lsum"}
    scores = {f"{k}_{part}": f"{v}_{part}" for k, v in scores.items() for part in ["max", "diff", "acc"]}
    yaml = "truthfulqa/truthfulqa_gen.yaml"
    made.append(Local("truthfulqa_gen", "truthfulqa", yaml, {"TruthfulQA.csv": out.getvalue()}, {"validation": hub}, scores, False))
    return made


def nq_open(data: Path, count: int, pool: int) -> list[Local]:
    rows = [json.loads(line) for line in lines(data / "nq_open/NQ-open.dev.jsonl", count + pool)]
    asked, shots = halves(rows, count, pool)
    official = {"NQ-open.dev.jsonl": jsonl(asked), "NQ-open.train.jsonl": jsonl(shots)}
    splits = {"validation": asked, "train": shots}
    return [Local("nq_open", "nq_open", "nq_open/nq_open.yaml", official, splits, {"exact_match": "exact_match_harness"})]


def toy() -> list[Local]:
    """Records written for this comparison, for sets whose files are not at hand."""
    rows = json.loads(TOY.read_text(encoding="utf-8"))
    wino = rows["winogrande"]
    made = [
        Local(
            "winogrande", "winogrande", "winogrande/default.yaml",
            {"dev.jsonl": jsonl(wino["dev"]), "train_xl.jsonl": jsonl(wino["train"])},
            {"validation": wino["dev"], "train": wino["train"]}, ACC,
        )
    ]
    boolq = rows["boolq"]
    hub = lambda row: {**row, "label": int(row["label"])}
    made.append(
        Local(
            "boolq", "boolq", "super_glue/boolq/default.yaml",
            {"val.jsonl": jsonl(boolq["dev"]), "train.jsonl": jsonl(boolq["train"])},
            {"validation": list(map(hub, boolq["dev"])), "train": list(map(hub, boolq["train"]))}, ACC,
        )
    )
    squad = rows["squad2"]

    def flat(articles: list) -> list[dict]:
        return [
            {
                "id": qa["id"], "title": article["title"], "context": paragraph["context"], "question": qa["question"],
                "answers": {
                    "text": [a["text"] for a in qa["answers"]],
                    "answer_start": [a["answer_start"] for a in qa["answers"]],
                },
            }
            for article in articles for paragraph in article["paragraphs"] for qa in paragraph["qas"]
        ]

    names = ["exact", "f1", "HasAns_exact", "HasAns_f1", "NoAns_exact", "best_exact", "best_f1"]
    mine = ["exact", "f1", "has_answer_exact", "has_answer_f1", "no_answer_exact", "best_exact", "best_f1"]
    file = lambda articles: json.dumps({"version": "v2.0", "data": articles})
    made.append(
        Local(
            "squad2", "squad2", "squadv2/squadv2.yaml",
            {"dev-v2.0.json": file(squad["dev"]), "train-v2.0.json": file(squad["train"])},
            {"validation": flat(squad["dev"]), "train": flat(squad["train"])},
            {name: f"squad2_{own}" for name, own in zip(names, mine)},
        )
    )
    return made


def all_tasks(data: Path | None, count: int, pool: int) -> list[Local]:
    """Every task whose files are there."""
    made = toy()
    if data is not None:
        for make in [arc, hellaswag, piqa, mmlu, medqa, medmcqa, pubmedqa, truthfulqa, nq_open]:
            if (data / make.__name__).is_dir():
                made += make(data, count, pool)
            else:
                print(f"left out: there is no {data / make.__name__}")
    return made
