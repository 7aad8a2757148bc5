"""What a fresh clone has besides code: a place for outputs, checks before each commit."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from handmade_runs import SEEDS, write_run

from subliminal.config.resources import ROOT
from subliminal.report.read import load
from subliminal.store import DATA, MARKER, NOTES, inventory

README = ROOT / "outputs" / "README.md"


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    """The folder as a clone has it."""
    folder = tmp_path / "outputs"
    folder.mkdir()
    shutil.copy(README, folder)
    return folder


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not in a checkout")
def test_outputs_is_part_of_it_and_what_lies_there_is_not() -> None:
    git = ["git", "-C", str(ROOT), "check-ignore", "--no-index", "--quiet"]
    for path in ("outputs/paper", "outputs/teachers/x.safetensors", "outputs/paper/README.md"):
        assert subprocess.run([*git, path], check=False).returncode == 0, path
    assert subprocess.run([*git, "outputs/README.md"], check=False).returncode == 1
    text = README.read_text(encoding="utf-8")
    assert not [file for file in (*DATA, MARKER, NOTES) if f" {file} " not in text]


def test_its_readme_is_no_experiment(outputs: Path) -> None:
    assert inventory.overview(outputs) == ([], [])
    for condition in SEEDS:
        write_run(outputs / "made", condition, 0)
    assert [row["experiment"] for row in inventory.overview(outputs)[0]] == ["made", "made"]
    (sweep,) = load([outputs])
    assert sweep.directory.name == "made"
    assert len(sweep.planned) == 2


def test_a_commit_is_checked_as_make_lint_does() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    recipe = re.search(r"^lint:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    assert recipe is not None
    wanted = [line.strip().replace("$(BIN)", ".venv/bin") for line in recipe[1].splitlines()]
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    hooks = [hook for repo in config["repos"] for hook in repo["hooks"]]
    assert [hook["entry"] for hook in hooks] == wanted
    assert all(hook["language"] == "system" for hook in hooks)
    assert not any(hook["pass_filenames"] for hook in hooks)
