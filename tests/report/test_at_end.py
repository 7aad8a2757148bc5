"""The table and the objectives of a job, and the demo's figure at the end of a sweep."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from handmade_runs import PER_EPOCH, alignment, write_run
from matplotlib.image import imread

from subliminal.errors import UserError
from subliminal.report.at_end import objectives, show_job
from subliminal.sweep.console import Console


def run_dirs(root: Path) -> list[Path]:
    return [write_run(root, "mitigation=none", seed) for seed in range(3)]


def test_the_table_has_n_and_means(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    show_job(run_dirs(tmp_path), Console())
    out, err = capsys.readouterr()
    assert "mitigation=none: mean [95% CI] over n = 3 seeds" in out
    lines = [line for line in out.splitlines() if line.startswith("│")]
    initial, _, last = ([cell.strip() for cell in line.strip("│").split("│")] for line in lines)
    assert initial == ["0", "0.1000 [0.1000, 0.1000]", ""]  # no step was taken yet
    cosines = [alignment("mitigation=none", seed)[PER_EPOCH:] for seed in range(3)]
    assert last[0] == "2"
    assert last[1].startswith("0.6000 [0.5")  # 0.5, 0.6, 0.7
    assert last[2].startswith(f"{np.mean(cosines):.4f} [0.0")
    assert f"Files: {tmp_path / 'mitigation=none-00000000'}" in err


def test_objectives_are_means_over_the_runs_after_the_last_epoch(tmp_path: Path) -> None:
    runs = run_dirs(tmp_path)
    accuracy = objectives(runs, ["trait/accuracy"])
    assert accuracy == pytest.approx(0.6)
    assert objectives(runs, ["trait/accuracy", "trait/accuracy"]) == (accuracy, accuracy)
    with pytest.raises(UserError, match=r"no ledger/actual; they have alignment/cosine, .*trait/a"):
        objectives(runs, ["ledger/actual"])


def test_one_seed_without_the_probe_has_a_mean_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = write_run(tmp_path, "mitigation=none", 0)
    epochs = pl.read_parquet(run / "epochs.parquet", glob=False).drop("alignment/cosine")
    epochs.write_parquet(run / "epochs.parquet")
    show_job([run], Console())
    out = capsys.readouterr().out
    assert "over n = 1 seed\n" in out
    assert "trait accuracy" in out
    assert "alignment" not in out
    assert "0.5000" in out
    assert "0.5000 [" not in out


def test_the_demo_ends_with_its_figure(
    run: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    status, out, err = run("sweep=demo", "seed=0")
    assert status == 0, err
    figure = Path("outputs/demo/report/figures/demo_bars.png")
    seen, last = out.splitlines()[-2:]
    assert last == f"Figure: {figure}"
    assert re.fullmatch(
        r"Test digits read, student from its teacher's start: \d+%, student from another start: "
        r"\d+%, chance: 10%; n = 1 seed\.",
        seen,
    )
    assert imread(figure).std() > 0.1
    assert len([*tmp_path.glob("outputs/demo/*/*/summary.json")]) == 2
