"""A finished run, trained again from its own folder."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from omegaconf import OmegaConf
from tracked_run import Tracked

from subliminal import store
from subliminal.commands.reproduce import main
from subliminal.config.resources import CONF


@pytest.fixture
def runs(tracked: Tracked, tmp_path: Path) -> list[Path]:
    """Two finished runs of one stack, which are trained again one by one."""
    shutil.copytree(tracked.outputs, tmp_path / "outputs")
    return list(store.finished_runs(tmp_path / "outputs" / "main"))


def test_a_run_is_the_same_to_the_last_bit(
    runs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(tmp_path.rglob("*"))
    assert main([str(runs[1])]) == 0
    assert "the same to the last bit" in capsys.readouterr().out
    assert sorted(tmp_path.rglob("*")) == before


def test_a_difference_is_shown_against_the_spread_over_seeds(
    runs: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = runs[1] / "steps.parquet"
    steps = pl.read_parquet(path).with_columns(pl.col("distill/loss") * (1 + 1e-16 * 8))
    steps.write_parquet(path)
    summary = store.read_summary(runs[1])
    accuracies = [store.read_summary(run)["results"]["trait/accuracy"] for run in runs]
    summary["results"]["trait/accuracy"] += 0.5
    summary["environment"]["packages"]["torch"] = "1.0"
    accuracies[1] += 0.5
    (runs[1] / store.MARKER).write_text(json.dumps(summary))
    assert main([str(runs[1])]) == 1
    out = capsys.readouterr().out
    (row,) = (line.split() for line in out.splitlines() if line.startswith("trait/accuracy "))
    deviation = pl.Series(accuracies).std()
    assert float(row[3]) == pytest.approx(-0.5, rel=1e-2)
    assert float(row[4]) == pytest.approx(0.5 / float(deviation), rel=0.05)  # type: ignore[arg-type]
    assert "torch: 1.0 then" in out


def test_bad_input_is_one_line(
    runs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path)]) == 2
    assert "no finished run" in capsys.readouterr().err
    (runs[1] / "epochs.parquet").unlink()
    assert main([str(runs[1])]) == 2
    assert "epochs.parquet missing" in capsys.readouterr().err
    (runs[0] / "config.yaml").write_text("a: [")
    assert main([str(runs[0])]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("optim.rate", "optim.rate: no such key; there is schedule, "),
        ("teacher.steps", "teacher.steps: no such key; there is epochs, "),
        ("mitigation.liminal.leash", "mitigation.liminal.leash: no such key; "),
    ],
)
def test_a_key_that_is_no_longer_there_is_named(
    runs: list[Path], key: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    cfg = OmegaConf.load(runs[0] / "config.yaml")
    OmegaConf.update(cfg, key, 1, force_add=True)
    OmegaConf.save(cfg, runs[0] / "config.yaml")
    assert main([str(runs[0])]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert told in line


@pytest.mark.parametrize("key", ["data", "optim", "optim.lr", "engine.threads"])
def test_a_key_that_is_missing_is_named(
    runs: list[Path], key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    cfg = OmegaConf.load(runs[0] / "config.yaml")
    parent, _, name = key.rpartition(".")
    node: Any = OmegaConf.select(cfg, parent) if parent else cfg
    del node[name]
    OmegaConf.save(cfg, runs[0] / "config.yaml")
    assert main([str(runs[0])]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert name in line


def test_each_class_has_one_option_of_its_own() -> None:
    named = re.compile(r"^_target_: (.+)", re.MULTILINE)
    texts = [file.read_text(encoding="utf-8") for file in CONF.rglob("*.yaml")]
    targets = [target for text in texts for target in named.findall(text)]
    assert len(targets) > 40
    assert len(set(targets)) == len(targets)


@pytest.mark.parametrize("key", ["data", "model", "optim", "distill.loss"])
def test_a_strangers_config_runs_no_code_and_chooses_no_folder(
    runs: list[Path], key: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cfg = OmegaConf.load(runs[0] / "config.yaml")
    touched = tmp_path / "touched"
    OmegaConf.update(cfg, f"{key}._target_", "pathlib.Path.touch")
    OmegaConf.update(cfg, "outputs", str(touched))
    OmegaConf.update(cfg, "name", "../../touched")
    OmegaConf.save(cfg, runs[0] / "config.yaml")
    assert main([str(runs[0])]) == 2
    assert "only objects of subliminal" in capsys.readouterr().err
    assert not touched.exists()
