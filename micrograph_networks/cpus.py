"""How many CPUs this process may keep busy."""

import math
import os
import re
from pathlib import Path
from typing import Iterator, List, Optional

import psutil

LIMITS = ("SLURM_CPUS_PER_TASK", "OMP_NUM_THREADS")
"""Environment variables by which a scheduler or a user says how many CPUs there are."""


def cpu_share() -> int:
    """CPUs for this process: the least that anything grants it, shared out among its like.

    The limits are the CPU affinity, the quota of the control group and of those above it, and
    :data:`LIMITS`. Its like are the processes that the same parent has started with the same
    command line, as CellProfiler does with the workers of an analysis.

    Returns
    -------
    int
        At least 1.
    """
    process = psutil.Process()
    limits = [_affinity(process), *_quotas(), *_environment()]
    return max(min(limits) // _alike(process), 1)


def _affinity(process: psutil.Process) -> int:
    # macOS knows no affinity.
    return len(process.cpu_affinity()) if hasattr(process, "cpu_affinity") else os.cpu_count() or 1


def _quotas(
    membership: Path = Path("/proc/self/cgroup"), root: Path = Path("/sys/fs/cgroup")
) -> Iterator[int]:
    """CPUs that control groups of version 1 and 2 grant, rounded up.

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
        # Within a container the group may carry the host's name: only those above it are seen.
        for folder in (group, *group.parents):
            quota = _read_quota(folder)
            if quota:
                yield quota
            if folder == top:
                break


def _read_quota(folder: Path) -> Optional[int]:
    """CPUs that one control group grants; None where it sets no limit."""
    both = folder / "cpu.max"
    one_each = [folder / "cpu.cfs_quota_us", folder / "cpu.cfs_period_us"]
    text = " ".join(path.read_text("utf-8") for path in (both, *one_each) if path.is_file())
    found = re.fullmatch(r"(\d+)\s+(\d+)\s*", text)
    return math.ceil(int(found[1]) / int(found[2])) if found else None


def _environment() -> List[int]:
    """CPUs that the environment grants; OMP_NUM_THREADS may list one number a nesting level."""
    found = [re.match(r"\s*(\d+)", os.environ.get(name, "")) for name in LIMITS]
    return [int(number[1]) for number in found if number]


def _alike(process: psutil.Process) -> int:
    """How many processes there are like this one, itself included."""
    parent, command = process.parent(), process.cmdline()
    siblings = parent.children() if parent else [process]
    return max(sum(_command(sibling) == command for sibling in siblings), 1)


def _command(process: psutil.Process) -> Optional[List[str]]:
    try:
        return process.cmdline()
    except psutil.Error:  # it has ended, or is another user's
        return None
