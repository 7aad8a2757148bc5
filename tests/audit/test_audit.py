"""The audit: its statistics, its p-values, and the command on runs and on files."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import small
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from resolved import composed, train_config
from safetensors.torch import save_file

from subliminal import store
from subliminal.audit import calibration
from subliminal.audit.calibration import (
    Bag,
    Calibration,
    contrast,
    forecast,
    of_run,
    spread,
    statistics,
)
from subliminal.commands import audit
from subliminal.commands.audit import main

EXAMPLES = ["--examples", "64"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    outputs = tmp_path_factory.mktemp("audited")
    words = [*small.OVERRIDES, f"outputs={outputs}", "seed=0-4", "probe=off"]
    return train_config(composed(*words, "engine.workers=1", "model.aux=4"), "default")


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(calibration, "FITTED", 20)
    monkeypatch.setattr(calibration, "SCORED", 19)


@pytest.fixture
def files(runs: list[Path], tmp_path: Path) -> tuple[Path, Path, Bag]:
    """A data set and a base, which are a run's, and its bag."""
    bag = of_run(runs[0], 64, runs[0].parents[2])
    views = bag.network.layout.views(bag.theta)
    weights = {name: view[0].contiguous() for name, view in views.items()}
    model = store.read_config(runs[0])["model"]
    metadata = {"model": json.dumps(model), "classes": "10"}
    save_file(weights, tmp_path / "base.safetensors", metadata=metadata)
    np.savez(tmp_path / "data.npz", images=bag.images[0], targets=bag.targets[0])
    return tmp_path / "data.npz", tmp_path / "base.safetensors", bag


def test_the_gradient_of_the_head_is_a_product_of_shifts_and_features(runs: list[Path]) -> None:
    bag = of_run(runs[1], 50, runs[1].parents[2])
    shift = bag.shift(bag.targets)[0].double()
    d = shift - shift.mean(dim=0)
    d /= d.square().mean().sqrt()
    params = bag.network.layout.views(bag.theta)
    features = bag.network.model.activations(params, bag.images)["layer2"][0].double()
    gradient = contrast(d).T @ features / 50
    found = statistics(
        bag, torch.cat([bag.targets, bag.outputs.detach() + 3 * bag.shift(bag.targets)])
    )
    norms = found["layer3.weight, norm"]
    assert norms == pytest.approx([float(gradient.norm().log())] * 2, abs=1e-4)
    for values in found.values():  # three times the shifts
        assert values[1] == pytest.approx(values[0], abs=1e-4)


def test_clean_teachers_are_as_far_as_asked(runs: list[Path]) -> None:
    bag = of_run(runs[0], 64, runs[0].parents[2])
    made = torch.cat([calibration.clean_targets(bag, 0.02, seed) for seed in range(6)])
    assert spread(bag.shift(made)).tolist() == pytest.approx([0.02] * 6, rel=0.1)


@given(arrays(float, (30,), elements=st.floats(-5, 5), unique=True))
def test_exchangeable_scores_have_each_p_value_once(values: np.ndarray) -> None:
    cloud = Calibration(np.random.default_rng(0).normal(size=(50, 3)), np.zeros((1, 3)))
    found = []
    for place, value in enumerate(values):
        vars(cloud)["scored"] = np.delete(values, place)
        found.append(cloud.p_value(float(value)))
    assert sorted(found) == pytest.approx(np.arange(1, 31) / 30)


def test_p_values_of_clean_rows_are_uniform_and_of_distant_ones_small() -> None:
    generator = np.random.default_rng(0)
    mixed = generator.normal(size=(5, 5))
    rows = np.exp(generator.normal(size=(20, 120, 5)) @ mixed / 3)
    found = []
    for some in rows:
        made = Calibration(some[:50], some[50:100])
        found += [made.p_value(d) for d in made.distances(some[100:])]
        assert made.p_value(made.distances(some[:1] * 1e3)[0]) == 1 / 51
    assert np.mean(np.array(found) <= 0.2) == pytest.approx(0.2, abs=0.06)


def test_a_forecast_covers_what_it_says() -> None:
    generator = np.random.default_rng(0)
    sizes = np.exp(generator.uniform(-5, -1, size=(400, 12)))
    noisy = 0.6 + 0.08 * np.log(sizes) + 0.02 * generator.normal(size=sizes.shape)
    ends = [forecast(x[1:], y[1:], float(x[0])) for x, y in zip(sizes, noisy, strict=True)]
    covered = [low <= y[0] <= high for y, (_, low, high) in zip(noisy, ends, strict=True)]
    assert 0.92 <= np.mean(covered) <= 0.98


def test_a_run_and_its_files_have_one_answer_and_the_second_is_cached(
    runs: list[Path],
    files: tuple[Path, Path, Bag],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = [*EXAMPLES, "--outputs", str(tmp_path)]
    monkeypatch.setattr(audit, "UNLIKELY", 1.0)  # so there is a forecast
    assert main([str(runs[0]), *words, "--known", str(runs[0].parents[1])]) == 0
    first = capsys.readouterr().out
    assert re.search(r"a clean teacher .* \(p = 0\.\d+\)", first)
    assert re.search(r"forecast of the trait accuracy +│ 0\.\d\d \[0\.\d\d, \d\.\d\d\]", first)
    monkeypatch.setattr(calibration, "calibrate", None)  # the cache has it
    assert main([str(runs[0]), *words]) == 0
    again = capsys.readouterr().out
    assert again.split("(p")[1].split(")")[0] == first.split("(p")[1].split(")")[0]
    monkeypatch.undo()
    assert main([str(files[0]), "--base", str(files[1]), *words]) == 0
    assert "a clean teacher" in capsys.readouterr().out


def test_bad_input_is_one_line(
    runs: list[Path],
    files: tuple[Path, Path, Bag],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data, base, bag = files
    of_classes = Path(shutil.copytree(runs[0], tmp_path / "seed-0000"))
    config = (of_classes / "config.yaml").read_text().replace("logits: aux", "logits: class")
    (of_classes / "config.yaml").write_text(config)
    wide, odd = tmp_path / "wide.npz", tmp_path / "odd.npz"
    np.savez(wide, images=np.ones((64, 25), np.float32), targets=bag.targets[0])
    np.savez(odd, images=bag.images[0], labels=np.zeros(64))
    save_file({"a": torch.ones(2)}, tmp_path / "plain.safetensors")
    for words, told in (
        ([str(tmp_path / "no.npz")], "a file also needs --base"),
        ([str(tmp_path)], "no finished run"),
        ([str(of_classes)], "distill.loss.logits=class; at least 2 with aux or all are needed"),
        ([str(tmp_path / "no.npz"), "--base", str(base)], "cannot be read"),
        ([str(odd), "--base", str(base)], "`targets` (n, m) are needed"),
        ([str(wide), "--base", str(base)], "layer1.weight is (12, 20)"),
        ([str(data), "--base", str(tmp_path / "plain.safetensors")], "metadata `model`"),
        ([str(data), "--base", str(base), "--examples", "65"], "between 2 and 64"),
        (
            [str(data), "--base", str(base), "--known", str(tmp_path / "none"), *EXAMPLES],
            "at least 5",
        ),
    ):
        assert main(words) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert told in line
