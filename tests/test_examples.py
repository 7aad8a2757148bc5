"""The examples and the page on Python do what they say, at a small size."""

import os
import re
import runpy
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pytest
import small
from hydra.core.global_hydra import GlobalHydra

import subliminal as sl
from subliminal.commands.train import finished_runs, main
from subliminal.config.resources import ROOT

TOLD = {
    "first_look": "label   [",
    "own_mitigation": "sparse/norm",
    "own_network": "'first.weight': (8, 1, 3, 3)",
    "reading_a_sweep": "none 0 ",
}
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the examples, where training is small and in this process."""
    folder = tmp_path / "examples"
    shutil.copytree(ROOT / "examples", folder)
    monkeypatch.chdir(folder)
    monkeypatch.setattr("sys.path", ["", *sys.path])
    for module in ("sparse_gradient", "nets"):
        monkeypatch.setitem(sys.modules, module, sys)  # so that it is removed at the end
        del sys.modules[module]

    def train(*overrides: str, config_dir: str | None = None) -> sl.Runs:
        GlobalHydra.instance().clear()
        os.environ["SUBLIMINAL_PLUGINS"] += ",small"  # beside those that an example names
        theirs = {word.partition("=")[0]: word for word in overrides}
        ours = {word.partition("=")[0]: word for word in small.OVERRIDES}
        if "model=module" in overrides:
            ours["data._target_"] = "data._target_=small.Squares"
            del ours["model.hidden"]
        words = ["-m", *(theirs | ours).values(), "engine.workers=1"]
        folder = [] if config_dir is None else ["--config-dir", config_dir]
        monkeypatch.setattr("sys.argv", ["train", *folder, *words])
        main()
        return sl.load(*finished_runs())

    monkeypatch.setattr(sl, "train", train)
    return folder


def test_there_are_examples() -> None:
    assert {path.stem for path in EXAMPLES} == TOLD.keys()
    for path in EXAMPLES:
        assert path.read_text(encoding="utf-8").startswith("# %% [markdown]\n# # ")
        assert f"examples/{path.name}" in PAGE


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs(
    path: Path, place: Path, run: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    if path.stem == "reading_a_sweep":
        os.chdir(place)
        assert run("sweep=reference", "seed=0-1")[0] == 0
        assert sl.load("outputs/reference").runs["mitigation"].n_unique() == 3
    os.chdir(place)
    runpy.run_path(path.name)
    assert (place / f"{path.stem}.png").stat().st_size > 10_000
    plt.close("all")
    assert TOLD[path.stem] in capfd.readouterr().out


def test_the_code_of_the_page_runs(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 4
    for block in blocks:
        exec(block, names)
    plt.close("all")
    assert (place / "accuracy.pdf").exists()
    assert names["logits"].shape == (200, 13)
    assert capfd.readouterr().out.endswith(", dtype=torch.float64)\n")
