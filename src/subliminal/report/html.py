"""The interactive page: one file that needs no network, built from the parts in `web/`."""

import base64
import gzip
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, StrictUndefined
from plotly.offline import get_plotlyjs

from subliminal import metrics, store
from subliminal.report import varied
from subliminal.report.conditions import LAYER, NOISY, SMOOTHING, Array, Condition, Sweep
from subliminal.report.page import Report
from subliminal.report.statistics import Estimate, mean_band, mean_ci
from subliminal.report.tables import initial_accuracy, teacher_accuracy

FILES = ("config.yaml", "summary.json", "steps.parquet", "epochs.parquet", "student.safetensors")
CURVES = {  # title: metric, and the table that holds it
    "trait accuracy": (metrics.TRAIT_ACCURACY, "epochs"),
    "alignment": (metrics.ALIGNMENT, "steps"),
    "update alignment": (metrics.UPDATE_ALIGNMENT, "steps"),
    "trait loss, actual change": (metrics.total(metrics.LEDGER_ACTUAL), "steps"),
    "trait loss, predicted change": (metrics.total(metrics.LEDGER_PREDICTED), "steps"),
    "distillation loss": (metrics.DISTILL_LOSS, "epochs"),
}
MOST_NUMBERS = 150_000  # in the curves of conditions, and of runs: each takes about 7 bytes


def write_html(report: Report, path: Path, folder: Path) -> None:
    """Write the page, with links to the runs' files relative to `folder`, where it will lie."""
    web = Path(__file__).parent / "web"
    names = ("page.css", "page.js", "template.html")
    css, js, template = ((web / name).read_text(encoding="utf-8") for name in names)
    content = page_data(report, folder)
    data = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    parts = {"css": css, "js": js, "data": _packed(data), "plotly": _packed(get_plotlyjs())}
    page = Environment(autoescape=True, undefined=StrictUndefined).from_string(template)
    path.parent.mkdir(parents=True, exist_ok=True)
    store.write_text(path, page.render(parts, name=report.sweep.name) + "\n")


def _packed(text: str) -> str:
    """Return text gzipped in base64, which needs no escaping; the page's script unpacks it."""
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def page_data(report: Report, folder: Path) -> dict[str, Any]:
    """Return the page's data; paths in it are relative to `folder`, the page's own."""
    sweep = report.sweep
    tables = report.tables
    logged = {
        title: (metric, table)
        for title, (metric, table) in CURVES.items()
        if any(c.measured(metric, table) for c in sweep.conditions)
    }
    points = min(120, max(8, MOST_NUMBERS // (3 * len(logged) * len(sweep.conditions))))
    return {
        "name": sweep.name,
        "question": report.question,
        "caption": report.caption.replace("**", ""),
        "made": report.made_with,
        "problems": sweep.problems,
        "incomplete": sweep.incomplete(),
        "verdicts": tables["Verdicts"].to_dicts() if "Verdicts" in tables else [],
        "results": {"columns": tables["Results"].columns, "rows": tables["Results"].rows()},
        "swept": {key: [varied.show(v) for v in values] for key, values in sweep.swept.items()},
        "numeric": [key for key, values in sweep.swept.items() if varied.numbers(values)],
        "plane": sweep.plane,
        "levels": {
            "chance": sweep.baseline.chance,
            "initial": initial_accuracy(sweep.conditions).mean,
            "teacher": teacher_accuracy(sweep.conditions).mean,
        },
        "curves": list(logged),
        "conditions": [_condition(c, sweep, logged, points) for c in sweep.conditions],
        "runs": _runs(sweep, folder),
        "files": FILES,
        "noisy": [title for title, (metric, _) in logged.items() if metric in NOISY],
        "smoothing": SMOOTHING,
        "short": {key: varied.short(key, list(sweep.swept)) for key in sweep.swept},
    }


def _condition(
    condition: Condition, sweep: Sweep, logged: dict[str, tuple[str, str]], points: int
) -> dict[str, Any]:
    curves = {}
    for title, (metric, table) in logged.items():
        if condition.measured(metric, table):
            x, values = _thin(*condition.curve(metric, table), points)
            curves[title] = [_short(line) for line in (x, *mean_band(values))]
    paired = [] if condition is sweep.baseline else condition.differences(sweep.baseline)
    heat = condition.layers()
    config = {key: varied.show(value) for key, value in condition.config.items()}
    return {
        "name": condition.name,
        "swept": {key: config[key] for key in sweep.swept if key in config},
        "config": config,
        "n": len(condition.seeds),
        "asked": len(condition.planned),
        "accuracy": _estimate(mean_ci(condition.accuracy.values())),
        "loss": _estimate(mean_ci(condition.loss.values())),
        "difference": _estimate(mean_ci(paired)) if paired else None,
        "differences": _short(np.array(paired)),
        "curves": curves,
        "layers": {
            column.name.removeprefix(LAYER): _short(column.to_numpy()) for column in heat[:, 1:]
        },
    }


def _runs(sweep: Sweep, folder: Path) -> list[list[Any]]:
    """Return a row for each planned run.

    A row: index of the condition, seed, state, accuracy, loss, folder, curves.
    """
    total = sum(len(condition.seeds) for condition in sweep.conditions)
    points = min(60, max(6, MOST_NUMBERS // (3 * total)))
    rows: list[list[Any]] = []
    for place, condition in enumerate(sweep.conditions):
        accuracy, loss = condition.accuracy, condition.loss
        curves = [
            _thin(*condition.curve(metric, "epochs"), points)[1]
            for metric in (metrics.TRAIT_ACCURACY, metrics.ALIGNMENT)
            if condition.measured(metric, "epochs")
        ]
        order = {seed: row for row, seed in enumerate(condition.seeds)}
        for run, state in condition.planned.items():
            seed = store.seed_of(run) or 0
            row: list[Any] = [place, seed, state, None, None, os.path.relpath(run, folder)]
            if state == "finished":
                row[3:5] = [accuracy[seed], round(loss[seed], 4)]
                row.append([_short(values[order[seed]]) for values in curves])
            rows.append(row)
    return rows


def _thin(x: Array, values: Array, points: int) -> tuple[Array, Array]:
    """Return at most `points` of curves (seeds, n): means over bins of neighbouring steps."""
    if len(x) <= points:
        return x, values
    edges = np.linspace(0, len(x), points + 1).astype(int)[:-1]
    sizes = np.diff([*edges, len(x)])
    return np.add.reduceat(x, edges) / sizes, np.add.reduceat(values, edges, axis=1) / sizes


def _short(values: Array) -> list[float | None]:
    """Round each number to four digits; NaN becomes None."""
    return [float(f"{v:.4g}") if np.isfinite(v) else None for v in values]


def _estimate(estimate: Estimate) -> list[float | None]:
    return _short(np.array([estimate.mean, estimate.low, estimate.high], dtype=float))
