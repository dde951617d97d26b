"""Number of CPUs that this process may use."""

import math
import os
import re
from pathlib import Path
from typing import Iterator, List, Optional

import psutil

LIMITS = ("SLURM_CPUS_PER_TASK", "OMP_NUM_THREADS")
"""Environment variables in which a scheduler or a user sets the number of CPUs."""


def cpu_share() -> int:
    """Return the number of CPUs that this process may use, at least 1.

    It is the minimum of the CPU affinity, the quotas of the control group and its parents, and
    :data:`LIMITS`, divided by the number of processes that the same parent has started with the
    same command line, such as the workers of an analysis in CellProfiler.
    """
    process = psutil.Process()
    limits = [_affinity(process), *_quotas(), *_environment()]
    return max(min(limits) // _similar_processes(process), 1)


def _affinity(process: psutil.Process) -> int:
    if hasattr(process, "cpu_affinity"):
        return len(process.cpu_affinity())
    return os.cpu_count() or 1  # macOS has no affinity


def _quotas(
    membership: Path = Path("/proc/self/cgroup"), root: Path = Path("/sys/fs/cgroup")
) -> Iterator[int]:
    """Yield the CPUs that control groups of version 1 and 2 grant, rounded up.

    https://docs.kernel.org/admin-guide/cgroup-v2.html and
    https://docs.kernel.org/scheduler/sched-bwc.html
    """
    lines = membership.read_text("utf-8").splitlines() if membership.is_file() else []
    for line in lines:
        _, controllers, name = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        top = root / "cpu" if controllers else root
        group = top / name.lstrip("/")
        # Within a container the group may have the host's name. Then only its parents exist.
        for folder in (group, *group.parents):
            quota = _read_quota(folder)
            if quota:
                yield quota
            if folder == top:
                break


def _read_quota(folder: Path) -> Optional[int]:
    """Return the CPUs that one control group grants; None without a limit."""
    version_1 = [folder / "cpu.cfs_quota_us", folder / "cpu.cfs_period_us"]
    version_2 = folder / "cpu.max"
    text = " ".join(path.read_text("utf-8") for path in (version_2, *version_1) if path.is_file())
    found = re.fullmatch(r"(\d+)\s+(\d+)\s*", text)
    return math.ceil(int(found[1]) / int(found[2])) if found else None


def _environment() -> List[int]:
    """Return the CPUs of LIMITS. OMP_NUM_THREADS may list one number for each nesting level."""
    found = [re.match(r"\s*(\d+)", os.environ.get(name, "")) for name in LIMITS]
    return [int(number[1]) for number in found if number]


def _similar_processes(process: psutil.Process) -> int:
    """Return the number of siblings with the same command line, including the process itself."""
    parent, command = process.ppid(), process.cmdline()
    return max(sum(_is_sibling(one, parent, command) for one in psutil.process_iter()), 1)


def _is_sibling(process: psutil.Process, parent: int, command: List[str]) -> bool:
    """Return True if a process has this parent and command line."""
    try:
        return process.cmdline() == command and process.ppid() == parent
    except psutil.Error:  # it has ended, or belongs to another user
        return False
