"""Claims that sweeps' files declare."""

import re
from collections.abc import Mapping
from pathlib import Path

import handmade_runs
import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from subliminal.errors import UserError
from subliminal.report.claims import verdicts
from subliminal.report.declared import Declared, entries
from subliminal.report.question import named_sweeps
from subliminal.report.read import load
from subliminal.statistics import prediction_interval

ENTRY = {"claim": "It learns", "expect": "> 0"}


def declare(folder: Path, monkeypatch: pytest.MonkeyPatch, *claims: Mapping[str, object]) -> Path:
    """Write a sweep's file for the experiment in `folder`."""
    file = folder.parent / "sweep.yaml"
    file.write_text(yaml.safe_dump({"name": folder.name, "claims": [dict(c) for c in claims]}))
    monkeypatch.setattr("subliminal.report.question.named_sweeps", lambda: {folder.name: file})
    return file


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    return handmade_runs.write_experiment(tmp_path / "made")


def test_every_declared_claim_can_be_read() -> None:
    declared = {name: entries(file) for name, file in named_sweeps().items()}
    assert len(declared["noise2026/layers"]) == 8
    assert declared["noise2026/published"][0].bound == 0.9694


def test_a_claim_is_tested_on_each_condition_that_it_is_about(
    experiment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare(experiment, monkeypatch, ENTRY, ENTRY | {"where": {"mitigation": "liminal"}})
    (sweep,) = load([experiment])
    found = verdicts(sweep).filter(claim="It learns")
    assert found["verdict"].to_list() == ["holds"] * 3
    # 0.4 + seed / 20 at the end, 0.1 before
    assert found["mean [95% CI]"][2].startswith("+0.375 ")


def test_conditions_are_compared_seed_by_seed(
    experiment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    liminal = {"where": {"mitigation": "liminal"}, "expect": "< 0"}
    declare(
        experiment,
        monkeypatch,
        ENTRY | liminal | {"against": {"mitigation": "none"}},
        ENTRY | liminal | {"against": "teacher"},
        ENTRY | liminal | {"against": {"mitigation": "anchor"}},  # not run: no row
        ENTRY | liminal | {"metric": "cka/a-b/layer1", "against": "teacher"},  # not logged: none
        ENTRY | liminal | {"against": "distill/loss"},
    )
    (sweep,) = load([experiment])
    rows = verdicts(sweep).filter(claim="It learns")
    means = [float(row.split()[0]) for row in rows["mean [95% CI]"]]
    seeds = np.arange(4)
    ours = 0.4 + seeds / 20
    assert means == pytest.approx(
        [
            np.mean(ours - 0.5 - seeds / 10),
            np.mean(ours - 0.9 - seeds / 100),
            np.mean(ours - 1e-4 * (seeds + 1)),
        ],
        abs=1e-3,
    )


@pytest.mark.parametrize(("number", "verdict"), [(0.47, "holds"), (0.9, "refuted")])
def test_a_published_number_lies_in_the_spread_or_not(
    number: float, verdict: str, experiment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = {"where": {"mitigation": "liminal"}}
    declare(experiment, monkeypatch, ENTRY | where | {"expect": f"includes {number}"})
    (sweep,) = load([experiment])
    row = verdicts(sweep).filter(claim="It learns").row(0, named=True)
    assert row["verdict"] == verdict
    assert row["p (Holm)"] == ""


@pytest.mark.parametrize(
    ("expect", "verdict"),
    [
        ("mean 0.46 ± 0.01", "holds"),
        ("mean 0.60 +- 0.02", "refuted"),
        ("mean .60 +/- .20", "holds"),  # as wide as that
    ],
)
def test_a_published_mean_agrees_or_not(
    expect: str, verdict: str, experiment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare(experiment, monkeypatch, ENTRY | {"where": {"mitigation": "liminal"}, "expect": expect})
    (sweep,) = load([experiment])
    row = verdicts(sweep).filter(claim="It learns").row(0, named=True)
    assert row["verdict"] == verdict
    ours = 0.4 + np.arange(4) / 20
    mean, low, high = map(float, re.findall(r"-?\d\.\d+", row["mean [95% CI]"]))
    assert mean == pytest.approx(ours.mean(), abs=1e-3)
    assert row["p (Holm)"] == row["d_z"] == ""
    theirs, half = map(float, re.findall(r"\d?\.\d+", expect))
    apart = [float(number) for number in re.findall(r"[+-]\d\.\d+", row["statistic"])]
    by_hand = [
        mean - theirs - np.sqrt((mean - low) ** 2 + half**2),
        mean - theirs + np.sqrt((high - mean) ** 2 + half**2),
    ]
    assert apart == pytest.approx(by_hand, abs=2e-3)


@given(st.floats(0, 1), st.floats(0, 0.5), st.sampled_from(["±", "+-", "+/-"]))
def test_a_published_mean_is_read_as_it_is_written(mean: float, half: float, sign: str) -> None:
    entry = ENTRY | {"expect": f"mean {mean:.4f} {sign} {half:.3f}"}
    read = Declared.of(entry, Path("sweep.yaml"))
    assert (read.side, read.bound, read.half_width) == (
        "mean",
        float(f"{mean:.4f}"),
        float(f"{half:.3f}"),
    )


def test_the_prediction_interval_covers_as_often_as_it_says() -> None:
    draws = np.random.default_rng(0).normal(3, 2, size=(4000, 6))
    hits = [low <= one[5] <= high for one in draws for low, high in [prediction_interval(one[:5])]]
    assert stats.binomtest(sum(hits), 4000, 0.95).pvalue > 1e-3


@pytest.mark.parametrize(
    "wrong",
    [
        {"claim": "no side"},
        ENTRY | {"expects": 1},
        ENTRY | {"expect": ">= 0"},
        ENTRY | {"expect": "within"},
        ENTRY | {"expect": "mean 0.7"},
        ENTRY | {"expect": "mean 0.7 ± -0.1"},
        ENTRY | {"against": "nobody"},
        ENTRY | {"metric": "trait/acuracy"},
    ],
)
def test_a_wrong_entry_is_refused(
    wrong: Mapping[str, object], experiment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match=r"sweep\.yaml: claims"):
        entries(declare(experiment, monkeypatch, wrong))
