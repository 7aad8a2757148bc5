"""Entries of the leaderboard: what their files may say, and that ours are sound."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from omegaconf import DictConfig

from subliminal.config.canonical import composed_values
from subliminal.errors import UserError
from subliminal.judge import entries
from subliminal.judge.entries import Entry
from subliminal.judge.trial import declared
from subliminal.training.job import Job

GOOD: dict[str, Any] = {
    "defence": ["mitigation=liminal"],
    "source": "ours",
    "claim": "It helps.",
    "track": "blind",
    "trials": 1,
}


def written(folder: Path, **changes: object) -> Path:
    file = folder / "mine.yaml"
    content = {key: value for key, value in {**GOOD, **changes}.items() if value is not None}
    file.write_text(yaml.safe_dump(content))
    return file


def test_an_entry_is_read(tmp_path: Path) -> None:
    entry = entries.read(written(tmp_path, trials=2, tried=["a=1", "a=2"]))
    expected = Entry(name="mine", **GOOD | {"trials": 2, "tried": ["a=1", "a=2"]})
    assert vars(entry) == vars(expected)
    assert entry.overrides == ("mitigation=liminal",)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"colour": "red"}, "colour: no such key; there is defence, source, claim, track"),
        ({"source": None}, "source is missing"),
        ({"claim": None}, "claim is missing"),
        ({"claim": "  "}, "claim is empty"),
        ({"track": "secret"}, "track=secret: one of blind, aware"),
        ({"trials": -1}, "trials=-1: a number ≥ 0"),
        ({"trials": "many"}, "trials=many: a whole number is needed"),
        ({"tried": ["a=1", "a=2"]}, "tried 2, but declares trials=1"),
        ({"defence": ["seed=3"]}, "seed=3 says how the judge works"),
        *((text, r"mine\.yaml") for text in ("defence: [", "- 1\n", "\x00", "just words")),
    ],
)
def test_a_bad_entry_is_refused_in_one_line(
    given: dict[str, object] | str, message: str, tmp_path: Path
) -> None:
    if isinstance(given, str):
        file = tmp_path / "mine.yaml"
        file.write_text(given)
    else:
        file = written(tmp_path, **given)
    with pytest.raises(UserError, match=message) as caught:
        entries.read(file)
    assert str(caught.value).partition("mine.yaml: ")[2]
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("said", "real"), [("blind", "aware"), ("aware", "blind")])
def test_a_wrong_track_is_refused(said: str, real: str, tmp_path: Path) -> None:
    entry = entries.read(written(tmp_path, track=said))
    with pytest.raises(UserError, match=rf"track={said}: .* its track is {real}"):
        entries.check_track(entry, real)


def test_a_dial_is_one_key_and_its_values(tmp_path: Path) -> None:
    key = "mitigation.liminal.peak"
    assert entries.read(written(tmp_path, dial={key: [1, 2]})).dial == {key: [1, 2]}
    for bad in ({key: [1]}, {key: [1, 1]}, {key: [*range(8)]}, {key: [1, 2], "b": [1, 2]}):
        with pytest.raises(UserError, match=r"mine\.yaml: dial: one key, with two to 7 values"):
            entries.read(written(tmp_path, dial=bad))


def test_ours_are_read_landmarks_first() -> None:
    found = entries.all_entries()
    assert len(found) >= 40
    assert len({entry.overrides for entry in found}) == len(found)
    landmarks = [entry.name for entry in found if entry.landmark]
    assert {"none", "liminal", "anchor", "random_projection"} <= {*landmarks}
    assert [entry.name for entry in found[: len(landmarks)]] == landmarks


@pytest.mark.slow
def test_ours_compose_with_their_dials_and_differ(
    compose: Callable[[list[str]], DictConfig],
) -> None:
    hashes = {}
    for entry in entries.all_entries():
        job = Job(composed_values(compose(list(entry.overrides))), "")
        assert not declared(job) or entry.track == "aware", entry.name
        hashes[entry.name] = job.identity
        for key, values in entry.dial.items():
            for value in values:
                compose([*entry.overrides, f"{key}={value:.6g}"])
    assert len(set(hashes.values())) == len(hashes)
