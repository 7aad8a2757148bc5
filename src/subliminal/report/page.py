"""A report's tables and sentences, and the Markdown page."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile
from pathlib import Path
from statistics import median

import polars as pl

from subliminal import metrics, store
from subliminal.errors import UserError
from subliminal.report import escape, figures, tables, varied
from subliminal.report.conditions import Sweep, training_seconds
from subliminal.report.declared import sweep_file, untested, verdicts
from subliminal.store.provenance import short_commit

# The metrics of an epoch that have a table of their own: title, name, digits.
BY_EPOCH = (
    ("Trait accuracy, after each epoch", metrics.TRAIT_ACCURACY, 3),
    ("Alignment, mean over each epoch's steps", metrics.ALIGNMENT, 4),
    ("Update alignment, mean over each epoch's steps", metrics.UPDATE_ALIGNMENT, 4),
    ("Displacement, cosine of student's and teacher's", metrics.DISPLACEMENT, 3),
    ("Displacement ratio, student's length over teacher's", metrics.DISPLACEMENT_RATIO, 3),
)


@dataclass(frozen=True)
class Report:
    """The parts of a report on a sweep, each computed on first access."""

    sweep: Sweep

    @cached_property
    def tables(self) -> dict[str, pl.DataFrame]:
        """Return the tables with rows, by title; their cells are text."""
        conditions = self.sweep.conditions
        found = {"Verdicts": verdicts(self.sweep), "Results": tables.results(conditions)}
        for title, name, digits in BY_EPOCH:
            found[title] = tables.by_epoch(self.numbers, name, digits)
        found["Ledger, sums over the run (nats)"] = tables.ledger(conditions)
        return {title: table for title, table in found.items() if table.height}

    @cached_property
    def numbers(self) -> pl.DataFrame:
        """Return the numbers behind the tables."""
        names = [*(name for _, name, _ in BY_EPOCH), metrics.DISTILL_LOSS]
        return tables.tidy(self.sweep.conditions, names)

    @cached_property
    def question(self) -> str:
        """Return the header comment of the sweep's file, or a question from the keys that vary."""
        if file := sweep_file(self.sweep):
            return header(file)
        swept = self.sweep.swept.items()
        varies = "; ".join(f"{key} ({varied.summarise(values)})" for key, values in swept)
        return f"What changes with {varies}?" if varies else "One condition, seed by seed."

    @cached_property
    def caption(self) -> str:
        """Return n, method, configs, teacher accuracy, and the numbers of missing runs."""
        parts = [
            figures.provenance(self.sweep),
            *["Differences are paired by seed."] * (len(self.sweep.conditions) > 1),
            f"Teacher accuracy {tables.teacher_accuracy(self.sweep.conditions).format(3)}.",
        ]
        if line := untested(self.sweep):
            parts.append(line)
        if states := self.sweep.states():
            missing = ", ".join(f"{number} {state}" for state, number in states.items())
            parts.append(f"**Partial: of {len(self.sweep.planned)} runs {missing}.**")
        return " ".join(parts)

    @cached_property
    def made_with(self) -> str:
        """Return the runs' machines, versions, commits and time in one sentence."""
        summaries = [s for condition in self.sweep.conditions for s in condition.summaries]
        machines = sorted(
            {
                f"{s['environment']['processor']} ({s.get('card') or s['device']}, "
                f"{s['threads']} thread{'' if s['threads'] == 1 else 's'} per process)"
                for s in summaries
            }
        )
        environments = [s["environment"] for s in summaries]
        torches = sorted({str(e["packages"]["torch"]) for e in environments})
        commits = sorted({short_commit(e.get("git_commit")) for e in environments})
        student = median(map(training_seconds, summaries))
        took = f"{student:.0f}" if student >= 2 else f"{student:.2g}"
        return (
            f"Made on {', '.join(machines)} with torch {', '.join(torches)}, commit "
            f"{', '.join(commits)}; a student took {took} s (median)."
        )

    def write_tables(self, folder: Path, columns: Sequence[str] = ()) -> None:
        """Write each table as CSV and LaTeX (if given, of `columns`), and all numbers as one CSV.

        Raises:
            UserError: no table has one of `columns`.
        """
        known = dict.fromkeys(name for of in self.tables.values() for name in of.columns)
        if unknown := [name for name in columns if name not in known]:
            raise UserError(f"--columns {unknown[0]}: no such column; there is {', '.join(known)}")
        folder.mkdir(parents=True, exist_ok=True)
        for title, table in self.tables.items():
            stem = title.split(",")[0].lower().replace(" ", "_")
            store.write_text(folder / f"{stem}.csv", table.write_csv())
            caption = f"{self.sweep.name}: {title}; {figures.provenance(self.sweep)}"
            shown = [name for name in columns if name in table.columns[1:]] or table.columns[1:]
            of_page = table.select(table.columns[0], *shown)
            store.write_text(folder / f"{stem}.tex", tables.latex(of_page, caption))
        store.write_text(folder / "numbers.csv", self.numbers.write_csv())


def header(file: Path) -> str:
    """Return a sweep file's header comment, without its launch command, as one line."""
    comment = takewhile(lambda line: line.startswith("#"), file.read_text("utf-8").splitlines())
    words = [line.lstrip("# ") for line in comment]
    question = takewhile(lambda line: not line.startswith("Launch:"), words)
    return " ".join(line for line in question if not line.startswith("@package"))


def write_page(reports: Sequence[Report], path: Path, written: str, *, pdf: bool = True) -> None:
    """Write a Markdown page, a section a report, with its figures in `figures/` beside it.

    `written` is a sentence on the command that writes the page.
    """
    parts = ["# Results", written]
    for report in reports:
        parts += [f"## {escape.markdown(report.sweep.name)}", escape.markdown(report.question)]
        parts += [f"{report.caption} {escape.markdown(report.made_with)}"]
        if problems := [*report.sweep.problems, *report.sweep.incomplete()]:
            parts.append("\n".join(f"- {escape.markdown(line)}" for line in problems))
        drawn = figures.draw(report.sweep, path.parent / "figures", pdf=pdf)
        for name, caption in drawn.items():
            parts += [f"![{name}](figures/{name})", escape.markdown(caption)]
        for title, table in report.tables.items():
            parts += [f"### {title}", tables.markdown(table)]
    path.parent.mkdir(parents=True, exist_ok=True)
    store.write_text(path, "\n\n".join(parts) + "\n")
