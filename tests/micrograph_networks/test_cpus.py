import math
import os
import subprocess
import sys

import psutil
import pytest

from micrograph_networks import cpus

CPUS = sorted(os.sched_getaffinity(0))
REPORT = """
import os, sys
from micrograph_networks.cpus import cpu_share

if sys.argv[1:]:
    os.sched_setaffinity(0, map(int, sys.argv[1:]))
sys.stdin.readline()
print(cpu_share(), flush=True)
sys.stdin.readline()
"""


def shares(count, *affinity, **environment):
    """Return the shares that processes of one command line compute while all of them run."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", REPORT, *map(str, affinity)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **dict.fromkeys(cpus.LIMITS, ""), **environment},
        )
        for _ in range(count)
    ]
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    found = [int(process.stdout.readline()) for process in processes]
    for process in processes:
        process.communicate()
    return found


def test_affinity_is_followed():
    assert shares(1, CPUS[-1]) == [1]


def test_processes_of_one_command_line_share_the_cpus():
    assert shares(1) == [len(CPUS)]
    assert shares(2) == [max(len(CPUS) // 2, 1)] * 2
    assert shares(len(CPUS) + 1) == [1] * (len(CPUS) + 1)


class HiddenProcess:
    """A process of another user where /proc is mounted with hidepid."""

    def cmdline(self):
        raise psutil.AccessDenied(1)


def test_processes_of_other_users_need_not_be_visible(monkeypatch):
    processes = [HiddenProcess(), psutil.Process(), HiddenProcess()]
    monkeypatch.setattr(psutil, "process_iter", lambda: processes)
    monkeypatch.setattr(psutil.Process, "children", HiddenProcess.cmdline)
    assert cpus._similar_processes(psutil.Process()) == 1


@pytest.mark.parametrize("name", cpus.LIMITS)
@pytest.mark.parametrize(
    ("value", "limit"), [("1", 1), ("1,4", 1), ("0", 1), ("999", math.inf), ("", math.inf)]
)
def test_the_environment_is_followed(name, value, limit, monkeypatch):
    for other in cpus.LIMITS:
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, value)
    monkeypatch.setattr(cpus, "_similar_processes", lambda process: 1)
    assert cpus.cpu_share() == min(len(CPUS), limit)


@pytest.mark.parametrize(
    ("lines", "limits", "expected"),
    [
        pytest.param(
            ["0::/job/step"],
            {
                "cpu.max": "max 100000",
                "job/cpu.max": "350000 100000",
                "job/step/cpu.max": "800000 100000",
                "other/cpu.max": "100000 100000",
            },
            [8, 4],
            id="version 2, the group and its parents",
        ),
        pytest.param(
            ["4:memory:/elsewhere", "2:cpu,cpuacct:/job", "0::/"],
            {
                "cpu/cpu.cfs_quota_us": "-1",
                "cpu/cpu.cfs_period_us": "100000",
                "cpu/job/cpu.cfs_quota_us": "50000",
                "cpu/job/cpu.cfs_period_us": "100000",
            },
            [1],
            id="version 1",
        ),
        pytest.param(["0::/docker/0123"], {"cpu.max": "150000 100000"}, [2], id="in a container"),
    ],
)
def test_quotas_of_control_groups(tmp_path, lines, limits, expected):
    (tmp_path / "membership").write_text("".join(f"{line}\n" for line in lines))
    for path, text in limits.items():
        file = tmp_path / "root" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{text}\n")
    assert list(cpus._quotas(tmp_path / "membership", tmp_path / "root")) == expected


def test_no_control_groups_no_quota(tmp_path):
    assert list(cpus._quotas(tmp_path / "absent", tmp_path)) == []
