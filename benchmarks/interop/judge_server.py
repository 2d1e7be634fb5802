"""`secateur judge` against a real server: `transformers serve` with small checkpoints on loopback. See README.md."""

import argparse
import http.server
import itertools
import json
import pathlib
import random
import shutil
import subprocess
import tempfile
import threading
import time

import krippendorff
import numpy
import torch
import transformers
from transformers_server import Server, check, without_proxies

QUESTIONS = ("q1_hallucinations_more", "q2_omission_more", "q3_repetition_more", "q4_alignment_more")
DRUGS = ("Velorin", "Tasmide", "Corvane", "Lumexol", "Brinase", "Oxavir", "Pelidone", "Sarvane")


def texts(count):
    """Texts and pairs of texts, with their sources."""
    one, two = [], []
    for index in range(count):
        drug, dose = DRUGS[index % len(DRUGS)], 10 + 5 * index
        source = f"{drug} lowered pain at {dose} mg in trial {index}."
        text = f"{drug} lowered pain at {dose if index % 2 else dose + 5} mg."
        one.append({"id": f"text-{index}", "source": source, "text": text})
        two.append({"id": f"pair-{index}", "source": source, "unpruned": text, "pruned": f"{drug} raised pain. It raised pain."})
    return one, two


def written(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def judges(path, port, entries):
    """A judges file; each entry: name, model, further settings."""
    lines = []
    for name, model, settings in entries:
        lines += ["[[judges]]", f'name = "{name}"', f'endpoint = "http://127.0.0.1:{port}/v1"', f'model = "{model}"']
        lines += [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    path.write_text("\n".join(lines) + "\n")
    return path


class Secateur:
    """The program."""

    def __init__(self, binary, work):
        self.binary, self.work = binary, work

    def command(self, config, pairs, cache, *more):
        return [self.binary, "judge", "--config", config, "--pairs", pairs, "--cache", cache, "--json", *more]

    def judge(self, config, pairs, cache, *more, status=0):
        done = subprocess.run(self.command(config, pairs, cache, *more), capture_output=True, text=True)
        if done.returncode != status:
            raise SystemExit(f"FAILED: exit status {done.returncode}, expected {status}: {done.stderr.strip()}")
        return json.loads(done.stdout), done.stderr


def recorded(secateur, pairs, *more):
    """The conversations that the program sends for these pairs, taken down by a server that answers nothing of use."""
    conversations = []

    class Recorder(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            conversations.append(body["messages"])
            reply = json.dumps({"choices": [{"message": {"content": "?"}, "finish_reason": "stop"}]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Recorder)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    config = judges(secateur.work / "recorder.toml", server.server_port, [("recorder", "none", {"concurrency": 1})])
    with tempfile.TemporaryDirectory() as cache:
        secateur.judge(config, pairs, cache, *more)
    server.shutdown()
    return conversations


def reply_for(draw, relative):
    """What a taught judge shall say: drawn, since only that it is a verdict matters here."""
    if relative:
        return json.dumps({question: draw.choice("AB") for question in QUESTIONS})
    return json.dumps({"verdict": draw.choice(("yes", "no")), "reason": "as the source says"})


def taught(model_directory, directory, conversations, seed, steps):
    """A copy of the checkpoint that has been taught to answer these conversations in the protocols' JSON."""
    torch.manual_seed(seed)
    draw = random.Random(seed)
    tokenizer = transformers.AutoTokenizer.from_pretrained(model_directory)
    model = transformers.AutoModelForCausalLM.from_pretrained(model_directory, dtype=torch.float32)
    rows = []
    for messages, relative in conversations:
        prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        prompt = tokenizer(prompt)["input_ids"]
        reply = tokenizer(reply_for(draw, relative) + "<|im_end|>")["input_ids"]
        rows.append((prompt, reply))
    longest = max(len(prompt) + len(reply) for prompt, reply in rows)
    ids = torch.zeros(len(rows), longest, dtype=torch.long)
    labels = torch.full_like(ids, -100)
    attention = torch.zeros_like(ids)
    for row, (prompt, reply) in enumerate(rows):
        end = len(prompt) + len(reply)
        ids[row, :end] = torch.tensor(prompt + reply)
        labels[row, len(prompt) : end] = torch.tensor(reply)
        attention[row, :end] = 1
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    model.train()
    for step in range(steps):
        some = torch.tensor(draw.sample(range(len(rows)), min(4, len(rows))))
        out = model(input_ids=ids[some], attention_mask=attention[some], labels=labels[some])
        optimiser.zero_grad()
        out.loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        if step % 10 == 0 or step + 1 == steps:
            print(f"  {directory.name}: step {step}, loss {out.loss.item():.3f}", flush=True)
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


def kept(cache):
    return [json.loads(path.read_text()) for path in sorted(pathlib.Path(cache).glob("*/*.json"))]


def json_in(reply):
    """The object between the outermost braces, if that is what they hold."""
    try:
        found = json.loads(reply[reply.index("{") : reply.rindex("}") + 1])
        return found if isinstance(found, dict) else {}
    except ValueError:
        return {}


def absolute_verdict(record):
    said = str(json_in(record["reply"]).get("verdict")).strip().lower()
    whole = record["finish_reason"] != "length"
    return {"yes": "agrees", "no": "contradicts"}.get(said) if whole else None


def relative_verdict(record):
    found = json_in(record["reply"])
    letters = [str(found.get(question)).strip().upper() for question in QUESTIONS]
    return letters if record["finish_reason"] != "length" and all(letter in ("A", "B") for letter in letters) else None


def counted(document, cache, read):
    """Every count and verdict of the document against the replies on the disk, read by this script's own rules."""
    by_key = {record["key"]: record for record in kept(cache)}
    for judge in document["judges"]:
        summary, verdicts = judge["summary"], judge["verdicts"]
        records = [by_key[verdict["key"]] for verdict in verdicts]
        found = [read(record) for record in records]
        check(all(verdict["reply"] == record["reply"] for verdict, record in zip(verdicts, records)), f"{judge['name']}: every reply is kept")
        check(
            [value is None for value in found] == [verdict["verdict"] is None for verdict in verdicts],
            f"{judge['name']}: a reply has a verdict where one can be read in it, and only there",
        )
        unparsable = sum(value is None for value in found)
        check(
            (summary["unparsable"], summary["judged"]) == (unparsable, len(found) - unparsable),
            f"{judge['name']}: {summary['judged']} of {len(found)} replies hold a verdict, {unparsable} are counted as unparsable",
        )
        tokens = [sum(record[way] for record in {r["key"]: r for r in records}.values()) for way in ("tokens_in", "tokens_out")]
        new = [summary["tokens_in"] + summary["cached_tokens_in"], summary["tokens_out"] + summary["cached_tokens_out"]]
        check(tokens == new and min(tokens) > 0, f"{judge['name']}: {tokens[0]} tokens in and {tokens[1]} out, as the server counts")
        if unparsable == len(found):
            check("undefined" in judge["figures"], f"{judge['name']}: no verdict, no number")
        yield judge, found


def close(ours, theirs):
    return abs(ours - theirs) < 1e-9


def agreement(found, alpha):
    """α of the judges' labels against the PyPI package."""
    labels = numpy.array([[numpy.nan if value is None else value for value in judge] for judge in found], dtype=float)
    pairable = labels[:, (~numpy.isnan(labels)).sum(0) > 1]
    if len(set(pairable[~numpy.isnan(pairable)])) < 2:
        check("undefined" in alpha, "agreement is undefined where labels do not differ")
        return
    expected = krippendorff.alpha(reliability_data=labels, level_of_measurement="nominal")
    check(close(alpha["krippendorff_alpha"], expected), f"agreement: Krippendorff's alpha {expected:.3f}, as the package has it")


def absolute(document, cache):
    labels = []
    for judge, found in counted(document, cache, absolute_verdict):
        for verdict, value in zip(judge["verdicts"], found):
            assert verdict["verdict"] == value
        said = [float(value == "contradicts") for value in found if value]
        if said:
            rate = judge["figures"]["judged_contradiction_rate"]
            check(close(rate["value"], sum(said) / len(said)) and rate["n"] == len(said), f"{judge['name']}: contradiction rate {rate['value']:.3f}")
        labels.append([None if value is None else float(value == "contradicts") for value in found])
    agreement(labels, document["agreement"])


def relative(document, cache):
    labels = []
    for judge, found in counted(document, cache, relative_verdict):
        half = len(found) // 2
        named = []
        for verdict, letters in zip(judge["verdicts"], found):
            other = {"unpruned": "pruned", "pruned": "unpruned"}[verdict["verdict"]["a"]] if letters else None
            named.append([verdict["verdict"]["a"] if letter == "A" else other for letter in letters] if letters else None)
            if letters:
                assert [verdict["verdict"]["named"][question] for question in QUESTIONS] == named[-1]
        both = [(a, b, m, n) for a, b, m, n in zip(found[:half], found[half:], named[:half], named[half:]) if a and b]
        if any(named[:half]):
            figures = judge["figures"]
            for index, question in enumerate(QUESTIONS):
                wins = [names[index] == "pruned" for names in named[:half] if names]
                rate = next(value for key, value in figures[question].items() if key.startswith("judged_") and not key.endswith("consistent"))
                assert close(rate["value"], sum(wins) / len(wins)), question
                if both:
                    flips = sum(m[index] != n[index] for _, _, m, n in both) / len(both)
                    assert close(figures[question]["judge_flip_rate"]["value"], flips), question
                letters = [letters[index] for letters in found if letters]
                assert close(figures[question]["judge_first_position_share"]["value"], letters.count("A") / len(letters)), question
            check(True, f"{judge['name']}: win rates, flips and position shares of the four questions")
        labels.append([None if names is None else float(names[0] == "pruned") for names in named[:half]])
    agreement(labels, document["agreement"][QUESTIONS[0]])


def asked(document):
    return [(judge["summary"]["asked"], judge["summary"]["cached"]) for judge in document["judges"]]


def verdicts(document):
    return [[entry["verdict"] for entry in judge["verdicts"]] for judge in document["judges"]]


def killed_in_the_middle(secateur, model, work):
    """The server dies while questions are asked; what was answered is kept, and the same command goes on."""
    pairs = written(work / "many.jsonl", texts(40)[0])
    cache, server = work / "middle", Server(work)
    settings = {"max_tokens": 48, "concurrency": 2, "attempts": 2, "first_wait_s": 0.2, "timeout_s": 120}
    config = judges(work / "middle.toml", server.port, [("plain", model, settings)])
    run = subprocess.Popen(secateur.command(config, pairs, cache), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while len(kept_names(cache)) < 5 and run.poll() is None:
        time.sleep(0.05)
    server.kill()
    out, err = run.communicate(timeout=300)
    summary = json.loads(out)["judges"][0]["summary"]
    check(run.returncode == 3 and summary["failed"] + summary["not_asked"] > 0, f"server killed: exit status 3, {summary['not_asked']} not asked")
    message = [line for line in err.splitlines() if f"127.0.0.1:{server.port}/v1/chat/completions" in line and "goes on from here" in line]
    check(len(message) == 1, f"the message says where and what to do: {message[0] if message else err}")
    check("panicked" not in err and len(kept(cache)) == summary["asked"] >= 5, f"{summary['asked']} answers were kept")
    server = Server(work, server.port)
    document, _ = secateur.judge(config, pairs, cache)
    server.kill()
    check(asked(document) == [(40 - summary["asked"], summary["asked"])], "started again, it asks what is missing and nothing else")


def kept_names(cache):
    return list(pathlib.Path(cache).glob("*/*.json"))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--secateur", required=True, type=pathlib.Path)
    parser.add_argument("--items", type=int, default=8)
    parser.add_argument("--steps", type=int, default=150, help="steps of teaching a judge its JSON")
    parser.add_argument("--keep", type=pathlib.Path, help="folder for everything that is made; a temporary one by default")
    parser.add_argument("model", type=pathlib.Path, help="a small checkpoint with a chat template")
    arguments = parser.parse_args()
    without_proxies()
    work = arguments.keep or pathlib.Path(tempfile.mkdtemp(prefix="judge-"))
    work.mkdir(parents=True, exist_ok=True)
    # Threads that wait for each other cost more than they bring on models of this size.
    torch.set_num_threads(1)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    secateur = Secateur(arguments.secateur.resolve(), work)
    model = arguments.model.resolve()
    one, two = texts(arguments.items)
    one, two = written(work / "texts.jsonl", one), written(work / "pairs.jsonl", two)

    asked_of = [(messages, False) for messages in recorded(secateur, one)]
    asked_of += [(messages, True) for messages in recorded(secateur, two, "--both-orders")]
    check(len(asked_of) == 3 * arguments.items, f"{len(asked_of)} conversations: one per text, two per pair of texts")
    taught_by = [taught(model, work / f"taught-{seed}", asked_of, seed, arguments.steps) for seed in (1, 2)]

    server = Server(work)
    prices = {"price_in": 0.5, "price_out": 2.0, "concurrency": 2, "max_tokens": 128, "timeout_s": 300}
    entries = [(directory.name, directory, prices) for directory in taught_by]
    both = judges(work / "judges.toml", server.port, entries)
    untaught = judges(
        work / "untaught.toml",
        server.port,
        [("plain", model, {"max_tokens": 64, "timeout_s": 300}), ("cut", taught_by[0], {"max_tokens": 6, "timeout_s": 300})],
    )
    runs = []
    for (config, judge_names), (pairs, more, read) in itertools.product(
        ((both, "taught"), (untaught, "untaught")), ((one, (), absolute), (two, ("--both-orders",), relative))
    ):
        print(f"{judge_names} judges, {read.__name__} protocol", flush=True)
        cache = work / "cache"
        document, _ = secateur.judge(config, pairs, cache, *more)
        check(all(cached == 0 for _, cached in asked(document)), "a first run asks everything")
        read(document, cache)
        if config is both:
            check(all(judge["summary"]["judged"] > 0 for judge in document["judges"]), "taught judges give verdicts")
            check(all(judge["summary"]["cost"] > 0 for judge in document["judges"]), "verdicts cost what the prices say")
        else:
            check(any("cut off" in (entry["problem"] or "") for entry in document["judges"][1]["verdicts"]), "a reply that is cut off is unparsable")
        runs.append((config, pairs, cache, more, document))
    server.kill()
    for config, pairs, cache, more, first in runs:
        again, _ = secateur.judge(config, pairs, cache, *more)
        check(all(new == 0 for new, _ in asked(again)) and verdicts(again) == verdicts(first), "without a server, a second run says the same and asks nothing")
    killed_in_the_middle(secateur, model, work)
    if not arguments.keep:
        shutil.rmtree(work)
    print("all checks passed")


main()
