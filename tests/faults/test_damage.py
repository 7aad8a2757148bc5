"""Files that were damaged while nobody looked: a rerun finds them and makes the same anew."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from fault_injection import Disturbed, Tried, undisturbed
from test_kills import REAL_DIGITS

from subliminal import store
from subliminal.data.mnist import MD5, MNIST

pytestmark = pytest.mark.slow


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def flip(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 4
    path.write_bytes(raw)


def gone(path: Path) -> None:
    path.unlink()


def of(finished: bool, name: str) -> Callable[[Path], list[Path]]:
    def found(outputs: Path) -> list[Path]:
        runs = sorted(outputs.glob("main/*/seed-*"))
        return [r / name for r in runs if store.finished(r) == finished and (r / name).is_file()]

    return found


CASES = {
    "checkpoint": (of(False, store.CHECKPOINT), (cut, flip)),
    "tables of a resumed run": (of(False, "steps.parquet"), (cut,)),
    "tables of a finished run": (of(True, "steps.parquet"), (cut, flip, gone)),
    "student of a finished run": (of(True, "student.safetensors"), (flip,)),
    "marker of a finished run": (of(True, store.MARKER), (cut,)),
    "record of a condition": (lambda o: sorted(o.glob("main/*/condition.json")), (cut, gone)),
    "cached teacher": (lambda o: sorted(o.glob("teachers/*.safetensors")), (cut, flip, gone)),
}


@pytest.mark.parametrize(
    ("what", "damage"), [(what, damage) for what, (_, ways) in CASES.items() for damage in ways]
)
def test_damaged_files_cost_time_alone(
    sweep: Disturbed, half_done: Path, tried: Tried, what: str, damage: Callable[[Path], None]
) -> None:
    shutil.copytree(half_done, sweep.outputs)
    paths = CASES[what][0](sweep.outputs)
    assert paths
    tried(f"damaged: {what}", len(paths))
    for path in paths:
        damage(path)
    sweep.repair()


def test_a_teacher_whose_checkpoint_is_garbage(
    sweep: Disturbed, half_done: Path, tried: Tried
) -> None:
    shutil.copytree(half_done, sweep.outputs)
    paths = sorted(sweep.outputs.glob("teachers/*.safetensors"))
    tried("damaged: checkpoint of a teacher", len(paths))
    for path in paths:
        path.with_suffix(".checkpoint").write_bytes(path.read_bytes()[:200])
        path.unlink()
    sweep.repair()


@pytest.mark.mnist
def test_a_damaged_data_cache(tmp_path: Path, tried: Tried) -> None:
    tried("damaged: cache of MNIST", 2)
    whole = undisturbed(tmp_path / "whole", REAL_DIGITS)
    root = tmp_path / "digits"
    root.mkdir()
    for name in MD5:
        shutil.copyfile(MNIST(root=None, download=True).fetch() / name, root / name)
    cut(root / "train-images-idx3-ubyte")
    gone(root / "t10k-labels-idx1-ubyte")
    offline = Disturbed(tmp_path / "sweep", whole, (f"data.root={root}", "data.download=false"))
    assert offline.run() != 0
    assert offline.stderr().splitlines()[-1].startswith("error: ")
    Disturbed(tmp_path / "sweep", whole, (f"data.root={root}",)).repair()
