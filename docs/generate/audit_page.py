"""`python docs/generate/audit_page.py [OUTPUTS]`: what docs/audit.md says an audit is worth.

OUTPUTS holds the runs of sweeps/audit.yaml and sweeps/evasive.yaml. Their data sets and those of
clean teachers are audited, and the answers written to data/audit.csv beside the page. Without
OUTPUTS the page is written from that file alone.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from results import around
from scipy.stats import binomtest
from screening_auroc import Screen, screens
from torch.nn.functional import cross_entropy

from subliminal import metrics, store
from subliminal.api.results import Run
from subliminal.audit.calibration import (
    Bag,
    cached,
    clean_targets,
    forecast,
    of_run,
    statistics,
    table,
)
from subliminal.config import command, terminal
from subliminal.errors import UserError
from subliminal.report.tables import markdown
from subliminal.steering import Origin
from subliminal.steering.displaced import Displaced

MARKERS = ("<!-- audit: begin -->", "<!-- audit: end -->")
PAGE = Path("docs/audit.md")
BASES = (0, 1, 2)
UPDATES = (1, 6, 59, 295)  # of the audited teachers; forecasts are tested on all of the sweep's
EXAMPLES = (20, 100, 500)
LEVELS = (0.01, 0.05, 0.1)
FALSE_ALARMS = 25  # clean teachers of a family for each of two bases and each of UPDATES
CLEAN = {
    "calibrated": "made as the calibration's",
    "displaced": "teacher=displaced: each tensor as far as a trained teacher's",
}
FAILING = {
    "shuffled": "learnt shuffled labels, 30 updates (no student trained)",
    "other": "of another base, 295 updates",
    "adaptive": "adaptive: its auxiliary logits learn a projection of its class logits",
    "hidden": "noise on its weights",
}
SCREENED = ("conditions", "score", "auroc", "p", "transferring", "others")
Row = dict[str, Any]


def runs(folder: Path) -> Iterator[tuple[Run, dict[str, Any]]]:
    """Yield the finished runs of a sweep whose student started where its teacher did."""
    for run in store.finished_runs(folder):
        config = store.read_config(run)
        if config["distill"]["init"]["_target_"].endswith(".Shared"):
            yield Run(run, run.parent.name, int(store.read_summary(run)["seed"])), config


def trained(outputs: Path, base: int) -> dict[int, Run]:
    """Return a base's runs of plain trained teachers, by the teacher's number of updates."""
    found = {}
    for run, config in runs(outputs / "audit"):
        teacher = config["teacher"]
        if run.seed == base and not teacher["steering"] and not config["distill"]["targets"]:
            found[teacher["epochs"] * -(-60_000 // teacher["batch_size"])] = run
    return found


def audited(bag: Bag, cache: Path, **known: Any) -> Row:
    """Return a row of the data file: an audit's answer, and what else is known of its teacher."""
    calibration = cached(bag, cache)
    (distance,) = calibration.distances(table(statistics(bag, bag.targets)))
    measured = {"spread": bag.spread, "distance": distance, "p": calibration.p_value(distance)}
    return {"examples": bag.images.shape[1], **known, **measured}


def of_base(outputs: Path, base: int) -> list[Row]:
    """Audit the data sets of one base."""
    torch.set_num_threads(1)
    cache, rows = outputs / store.CALIBRATIONS, []
    for updates, run in trained(outputs, base).items():
        told = {"base": base, "updates": updates}
        accuracy = run.results[metrics.TRAIT_ACCURACY]
        bag = of_run(run.folder, EXAMPLES[-1], outputs)
        rows.append({"kind": "known", **told, "accuracy": accuracy, "spread": bag.spread})
        if updates not in UPDATES:
            continue
        for examples in EXAMPLES:
            some = replace(bag, images=bag.images[:, :examples], targets=bag.targets[:, :examples])
            rows.append(audited(some, cache, kind="trained", accuracy=accuracy, **told))
        if base == BASES[-1]:
            continue
        teacher, data = _weights(bag, run), run.data()
        for number in range(FALSE_ALARMS):
            seed = 10**6 * (base + 1) + 1000 * updates + number  # none of calibration's
            origin = Origin(bag.network, bag.theta, teacher, data, (seed,))
            displaced = _targets(bag, Displaced().weights(origin))
            for kind, of in (
                ("calibrated", clean_targets(bag, bag.spread, seed)),
                ("displaced", displaced),
            ):
                rows.append(audited(replace(bag, targets=of), cache, kind=kind, **told))
    return rows


def evasive(outputs: Path) -> list[Row]:
    """Audit data sets for which an audit must fail, all on the base 0."""
    torch.set_num_threads(1)
    cache, rows, plain = outputs / store.CALIBRATIONS, [], trained(outputs, 0)[295]
    for run, config in runs(outputs / "evasive"):
        sigma, accuracy = config["teacher"]["perturb_after"]["sigma"], run.results
        kind = "hidden" if sigma else "adaptive"
        known = {"kind": kind, "sigma": sigma, "accuracy": accuracy[metrics.TRAIT_ACCURACY]}
        rows.append(audited(of_run(run.folder, EXAMPLES[-1], outputs), cache, **known))
    bag = of_run(plain.folder, EXAMPLES[-1], outputs)
    foreign = _weights(bag, trained(outputs, 1)[295])
    other = next(r for r in store.finished_runs(outputs / "audit") if _is_other_base(r))
    accuracy = store.read_summary(other)["results"][metrics.TRAIT_ACCURACY]
    targets = replace(bag, targets=_targets(bag, foreign))
    rows.append(audited(targets, cache, kind="other", accuracy=accuracy))
    shuffled = replace(bag, targets=_targets(bag, _of_shuffled_labels(bag, plain)))
    return [*rows, audited(shuffled, cache, kind="shuffled")]


def _is_other_base(run: Path) -> bool:
    """Return whether a run is one of another base, of 295 updates with plain targets."""
    distill, teacher = (store.read_config(run)[key] for key in ("distill", "teacher"))
    independent = distill["init"]["_target_"].endswith(".Independent")
    return independent and distill["targets"] is None and teacher["epochs"] == 5


def _weights(bag: Bag, run: Run) -> torch.Tensor:
    """Return a run's teacher, (1, P)."""
    return bag.network.layout.stack([dict(run.teacher().named_parameters())], 1)


def _targets(bag: Bag, theta: torch.Tensor) -> torch.Tensor:
    return bag.network.logits(theta, bag.images)[..., bag.network.classes :]


def _of_shuffled_labels(bag: Bag, run: Run) -> torch.Tensor:
    """Return θ₀ after 30 updates of Adam on digits with shuffled labels, (1, P)."""
    data, generator = run.data(), torch.Generator().manual_seed(0)
    labels = data.train_y[torch.randperm(len(data.train_y), generator=generator)]
    theta = bag.theta.clone().requires_grad_()
    optimizer = torch.optim.Adam([theta], lr=3e-4)
    for _ in range(30):
        rows = torch.randint(len(labels), (1024,), generator=generator)
        images = data.scale(data.train_x[rows])[None]
        logits = bag.network.forward(bag.network.layout.views(theta), images)[0]
        optimizer.zero_grad()
        cross_entropy(logits[:, : bag.network.classes], labels[rows]).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return theta.detach()


def collect(outputs: Path) -> pl.DataFrame:
    """Return all audits' rows, with a forecast from the other bases' known students."""
    with ProcessPoolExecutor(len(BASES), mp_context=get_context("spawn")) as pool:
        parts = [pool.submit(of_base, outputs, base) for base in BASES]
        rows = [row for part in parts for row in part.result()] + evasive(outputs)
    found = pl.DataFrame(rows, infer_schema_length=None)
    known = found.filter(kind="known")
    ends = []
    for row in found.iter_rows(named=True):
        others = known.filter(pl.col("base") != (row["base"] or 0))
        ends.append(
            forecast(others["spread"].to_numpy(), others["accuracy"].to_numpy(), row["spread"])
        )
    names = ("expected", "low", "high")
    forecasts = [pl.Series(n, v) for n, v in zip(names, zip(*ends, strict=True), strict=True)]
    whole = pl.concat(
        [found.with_columns(*forecasts), pl.DataFrame(screened(outputs))], how="diagonal"
    )
    return whole.with_columns(pl.col(pl.Float64).round_sig_figs(6))


def sections(found: pl.DataFrame) -> Iterator[str]:
    """Yield the page's results."""
    yield "### False alarms"
    yield (
        "Share of clean teachers that calibration never saw with p ≤ α, and its exact binomial 95% "
        f"interval; {len(UPDATES)} distances from two bases, {EXAMPLES[-1]} examples."
    )
    rows = []
    for kind, title in CLEAN.items():
        p = found.filter(kind=kind)["p"].to_numpy()
        row = {"clean teachers": title, "number": str(len(p))}
        for level in LEVELS:
            tested = binomtest(int((p <= level).sum()), len(p))
            low, high = tested.proportion_ci(method="exact")
            row[f"α = {level}"] = f"{tested.statistic:.3f} [{low:.3f}, {high:.3f}]"
        rows.append(row)
    yield markdown(pl.DataFrame(rows))
    yield "### Power"
    yield (
        f"p of trained teachers, a number for each of {len(BASES)} bases, by the teacher's updates "
        "and the number of examples; mean trait accuracy of the students."
    )
    rows = []
    for updates in UPDATES:
        of = found.filter(kind="trained", updates=updates)
        row = {
            "updates": str(updates),
            "trait accuracy": f"{np.mean(of['accuracy'].to_numpy()):.2f}",
        }
        for examples in EXAMPLES:
            each = of.filter(examples=examples).sort("base")["p"]
            row[f"{examples} examples"] = ", ".join(f"{value:.3f}" for value in each)
        rows.append(row)
    yield markdown(pl.DataFrame(rows))
    yield "### Forecast"
    known = found.filter(kind="known")
    inside = ((known["low"] <= known["accuracy"]) & (known["accuracy"] <= known["high"])).sum()
    error = np.mean(np.abs(known["expected"].to_numpy() - known["accuracy"].to_numpy()))
    width = np.mean(known["high"].to_numpy() - known["low"].to_numpy())
    yield (
        f"Of {known.height} trained teachers, each forecast from the students of the other bases "
        f"alone, {inside} students lie in the 95% interval; the mean error is {error:.3f}, the "
        f"mean width of the interval {width:.2f}."
    )
    yield "### Where it fails"
    rows = []
    for kind, title in FAILING.items():
        for row in found.filter(kind=kind).sort("sigma").iter_rows(named=True):
            more = f" (σ = {row['sigma']:g})" if kind == "hidden" else ""
            reached = "" if row["accuracy"] is None else f"{row['accuracy']:.2f}"
            span = f"{row['expected']:.2f} [{row['low']:.2f}, {row['high']:.2f}]"
            columns = {
                "p": f"{row['p']:.3f}",
                "trait accuracy": reached,
                "forecast if flagged": span,
            }
            rows.append({"teacher": title + more, **columns})
    yield markdown(pl.DataFrame(rows))
    yield "### The first update as a screening, repeated"
    yield (
        "`probe=screening` on conditions of `make sweep NAME=audit`, which needs the teacher's "
        "weights. AUROC of telling conditions whose students acquire the trait from others."
    )
    told = found.filter(kind="screening").select(*SCREENED).iter_rows()
    yield "\n".join(f"- {of}: {Screen(*values).format()}" for of, *values in told)


def screened(outputs: Path) -> list[Row]:
    """Return the screenings of the sweep's conditions, with and without displaced teachers."""
    keep = {"all": lambda run: True, "trained teachers": lambda run: not _steered(run)}
    return [
        {"kind": "screening", "conditions": of, **vars(screen)}
        for of, which in keep.items()
        for screen in screens(outputs / "audit", which)
    ]


def _steered(run: Path) -> bool:
    return store.read_config(run)["teacher"]["steering"] is not None


def write(outputs: Path | None, page: Path) -> None:
    """Write the page's results.

    Args:
        outputs: where the sweeps lie; None: use the data file.
        page: the page's file, with MARKERS.

    Raises:
        UserError: there are no runs, or no data file.
    """
    before, after = around(page, *MARKERS)
    data = page.parent / "data" / "audit.csv"
    if outputs is not None:
        store.write_text(data, collect(outputs).write_csv())
    if not data.exists():
        raise UserError(f"{data}: missing; `make sweep NAME=audit` and NAME=evasive train its runs")
    parts = sections(pl.read_csv(data, infer_schema_length=None))
    store.write_text(page, "\n\n".join([before.strip(), *parts, after.strip()]) + "\n")


def main(argv: list[str] | None = None) -> int:
    """Write the page; return the exit status."""
    terminal.settle()
    words = sys.argv[1:] if argv is None else argv
    outputs = Path(words[0]) if words else None
    return command.status(lambda: write(outputs, PAGE), "Stopped.")


if __name__ == "__main__":
    sys.exit(main())
