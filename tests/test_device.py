"""What holds on a GPU: an epoch never waits for the device, and its numbers are the CPU's."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import small
import torch
from omegaconf import DictConfig
from students import LIMINAL, PROJECTION, UPDATE_PROJECTION, student
from torch.utils._python_dispatch import TorchDispatchMode

from subliminal import metrics
from subliminal.callbacks import Callback
from subliminal.callbacks.losses import Losses
from subliminal.mitigations import Mitigation
from subliminal.probes.alignment import Alignment
from subliminal.probes.displacement import Displacement
from subliminal.probes.ledger import Ledger
from subliminal.probes.update_alignment import UpdateAlignment
from subliminal.state import Step
from subliminal.sweep.console import Console
from subliminal.sweep.engine import run_job
from subliminal.training.loop import fit

# Operators whose result the host must know before it can go on: `.item()`, `bool()`, masks.
WAITING = {"_local_scalar_dense", "mask", "nonzero", "masked_select", "_unique2"}


class Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes the operators that make the host wait."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operators: list[str] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        name = func.overloadpacket.__name__
        masks = args[1] if name in ("index", "index_put_") else ()
        self.operators.append(
            "mask" if any(m is not None and m.dtype == torch.bool for m in masks) else name
        )
        return func(*args, **(kwargs or {}))

    @property
    def waits(self) -> set[str]:
        return WAITING & set(self.operators)


class Begin(Callback):
    """Watches from an epoch's first step on; it comes before all others."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch

    def on_step(self, step: Step) -> None:
        if step.index % step.training.steps_per_epoch == 0:
            self.watch.__enter__()  # type: ignore[no-untyped-call]


class End(Callback):
    """Watches to an epoch's last update; it comes after all others."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch

    def on_update(self, step: Step) -> None:
        if step.training.index % step.training.steps_per_epoch == 0:
            self.watch.__exit__(None, None, None)  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(
    "mitigations",
    [[], [LIMINAL], [PROJECTION], [UPDATE_PROJECTION]],
    ids=["none", "liminal", "projection", "update projection"],
)
def test_no_step_waits_for_the_device(mitigations: Sequence[Mitigation]) -> None:
    watch, training = Watch(), student(mitigations=mitigations)
    probes = [
        Losses(metrics.DISTILL_LOSS),
        Alignment(every=1, layers=True),
        UpdateAlignment(every=1),
        Ledger(layers=True),
        Displacement(layers=True),
    ]
    fit(training, [Begin(watch), *probes, End(watch)])
    assert watch.operators.count("_fused_adamw_") == training.steps
    assert watch.waits == set()


def test_the_watch_sees_what_waits() -> None:
    class Waits(Callback):
        def on_step(self, step: Step) -> None:
            if step.loss.sum() > 0:
                step.loss[step.loss > 0].max().item()

    watch = Watch()
    fit(student(epochs=1), [Begin(watch), Waits(), End(watch)])
    assert watch.waits == {"_local_scalar_dense", "mask"}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("mitigation", ["none", "liminal", "projection"])
def test_a_gpu_gives_the_numbers_of_the_cpu(
    mitigation: str, tmp_path: Path, compose: Callable[[list[str]], DictConfig]
) -> None:
    steps = {}
    for device in ("cpu", "cuda"):
        job = [
            *small.OVERRIDES,
            f"mitigation={mitigation}",
            "seed=0-2",
            f"engine.device={device}",
            f"outputs={tmp_path / device}",
        ]
        runs = run_job(compose(job), mitigation, Console())
        steps[device] = pl.concat([pl.read_parquet(run / "steps.parquet") for run in runs])
    # Rounding of another order of sums, grown over ten steps of each phase.
    for metric, relative, absolute in (
        (metrics.DISTILL_LOSS, 1e-3, 1e-7),
        (metrics.TRAIT_LOSS, 1e-4, 1e-6),
        (metrics.ALIGNMENT, 0.0, 1e-3),
    ):
        ours, theirs = (steps[device][metric].to_numpy() for device in ("cuda", "cpu"))
        np.testing.assert_allclose(ours, theirs, rtol=relative, atol=absolute)
