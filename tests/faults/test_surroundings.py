"""Whatever a terminal, a user's files or an environment are like: the same sweep, to its end."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fault_injection import Disturbed, Tried
from hostile_variables import CHOICES, OTHERS
from other_users import nobody, not_installed

from subliminal import store

pytestmark = pytest.mark.slow


def shell(redirected: str) -> tuple[str, ...]:
    """Return what starts a command in a shell's redirections."""
    return ("bash", "-o", "pipefail", "-c", redirected, "bash")


def through(sweep: Disturbed, **changes: Any) -> str:
    """Run a sweep with `changes` to its end, then as it was; return its standard error."""
    changed = replace(sweep, **changes)
    assert changed.run() == 0, changed.stderr()
    told = changed.stderr()
    assert "Traceback" not in told
    changed.look()
    assert changed.seen.keys() == sweep.whole.results.keys()
    sweep.seen = changed.seen
    sweep.repair()
    return told


SURROUNDINGS: dict[str, dict[str, Any]] = {
    "reader that goes away": {"within": shell('"$@" | head -n 1')},
    "closed standard output": {"within": shell('"$@" >&-')},
    "closed standard streams": {"within": shell('"$@" >&- 2>&- <&-')},
    "full standard output": {"within": shell('"$@" >/dev/full 2>/dev/full')},
    "variables of Python and the libraries": {"extra": OTHERS},
}


@pytest.mark.parametrize("kind", SURROUNDINGS)  # test_terminal.py has the streams for what prints
def test_a_sweep_ends_the_same(sweep: Disturbed, tried: Tried, kind: str) -> None:
    tried(kind)
    through(sweep, **SURROUNDINGS[kind])


@pytest.mark.parametrize(
    "encoding",
    [
        {"PYTHONIOENCODING": "latin-1:strict"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
)
def test_terminals_that_lack_signs(
    sweep: Disturbed, tried: Tried, encoding: dict[str, str]
) -> None:
    redirected = shell('"$@" >shown.txt')
    tried("terminal of another encoding")
    through(sweep, extra=encoding, within=redirected)
    shown = (sweep.folder / "shown.txt").read_bytes().decode("latin-1")
    assert "differences to none" in shown  # the table at the sweep's end
    assert "liminal" in shown.partition("differences to none")[2]


def test_hydra_that_changes_the_folder(sweep: Disturbed, tried: Tried) -> None:
    tried("hydra.job.chdir=true")
    through(sweep, words=("hydra.job.chdir=true",))
    assert [path.name for path in sweep.outputs.glob(".hydra/*/*") if path.name == "outputs"] == []


def test_a_checkout_that_is_not_installed(sweep: Disturbed, tried: Tried, tmp_path: Path) -> None:
    without_site = ("sh", "-c", 'python=$1; shift; exec "$python" -S "$@"', "sh")
    packages = not_installed(tmp_path / "packages")
    tried("not installed")
    through(sweep, extra=packages, within=without_site)
    versions = [
        store.read_summary(run)["environment"]["packages"]
        for run in store.finished_runs(sweep.outputs / "main")
    ]
    assert {version["torch"] is None for version in versions} == {False}


def test_a_user_without_name_and_home(sweep: Disturbed, tried: Tried) -> None:
    sweep.folder.mkdir(parents=True)
    tried("user without name and home")
    through(sweep, within=nobody())


def test_variables_that_choose_kernels(sweep: Disturbed, tried: Tried) -> None:
    tried("variables that choose kernels, threads, precision")
    told = through(sweep, extra=CHOICES)
    assert "Unset, because they may change numbers: ATEN_CPU_CAPABILITY, " in told


def strange(folder: Path) -> list[Path]:
    """Leave in a folder what file managers, editors and people leave; return it."""
    left = [folder / ".DS_Store", folder / "seed-0000~", folder / "notes.txt"]
    for path in left:
        path.write_bytes(b"\0\xff of a stranger")
    for name in ("seed-0000.bak", ".ipynb_checkpoints"):
        (folder / name).mkdir()
        (folder / name / store.MARKER).write_text("[]")
        left.append(folder / name)
    return left


def test_files_of_strangers(sweep: Disturbed, half_done: Path, tried: Tried) -> None:
    tried("strangers' files beside runs and in them")
    shutil.copytree(half_done, sweep.outputs)
    runs = [run for run in sweep.outputs.glob("main/*/seed-*") if run.is_dir()]
    folders = {sweep.outputs, sweep.outputs / "main", *(run.parent for run in runs), *runs}
    left = [path for folder in sorted(folders) for path in strange(folder)]
    assert sweep.run() == 0, sweep.stderr()
    assert "Traceback" not in sweep.stderr()
    sweep.look()
    assert [path for path in left if not path.exists()] == []
    for path in left:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    sweep.repair()


@pytest.mark.parametrize("content", ["[]", "null", "3", '{"seeds": ["a"], "results": 3}'])
def test_records_of_another_shape(
    sweep: Disturbed, half_done: Path, tried: Tried, content: str
) -> None:
    shutil.copytree(half_done, sweep.outputs)
    markers = list(sweep.outputs.glob(f"main/*/*/{store.MARKER}"))
    for path in [*sweep.outputs.glob(f"main/*/{store.CONDITION}"), *markers]:
        path.write_text(content)
        tried("JSON of another shape")
    assert sweep.run() == 0, sweep.stderr()
    assert "Traceback" not in sweep.stderr()
    sweep.repair()
