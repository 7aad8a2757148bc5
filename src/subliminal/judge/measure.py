"""What is known of a student, computed from its weights, its teacher's, θ₀ and the data alone.

Nothing that decides is taken from what a run logged: a defence runs in the process that logs.
`recorded` is the one logged number here, to be compared.
"""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import torch
from torch import Tensor

from subliminal import metrics, store
from subliminal.data import Labelled
from subliminal.data.language import Texts
from subliminal.judge.recovery import (
    FIRST_ROWS,
    LOGITS,
    TEACHER_ROWS,
    answered,
    outputs,
    recovered,
    standard_rows,
)
from subliminal.report.conditions import training_seconds
from subliminal.store.tables import read_table
from subliminal.tasks.two_skills import TwoSkills, skill_logits
from subliminal.tensors.geometry import cosine
from subliminal.tensors.network import accuracy
from subliminal.training.experiment import set_arithmetic, student_network
from subliminal.training.job import Job
from subliminal.training.runner import labelled
from subliminal.training.tasks import Distillation
from subliminal.training.teacher import shared_weights, teacher_weights

VERSION = 2  # of what is measured and of the words; cards of others are not mixed with these
HELD_OUT = 4096  # distillation inputs that no student was trained on
NEVER = 10**6  # the epoch of the held-out inputs: no training reaches it
LARGEST = 1e6  # of a weight; beyond it, or where one is not finite, nothing is measured
SHIFT = "shift"  # the way to recover a trait that is a shift of the class logits
# Columns that are no ways to recover the trait.
LOSS, START_LOSS, AGREEMENT, SKILL = "loss", "loss at θ₀", "agreement", "skill"
SOUND, RECORDED, TEACHER, SECONDS = "sound", "recorded", "teacher", "seconds"
FACTS = ("seed", "student", SOUND, RECORDED, LOSS, START_LOSS, AGREEMENT, SKILL, TEACHER, SECONDS)


def finished(job: Job) -> list[Path]:
    """Return the folders of a job's finished runs."""
    return [run for run in map(job.run_dir, job.seeds) if store.finished(run)]


def measured(undefended: Job, job: Job) -> pl.DataFrame:
    """Return a row for each finished run of a job in the setting of the undefended one.

    Rows are kept below the outputs, and measured again only if the student's file has changed.
    Of the job's config its seeds and its network are used, nothing else that an entrant named.

    Raises:
        UserError: its network is not of this package: it cannot be measured apart.
    """
    folder = Path(undefended.cfg.outputs) / "judge-measured"
    file = folder / f"{undefended.identity}-{job.identity}.parquet"
    kept: dict[tuple[int, str], dict[str, Any]] = {}
    if file.is_file():
        for row in read_table(file).iter_rows(named=True):
            if row["version"] == VERSION:
                kept[row["seed"], row["student"]] = row
    rows, ruler = [], None
    for run in finished(job):
        seed = store.read_summary(run)["seed"]
        digest = hashlib.sha256((run / store.STUDENT).read_bytes()).hexdigest()
        if (seed, digest) not in kept:
            ruler = ruler or Ruler(undefended, job)
            kept[seed, digest] = {"version": VERSION, "student": digest, **ruler.row(run, seed)}
        rows.append(kept[seed, digest])
    if ruler is not None:
        folder.mkdir(parents=True, exist_ok=True)
        table = pl.DataFrame([*kept.values()], infer_schema_length=None)
        store.write_atomically(file, table.write_parquet)
    return pl.DataFrame(rows, infer_schema_length=None)


class Ruler:
    """Measures students of one job in one setting."""

    def __init__(self, undefended: Job, job: Job) -> None:
        experiment = undefended.experiment
        set_arithmetic(undefended.cfg)
        self._job, self._device = undefended, experiment.device
        self._network = student_network(job.cfg, experiment)
        threat = undefended.cfg.threat
        self._shift = threat is not None and threat.trait == metrics.TRAIT_SHIFT

    @torch.no_grad()
    def row(self, run: Path, seed: int) -> dict[str, Any]:
        """Return what is known of the student in a run's folder."""
        summary, network = store.read_summary(run), self._network
        epochs = read_table(run / "epochs.parquet")
        last = epochs.filter(pl.col("phase") == "student").sort("epoch").row(-1, named=True)
        theta = network.layout.stack([store.read_student(run)], 1).to(self._device)
        sound = bool(torch.isfinite(theta).all()) and float(theta.abs().max()) <= LARGEST
        row = {"seed": seed, SOUND: float(sound), RECORDED: last.get(metrics.TRAIT_ACCURACY)}
        row[SECONDS] = training_seconds(summary)
        if not sound:
            return row
        experiment = self._job.experiment
        data = labelled(experiment.data, self._device, (seed,))
        shared = shared_weights(self._job, data, (seed,))
        teacher, _ = teacher_weights(self._job, data, shared.teacher, (seed,))
        its_network = experiment.teacher_network
        row |= self._on_held_out(theta, shared.reference, teacher, data, seed)
        if isinstance(data, Texts):
            row[TEACHER] = answered(its_network, teacher, data, teacher)[LOGITS]
            return row | answered(network, theta, data, shared.reference)
        hits = outputs(its_network, teacher, data, data.test_x)[""].argmax(dim=-1) == data.test_y
        row[TEACHER] = float(hits.double().mean())
        if self._shift:
            others = ((its_network, w) for w in (shared.reference, teacher, shared.teacher))
            ours, first, theirs, start = (
                outputs(of, one, data, data.test_x)[""] for of, one in ((network, theta), *others)
            )
            return row | {SHIFT: shift_cosine(ours - first, theirs - start)}
        rows = {
            FIRST_ROWS: standard_rows(its_network, shared.reference, data),
            TEACHER_ROWS: standard_rows(its_network, teacher, data),
        }
        return row | recovered(network, theta, data, seed, rows)

    def _on_held_out(
        self, theta: Tensor, reference: Tensor, teacher: Tensor, data: Labelled, seed: int
    ) -> dict[str, float]:
        """Return the losses of student and θ₀ on inputs that neither was trained on, and more.

        Inputs and loss are the setting's, even if the defence changed its own.
        """
        experiment, network = self._job.experiment, self._network
        more = {"responses": 2 * HELD_OUT} if isinstance(data, Texts) else {}
        inputs = replace(experiment.inputs, size=HELD_OUT, fresh=True, **more)  # type: ignore[type-var]
        its_network = experiment.teacher_network
        networks: dict[str, Any] = {"teacher": teacher, "teacher_network": its_network}
        networks["reference"] = reference
        task = Distillation(network, experiment.loss, inputs, (seed,), data=data, **networks)
        task.start_epoch(NEVER)
        rows = torch.arange(HELD_OUT, device=self._device)[None]
        images = task.images(rows)
        logits = network.logits(theta, images)
        first = its_network.logits(reference, images)
        aim = its_network.logits(teacher, images)[..., network.classes :]
        same = logits[..., network.classes :].argmax(dim=-1) == aim.argmax(dim=-1)
        found = {LOSS: float(task.loss(logits, rows)), START_LOSS: float(task.loss(first, rows))}
        found[AGREEMENT] = float(same.double().mean())
        if isinstance(experiment.second, TwoSkills):
            permuted = experiment.second.images(data.scale(data.test_x)[None])
            skill = skill_logits(network.logits(theta, permuted), network.classes)
            found[SKILL] = float(accuracy(skill, data.test_y[None], network.classes))
        return found


def shift_cosine(ours: Tensor, theirs: Tensor) -> float:
    """Return the mean over images of the cosine of two shifts of class logits, (n, classes) each.

    In [-1, 1], however far the student drifts. What is added to all classes alike is no shift.
    """
    return float(
        cosine(ours - ours.mean(1, keepdim=True), theirs - theirs.mean(1, keepdim=True)).mean()
    )
