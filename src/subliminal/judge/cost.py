"""What a battery is about to train, and what that costs: printed before, as a sweep's plan is."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from omegaconf import DictConfig

from subliminal import store
from subliminal.config.seeds import parse
from subliminal.judge.attack import ALL, FIRST, KEPT
from subliminal.judge.battery import Setting
from subliminal.judge.trial import folder_of
from subliminal.sweep import cores
from subliminal.terminal import console
from subliminal.training.experiment import build_experiment

PARTS = ("undefended", "null", "defended")


@dataclass(frozen=True)
class Part:
    """The runs of one condition: how many there are, and what is left costs.

    Attributes:
        runs: how many are asked for.
        finished: of these.
        passes: millions of images that the missing runs see: students, and teachers not cached.
        seconds: of finished runs of the condition, for each million of images; None: none yet.
        workers: how many are trained at once.
    """

    runs: int
    finished: int
    passes: float
    seconds: float | None
    workers: int

    @property
    def missing(self) -> int:
        """Runs to train."""
        return self.runs - self.finished


@dataclass(frozen=True)
class Row:
    """The plan of one setting."""

    setting: str
    parts: dict[str, Part]
    note: str = ""  # why nothing is trained, or what a search trains besides


def planned(settings: Sequence[Setting]) -> list[Row]:
    """Return the plan of a battery, setting by setting."""
    rows = []
    counted: set[Path] = set()  # teachers: settings share them
    for setting in settings:
        configs = zip(PARTS, (setting.undefended, setting.null, setting.defended), strict=True)
        note = setting.unfit
        if setting.menu:
            seeds = [len(parse(spec)) for spec in (FIRST, ALL)]
            runs = seeds[0] * (len(setting.menu) + 1) + (seeds[1] - seeds[0]) * (KEPT + 1)
            note = note or f"up to {runs} runs on seeds {ALL}, then those of the worst"
        parts = (
            {}
            if setting.unfit or setting.menu
            else {n: _part(c, counted) for n, c in configs if c is not None}
        )
        rows.append(Row(setting.name, parts, note))
    return rows


def estimate(rows: Sequence[Row]) -> float | None:
    """Return the seconds that the missing runs take; None where no finished run tells.

    By the finished runs' own seconds, for as many images: those of the condition, else the mean of
    all that the battery has.
    """
    parts = [part for row in rows for part in row.parts.values()]
    known = [part.seconds for part in parts if part.seconds is not None]
    if not known:
        return None
    usual = sum(known) / len(known)
    return sum(
        part.passes * (usual if part.seconds is None else part.seconds) / part.workers
        for part in parts
        if part.missing
    )


def show_plan(rows: Sequence[Row]) -> str:
    """Print the plan; return its last line, which says what it costs."""
    from rich.table import Table

    table = Table("setting", *PARTS, "time", "")
    for row in rows:
        cells = [_cell(row.parts.get(name)) for name in PARTS]
        table.add_row(row.setting, *cells, _cost([row], rows), row.note)
    console(120, stderr=True).print(table)
    parts = [part for row in rows for part in row.parts.values()]
    missing = sum(part.missing for part in parts)
    runs = sum(part.runs for part in parts)
    line = f"{len(rows)} settings, {runs} runs: {runs - missing} finished, {missing} to train"
    return f"{line}: {_cost(rows, rows)}" if missing else f"{line}."


def finished(settings: Sequence[Setting]) -> list[Path]:
    """Return the finished runs of a battery on the judge's seeds."""
    runs: dict[Path, None] = {}
    for setting in settings:
        for cfg in (setting.undefended, setting.null, setting.defended):
            if cfg is not None:
                folder, _ = folder_of(cfg)
                for seed in parse(cfg.seed.spec):
                    runs[store.run_dir(folder, seed)] = None
    return [run for run in runs if store.finished(run)]


def _cost(rows: Sequence[Row], known: Sequence[Row]) -> str:
    """Return the cost of the missing runs of some rows, by the seconds known of all."""
    passes = sum(part.passes for row in rows for part in row.parts.values() if part.missing)
    if not passes:
        return ""
    if estimate(known) is None:
        return f"{passes:.1f} M images"
    usual = [p.seconds for row in known for p in row.parts.values() if p.seconds is not None]
    stands_in = Row("", {"": Part(1, 1, 0.0, sum(usual) / len(usual), 1)})
    seconds = estimate([*rows, stands_in]) or 0.0
    return f"about {seconds:.0f} s" if seconds < 120 else f"about {seconds / 60:.0f} min"


def _cell(part: Part | None) -> str:
    if part is None:
        return "–"
    if not part.missing:
        return f"{part.runs} kept"
    return f"{part.missing} of {part.runs} to train"


def _part(cfg: DictConfig, counted: set[Path]) -> Part:
    folder, _ = folder_of(cfg)
    seeds = parse(cfg.seed.spec)
    states = {seed: store.state(store.run_dir(folder, seed)) for seed in seeds}
    done = [store.run_dir(folder, seed) for seed, state in states.items() if state == "finished"]
    missing = [seed for seed, state in states.items() if state != "finished"]
    experiment = build_experiment(cfg)
    student = cfg.distill.epochs * experiment.inputs.size / 1e6
    lacking: set[Path] = set()
    if experiment.steering is None or experiment.steering.needs_teacher:
        cache, device = Path(cfg.outputs) / "teachers", experiment.device.type
        names = [store.teacher_hash(cfg, device, seed) for seed in missing]
        paths = {cache / f"{name}.safetensors" for name in names} - counted
        lacking = {path for path in paths if not path.is_file()}
        counted |= paths
    of_teachers = len(lacking) * cfg.teacher.epochs * experiment.data.train_size / 1e6
    workers = 1
    if experiment.device.type == "cpu":
        wanted = cfg.engine.workers or max(1, cores.granted() // cfg.engine.threads)
        workers = max(1, min(int(wanted), len(missing)))
    return Part(
        runs=len(seeds),
        finished=len(done),
        passes=len(missing) * student + of_teachers,
        seconds=_seconds(done) / student if done else None,
        workers=workers,
    )


def _seconds(runs: Sequence[Path]) -> float:
    """Return the mean seconds of a student: of its stack, over the students in it."""
    summaries = [store.read_summary(run) for run in runs]
    return float(np.mean([s["seconds"]["student"] / s["stack"] for s in summaries]))
