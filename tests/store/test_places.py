"""Conditions are found at any depth, and what else lies there is passed over."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from subliminal import store

# Parts of names, and what a stranger, a file manager or a copy leaves.
PART = st.sampled_from(["a", "b", "seed", "wandb2", "é", "[x]", "x=1,y=2-0a1b2c3d"])
STRANGE_FILES = (".DS_Store", "seed-0003", "notes.txt", "._seed-0001")
STRANGE_FOLDERS = (
    *("seed-0000.bak", "seed-1", "seed--001", "seed-00001", "seed-٣"),
    *(".ipynb", "seed-"),
)


def strangers(folder: Path) -> None:
    """Leave in a folder what is no run."""
    for name in STRANGE_FOLDERS:
        (folder / name).mkdir(parents=True)
        (folder / name / store.MARKER).write_text("{}")
    for name in STRANGE_FILES:
        (folder / name).write_bytes(b"\0\xff")


@given(st.lists(st.lists(PART, min_size=1, max_size=4), min_size=1, max_size=5))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
def test_conditions_are_found_at_any_depth(
    tmp_path_factory: pytest.TempPathFactory, names: list[list[str]]
) -> None:
    outputs = tmp_path_factory.mktemp("outputs")
    made = set()
    for number, parts in enumerate(names):
        condition = outputs.joinpath(*parts, f"c{number}-00000000")
        made.add(condition)
        if number % 2:
            store.run_dir(condition, number).mkdir(parents=True)
        else:
            condition.mkdir(parents=True)
            (condition / store.CONDITION).write_text("{}")
    for folder in ("teachers", ".hydra/2026/seed-0001", "a/wandb/offline-run/seed-0001"):
        (outputs / folder / "x").mkdir(parents=True, exist_ok=True)
    assert list(store.condition_dirs(outputs)) == sorted(made)


def test_strangers_are_no_runs_and_make_no_condition(tmp_path: Path) -> None:
    condition = tmp_path / "main" / "c-00000000"
    for seed in (12345, 7, 0):
        store.run_dir(condition, seed).mkdir(parents=True)
        if seed != 7:  # it has not finished
            (store.run_dir(condition, seed) / store.MARKER).touch()
    strangers(condition)
    strangers(tmp_path / "main" / "empty")
    first, unfinished, last = store.run_dirs(condition)
    assert [first.name, unfinished.name, last.name] == ["seed-0000", "seed-0007", "seed-12345"]
    assert list(store.finished_runs(tmp_path / "main")) == [first, last]
    assert list(store.condition_dirs(tmp_path)) == [condition]


def test_links_are_followed_and_circles_are_not(tmp_path: Path) -> None:
    condition = tmp_path / "disk" / "main" / "c-00000000"
    store.run_dir(condition, 0).mkdir(parents=True)
    outputs = tmp_path / "outputs"
    outputs.mkdir()
    (outputs / "main").symlink_to(tmp_path / "disk" / "main")
    (condition / "up").symlink_to(tmp_path / "disk")
    assert list(store.condition_dirs(outputs)) == [outputs / "main" / "c-00000000"]
    assert list(store.condition_dirs(tmp_path / "nowhere")) == []


@given(st.integers(0, 2**63 - 1))
def test_a_run_is_called_after_its_seed(seed: int) -> None:
    assert store.seed_of(store.run_dir(Path("x"), seed)) == seed


@given(st.text("0123456789seed-.٣ ", max_size=24))
def test_nothing_else_is(name: str) -> None:
    seed = store.seed_of(Path(name))
    assert seed is None or store.run_dir(Path(), seed).name == name
    assert store.seed_of(Path("seed-" + 20 * "1")) is None  # more digits than a seed has


@given(st.text(st.sampled_from("ab/.[ -é\x1b\n"), max_size=9) | st.lists(PART).map("/".join))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_a_name_is_refused_or_found(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    if store.misplaced(name) is not None:
        return
    outputs = tmp_path_factory.mktemp("outputs")
    condition = outputs / name / "c-00000000"
    store.run_dir(condition, 0).mkdir(parents=True)
    assert list(store.condition_dirs(outputs)) == [condition]
    assert condition.resolve().is_relative_to(outputs.resolve())


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "..", "/x", "a/../b"),
        *("teachers", ".hydra", "a/.b", "a/wandb", "a/report", "seed-0001"),
    ],
)
def test_names_that_lead_astray_are_refused(name: str) -> None:
    assert store.misplaced(name)
