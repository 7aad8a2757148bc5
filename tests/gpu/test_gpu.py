"""On a real GPU: the CPU's numbers, no waits, the same bits again, seeds apart; else skipped.

`benchmarks/gpu.py` measures the rest: times, and memory at 20 and 200 seeds.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import DictConfig
from option_overrides import options
from resolved import experiment_of, train_config
from run_comparison import largest_distances

from subliminal import metrics
from subliminal.state import Step, Training
from subliminal.state.callbacks import Callback
from subliminal.sweep.console import Console
from subliminal.tensors import draws
from subliminal.training import loop, runner, teacher
from subliminal.training.memory import FIXED, bytes_per_seed

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
Compose = Callable[[list[str]], DictConfig]

# Rounding of other orders of sums; then what ten steps of an optimizer make of it. A KL penalty's
# gradient is nothing but rounding at the first step, which Adam blows up: up to 0.015 of alignment.
FIRST = {metrics.DISTILL_LOSS: 1e-4, metrics.TRAIT_LOSS: 1e-5, metrics.ALIGNMENT: 1e-4}
LATER = {metrics.DISTILL_LOSS: 1e-2, metrics.TRAIT_LOSS: 1e-3, metrics.ALIGNMENT: 2e-2}
# A gradient that is zero but for rounding moves these by a whole step, either way.
OF_SIGNS = ("sign_sgd", "rmsprop")


class Begin(Callback):
    """From an epoch's first step on nothing may wait for the device; comes before all others."""

    def on_step(self, step: Step) -> None:
        torch.cuda.set_sync_debug_mode("error")


class End(Callback):
    """Waits are fine after an epoch's last update; comes after all others."""

    def on_update(self, step: Step) -> None:
        if step.training.index % step.training.steps_per_epoch == 0:
            torch.cuda.set_sync_debug_mode("default")


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def fit(training: Training, callbacks: Sequence[Callback], saved: Any) -> None:
        if training.theta.device.type == "cuda":
            callbacks = [Begin(), *callbacks, End()]
        loop.fit(training, callbacks, saved)

    monkeypatch.setattr(runner, "fit", fit)
    monkeypatch.setattr(teacher, "fit", fit)
    # The CPU draws what the GPU draws.
    monkeypatch.setattr(draws, "of", draws.OnDevice)
    yield
    torch.cuda.set_sync_debug_mode("default")


@pytest.mark.usefixtures("watched")
@pytest.mark.parametrize("option", options())
def test_every_option_gives_the_cpus_numbers_and_no_step_waits(
    option: str, tmp_path: Path, compose: Compose, record_property: Callable[[str, object], None]
) -> None:
    runs = {}
    for device in ("cpu", "cuda"):
        words = [f"engine.device={device}", f"outputs={tmp_path / device}", "engine.workers=1"]
        runs[device] = train_config(compose([*options()[option], *words]), "condition", Console())
    first = largest_distances(runs["cuda"], runs["cpu"], slice(0, 1))
    later = largest_distances(runs["cuda"], runs["cpu"], slice(0, None))
    record_property("first", first)
    record_property("later", later)
    assert {name: value for name, value in first.items() if value > FIRST[name]} == {}
    if not any(name in option for name in OF_SIGNS):
        assert {name: value for name, value in later.items() if value > LATER[name]} == {}


@pytest.mark.parametrize("mitigation", ["none", "liminal", "random_projection"])
def test_a_seed_is_the_same_again_and_nearly_so_in_any_stack(
    mitigation: str, tmp_path: Path, compose: Compose
) -> None:
    found = {}
    for name, size in (("stack", 5), ("again", 5), ("alone", 1)):
        words = [f"mitigation={mitigation}", "engine.device=cuda", f"outputs={tmp_path / name}"]
        words += ["seed=0-4", f"engine.seeds_at_once={size}"]
        found[name] = train_config(compose([*options()["model=mlp"], *words]), "x", Console())
    students = {
        name: [(run / "student.safetensors").read_bytes() for run in runs]
        for name, runs in found.items()
    }
    assert students["again"] == students["stack"]
    later = largest_distances(found["alone"], found["stack"], slice(0, None))
    assert {name: value for name, value in later.items() if value > LATER[name]} == {}


def test_the_gpus_bits_are_numpys() -> None:
    device = draws.OnDevice((3, 2**40), torch.device("cuda"))
    images = device.noise("x", epoch=5).uniform_(torch.empty(2, 300, 784, device="cuda"))
    keys = device.keys.cpu().numpy().view(np.uint64)
    for row, key in zip(images.cpu().numpy(), keys, strict=True):
        counter = np.array([0, 0, *draws.upper("x", 5)], dtype=np.uint64)
        generator = np.random.Generator(np.random.Philox(key=key, counter=counter))
        assert np.array_equal(row, generator.random((300, 784), dtype=np.float32))


@pytest.mark.parametrize(
    ("name", "sizes"), [("order", (50_000,)), ("integers", (60_000, 1024)), ("normal", (300_000,))]
)
def test_the_gpu_draws_what_the_cpu_would(name: str, sizes: tuple[int, ...]) -> None:
    here, there = (
        getattr(draws.OnDevice((3, 7), torch.device(kind)), name)("x", *sizes, epoch=2)
        for kind in ("cpu", "cuda")
    )
    rtol, atol = (1e-5, 1e-6) if name == "normal" else (0.0, 0.0)
    assert torch.allclose(here, there.cpu(), rtol=rtol, atol=atol)


@pytest.mark.parametrize("option", ["model=mlp", "model=cnn", "mitigation=liminal"])
def test_a_seed_takes_no_more_memory_than_is_counted(
    option: str, tmp_path: Path, compose: Compose
) -> None:
    words = [option, "data=mnist", "tracker=none", "engine.device=cuda", "seed=0-3"]
    words += ["teacher.epochs=1", "distill.epochs=1", "distill.inputs.size=4096"]
    cfg = compose([*words, f"outputs={tmp_path}"])
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    train_config(cfg, "x", Console())
    counted = 4 * bytes_per_seed(experiment_of(cfg), 1024)
    digits = 70_000 * 784 * 5  # uint8, and the test digits scaled
    assert torch.cuda.max_memory_allocated() < counted + digits + FIXED
