"""The glossary of metrics, a row each, from the names' comments and the probes that log them."""

import re
from pathlib import Path

import polars as pl

from subliminal import metrics, probes
from subliminal.config.help import metrics_text
from subliminal.report.tables import markdown

HEAD = """# Metrics

What a run logs to `steps.parquet` and `epochs.parquet` and to W&B, with one value per step, epoch,
run or job. `make options` writes this page from what `subliminal train --help metrics` prints.

g_D is the gradient of the distillation loss and g_T that of the trait loss; θ₀ are the shared
initial weights, θ_S and θ_T the student's and the teacher's, Δθ is a step's update. Numbers without
a unit are pure. A name may end with a layer (`alignment/cosine/layer1`). A metric with a probe is
logged where `probe=` chooses it, the others are always. [Probes](probe.md) have the details.
"""
LINE = re.compile(r"^(\S+) +(.*?)(?: \(probe=(\w+)\))?$", re.MULTILINE)
RANGE = re.compile(r", (in \[.*?\]|≥ 0|0 or 1)$")
WHEN = {"on_step": "step", "on_update": "step", "measure": "epoch", "on_epoch_end": "epoch"}
PHASES = {"base": "pre-training", "teacher": "teacher"}  # of all others: student
ORDER = {"pre-training": 0, "teacher": 1, "student": 2}
UNIT = re.compile(r"in nats|nats,|cross-entropy|trait loss|distillation loss( on| plus)")


def page() -> str:
    """Return the page."""
    text = metrics_text().partition("\n\n")[2]
    rows = pl.DataFrame([_row(*found) for found in LINE.findall(text)])
    ordered = rows.sort(pl.col("phase").replace_strict(ORDER), "metric")
    return f"{HEAD}\n{markdown(ordered, marked=('metric', 'probe'))}\n"


def _row(name: str, about: str, probe: str) -> dict[str, str]:
    return {
        "metric": f"`{name}`",
        "meaning": re.sub(",? (in )?nats(?=,|:|$)", "", RANGE.sub("", about)),
        "unit": "nats" if UNIT.search(about) and "norm" not in about else "",
        "range": _range(about),
        "phase": PHASES.get(name.partition("/")[0], "student"),
        "per": _when(name, probe),
        "probe": f"`{probe}`" if probe else "",
    }


def _range(about: str) -> str:
    if stated := RANGE.search(about):
        return stated[1]
    if re.match("accuracy|share|probability", about):
        return "in [0, 1]"
    return "in [−1, 1]" if re.match(r"cos\(|cosine|correlation", about) else "any"


def _when(name: str, probe: str) -> str:
    """Return what has one value of the metric, by the method that logs it."""
    if not probe:
        each = "step" if name.endswith("/loss") else "epoch"
        return "job" if name == metrics.FRONTIER_SCORE else each
    text = (Path(probes.__file__).parent / f"{probe}.py").read_text(encoding="utf-8")
    (constant,) = (key for key, value in vars(metrics).items() if value == name)
    before, _, _ = text.partition(f"metrics.{constant}")
    hooks = [hook for hook in re.findall(r"def (\w+)", before) if hook in WHEN]
    return WHEN[hooks[-1]] if hooks else "run"
