"""`python -m subliminal.report.related outputs`: other systems' claims, and what was found here.

The page is made of finished sweeps alone; a sweep of `sweeps/` that was never run is named as such.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import polars as pl
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from matplotlib.figure import Figure

from subliminal import metrics, store
from subliminal.errors import UserError
from subliminal.report import earlier, figures, glance, prediction, varied
from subliminal.report.declared import entries
from subliminal.report.figures import finals, style
from subliminal.report.page import Report
from subliminal.report.question import header, named_sweeps
from subliminal.report.read import load
from subliminal.report.runs import Sweep
from subliminal.report.systems import SYSTEMS, System
from subliminal.report.tables import markdown

PREDICTION = "Does alignment predict which student learns?"


def main() -> None:
    """Write the page and its figures."""
    parser = argparse.ArgumentParser(
        prog="python -m subliminal.report.related", description=__doc__
    )
    parser.add_argument("outputs", type=Path, nargs="+", help="folders that hold sweeps' folders")
    parser.add_argument("--page", type=Path, default=Path("docs/related.md"), help="what to write")
    parser.add_argument(
        "--replace", action="store_true", help="even with fewer conditions or seeds"
    )
    arguments = parser.parse_args()
    try:
        kept = write(arguments.outputs, arguments.page, replace_all=arguments.replace)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    for line in kept:
        print(f"Kept as it was: {line} (--replace writes it)")
    print(f"Written: {arguments.page}")


def write(outputs: Sequence[Path], page: Path, *, replace_all: bool = False) -> list[str]:
    """Write the page on the finished sweeps below `outputs`, its figures in `figures/` beside it.

    What an earlier call wrote of other sweeps is kept: training all takes hours, and outputs may
    be gone. So is what it wrote of a sweep that has fewer conditions or seeds now. The runs'
    alignment and accuracy, of which the last section is made, are in a table beside the page
    (`.csv`), which is kept likewise.

    Args:
        outputs: folders that hold sweeps' folders.
        page: the file.
        replace_all: write sections of fewer conditions or seeds too.

    Returns:
        A line for each sweep that was kept though it has finished runs.

    Raises:
        UserError: no sweep of the systems has a finished run there.
    """
    names = {
        system: [name for name, file in sorted(named_sweeps().items()) if system.has(file)]
        for system in SYSTEMS
    }
    ordered = [name for of in names.values() for name in of]
    sweeps = {name: sweep for name in ordered if (sweep := find(name, outputs))}
    if not sweeps:
        raise UserError(f"{', '.join(map(str, outputs))}: no finished run of a sweep named here")
    before = page.read_text(encoding="utf-8") if page.exists() else ""
    rows = {row["command"]: row for row in earlier.table(before, "command")}
    smaller: dict[str, str] = {}
    if not replace_all:
        found = {name: _more(sweep, rows.get(_command(name))) for name, sweep in sweeps.items()}
        smaller = {name: line for name, line in found.items() if line}
        sweeps = {name: sweep for name, sweep in sweeps.items() if name not in smaller}
    table = page.with_suffix(".csv")
    measured = _measured(ordered, sweeps, prediction.read(table))
    folder = page.parent / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    kept = earlier.sections(before)
    sections = {
        name: "\n\n".join(_section(name, sweeps[name], folder)) if name in sweeps else kept[name]
        for name in ordered
        if name in sweeps or name in kept
    }
    parts = [
        "# Related work, in the same sweeps",
        "Written by `make related`. Each system's experiments are sweeps of this repository, with "
        "the same seeds, probes and statistics. All numbers are computed from finished runs, whose "
        "commit each section names. A claim `holds` where the 95% CI of its statistic's mean over "
        "seeds lies wholly on the claimed side, and is `refuted` where wholly on the other. "
        "Conditions and seeds are those that were run; the files ask for 20 seeds. A section stays "
        "as it is until its sweep is run anew with as many conditions and seeds, the last section "
        f"until the runs of all sweeps are in [{table.name}]({table.name}). The "
        "papers that this framework starts from have a page of their own, "
        "[results.md](results.md).",
        markdown(_overview(names, sweeps, sections, rows)),
    ]
    if (claims := glance.claims(sections)).height:
        parts += [
            "## At a glance",
            "Each claim in one row; its section has every condition that it was tested in.",
            markdown(claims),
        ]
    for system, of in names.items():
        parts += [f"## {system.title}", f"{system.source}. Claim: {system.claim}"]
        if absent := [_command(name) for name in of if name not in sections]:
            parts.append(f"Not run for this page: {', '.join(absent)}.")
        parts += [sections[name] for name in of if name in sections]
    known = set(measured["sweep"])
    unknown = {name for name, text in sections.items() if earlier.table(text, "alignment")} - known
    if unknown and PREDICTION in kept:
        parts.append(kept[PREDICTION])
    else:
        parts += _prediction(names, measured, folder)
    prediction.write(table, measured)
    store.write_text(page, "\n\n".join(parts) + "\n")
    return [f"{name}, {line}" for name, line in smaller.items()]


def _measured(
    names: Sequence[str], sweeps: Mapping[str, Sweep], before: pl.DataFrame
) -> pl.DataFrame:
    """Return the points of all sweeps in the page's order: of those at hand, and of the others."""
    return pl.concat(
        prediction.points(name, sweeps[name])
        if name in sweeps
        else before.filter(pl.col("sweep") == name)
        for name in names
    )


def _command(name: str) -> str:
    return f"`make sweep NAME={name}`"


def find(name: str, outputs: Sequence[Path]) -> Sweep | None:
    """Return the sweep of this name in the first folder that has finished runs of it."""
    for folder in outputs:
        try:
            (sweep,) = load([folder / name])
        except UserError:
            continue
        # Probes change no result, so they do not tell conditions apart here.
        swept = {k: v for k, v in sweep.swept.items() if not f"{k}.".startswith("probe.")}
        swept = {k: v for k, v in swept.items() if not _follows(k, _params(name), sweep)}
        names = [varied.label(c.config, list(swept)) or "as in the file" for c in sweep.conditions]
        if len(set(names)) == len(names):
            renamed = zip(sweep.conditions, names, strict=True)
            conditions = [replace(condition, name=new) for condition, new in renamed]
            sweep = replace(sweep, conditions=conditions, swept=swept)
        return replace(sweep, name=name.replace("/", "_"))
    return None


def _follows(key: str, asked: Mapping[str, Any], sweep: Sweep) -> bool:
    """Tell whether a key only repeats one that the sweep's file asks for (`start: ${.peak}`)."""
    return key not in asked and any(
        all(c.config.get(key) == c.config.get(other) for c in sweep.conditions) for other in asked
    )


def _overview(
    names: Mapping[System, Sequence[str]],
    sweeps: Mapping[str, Sweep],
    sections: Mapping[str, str],
    before: Mapping[str, earlier.Cells],
) -> pl.DataFrame:
    rows = []
    for system, of in names.items():
        for name in of:
            row = before.get(_command(name), {"conditions": "", "seeds": ""})
            row = row | {"system": system.title, "command": _command(name)}
            if name in sweeps:
                conditions, fewest, most = _size(sweeps[name])
                row["conditions"] = f"{conditions} of {_asked(name)}"
                row["seeds"] = "–".join(map(str, dict.fromkeys((fewest, most))))
            row["claims"] = glance.tally(sections[name]) if name in sections else "not run"
            rows.append(row)
    return pl.DataFrame(rows).select("system", "command", "conditions", "seeds", "claims")


def _size(sweep: Sweep) -> tuple[int, int, int]:
    """Return the number of conditions, and the least and the greatest number of their seeds."""
    seeds = [len(condition.seeds) for condition in sweep.conditions]
    return len(seeds), min(seeds), max(seeds)


def _more(sweep: Sweep, row: earlier.Cells | None) -> str:
    """Tell in a line if a page's row of a sweep has more conditions or seeds than it; else ""."""
    if row is None or not row["conditions"]:
        return ""
    conditions, fewest, _ = _size(sweep)
    there = int(row["conditions"].split()[0]), int(row["seeds"].split("–")[0])
    if conditions >= there[0] and fewest >= there[1]:
        return ""
    return (
        f"{there[0]} conditions of at least {there[1]} seeds; "
        f"the runs at hand are of {conditions} and {fewest}"
    )


def _asked(name: str) -> int:
    """Return how many conditions the sweep's file asks for."""
    parser = OverridesParser.create()
    swept = [parser.parse_override(f"{k}={v}") for k, v in _params(name).items() if k != "seed"]
    return prod(len(list(o.sweep_iterator())) for o in swept if o.is_sweep_override())


def _params(name: str) -> dict[str, Any]:
    """Return what the sweep's file sweeps: key to values as a command line has them."""
    content = yaml.safe_load(named_sweeps()[name].read_text(encoding="utf-8"))
    params: dict[str, Any] = content["hydra"]["sweeper"]["params"]
    return params


def _section(name: str, sweep: Sweep, folder: Path) -> Iterator[str]:
    """Yield question, command, one figure, verdicts and results of a sweep."""
    report = Report(sweep)
    yield f"### {name}"
    yield f"{header(named_sweeps()[name])} Command: {_command(name)}."
    yield f"{report.caption} {report.made_with}"
    stem, caption = _draw(name, sweep, folder)
    yield f"![{stem}](figures/{stem}.png)"
    yield caption
    if "Verdicts" in report.tables:
        yield markdown(report.tables["Verdicts"])
    yield f"<details><summary>All conditions of {name}</summary>"
    yield markdown(report.tables["Results"])
    yield "</details>"


def _draw(name: str, sweep: Sweep, folder: Path) -> tuple[str, str]:
    """Draw the sweep's one figure: what its first claim is about.

    Trait accuracy is drawn over the first number that the file sweeps, if there is one; over the
    distillation loss, where kinds of a mitigation are swept with their numbers.
    """
    stem = f"related_{sweep.name}"
    declared = entries(named_sweeps()[name])
    metric = declared[0].metric if declared else metrics.TRAIT_ACCURACY
    keys = [key for key in finals.doses(sweep) if key in _params(name)]
    rows = "dots are seeds, diamonds means with 95% CIs."
    with style.style():
        if metric not in (metrics.TRAIT_ACCURACY, metrics.TEACHER_ACCURACY):
            drawn, caption = _by_condition(sweep, metric), f"{metric} after training; {rows}"
        elif keys and len(sweep.swept) > 1 and any(key.startswith("mitigation.") for key in keys):
            drawn = finals.frontier(sweep)
            caption = (
                f"Final trait accuracy against distillation loss, by {keys[0]}, whose values are "
                "joined in their order; bars 95% CIs."
            )
        elif keys:
            drawn = finals.dose_response(sweep, keys[0])
            caption = f"Final trait accuracy over {keys[0]}; dots are seeds, bars 95% CIs."
        else:
            drawn, caption = finals.accuracy(sweep), f"Final trait accuracy; {rows}"
        style.save(drawn, folder / stem, stem, f"{caption} {figures.provenance(sweep)}")
    return stem, caption


def _by_condition(sweep: Sweep, metric: str) -> Figure:
    """Draw each condition's final value of a metric, where it was logged."""
    shown = [c for c in sweep.few(style.MOST_ROWS) if metric in c.epochs.columns]
    figure, (axes,) = style.new((style.TWO_COLUMNS[0], 0.7 + style.ROW * len(shown)))
    for place, condition in enumerate(shown):
        style.seeds_and_mean(axes, list(condition.final(metric).values()), place, style.COLOURS[1])
    style.rows(axes, shown)
    axes.axvline(0, color=style.GREY, linewidth=0.8)
    axes.set(xlabel=metric)
    return figure


def _prediction(
    names: Mapping[System, Sequence[str]], measured: pl.DataFrame, folder: Path
) -> Iterator[str]:
    """Yield the last section, if any system has conditions enough."""
    systems = {
        system.title: measured.filter(pl.col("sweep").is_in(list(of)))
        for system, of in names.items()
    }
    of_sweep = {str(of["sweep"][0]): of for of in measured.partition_by("sweep")}
    several = {f"{t}, all": of for t, of in systems.items() if of["sweep"].n_unique() > 1}
    found = prediction.table({**several, **of_sweep, "all of the above": measured})
    if not found.height:
        return
    stem = "related_alignment"
    with style.style():
        style.save(prediction.scatter(systems), folder / stem, stem, "Accuracy over alignment.")
    yield f"## {PREDICTION}"
    yield (
        "Each condition is a point: a measurement's mean over its seeds against their mean final "
        "trait accuracy. Cells are Spearman's ρ over conditions; its 95% CI is a bootstrap over "
        "conditions and over the seeds of each. A condition that several sweeps share counts once."
    )
    yield f"![{stem}](figures/{stem}.png)"
    yield markdown(found)


if __name__ == "__main__":
    main()
