"""What was checked is what runs, under its own name."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from subliminal import store
from subliminal.commands import runs as listing
from subliminal.report.read import load
from subliminal.sweep import engine

Run = Callable[..., tuple[int, str, str]]
ONE = ("distill.epochs=1", "teacher.epochs=1")


def conditions(outputs: Path) -> list[Path]:
    return sorted(file.parent for file in outputs.glob(f"main/*/{store.CONDITION}"))


def config(run: Path) -> Any:
    return OmegaConf.load(run / "config.yaml")


@pytest.fixture
def edited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A config file that is edited when the first job of a sweep has ended."""
    file = tmp_path / "lab" / "optim" / "mine.yaml"
    file.parent.mkdir(parents=True)
    file.write_text("defaults: [adam@_here_, _self_]\nlr: 0.001\n")
    train = engine.run_job

    def then_edit(*args: Any) -> list[Path]:
        ended = train(*args)
        file.write_text("defaults: [adam@_here_, _self_]\nlr: 0.5\n")
        return ended

    monkeypatch.setattr(engine, "run_job", then_edit)
    return file


def test_mitigations_in_another_order_are_another_condition(run: Run, tmp_path: Path) -> None:
    orders = "[projection,gradient_noise]", "[gradient_noise,projection]"
    status, _, err = run("-m", *ONE, f"mitigation={','.join(orders)}")
    assert status == 0, err
    assert "finished already" not in err
    found = conditions(tmp_path / "outputs")
    assert len(found) == 2
    names = ["+".join(config(folder / "seed-0000").mitigation) for folder in found]
    for folder, name in zip(found, names, strict=True):
        assert f",mitigation={name}," in store.read_condition(folder)["condition"]
        assert list(store.read_condition(folder)["config"]["mitigation"]) == name.split("+")
    students = {(folder / "seed-0000/student.safetensors").read_bytes() for folder in found}
    assert len(students) == 2


def test_one_condition_in_several_spellings_is_trained_once(run: Run, tmp_path: Path) -> None:
    spelled = "optim.weight_decay=0,0.0,'0e0'"
    status, out, err = run("-m", *ONE, "probe=[ledger,alignment]", spelled)
    assert status == 0, err
    (folder,) = conditions(tmp_path / "outputs")
    assert err.count("1 of 1 seeds are finished already") == 2
    assert "differences to" not in out  # no condition is compared with itself
    assert len(list(tmp_path.glob("outputs/teachers/*.safetensors"))) == 1
    again = ("probe=[alignment,ledger]", "distill.inputs.fresh=no", "teacher.optim.weight_decay=0")
    _, _, err = run(*ONE, *again)
    assert "1 of 1 seeds are finished already" in err
    assert conditions(tmp_path / "outputs") == [folder]
    kept = store.read_condition(folder)["config"]
    assert repr(kept["optim"]["weight_decay"]) == "0.0"


def test_a_sweep_runs_what_was_planned(run: Run, edited: Path, tmp_path: Path) -> None:
    words = ("-m", f"--config-dir={edited.parents[1]}", *ONE, "optim=mine", "seed=0,1")
    status, _, err = run(*words)
    assert status == 0, err
    (folder,) = conditions(tmp_path / "outputs")
    assert [config(folder / f"seed-000{seed}").optim.lr for seed in (0, 1)] == [0.001, 0.001]
    told = [line for line in err.splitlines() if "changed since this sweep began" in line]
    assert len(told) == 1
    assert "optim.lr (planned: 0.001, now: 0.5)" in told[0]
    status, _, err = run(*words)
    assert status == 0
    assert "changed since" not in err
    assert len(conditions(tmp_path / "outputs")) == 2


def test_jobs_with_other_outputs_folders_find_the_plan_of_their_sweep(
    run: Run, edited: Path, tmp_path: Path
) -> None:
    words = ("-m", f"--config-dir={edited.parents[1]}", *ONE, "optim=mine", "outputs=a,b")
    status, _, err = run(*words)
    assert status == 0, err
    for outputs in (tmp_path / "a", tmp_path / "b"):
        (folder,) = conditions(outputs)
        assert config(folder / "seed-0000").optim.lr == 0.001
        assert not list(outputs.glob(".hydra/*/planned.json"))
    (plan_of_jobs,) = tmp_path.glob("outputs/.hydra/*/planned.json")
    assert len(json.loads(plan_of_jobs.read_text())) == 2


def test_a_plan_that_cannot_be_written_ends_the_sweep(run: Run, tmp_path: Path) -> None:
    (tmp_path / "outputs").mkdir()
    (tmp_path / "outputs" / ".hydra").write_text("")
    status, _, err = run("-m", *ONE, "seed=0,1")
    assert status == 2
    assert "choose another folder with outputs=…" in err.splitlines()[-1]
    assert not conditions(tmp_path / "outputs")


def test_a_copy_of_a_folder_is_left_alone(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(*ONE, "seed=0", "mitigation=liminal")[0] == 0
    (folder,) = conditions(tmp_path / "outputs")
    copy = folder.with_name(f"backup-{folder.name}")
    shutil.copytree(folder, copy)
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    for words in (("seed=0-1",), ("-m", "seed=0-1", "force=true")):
        status, _, err = run(*ONE, *words, "mitigation=liminal")
        assert status == 0, err
    assert {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()} == before
    assert store.finished(store.run_dir(folder, 1))
    monkeypatch.setattr("sys.argv", ["runs"])
    assert listing.main() == 0
    out, err = capfd.readouterr()
    assert out.count("│ main ") == 1
    assert f"copy, left out: outputs/main/{copy.name}" in err


def test_a_copy_of_a_run_is_not_another_seeds(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(*ONE, "seed=0")[0] == 0
    (folder,) = conditions(tmp_path / "outputs")
    shutil.copytree(folder / "seed-0000", folder / "seed-0001")
    monkeypatch.setattr("sys.argv", ["runs"])
    assert listing.main() == 1
    assert "seed-0001/summary.json: is of seed 0" in capfd.readouterr().err
    (sweep,) = load([tmp_path / "outputs" / "main"])
    assert [c.seeds for c in sweep.conditions] == [(0,)]
    assert "is of seed 0" in sweep.problems[0]
    status, _, err = run(*ONE, "seed=0-1")
    assert status == 0
    assert "Damaged and trained again: seeds 1 " in err
    assert store.read_summary(folder / "seed-0001")["seed"] == 1


def test_a_condition_does_not_go_where_another_lies(run: Run, tmp_path: Path) -> None:
    assert run(*ONE)[0] == 0
    (folder,) = conditions(tmp_path / "outputs")
    record = store.read_condition(folder) | {"identity": "00000000"}
    (folder / store.CONDITION).write_text(json.dumps(record))
    status, _, err = run(*ONE, "seed=1")
    assert status == 2
    assert err.splitlines()[-1].endswith("holds another condition; give that another name")
    assert not store.run_dir(folder, 1).exists()


def test_where_data_lie_may_differ_from_the_plan(run: Run, tmp_path: Path) -> None:
    status, _, err = run("-m", *ONE, "seed=0,1", "data.root=${oc.env:HOME}")
    assert status == 0, err
    assert "changed since" not in err
    (folder,) = conditions(tmp_path / "outputs")
    assert store.finished(store.run_dir(folder, 1))
