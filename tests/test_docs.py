"""The files and commands of the walk-throughs, as a reader would type them."""

import os
import re
import shlex
import sys
from pathlib import Path

import polars as pl
import pytest
import small
from hydra.core.global_hydra import GlobalHydra
from option_overrides import SQUARES

from subliminal import metrics
from subliminal.commands.train import finished_runs, main
from subliminal.config.resources import ROOT

FILE = re.compile(r"^`(lab/[\w/.]+)`:\n\n```\w+\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^PYTHONPATH=lab (.*)$", re.MULTILINE)


@pytest.mark.parametrize(
    ("page", "files_there", "logged"),
    [
        ("README.md", 2, ["noise/norm"]),
        ("docs/extending.md", 5, ["undecided/kl", "agreement/class", metrics.ALIGNMENT]),
    ],
)
def test_the_walk_through_works_as_written(
    page: str, files_there: int, logged: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    files = FILE.findall(text)
    assert len(files) == files_there
    for name, content in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content, encoding="utf-8")
        monkeypatch.setitem(sys.modules, Path(name).stem, sys)  # so that it is removed at the end
        del sys.modules[Path(name).stem]
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path / "lab")  # as PYTHONPATH does
    commands = COMMAND.findall(text)
    assert len(commands) == len(logged)
    for number, (command, metric) in enumerate(zip(commands, logged, strict=True)):
        plugins, *words = shlex.split(command)
        assert words[:3] == ["python", "-m", "subliminal.train"]
        of_perceptrons = [word for word in small.OVERRIDES if word.startswith("model.")]
        own = [*small.OVERRIDES]
        if "model=module" in words:
            own = [word for word in own if word not in of_perceptrons] + [SQUARES]
        GlobalHydra.instance().clear()
        os.environ["SUBLIMINAL_PLUGINS"] = f"{plugins.removeprefix('SUBLIMINAL_PLUGINS=')},small"
        argv = ["train", *words[3:], *own, f"name=walk{number}", "engine.workers=1"]
        monkeypatch.setattr("sys.argv", argv)
        main()
        runs = finished_runs()
        assert runs[0].parent.parent == Path(f"outputs/walk{number}")
        steps = pl.read_parquet(runs[0] / "steps.parquet", glob=False)
        assert steps[metric].drop_nulls().len() > 0


def test_the_readme_lists_every_option() -> None:
    rows = re.findall(r"^\| (`.*?`) \| (.*?) \|", (ROOT / "README.md").read_text(), re.MULTILINE)
    listed: dict[str, list[str]] = {}
    for groups, options in rows:
        for group in re.findall(r"`([\w/]+)`", groups):
            listed.setdefault(group, []).extend(re.findall(r"`([^`]+)`", options))
    for file in (ROOT / "conf").rglob("*/*.yaml"):
        group = file.parent.relative_to(ROOT / "conf").as_posix()
        assert file.stem in listed.get(group, []), f"{group}={file.stem}"
