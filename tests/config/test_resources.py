"""What is installed: the name of our distribution, and the other project with our import name."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from subliminal.config import resources
from subliminal.config.resources import DISTRIBUTION, ROOT, install_command, refuse_namesake
from subliminal.errors import UserError

SRC = ROOT / "src"


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """A folder of modules with a package of our import name in it, that is not ours."""
    package = tmp_path / "theirs" / "subliminal"
    (package / "providers").mkdir(parents=True)
    for name in ("__init__.py", "core.py", "video.py", "providers/__init__.py"):
        (package / name).touch()
    return package.parent


def test_the_name_is_that_of_pyproject() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["name"] == DISTRIBUTION


@pytest.mark.parametrize("name", ["core.py", "video.py", "providers"])
def test_files_of_the_namesake_are_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "subliminal").mkdir()
    monkeypatch.setattr(sys, "path", [*sys.path, "/nowhere", str(tmp_path)])
    refuse_namesake()
    (tmp_path / "subliminal" / name).touch()
    with pytest.raises(UserError, match="pip uninstall subliminal, then install") as told:
        refuse_namesake()
    assert str(tmp_path / "subliminal") in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("command", ["subliminal.train --help", "subliminal runs"])
def test_commands_refuse_before_they_do_anything(
    command: str, theirs: Path, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command.split()],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{SRC}{os.pathsep}{theirs}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: {theirs / 'subliminal'} holds the files of another project")
    assert not (tmp_path / "outputs").exists()


def test_the_command_for_an_extra_fits_the_installation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert install_command("slurm") == "pip install -e '.[slurm]'"
    monkeypatch.chdir(tmp_path)
    assert install_command("slurm") == f"pip install -e '{ROOT}[slurm]'"
    monkeypatch.setattr(resources, "ROOT", resources._PACKAGE)
    assert install_command("slurm") == "pip install 'subliminal-learning[slurm]'"
