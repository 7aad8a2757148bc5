"""A report's content, and the Markdown that shows it."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from subliminal import metrics, store
from subliminal.errors import UserError
from subliminal.report.claims import verdicts
from subliminal.report.figure import WINDOW, ledger_figure, main_figure
from subliminal.report.runs import Condition, load
from subliminal.report.tables import by_epoch, markdown, results, teacher_accuracy

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
            "Displacement, cosine of student's and teacher's": by_epoch(
                conditions, metrics.DISPLACEMENT, 3
            ),
        }
        seeds = len(conditions[0].seeds)
        caption = (
            f"n = {seeds} seeds; bootstrap 95% CI over seeds; differences are paired by seed. "
            f"Teacher accuracy {teacher}. In the figure, alignment is a moving average over "
            f"{WINDOW} steps, and single seeds are faint."
        )
        return cls(
            experiment.name,
            conditions,
            teacher,
            {title: table for title, table in tables.items() if table.height},
            caption,
            _made_with(conditions),
        )

    def draw(self, folder: Path, prefix: str = "") -> list[Path]:
        """Draw the figures (PNG and PDF) into `folder`; return the PNGs."""
        folder.mkdir(parents=True, exist_ok=True)
        drawn = []
        for suffix in (".pdf", ".png"):
            path = folder / f"{prefix}alignment_and_accuracy{suffix}"
            main_figure(self.conditions, float(self.teacher.split()[0]), path)
            drawn.append(path)
            if all(metrics.UPDATE_ALIGNMENT in c.steps.columns for c in self.conditions):
                path = folder / f"{prefix}ledger{suffix}"
                ledger_figure(self.conditions, path)
                drawn.append(path)
        return [path for path in drawn if path.suffix == ".png"]


def write_page(report: Report, path: Path) -> None:
    """Write all tables and figures as a Markdown page, the figures in `figures/` beside it."""
    drawn = report.draw(path.parent / "figures", f"{report.experiment}_")
    parts = [
        f"# Results: {report.experiment}",
        f"Written by `python -m subliminal.report outputs/{report.experiment}`. {report.caption}",
        report.made_with,
        f"![Alignment and trait accuracy](figures/{drawn[0].name})",
    ]
    if len(drawn) > 1:
        parts += [
            f"![Update alignment and ledger](figures/{drawn[1].name})",
            "Left: alignment of the applied update. Right: change of the trait loss since the "
            "start (lines: actual; dots: first-order prediction), linear between −1 and 1.",
        ]
    for title, table in report.tables.items():
        parts += [f"## {title}", markdown(table)]
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
    figure = report.draw(path.parent / "docs" / "figures", f"{report.experiment}_")[0]
    parts = [
        f"![Alignment and trait accuracy]({figure.relative_to(path.parent)})",
        f"{report.caption} {report.made_with}",
        *(markdown(report.tables[t]) for t in ("Results", "Verdicts") if t in report.tables),
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
