"""Plan of a battery: its missing runs and the minutes that they take, printed before it starts."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from subliminal import store
from subliminal.config.seeds import parse
from subliminal.config.terminal import console
from subliminal.judge.attack import ALL, FIRST, KEPT
from subliminal.judge.battery import PARTS, Setting
from subliminal.judge.measure import finished
from subliminal.report.conditions import training_seconds
from subliminal.sweep import cores
from subliminal.training.job import Job

TRIED = 5  # steps by which a machine's rate is measured
OVERHEAD = 1.5  # of a training's time over that of its forward and backward passes
_rates: dict[str, float] = {}  # of networks, each measured once


class JobPlan(NamedTuple):
    """The runs of one job: how many are finished, and the cost of the missing ones."""

    runs: int
    missing: int  # of these, to train
    student: float  # millions of images that a student is trained on
    passes: float  # of these for the missing students and the teachers not cached
    seconds: float  # per million images: the least of finished runs, and of a few steps now
    workers: int  # runs trained at once


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
            note = note or f"up to {4 * runs} runs on seeds {ALL}, then those of the worst"
        elif not setting.unfit:
            of = setting.undefended
            network = f"{of.cfg.model} {of.cfg.distill.batch_size}"
            if network not in _rates:
                _rates[network] = _rate(of)
            parts = {
                n: _planned(setting, job, counted, _rates[network])
                for n, job in setting.jobs.items()
            }
        plans.append(SettingPlan(setting.name, parts, note))
    return plans


def estimate(plans: Sequence[SettingPlan]) -> float:
    """Return the seconds that the missing runs take."""
    missing = [part for part in _parts(plans) if part.missing]
    return sum(part.passes * part.seconds / part.workers for part in missing)


def each(plans: Sequence[SettingPlan], seeds: int) -> float:
    """Return the seconds of one more defence, on `seeds` seeds at most.

    They are those of undefended students, trained anew.
    """
    parts = [one.parts[part] for one in plans for part in PARTS[:2] if part in one.parts]
    return sum(min(part.runs, seeds) * part.student * part.seconds / part.workers for part in parts)


def show_plan(plans: Sequence[SettingPlan]) -> str:
    """Print the plan; return its last line, with the cost."""
    from rich.table import Table

    who = [part for part in PARTS if not part.endswith("_null")]
    table = Table("setting", *who, "time", "")
    for plan in plans:
        both = [[plan.parts[p] for p in (part, f"{part}_null") if p in plan.parts] for part in who]
        cells = [_runs(parts) if parts else "–" for parts in both]
        table.add_row(plan.setting, *cells, minutes(plan), plan.note)
    console(120, stderr=True).print(table)
    missing = sum(part.missing for part in _parts(plans))
    runs = sum(part.runs for part in _parts(plans))
    line = f"{len(plans)} settings, {runs} runs: {runs - missing} finished, {missing} to train"
    return f"{line}: {minutes(*plans)}" if missing else f"{line}."


def minutes(*plans: SettingPlan) -> str:
    """Return the time of the missing runs as text; empty: none is missing."""
    return as_text(estimate(plans))


def as_text(seconds: float) -> str:
    """Return an estimated time as text; empty: none."""
    if not seconds:
        return ""
    return f"about {seconds:.0f} s" if seconds < 120 else f"about {seconds / 60:.0f} min"


def _runs(parts: Sequence[JobPlan]) -> str:
    """Return the runs to train, with those of the null, or how many are kept."""
    missing, runs = sum(part.missing for part in parts), sum(part.runs for part in parts)
    return f"{missing} of {runs} to train" if missing else f"{runs} kept"


def _parts(plans: Sequence[SettingPlan]) -> list[JobPlan]:
    return [part for plan in plans for part in plan.parts.values()]


def _planned(setting: Setting, job: Job, counted: set[Path], rate: float) -> JobPlan:
    """Plan one job; add the teachers of its missing runs to `counted`.

    Of a defended job nothing is built: its code may be a stranger's.
    """
    of, cfg = setting.undefended, job.cfg
    done = finished(job)
    missing = [seed for seed in job.seeds if job.run_dir(seed) not in done]
    student = cfg.distill.epochs * cfg.distill.inputs["size"] / 1e6
    cache = Path(of.cfg.outputs) / "teachers"
    teachers = {cache / f"{of.teacher_hash(seed)}.safetensors" for seed in missing} - counted
    counted |= teachers
    lacking = sum(not file.is_file() for file in teachers)
    workers = 1
    if of.experiment.device.type == "cpu":
        wanted = cfg.engine.workers or max(1, cores.granted() // cfg.engine.threads)
        workers = max(1, min(int(wanted), len(missing) or len(job.seeds)))
    seconds = [training_seconds(store.read_summary(run)) / student for run in done]
    of_teachers = lacking * cfg.teacher.epochs * of.experiment.data.train_size / 1e6
    return JobPlan(
        runs=len(job.seeds),
        missing=len(missing),
        student=student,
        passes=len(missing) * student + of_teachers,
        seconds=min([*seconds, rate]),  # a machine that was busy is no measure
        workers=workers,
    )


def _rate(job: Job) -> float:
    """Return the seconds that a million images take on this machine, measured in a few steps."""
    network, device = job.experiment.teacher_network, job.experiment.device
    threads = torch.get_num_threads()
    torch.set_num_threads(job.cfg.engine.threads)
    try:
        theta = network.reference((0,), device)
        params = {n: v.detach().requires_grad_() for n, v in network.layout.views(theta).items()}
        x = torch.zeros(1, job.cfg.distill.batch_size, network.pixels, device=device)
        taken = []
        for _ in range(TRIED):
            start = time.perf_counter()
            loss = network.forward(params, x).square().mean()
            gradients = torch.autograd.grad(loss, [*params.values()])
            float(gradients[0].sum())  # a GPU is waited for
            taken.append(time.perf_counter() - start)
    finally:
        torch.set_num_threads(threads)
    return OVERHEAD * min(taken) / x.shape[1] * 1e6
