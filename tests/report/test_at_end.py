"""The table and the objectives of a job, and the demo's figure at the end of a sweep."""

import json
import webbrowser
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from matplotlib.image import imread

from subliminal import store
from subliminal.errors import UserError
from subliminal.report import at_end
from subliminal.report.at_end import objectives, show_job
from subliminal.sweep.console import Console

SUMMARY = {
    "run_id": "x",
    "condition": "mitigation=none",
    "device": "cpu",
    "threads": 1,
    "stack": 1,
    "seconds": {"student": 1.0},
    "results": {"trait/accuracy": 0.5, "distill/loss": 1e-4},
    "environment": {"processor": "x", "packages": {"torch": "2"}},
}
ACCURACIES = {3: [0.1, 0.25], 4: [0.2, 0.5], 5: [0.3, 0.6]}  # by seed, epochs 0 and 1


def run_dirs(root: Path, *, alignment: bool = True) -> list[Path]:
    directories = []
    for seed, accuracies in ACCURACIES.items():
        rows: list[dict[str, object]] = [
            {"seed": seed, "phase": "teacher", "epoch": 1, "teacher/accuracy": 0.9}
        ]
        for epoch, accuracy in enumerate(accuracies):
            row = {"seed": seed, "phase": "student", "epoch": epoch, "trait/accuracy": accuracy}
            rows.append(row | ({"alignment/cosine": seed / 100} if alignment and epoch else {}))
        directory = store.run_dir(root / "condition", seed)
        directory.mkdir(parents=True)
        pl.DataFrame(rows, infer_schema_length=None).write_parquet(directory / "epochs.parquet")
        (directory / store.MARKER).write_text(json.dumps(SUMMARY | {"seed": seed}))
        directories.append(directory)
    return directories


def test_the_table_has_n_and_means(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    show_job(run_dirs(tmp_path), Console())
    out, err = capsys.readouterr()
    assert "mitigation=none: mean [95% CI] over n = 3 seeds" in out
    lines = [line for line in out.splitlines() if line.startswith("│")]
    initial, last = ([cell.strip() for cell in line.strip("│").split("│")] for line in lines)
    mean = np.mean([accuracies[1] for accuracies in ACCURACIES.values()])
    assert initial[0] == "0"
    assert initial[1].startswith("0.2000 [")
    assert initial[2] == ""  # no step was taken yet
    assert last[0] == "1"
    assert last[1].startswith(f"{mean:.4f} [")
    assert last[2].startswith("0.0400 [0.03")
    assert f"Files: {tmp_path / 'condition'}" in err


def test_objectives_are_means_over_the_runs_after_the_last_epoch(tmp_path: Path) -> None:
    runs = run_dirs(tmp_path)
    accuracy = objectives(runs, ["trait/accuracy"])
    assert accuracy == pytest.approx((0.25 + 0.5 + 0.6) / 3)
    assert objectives(runs, ["trait/accuracy", "trait/accuracy"]) == (accuracy, accuracy)
    with pytest.raises(UserError, match=r"no ledger/actual; they have alignment/cosine, .*trait/a"):
        objectives(runs, ["ledger/actual"])


def test_one_seed_without_the_probe_has_a_mean_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    show_job(run_dirs(tmp_path, alignment=False)[:1], Console())
    out = capsys.readouterr().out
    assert "over n = 1 seed\n" in out
    assert "trait accuracy" in out
    assert "alignment" not in out
    assert "0.2500" in out
    assert "0.2500 [" not in out


def test_the_demo_ends_with_its_figure(
    run: Callable[..., tuple[int, str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda url: opened.append(url))
    monkeypatch.setenv("DISPLAY", ":0")
    status, out, err = run("sweep=demo", "seed=0")
    assert status == 0, err
    figure = Path("outputs/demo/report/figures/demo_bars.png")
    assert out.splitlines()[-1] == f"Figure: {figure}"
    assert imread(figure).std() > 0.1
    assert opened == []  # no terminal
    monkeypatch.setattr(at_end, "_has_display", lambda: True)
    status, out, err = run("sweep=demo", "seed=0")
    assert status == 0, err
    assert opened == [(tmp_path / figure).as_uri()]
    assert len([*tmp_path.glob("outputs/demo/*/*/summary.json")]) == 2
