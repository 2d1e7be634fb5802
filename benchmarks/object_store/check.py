"""A small sweep through an S3-compatible server: two workers at once, one of them killed, a damaged record, a server that is down.
See README.md. Prints one line per check; the exit status is 1 if one fails."""

import argparse
import csv
import io
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

import boto3

HERE = pathlib.Path(__file__).resolve().parent
DEMO = HERE.parents[1] / "datasets" / "demo"
BUCKET, PREFIX, NAME = "results", "team/sweeps", "object-store-check"
# Measured, and so never the same twice; with several workers, which of two cells with an equal mask was evaluated is chance.
COSTS = ("seconds", "peak_memory_bytes", "tokens")

SWEEP = f"""
name = "{NAME}"
methods = ["frequency", "random"]
ratios = [0.5]
calibrate_on = ["biomedical"]
cards = ["{DEMO}/tasks", "."]
bootstrap_samples = 200
[[models]]
name = "demo-olmoe"
path = "{DEMO}/models/demo-olmoe"
[[corpora]]
name = "biomedical"
file = "{DEMO}/calibration/biomedical.jsonl"
samples = 16
[[tasks]]
name = "colours"
[[tasks]]
name = "demo_bio_choice"
[[tasks]]
name = "demo_bio_recall"
"""
CELLS = 9

# Several chunks long, so that a worker can be stopped inside a cell.
CARD = """
name = "colours"
version = 1
kind = "multiple_choice"
domain = "biomedical"
about = "What colour is it?"
licence = "CC0-1.0"
[data]
file = "colours.jsonl"
id = "id"
[prompt]
template = "Question: {question}\\nAnswer:"
[choices]
field = "choices"
label = "label"
"""


def check(holds, what):
    """A failed check ends the run."""
    if not holds:
        raise SystemExit(f"FAILED: {what}")
    print(f"ok: {what}", flush=True)


def until(what, happened, seconds=180):
    for _ in range(seconds * 20):
        if happened():
            return
        time.sleep(0.05)
    raise SystemExit(f"FAILED: {seconds} s passed without: {what}")


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Server:
    """moto on a port of its own."""

    def __init__(self, work, *options):
        self.port, self.log = free_port(), work / f"server{''.join(options)}.log"
        self.process = subprocess.Popen([sys.executable, HERE / "server.py", str(self.port), self.log, *options])
        self.environment = {
            "AWS_ENDPOINT": f"http://127.0.0.1:{self.port}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
        }
        until("a server that answers", self.answers, 60)
        self.client = boto3.client(
            "s3",
            endpoint_url=self.environment["AWS_ENDPOINT"],
            region_name="us-east-1",
            aws_access_key_id="key",
            aws_secret_access_key="secret",
        )
        self.client.create_bucket(Bucket=BUCKET)

    def answers(self):
        try:
            urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"http://127.0.0.1:{self.port}/", timeout=2)
            return True
        except OSError:
            return False

    def names(self, folder):
        """Objects of the sweep beneath a folder that are not empty."""
        start = f"{PREFIX}/{NAME}/"
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"{start}{folder}")
        return [entry["Key"].removeprefix(start) for page in pages for entry in page.get("Contents", []) if entry["Size"]]

    def read(self, name):
        return self.client.get_object(Bucket=BUCKET, Key=f"{PREFIX}/{NAME}/{name}")["Body"].read()

    def write(self, name, data):
        self.client.put_object(Bucket=BUCKET, Key=f"{PREFIX}/{NAME}/{name}", Body=data)

    def puts(self, folder):
        """How often each object of a folder was put with success."""
        counts = {}
        for line in self.log.read_text().splitlines():
            method, path, status = line.split()[:3]
            start = f"/{BUCKET}/{PREFIX}/{NAME}/{folder}/"
            if method == "PUT" and status == "200" and path.startswith(start):
                counts[path.removeprefix(start)] = counts.get(path.removeprefix(start), 0) + 1
        return counts

    def stop(self):
        self.process.kill()
        self.process.wait()


class Machine:
    """Workers that share a cache folder, as those of one machine do."""

    def __init__(self, binary, work, name, environment):
        self.binary, self.cache, self.work = binary, work / f"cache-{name}", work
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
        self.environment |= environment | {"XDG_CACHE_HOME": str(self.cache), "RAYON_NUM_THREADS": "1"}

    def start(self, *words):
        return subprocess.Popen(
            [self.binary, *map(str, words)], cwd=self.work, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def sweep(self):
        return self.start("sweep", "sweep.toml", "--results", f"s3://{BUCKET}/{PREFIX}")

    def run(self, *words, status=0):
        return ended(self.start(*words), status)

    def files(self, pattern):
        return list(self.cache.glob(f"secateur/results/*/{pattern}"))


def ended(child, status=0):
    out, err = child.communicate(timeout=300)
    if child.returncode != status:
        raise SystemExit(f"FAILED: exit status {child.returncode} instead of {status}\n{out}\n{err}")
    return out, err


def counts(out):
    """Evaluated, shared, done before, failed."""
    return [int(word) for word in out.splitlines()[0].split() if word.isdigit()]


def comparable(name, data):
    """A table without what is never the same twice."""
    if name != "cells.csv":
        return data
    rows = list(csv.reader(io.StringIO(data.decode())))
    kept = [index for index, column in enumerate(rows[0]) if column not in COSTS]
    return [[row[index] for index in kept] for row in rows]


def same_tables(found, expected, what):
    names = sorted(set(expected) - {"cells.parquet"})
    check(sorted(set(found) - {"cells.parquet"}) == names and len(names) >= 13, f"{what}: {len(names)} tables")
    differ = [name for name in names if comparable(name, found[name]) != comparable(name, expected[name])]
    check(not differ, f"{what}: they are those of a local run, byte for byte {differ or ''}")


def tables_in(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def tables_of(server):
    return {name.split("/", 1)[1]: server.read(name) for name in server.names("tables/")}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--secateur", required=True, type=pathlib.Path)
    parser.add_argument("--patient", action="store_true", help="also wait until another machine's claim counts as left behind, three minutes")
    parser.add_argument("--keep", type=pathlib.Path, help="folder for everything that is made; a temporary one by default")
    arguments = parser.parse_args()
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        os.environ.pop(name, None)
    binary = arguments.secateur.resolve()
    work = (arguments.keep or pathlib.Path(tempfile.mkdtemp(prefix="object-store-"))).resolve()
    work.mkdir(parents=True, exist_ok=True)
    (work / "sweep.toml").write_text(SWEEP)
    (work / "colours.toml").write_text(CARD)
    colours = [{"id": f"c{i}", "question": f"What colour is {i}?", "choices": ["red", "blue"], "label": i % 2} for i in range(400)]
    (work / "colours.jsonl").write_text("".join(json.dumps(colour) + "\n" for colour in colours))
    address = f"s3://{BUCKET}/{PREFIX}"

    local = Machine(binary, work, "local", {"AWS_ENDPOINT": "http://127.0.0.1:1"})
    out, _ = local.run("sweep", "sweep.toml", "--results", "local")
    once = counts(out)
    check(sum(once) == CELLS and not local.files("*"), f"a local run of {CELLS} cells, {once[0]} of them evaluated, asks no server")
    expected = tables_in(work / "local" / NAME / "tables")

    server = Server(work)
    machine = {name: Machine(binary, work, name, server.environment) for name in ("one", "two", "three", "four")}
    try:
        killed_and_finished(server, machine, expected, once, arguments.patient)
        afterwards(server, machine, expected, address)
        damaged(server, machine["four"], expected)
    finally:
        server.stop()
    down(machine["two"], binary, work, address)
    if not arguments.keep:
        shutil.rmtree(work)
    print("all checks passed")


def killed_and_finished(server, machine, expected, once, patient):
    one, two = machine["one"], machine["two"]
    dying = one.sweep()
    until("answers of a cell that is not done", lambda: one.files("answers/.partial-*") or dying.poll() is not None)
    dying.send_signal(signal.SIGTERM)
    ended(dying, 130)
    check(server.names("answers/.partial-"), "a worker that is told to stop leaves its answers of the running cell in the store")
    dying, other = two.sweep(), one.sweep()
    until("two records", lambda: len(server.names("records/")) > 1)
    dying.kill()
    dying.wait()
    if patient:
        print("waiting for three minutes", flush=True)
    again = None if patient else two.sweep()
    out, err = ended(other)
    evaluated = [counts(out)]
    if again:
        evaluated.append(counts(ended(again)[0]))
    records = server.puts("records")
    check(all(sum(numbers) == CELLS for numbers in evaluated), f"a worker was killed; the others end with all {CELLS} cells: {evaluated}")
    check(sorted(f"records/{name}" for name in records) == sorted(server.names("records/")) and len(records) == CELLS, f"{CELLS} records")
    check(set(records.values()) == {1}, "each record was put once")
    check(sum(numbers[0] for numbers in evaluated) <= once[0], "nobody evaluated a cell that had a record")
    left = [name for name in server.names("claims/") if f'"pid":{dying.pid},'.encode() not in server.read(name)]
    check(not left, "no claim is left, unless the killed worker was just behind its record")
    running = {f"answers/.partial-{name.removeprefix('claims/')}" for name in server.names("claims/")}
    check(set(server.names("answers/.partial-")) <= running, "and no answers of a running cell")
    same_tables(tables_of(server), expected, "tables in the store")
    check({"report/index.html", "report/report.md"} <= set(server.names("report/")), "the report is in the store")


def afterwards(server, machine, expected, address):
    three = machine["three"]
    before = server.puts("records")
    status = json.loads(three.run("sweep", "status", "sweep.toml", "--results", address, "--json")[0])
    check(status["done"] == CELLS and status["complete"], "a machine that has nothing yet sees that all is done")
    plan = json.loads(three.run("sweep", "plan", "sweep.toml", "--results", address, "--json")[0])
    check(all(cell["done"] for cell in plan["cells"]) and plan["directory"] == f"{address}/{NAME}", "`sweep plan` says so too")
    three.run("safe", f"{address}/{NAME}")
    out, _ = three.run("compare", "local/" + NAME, f"{address}/{NAME}", "--exact", "--json")
    check(json.loads(out)["outcome"] == "equal", "`compare --exact` finds records and answers equal to the local run's")
    out, _ = ended(three.sweep())
    check(counts(out) == [0, 0, CELLS, 0] and server.puts("records") == before, "there, the same sweep does nothing")
    page = pathlib.Path(out.split("report: ")[1].strip())
    check(page.is_file() and three.cache in page.parents, "and names its copy of the report")
    out, _ = three.run("sweep", "reduce", "sweep.toml", "--results", address)
    three.run("report", f"{address}/{NAME}")
    same_tables(tables_of(server), expected, "tables drawn again")
    copy = three.files("records/*.json")[0]
    whole = copy.read_bytes()
    copy.write_bytes(whole.replace(b"1", b"2"))
    out, _ = ended(three.sweep())
    check(counts(out) == [0, 0, CELLS, 0] and copy.read_bytes() == whole, "a damaged copy is fetched again")


def damaged(server, machine, expected):
    name = next(name for name in server.names("records/") if b'"method": "frequency"' in server.read(name))
    whole = server.read(name)
    server.write(name, whole.replace(b'"value": 0.', b'"value": 1.', 1))
    out, err = ended(machine.sweep())
    check("counts as missing" in err and "was emptied" in err, "a damaged record is set aside, with a message")
    evaluated, shared, found, failed = counts(out)
    check((evaluated + shared, found, failed) == (1, CELLS - 1, 0), "and its cell alone is done again")
    again = json.loads(server.read(name))["record"]
    check(again["metrics"] == json.loads(whole)["record"]["metrics"], "its numbers are what they were")
    same_tables(tables_of(server), expected, "tables after that")


def down(machine, binary, work, address):
    def refused(machine, words, what, place=address):
        started = time.monotonic()
        _, err = machine.run("sweep", "sweep.toml", "--results", place, status=1)
        message = [line for line in err.splitlines() if line.startswith("error: ")]
        holds = len(message) == 1 and all(word in message[0] for word in words) and "panicked" not in err
        check(holds, f"{what}, after {time.monotonic() - started:.0f} s: {message[0] if message else err}")

    refused(machine, (address, "AWS_ENDPOINT", "start the same command again"), "a server that is down")
    nowhere = {"AWS_METADATA_ENDPOINT": f"http://127.0.0.1:{free_port()}", "AWS_EC2_METADATA_DISABLED": "true"}
    refused(Machine(binary, work, "five", nowhere), (address, "AWS_ACCESS_KEY_ID"), "no credentials")
    refused(machine, ("ftp://host/x", "s3://bucket"), "no address", "ftp://host/x")
    careless = Server(work, "--careless")
    try:
        machine = Machine(binary, work, "six", careless.environment)
        refused(machine, (address, "evaluated once", "If-None-Match"), "a store without conditional writes")
        refused(machine, ("s3://nobody", "no bucket `nobody`"), "a bucket that is not there", f"s3://nobody/{PREFIX}")
    finally:
        careless.stop()


main()
