"""Chains: each generation's students teach the next, in folders of their own."""

from collections.abc import Callable
from pathlib import Path

import language
import pytest

from subliminal import store
from subliminal.report.read import load

Command = Callable[..., tuple[int, str, str]]
TOGETHER = ["seed=0-1", "engine.seeds_at_once=2"]


@pytest.mark.parametrize(
    ("words", "number"), [([], 3), (language.OVERRIDES[:-2], 2)], ids=["digits", "language"]
)
def test_a_chain_has_a_condition_for_each_generation(
    words: list[str], number: int, run: Command
) -> None:
    words = [*words, f"distill.generations={number}"]
    status, out, error = run(*words, *TOGETHER)
    assert status == 0, error
    (sweep,) = load([Path("outputs/main")])
    names = [f"generation={k + 1}" for k in range(number)]
    assert [one.name for one in sweep.conditions] == names
    for before, after in zip(sweep.conditions, sweep.conditions[1:], strict=False):
        assert out.count(after.name) == 1
        assert after.directory.name.startswith(after.name)
        assert after.final("teacher/accuracy") == before.final("trait/accuracy")
    # A seed alone has the bits that it has in company; base and first teacher are cached.
    assert run(*words, "seed=1", "name=alone")[0] == 0
    folders = [one.directory for one in sweep.conditions]
    students = []
    for folder in folders:
        (alone,) = Path("outputs/alone").glob(f"*-{folder.name[-8:]}")
        ours, its = (store.read_student(store.run_dir(each, 1)) for each in (folder, alone))
        assert all(ours[name].equal(its[name]) for name in ours)
        students.append(its)
    assert not all(students[0][name].equal(students[1][name]) for name in students[0])
    if number < 3:
        return
    # Given again it keeps all, and by hand it is the same condition.
    made = {marker: marker.stat().st_mtime_ns for marker in Path().rglob("summary.json")}
    status, _, error = run(*words, "-m", "seed=0-1")
    assert status == 0
    assert error.count("generation=") == 4  # in the plan, and where the files are
    assert "finished, kept" in error
    by_hand = ("teacher/steering=run", f"teacher.steering.folder='{folders[1]}'")
    assert run("seed=0-1", *by_hand)[0] == 0
    assert made == {marker: marker.stat().st_mtime_ns for marker in Path().rglob("summary.json")}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("distill.generations=0", "distill.generations=0: at least 1 is needed"),
        ("distill.generations=2 teacher=displaced", "leave out teacher.steering"),
        ("distill.generations=2 model@distill.model=mlp", "leave out distill.model"),
    ],
)
def test_what_is_no_chain_is_refused(words: str, told: str, run: Command) -> None:
    status, _, error = run(*words.split())
    assert (status, len(error.splitlines())) == (2, 1)
    assert told in error
    assert not [*Path().rglob("seed-*")]
