"""What control groups leave: read from trees of files as the kernel's two versions have them."""

import math
from pathlib import Path

import pytest

from subliminal.sweep import limits

GB = 10**9
MEMINFO = "MemTotal:  32000000 kB\nMemFree:  100 kB\nMemAvailable:  16000000 kB\n"


class Machine:
    """A machine's `/proc` and `/sys/fs/cgroup`, in a folder of the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file("proc/meminfo", MEMINFO)

    def file(self, path: str, text: str) -> None:
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_text(text)

    def groups(self, text: str) -> None:
        self.file("proc/self/cgroup", text)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setattr(limits, "_PROC", tmp_path / "proc")
    monkeypatch.setattr(limits, "_GROUPS", tmp_path / "sys")
    return Machine(tmp_path)


@pytest.mark.parametrize(
    ("text", "processors"),
    [
        ("50000 100000\n", 0.5),
        ("400000 100000\n", 4.0),
        ("12345 10000", 1.2345),
        ("max 100000\n", math.inf),
        ("", math.inf),
    ],
)
@pytest.mark.parametrize("place", ["sys/slice/unit of mine", "sys/slice", "sys"])
def test_quota_of_version_2(machine: Machine, text: str, processors: float, place: str) -> None:
    machine.groups("0::/slice/unit of mine\n")
    machine.file(f"{place}/cpu.max", text)
    assert limits.processors() == processors


@pytest.mark.parametrize(
    ("quota", "processors"), [("50000", 0.5), ("250000", 2.5), ("-1", math.inf)]
)
@pytest.mark.parametrize("place", ["sys/cpu/docker/0123", "sys/cpu/docker", "sys/cpu"])
def test_quota_of_version_1(machine: Machine, quota: str, processors: float, place: str) -> None:
    # Docker shows the host's paths, which its container does not have: the last place.
    machine.groups("4:memory:/docker/0123\n1:cpu,cpuacct:/docker/0123\n0::/\n")
    machine.file(f"{place}/cpu.cfs_quota_us", f"{quota}\n")
    machine.file(f"{place}/cpu.cfs_period_us", "100000\n")
    assert limits.processors() == processors


def test_the_tightest_group_counts(machine: Machine) -> None:
    machine.groups("0::/outer/inner\n")
    machine.file("sys/outer/cpu.max", "150000 100000\n")
    machine.file("sys/outer/inner/cpu.max", "300000 100000\n")
    machine.file("sys/unrelated/cpu.max", "1000 100000\n")
    machine.file("sys/outer/memory.max", f"{4 * GB}\n")
    machine.file("sys/outer/memory.current", f"{3 * GB}\n")
    machine.file("sys/outer/inner/memory.max", f"{2 * GB}\n")
    machine.file("sys/outer/inner/memory.current", f"{GB // 2}\n")
    assert limits.processors() == 1.5
    assert limits.memory() == GB


@pytest.mark.parametrize(
    ("limit", "used", "stat", "free"),
    [
        (f"{2 * GB}", f"{GB}", "anon 7\ninactive_file 300\nactive_file 20\n", GB + 320),
        (f"{2 * GB}", f"{GB}", "", GB),
        (f"{GB}", f"{2 * GB}", "", 0),
        ("max", f"{GB}", "", 16000000 * 1024),
        (f"{1000 * GB}", f"{GB}", "", 16000000 * 1024),
    ],
)
def test_memory_of_version_2(
    machine: Machine, limit: str, used: str, stat: str, free: float
) -> None:
    machine.groups("0::/unit\n")
    machine.file("sys/unit/memory.max", limit)
    machine.file("sys/unit/memory.current", used)
    machine.file("sys/unit/memory.stat", stat)
    assert limits.memory() == free


def test_memory_of_version_1(machine: Machine) -> None:
    machine.groups("4:memory:/job\n")
    machine.file("sys/memory/job/memory.limit_in_bytes", f"{GB}\n")
    machine.file("sys/memory/job/memory.usage_in_bytes", f"{GB // 2}\n")
    stat = "inactive_file 1\nactive_file 1\ntotal_inactive_file 300\ntotal_active_file 20\n"
    machine.file("sys/memory/job/memory.stat", stat)
    machine.file("sys/memory/memory.limit_in_bytes", "9223372036854771712\n")  # none
    machine.file("sys/memory/memory.usage_in_bytes", f"{GB}\n")
    assert limits.memory() == GB // 2 + 320


def test_a_machine_without_any_of_it_has_no_limit(machine: Machine) -> None:
    (machine.folder / "proc/meminfo").unlink()
    assert limits.processors() == math.inf
    assert limits.memory() == math.inf
