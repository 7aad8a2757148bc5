"""Dropout of a seed's own stream, against factors drawn by NumPy and torch's own autograd."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from jobs import RecordingConsole, train
from omegaconf import DictConfig
from option_overrides import BASE, SQUARES
from torch import Tensor, nn
from torch.func import functional_call

from subliminal.errors import UserError
from subliminal.mitigations.preventative_steering import PreventativeSteering
from subliminal.models.dropout import Dropout
from subliminal.models.module import Module
from subliminal.models.trial import made
from subliminal.state.callbacks.progress import Event
from subliminal.tensors import draws
from subliminal.tensors.network import Network
from subliminal.tensors.streams import stream

CPU = torch.device("cpu")
RATE = 0.25


class Dropped(nn.Module):
    """Two layers, with dropout of two rates, once on a matrix for each image."""

    def __init__(self, calls: int = 1, rate: float = RATE) -> None:
        super().__init__()
        self.calls = calls
        self.first, self.second = nn.Linear(16, 12), nn.Linear(12, 8)
        self.early, self.late = Dropout(rate), Dropout(0.5)

    def forward(self, images: Tensor) -> Tensor:
        h = self.first(images.flatten(1)).relu().view(-1, 3, 4)
        for _ in range(self.calls):
            h = self.early(h)
        features: Tensor = self.late(self.second(h.flatten(1)))
        return features


@pytest.fixture(autouse=True)
def _plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUBLIMINAL_PLUGINS", f"small,{__name__}")


def bound(**args: Any) -> Network:
    model = Module(
        target=f"{__name__}.Dropped",
        args=args,
        heads=True,
        features=None,
        channels=None,
        blocks=["first", "second"],
        aux=3,
    )
    return Network.of(model, pixels=16, classes=10)


def factors(network: Network, x: Tensor, seeds: tuple[int, ...], step: int) -> dict[str, Tensor]:
    assert network.dropping is not None
    drawn = draws.OnHost(seeds, CPU)
    return network.dropping.factors(x, drawn, "student_dropout", step=step)


def test_a_steps_pass_is_torchs_with_factors_of_the_seeds_stream() -> None:
    network, seeds = bound(), (0, 3)
    theta = network.reference(seeds, CPU)
    x = torch.randn(2, 5, 16, generator=torch.Generator().manual_seed(0))
    params = network.layout.views(theta)
    logits = network.forward({**params, **factors(network, x, seeds, 4)}, x)
    module = made(f"{__name__}.Dropped", "{}", 0)
    for row, seed in enumerate(seeds):
        uniform = stream(seed, "student_dropout", epoch=4).random((5, 12 + 8), dtype=np.float32)
        kept = torch.from_numpy(uniform)
        early = (kept[:, :12] >= RATE).view(5, 3, 4) / (1 - RATE)
        late = (kept[:, 12:] >= 0.5) * 2.0
        own = {n: v[row] for n, v in params.items() if n.startswith(("first", "second"))}
        features = functional_call(
            module, {**own, "early.factor": early, "late.factor": late}, (x[row],)
        )
        expected = [
            features @ params[f"{head}.weight"][row].T + params[f"{head}.bias"][row]
            for head in ("class", "aux")
        ]
        assert torch.allclose(logits[row], torch.cat(expected, dim=-1), atol=1e-6)


def test_the_rate_is_kept_and_the_mean_too() -> None:
    network = bound()
    x = torch.zeros(2, 4000, 16)
    found = factors(network, x, (0, 3), 0)
    for name, rate in (("early.factor", RATE), ("late.factor", 0.5)):
        assert sorted(set(found[name].flatten().tolist())) == pytest.approx([0, 1 / (1 - rate)])
        assert float((found[name] == 0).float().mean()) == pytest.approx(rate, abs=0.01)
        assert not torch.equal(found[name][0], found[name][1])
    assert not torch.equal(found["late.factor"], factors(network, x, (0, 3), 1)["late.factor"])
    alone = factors(network, x[:1], (3,), 0)
    assert all(torch.equal(alone[name][0], found[name][1]) for name in found)


def test_elsewhere_everything_passes() -> None:
    network, without = bound(), bound(rate=0.0)
    theta = network.reference((0, 3), CPU)
    x = torch.randn(2, 5, 16, generator=torch.Generator().manual_seed(0))
    assert torch.equal(network.logits(theta, x), without.logits(theta, x))
    features = network.model.activations(network.layout.views(theta), x)["features"]
    other = without.model.activations(without.layout.views(theta), x)["features"]
    assert torch.equal(features, other)


@pytest.mark.parametrize(
    ("args", "told"),
    [
        ({"calls": 2}, "early is a Dropout that is not called on a batch, once; make one for each"),
        ({"calls": 0}, "early is a Dropout that is not called on a batch, once"),
        ({"rate": 1.0}, r"cannot be made with model.args: ValueError: the rate of Dropout is 1.0"),
    ],
)
def test_what_cannot_be_drawn_is_refused(args: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match=told):
        bound(**args)


def test_no_mitigation_with_a_pass_of_its_own_ignores_it() -> None:
    steering = PreventativeSteering(layer="second", examples=8, strength=1.0)
    with pytest.raises(UserError, match="of a forward pass without dropout"):
        steering.check(bound())


WORDS = [word for word in BASE if "hidden" not in word]
NET = [*WORDS, SQUARES, "model=vit", "model.args={side:4,patch:2,width:8,depth:1,attention:2}"]
DROPOUT = "+model.args.dropout=0.3"


def test_a_run_is_the_same_in_any_stack_and_after_a_cut(
    compose: Callable[[list[str]], DictConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("subliminal.state.callbacks.progress.INTERVAL", 0.0)

    def cut(event: Event) -> None:
        if event.phase == "student" and event.step >= 7:
            raise KeyboardInterrupt

    def found(name: str, *words: str) -> dict[str, bytes]:
        cfg = compose([*NET, *words, f"outputs={tmp_path / name}"])
        if name == "cut":
            with pytest.raises(KeyboardInterrupt):
                train(cfg, RecordingConsole(event=cut))
        return {run.name: (run / "student.safetensors").read_bytes() for run in train(cfg)}

    whole = found("whole", DROPOUT)
    assert found("cut", DROPOUT) == whole
    assert found("alone", DROPOUT, "engine.seeds_at_once=1") == whole
    plain, zero = found("plain"), found("zero", "+model.args.dropout=0.0")
    assert plain == zero
    assert plain.keys() == whole.keys()
    assert all(plain[name] != whole[name] for name in whole)
