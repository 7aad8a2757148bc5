"""Claims that sweeps' files declare."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import handmade_runs
import numpy as np
import polars as pl
import pytest
import yaml
from omegaconf import DictConfig
from scipy import stats

from subliminal.config.canonical import canonical
from subliminal.errors import UserError
from subliminal.report.conditions import Condition, Sweep
from subliminal.report.declared import entries, named_sweeps, untested, verdicts
from subliminal.report.read import load
from subliminal.report.statistics import prediction_interval
from subliminal.report.varied import Flat, Value, flatten, swept

Judged = Callable[..., list[dict[str, str]]]
ENTRY = {"claim": "It learns", "expect": "> 0"}
NEAR = [1.0, 1.1, 0.9, 1.05, 0.95]  # factors of five seeds
MITIGATIONS: dict[str, Flat] = {  # option of conf/mitigation: what tells it from the others
    "none": {"mitigation": "none"},
    "liminal": {"mitigation": "liminal", "mitigation.liminal.schedule": "linear_decay"},
    "critical_period": {"mitigation": "liminal", "mitigation.liminal.schedule": "critical_period"},
    "projection": {"mitigation": "projection", "mitigation.projection.space": "gradient"},
    "update_projection": {"mitigation": "projection", "mitigation.projection.space": "update"},
    "random_projection": {"mitigation": "random_projection"},
}


def declare(folder: Path, monkeypatch: pytest.MonkeyPatch, *claims: Mapping[str, object]) -> Path:
    """Write a sweep's file for the experiment `made`."""
    file = folder / "sweep.yaml"
    sweeper = {"sweeper": {"params": {"mitigation": "none,liminal"}}}
    content = {"name": "made", "hydra": sweeper, "claims": [dict(c) for c in claims]}
    file.write_text(yaml.safe_dump(content))
    monkeypatch.setattr("subliminal.report.declared.named_sweeps", lambda: {"made": file})
    return file


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    (sweep,) = load([handmade_runs.write_experiment(tmp_path_factory.mktemp("store") / "made")])
    return sweep


@pytest.fixture
def judged(made: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Judged:
    """Return the function that tests claims, which all but name an expected side."""

    def rows(*claims: Mapping[str, object]) -> list[dict[str, str]]:
        declare(tmp_path, monkeypatch, *({**ENTRY, **claim} for claim in claims))
        return list(verdicts(made).iter_rows(named=True))

    return rows


LIMINAL = {"where": {"mitigation": "liminal"}}
OURS = 0.4 + np.arange(4) / 20  # at the end; 0.1 before


def test_every_declared_claim_can_be_read() -> None:
    declared = {name: entries(file) for name, file in named_sweeps().items()}
    assert len(declared["noise2026/layers"]) == 8
    assert declared["noise2026/published"][0].bound == 0.9694


def test_a_claim_is_tested_on_each_condition_that_it_is_about(judged: Judged) -> None:
    found = judged({}, LIMINAL)
    assert [row["verdict"] for row in found] == ["holds"] * 3
    assert found[2]["mean [95% CI]"].startswith(f"{OURS.mean() - 0.1:+.3f} ")


def test_conditions_are_compared_seed_by_seed(judged: Judged) -> None:
    below = LIMINAL | {"expect": "< 0"}
    rows = judged(
        below | {"against": {"mitigation": "none"}},
        below | {"against": "teacher"},
        below | {"against": {"mitigation": "anchor"}},  # not run: no row
        below | {"metric": "cka/a-b/layer1", "against": "teacher"},  # not logged: no row
        below | {"against": "distill/loss"},
    )
    seeds = np.arange(4)
    theirs = (0.5 + seeds / 10, 0.9 + seeds / 100, 1e-4 * (seeds + 1))
    means = [float(row["mean [95% CI]"].split()[0]) for row in rows]
    assert means == pytest.approx([np.mean(OURS - one) for one in theirs], abs=1e-3)


@pytest.mark.parametrize(("number", "verdict"), [(0.47, "holds"), (0.9, "refuted")])
def test_a_published_number_lies_in_the_spread_or_not(
    number: float, verdict: str, judged: Judged
) -> None:
    (row,) = judged(LIMINAL | {"expect": f"includes {number}"})
    assert (row["verdict"], row["p (Holm)"]) == (verdict, "")


@pytest.mark.parametrize(
    ("expect", "verdict"),
    [
        ("mean 0.46 ± 0.01", "holds"),
        ("mean 0.60 +- 0.02", "refuted"),
        ("mean .60 +/- .20", "holds"),  # as wide as that
    ],
)
def test_a_published_mean_agrees_or_not(expect: str, verdict: str, judged: Judged) -> None:
    (row,) = judged(LIMINAL | {"expect": expect})
    assert row["verdict"] == verdict
    mean, low, high = map(float, re.findall(r"-?\d\.\d+", row["mean [95% CI]"]))
    assert mean == pytest.approx(OURS.mean(), abs=1e-3)
    assert row["p (Holm)"] == row["d_z"] == ""
    theirs, half = map(float, re.findall(r"\d?\.\d+", expect))
    apart = [float(number) for number in re.findall(r"[+-]\d\.\d+", row["statistic"])]
    by_hand = [
        mean - theirs - np.sqrt((mean - low) ** 2 + half**2),
        mean - theirs + np.sqrt((high - mean) ** 2 + half**2),
    ]
    assert apart == pytest.approx(by_hand, abs=2e-3)


def test_the_prediction_interval_covers_as_often_as_it_says() -> None:
    draws = np.random.default_rng(0).normal(3, 2, size=(1500, 6))
    hits = [low <= one[5] <= high for one in draws for low, high in [prediction_interval(one[:5])]]
    assert stats.binomtest(sum(hits), 1500, 0.95).pvalue > 1e-3
    half = 3.182446 * np.sqrt(5 / 3 * 5 / 4)  # t(3) at 0.975, the variance, 1 + 1/4
    assert prediction_interval([1, 2, 3, 4]) == pytest.approx((2.5 - half, 2.5 + half))


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
        ENTRY | {"over": "epoch"},
        ENTRY | {"over": ["run", "always"]},
    ],
)
def test_a_wrong_entry_is_refused(
    wrong: Mapping[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match=r"sweep\.yaml: claims"):
        entries(declare(tmp_path, monkeypatch, wrong))


def condition(
    name: str,
    *,
    accuracy: float = 0.5,
    loss: float = 1.0,
    steps: Mapping[str, list[float]] | None = None,
    seeds: range = range(len(NEAR)),
    **config: Value,
) -> Condition:
    """Give each seed the metrics times its factor in NEAR; alignment is 0.1 unless given."""
    steps = {"alignment/cosine": [0.1] * 4, **(steps or {})}
    by_step = [
        {"seed": seed, "step": step, "epoch": step / 2}
        | {key: NEAR[seed] * series[step] for key, series in steps.items()}
        for seed in seeds
        for step in range(4)
    ]
    by_epoch = [
        {
            "seed": seed,
            "epoch": epoch,
            "trait/accuracy": NEAR[seed] * (accuracy if epoch == 2 else 0.1),
            "distill/loss": NEAR[seed] * loss,
        }
        for seed in seeds
        for epoch in range(3)
    ]
    tables = (pl.DataFrame(by_step), pl.DataFrame(by_epoch), pl.DataFrame())
    return Condition(name, tuple(seeds), *tables, [], MITIGATIONS[name] | config)


def paper(*conditions: Condition) -> list[dict[str, str]]:
    """Return the verdicts on the claims of sweeps/paper.yaml."""
    keys = swept([c.config for c in conditions])
    sweep = Sweep("paper", Path("outputs/paper"), list(conditions), keys, {}, [])
    return list(verdicts(sweep).iter_rows(named=True))


NONE = condition(
    "none",
    steps={
        "alignment/cosine": [0.1, 0.3, -0.2, -0.4],
        "alignment/null": [-0.09] * 4,
        "alignment/full_batch": [0.5] * 4,
        "ledger/predicted": [-0.99] * 4,
        "ledger/actual": [-1.0] * 4,
    },
)
ALL = [
    NONE,
    condition("liminal", accuracy=0.4, steps={"alignment/cosine": [-0.13] * 4}),
    condition("critical_period", steps={"alignment/cosine": [0.0, 0.02, 0.2, 0.4]}),
    condition("projection", accuracy=0.2, loss=1.02, steps={"ledger/actual": [0.25] * 4}),
    condition("update_projection", loss=1.2, steps={"ledger/actual": [0.01, -0.01] * 2}),
    condition("random_projection", accuracy=0.6),
]
EXPECTED = [  # statistic, mean, verdict
    ("mean alignment/cosine in epoch 1 (> 0)", "+0.200", "holds"),
    ("mean alignment/cosine in epoch 2 (> 0)", "-0.300", "refuted"),
    ("share of steps with positive alignment/cosine − 0.5 (> 0)", "+0.0000", "undecided"),
    ("mean alignment/cosine − alignment/null (> 0)", "+0.0400", "holds"),
    ("alignment/full_batch at step 0 (> 0)", "+0.500", "holds"),  # of three: others not measured
    ("trait/accuracy − none (< 0)", "-0.300", "holds"),  # 0.2 - 0.5
    ("distill/loss ÷ none − 1 (within ±0.05)", "+0.0200", "holds"),
    ("trait/accuracy − none (< 0)", "+0.0000", "undecided"),
    ("distill/loss ÷ none − 1 (within ±0.05)", "+0.200", "refuted"),
    ("trait/accuracy − random_projection (< 0)", "-0.400", "holds"),
    ("mean alignment/cosine − none (< 0)", "-0.0800", "holds"),
    ("trait/accuracy − initial (> 0)", "+0.300", "holds"),
    ("mean alignment/cosine in epoch 1 − none (< 0)", "-0.190", "holds"),  # 0.01 - 0.2
    ("mean alignment/cosine in epochs 2-5 − none (> 0)", "+0.600", "holds"),  # 0.3 + 0.3
    ("trait/accuracy − initial (> 0)", "+0.400", "holds"),
    ("mean ledger/predicted ÷ ledger/actual − 1 (within ±0.05)", "-0.0100", "holds"),
    ("sum of ledger/actual (> 0)", "+1.00", "holds"),
    ("sum of ledger/actual (within ±0.01)", "+0.0000", "holds"),
]


def test_the_claims_of_the_paper_by_hand() -> None:
    found = paper(*ALL)
    shown = [(r["statistic"], r["mean [95% CI]"].split(" ")[0], r["verdict"]) for r in found]
    assert shown == EXPECTED
    for row in found:
        assert row["n"] == "5"
        assert (row["p (Holm)"] == "") == ("within" in row["statistic"])
    t = stats.ttest_1samp(NEAR, 0).statistic
    assert found[0]["d_z"] == f"{t / len(NEAR) ** 0.5:.1f}"
    # Where all five seeds agree in sign p = 2 / 2^5; Holm: times the 14 claims that have a p.
    assert found[0]["p (Holm)"] == f"{min(1, 14 * 2 / 2**5):.1g}"


def test_differences_are_of_the_seeds_that_both_have() -> None:
    found = paper(NONE, condition("projection", seeds=range(2, 5)))
    of = {row["statistic"]: row["n"] for row in found}
    assert of["trait/accuracy − none (< 0)"] == "3"
    assert of["distill/loss ÷ none − 1 (within ±0.05)"] == "3"
    assert of["mean alignment/cosine in epoch 1 (> 0)"] == "5"


def test_what_was_not_run_or_not_measured_has_no_row() -> None:
    assert [row["statistic"] for row in paper(ALL[3])] == ["sum of ledger/actual (> 0)"]
    unprobed = replace(NONE, steps=NONE.steps.select("seed", "step", "epoch"))
    assert paper(unprobed) == []


def test_conditions_that_differ_in_more_are_not_compared() -> None:
    none, projection = condition("none", optim="adam"), condition("projection", optim="sgd")
    assert not any("− none" in row["statistic"] for row in paper(none, projection))


def test_the_conditions_of_the_papers_claims_are_in_its_sweep(
    compose: Callable[[list[str]], DictConfig],
) -> None:
    configs = {
        name: flatten(canonical(compose([f"mitigation={name}"]))).items() for name in MITIGATIONS
    }
    assert all(values.items() <= configs[name] for name, values in MITIGATIONS.items())
    for entry in entries(named_sweeps()["paper"]):
        against = [entry.against] if isinstance(entry.against, dict) else []
        for values in (entry.where, *against):
            assert sum(values.items() <= of for of in configs.values()) == 1


def test_claims_are_tested_in_their_sweeps_setting_only() -> None:
    smoke = replace(NONE, summaries=[{"condition": "distill.epochs=1,mitigation=none"}])
    sweep = Sweep("paper", Path("outputs/paper"), [smoke], {}, {}, [])
    assert verdicts(sweep).is_empty()
    assert untested(sweep).endswith("its own setting only; runs here set distill.epochs.")
    own = replace(sweep, conditions=[replace(NONE, summaries=[{"condition": "mitigation=none"}])])
    assert verdicts(own).height
    assert untested(own) == ""
    second = replace(NONE, summaries=[{"condition": "generation=2,mitigation=none"}])
    chain = replace(sweep, conditions=[second])  # of a file that has none, then of one that has
    assert untested(chain).endswith("runs here set generation.")
    told = untested(replace(chain, directory=Path("outputs/language/generations")))
    assert told.endswith("runs here set mitigation.")
