"""Limits of Linux control groups (of containers, schedulers, systemd): processor time, memory."""

import math
from collections.abc import Iterator
from pathlib import Path

_GROUPS, _PROC = Path("/sys/fs/cgroup"), Path("/proc")


def processors() -> float:
    """Return processor seconds per second that this process may use; infinity without a limit."""
    limits = [math.inf]
    for group in _groups("cpu"):
        quota = _words(group / "cpu.max") or [  # version 2, else version 1
            *_words(group / "cpu.cfs_quota_us"),
            *_words(group / "cpu.cfs_period_us"),
        ]
        if len(quota) == 2 and quota[0].isdecimal():  # "max" or -1: no limit
            limits.append(int(quota[0]) / int(quota[1]))
    return min(limits)


def memory() -> float:
    """Return the bytes that are free on the machine and in each group; infinity where unknown.

    A group's cached files count as free: the kernel drops them when memory runs short.
    """
    info = _words(_PROC / "meminfo")  # "MemAvailable:", number, "kB"
    free = [math.inf]
    if "MemAvailable:" in info:
        free.append(1024 * int(info[info.index("MemAvailable:") + 1]))
    for group in _groups("memory"):
        limit = _words(group / "memory.max") or _words(group / "memory.limit_in_bytes")
        used = _words(group / "memory.current") or _words(group / "memory.usage_in_bytes")
        if limit and limit[0].isdecimal() and used:
            stat = _words(group / "memory.stat")
            sizes = dict(zip(stat[::2], map(int, stat[1::2]), strict=False))
            # Version 1 lists the group alone, and with "total_" the groups below it too.
            total = "total_" if "total_inactive_file" in sizes else ""
            files = sum(sizes.get(f"{total}{kind}_file", 0) for kind in ("active", "inactive"))
            free.append(max(0, int(limit[0]) - int(used[0]) + files))
    return min(free)


def _groups(controller: str) -> Iterator[Path]:
    """Yield the folders of this process's groups, from the innermost outwards.

    In a container the paths may be the host's and not exist here; the outermost does.
    """
    for line in _text(_PROC / "self" / "cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        top = _GROUPS / controller if controllers else _GROUPS  # version 2 names no controllers
        group = top / path.lstrip("/")
        while group.is_relative_to(top):
            yield group
            group = group.parent


def _words(path: Path) -> list[str]:
    return _text(path).split()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:  # not Linux, or a group without this limit
        return ""
