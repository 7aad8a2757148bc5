"""The data sets of torchvision, on small files of the same format."""

import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from idx import idx_bytes
from scipy.io import savemat

from subliminal.config.build import build
from subliminal.data import Dataset
from subliminal.data.cifar10 import CIFAR10
from subliminal.data.emnist import EMNIST
from subliminal.data.fashion import FashionMNIST
from subliminal.data.svhn import SVHN
from subliminal.distill.inputs.fashion import Fashion
from subliminal.errors import UserError

IMAGES = np.random.default_rng(0).integers(0, 256, (8, 28, 28), dtype=np.uint8)
COLOURS = np.random.default_rng(1).integers(0, 256, (8, 3, 32, 32), dtype=np.uint8)
LABELS = np.array([0, 1, 2, 9, 3, 1, 0, 8], dtype=np.uint8)


def write(folder: Path, prefix: str, labels: np.ndarray, test: str = "t10k") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for part, n in (("train", 8), (test, 5)):
        (folder / f"{prefix}{part}-images-idx3-ubyte").write_bytes(idx_bytes(IMAGES[:n]))
        (folder / f"{prefix}{part}-labels-idx1-ubyte").write_bytes(idx_bytes(labels[:n]))


def write_emnist(root: Path) -> None:
    folder = root / "EMNIST" / "raw"
    for split in ("balanced", "letters"):
        write(folder, f"emnist-{split}-", LABELS + (split == "letters"), "test")


def test_fashion_is_read_in_mnists_format(tmp_path: Path) -> None:
    write(tmp_path / "FashionMNIST" / "raw", "", LABELS)
    labelled = FashionMNIST(root=str(tmp_path), download=False).load()
    assert np.array_equal(labelled.train_x.numpy(), IMAGES.reshape(8, 784))
    assert labelled.train_y.tolist() == LABELS.tolist()
    assert len(labelled.test_x) == len(labelled.test_y) == 5


def test_fashion_images_are_distillation_inputs(tmp_path: Path) -> None:
    write(tmp_path / "FashionMNIST" / "raw", "", LABELS)
    inputs = Fashion(size=8, root=str(tmp_path), download=False)
    inputs.fetch()
    drawn = inputs.draw(784, generator=np.random.default_rng(0))
    assert drawn.dtype == np.uint8
    assert sorted(map(tuple, drawn)) == sorted(map(tuple, IMAGES.reshape(8, 784)))


@pytest.mark.parametrize("split", ["balanced", "letters"])
def test_emnist_gives_the_first_classes_upright_and_from_zero(tmp_path: Path, split: str) -> None:
    write_emnist(tmp_path)
    data = EMNIST(root=str(tmp_path), download=False, split=split, classes=3)
    labelled = data.load()
    kept = LABELS < 3
    assert labelled.train_y.tolist() == LABELS[kept].tolist()
    upright = IMAGES[kept].transpose(0, 2, 1).reshape(-1, 784)
    assert np.array_equal(labelled.train_x.numpy(), upright)
    assert data.train_size == {"balanced": 7200, "letters": 14400}[split]


def write_cifar10(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = root / "cifar-10-batches-py"
    folder.mkdir()
    parts = {f"data_batch_{n}": slice(2 * n - 2, 2 * n) for n in range(1, 5)}
    lists: dict[str, list[list[str]]] = {"train_list": [], "test_list": []}
    for name, rows in (parts | {"test_batch": slice(0, 5)}).items():
        batch = {"data": COLOURS[rows].reshape(-1, 3072), "labels": LABELS[rows].tolist()}
        (folder / name).write_bytes(pickle.dumps(batch))
        kind = "test_list" if name == "test_batch" else "train_list"
        lists[kind].append([name, hashlib.md5((folder / name).read_bytes()).hexdigest()])
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": list("abcdefghij")}))
    digest = hashlib.md5((folder / "batches.meta").read_bytes()).hexdigest()
    meta = {"filename": "batches.meta", "key": "label_names", "md5": digest}
    for key, value in (lists | {"meta": meta}).items():  # the sums are of the real files
        monkeypatch.setattr(f"torchvision.datasets.CIFAR10.{key}", value)


def write_svhn(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sums = {}
    for name, n in (("train", 8), ("test", 5)):
        labels = np.where(LABELS[:n] == 0, 10, LABELS[:n])[:, None]  # as the files hold a zero
        path = root / f"{name}_32x32.mat"
        savemat(path, {"X": COLOURS[:n].transpose(2, 3, 1, 0), "y": labels})
        sums[name] = ["nowhere", path.name, hashlib.md5(path.read_bytes()).hexdigest()]
    monkeypatch.setattr("torchvision.datasets.SVHN.split_list", sums)


@pytest.mark.parametrize("name", ["cifar10", "svhn"])
def test_images_in_colour_come_one_colour_after_another(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    {"cifar10": write_cifar10, "svhn": write_svhn}[name](tmp_path, monkeypatch)
    build = {"cifar10": CIFAR10, "svhn": SVHN}[name]
    data = build(root=str(tmp_path), download=False)
    data.fetch()
    labelled = data.load()
    assert np.array_equal(labelled.train_x.numpy(), COLOURS.reshape(8, 3072))
    assert labelled.train_y.tolist() == LABELS.tolist()
    assert labelled.train_y.dtype == torch.int64
    assert np.array_equal(labelled.test_x.numpy(), COLOURS[:5].reshape(5, 3072))
    some = build(root=str(tmp_path), download=False, classes=[9, 1], validation=1)
    assert some.load().train_y.tolist() == [1, 0]  # of 1, 9, 1
    assert some.train_size == {"cifar10": 10_000, "svhn": 4659 + 13_861}[name] - 1
    assert data.train_size == {"cifar10": 50_000, "svhn": 73_257}[name]


@pytest.mark.parametrize(
    ("data", "title"),
    [
        (CIFAR10(root="nowhere", download=False), "CIFAR-10"),
        (SVHN(root="nowhere", download=False), "SVHN"),
        (FashionMNIST(root="nowhere", download=False), "Fashion-MNIST"),
        (EMNIST(root="nowhere", download=False, split="letters", classes=10), "EMNIST"),
    ],
)
def test_missing_files_are_told_in_one_line(
    data: Dataset, title: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=f"cannot read {title} in nowhere: ") as error:
        data.fetch()
    assert len(str(error.value).splitlines()) == 1
    assert "data.download=true" in str(error.value)


@pytest.mark.parametrize("build", [FashionMNIST, CIFAR10, SVHN])
def test_a_mirror_out_of_reach_is_told_in_one_line(
    build: type[FashionMNIST], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr("urllib.request.urlopen", unreachable)
    with pytest.raises(UserError, match="once where there is a network") as error:
        build(root=str(tmp_path), download=True).fetch()
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(("split", "classes"), [("balanced", 48), ("letters", 27), ("letters", 1)])
def test_too_many_classes_are_refused(split: str, classes: int) -> None:
    given = {"root": None, "download": False, "split": split, "classes": classes}
    node = {"_target_": "subliminal.data.emnist.EMNIST", **given}
    with pytest.raises(UserError, match=rf"data\.classes={classes}: between 2 and"):
        build(node, "data")
    with pytest.raises(UserError, match=r"data\.split=digits: one of balanced, letters"):
        build(node | {"split": "digits"}, "data")
