"""Which folder holds a condition."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import DictConfig
from resolved import canonical_of, condition_hash

from subliminal import store
from subliminal.store import inventory

Compose = Callable[[list[str]], DictConfig]


def today(outputs: Path, cfg: DictConfig, condition: str = "x") -> tuple[Path, str]:
    """Make the folder of a condition as it is made now; return it and its digits."""
    digits = condition_hash(cfg, "cpu")
    folder = outputs / "main" / store.folder_name(condition, digits)
    store.record_condition(folder, condition, [0], canonical_of(cfg), identity=digits)
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
    assert inventory.conditions(tmp_path) == [folder]
    assert len(inventory.conditions(tmp_path, copies=True)) == 3
    shutil.rmtree(folder)  # a copy alone is shown, and never written into
    assert len(inventory.conditions(tmp_path)) == 3
    assert store.folder_of(tmp_path / "main", digits) is None


@pytest.mark.parametrize(
    ("name", "kept"),
    [("a" * 110, 110), ("a" * 111, 110), ("好" * 80, 80), ("好" * 81, 80), ("a" + "好" * 80, 80)],
)
def test_a_name_is_cut_where_its_characters_or_bytes_end(name: str, kept: int) -> None:
    assert store.folder_name(name, "01234567") == f"{name[:kept]}-01234567"


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"seeds": [1]}', None])
def test_a_damaged_record_costs_no_finished_run(
    damage: bytes | None, compose: Compose, tmp_path: Path
) -> None:
    folder, digits = today(tmp_path, compose([]), condition="from a sweep file")
    if damage is None:
        (folder / store.CONDITION).unlink()
    else:
        (folder / store.CONDITION).write_bytes(damage)
    assert store.folder_of(tmp_path / "main", digits) == folder


def test_an_intact_record_is_preferred_to_a_folders_name(compose: Compose, tmp_path: Path) -> None:
    folder, digits = today(tmp_path, compose([]))
    for name, record in (
        ("a", b"{"),
        ("b", json.dumps({"folder": "../main/x", "identity": digits}).encode()),
        ("c", None),
    ):
        stranger = folder.with_name(f"{name}-{digits}")
        stranger.mkdir()
        if record is not None:
            (stranger / store.CONDITION).write_bytes(record)
    assert store.folder_of(tmp_path / "main", digits) == folder


@pytest.mark.parametrize("name", ["x", "x-", "x-0123456", "x-notahash", "absent-01234567"])
def test_a_folder_without_a_hash_holds_no_condition(name: str, tmp_path: Path) -> None:
    if not name.startswith("absent"):
        (tmp_path / name).mkdir()
    assert store.condition_hash_of(tmp_path / name) is None
