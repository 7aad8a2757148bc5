"""Whatever a terminal, a user's files or an environment are like: the same sweep, to its end."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from fault_injection import Cost, Disturbed
from hostile_variables import CHOICES, OTHERS
from other_users import nobody, not_installed

from subliminal import store

Account = Callable[[str], Cost]


def shell(redirected: str) -> tuple[str, ...]:
    """Return what starts a command in a shell's redirections."""
    return ("bash", "-o", "pipefail", "-c", redirected, "bash")


def through(sweep: Disturbed, account: Cost) -> str:
    """Run a sweep to its end; return what it told."""
    account.tried += 1
    assert sweep.run() == 0, sweep.told()
    told = sweep.told()
    assert "Traceback" not in told
    sweep.look(account)
    assert sweep.seen.keys() == sweep.whole.results.keys()
    return told


@pytest.mark.slow  # test_terminal.py has them for what prints
@pytest.mark.parametrize(
    ("kind", "redirected"),
    [
        ("reader that goes away", '"$@" | head -n 1'),
        ("closed standard output", '"$@" >&-'),
        ("closed standard output", '"$@" >&- 2>&- <&-'),
        ("full standard output", '"$@" >/dev/full 2>/dev/full'),
    ],
)
def test_streams_that_fail(sweep: Disturbed, cost: Account, kind: str, redirected: str) -> None:
    account = cost(kind)
    sweep.within = shell(redirected)
    through(sweep, account)
    sweep.within = ()
    sweep.repair(account)


@pytest.mark.slow
@pytest.mark.parametrize(
    "encoding",
    [
        {"PYTHONIOENCODING": "latin-1:strict"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
)
def test_terminals_that_lack_signs(
    sweep: Disturbed, cost: Account, encoding: dict[str, str]
) -> None:
    account = cost("terminal of another encoding")
    sweep.extra, sweep.within = encoding, shell('"$@" >shown.txt')
    through(sweep, account)
    shown = (sweep.folder / "shown.txt").read_bytes().decode("latin-1")
    assert "differences to none" in shown  # the table at the sweep's end
    assert "liminal" in shown.partition("differences to none")[2]
    sweep.extra, sweep.within = {}, ()
    sweep.repair(account)


@pytest.mark.slow
def test_hydra_that_changes_the_folder(sweep: Disturbed, cost: Account) -> None:
    account = cost("hydra.job.chdir=true")
    sweep.words = ("hydra.job.chdir=true",)
    through(sweep, account)
    assert [path.name for path in sweep.outputs.glob(".hydra/*/*") if path.name == "outputs"] == []
    sweep.words = ()
    sweep.repair(account)


@pytest.mark.slow
def test_a_checkout_that_is_not_installed(sweep: Disturbed, cost: Account, tmp_path: Path) -> None:
    account = cost("not installed")
    sweep.extra = not_installed(tmp_path / "packages")
    sweep.within = ("sh", "-c", 'python=$1; shift; exec "$python" -S "$@"', "sh")
    through(sweep, account)
    versions = [
        store.read_summary(run)["environment"]["packages"]
        for run in store.finished_runs(sweep.outputs / "main")
    ]
    assert {version["torch"] is None for version in versions} == {False}
    sweep.extra, sweep.within = {}, ()
    sweep.repair(account)


@pytest.mark.slow
def test_a_user_without_name_and_home(sweep: Disturbed, cost: Account) -> None:
    account = cost("user without name and home")
    sweep.within = nobody()
    sweep.folder.mkdir(parents=True)
    through(sweep, account)
    sweep.within = ()
    sweep.repair(account)


@pytest.mark.slow
def test_variables_that_choose_kernels(sweep: Disturbed, cost: Account) -> None:
    account = cost("variables that choose kernels, threads, precision")
    sweep.extra = CHOICES
    told = through(sweep, account)
    assert "Unset, because they may change numbers: ATEN_CPU_CAPABILITY, " in told
    sweep.extra = {}
    sweep.repair(account)


@pytest.mark.slow
def test_variables_of_python_and_libraries(sweep: Disturbed, cost: Account) -> None:
    account = cost("variables of Python and the libraries")
    sweep.extra = OTHERS
    through(sweep, account)
    sweep.extra = {}
    sweep.repair(account)


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


@pytest.mark.slow  # tests of the store and of commands leave such files too
def test_files_of_strangers(sweep: Disturbed, half_done: Path, cost: Account) -> None:
    account = cost("strangers' files beside runs and in them")
    shutil.copytree(half_done, sweep.outputs)
    runs = [run for run in sweep.outputs.glob("main/*/seed-*") if run.is_dir()]
    folders = {sweep.outputs, sweep.outputs / "main", *(run.parent for run in runs), *runs}
    left = [path for folder in sorted(folders) for path in strange(folder)]
    through(sweep, account)
    assert [path for path in left if not path.exists()] == []
    for path in left:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    sweep.repair(account)


@pytest.mark.slow
@pytest.mark.parametrize("content", ["[]", "null", "3", '{"seeds": ["a"], "results": 3}'])
def test_records_of_another_shape(
    sweep: Disturbed, half_done: Path, cost: Account, content: str
) -> None:
    account = cost("JSON of another shape")
    shutil.copytree(half_done, sweep.outputs)
    markers = list(sweep.outputs.glob(f"main/*/*/{store.MARKER}"))
    for path in [*sweep.outputs.glob(f"main/*/{store.CONDITION}"), *markers]:
        path.write_text(content)
        account.tried += 1
    assert sweep.run() == 0, sweep.told()
    assert "Traceback" not in sweep.told()
    sweep.repair(account)
