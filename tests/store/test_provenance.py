"""What a result was made with."""

import ast
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import torch
from other_users import not_installed

from subliminal.config.resources import DISTRIBUTION, ROOT
from subliminal.store import provenance
from subliminal.store.provenance import environment, short_commit

ME = ("-c", "user.name=a", "-c", "user.email=a@b")


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A repository with one commit in place of ours."""
    environment.cache_clear()
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    (tmp_path / "file").write_text("one")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "file")
    git(tmp_path, *ME, "commit", "--quiet", "-m", "one")
    yield tmp_path
    environment.cache_clear()


def git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_a_checkout_that_is_not_installed_has_no_version(tmp_path: Path) -> None:
    code = "from subliminal.store.provenance import environment; print(environment()['packages'])"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        env=os.environ | not_installed(tmp_path / "packages"),
        capture_output=True,
        text=True,
        check=True,
    )
    packages = ast.literal_eval(done.stdout)
    assert packages[DISTRIBUTION] is None
    assert packages["torch"] == environment()["packages"]["torch"]


def test_environment_has_package_versions() -> None:
    found = environment()
    assert found["packages"]["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert found["packages"]["numpy"] == np.__version__
    assert {DISTRIBUTION, "torchvision", "hydra-core", "omegaconf", "wandb"} <= set(
        found["packages"]
    )
    assert found["python"] == platform.python_version()
    assert found["platform"]
    assert isinstance(found["processor"], str)


def test_a_package_that_pip_knows_nothing_of_stops_no_training(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(provenance, "_PACKAGES", ("torch", "no-such-package"))
    environment.cache_clear()
    assert environment()["packages"] == {"torch": version("torch"), "no-such-package": None}
    environment.cache_clear()


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not in a checkout")
def test_environment_has_our_commit() -> None:
    commit = str(environment()["git_commit"])
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty-[0-9a-f]{8})?", commit)
    assert git(ROOT, "cat-file", "-t", commit.partition("-")[0]) == "commit"


def test_commit_of_a_clean_checkout(checkout: Path) -> None:
    assert environment()["git_commit"] == git(checkout, "rev-parse", "HEAD")


def test_changed_files_are_told_with_what_they_hold(checkout: Path) -> None:
    head = git(checkout, "rev-parse", "HEAD")
    told = set()
    for name, text in (("file", "2"), ("file", "3"), ("src/new.py", "4"), ("src/new.py", "5")):
        (checkout / "src").mkdir(exist_ok=True)
        (checkout / name).write_text(text)
        environment.cache_clear()
        commit = str(environment()["git_commit"])
        assert re.fullmatch(head + "-dirty-[0-9a-f]{8}", commit)
        assert short_commit(commit) == commit.replace(head, head[:12])
        told.add(commit)
    assert len(told) == 4
    environment.cache_clear()
    assert environment()["git_commit"] == commit


def test_a_tag_or_a_note_beside_the_code_changes_nothing(checkout: Path) -> None:
    git(checkout, *ME, "tag", "-m", "one", "v1")
    (checkout / "notes.txt").write_text("not tracked, and nowhere that code is")
    assert environment()["git_commit"] == git(checkout, "rev-parse", "HEAD")


def test_variables_of_git_lead_to_no_other_repository(
    checkout: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = git(checkout, "rev-parse", "HEAD")
    other = tmp_path_factory.mktemp("other")
    (other / "file").write_text("other")
    git(other, "init", "--quiet")
    git(other, "add", "file")
    git(other, *ME, "commit", "--quiet", "-m", "other")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git" / "index"))
    assert environment()["git_commit"] == head


def test_no_commit_outside_a_checkout(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "ROOT", checkout / "elsewhere")
    assert environment()["git_commit"] is None


def test_no_commit_without_git(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(checkout))
    assert environment()["git_commit"] is None
