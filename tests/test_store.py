"""Identity and atomic files."""

from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import DictConfig

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


SAME = (
    "tracker=none outputs=/tmp/x name=x force=true engine.workers=1 engine.seeds_at_once=4 "
    "seed=5 data.root=/x data.download=false"
)
OTHER = (
    "mitigation=liminal optim.lr=1e-3 probe=off model.aux=4 distill.epochs=6 teacher.epochs=6 "
    "engine.threads=2 engine.precision=high trait.steps=[3] distill/init=independent"
)


@pytest.mark.parametrize("same", SAME.split())
def test_what_cannot_change_a_result_is_no_part_of_a_condition(same: str, compose: Compose) -> None:
    assert store.condition_hash(compose([same]), "cpu") == store.condition_hash(compose([]), "cpu")


@pytest.mark.parametrize("other", OTHER.split())
def test_what_can_is(other: str, compose: Compose) -> None:
    assert store.condition_hash(compose([other]), "cpu") != store.condition_hash(compose([]), "cpu")


def test_kinds_of_device_are_kept_apart(compose: Compose) -> None:
    assert store.condition_hash(compose([]), "cuda") != store.condition_hash(compose([]), "cpu")


def test_a_teacher_depends_on_its_own_settings_and_seed_alone(compose: Compose) -> None:
    default = store.teacher_hash(compose([]), "cpu", 0)
    for same in (["mitigation=liminal", "distill.epochs=9", "probe=off", "optim=sgd"], ["name=x"]):
        assert store.teacher_hash(compose(same), "cpu", 0) == default
    for other in ("teacher.epochs=6", "model.aux=4", "optim@teacher.optim=sgd"):
        assert store.teacher_hash(compose([other]), "cpu", 0) != default
    assert store.teacher_hash(compose([]), "cpu", 1) != default


def test_runs_are_finished_by_their_marker_and_listed_in_order(tmp_path: Path) -> None:
    for seed in (11, 2, 3):
        directory = store.run_dir(tmp_path / "main" / "c", seed)
        directory.mkdir(parents=True)
        if seed != 3:
            store.write_text(directory / store.MARKER, "{}")
    found = [run.name for run in store.finished_runs(tmp_path / "main")]
    assert found == ["seed-0002", "seed-0011"]
