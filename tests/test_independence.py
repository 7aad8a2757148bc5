"""On the CPU a seed's result is the same to the last bit, whatever runs beside it or watches it."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import polars as pl
import pytest
import small
import torch
from omegaconf import DictConfig
from option_overrides import BASE, EVERY, PERCEPTRON
from reference_students import LIMINAL, PROJECTION, student
from resolved import composed, experiment_of, train_config

from subliminal.mitigations import Mitigation
from subliminal.mitigations.gradient_noise import GradientNoise
from subliminal.mitigations.kernel_pull import KernelPull
from subliminal.mitigations.l1 import L1
from subliminal.mitigations.random_projection import RandomProjection
from subliminal.optim import Optim, adam, preconditioned_sgd, rmsprop, sgd, sign_sgd
from subliminal.state.callbacks import Callback
from subliminal.sweep.console import Console
from subliminal.training.loop import fit

MITIGATIONS: dict[str, Sequence[Mitigation]] = {
    "none": [],
    "liminal": [LIMINAL],
    **{
        f"projection of the {space}, {batch} batch": [replace(PROJECTION, space=space, batch=batch)]
        for space in ("gradient", "update")
        for batch in ("probe", "independent", "full")
    },
    "random projection": [RandomProjection(space="gradient", sign="positive")],
    "l1": [L1(strength=1e-3)],
    "kernel pull": [KernelPull(strength=0.5)],
    "gradient noise": [GradientNoise(space="update", sign="positive")],
}
OPTIMS: list[Optim] = [
    adam.Adam(lr=3e-3, betas=[0.9, 0.999], eps=1e-8, weight_decay=0.01),
    sgd.SGD(lr=0.5, momentum=0.9),
    rmsprop.RMSprop(lr=1e-3, alpha=0.99, eps=1e-8),
    preconditioned_sgd.PreconditionedSGD(lr=3e-3, betas=[0.9, 0.999], eps=1e-8, steps=6),
    sign_sgd.SignSGD(lr=1e-3),
    sgd.SGD(lr=0.5, momentum=0.9, schedule="cosine", warmup=3, clip=0.1),
]


@cache
def _every_probe() -> tuple[Callback, ...]:
    each = ["readout", "logits", "spectrum", "path"]
    often = [f"probe.{name}.every=1" for name in each]
    return experiment_of(composed(*BASE, *PERCEPTRON, *EVERY, *often)).probes


def probes() -> list[Callback]:
    """Return all probes, at every step and in full."""
    return copy.deepcopy([*_every_probe()])


def trained(
    seeds: tuple[int, ...],
    mitigations: Sequence[Mitigation] = (),
    callbacks: Sequence[Callback] = (),
    optim: Optim = OPTIMS[0],
) -> torch.Tensor:
    training = student(seeds, mitigations=mitigations, optim=optim)
    fit(training, callbacks)
    return training.theta


@pytest.mark.parametrize("name", list(MITIGATIONS))
def test_a_seed_in_a_stack_and_under_all_probes_is_what_it_is_alone(name: str) -> None:
    stack, watched = (trained((4, 0, 7), MITIGATIONS[name], some) for some in ((), probes()))
    assert torch.equal(stack, watched)
    for row, seed in enumerate((4, 0, 7)):
        assert torch.equal(stack[row], trained((seed,), MITIGATIONS[name])[0])


@pytest.mark.parametrize("optim", OPTIMS)
def test_every_optimizer_keeps_seeds_apart(optim: Optim) -> None:
    assert torch.equal(trained((4, 0), optim=optim)[1], trained((0,), optim=optim)[0])


def test_each_probe_alone_never_changes_the_weights() -> None:
    unwatched = trained((0, 7))
    for probe in probes():
        assert torch.equal(trained((0, 7), callbacks=[probe]), unwatched), probe


def test_runs_of_a_job_do_not_depend_on_how_it_is_run(
    compose: Callable[[list[str]], DictConfig], tmp_path: Path
) -> None:
    """Stack size, cached teachers and probes leave tables and students as they are."""
    results: dict[str, tuple[bytes, pl.DataFrame]] = {}
    for name, extra in {
        "alone": ["seed=3"],
        "stack": ["seed=0-4", "engine.seeds_at_once=5"],
        "cached teachers": ["seed=2-4", "engine.seeds_at_once=2"],
        "no probe": ["seed=3", "probe=off"],
    }.items():
        outputs = tmp_path / ("stack" if name == "cached teachers" else name)
        words = [*small.OVERRIDES, "engine.workers=1", f"name={name.split()[0]}", *extra]
        cfg = compose([*words, f"outputs={outputs}"])
        (run,) = (r for r in train_config(cfg, "x", Console()) if r.name == "seed-0003")
        steps = pl.read_parquet(run / "steps.parquet", glob=False)
        shown = steps.select("step", "distill/loss", "trait/accuracy")
        results[name] = ((run / "student.safetensors").read_bytes(), shown)
    student_bytes, table = results.pop("alone")
    for name, (other_bytes, other) in results.items():
        assert other_bytes == student_bytes, name
        assert other.equals(table), name


@pytest.mark.parametrize(
    "student",
    [
        ["distill=swapped_logits", "distill.loss.own_from=1"],
        ["distill=lora"],
        ["distill.linearised=true", "probe=[alignment,attribution,rate_bound]"],
    ],
)
def test_neither_do_runs_of_other_students(
    student: list[str], compose: Callable[[list[str]], DictConfig], tmp_path: Path
) -> None:
    """Labelled digits, and low-rank students: their seeds are apart, and only adapters move."""
    found = []
    for name, seeds in {"alone": "seed=3", "stack": "seed=2-3"}.items():
        extra = ["engine.workers=1", "engine.seeds_at_once=2", f"outputs={tmp_path / name}", seeds]
        cfg = compose([*student, *small.OVERRIDES, *extra])
        (run,) = (r for r in train_config(cfg, "x", Console()) if r.name == "seed-0003")
        found.append((run / "student.safetensors").read_bytes())
        rows = pl.read_parquet(run / "epochs.parquet", glob=False)["distill/loss"].drop_nulls()
        assert rows[-1] < rows[0]
    assert found[0] == found[1]
