"""A report's content, and the Markdown that shows it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from subliminal import metrics, store
from subliminal.errors import UserError
from subliminal.report.claims import verdicts
from subliminal.report.figure import WINDOW, accuracy_figure, ledger_figure, main_figure
from subliminal.report.runs import Condition, load
from subliminal.report.tables import by_epoch, ledger, markdown, results, teacher_accuracy
from subliminal.statistics import count

TRAINING, ACCURACY, LEDGER = "training", "accuracy", "ledger"
CAPTIONS = {
    TRAINING: (
        f"Left: alignment (moving average over {WINDOW} steps). Right: trait accuracy, single "
        "seeds faint. Bands are 95% CIs over seeds."
    ),
    ACCURACY: "Final accuracy by condition; dots are seeds, lines 95% CIs of the mean.",
    LEDGER: (
        "Left: alignment of the applied update. Right: change of the trait loss since the start "
        "(lines: actual; dots: first-order prediction), linear between −1 and 1."
    ),
}
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"


@dataclass(frozen=True)
class Report:
    """What is said of an experiment."""

    experiment: str
    conditions: list[Condition]
    teacher: str  # accuracy, mean and interval
    tables: dict[str, pl.DataFrame]  # title to table of text
    caption: str
    made_with: str

    @classmethod
    def of(cls, experiment: Path) -> "Report":
        """Read the finished runs below `experiment` and compute the tables.

        Raises:
            UserError: there are none.
        """
        conditions = load(experiment)
        teacher = teacher_accuracy(conditions)
        tables = {
            "Verdicts": verdicts(conditions),
            "Results": results(conditions),
            "Trait accuracy, after each epoch": by_epoch(conditions, metrics.TRAIT_ACCURACY, 3),
            "Alignment, mean over each epoch's steps": by_epoch(conditions, metrics.ALIGNMENT, 4),
            "Update alignment, mean over each epoch's steps": by_epoch(
                conditions, metrics.UPDATE_ALIGNMENT, 4
            ),
            "Ledger, sums over the run (nats)": ledger(conditions),
            "Displacement, cosine of student's and teacher's": by_epoch(
                conditions, metrics.DISPLACEMENT, 3
            ),
            "Displacement ratio, student's length over teacher's": by_epoch(
                conditions, metrics.DISPLACEMENT_RATIO, 3
            ),
        }
        seeds = max(len(condition.seeds) for condition in conditions)
        caption = (
            f"{count(seeds)}; bootstrap 95% CI over seeds; differences are paired by seed. "
            f"Teacher accuracy {teacher}."
        )
        return cls(
            experiment.name,
            conditions,
            teacher,
            {title: table for title, table in tables.items() if table.height},
            caption,
            _made_with(conditions),
        )

    def draw(self, folder: Path) -> dict[str, str]:
        """Draw the figures (PNG and PDF) into `folder`; return the PNGs' names and captions."""
        folder.mkdir(parents=True, exist_ok=True)
        draw: dict[str, Callable[[Path], None]] = {}
        if self.has(metrics.ALIGNMENT):
            teacher = float(self.teacher.split()[0])
            draw[TRAINING] = lambda path: main_figure(self.conditions, teacher, path)
        draw[ACCURACY] = lambda path: accuracy_figure(self.conditions, path)
        if self.has(metrics.UPDATE_ALIGNMENT) and self.has(metrics.LEDGER_ACTUAL):
            draw[LEDGER] = lambda path: ledger_figure(self.conditions, path)
        for name, figure in draw.items():
            for suffix in (".pdf", ".png"):
                figure(folder / f"{self.experiment}_{name}{suffix}")
        return {f"{self.experiment}_{name}.png": CAPTIONS[name] for name in draw}

    def has(self, metric: str) -> bool:
        """Tell whether every condition logged `metric` at its steps."""
        return all(metric in condition.steps.columns for condition in self.conditions)


def write_page(reports: Sequence[Report], path: Path) -> None:
    """Write all tables and figures as a Markdown page, the figures in `figures/` beside it."""
    experiments = " ".join(f"outputs/{report.experiment}" for report in reports)
    parts = ["# Results", f"Written by `python -m subliminal.report {experiments}`."]
    for report in reports:
        parts += [f"## {report.experiment}", f"{report.caption} {report.made_with}"]
        for name, caption in report.draw(path.parent / "figures").items():
            parts += [f"![{name}](figures/{name})", caption]
        for title, table in report.tables.items():
            parts += [f"### {title}", markdown(table)]
    store.write_text(path, "\n\n".join(parts) + "\n")


def insert(report: Report, path: Path) -> None:
    """Put the main figure, its caption and the first tables between the markers of `path`.

    Raises:
        UserError: the markers are missing.
    """
    before, begin, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise UserError(f"{path}: the lines {BEGIN} and {END} are needed, in this order")
    name, caption = next(iter(report.draw(path.parent / "docs" / "figures").items()))
    parts = [
        f"![{name}](docs/figures/{name})",
        f"{caption} {report.caption} {report.made_with}",
        markdown(report.tables["Results"]),
    ]
    if "Verdicts" in report.tables:
        parts += [
            "<details><summary>Verdicts on the papers' claims</summary>",
            markdown(report.tables["Verdicts"]),
            "</details>",
        ]
    store.write_text(path, f"{before}{BEGIN}\n" + "\n\n".join(parts) + f"\n{END}{after}")


def _made_with(conditions: list[Condition]) -> str:
    """Say on what machine, with what versions and in what time the runs were made."""
    summaries = [summary for condition in conditions for summary in condition.summaries]
    environments = [summary["environment"] for summary in summaries]
    machines = sorted(
        {
            f"{e['processor']} ({s['device']}, {s['threads']} thread per process)"
            for e, s in zip(environments, summaries, strict=True)
        }
    )
    torches = sorted({e["packages"]["torch"] for e in environments})
    commits = sorted({str(e["git_commit"])[:12] for e in environments})
    student = [summary["seconds"]["student"] / summary["stack"] for summary in summaries]
    return (
        f"Made on {', '.join(machines)} with torch {', '.join(torches)}, commit "
        f"{', '.join(commits)}; a student took {min(student):.0f}–{max(student):.0f} s."
    )
