"""Write docs/performance.md from the records of the benchmarks: `make performance`.

Reads what the benchmarks wrote below outputs/bench, and the finished runs of `sweep=precision`;
what was not measured is said to be so.
"""

import json
import math
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import gpu
import stages
from bench import COLUMNS, case_row
from measure import EPOCHS, RECORDS, Record
from parts import PYTHON
from scale import UNITS, slope_text
from start import COMPOSED, FILES_OF_CELL, STEPS_OF_CELL, TORCH, WORKERS_IMPORTS

from subliminal import store
from subliminal.config import terminal
from subliminal.errors import UserError
from subliminal.report.page import Report
from subliminal.report.read import load
from subliminal.report.tables import markdown
from subliminal.store.provenance import short_commit

PAGE = Path(__file__).resolve().parents[1] / "docs" / "performance.md"
Records = dict[str, Record]

HEAD = """\
# Performance

Written by `make performance` from what `make bench`, `make bench-scale`, and `parts.py`, `start.py`
and `alignment_error.py` in `benchmarks/` measured; edit `benchmarks/performance.py`, not this page.

A **pass** is forward, weight gradients and inner input gradients over 60,000 images of the
reference model. A seed takes 5 passes for the teacher, 5 for the student, and 5 more when the trait
gradient is taken at every step. The **floor** is the time of these passes at the rate at which the
machine multiplies (1024×784)·(784×256) in float32, all cores at once, measured in the same run.
**Core seconds** are processor time, of all processes and cores together; other work on the machine
changes them less than seconds.
"""

REST = """
The floor counts the passes alone. A seed also draws its noise, computes the frozen models' logits
once and evaluates on the test digits twelve times; and between the products, activations, losses,
gathers, checkpoints and the optimizer run at the pace of memory and of Python.
"""


@dataclass(frozen=True)
class Target:
    """What was wanted, and how to read what was reached from the records."""

    what: str
    wanted: str
    reached: Callable[[Records], float]
    met: Callable[[float], bool]
    digits: int = 2


def _case(name: str, figure: str) -> Callable[[Records], float]:
    return lambda records: float(records["bench"]["cases"][name][figure])


def _ratio(name: str) -> Callable[[Records], float]:
    return lambda records: float(records["bench"]["ratios"][name])


def _medium(records: Records) -> float:
    bench = records["bench"]
    return float(bench["ratios"]["medium / highest, loops"] / bench["matrix rate, bf16, over fp32"])


def _until(name: str) -> Callable[[Records], float]:
    return lambda records: float(records["bench"]["seconds until"][name])


def _cells(name: str, figure: str) -> Callable[[Records], float]:
    return lambda records: float(records["cells"]["cells"][name][figure])


def _language(stage: str) -> Callable[[Records], float]:
    return lambda records: float(records["language"]["best"][stage])


def at_most(bound: float) -> Callable[[float], bool]:
    return lambda value: value <= bound


def at_least(bound: float) -> Callable[[float], bool]:
    return lambda value: value >= bound


TARGETS = (
    *(
        Target(
            f"`mitigation={name}`, {what}, over the floor",
            f"≤ {bound}",
            _case(f"mitigation={name}", figure),
            at_most(bound),
        )
        for what, figure, bounds in (
            ("everything included", "over floor", (1.4, 1.5, 1.45)),
            ("training loops alone", "training loops over floor", (1.2, 1.2, 1.2)),
        )
        for name, bound in zip(("none", "liminal", "projection"), bounds, strict=True)
    ),
    Target("no probe, against the usual loop", "≥ 10 ×", _ratio("no probe / usual"), at_least(10)),
    Target(
        "probe at every step, against the usual loop without one",
        "≥ 4 ×",
        _ratio("probe / usual"),
        at_least(4),
    ),
    Target(
        "the probe's cost over that of its passes",
        "≤ 1.25",
        _ratio("probe / its passes, loops"),
        at_most(1.25),
    ),
    Target(
        "ledger, displacement and layers add",
        "≤ 0.08",
        _ratio("ledger, displacement and layers add, loops"),
        at_most(0.08),
    ),
    Target(
        "probe at every 10th step, of its cost at every step",
        "≈ 0.10",
        _ratio("every 10th step / every step, loops"),
        at_most(0.2),
    ),
    Target(
        "`engine.precision=medium`, speed-up over that of the machine's products with bf16 factors",
        "≥ 0.80",
        _medium,
        at_least(0.8),
    ),
    Target("`--help`, s", "≤ 1.0", _until("--help"), at_most(1.0)),
    Target("`--cfg job`, s", "≤ 1.0", _until("--cfg job"), at_most(1.0)),
    Target("`report --text` of a small store, s", "≤ 1.0", _until("report --text"), at_most(1.0)),
    Target("command to first training step, s", "≤ 3", _until("first training step"), at_most(3)),
    Target(
        "peak memory of two workers, GB", "≤ 1.5", _case("mitigation=none", "peak GB"), at_most(1.5)
    ),
    *(
        Target(
            f"a short cell of 1,000, {name}, {what}, s",
            "≤ 0.050",
            _cells(name, figure),
            at_most(0.05),
            3,
        )
        for name in ("no tracker", "W&B offline")
        for what, figure in (
            ("of the last 200", "s per cell, last fifth"),
            ("start-up and the tables at the end included", "s per cell"),
        )
    ),
    *(
        Target(
            f"`experiment=language`, {stage}, core s a seed",
            f"≤ {bound:.1f}",
            _language(stage),
            at_most(bound),
        )
        for stage, bound in stages.TARGETS.items()
    ),
    Target(
        f"`experiment=language`, {stages.SEEDS} seeds with their bases, peak GB",
        f"≤ {stages.MOST_GB:g}",
        lambda records: float(records["language"]["sweep"]["peak GB"]),
        at_most(stages.MOST_GB),
    ),
)


def page(records: Records, proof: Report | None = None) -> str:
    """Return the page, from the records that there are and, if it was run, the precision sweep."""
    sections = [HEAD, *(_machine(name, record) for name, record in records.items())]
    sections += ["\n## Targets\n", *_table(("", "target", "reached", ""), _targets(records))]
    sections.append(REST)
    if "bench" in records:
        sections += ["\n## Sweeps\n", _bench_note(records["bench"])]
        sections += _table(
            COLUMNS,
            (case_row(name, case) for name, case in records["bench"]["cases"].items()),
        )
        bench = records["bench"]
        sections += ["\n## Ratios\n", *_table(("ratio", ""), _ratios(bench["ratios"]))]
    if "parts" in records:
        parts = records["parts"]
        sections += [
            "\n## Where the time goes\n",
            f"One seed with the probe at every step in one process with {parts['threads']} thread, "
            f"watched by torch.profiler: {parts['seconds']:.1f} s in all. "
            f"{_floor_of_one(records)}\n",
            *_table(("part", "s", "share", "of the floor", "all probes, s"), _parts(records)),
        ]
    if {"bench", "parts", "start"} <= records.keys():
        sections += ["\n## What the misses are made of\n", *_why(records)]
    if "start" in records:
        sections += [
            "\n## Before the first step, and whose memory it is\n",
            *_start(records["start"]),
        ]
    if "scale" in records:
        sections += _scale(records["scale"])
    if "cells" in records:
        sections += ["\n## Many short cells\n", *_many_cells(records["cells"])]
    if "gpu" in records:
        sections += ["\n## On a GPU\n", *gpu.table(records["gpu"])]
    if proof is not None:
        sections += [
            "\n## What bf16 products change\n",
            f"`make sweep NAME=precision`. {proof.caption} {proof.made_with}\n",
            markdown(proof.tables["Verdicts"]),
        ]
    if "alignment_error" in records:
        sections += [
            "\n## What a precision gains, and the error of the alignment\n",
            "`engine.precision` cannot gain more than the matrix rate does. Errors are against "
            "float64, over the steps of one seed. Sums: the same two gradients, summed in float64. "
            "Whole: gradients in float64 at the same weights, on the same batches.\n",
            *_table(
                (
                    *("precision", "matrix rate, GFLOP/s", "mean alignment"),
                    *("sums: rms", "largest", "whole: rms", "largest"),
                ),
                (
                    (
                        name,
                        f"{e['matrix rate, GFLOP/s']:.0f}",
                        f"{e['mean alignment']:.5f}",
                        *(f"{e[k]:.1e}" for k in _ERRORS),
                    )
                    for name, e in records["alignment_error"]["precisions"].items()
                ),
            ),
        ]
    return "\n".join(sections) + "\n"


_ERRORS = tuple(f"error/{of}, {kind}" for of in ("sums", "whole") for kind in ("rms", "largest"))


def _floor(records: Records) -> float:
    """Return the core seconds of one seed's passes at the machine's matrix rate; NaN: unknown."""
    if "bench" not in records:
        return math.nan
    return float(3 * EPOCHS * records["bench"]["s per pass"] * records["bench"]["cores"])


def _floor_of_one(records: Records) -> str:
    return (
        f"The floor of its passes is {_floor(records):.1f} core seconds; those of evaluation "
        "and of the frozen models' logits are counted there, not as products."
    )


def _why(records: Records) -> Iterable[str]:
    """Say of what a profile shows that the missed targets are made."""
    bench, watched, start = (records[name] for name in ("bench", "parts", "start"))
    low, high = bench["matrix rate, min and max"]
    floor, parts = _floor(records), watched["parts"]
    products, python = parts["products"], parts[PYTHON]
    rest = watched["seconds"] - products - python
    share = products / (watched["seconds"] - python)
    faster = bench["matrix rate, bf16, over fp32"]
    seconds, peak = start["seconds until"], start["peak GB"]
    yield (
        f"- **Over the floor, and against the usual loop.** Of the watched seed's "
        f"{watched['seconds'] / floor:.2f} × the floor, products are {products / floor:.2f}: in "
        f"the loop they reach {floor / products:.0%} of the rate of products that stand alone (a "
        f"rate that moved between {low:.0f} and {high:.0f} GFLOP/s during the run). All other work "
        f"of torch is {rest / floor:.2f}, Python with its imports and waiting "
        f"{python / floor:.2f} (all imports, once per process: {seconds[WORKERS_IMPORTS]:.1f} s, "
        f"{seconds[WORKERS_IMPORTS] / floor:.2f})."
    )
    yield (
        f"- **`engine.precision=medium`.** Products are {share:.0%} of what torch does, so a rate "
        f"of products {faster:.2f} × as high can make it {1 / (1 - share + share / faster):.2f} × "
        f"as fast; {bench['ratios']['medium / highest, loops']:.2f} was measured."
    )
    yield (
        f"- **The first step.** {seconds[TORCH]:.1f} s of "
        f"{bench['seconds until']['first training step']:.1f} are the import of torch alone."
    )
    yield "- **Memory.** " + "; ".join(f"{who} {gb:.2f} GB" for who, gb in peak.items()) + "."
    if "parts_all" in records:
        more = {p: v - parts[p] for p, v in records["parts_all"]["parts"].items()}
        most = sorted(more, key=lambda part: -more[part])[:3]
        told = ", ".join(f"{part} {more[part]:+.2f} s" for part in most)
        yield f"- **Ledger, displacement and layers** add most to: {told}."
    cell = start["ms of a cell"]
    yield (
        "- **Short cells.** By the profile, files and checkpoints are "
        f"{cell[FILES_OF_CELL]:.0f} ms of each, Hydra's composing of its job "
        f"{cell[COMPOSED]:.0f}, the steps themselves "
        f"{cell[STEPS_OF_CELL]:.0f}."
    )


def _parts(records: Records) -> Iterable[tuple[str, ...]]:
    parts, floor = records["parts"], _floor(records)
    for part, value in sorted(parts["parts"].items(), key=lambda item: -item[1]):
        with_all = f"{records['parts_all']['parts'][part]:.2f}" if "parts_all" in records else "–"
        shares = f"{value / parts['seconds']:.0%}", f"{value / floor:.2f}"
        yield part, f"{value:.2f}", *shares, with_all


def _start(start: Record) -> Iterable[str]:
    yield "Each in a new process; a sweep pays it once, and its workers are forked from a server.\n"
    yield from _table(("", "s"), ((what, f"{s:.2f}") for what, s in start["seconds until"].items()))
    yield "\nA sweep of two workers at its peak; pages that are shared count in equal parts.\n"
    yield from _table(("", "GB"), ((who, f"{gb:.2f}") for who, gb in start["peak GB"].items()))
    yield "\nA short cell in one process under Python's profiler, which slows what calls much.\n"
    yield from _table(
        ("", "ms"), ((what, f"{ms:.1f}") for what, ms in start["ms of a cell"].items())
    )


def _machine(name: str, record: Record) -> str:
    made = record["environment"]
    return (
        f"- {name}: {record['made'][:10]}, {made['processor']}, torch {made['packages']['torch']}, "
        f"commit {short_commit(made['git_commit'])}"
    )


def _targets(records: Records) -> Iterable[tuple[str, ...]]:
    for target in TARGETS:
        try:
            value = target.reached(records)
        except KeyError:
            yield target.what, target.wanted, "not measured", ""
        else:
            verdict = "reached" if target.met(value) else "**missed**"
            yield target.what, target.wanted, f"{value:.{target.digits}f}", verdict


def _bench_note(bench: Record) -> str:
    low, high = bench["matrix rate, min and max"]
    return (
        f"Each sweep {bench['repeats']} ×, {bench['cores']} cores. Matrix rate "
        f"{bench['matrix rate, GFLOP/s']:.0f} GFLOP/s (over the run {low:.0f}–{high:.0f}), so a "
        f"pass takes {bench['s per pass']:.3f} s. With bf16 factors the machine multiplies "
        f"{bench['matrix rate, bf16, over fp32']:.2f} × as fast.\n"
    )


def _ratios(ratios: Record) -> Iterable[tuple[str, ...]]:
    return ((name, f"{value:.2f}") for name, value in ratios.items())


def _scale(scale: Record) -> Iterable[str]:
    yield "\n## Time and memory against size\n"
    for name, curve in scale["curves"].items():
        points = (f"{point:g}" for point in curve["points"])
        yield from _table(
            (name, *points, "slope"),
            (
                (row, *(f"{value:.2f}" for value in curve[row]), slope_text(curve, row))
                for row in UNITS
            ),
        )
        yield ""


def _many_cells(record: Record) -> Iterable[str]:
    for name, cells in record["cells"].items():
        yield (
            f"{cells['cells']} short cells in one sweep, {name}: "
            f"{1000 * cells['s per cell']:.0f} ms a cell, "
            f"{1000 * cells['s per cell, first fifth']:.0f} in the first fifth, "
            f"{1000 * cells['s per cell, last fifth']:.0f} in the last; "
            f"{cells['peak GB']:.2f} GB.\n"
        )


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterable[str]:
    yield f"| {' | '.join(head)} |"
    yield f"| {' | '.join('---' for _ in head)} |"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def main() -> None:
    names = ["bench", "scale", "cells", "parts", "parts_all", "start", "alignment_error"]
    names += ["language", "gpu"]
    paths = {name: RECORDS / f"{name}.json" for name in names}
    records = {name: json.loads(path.read_text()) for name, path in paths.items() if path.is_file()}
    if not records:
        sys.exit(f"error: no record in {RECORDS}; make bench and make bench-scale write them")
    store.write_text(PAGE, page(records, _proof()))


def _proof() -> Report | None:
    """Return the report on the runs of `sweep=precision`, if there are any."""
    try:
        return Report(load([RECORDS.parent / "precision"])[0])
    except UserError:
        return None


if __name__ == "__main__":
    terminal.settle()
    main()
