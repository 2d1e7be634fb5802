"""Krippendorff's α of the PyPI package on random labels with gaps: `gen_krippendorff.py crates/metrics/tests/krippendorff/values.json`."""

import json
import pathlib
import sys

import krippendorff
import numpy

SEED = 20260101


def labels(draw, observers, units, classes, missing, agreement):
    """`[observers, units]`: a true label each, replaced by another with a chance, or missing (NaN)."""
    true = draw.integers(0, classes, units).astype(float)
    seen = numpy.where(draw.random((observers, units)) < agreement, true, draw.integers(0, classes, (observers, units)))
    return numpy.where(draw.random((observers, units)) < missing, numpy.nan, seen)


def main():
    draw = numpy.random.default_rng(SEED)
    cases = []
    for observers in (2, 3, 7):
        for units in (8, 40, 200):
            for classes, missing, agreement in ((2, 0.0, 0.9), (2, 0.3, 0.7), (5, 0.2, 0.5), (9, 0.6, 0.8), (4, 0.1, 0.0)):
                data = labels(draw, observers, units, classes, missing, agreement)
                pairable = (~numpy.isnan(data)).sum(0) > 1
                if len(set(data[:, pairable][~numpy.isnan(data[:, pairable])])) < 2:
                    continue
                alpha = {
                    scale: float(krippendorff.alpha(reliability_data=data, level_of_measurement=scale))
                    for scale in ("nominal", "interval")
                }
                rows = [[None if numpy.isnan(v) else int(v) for v in unit] for unit in data.T]
                cases.append({"units": rows, **alpha})
    versions = {"krippendorff": "0.9.0", "numpy": numpy.__version__}
    out = {"made_by": "benchmarks/goldens/gen_krippendorff.py", "versions": versions, "seed": SEED, "cases": cases}
    pathlib.Path(sys.argv[1]).write_text(json.dumps(out, separators=(",", ":")) + "\n")
    print(len(cases), "cases")


main()
