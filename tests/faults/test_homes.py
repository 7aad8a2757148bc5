"""`~` is the home folder wherever a path enters, and nowhere else."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import subliminal as sl
from subliminal import __main__ as dispatcher
from subliminal import store
from subliminal.config.arguments import arranged
from subliminal.config.resources import user_path
from subliminal.judge.battery import Defence
from subliminal.steering.run import Run

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    return folder


def test_paths_of_users(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert user_path("~/a") == user_path(Path("~/a")) == home / "a"
    assert user_path("~") == home
    assert user_path("./~/a") == tmp_path / "~" / "a"
    assert user_path("a~/~") == Path("a~/~")
    with pytest.raises(sl.UserError, match=r"~nobody_here: no such home folder; write \./~nobody"):
        user_path("~nobody_here")
    (home / "lab").mkdir()
    assert arranged(["--config-dir=~/lab"]) == [f"--config-dir={home}/lab"]
    assert arranged(["--config-dir", "~/lab", "a=~/b"]) == [
        "--config-dir",
        f"{home}/lab",
        "a='~/b'",
    ]
    assert Defence((), ("outputs='~/x'",)).compose()["outputs"] == f"{home}/x"


def test_outputs_in_the_home_folder(
    home: Path, run: Command, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for words in (["seed=0"], ["-m", "seed=0,1"]):
        status, _, error = run("outputs=~/x", "hydra.run.dir=~/x/.hydra/a", *words)
        assert (status, "Traceback" in error) == (0, False), error
    assert sorted(path.name for path in Path().iterdir()) == ["home"]
    runs = sl.load("~/x")
    assert [one.seed for one in runs] == [0, 1]
    assert runs[0].steps.height
    assert runs[0].config["outputs"] == str(home / "x")
    folder = f"~/{runs[0].folder.parent.relative_to(home)}"
    assert Run(folder=folder).equivalent({"folder": folder})["folder"] == store.condition_hash_of(
        runs[0].folder.parent
    )
    for words in (
        ["runs", "--outputs", "~/x"],
        ["runs", "show", f"{folder}/seed-0001"],
        ["report", "~/x", "--text"],
        ["reproduce", f"{folder}/seed-0001"],
    ):
        monkeypatch.setattr(sys, "argv", ["subliminal", *words])
        try:
            status = dispatcher.main() or 0
        except SystemExit as end:
            status = int(end.code or 0)
        assert status == 0, capfd.readouterr().err
    assert sorted(path.name for path in Path().iterdir()) == ["home"]


def test_a_folder_named_like_the_home_folder(home: Path, run: Command) -> None:
    status, _, error = run("outputs='./~/x'", "seed=0")
    assert status == 0, error
    (one,) = sl.load("./~/x")
    assert one.steps.height
    assert sl.load(".").epochs.height  # found below as `~/x`
    assert not list(home.iterdir())
