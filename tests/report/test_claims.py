"""Verdicts on conditions made by hand."""

from collections.abc import Callable, Mapping
from pathlib import Path

import polars as pl
import pytest
from omegaconf import DictConfig
from scipy import stats

from subliminal.config.canonical import canonical
from subliminal.report.claim import Claim
from subliminal.report.claims import OPTIONS, by_mitigation, verdicts
from subliminal.report.findings import findings
from subliminal.report.runs import Condition, Sweep
from subliminal.report.varied import Flat, flatten, swept

NEAR = [1.0, 1.1, 0.9, 1.05, 0.95]  # all close to 1
SEEDS = range(len(NEAR))
STEPS, EPOCHS = 4, 2  # two steps per epoch

Compose = Callable[[list[str]], DictConfig]
Rows = list[dict[str, float | str]]


def condition(
    name: str,
    *,
    accuracy: float = 0.5,
    loss: float = 1.0,
    steps: Mapping[str, list[float]] | None = None,
    seeds: range = SEEDS,
) -> Condition:
    """Give each seed the metrics times its factor in NEAR; alignment is 0.1 unless told."""
    steps = {"alignment/cosine": [0.1] * STEPS, **(steps or {})}
    step_rows: Rows = []
    epoch_rows: Rows = []
    for seed in seeds:
        for step in range(STEPS):
            values = {key: NEAR[seed] * series[step] for key, series in steps.items()}
            step_rows.append({"seed": seed, "step": step, "epoch": step / 2, **values})
        for epoch in range(EPOCHS + 1):
            taken = steps["alignment/cosine"][2 * epoch - 2 : 2 * epoch] if epoch else []
            row: dict[str, float | str] = {"seed": seed, "step": 2 * epoch, "epoch": epoch}
            row["trait/accuracy"] = NEAR[seed] * (accuracy if epoch == EPOCHS else 0.1)
            row["distill/loss"] = NEAR[seed] * loss
            if taken:
                row["alignment/cosine"] = NEAR[seed] * sum(taken) / len(taken)
            epoch_rows.append(row)
    by_step, by_epoch = (
        pl.DataFrame(rows, infer_schema_length=None) for rows in (step_rows, epoch_rows)
    )
    config: Flat = dict(OPTIONS.get(name, {"mitigation": name}))
    return Condition(name, tuple(seeds), by_step, by_epoch, pl.DataFrame(), [], config)


def sweep(*conditions: Condition) -> Sweep:
    keys = swept([c.config for c in conditions])
    return Sweep("made", Path(), list(conditions), keys, [], [])


def rows(*conditions: Condition) -> dict[str, dict[str, str]]:
    return {row["statistic"]: row for row in verdicts(sweep(*conditions)).iter_rows(named=True)}


def claim(values: list[float], side: str, bound: float = 0.0) -> Claim:
    return Claim("text", "statistic", dict(enumerate(values)), side, bound)


@pytest.mark.parametrize(
    ("shift", "side", "verdict"),
    [
        (0.0, "> 0", "holds"),
        (0.0, "< 0", "refuted"),
        (-2.0, "> 0", "refuted"),
        (-2.0, "< 0", "holds"),
        (-1.0, "> 0", "undecided"),
        (-1.0, "< 0", "undecided"),
    ],
)
def test_verdict_on_a_side(shift: float, side: str, verdict: str) -> None:
    assert claim([value + shift for value in NEAR], side).verdict == verdict


@pytest.mark.parametrize(
    ("shift", "bound", "verdict"),
    [
        (-1.0, 0.5, "holds"),
        (0.0, 0.5, "refuted"),
        (-2.0, 0.5, "refuted"),
        (0.0, 1.0, "undecided"),  # the interval holds the bound
        (-2.0, 1.0, "undecided"),
        (-1.0, 0.01, "undecided"),  # the interval is wider than the bounds
        (0.0, 2.0, "holds"),
    ],
)
def test_verdict_within_bounds(shift: float, bound: float, verdict: str) -> None:
    assert claim([value + shift for value in NEAR], "within", bound).verdict == verdict


@pytest.mark.parametrize("side", ["> 0", "< 0", "within"])
def test_one_seed_decides_nothing(side: str) -> None:
    assert claim([1.0], side, 5.0).verdict == "undecided (n = 1)"


@pytest.mark.parametrize("side", ["> 0", "< 0"])
def test_no_difference_at_all_decides_nothing(side: str) -> None:
    assert claim([0.0] * 5, side).verdict == "undecided"


def test_alignment_by_epoch_and_the_share_of_positive_steps() -> None:
    none = condition("none", steps={"alignment/cosine": [0.1, 0.3, -0.2, -0.4]})
    table = rows(none)
    assert set(table) == {
        "mean alignment in epoch 1 (> 0)",
        "mean alignment in epoch 2 (> 0)",
        "share of positive steps, less a half (> 0)",
    }
    first, second, share = table.values()
    assert first["mean [95% CI]"].startswith("+0.200 [")
    assert (first["verdict"], first["n"]) == ("holds", "5")
    assert second["mean [95% CI]"].startswith("-0.300 [")
    assert second["verdict"] == "refuted"
    assert share["mean [95% CI]"].startswith("+0.0000 [")
    assert share["verdict"] == "undecided"


@pytest.mark.parametrize("name", ["projection", "update_projection"])
def test_projection_against_none(name: str) -> None:
    table = rows(condition("none"), condition(name, accuracy=0.2, loss=1.02))
    fall = table["trait accuracy − none (< 0)"]
    assert fall["mean [95% CI]"].startswith("-0.300 [")  # 0.2 - 0.5
    assert fall["verdict"] == "holds"
    unharmed = table["distillation loss / none − 1 (within ±0.05)"]
    assert unharmed["mean [95% CI]"].startswith("+0.0200 [")
    assert unharmed["verdict"] == "holds"
    assert unharmed["p (Holm)"] == ""


def test_a_loss_that_grows_is_harm() -> None:
    table = rows(condition("none"), condition("projection", loss=1.2))
    assert table["distillation loss / none − 1 (within ±0.05)"]["verdict"] == "refuted"


def test_projection_against_a_random_direction() -> None:
    statistic = "trait accuracy, projection − random projection (< 0)"
    projection = condition("projection", accuracy=0.2)
    assert statistic not in rows(condition("none"), projection)
    table = rows(condition("none"), projection, condition("random_projection", accuracy=0.6))
    assert table[statistic]["mean [95% CI]"].startswith("-0.400 [")
    assert table[statistic]["verdict"] == "holds"


def test_liminal_training_attenuates_and_does_not_stop() -> None:
    liminal = condition("liminal", accuracy=0.4, steps={"alignment/cosine": [0.02] * STEPS})
    table = rows(condition("none"), liminal)
    assert table["mean alignment − none (< 0)"]["mean [95% CI]"].startswith("-0.0800 [")
    gain = table["trait accuracy − initial (> 0)"]
    assert gain["mean [95% CI]"].startswith("+0.300 [")  # 0.4 - 0.1
    assert gain["verdict"] == "holds"


def test_a_critical_period_by_epoch() -> None:
    early = condition("critical_period", steps={"alignment/cosine": [0.0, 0.02, 0.2, 0.4]})
    table = rows(condition("none"), early)
    first = table["alignment in epoch 1 − none (< 0)"]
    assert first["mean [95% CI]"].startswith("-0.0900 [")  # 0.01 - 0.1
    later = table["alignment in epochs ≥ 2 − none (> 0)"]
    assert later["mean [95% CI]"].startswith("+0.200 [")  # 0.3 - 0.1
    assert first["verdict"] == later["verdict"] == "holds"


def test_the_noise_floor_against_alignment() -> None:
    steps = {"alignment/null": [0.06] * STEPS, "alignment/full_batch": [0.5] * STEPS}
    table = rows(condition("none", steps=steps))
    assert table["alignment − shuffled labels (> 0)"]["mean [95% CI]"].startswith("+0.0400 [")
    for step in range(STEPS):
        full = table[f"full-batch alignment after {step} updates (> 0)"]
        assert full["mean [95% CI]"].startswith("+0.500 [")
        assert full["verdict"] == "holds"


def test_the_ledger() -> None:
    ledger = {"ledger/predicted": [-0.99] * STEPS, "ledger/actual": [-1.0] * STEPS}
    risen = {"ledger/actual": [0.25] * STEPS}
    flat = {"ledger/actual": [0.001, -0.001, 0.001, -0.001]}
    table = rows(
        condition("none", steps=ledger),
        condition("projection", steps=risen),
        condition("update_projection", steps=flat),
    )
    order = table["predicted / actual fall of the trait loss − 1 (within ±0.05)"]
    assert order["mean [95% CI]"].startswith("-0.0100 [")
    assert order["verdict"] == "holds"
    unlearns = table["change of the trait loss, nats (> 0)"]
    assert unlearns["mean [95% CI]"].startswith("+1.00 [")  # 4 x 0.25
    assert unlearns["verdict"] == "holds"
    assert table["change of the trait loss, nats (within ±0.01)"]["verdict"] == "holds"


def test_differences_are_of_the_seeds_that_both_have() -> None:
    table = rows(condition("none"), condition("projection", accuracy=0.2, seeds=range(2, 5)))
    assert table["trait accuracy − none (< 0)"]["n"] == "3"
    assert table["distillation loss / none − 1 (within ±0.05)"]["n"] == "3"
    assert table["mean alignment in epoch 1 (> 0)"]["n"] == "5"


def test_without_the_baseline_or_alignment_nothing_is_claimed() -> None:
    assert verdicts(sweep(condition("projection"))).height == 0
    none = condition("none")
    unprobed = Condition(
        none.name,
        none.seeds,
        none.steps.drop("alignment/cosine"),
        none.epochs.drop("alignment/cosine"),
        none.teacher,
        [],
        none.config,
    )
    assert verdicts(sweep(unprobed, condition("projection"))).height == 0


def test_p_values_and_effect_sizes() -> None:
    liminal = condition("liminal", steps={"alignment/cosine": [0.02] * STEPS})
    table = rows(condition("none"), liminal)
    # All five seeds agree in sign: p = 2 / 2^5 each but for the share, whose values are equal.
    tested = [row for row in table.values() if row["p (Holm)"]]
    assert len(tested) == 5
    assert {row["p (Holm)"] for row in tested} == {f"{5 * 2 / 2**5:.1g}"}
    t = stats.ttest_1samp(NEAR, 0).statistic
    row = table["mean alignment in epoch 1 (> 0)"]
    assert row["d_z"] == f"{t / len(NEAR) ** 0.5:.1f}"


def test_findings_say_which_way_the_numbers_go() -> None:
    ledger = {
        "ledger/predicted": [-0.99] * STEPS,
        "ledger/actual": [-1.0] * STEPS,
        "update/alignment": [0.4] * STEPS,
    }
    risen = {**ledger, "ledger/actual": [0.25] * STEPS, "update/alignment": [-0.2] * STEPS}
    flat = {**ledger, "ledger/actual": [0.001, -0.001, 0.001, -0.001]}
    unlearns, neutral, first_order, price, free = findings(
        sweep(
            condition("none", steps=ledger),
            condition("projection", steps=risen, loss=1.02),
            condition("update_projection", steps=flat, accuracy=0.1),
        )
    )
    assert unlearns.startswith(
        "**Projecting the gradient unlearns.** The trait loss changes by +1.00"
    )
    assert "point against the trait, cosine -0.200" in unlearns
    assert neutral.startswith("**Projecting the update is neutral.**")
    assert "-1.00 [-1.00, -1.00]% apart" in first_order
    assert "is 4.0 times" in first_order
    assert "`projection` costs distillation:** the distillation loss changes by +2.00" in price
    assert "`update_projection` costs nothing measurable" in free


def test_findings_follow_the_numbers_the_other_way() -> None:
    fallen = {"ledger/predicted": [-1.0] * STEPS, "ledger/actual": [-1.0] * STEPS}
    told = findings(
        sweep(
            condition("none", steps=fallen),
            condition("projection", steps=fallen, loss=0.9),
        )
    )
    assert told[0].startswith("**Projecting the gradient still teaches.**")
    assert "`projection` helps distillation" in told[-1]


def test_conditions_that_differ_in_more_are_not_compared() -> None:
    none, projection = condition("none"), condition("projection", accuracy=0.2)
    none.config["optim"], projection.config["optim"] = "adam", "sgd"
    assert "trait accuracy − none (< 0)" not in rows(none, projection)


def test_the_null_without_full_batches() -> None:
    table = rows(condition("none", steps={"alignment/null": [0.06] * STEPS}))
    assert "alignment − shuffled labels (> 0)" in table
    assert not any("full-batch" in statistic for statistic in table)


def test_options_of_one_mitigation_are_told_apart() -> None:
    names = ["none", "liminal", "critical_period", "projection", "update_projection"]
    found = by_mitigation(sweep(*(condition(name) for name in names)))
    assert {name: of.name for name, of in found.items()} == {name: name for name in names}


def test_the_options_of_the_claims_are_those_of_conf(compose: Compose) -> None:
    for name, values in OPTIONS.items():
        composed = flatten(canonical(compose([f"mitigation={name}"])))
        assert {key: composed[key] for key in values} == values


def test_where_several_conditions_are_meant_none_is_taken() -> None:
    strong, weak = condition("liminal"), condition("liminal")
    strong.config["mitigation.liminal.peak"], weak.config["mitigation.liminal.peak"] = 1.0, 0.1
    assert list(by_mitigation(sweep(condition("none"), strong, weak))) == ["none"]


@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_seeds_decide_nothing(n: int) -> None:
    assert claim(NEAR[:n], "> 0").verdict == f"undecided (n = {n})"
    assert claim(NEAR[:4], "> 0").verdict == "holds"
