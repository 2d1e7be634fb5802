"""Writes results/performance.md from the figures kept in results/performance. See README.md."""

import argparse
import json
import statistics
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FIGURES = {
    "prefill_tok_s_b8x256": "prefill, 8 × 256, logits everywhere",
    "prefill_last_tok_s_b8x256": "prefill, 8 × 256, logits at the ends",
    "decode_tok_s_b1": "decoding, 1 sequence",
    "decode_tok_s_b8": "decoding, 8 sequences",
    "calibration_reap_tok_s_b4x256": "calibration for REAP, 4 × 256 in one pass",
    "calibration_all_tok_s_b4x256": "for all methods (transformers: for REAP), in one pass",
    "plain_layers_tok_s_b4x256": "no statistics and no logits, in one pass",
    "calibration_reap_tok_s_b4x256_to_b1x256": "calibration for REAP, 4 × 256 in one pass (transformers: one by one)",
    "calibration_all_tok_s_b4x256_to_b1x256": "for all methods, in one pass (transformers: for REAP, one by one)",
    "calibration_reap_tok_s_b1x256": "calibration for REAP, 4 × 256 one by one",
    "calibration_all_tok_s_b1x256": "for all methods (transformers: for REAP), one by one",
    "calibration_all_tok_s_b4x256_to_hook": "for all methods (transformers: for REAP, by a hook that runs experts again), in one pass",
    "calibration_all_tok_s_b1x256_to_hook": "for all methods (transformers: for REAP, by a hook that runs experts again), one by one",
    "calibration_paper_tok_s_b4x256": "for all methods and paper profiles, in one pass",
    "calibration_paper_tok_s_b1x256": "for all methods and paper profiles, one by one",
    "plain_layers_tok_s_b1x256": "no statistics and no logits, one by one",
    "plain_forward_tok_s_b1x256": "no statistics, with logits, one by one",
    "load_s": "loading, s",
    "decode_read_gb_s_b1": "memory in plain loops, beside decoding 1 sequence, GB/s",
    "decode_read_gb_s_b8": "memory in plain loops, beside decoding 8 sequences, GB/s",
    "rss_after_load_mb": "resident after loading, MiB",
    "rss_after_load_mb_to_peak": "resident after loading (transformers: at most until then), MiB",
    "peak_rss_mb": "resident at most, MiB",
    "peak_anonymous_mb": "of which not in files, MiB",
    "weight_statistics_s": "statistics of the weights, s",
}
GRID = {
    "sweep": "one sweep, with calibration, intervals and report",
    "one_process_each": "an export and a harness process per mask",
    "one_process": "all exports, one harness process",
}


def table(heads, rows):
    """Markdown; the first column is words, others are numbers."""
    lines = [f"| {' | '.join(heads)} |", f"|---|{'---:|' * (len(heads) - 1)}"]
    return lines + [f"| {' | '.join(row)} |" for row in rows]


def number(value):
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def between(spread):
    return f"{number(spread['median'])} ({number(spread['least'])} – {number(spread['most'])})"


def percent(share):
    return "–" if share is None else f"{100 * share:.0f} %"


def share(row, peak):
    """The median; with the quartiles, where they were kept."""
    middle, quartiles = percent(row[f"share_of_{peak}"]), row.get(f"quartiles_of_{peak}")
    return f"{middle} ({100 * quartiles[0]:.0f} – {100 * quartiles[2]:.0f})" if quartiles else middle


def about(page):
    """Machine, versions and date in one line."""
    machine = page["machine"]
    features = ", ".join(machine["processor_features"]) or "no listed features"
    versions = ", ".join(f"{name} {text}".replace("secateur secateur", "secateur") for name, text in machine["versions"].items())
    return (
        f"{machine['date']}; {machine['processor']} ({features}), {machine['cores']} cores, {machine['memory_gb']} GB, "
        f"{machine['system']}, load {machine['load_before']:.2f} before; {page['threads']} {'thread' if page['threads'] == 1 else 'threads'}; {versions}."
    )


def on(page):
    """The widest of the processor's instructions that products are taken with, for a heading."""
    names = {"avx512_bf16": "AVX-512 BF16", "avx512f": "AVX-512", "avx2": "AVX2", "asimd": "NEON"}
    widest = next((f", {name}" for flag, name in names.items() if flag in page["machine"]["processor_features"]), "")
    family = page["machine"].get("processor_family")
    return widest + (f", {family}" if family else "")


def ratio(there):
    """To one dtype's fastest setting."""
    if there is None:
        return "–"
    return between(there["ratio"]) + (" \\*" if there["looked_at_once"] else "")


def compare(page):
    checkpoint = page["checkpoint"]
    dtypes = list(dict.fromkeys(name for row in page["rows"] for name in row["against"]))
    # The plain passes belong to the calibration.
    parts = {row["figure"].split("_")[0].replace("plain", "calibration") for row in page["rows"]}
    alone = f", {parts.pop()} alone" if len(parts) == 1 else ""
    lines = [
        f"## Beside transformers: {checkpoint['family']}, {checkpoint['parameters'] / 1e6:.0f} M parameters, {checkpoint['dtype']}{on(page)}{alone}",
        "",
        about(page),
        "",
        f"Tokens per second, medians of {page['rounds']} rounds in alternation (least – most); ratios are taken within a round, to the "
        f"fastest setting of transformers in each dtype and to the fastest of all that were looked at: "
        f"{'; '.join(one['setting'] for one in page['settings'])}. \\*: less than a third of the fastest at its only look, which all "
        "rounds are divided by.",
        "",
    ]
    for precision in dict.fromkeys(row["precision"] for row in page["rows"]):
        rows = [row for row in page["rows"] if row["precision"] == precision]
        heads = ["figure", f"Secateur, `{precision}`", *(f"ratio, {name}" for name in dtypes), "transformers", "its setting"]
        body = []
        for row in rows:
            ratios = [ratio(row["against"].get(name)) for name in dtypes]
            best = row["against"]["best"]
            words = FIGURES[row["figure"]]
            body.append([words, between(row["secateur"]), *ratios, between(best["transformers"]), best["setting"]])
        lines += [*table(heads, body), ""]
        body = []
        for row in page["memory"]:
            if row["precision"] == precision:
                there = between(row["beside"]["transformers"]) if row["beside"] else "–"
                body.append([FIGURES[row["figure"]], between(row["secateur"]), there])
        lines += [*table(["", f"Secateur, `{precision}`", "transformers, its setting for prefill"], body), ""]
        lines += [f"The checkpoint's tensors are {checkpoint['weights_mb']:.0f} MiB.", ""]
    missing = {one["setting"]: [*one["refused"], *one["failed"]] for one in page["settings"] if one["refused"] or one["failed"]}
    if missing:
        names = "; ".join(f"{setting}: {', '.join(what)}" for setting, what in missing.items())
        lines += [f"Settings of transformers that had no memory for a figure or took too long for it: {names}.", ""]
    return lines


def grid(page):
    verdict = "all equal" if not page["faults"] else f"{len(page['faults'])} that differ"
    times, ratios = page["times"], page["ratios_of_seconds"]
    body = [
        [
            words,
            number(times[name]["seconds"]),
            number(times[name]["cpu_seconds"]),
            number(ratios[name]) if name in ratios else "1",
        ]
        for name, words in GRID.items()
    ]
    return [
        f"## A small grid both ways: {page['masks']} masks, {page['cells']} cells{on(page)}",
        "",
        about(page),
        "",
        f"{', '.join(page['models'])}; unpruned and by {', '.join(page['methods'])} at {', '.join(map(str, page['ratios']))}; "
        f"{', '.join(page['tasks'])}. {page['scores_compared']} accuracies: {verdict}; log-likelihoods at most "
        f"{page['largest_difference']:.1e} nats apart. Rankings are given to the other way for nothing; medians of {page['rounds']}.",
        "",
        *table(["", "seconds", "CPU seconds", "ratio"], body),
        "",
    ]


def beside(page, peak):
    """What the machine could do beside the figures, of which they are shares: the median, in GF/s or GB/s."""
    found = []
    for row in (row for row in page["rows"] if row[f"share_of_{peak}"]):
        per_weight = 2 * row["tokens_per_expert"]
        bytes_per_weight = 4 if row["kernel"].startswith("f32") else 2
        rate = row["gflops"] * bytes_per_weight / per_weight if peak == "read_bandwidth" else row["gflops"]
        found.append(rate / row[f"share_of_{peak}"])
    return statistics.median(found) if found else None


def kernels(page):
    peaks = {peak: beside(page, peak) for peak in ("f32_peak", "bf16_peak", "read_bandwidth")}
    bf16 = f"{peaks['bf16_peak']:.0f} GF/s in bf16" if peaks["bf16_peak"] else "no bf16 products"
    looks = ", medians and quartiles of short looks," if "quartiles_of_f32_peak" in page["rows"][0] else ""
    body = [
        [
            f"{row['kernel']}, {row['tokens_per_expert']} tokens",
            number(row["gflops"]),
            *(share(row, peak) for peak in ("f32_peak", "bf16_peak", "read_bandwidth")),
        ]
        for row in page["rows"]
    ]
    return [
        f"## Expert products{on(page)}",
        "",
        about(page),
        "",
        f"Gate, up, activation and down of {page['rows'][0]['experts']} experts at once, weights not in a cache, in the dtype named; `fast` rounds activations to "
        f"bf16. Shares{looks} are of the machine's peaks beside each figure, {peaks['f32_peak']:.0f} GF/s in f32, {bf16} and {peaks['read_bandwidth']:.1f} GB/s in the median: "
        f"a plain loop reads that, and kernels that fetch ahead may read more.",
        "",
        *table(["kernel, tokens per expert", "GF/s", "of f32 peak", "of bf16 peak", "of read bandwidth"], body),
        "",
    ]


def products(page):
    """Expert products beside those of matrix libraries."""
    names = list(dict.fromkeys((one["library"], one["dtype"], one["weights"]) for row in page["rows"] for one in row["against"]))
    body = [
        [
            f"`{row['precision']}`, {row['hidden']} × {row['inner']}, {row['tokens_per_expert']} tokens",
            number(row["gflops"]["median"]),
            percent(row["share"]["median"]),
            *(between(one["ratio"]) for one in row["against"]),
        ]
        for row in page["rows"]
    ]
    peaks = " and ".join(dict.fromkeys(row["peak"].replace("_", " ") for row in page["rows"]))
    heads = ["experts", "GF/s", "of the peak", *(f"{library} {dtype}, {weights}" for library, dtype, weights in names)]
    return [
        f"## Expert products beside matrix libraries{on(page)}, {page['threads']} {'thread' if page['threads'] == 1 else 'threads'}",
        "",
        about(page),
        "",
        f"bf16 experts with all that belongs to them, weights from memory, as a share of the {peaks} measured beside; and how many times as fast that is as the "
        "products alone of torch and numpy, without packing, activation or routing, with gate and up in one matrix: their weights, from memory and "
        f"just read, in the dtype named. Medians of {page['rounds']} rounds in alternation (least – most).",
        "",
        *table(heads, body),
        "",
    ]


def precision(page):
    """What bf16 activations do to a sweep's metrics."""
    compared, moved = page["compared"], page["safe_fractions_that_move"]
    body = [
        [
            row["metric"] + (f" ({row['scorer']})" if row["scorer"] else ""),
            row["unit"],
            f"{row['cells_that_move']} of {row['cells']}",
            f"{row['mean']:+.2g}",
            *(
                "–" if row[name] is None else f"{row[name]:.2g}"
                for name in ("mean_size_of_the_same_experts", "largest_of_the_same_experts", "mean_size", "largest")
            ),
        ]
        for row in page["metrics"]
    ]
    names = "; ".join(f"{one['model']}, {one['method']}, {one['domain']}: {one['f32']} → {one['fast']}" for one in moved)
    verdicts = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in sorted(compared["verdicts"].items())) or "none"
    return [
        f"## What `precision = \"fast\"` does to the {page['sweep']} sweep",
        "",
        about(page),
        "",
        f"The sweep once in `f32` and once in `fast`, calibration included: {compared['cells_a']} cells; {page['masks_that_move']} of "
        f"{page['masks']} sets of experts move. Of {compared['answers']} greedy answers {compared['answers_that_differ']} differ. Of "
        f"{compared['metrics']} metrics of cells, each tested on the same items at 0.05 for all together: {verdicts}. {len(moved)} of "
        f"{page['safe_fractions']} safe fractions move{': ' + names if names else ''}.",
        "",
        *table(
            [
                "metric of a cell",
                "unit",
                "cells that move",
                "mean of `fast` − `f32`",
                "mean size, same experts",
                "largest, same experts",
                "mean size",
                "largest",
            ],
            body,
        ),
        "",
    ]


def single(page):
    machine, versions = page["machine"], page["versions"]
    body = [
        [words, between({"median": page[key], **page["spread"].get(key, {"least": page[key], "most": page[key]})})]
        for key, words in FIGURES.items()
        if page.get(key) is not None
    ]
    return [
        f"## {page['family']}, {page['parameters'] / 1e6:.0f} M parameters, {page['dtype']}, {page['device']}, `{page['precision']}`",
        "",
        f"{machine['processor']} ({', '.join(machine['processor_features'])}), {page['threads']} threads, secateur {versions['secateur']}.",
        "",
        *table(["figure", f"median of {page['repetitions']} (least – most)"], body),
        "",
    ]


def larger_than_memory(page):
    total, gb = page["checkpoint_bytes"], lambda value: f"{value / 1e9:.2f}"
    ways = {f"{page['limit_bytes'] / 1e9:.0f} GB": page["limited"]}
    if "unlimited" in page:
        ways["no limit"] = page["unlimited"]
    rows, parts = [], page["limited"]["phases"]
    for name in parts:
        both = [way["phases"][name] for way in ways.values()]
        if "tokens" in parts[name]:
            rows.append([f"{name}: tokens per second", *(number(one["tokens_per_second"]) for one in both)])
        rows.append([f"{name}: seconds", *(number(one["seconds"]) for one in both)])
        rows.append([f"{name}: read, of the checkpoint", *(number(one["read_bytes"] / total) for one in both)])
        rows.append([f"{name}: read, GB/s", *(gb(one["read_bytes"] / one["seconds"]) for one in both)])
    if "export" in page["limited"]:
        both = [way["export"] for way in ways.values()]
        rows.append(["export of a quarter of the experts: seconds", *(number(one["seconds"]) for one in both)])
        rows.append(["export: read, of the checkpoint", *(number(one["read_bytes"] / total) for one in both)])
    for part in (part for part in ("sweep", "export") if part in page["limited"]):
        if "cpu_seconds" in page["limited"][part]:
            rows.append([f"{part}: CPU seconds", *(number(way[part]["cpu_seconds"]) for way in ways.values())])
        both = [way[part]["memory"] for way in ways.values()]
        rows.append([f"{part}: memory outside of files, at most, GB", *(gb(one["anonymous_at_most_bytes"]) for one in both)])
        at_most = [gb(one["group_at_most_bytes"]) if "group_at_most_bytes" in one else "–" for one in both]
        rows.append([f"{part}: memory as the limit counts it, at most, GB", *at_most])
    plan = page["limited"]["planned"]["plan"]
    depth = f", {page['layers']} layers" if page.get("layers", 16) != 16 else ""
    equal = {
        None: "It was not run without the limit: there is not the memory for it.",
        True: "Answers and metrics of both ways are the same.",
        False: "Answers and metrics of both ways are NOT the same.",
    }[page.get("answers_equal")]
    planned = plan["anonymous_bytes"] + page["calibration_tokens"] * plan["waiting_token_bytes"]
    return [
        f"## Larger than memory: a checkpoint of {total / 1e9:.1f} GB under a limit of {page['limit_bytes'] / 1e9:.0f} GB",
        "",
        about(page | {"threads": page["machine"]["cores"]}),
        "",
        f"OLMoE-1B-7B's shape{depth}, random weights, bf16. The limit: {page['limited']['limit']}. Calibration for REAP on {page['calibration_tokens']} tokens, "
        f"{page['items']} questions of four choices; sweep and export each begin with the file out of the page cache. The disk reads {page['disk_bytes_per_second'] / 1e9:.2f} GB/s in order. "
        f"{equal} Said beforehand under the limit: layer by layer, up to "
        f"{plan['tokens']} tokens at a time, {gb(plan['resident_file_bytes'])} GB of weights and at most {gb(planned)} GB besides.",
        "",
        *table(["", *ways], rows),
        "",
        *(BUSY if page["machine"]["load_before"] > 0.3 else []),
    ]


BUSY = ["Other programs ran on the machine, more or fewer of them from phase to phase: seconds and rates say little here, bytes and memory hold.", ""]
SECTIONS = {
    "compare": compare,
    "grid": grid,
    "kernels": kernels,
    "products": products,
    "larger_than_memory": larger_than_memory,
    "precision": precision,
    "bench": single,
}


def kind(page):
    """`secateur bench --json` names its program instead of a kind."""
    return page.get("kind") or ("bench" if page.get("program") == "secateur" else None)


def own(heading, page, lines):
    """A heading that no line is yet, for links: with the date, and the number of those of that day where there are more."""
    if heading not in lines:
        return heading
    dated = f"{heading}, {page['machine']['date']}"
    return next(name for name in [dated, *(f"{dated}, {n}" for n in range(2, len(lines)))] if name not in lines)


def write(folder):
    pages = [(path, json.loads(path.read_text())) for path in sorted(folder.glob("*.json"))]
    if not pages:
        raise SystemExit(f"{folder} holds no figures: run compare.py, grid.py or kernels.py with --json")
    lines = [
        "# Performance",
        "",
        "Generated by `python3 benchmarks/side_by_side/page.py` from the files in [performance](performance); "
        "[benchmarks/side_by_side](../benchmarks/side_by_side/README.md) says how they are made.",
        "",
    ]
    for order in SECTIONS:
        for path, page in pages:
            if kind(page) not in SECTIONS:
                raise SystemExit(f"{path}: its kind is {page.get('kind')}, expected one of {', '.join(SECTIONS)}")
            if kind(page) == order:
                heading, *text = SECTIONS[order](page)
                lines += [own(heading, page, lines), *text]
    return "\n".join(lines).rstrip() + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--figures", type=Path, default=ROOT / "results/performance")
    parser.add_argument("--out", type=Path, default=ROOT / "results/performance.md")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the page is not what the figures give")
    options = parser.parse_args()
    text = write(options.figures)
    if not options.check:
        options.out.write_text(text)
    elif not options.out.is_file() or options.out.read_text() != text:
        print(f"{options.out} is not what the figures give: run page.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
