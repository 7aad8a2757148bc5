"""Plan of a battery: its missing runs and their cost, printed before it starts."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from subliminal import store
from subliminal.config.seeds import parse
from subliminal.config.terminal import console
from subliminal.judge.attack import ALL, FIRST, KEPT
from subliminal.judge.battery import Setting
from subliminal.judge.trial import finished, teacher_file
from subliminal.report.conditions import training_seconds
from subliminal.sweep import cores
from subliminal.training.job import Job

USUAL = 60.0  # seconds per million images where no run has finished: the reference network's
PARTS = ("undefended", "null", "defended")


class JobPlan(NamedTuple):
    """The runs of one job: how many are finished, and the cost of the missing ones."""

    runs: int
    missing: int  # of these, to train
    passes: float  # millions of images for the missing students and the teachers not cached
    seconds: float | None  # per million images, mean of finished runs; None: there are none
    workers: int  # runs trained at once

    def format(self) -> str:
        """Return the runs to train, or how many are kept."""
        return f"{self.missing} of {self.runs} to train" if self.missing else f"{self.runs} kept"


class SettingPlan(NamedTuple):
    """The plan of one setting."""

    setting: str
    parts: dict[str, JobPlan]
    note: str = ""  # why nothing is trained, or the runs of a search


def planned(settings: Sequence[Setting]) -> list[SettingPlan]:
    """Return the plan of a battery, setting by setting."""
    counted: set[Path] = set()  # teachers: settings share them
    plans = []
    for setting in settings:
        note, parts = setting.unfit, {}
        if setting.threat.menu:
            first, all_ = (len(parse(spec)) for spec in (FIRST, ALL))
            runs = first * (len(setting.threat.menu) + 1) + (all_ - first) * (KEPT + 1)
            note = note or f"up to {runs} runs on seeds {ALL}, then those of the worst"
        elif not setting.unfit:
            parts = {name: _planned(one, counted) for name, one in setting.jobs.items()}
        plans.append(SettingPlan(setting.name, parts, note))
    return plans


def estimate(plans: Sequence[SettingPlan], known: Sequence[SettingPlan] = ()) -> float:
    """Return the seconds that the missing runs take.

    Seconds per image are those of the condition's finished runs, else the mean over all conditions
    of the plans in `known` (default: `plans`), else USUAL.
    """
    measured = [part.seconds for part in _parts(known or plans) if part.seconds is not None]
    usual = sum(measured) / len(measured) if measured else USUAL
    return sum(
        part.passes * (usual if part.seconds is None else part.seconds) / part.workers
        for part in _parts(plans)
        if part.missing
    )


def show_plan(plans: Sequence[SettingPlan]) -> str:
    """Print the plan; return its last line, with the cost."""
    from rich.table import Table

    table = Table("setting", *PARTS, "time", "")
    for plan in plans:
        cells = ["–" if part is None else part.format() for part in map(plan.parts.get, PARTS)]
        table.add_row(plan.setting, *cells, _cost([plan], plans), plan.note)
    console(120, stderr=True).print(table)
    missing = sum(part.missing for part in _parts(plans))
    runs = sum(part.runs for part in _parts(plans))
    line = f"{len(plans)} settings, {runs} runs: {runs - missing} finished, {missing} to train"
    return f"{line}: {_cost(plans, plans)}" if missing else f"{line}."


def _parts(plans: Sequence[SettingPlan]) -> list[JobPlan]:
    return [part for plan in plans for part in plan.parts.values()]


def _cost(plans: Sequence[SettingPlan], known: Sequence[SettingPlan]) -> str:
    """Return the time of the missing runs as text."""
    if not any(part.missing for part in _parts(plans)):
        return ""
    seconds = estimate(plans, known)
    return f"about {seconds:.0f} s" if seconds < 120 else f"about {seconds / 60:.0f} min"


def _planned(job: Job, counted: set[Path]) -> JobPlan:
    """Plan one job; add the teachers of its missing runs to `counted`."""
    cfg, experiment = job.cfg, job.experiment
    done = finished(job)
    missing = [seed for seed in job.seeds if job.run_dir(seed) not in done]
    student = cfg.distill.epochs * experiment.inputs.size / 1e6
    teachers: set[Path] = set()
    if experiment.steering is None or experiment.steering.needs_teacher:
        teachers = {teacher_file(job, seed) for seed in missing} - counted
        counted |= teachers
    lacking = sum(not file.is_file() for file in teachers)
    workers = 1
    if experiment.device.type == "cpu":
        wanted = cfg.engine.workers or max(1, cores.granted() // cfg.engine.threads)
        workers = max(1, min(int(wanted), len(missing)))
    seconds = [training_seconds(store.read_summary(run)) / student for run in done]
    of_teachers = lacking * cfg.teacher.epochs * experiment.data.train_size / 1e6
    return JobPlan(
        runs=len(job.seeds),
        missing=len(missing),
        passes=len(missing) * student + of_teachers,
        seconds=sum(seconds) / len(seconds) if seconds else None,
        workers=workers,
    )
