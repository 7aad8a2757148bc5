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
from subliminal.config import groups
from subliminal.config.resources import CONF, ROOT

FILE = re.compile(r"^`(lab/[\w/.]+)`:\n\n```\w+\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^PYTHONPATH=lab (.*)$", re.MULTILINE)


@pytest.mark.parametrize(
    ("page", "files_there", "logged"),
    [("docs/extending.md", 5, ["undecided/kl", "agreement/class", metrics.ALIGNMENT])],
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


def test_the_readme_has_the_groups_and_names_options_that_there_are() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 150
    rows = re.findall(r"^\| `([\w/]+)` \| (.*?) \|", text, re.MULTILINE)
    listed = {group: re.findall(r"`([^`]+)`", options) for group, options in rows}
    there, minor = groups.options(), {"engine", "sweep", "teacher/steering", "teacher/task"}
    chosen = {group for group in groups.composed([CONF])[1] if "@" not in group}
    assert chosen - minor <= listed.keys()
    plugins = {"seed": {"7", "0-19"}, "hydra/launcher": {"joblib"}, "hydra/sweeper": {"optuna"}}
    for group, options in listed.items():
        assert set(options) <= groups.variants(there, group).keys() | plugins.get(group, set())
