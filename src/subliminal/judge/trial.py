"""Trainings of a setting, each in the room where it belongs, and what is measured of them.

The track of a defence says whether it is given anything of the trait. *Blind*: its students train
where the trait's digits and labels do not exist. *Aware*: they do.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import polars as pl
from safetensors.torch import save_file

from subliminal import store
from subliminal.data.withheld import REFUSAL
from subliminal.distill import Supervised
from subliminal.errors import RunsFailed, UserError
from subliminal.judge.battery import SHARED, Setting, blind
from subliminal.judge.measure import measured
from subliminal.judge.rooms import Rooms
from subliminal.sweep.console import Console
from subliminal.sweep.engine import run_job
from subliminal.tensors import streams
from subliminal.training.job import Job
from subliminal.training.runner import labelled
from subliminal.training.teacher import shared_weights, teacher_weights

TRACKS = ("blind", "aware")


def tried(setting: Setting, rooms: Rooms, *, track: str) -> tuple[pl.DataFrame, dict[str, Job]]:
    """Train the missing runs of a setting and measure all.

    Returns:
        A row for each finished run, with its `part`; and the jobs by part.

    Raises:
        RunsFailed: a run without the defence failed. Failed defended runs have no row.
    """
    jobs = {part: job for part, job in setting.jobs.items() if part in SHARED}
    for job in jobs.values():
        if failure := rooms.clean(train, job):
            raise RunsFailed(failure)
    defended = defended_jobs(setting, rooms, track=track)
    for job in defended.values():
        rooms.entrant(train, job)
    jobs |= defended
    tables = {part: rooms.clean(measured, setting.undefended, job) for part, job in jobs.items()}
    rows = [table.with_columns(part=pl.lit(part)) for part, table in tables.items() if table.height]
    return pl.concat(rows, how="diagonal_relaxed"), jobs


def defended_jobs(setting: Setting, rooms: Rooms, *, track: str) -> dict[str, Job]:
    """Return the defended jobs by part; the blind ones after their teachers are handed over."""
    return {
        part: job
        if track == "aware" or job.identity == of.identity  # no defence at all
        else rooms.entrant(blind, job, rooms.clean(hand_over, of))
        for part, job, of in setting.pairs
    }


def blinded(setting: Setting) -> Setting:
    """Return the setting with its blind jobs, to find their runs: no teacher is handed over."""
    jobs = {
        part: job if job.identity == of.identity else blind(job, Path(job.cfg.outputs))
        for part, job, of in setting.pairs
    }
    return replace(setting, jobs=setting.jobs | jobs)


def train(job: Job) -> str:
    """Train the missing runs of a job; return why some failed, or nothing."""
    console = Console()
    if any(store.examine(run) != "finished" for run in map(job.run_dir, job.seeds)):
        console.say(f"Training {job.condition} ({len(job.seeds)} seeds)")
        try:
            run_job(job, console)
        except RunsFailed as error:
            console.say(str(error))
            return str(error)
    return ""


def hand_over(job: Job) -> Path:
    """Write the teachers of an undefended job's seeds for blind students; return their folder."""
    folder = Path(job.cfg.outputs) / "judge-teachers" / job.identity
    experiment = job.experiment
    network = experiment.teacher_network
    for seed in job.seeds:
        if (folder / f"{seed}.safetensors").is_file():
            continue
        data = labelled(experiment.data, experiment.device, (seed,))
        shared = shared_weights(job, data, (seed,))
        theta, _ = teacher_weights(job, data, shared.teacher, (seed,))
        given = {f"{seed}": theta}  # the teacher last: its file tells that all are there
        if job.cfg.base is not None:
            own = shared.draw(network, streams.STUDENT_INIT)
            pretrained = {streams.INIT: shared.reference, streams.STUDENT_INIT: own}
            given = {f"{stream}-{seed}": base for stream, base in pretrained.items()} | given
        folder.mkdir(parents=True, exist_ok=True)
        for name, weights in given.items():
            views = network.layout.views(weights).items()
            tensors = {parameter: view[0].cpu().contiguous() for parameter, view in views}
            store.write_atomically(folder / f"{name}.safetensors", partial(save_file, tensors))
    return folder


def track_of(settings: Sequence[Setting], rooms: Rooms, track: str | None = None) -> str:
    """Return the track in which a defence is judged.

    Loss, targets and mitigations with probes declare what they take. Of the rest the first blind
    student is trained: it fails where it reads what it is not given, and the defence is aware.

    Args:
        settings: the battery, composed for the defence.
        rooms: where its code runs.
        track: the user's choice; None: the track that the defence needs.

    Raises:
        UserError: the defence reads more than the named track gives, or the track is unknown; an
            undefended run failed.
    """
    check_access(track)
    fits = [one for one in settings if one.defended is not None and not one.threat.menu]
    if track == "aware" or not fits or fits[0].defended is None:
        return track or "blind"
    needs = rooms.entrant(declared, fits[0].defended) or _first_blind(fits[0], rooms)
    check_access(track, needs)
    return "aware" if needs else "blind"


def check_access(track: str | None, needs: str = "") -> None:
    """Raise a UserError if a track is unknown, or is blind and does not give what is needed."""
    if track is not None and track not in TRACKS:
        raise UserError(f"track={track}: one of {', '.join(TRACKS)}")
    if track == "blind" and needs:
        raise UserError(f"track=blind: {needs}, which that track does not give; use --track aware")


def declared(job: Job) -> str:
    """Return what of the trait a job takes by the kind of its parts; empty: nothing."""
    experiment = job.experiment
    if isinstance(experiment.loss, Supervised):
        return "distill.loss takes the digits' labels"
    if experiment.targets is not None and experiment.targets.variants:
        return "distill.targets takes teachers that others train on the digits"
    if experiment.targets is not None and experiment.targets.needs_gradient:
        return "distill.targets takes the trait gradient"
    if any(mitigation.needs_probe for mitigation in experiment.mitigations):
        return "a mitigation takes the trait gradient"
    return ""


def _first_blind(setting: Setting, rooms: Rooms) -> str:
    """Train a setting's first blind student; return what it read of the trait."""
    if not setting.defended or setting.defended.identity == setting.undefended.identity:
        return ""
    first = setting.on(setting.undefended.seeds[:1])
    for part in ("undefended", "undefended_null"):
        if failure := rooms.clean(train, first.jobs[part]):
            raise RunsFailed(failure)
    job = defended_jobs(first, rooms, track="blind")["defended"]
    return "it reads the trait" if REFUSAL in rooms.entrant(train, job) else ""
