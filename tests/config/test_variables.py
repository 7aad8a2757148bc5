"""What the environment says changes no number; all that is read of it is listed in the docs."""

import ast
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import same_sweep
from hostile_variables import CHOICES, OTHERS
from hypothesis import given
from hypothesis import strategies as st

from subliminal.config import variables
from subliminal.config.resources import ROOT

SOURCE = ROOT / "src" / "subliminal"
PAGE = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
LISTED = PAGE.partition("## What the environment may say")[2].partition("\n## ")[0]
NAMES = set(re.findall(r"`([A-Z][A-Z0-9_]+\*?)`", LISTED))
ONE = ("seed=0", "mitigation=liminal", "model.hidden=[64,33]", "probe=[alignment,ledger]")


def read_in(tree: ast.AST) -> Iterator[str]:
    """Yield the names of variables that a module looks up in `os.environ`."""
    for node in ast.walk(tree):
        match node:
            case ast.Subscript(value=ast.Attribute(attr="environ"), slice=ast.Constant(str(name))):
                yield name
            case ast.Call(
                func=ast.Attribute(value=ast.Attribute(attr="environ")),
                args=[ast.Constant(str(name)), *_],
            ):
                yield name
            case ast.Compare(
                left=ast.Constant(str(name)), comparators=[ast.Attribute(attr="environ")]
            ):
                yield name
            case ast.Call(func=ast.Attribute(attr="getenv"), args=[ast.Constant(str(name)), *_]):
                yield name


def test_every_variable_that_is_read_is_listed() -> None:
    found: dict[str, str] = {}
    for file in SOURCE.rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        if "environ" not in text:
            continue
        tree = ast.parse(text)
        names = set(read_in(tree))
        # Others go through constants of the module.
        constants = {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant)}
        names |= {c for c in constants if isinstance(c, str) and re.fullmatch(NAME, c)}
        found |= dict.fromkeys(names, file.name)
    assert len(found) > 20
    stars = tuple(name.rstrip("*") for name in NAMES if name.endswith("*"))
    missing = {n: f for n, f in found.items() if n not in NAMES and not n.startswith(stars)}
    assert missing == {}


NAME = r"[A-Z][A-Z0-9]*_[A-Z0-9_]+"


def test_every_variable_that_is_set_aside_or_tried_is_listed() -> None:
    starts = {f"{name}*" if name.endswith("_") else name for name in variables.NUMERIC}
    assert starts | {*variables.KEPT} | OTHERS.keys() <= NAMES
    assert all(map(variables.is_numeric, CHOICES))
    assert not any(map(variables.is_numeric, OTHERS))


@given(st.sampled_from(variables.NUMERIC), st.text("ABC_"))
def test_what_chooses_is_told_by_its_start(start: str, rest: str) -> None:
    assert variables.is_numeric(start + rest) == (start + rest not in variables.KEPT)
    assert not variables.is_numeric(f"X{start}{rest}")


def test_variables_are_taken_out_and_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {**CHOICES, "MKL_THREADING_LAYER": "GNU"}.items():
        monkeypatch.setenv(name, value)
    gone = variables.unset_numeric_variables()
    assert CHOICES.keys() <= set(gone)
    assert not os.environ.keys() & CHOICES.keys()
    assert os.environ["MKL_THREADING_LAYER"] == "GNU"
    variables.report_unset(gone)
    assert "MKL_CBWR" in capsys.readouterr().err
    assert variables.unset_numeric_variables() == []


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """The numbers of a run in an environment that says nothing."""
    return numbers(tmp_path_factory.mktemp("plain"))


def numbers(folder: Path, *words: str, **extra: str) -> dict[str, dict[str, str]]:
    done = same_sweep.run(folder / "outputs", *ONE, *words, extra=extra)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return same_sweep.results(folder / "outputs")


def test_a_hostile_environment_changes_no_bit_and_no_place(
    plain: dict[str, dict[str, str]], tmp_path: Path
) -> None:
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\n")
    for name in ("numpy.yaml", "conf/config.yaml", "outputs/.DS_Store"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("of a stranger\n")
    assert numbers(tmp_path, **CHOICES, **OTHERS) == plain
    assert {path.name for path in tmp_path.iterdir()} == {
        *("matplotlibrc", "numpy.yaml", "conf", "outputs")
    }


@pytest.mark.slow
@pytest.mark.parametrize("umask", [0o077, 0o002, 0o000])
def test_nor_does_a_umask(plain: dict[str, dict[str, str]], tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        assert numbers(tmp_path) == plain
    finally:
        os.umask(before)


def test_an_explicit_variable_that_may_change_numbers_is_refused(
    run: Callable[..., tuple[int, str, str]],
) -> None:
    status, _, err = run("+hydra.job.env_set.MKL_CBWR=COMPATIBLE")
    assert (status, err.count("\n")) == (2, 1)
    assert "hydra.job.env_set.MKL_CBWR: it may change numbers" in err
    status, _, err = run("hydra.job.env_copy=[NO_SUCH_VARIABLE]")
    assert (status, err.count("\n")) == (2, 1)
    assert "'NO_SUCH_VARIABLE' is not set" in err
