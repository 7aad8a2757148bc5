"""Records of any content are read, or named as damage; nothing else is raised."""

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from handmade_runs import write_run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from subliminal import store

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 10**20) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)
GOOD = {"condition": "c", "seeds": [3, 0], "config": {"name": "main"}}
unhurried = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("store") / "made", "mitigation=none", 2)


def read_or_named(read: Callable[[Path], Any], folder: Path, name: str) -> Any:
    """Return what is read; None where it is damaged, and the damage names the file."""
    try:
        return read(folder)
    except store.Damaged as error:
        damage = str(error)
    assert damage.startswith(str(folder / name))
    return None


@given(JSON, st.sampled_from(["all", *GOOD]))
@unhurried
def test_a_condition_of_any_shape_is_read_or_named(
    tmp_path_factory: pytest.TempPathFactory, value: Any, where: str
) -> None:
    folder = tmp_path_factory.mktemp("c")
    content = value if where == "all" else {**GOOD, where: value}
    (folder / store.CONDITION).write_text(json.dumps(content))
    record = read_or_named(store.read_condition, folder, store.CONDITION)
    if record is not None:  # what was read can be used
        assert all(store.run_dir(folder, seed) for seed in record["seeds"])
        assert isinstance(record["condition"], str)
        assert isinstance(record["config"], dict)
    store.record_condition(folder, "c", [7], {"name": "main"})
    kept = [] if record is None else record["seeds"]
    assert store.read_condition(folder)["seeds"] == sorted({7, *kept})


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (GOOD, ""),  # seed 0
        ({**GOOD, "seeds": [-1]}, "seeds: whole numbers ≥ 0 are needed"),
        ({**GOOD, "seeds": [True]}, "seeds: whole numbers ≥ 0 are needed"),
        ({**GOOD, "seeds": {}}, "seeds: list is needed"),
        ({**GOOD, "config": []}, "config: dict is needed"),
        ({**GOOD, "condition": 1}, "condition: str is needed"),
        ({"condition": "c", "config": {}}, "seeds: list is needed"),
        ([], "condition: str is needed"),
    ],
)
def test_the_first_misfit_of_a_condition_is_named(tmp_path: Path, content: Any, told: str) -> None:
    (tmp_path / store.CONDITION).write_text(json.dumps(content))
    if not told:
        assert store.read_condition(tmp_path) == content
        return
    with pytest.raises(store.Damaged) as damage:
        store.read_condition(tmp_path)
    assert str(damage.value) == f"{tmp_path / store.CONDITION}: {told}"


@pytest.mark.parametrize(("text", "why"), [("[1]", "a mapping is needed"), ("{", "cannot be read")])
def test_a_config_that_is_no_mapping_is_named(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(store.Damaged, match=f"config.yaml: {why}"):
        store.read_config(tmp_path)


def leaves(tree: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    below = tree.items() if isinstance(tree, dict) else ()
    return [path, *(place for key, inner in below for place in leaves(inner, (*path, key)))]


@given(JSON, st.data())
@unhurried
def test_a_summary_of_any_shape_is_read_or_named(run: Path, value: Any, data: Any) -> None:
    good = json.loads((run / store.MARKER).read_text())
    changed: Any = {"": deepcopy(good)}
    keys: list[str] = ["", *data.draw(st.sampled_from(leaves(good)))]
    place = changed
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    try:
        (run / store.MARKER).write_text(json.dumps(changed[""]))
        summary = read_or_named(store.read_summary, run, store.MARKER)
    finally:
        (run / store.MARKER).write_text(json.dumps(good))
    if summary is not None:
        assert summary["seed"] == 2
        assert isinstance(summary["results"]["trait/accuracy"], int | float)
        assert isinstance(summary["environment"]["packages"]["torch"], str | None)


@pytest.mark.parametrize("content", [b"", b"\xff", b"{", b"[" * 100_000, b"[]", b"null", b"{}"])
@pytest.mark.parametrize(
    ("name", "read"), [(store.CONDITION, store.read_condition), (store.MARKER, store.read_summary)]
)
def test_no_json_is_named_as_damage(
    tmp_path: Path, content: bytes, name: str, read: Callable[[Path], Any]
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(store.Damaged, match=name):
        read(tmp_path)


def test_a_copy_of_a_run_is_not_the_run_that_it_is_called(run: Path) -> None:
    copy = run.with_name("seed-0009")
    copy.mkdir()
    for file in run.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    with pytest.raises(store.Damaged, match="is of seed 2"):
        store.read_summary(copy)
    assert store.examine(copy) == "damaged"  # a sweep trains it
