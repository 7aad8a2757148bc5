"""The track follows from what a defence asks for, whatever it says of itself."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import small
from omegaconf import DictConfig
from torch import Tensor

from subliminal.errors import UserError
from subliminal.judge.track import asks, check
from subliminal.mitigations import Mitigation
from subliminal.state import Step

Compose = Callable[[list[str]], DictConfig]


@dataclass(frozen=True, kw_only=True)
class Sly(Mitigation):
    """Says that it needs no probe, and takes what it can late in the training."""

    takes: str

    def gradient(self, gradient: Tensor, step: Step) -> Tensor:
        training = step.training
        if step.index < training.steps - 1:
            return gradient
        if self.takes == "gradient":
            return gradient - step.trait_gradient("full")
        if self.takes == "labels":
            assert training.data is not None
            return gradient * float(training.data.test_y[0] >= 0)
        return gradient


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        ([], ""),
        (["mitigation=[liminal,anchor,kernel_pull]"], ""),
        (["mitigation=update_projection"], "a mitigation takes the trait's digits"),
        # `needs_probe` is false, and it takes the gradient all the same.
        (
            ["mitigation=projection", "mitigation.projection.batch=independent"],
            "a mitigation takes the trait's digits",
        ),
        (
            ["distill/loss=swapped_logits", "distill/inputs=mnist", "probe=off"],
            "distill.loss takes the digits' labels",
        ),
    ],
)
def test_what_the_defences_here_ask_for(compose: Compose, words: list[str], asked: str) -> None:
    assert asks(compose([*small.OVERRIDES, *words])) == asked


@pytest.mark.parametrize(
    ("takes", "asked"),
    [
        ("nothing", ""),
        ("gradient", "a mitigation takes the trait's digits"),
        ("labels", "a mitigation reads the data (test_y)"),
    ],
)
def test_what_is_taken_in_the_last_step_is_noticed(
    compose: Compose, monkeypatch: pytest.MonkeyPatch, takes: str, asked: str
) -> None:
    monkeypatch.setenv("SUBLIMINAL_PLUGINS", f"small,jobs,{__name__}")
    own = [f"+mitigation.sly._target_={__name__}.Sly", f"+mitigation.sly.takes={takes}"]
    assert asks(compose([*small.OVERRIDES, *own])) == asked


def test_the_blind_track_gives_nothing() -> None:
    assert check(None, "") == "blind"
    assert check(None, "it takes labels") == "aware"
    assert check("aware", "") == "aware"
    with pytest.raises(UserError, match="track=blind: it takes labels, which that track does not"):
        check("blind", "it takes labels")
    with pytest.raises(UserError, match="track=deaf: one of blind, aware"):
        check("deaf", "")
