"""A dial: where a curve of leak against what is kept passes 0.95, and what is said of it."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from subliminal.judge import battery, dial
from subliminal.judge.battery import Defence
from subliminal.judge.dial import Dial, Point, at_least, turned
from subliminal.judge.evaluation import PLAIN
from subliminal.judge.fieller import Interval
from subliminal.judge.lines import Facts, Line

POINTS = (Point(0.1, 0.9, 1.0), Point(1.0, 0.5, 0.97), Point(100.0, 0.1, 0.93))
CURVE: dict[float, tuple[float, float]] = {1: (0.9, 1.0), 2: (0.5, 0.97), 4: (0.1, 0.91)}


def interval(value: float) -> Interval:
    return Interval(value, value - 0.1, value + 0.1)


def test_it_is_read_where_it_keeps_095() -> None:
    assert at_least(POINTS) == pytest.approx(10.0)  # half way, in the logarithm
    shifted = [replace(one, value=one.value - 0.1) for one in POINTS]
    assert at_least(shifted[::-1]) == pytest.approx(50.4)
    assert at_least(POINTS[:2]) is None
    assert at_least([Point(1, 0.9, 0.95), Point(2, 0.5, 0.9), Point(3, 0.4, 0.9)]) == 1
    assert at_least([*POINTS, Point(200, 0.3, 0.97)]) == pytest.approx(100 * 2**0.5)  # leaks least
    assert at_least([*POINTS, Point(200, 0.7, 0.97)]) == pytest.approx(10.0)
    assert at_least([Point(1, 0.9, 0.95), Point(2, 0.5, 0.95)]) is None


def test_what_is_said_of_it() -> None:
    assert Dial("a.b", POINTS[1::-1]).summary() == "a.b: V from 0.97 to 1.00 does not pass 0.95"
    found = Dial("a.b", POINTS, 1.23456, "reduces", interval(0.5))
    assert found.summary() == "a.b=1.235 at V = 0.95: reduces, leak 0.50 [0.40, 0.60], V –"


@pytest.mark.parametrize(("first", "chosen"), [(1, 3.0), (1.5, 2 ** (4 / 3))])
def test_values_are_tried_on_development_seeds_and_one_confirmed_on_the_judges(
    first: float, chosen: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is whole where all are; a value that shows nothing is no point."""
    asked, said, rooms = list[Any](), list[str](), SimpleNamespace()

    def entrant(compose: Any, defence: Defence, plain: Any) -> SimpleNamespace:
        assert (compose, plain) == (battery.setting, PLAIN)
        asked.append((defence.own, *defence.overrides))
        value = float(defence.overrides[-1].removeprefix("k="))
        return SimpleNamespace(name="a", threat=SimpleNamespace(asks="b?"), value=value)

    def line(facts: Facts, value: float, track: str) -> Line:
        assert (facts, track) == (Facts("a", "b?"), "blind")
        leak, kept = CURVE.get(value, (None if value == 1.5 else 0.3, 0.95))
        return Line("", "", "reduces", leak=interval(leak) if leak else None, kept=interval(kept))

    rooms.entrant = entrant
    monkeypatch.setattr(dial, "line", line)
    tried = {(id(rooms), "blind"): lambda setting: (setting.value, None)}
    monkeypatch.setattr(dial, "tried", lambda one, of, track: tried[id(of), track](one))
    others: Any = rooms, SimpleNamespace(say=said.append)
    defence = Defence(("d",), ())
    found = turned(defence, {"k": [first, 2, 4]}, *others, track="blind")
    assert [one.value for one in found.points] == [one for one in (first, 2, 4) if one in CURVE]
    assert found.chosen == pytest.approx(chosen, abs=1e-6)
    assert (found.word, found.leak, found.kept) == ("reduces", interval(0.3), interval(0.95))
    tries = [(("seed=0-5",), "d", f"k={value}") for value in (first, 2, 4)]
    assert asked == [*tries, ((), "d", f"k={chosen:.6g}")]
    assert said[1:3] == ["Dial k: 2, 2 of 3", "Dial k: 4, 3 of 3"]
    assert said[3] == f"Dial k: {chosen:g}, on the judge's seeds"
    none = turned(defence, {"k": [1, 2]}, *others, track="blind")
    assert (none.chosen, len(none.points)) == (None, 2)


def test_it_is_written_with_what_is_said_of_it(tmp_path: Path) -> None:
    for points in (POINTS, POINTS[:2]):
        found = Dial("a.b", points)
        dial.write(found, tmp_path / "entries" / "a")
        text = (tmp_path / "entries" / "a" / dial.FILE).read_text()
        assert text.startswith('{\n  "key": "a.b",\n')
        read = json.loads(text)
        assert (read["summary"], len(read["points"])) == (found.summary(), len(points))
