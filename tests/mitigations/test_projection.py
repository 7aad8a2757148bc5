"""Projection against the formula in float64, in both spaces and with every option."""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import reference_students as ref
import torch

from subliminal.errors import UserError
from subliminal.tensors import streams
from subliminal.training.loop import fit


def steps(**values: Any) -> list[ref.Seen]:
    recorder = ref.Recorder()
    fit(ref.student((0, 3), mitigations=[replace(ref.PROJECTION, **values)]), [recorder])
    return recorder.steps


def without(
    descent: np.ndarray, along: np.ndarray, sign: str = "positive", strength: float = 1.0
) -> np.ndarray:
    """The definition, row by row."""
    left = descent.copy()
    for row in range(len(descent)):
        product = descent[row] @ along[row]
        if {"positive": product > 0, "negative": product < 0, "both": True}[sign]:
            left[row] -= strength * product / (along[row] @ along[row]) * along[row]
    return left


def wide(values: torch.Tensor) -> np.ndarray:
    result: np.ndarray = values.double().numpy()
    return result


@pytest.mark.parametrize(
    ("sign", "strength"),
    [("positive", 0.4), ("negative", 0.4), ("both", 0.4), ("both", 0.0), ("positive", 1.0)],
)
def test_the_gradient_loses_its_component(sign: str, strength: float) -> None:
    for seen in steps(sign=sign, strength=strength):
        expected = without(wide(seen.gradient), wide(seen.trait_gradient), sign, strength)
        assert wide(seen.applied) == pytest.approx(expected, abs=1e-8)
        assert torch.equal(seen.update, seen.proposed)


@pytest.mark.parametrize("sign", ["positive", "negative", "both"])
def test_the_update_loses_its_component(sign: str) -> None:
    for seen in steps(space="update", sign=sign):
        assert seen.applied is not seen.gradient
        assert torch.equal(seen.applied, seen.gradient)
        expected = -without(-wide(seen.proposed), wide(seen.trait_gradient), sign)
        assert wide(seen.update) == pytest.approx(expected, abs=1e-8)


def test_an_update_that_would_lower_the_trait_loss_becomes_neutral() -> None:
    acted = 0
    for seen in steps(space="update"):
        drive = -(wide(seen.proposed) * wide(seen.trait_gradient)).sum(axis=1)
        left = -(wide(seen.update) * wide(seen.trait_gradient)).sum(axis=1)
        size = np.linalg.norm(wide(seen.update), axis=1)
        size *= np.linalg.norm(wide(seen.trait_gradient), axis=1)
        assert np.all(np.abs(left[drive > 0]) < 1e-6 * size[drive > 0])
        assert left[drive <= 0] == pytest.approx(drive[drive <= 0])
        acted += int((drive > 0).sum())
    assert acted > 0


@pytest.mark.parametrize("space", ["gradient", "update"])
@pytest.mark.parametrize("outside", [False, True])
@pytest.mark.parametrize(("unit", "window"), [("epochs", [0.25, 1.5]), ("steps", [1, 6])])
def test_it_acts_within_its_window_or_outside(
    space: str, outside: bool, unit: str, window: list[float]
) -> None:
    recorded = steps(space=space, sign="both", window=window, unit=unit, outside=outside)
    acted = [
        not torch.equal(s.applied, s.gradient) or not torch.equal(s.update, s.proposed)
        for s in recorded
    ]
    inside = [False, True, True, True, True, True, False, False]  # four steps an epoch
    assert acted == [is_inside is not outside for is_inside in inside]


@pytest.mark.parametrize("window", [[0.5], [0.6, 0.5], [0.1, 0.2, 0.3]])
def test_a_window_has_a_beginning_and_an_end(window: list[float]) -> None:
    assert replace(ref.PROJECTION, window=[0.5, 0.5]).window == [0.5, 0.5]
    with pytest.raises(UserError, match="from ≤ to"):
        replace(ref.PROJECTION, window=window)


def test_it_acts_within_its_layers() -> None:
    spans = ref.NETWORK.layout.spans
    for seen in steps(sign="both", layers=["layer1", "layer2.bias"]):
        changed = {
            n
            for n, s in spans.items()
            if not torch.equal(*(x[:, s] for x in (seen.applied, seen.gradient)))
        }
        assert changed == {"layer1.weight", "layer1.bias", "layer2.bias"}
        mask = np.zeros(ref.NETWORK.layout.size)
        for name in changed:
            mask[spans[name]] = 1
        expected = without(wide(seen.gradient), wide(seen.trait_gradient) * mask, "both")
        assert wide(seen.applied) == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("space", ["gradient", "update"])
@pytest.mark.parametrize("batch", ["independent", "full"])
def test_the_trait_gradient_may_be_of_other_digits(space: str, batch: str) -> None:
    for index, seen in enumerate(steps(space=space, sign="both", batch=batch)):
        for column, seed in enumerate((0, 3)):
            rows = torch.arange(320)
            if batch == "independent":
                stream = streams.stream(seed, streams.INDEPENDENT_DIGITS, epoch=index)
                rows = torch.from_numpy(stream.integers(320, size=seen.trait_rows.shape[1]))
            theta = ref.params_of(seen.theta, column)
            g_t = ref.flat_of(ref.gradient64(partial(ref.trait64, rows=rows), theta)).numpy()
            before, after = (
                (seen.gradient, seen.applied)
                if space == "gradient"
                else (seen.proposed, seen.update)
            )
            expected = without(wide(before)[[column]], g_t[None], "both")
            scale = np.abs(wide(before)).max()
            assert wide(after)[[column]] == pytest.approx(expected, abs=1e-4 * scale)


def test_only_the_probes_batch_needs_the_probe() -> None:
    assert ref.PROJECTION.needs_probe
    assert not replace(ref.PROJECTION, batch="full").needs_probe
