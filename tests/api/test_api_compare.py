"""Paired differences: those of the report."""

from pathlib import Path

import numpy as np
import pytest
from handmade_runs import accuracy, write_experiment, write_run

import subliminal as sl
from subliminal.report.statistics import Estimate
from subliminal.report.tables import results

DIFFERENCES = np.array(
    [
        accuracy("mitigation=liminal", seed)[-1] - accuracy("mitigation=none", seed)[-1]
        for seed in range(4)
    ]
)


def test_it_is_what_the_report_prints(tmp_path: Path) -> None:
    runs = sl.load(write_experiment(tmp_path / "made"))
    (row,) = sl.compare(runs, "mitigation").iter_rows(named=True)
    estimate = Estimate(row["difference"], row["low"], row["high"], row["n"])
    printed = results(runs.sweep.conditions).row(1, named=True)
    assert (row["mitigation"], row["against"]) == ("liminal", "none")
    assert printed["paired difference"] == estimate.format(3, sign=True)
    assert printed["p (Holm)"] == f"{row['p (Holm)']:.1g}"


def test_each_row_is_of_paired_differences(grid: sl.Runs) -> None:
    table = sl.compare(grid, "mitigation")
    assert table.columns[:3] == ["mitigation", "against", "optim.lr"]
    assert table.height == 2
    p = 2 / 2**4  # all four differences have one sign
    for row in table.iter_rows(named=True):
        assert row["difference"] == pytest.approx(DIFFERENCES.mean())
        assert row["low"] < row["difference"] < row["high"]
        assert row["d_z"] == pytest.approx(DIFFERENCES.mean() / DIFFERENCES.std(ddof=1))
        assert (row["p"], row["p (Holm)"]) == (p, 2 * p)


def test_pairs_differ_in_the_key_alone(grid: sl.Runs) -> None:
    table = sl.compare(grid, "optim.lr", against=1)
    assert table.select("optim.lr", "against", "mitigation").rows() == [
        ("0.1", "1", "none"),
        ("0.1", "1", "liminal"),
    ]
    assert table["difference"].to_list() == [0, 0]  # the rate changes nothing of what was made
    loss = sl.compare(grid, "mitigation", "distill/loss")
    assert loss["difference"].to_list() == [0, 0]
    assert loss["n"].to_list() == [4, 4]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("distill.loss",), "distill.loss does not vary in these runs; there varies: mitigation"),
        (("mitigation", "trait/acuracy"), "no metric trait/acuracy; did you mean trait/accuracy"),
        (("mitigation", "update/alignment/x"), r"did you mean update/alignment\? there is "),
    ],
)
def test_what_cannot_be_compared_is_told(words: tuple[str, ...], told: str, grid: sl.Runs) -> None:
    with pytest.raises(sl.UserError, match=told):
        sl.compare(grid, *words)
    with pytest.raises(sl.UserError, match=r"against=3: optim\.lr has the values 0\.1, 1"):
        sl.compare(grid, "optim.lr", against=3)


def test_metrics_of_teachers_are_compared(grid: sl.Runs) -> None:
    table = sl.compare(grid, "mitigation", "teacher/accuracy")
    assert table["n"].to_list() == [4, 4]
    assert table["difference"].to_list() == [0, 0]  # a seed has one teacher


def test_no_pair_is_told_and_counts_in_no_correction(tmp_path: Path) -> None:
    for seed in range(4):
        write_run(tmp_path, "mitigation=none", seed)
        write_run(tmp_path, "mitigation=l1", seed + 4)
    with pytest.raises(sl.UserError, match="differ in mitigation alone have a seed in common"):
        sl.compare(sl.load(tmp_path), "mitigation")
    for seed in range(4):
        write_run(tmp_path, "mitigation=liminal", seed)
    table = sl.compare(sl.load(tmp_path), "mitigation")
    l1, liminal = table.sort("mitigation").iter_rows(named=True)
    assert (l1["n"], l1["difference"], l1["p"]) == (0, None, None)
    assert liminal["p"] == liminal["p (Holm)"] < 1
