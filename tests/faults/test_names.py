"""What would put a result under another's name: it stays where it belongs, and is trained once."""

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import same_sweep
from fault_injection import WORDS, Disturbed, Tried, Undisturbed, undisturbed

from subliminal import store
from subliminal.config.resources import ROOT

pytestmark = pytest.mark.slow

SPELLED = (
    "distill.loss.temperature=1",
    "optim.weight_decay=0",
    "optim.lr='3e-4'",
    "distill.inputs.fresh=no",
    "teacher.optim.weight_decay='0e0'",
    "probe=[ledger,alignment]",
)
ORDERS = "[projection,gradient_noise]", "[gradient_noise,projection]"
MINE = "defaults: [adam@_here_, _self_]\nlr: {}\n"


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_folders_that_were_copied(sweep: Disturbed, half_done: Path, tried: Tried) -> None:
    shutil.copytree(half_done, sweep.outputs)
    copies = sweep.outputs.with_name("copies")
    before: dict[Path, bytes] = {}
    for folder in sorted(file.parent for file in sweep.outputs.glob("main/*/condition.json")):
        for name in ("0-backup", "zz"):
            copy = folder.with_name(f"{name}-{folder.name}")
            shutil.copytree(folder, copy)
            before |= contents(copy)
            tried("copies of the conditions' folders beside them")
    assert sweep.run() == 0, sweep.stderr()
    assert {path: path.read_bytes() for path in before} == before
    for name in ("0-backup", "zz"):
        for copy in sweep.outputs.glob(f"main/{name}-*"):
            assert contents(copy).keys() <= before.keys()
            shutil.move(copy, copies / copy.name)
    sweep.repair()


def test_another_spelling(sweep: Disturbed, half_done: Path, tried: Tried) -> None:
    tried("the same values, spelled otherwise", len(SPELLED))
    shutil.copytree(half_done, sweep.outputs)
    spelled = {word.partition("=")[0] for word in SPELLED}
    others = (word for word in sweep.whole.words if word.partition("=")[0] not in spelled)
    replace(sweep, whole=replace(sweep.whole, words=(*others, *SPELLED))).repair()


def test_another_order(tmp_path: Path, tried: Tried) -> None:
    tried("the same mitigations in another order", 2)
    words = tuple(word for word in WORDS if not word.startswith("mitigation"))
    alone = [
        undisturbed(tmp_path / f"alone-{number}", (*words, f"mitigation={order}"))
        for number, order in enumerate(ORDERS)
    ]
    results = alone[0].results | alone[1].results
    assert len(results) == 4
    both = (*words, f"mitigation={','.join(ORDERS)}")
    Disturbed(tmp_path / "sweep", replace(alone[0], words=both, results=results)).repair()


@pytest.mark.parametrize(
    "launcher", [(), ("hydra/launcher=joblib", "hydra.launcher.n_jobs=1")], ids=["basic", "joblib"]
)
def test_a_config_file_that_is_edited(
    launcher: Sequence[str], tmp_path: Path, tried: Tried
) -> None:
    if launcher:
        pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    tried("a config file edited as its sweep runs")
    file = tmp_path / "conf" / "optim" / "mine.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(MINE.format(1e-3))
    words = (*WORDS, "optim=mine", *launcher, f"--config-dir={tmp_path / 'conf'}")
    sweep = Disturbed(tmp_path / "sweep", undisturbed(tmp_path / "whole", words))
    command = sweep.start_until_one_is_finished()
    file.write_text(MINE.format(0.5))
    assert command.wait(timeout=500) == 0, sweep.stderr()
    assert "optim.lr (planned: 0.001, now: 0.5)" in sweep.stderr()
    sweep.look()
    file.write_text(MINE.format(1e-3))
    sweep.repair()


def test_a_commit_and_a_variable_of_git(tmp_path: Path, whole: Undisturbed, tried: Tried) -> None:
    tried("a commit as a sweep runs, GIT_DIR of another repository", 2)
    checkout = tmp_path / "checkout"
    for folder in ("src", "conf", "sweeps"):
        shutil.copytree(ROOT / folder, checkout / folder)

    def git(*words: str) -> str:
        me = ("-c", "user.name=a", "-c", "user.email=a@b")
        command = ["git", "-C", str(checkout), *me, *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    git("init", "--quiet")
    (checkout / ".gitignore").write_text("__pycache__/\n")
    git("add", ".")
    git("commit", "--quiet", "-m", "before")
    before = git("rev-parse", "HEAD")
    subprocess.run(["git", "init", "--quiet", tmp_path / "other"], check=True)
    extra = {
        "PYTHONPATH": f"{checkout / 'src'}:{same_sweep.TESTS}",
        "GIT_DIR": str(tmp_path / "other" / ".git"),
    }
    sweep = Disturbed(tmp_path / "sweep", whole, extra=extra)
    command = sweep.start_until_one_is_finished()
    git("commit", "--quiet", "--allow-empty", "-m", "while it runs")
    assert command.wait(timeout=500) == 0, sweep.stderr()
    for run in store.finished_runs(sweep.outputs / "main"):
        assert store.read_summary(run)["environment"]["git_commit"] == before
    sweep.repair()
