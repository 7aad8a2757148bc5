"""The track follows from what a defence reads, whatever it declares."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import small
from omegaconf import DictConfig
from torch import Tensor

from subliminal.config.canonical import composed_values
from subliminal.config.schema import Threat
from subliminal.errors import UserError
from subliminal.judge import trait_access as module
from subliminal.judge.battery import Setting
from subliminal.judge.trait_access import track_of, trait_access
from subliminal.mitigations import Mitigation
from subliminal.state import Step
from subliminal.training.job import Job

DIGITS = "a mitigation takes the trait's digits"
SLY = f"+mitigation.sly._target_={__name__}.Sly"


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
    ("words", "access"),
    [
        ([], ""),
        (["mitigation=[liminal,anchor,kernel_pull]"], ""),
        (["mitigation=update_projection"], DIGITS),
        # `needs_probe` is false, and it takes the gradient all the same.
        (["mitigation=projection", "mitigation.projection.batch=independent"], DIGITS),
        (
            ["distill/loss=swapped_logits", "distill/inputs=mnist", "probe=off"],
            "distill.loss takes the digits' labels",
        ),
        (["distill/targets=filtered"], ""),
        (
            ["distill/targets=filtered", "distill.targets.score=product"],
            "distill.targets takes the trait gradient",
        ),
        # In the last step alone.
        ([SLY, "+mitigation.sly.takes=nothing"], ""),
        ([SLY, "+mitigation.sly.takes=gradient"], DIGITS),
        ([SLY, "+mitigation.sly.takes=labels"], "a mitigation reads the data (test_y)"),
    ],
)
def test_each_access_is_found(
    compose: Callable[[list[str]], DictConfig],
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    access: str,
) -> None:
    monkeypatch.setenv("SUBLIMINAL_PLUGINS", f"small,jobs,{__name__}")
    assert trait_access(Job(composed_values(compose([*small.OVERRIDES, *words])), "")) == access


def test_the_blind_track_gives_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    job: Any = object()
    settings = [Setting(Threat(), job, None, job)]
    accesses = iter(["", "it takes labels", "", "it takes labels"])
    monkeypatch.setattr(module, "trait_access", lambda _: next(accesses))
    assert track_of(settings) == "blind"
    assert track_of(settings) == "aware"
    assert track_of(settings, "aware") == "aware"
    with pytest.raises(UserError, match="track=blind: it takes labels, which that track does not"):
        track_of(settings, "blind")
    with pytest.raises(UserError, match="track=deaf: one of blind, aware"):
        track_of(settings, "deaf")
