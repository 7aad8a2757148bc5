"""Identity and atomic files."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from omegaconf import DictConfig
from resolved import canonical_of, composed, condition_hash, teacher_hash

from subliminal import store

Compose = Callable[[list[str]], DictConfig]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    store.write_text(path, "old")

    def fail(temporary: Path) -> None:
        temporary.write_text("half")
        raise OSError("full")

    with pytest.raises(OSError, match="full"):
        store.write_atomically(path, fail)
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]
    assert path.read_text() == "old"
    assert path.stat().st_mode & 0o777 == 0o644


def test_stale_files_are_those_of_the_same_name(tmp_path: Path) -> None:
    for name in (".a.txt.123", ".a.txt", "a.txt.123", ".b.txt.123"):
        (tmp_path / name).touch()
    store.remove_stale_files(tmp_path / "a.txt")
    assert {path.name for path in tmp_path.iterdir()} == {".a.txt", "a.txt.123", ".b.txt.123"}


@pytest.mark.parametrize("group", ["optim", "optim@teacher.optim"])
def test_decoupled_weight_decay_is_named_as_ever_and_coupled_is_another(
    group: str, compose: Compose
) -> None:
    key = group.rpartition("@")[2]
    decoupled = [f"{group}=adamw"]
    of_before = compose([*decoupled, f"~{key}.decoupled_weight_decay"])
    coupled = compose([*decoupled, f"{key}.decoupled_weight_decay=false"])
    for name in (condition_hash, lambda cfg, device: teacher_hash(cfg, device, 0)):
        assert name(compose(decoupled), "cpu") == name(of_before, "cpu")
    assert condition_hash(coupled, "cpu") != condition_hash(of_before, "cpu")
    of_teacher = teacher_hash(coupled, "cpu", 0) != teacher_hash(of_before, "cpu", 0)
    assert of_teacher == (group != "optim")


def test_kinds_of_device_are_kept_apart(compose: Compose) -> None:
    assert condition_hash(compose([]), "cuda") != condition_hash(compose([]), "cpu")


def test_a_teacher_depends_on_its_own_settings_and_seed_alone(compose: Compose) -> None:
    default = teacher_hash(compose([]), "cpu", 0)
    for same in (["mitigation=liminal", "distill.epochs=9", "probe=off", "optim=sgd"], ["name=x"]):
        assert teacher_hash(compose(same), "cpu", 0) == default
    noisy = compose(["teacher.perturb_after.sigma=0.1", "teacher.perturb_after.layers=[layer1]"])
    assert teacher_hash(noisy, "cpu", 0) == default
    noise = "teacher.perturb_before.sigma=0.1"
    for other in (noise, "teacher.epochs=6", "model.aux=4", "optim@teacher.optim=sgd"):
        assert teacher_hash(compose([other]), "cpu", 0) != default
    assert teacher_hash(compose([]), "cpu", 1) != default


def test_a_base_depends_on_model_data_its_own_settings_stream_and_seed_alone() -> None:
    def named(*overrides: str, seed: int = 0, stream: str = "init") -> str:
        config = canonical_of(composed("experiment=language", *overrides))
        return store.base_hash(config, "cpu", seed, config["model"], stream)

    assert named() == "66919451c61ed269"  # the name of files that are there
    for same in ("teacher.task.answers=uniform", "distill/loss=kl", "distill/init=independent"):
        assert named(same) == named()
    for other in ("base.optim.lr=1e-3", "base.shorts=1", "data.animal_lists=0", "model.depth=1"):
        assert named(other) != named()
    assert len({named(), named(seed=1), named(stream="student_init"), named("pin.init=0")}) == 4
    taught = (composed("experiment=language", f"base.shorts={shorts}") for shorts in (1, 2))
    assert len({teacher_hash(cfg, "cpu", 0) for cfg in taught}) == 2


def test_the_state_of_a_run(tmp_path: Path) -> None:
    run = store.run_dir(tmp_path, 3)
    assert store.state(run) == "missing"
    lock = store.claim(run)
    assert lock is not None
    assert store.state(run) == "running"
    assert store.claim(run) is None
    lock.release()
    assert store.state(run) == "missing"
    run.mkdir()
    assert store.state(run) == "partial"
    (run / store.FAILURE).touch()
    assert store.state(run) == "failed"
    (run / store.MARKER).touch()
    assert store.state(run) == "finished"


def test_a_killed_process_lets_its_run_go(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from subliminal import store\n"
        "lock = store.claim(Path(sys.argv[1])); print('held', flush=True); time.sleep(600)"
    )
    run = store.run_dir(tmp_path, 0)
    with subprocess.Popen([sys.executable, "-c", code, run], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        assert store.state(run) == "running"
        os.kill(holder.pid, signal.SIGKILL)
    assert store.state(run) == "missing"
    assert store.claim(run) is not None


def test_a_condition_keeps_every_seed_that_was_ever_asked_for(tmp_path: Path) -> None:
    config = {"optim": {"lr": 0.1}, "seed": {"spec": "0"}}
    with ThreadPoolExecutor(8) as jobs:  # jobs of one condition that start at once
        done = [
            jobs.submit(store.record_condition, tmp_path / "c", "x=1", [seed, 7, 30 - seed], config)
            for seed in range(10)
        ]
        for job in done:
            job.result()
    recorded = store.read_condition(tmp_path / "c")
    assert recorded == {
        "condition": "x=1",
        "folder": "c",
        "seeds": [*range(10), *range(21, 31)],
        "config": {"optim": {"lr": 0.1}},
    }
    assert store.read_condition(tmp_path) == {}
