"""transformers and `secateur bench` in alternation on one checkpoint: medians of both, and of the ratios. See README.md."""

import argparse
import itertools
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from machine import Failed, facts, median, run, spread, warn_if_busy
from random_olmoe import write
from transformers_figures import DTYPES, PARTS

HERE = Path(__file__).parent
# Figure, the part it belongs to, and that of transformers it is divided by.
RATES = [
    ("prefill_tok_s_b8x256", "prefill", "prefill_tok_s_b8x256"),
    ("prefill_last_tok_s_b8x256", "prefill", "prefill_last_tok_s_b8x256"),
    ("decode_tok_s_b1", "decode", "decode_tok_s_b1"),
    ("decode_tok_s_b8", "decode", "decode_tok_s_b8"),
    ("calibration_reap_tok_s_b4x256", "calibration", "calibration_reap_tok_s_b4x256"),
    # No program collects all methods' statistics there: REAP's alone are what they are held against.
    ("calibration_all_tok_s_b4x256", "calibration", "calibration_reap_tok_s_b4x256"),
    ("plain_layers_tok_s_b4x256", "calibration", "plain_layers_tok_s_b4x256"),
    ("calibration_reap_tok_s_b1x256", "calibration", "calibration_reap_tok_s_b1x256"),
    ("calibration_all_tok_s_b1x256", "calibration", "calibration_reap_tok_s_b1x256"),
    ("plain_layers_tok_s_b1x256", "calibration", "plain_layers_tok_s_b1x256"),
    ("plain_forward_tok_s_b1x256", "calibration", "plain_forward_tok_s_b1x256"),
]
# By a hook that runs the routed experts once more, as programs that watch a model do; above, their faster way counts.
BY_HOOK = [
    ("calibration_all_tok_s_b4x256", "calibration", "calibration_reap_beside_tok_s_b4x256"),
    ("calibration_all_tok_s_b1x256", "calibration", "calibration_reap_beside_tok_s_b1x256"),
]
RATES += BY_HOOK
# A setting that reaches no more than this share of the best at a figure is not measured again: its first look stands.
HOPELESS = 1 / 3
ALWAYS = ["load_s", "decode_read_gb_s_b1", "decode_read_gb_s_b8", "rss_after_load_mb", "peak_rss_mb", "peak_anonymous_mb"]
PART = {theirs: part for _, part, theirs in RATES}


@dataclass(frozen=True)
class Setting:
    """How transformers computes."""

    dtype: str
    experts: str
    attention: str

    def __str__(self):
        return f"{self.dtype}, {self.experts}, {self.attention}"

    def run(self, checkpoint, threads, repetitions, parts, patience=None):
        words = ["--dtype", self.dtype, "--experts", self.experts, "--attention", self.attention]
        words += ["--threads", threads, "--repetitions", repetitions, "--only", ",".join(parts)]
        done = run([sys.executable, HERE / "transformers_figures.py", checkpoint, *words], threads, patience)
        return json.loads(done.output.splitlines()[-1])


def run_secateur(options, precision):
    words = ["--precision", precision, "--threads", options.threads, "--repetitions", options.repetitions, "--json"]
    words += ["--only", ",".join(options.only)]
    return json.loads(run([options.secateur, "bench", options.checkpoint, *words], options.threads).output)


def look(setting, options):
    """Every part once: rates, what had no memory, and what failed or took too long."""
    rates, refused, failed = {}, {}, {}
    for part in options.only:
        try:
            found = setting.run(options.checkpoint, options.threads, 0, [part], options.patience)
        except Failed as failure:
            failed[part] = str(failure)[-300:]
            continue
        rates |= {name: found[name] for name in PART if name in found}
        refused |= found["refused"]
    return rates, refused, failed


def candidates(options):
    """Every setting once: figure and dtype → the fastest setting, and what it reached."""
    best, tried = {}, []
    for names in itertools.product(options.dtypes, options.experts, options.attention):
        setting = Setting(*names)
        rates, refused, failed = look(setting, options)
        tried.append({"setting": str(setting), **rates, "refused": refused, "failed": failed})
        shown = [f"{name.split('_tok')[0]} {value:.0f}" for name, value in rates.items()]
        shown += [f"{part} failed, {text.splitlines()[-1]}" for part, text in failed.items()]
        print(f"  {setting}: {', '.join(shown)}", flush=True)
        for name, value in rates.items():
            key = name, setting.dtype
            if key not in best or value > best[key][0]:
                best[key] = value, setting
    if not best:
        raise SystemExit("FAILED: no setting of transformers runs here")
    return best, tried


def without_hope(best):
    """Of [`candidates`], those that are not measured again."""
    most = lambda name: max(value for (other, _), (value, _) in best.items() if other == name)
    return {key: found for key, found in best.items() if found[0] < HOPELESS * most(key[0])}


def rounds(options, best):
    """Both programs in turn, each time in the other order."""
    parts = {}
    for (name, _), setting in best.items():
        parts.setdefault(setting, set()).add(PART[name])
    kept = []
    for place in range(options.rounds):
        theirs = lambda: {
            setting: setting.run(options.checkpoint, options.threads, options.repetitions, sorted(parts[setting]))
            for setting in parts
        }
        ours = lambda: {precision: run_secateur(options, precision) for precision in options.precisions}
        if place % 2:
            mine, other = ours(), theirs()
        else:
            other, mine = theirs(), ours()
        kept.append((other, mine))
        print(f"  round {place + 1} of {options.rounds}", flush=True)
    return kept


def row(kept, best, once, precision, figure, theirs):
    """One figure: both medians, and the ratio within each round to the best setting of each dtype, and of all; for one without hope, to what it
    reached at the first look."""
    settings = {dtype: setting for (name, dtype), setting in best.items() if name == theirs}
    if figure not in kept[0][1][precision]:
        raise SystemExit(f"FAILED: `secateur bench` does not print {figure}")
    if not settings:
        return None  # No setting of transformers had the memory.
    looks = {setting: value for (name, _), (value, setting) in once.items() if name == theirs}
    of = lambda setting: [looks[setting]] if setting in looks else [other[setting][theirs] for other, _ in kept]
    # The best of all is decided by the rounds, not by the first look.
    settings["best"] = max(settings.values(), key=lambda setting: median(of(setting)))
    own = [mine[precision][figure] for _, mine in kept]
    against = {}
    for dtype, setting in settings.items():
        rates = of(setting)
        ratios = [a / b for a, b in zip(own, rates if setting not in looks else rates * len(own))]
        against[dtype] = {
            "setting": str(setting),
            "transformers": spread(rates),
            "ratio": spread(ratios),
            "looked_at_once": setting in looks,
        }
    hooked = "_to_hook" if (figure, "calibration", theirs) in BY_HOOK else ""
    return {"figure": figure + hooked, "divided_by": theirs, "precision": precision, "secateur": spread(own), "against": against}


def always(kept, best, precision):
    """Load time and memory, beside the setting that is best at prefill."""
    measured = lambda setting: all(setting in theirs for theirs, _ in kept)
    named = [s for (name, _), s in best.items() if name == "prefill_tok_s_b8x256"] + list(best.values())
    setting = next(s for s in named if measured(s))
    rows = []
    for name in ALWAYS:
        own = [mine[precision][name] for _, mine in kept if mine[precision].get(name) is not None]
        other = [theirs[setting][name] for theirs, _ in kept if name in theirs[setting]]
        if own:
            there = {"setting": str(setting), "transformers": spread(other)} if other else None
            rows.append({"figure": name, "precision": precision, "secateur": spread(own), "beside": there})
    return rows


def show(rows, memory):
    print(f"\n{'':32} {'secateur':>10}   {'ratio to the best bf16, f32, of all (least to most), tokens/s there, setting'}")
    for found in rows:
        print(f"{found['figure']:32} {found['secateur']['median']:10.1f}   {found['precision']}")
        for name, there in found["against"].items():
            ratio = there["ratio"]
            print(
                f"{'':45}{name:5} {ratio['median']:6.2f} ({ratio['least']:.2f} to {ratio['most']:.2f})"
                f"   {there['transformers']['median']:9.1f}   {there['setting']}"
            )
    for found in memory:
        other = f"   transformers {found['beside']['transformers']['median']:.1f}" if found["beside"] else ""
        print(f"{found['figure']:32} {found['secateur']['median']:10.1f}   {found['precision']}{other}")


def words(text):
    return text.split(",")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", nargs="?", type=Path, help="the random model of 453 M parameters in bf16 where absent")
    parser.add_argument("--secateur", required=True, type=Path, help="the binary, a release build")
    parser.add_argument("--work", type=Path, help="keep the random model here, for another run")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--repetitions", type=int, default=1, help="counted runs per process")
    parser.add_argument("--precisions", type=words, default=["exact"], help="of secateur bench")
    parser.add_argument("--dtypes", type=words, default=list(DTYPES), help="that transformers computes in")
    parser.add_argument("--experts", type=words, default=["eager", "grouped_mm", "batched_mm"])
    parser.add_argument("--only", type=words, default=PARTS, help="parts of what is measured")
    parser.add_argument("--attention", type=words, default=["sdpa", "eager"])
    parser.add_argument("--patience", type=float, default=900, help="seconds for the first look at a setting; slower ones are left out")
    parser.add_argument("--json", type=Path, help="keep the figures")
    options = parser.parse_args()
    machine = facts(options.secateur)
    warn_if_busy(machine)
    with tempfile.TemporaryDirectory() as temporary:
        if options.checkpoint is None:
            folder = options.work or Path(temporary)
            write(folder)
            options.checkpoint = folder / "bf16"
        print("settings of transformers, tokens per second:", flush=True)
        found, tried = candidates(options)
        once = without_hope(found)
        best = {key: setting for key, (_, setting) in found.items()}
        kept = rounds(options, {key: setting for key, setting in best.items() if key not in once})
    rates = [(figure, theirs) for figure, part, theirs in RATES if part in options.only]
    all_rows = [row(kept, best, once, p, figure, theirs) for p in options.precisions for figure, theirs in rates]
    rows = [found for found in all_rows if found]
    memory = [found for precision in options.precisions for found in always(kept, best, precision)]
    show(rows, memory)
    if options.json:
        about = kept[0][1][options.precisions[0]]
        page = {
            "kind": "compare",
            "machine": machine,
            "checkpoint": {key: about[key] for key in ["family", "dtype", "parameters", "weights_mb"]},
            "threads": options.threads,
            "rounds": options.rounds,
            "repetitions": options.repetitions,
            "rows": rows,
            "memory": memory,
            "settings": tried,
        }
        options.json.write_text(json.dumps(page, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
