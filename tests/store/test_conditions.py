"""Which folder holds a condition."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig, OmegaConf
from resolved import condition_hash

from subliminal import store
from subliminal.config.canonical import canonical
from subliminal.store import inventory

GOLDEN = Path(__file__).parents[1] / "golden"
Compose = Callable[[list[str]], DictConfig]
Plain = dict[str, Any]
NOISY = "mitigation=[gradient_noise,projection]"  # in the order of the alphabet
OTHER_ORDER = "mitigation=[projection,gradient_noise]"


def as_written(cfg: DictConfig) -> Plain:
    plain = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def earlier(outputs: Path, cfg: DictConfig, *, condition: str = "x", device: str = "cpu") -> Path:
    """Make the folder of a condition as it was made before values were taken by their types."""
    plain = as_written(cfg)
    folder = outputs / "main" / f"{condition}-{store.hash_as_written(plain, device)}"
    folder.mkdir(parents=True, exist_ok=True)
    config = {key: value for key, value in plain.items() if key != "seed"}
    record = {"condition": condition, "seeds": [0], "config": config}
    (folder / store.CONDITION).write_text(json.dumps(record))
    return folder


def finish(folder: Path, seed: int, cfg: DictConfig, condition: str = "x") -> Path:
    run = store.run_dir(folder, seed)
    run.mkdir()
    (run / "config.yaml").write_text(OmegaConf.to_yaml(OmegaConf.create(as_written(cfg))))
    (run / store.MARKER).write_text(json.dumps({"condition": condition, "device": "cpu"}))
    return run


def today(outputs: Path, cfg: DictConfig, condition: str = "x") -> tuple[Path, str]:
    """Make the folder of a condition as it is made now; return it and its digits."""
    digits = condition_hash(cfg, "cpu")
    folder = outputs / "main" / store.folder_name(condition, digits)
    store.record_condition(folder, condition, [0], canonical(cfg), identity=digits)
    return folder, digits


def test_a_condition_is_one_folder_whatever_it_is_called(compose: Compose, tmp_path: Path) -> None:
    folder, digits = today(tmp_path, compose([]), "threat=search,distill/loss=mse")
    assert folder.parent == tmp_path / "main"
    assert store.folder_of(tmp_path / "main", digits) == folder


def test_a_folder_is_its_own_records_and_a_copy_is_not(compose: Compose, tmp_path: Path) -> None:
    folder, digits = today(tmp_path, compose([]))
    for name in ("a-backup", "x", "y"):
        shutil.copytree(folder, folder.with_name(f"{name}-copy-{digits}"))
    assert store.folder_of(tmp_path / "main", digits) == folder
    assert list(inventory.conditions(tmp_path)) == [folder]
    assert {original for _, original in inventory.copies(tmp_path)} == {folder}
    assert len(list(inventory.copies(tmp_path))) == 3
    shutil.rmtree(folder)  # a copy alone is shown, and never written into
    assert len(list(inventory.conditions(tmp_path))) == 3
    assert store.folder_of(tmp_path / "main", digits) is None


def test_so_it_is_with_folders_of_before(compose: Compose, tmp_path: Path) -> None:
    folder = earlier(tmp_path, compose([]))
    digits = folder.name[-8:]
    shutil.copytree(folder, folder.with_name(f"backup-{folder.name}"))
    assert store.folder_of(tmp_path / "main", digits) == folder
    assert list(inventory.conditions(tmp_path)) == [folder]


def test_a_folder_of_before_is_found_by_its_values(compose: Compose, tmp_path: Path) -> None:
    for device in ("cpu", "mps", "cuda"):
        cfg = compose(["distill.loss.temperature=1", "optim.weight_decay=0", "mitigation=liminal"])
        folder = earlier(tmp_path, cfg, condition=f"temperature=1,{device}", device=device)
        digits = condition_hash(compose(["mitigation=liminal"]), device)
        assert not folder.name.endswith(digits)
        found = store.folder_of(tmp_path / "main", digits)
        assert found == (None if device == "cuda" else folder)  # a GPU's numbers were others


def test_numbers_of_other_numerics_are_not_taken(
    compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    earlier(tmp_path, compose(["optim.weight_decay=0"]))
    monkeypatch.setattr("subliminal.store.identity.NUMERICS", 99)
    digits = condition_hash(compose([]), "cpu")
    assert store.folder_of(tmp_path / "main", digits) is None


def test_an_order_that_the_name_did_not_tell_is_read_from_the_runs(
    compose: Compose, tmp_path: Path
) -> None:
    noisy, other = compose([NOISY]), compose([OTHER_ORDER])
    folder = earlier(tmp_path, noisy)  # the record of the last job …
    digits = {cfg: condition_hash(compose([cfg]), "cpu") for cfg in (NOISY, OTHER_ORDER)}
    assert store.condition_hash_of(folder) == digits[NOISY]
    finish(folder, 0, other)  # … and the run of the first
    (folder / store.CONDITION).touch()
    assert store.condition_hash_of(folder) == digits[OTHER_ORDER]
    finish(folder, 1, noisy)
    (folder / store.CONDITION).touch()
    assert store.condition_hash_of(folder) is None


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"seeds": [1]}', None])
def test_a_damaged_record_costs_no_finished_run(
    damage: bytes | None, compose: Compose, tmp_path: Path
) -> None:
    cfg = compose(["optim.lr=0.01"])
    folder, digits = today(tmp_path, cfg, condition="from a sweep file")
    finish(folder, 0, cfg, "from a sweep file")
    if damage is None:
        (folder / store.CONDITION).unlink()
    else:
        (folder / store.CONDITION).write_bytes(damage)
    assert store.folder_of(tmp_path / "main", digits) == folder


def test_what_nothing_tells_is_no_condition(compose: Compose, tmp_path: Path) -> None:
    folder = earlier(tmp_path, compose([]))
    for name, record in (
        ("a", {"condition": "a", "seeds": [], "config": {"optim": 3, "mitigation": 3}}),
        ("d", {"condition": "d", "seeds": [], "config": [1]}),
        ("b", {"condition": "b", "seeds": [], "config": as_written(compose(["optim.lr=9"]))}),
        ("c", {"folder": "../main/x", "identity": folder.name[-8:]}),
    ):
        stranger = folder.with_name(f"{name}-{folder.name[-8:]}")
        stranger.mkdir()
        (stranger / store.CONDITION).write_text(json.dumps(record))
        assert store.condition_hash_of(stranger) is None
    assert store.folder_of(tmp_path / "main", folder.name[-8:]) == folder
