"""What holds on a GPU: an epoch never waits for the device, and its numbers are the CPU's."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from fake_gpu import BACK, CUDA, GPU, TO, pretended
from omegaconf import DictConfig
from option_overrides import left_out, options
from resolved import train_config
from torch.utils._python_dispatch import _get_current_dispatch_mode

from subliminal import store
from subliminal.state import Step, Training
from subliminal.state.callbacks import Callback
from subliminal.sweep.console import Console
from subliminal.training import cached, experiment, loop, runner

Compose = Callable[[list[str]], DictConfig]


class Begin(Callback):
    """Watches from an epoch's first step on; it comes before all others."""

    def __init__(self, gpu: GPU) -> None:
        self.gpu = gpu

    def on_step(self, step: Step) -> None:
        self.gpu.watching = True


class End(Callback):
    """Watches to an epoch's last update; it comes after all others."""

    def __init__(self, gpu: GPU) -> None:
        self.gpu = gpu

    def on_update(self, step: Step) -> None:
        if step.training.index % step.training.steps_per_epoch == 0:
            self.gpu.watching = False


@pytest.fixture
def train(
    monkeypatch: pytest.MonkeyPatch, compose: Compose, tmp_path: Path
) -> Callable[..., tuple[GPU, list[Path]]]:
    """Runs a job on the pretended GPU, which watches its steps."""

    def run(overrides: list[str], *observers: Callback) -> tuple[GPU, list[Path]]:
        with pretended(monkeypatch) as gpu:

            def fit(training: Training, callbacks: Sequence[Callback], saved: Any) -> None:
                assert training.theta.device == CUDA
                loop.fit(training, [Begin(gpu), *callbacks, *observers, End(gpu)], saved)

            monkeypatch.setattr(runner, "fit", fit)
            monkeypatch.setattr(cached, "fit", fit)
            monkeypatch.setattr(experiment, "choose_device", lambda _: CUDA)
            cfg = compose([*overrides, f"outputs={tmp_path}"])
            return gpu, train_config(cfg, "condition", Console())

    return run


@pytest.mark.parametrize("option", options())
def test_no_step_waits_for_the_device(
    option: str, train: Callable[..., tuple[GPU, list[Path]]]
) -> None:
    own = options()[option]
    few = ("distill.batch_size=100", "distill.inputs.size=250", "teacher.batch_size=160")
    gpu, runs = train([*own, *(() if "experiment=language" in own else few)])
    assert len(runs) == 2
    assert gpu.counts["index_select"] > 0  # it did watch
    assert gpu.waits == set()


@pytest.mark.parametrize("mitigation", ["none", "[liminal,projection]"])
def test_a_step_leaves_nothing_in_memory_but_what_it_logs(
    mitigation: str, train: Callable[..., tuple[GPU, list[Path]]]
) -> None:
    found: dict[int, int] = {}

    class Weigh(Callback):
        def on_update(self, step: Step) -> None:
            gpu = _get_current_dispatch_mode()
            assert isinstance(gpu, GPU)
            if step.training.phase == "student" and step.training.index in (8, 9):
                found[step.training.index] = gpu.bytes()

    train([*options()["model=mlp"], f"mitigation={mitigation}"], Weigh())
    logged = 100 * 2 * 8  # at most so many metrics of two seeds
    assert found[9] - found[8] < logged  # in the midst of the second epoch


def test_no_option_is_left_out() -> None:
    assert left_out() == set()


def test_the_watch_sees_what_waits_and_what_is_copied(
    train: Callable[..., tuple[GPU, list[Path]]],
) -> None:
    class Waits(Callback):
        def on_step(self, step: Step) -> None:
            if step.loss.sum() > 0:
                step.loss[step.loss > 0].max().item()
            step.loss + torch.ones(2).to(step.loss.device)
            step.loss.cpu()

    gpu, runs = train(options()["model=mlp"], Waits())
    assert gpu.waits == {"_local_scalar_dense", "mask", TO, BACK}
    assert {store.read_summary(run)["card"] for run in runs} == {"pretended"}


def test_a_tensor_of_the_host_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pretended(monkeypatch), pytest.raises(RuntimeError, match="of the host meets"):
        torch.zeros(3, device="cuda") + torch.zeros(3)
