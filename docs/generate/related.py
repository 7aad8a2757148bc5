"""`python docs/generate/related.py outputs`: other systems' claims, tested here.

Finished runs are first added to data/related.parquet beside the page, from which the page is
written. Sweeps with older runs have their tables in data/related_sections.parquet. The page has
each claim once; data/related.csv has a row for each condition, data/related_claims.csv one for each
test of a claim.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import glance
import polars as pl
import prediction
import yaml
from archive import Archive, Size, command_line, found
from hydra.core.override_parser.overrides_parser import OverridesParser
from matplotlib.figure import Figure
from systems import SYSTEMS, System

from subliminal import metrics, store
from subliminal.errors import UserError
from subliminal.report import figures, varied
from subliminal.report.conditions import Sweep
from subliminal.report.declared import entries, named_sweeps
from subliminal.report.figures import finals, style
from subliminal.report.page import Report, header
from subliminal.report.tables import markdown
from subliminal.sweep import grid


@dataclass(frozen=True)
class Section:
    """The page's section on one sweep."""

    about: str  # seeds, teachers, machines and versions
    figure: str  # its caption
    verdicts: pl.DataFrame
    results: pl.DataFrame

    def markdown(self, name: str) -> Iterator[str]:
        """Yield question, command and figure."""
        stem = f"related_{name.replace('/', '_')}"
        yield f"### {name}"
        yield f"{header(named_sweeps()[name])} Command: {_command(name)}."
        yield self.about
        yield f"![{stem}](figures/{stem}.png)"
        yield self.figure


def write(outputs: Sequence[Path], page: Path, *, replace_all: bool = False) -> list[str]:
    """Write the page, its figures in `figures/` beside it, its numbers in `data/`.

    Runs that are found below `outputs` replace those in the file, sweep by sweep, unless they are
    of fewer conditions or seeds.

    Args:
        outputs: folders that hold sweeps' folders; empty: use only the file's runs.
        page: the page's file.
        replace_all: accept fewer conditions or seeds too.

    Returns:
        A line for each sweep that was kept though it has finished runs.

    Raises:
        UserError: neither outputs nor the file have a run of a sweep of the systems.
    """
    names = {
        system: [name for name, file in sorted(named_sweeps().items()) if system.has(file)]
        for system in SYSTEMS
    }
    ordered = [name for of in names.values() for name in of]
    data = page.parent / "data" / f"{page.stem}.parquet"
    older = data.with_name(f"{page.stem}_sections.parquet")
    kept = _older(older)
    archive = Archive.read(data)
    sizes = {name: _size(archive.size(name), kept.get(name)) for name in ordered}
    new = {name: labelled(name, sweep) for name, sweep in found(ordered, outputs).items()}
    archive, smaller = archive.fold(
        new, dict.fromkeys(new, Size(0, 0)) if replace_all else sizes, steps=False
    )
    if not archive.runs.height:
        raise UserError(f"{data}: no run of a sweep named here, nor below the folders given")
    known = {name: sweep for name in ordered if (sweep := archive.sweep(name))}
    sweeps = {name: labelled(name, sweep) for name, sweep in known.items()}
    folder = page.parent / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    sections = {
        name: _section(name, sweeps[name], folder) if name in sweeps else kept[name]
        for name in ordered
        if name in sweeps or name in kept
    }
    link = f"[data/{data.name}](data/{data.name})"
    parts = [
        "# Related work, in the same sweeps",
        f"Written by `make related` from the runs in {link}. Each system's experiments are sweeps "
        "of this repository, with the same seeds, probes and statistics. Each section names the "
        "commit of its runs. A claim `holds` where the 95% CI of its statistic's mean over seeds "
        "lies wholly on the claimed side, and is `refuted` where wholly on the other. Conditions "
        "and seeds are those that were run; the files ask for 20 seeds. "
        f"{_tables(data, sections)} The papers that this framework starts from have a page of "
        "their own, [results.md](results.md).",
        markdown(_overview(names, sections), marked=("command",)),
    ]
    if text := [f"`{name}`" for name in sections if name not in sweeps]:
        parts.append(
            f"The runs of {', '.join(text)} are older than {link}: their tables, as they were when "
            f"the runs ended, are in [data/{older.name}](data/{older.name}). Training such a sweep "
            "again, and then `make related`, replaces them."
        )
    if (claims := glance.claims({n: of.verdicts for n, of in sections.items()})).height:
        parts += [
            "## At a glance",
            "Each claim in one row, whatever the number of conditions that it was tested in.",
            markdown(claims, marked=("sweep",)),
        ]
    for system, of in names.items():
        parts += [f"## {system.title}", f"{system.source}. Claim: {system.claim}"]
        if absent := [_command(name) for name in of if name not in sections]:
            parts.append(f"Not run for this page: {', '.join(absent)}.")
        parts += [part for n in of if n in sections for part in sections[n].markdown(n)]
    aligned = archive.runs.drop_nulls("alignment")
    measured = pl.concat(aligned.filter(pl.col("sweep") == name) for name in ordered)
    parts += _prediction(names, measured, folder)
    archive.write(data)
    store.write_text(page, "\n\n".join(parts) + "\n")
    glance.write(page.parent)
    return smaller


def _tables(data: Path, sections: Mapping[str, Section]) -> str:
    """Write the tables of all sections as CSV beside `data`, and return where they are."""
    data.parent.mkdir(parents=True, exist_ok=True)
    files = {}
    for part, stem in (("results", data.stem), ("verdicts", f"{data.stem}_claims")):
        rows = [
            table.select(pl.lit(name).alias("sweep"), pl.all())
            for name, section in sections.items()
            if (table := getattr(section, part)).height
        ]
        files[part] = data.with_name(f"{stem}.csv")
        whole = pl.concat(rows, how="diagonal_relaxed") if rows else pl.DataFrame({"sweep": []})
        store.write_text(files[part], whole.write_csv())
    links = [f"[data/{file.name}](data/{file.name})" for file in files.values()]
    return f"Every condition is a row of {links[0]}, every test of a claim one of {links[1]}."


def labelled(name: str, sweep: Sweep) -> Sweep:
    """Return the sweep with its conditions named by the keys that its file sweeps."""
    # Probes change no result, so conditions are not named by them.
    swept = {k: v for k, v in sweep.swept.items() if not f"{k}.".startswith("probe.")}
    swept = {k: v for k, v in swept.items() if not _follows(k, _keys(name), sweep)}
    names = [varied.label(c.config, list(swept)) or "as in the file" for c in sweep.conditions]
    if len(set(names)) == len(names):
        renamed = zip(sweep.conditions, names, strict=True)
        conditions = [replace(condition, name=new) for condition, new in renamed]
        sweep = replace(sweep, conditions=conditions, swept=swept)
    return replace(sweep, name=name.replace("/", "_"))


def _older(file: Path) -> dict[str, Section]:
    """Return the sections of sweeps whose runs are older than the page's file of runs."""
    if not file.is_file():
        return {}
    sections = {}
    for row in pl.read_parquet(file).iter_rows(named=True):
        tables = (
            pl.DataFrame(row[name], infer_schema_length=None) for name in ("verdicts", "results")
        )
        known = (table[[c.name for c in table if c.null_count() < len(c)]] for table in tables)
        sections[row["sweep"]] = Section(row["about"], row["figure"], *known)
    return sections


def _size(known: Size, section: Section | None) -> Size:
    """Return the larger of the sizes of a sweep's runs and of its older tables."""
    if section is None:
        return known
    return Size(*map(max, known, (section.results.height, min(_seeds(section)))))


def _seeds(section: Section) -> list[int]:
    return section.results["n"].cast(pl.Int64).to_list()


def _command(name: str) -> str:
    return f"`make sweep NAME={name}`"


def _follows(key: str, swept: Collection[str], sweep: Sweep) -> bool:
    """Tell whether a key only repeats one that the sweep's file sweeps (`start: ${.peak}`)."""
    return key not in swept and any(
        all(c.config.get(key) == c.config.get(other) for c in sweep.conditions) for other in swept
    )


def _overview(
    names: Mapping[System, Sequence[str]], sections: Mapping[str, Section]
) -> pl.DataFrame:
    rows = []
    for system, of in names.items():
        for name in of:
            row = {"system": system.title, "command": _command(name)}
            row |= {"conditions": "", "seeds": "", "claims": "not run"}
            if section := sections.get(name):
                seeds = _seeds(section)
                run, planned = len(seeds), _planned(name)
                # An earlier version of the file may have planned more.
                whole = f"{run} ({planned} planned)"
                row["conditions"] = whole if run > planned else f"{run} of {planned}"
                row["seeds"] = "–".join(map(str, dict.fromkeys((min(seeds), max(seeds)))))
                row["claims"] = glance.tally(section.verdicts)
            rows.append(row)
    return pl.DataFrame(rows)


def _planned(name: str) -> int:
    """Return the number of conditions that the sweep's file plans."""
    words, *grids = _words(name)
    return len(grid.jobs(words, grids, OverridesParser.create().parse_overrides))


def _keys(name: str) -> set[str]:
    """Return the keys that the sweep's file varies."""
    return {word.partition("=")[0] for words in _words(name) for word in words} - {"pair"}


def _words(name: str) -> list[list[str]]:
    """Return the parameters of the sweep's file but for its seeds, then those of its grids."""
    content = yaml.safe_load(named_sweeps()[name].read_text(encoding="utf-8"))
    sweeper = content["hydra"]["sweeper"]
    params = {key: value for key, value in sweeper["params"].items() if key != "seed"}
    return [grid.words_of(params), *grid.grids_of(sweeper.get("grids"))]


def _section(name: str, sweep: Sweep, folder: Path) -> Section:
    """Draw a sweep's figure, and return its section."""
    report = Report(sweep)
    tables = {title: report.tables.get(title, pl.DataFrame()) for title in ("Verdicts", "Results")}
    about = f"{report.caption} {report.made_with}"
    return Section(about, _draw(name, sweep, folder), *tables.values())


def _draw(name: str, sweep: Sweep, folder: Path) -> str:
    """Draw the metric of the sweep's first claim; return the figure's caption.

    Trait accuracy is drawn over the first number that the file sweeps, if any, or over the
    distillation loss if other keys are swept with a mitigation's number.
    """
    stem = f"related_{sweep.name}"
    declared = entries(named_sweeps()[name])
    metric = declared[0].metric if declared else metrics.TRAIT_ACCURACY
    keys = [key for key in finals.doses(sweep) if key in _keys(name)]
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
        text = f"{caption} {figures.provenance(sweep)}"
        style.save(drawn, folder / stem, stem, text, pdf=False)
    return caption


def _by_condition(sweep: Sweep, metric: str) -> Figure:
    """Draw each condition's final value of a metric, where it was logged."""
    shown = [c for c in sweep.few(style.MOST_ROWS) if metric in c.epochs.columns]
    values = [list(condition.final(metric).values()) for condition in shown]
    figure, axes = style.seed_rows(shown, values)
    axes.axvline(0, color=style.GREY, linewidth=0.8)
    axes.set(xlabel=metric)
    return figure


def _prediction(
    names: Mapping[System, Sequence[str]], measured: pl.DataFrame, folder: Path
) -> Iterator[str]:
    """Yield the last section, if any system has enough conditions."""
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
        drawn = prediction.scatter(systems)
        style.save(drawn, folder / stem, stem, "Accuracy over alignment.", pdf=False)
    yield "## Does alignment predict which student learns?"
    yield (
        "Each condition is a point: a measurement's mean over its seeds against their mean final "
        "trait accuracy. Cells are Spearman's ρ over conditions; its 95% CI is a bootstrap over "
        "conditions and over the seeds of each. A condition that several sweeps share counts once."
    )
    yield f"![{stem}](figures/{stem}.png)"
    yield markdown(found)


if __name__ == "__main__":
    command_line("related", write, __doc__)
