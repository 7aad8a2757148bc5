"""Conditions and runs under outputs/, of folders made by hand."""

import json
from pathlib import Path

import pytest

from subliminal import store
from subliminal.errors import UserError
from subliminal.store import inventory, places

ROW = {
    **{"experiment": "lab/a", "condition": "a long name", "config": {"name": "x"}, "notes": "seen"},
    **{"done": 0, "seeds": 2, "states": {"missing": 1, "partial": 1}, "date": "", "results": []},
}


def test_a_condition_is_known_by_its_record_and_a_run_by_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "lab" / "a" / "mitigation=my-own-00000000"
    (folder / "seed-0000").mkdir(parents=True)
    (folder / "seed-0000" / store.NOTES).write_text('{"note": "seen"}')
    record = {"condition": "a long name", "seeds": [0, 7], "config": {"name": "x"}}
    (folder / store.CONDITION).write_text(json.dumps(record))
    assert inventory.overview(tmp_path) == ([ROW | {"folder": str(folder)}], [])
    for name in ("a/mitigation=my-own/0", "my-own/seed-0000", "my-o/0", "0"):
        assert inventory.find(tmp_path, name) == folder / "seed-0000"
    with pytest.raises(UserError, match="no such run"):
        inventory.find(tmp_path, "my-own/7")
    store.forget(folder / "seed-0007")
    assert store.read_condition(folder)["seeds"] == [0]
    assert [*(folder / places.LOCKS).iterdir()] == [folder / places.LOCKS / "condition.lock"]
