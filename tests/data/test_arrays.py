"""A user's own images, from arrays and from a folder: what is read, refused and named."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from subliminal.data.arrays import Arrays
from subliminal.errors import UserError

GRAY = np.random.default_rng(0).integers(0, 256, (24, 5, 4), dtype=np.uint8)
COLOUR = np.random.default_rng(1).integers(0, 256, (24, 5, 4, 3), dtype=np.uint8)
LABELS = np.repeat(np.arange(3), 8)


def written(folder: Path, x: Any, y: Any = LABELS) -> dict[str, Any]:
    np.save(folder / "x.npy", x)
    np.save(folder / "y.npy", y)
    return {"images": str(folder / "x.npy"), "labels": str(folder / "y.npy")}


@pytest.mark.parametrize("x", [GRAY, COLOUR], ids=["gray", "colour"])
def test_a_folder_and_arrays_hold_the_same_images(x: Any, tmp_path: Path) -> None:
    for number, (image, label) in enumerate(zip(x, LABELS, strict=True)):
        (tmp_path / "folder" / f"class{label}").mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(tmp_path / "folder" / f"class{label}" / f"{number:02}.png")
    data = Arrays(**written(tmp_path, x), test_every=4)
    found, same = data.load(), Arrays(images=str(tmp_path / "folder"), test_every=4).load()
    for name in ("train_x", "train_y", "test_x", "test_y"):
        assert getattr(found, name).equal(getattr(same, name))
    test = x[::4]
    flat = test.reshape(6, -1) if x.ndim == 3 else test.transpose(0, 3, 1, 2).reshape(6, -1)
    assert (found.test_x.numpy() == flat).all()
    assert (data.pixels, data.classes, data.train_size, data.counts) == (x[0].size, 3, 18, [6] * 3)
    assert Arrays(**written(tmp_path, x), classes=[2, 0]).train_size == 13


def test_a_condition_is_named_by_what_the_files_hold(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    values = {"classes": None, **written(tmp_path, GRAY)}
    name = Arrays.equivalent(values)
    assert Arrays.equivalent(values | written(tmp_path / "other", GRAY)) == name
    changed = GRAY.copy()
    changed[0, 0, 0] ^= 1
    assert Arrays.equivalent(values | written(tmp_path, changed)) != name


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (GRAY / 255, LABELS, r"float64 \(24, 5, 4\); uint8 \(n, height, width\)"),
        (GRAY[0], LABELS[:5], r"uint8 \(5, 4\); uint8"),
        (GRAY, LABELS[1:], "24 whole numbers from 0 are needed"),
        (GRAY, LABELS - 1, "24 whole numbers"),
        (GRAY, LABELS * 0, "classes=1: between 2 and 1"),
        (np.array([{}]), LABELS, r"cannot be read \(.*pickle"),
    ],
)
def test_other_files_are_refused_in_one_line(x: Any, y: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        Arrays(**written(tmp_path, x, y))
    with pytest.raises(UserError, match=r"nowhere.npy cannot be read \(FileNotFoundError\)"):
        Arrays(images="nowhere.npy", labels="nowhere.npy")
