"""A Slurm of one node on the loopback of this machine, in a temporary folder.

It needs Debian's slurm-wlm and munge, and root. Three daemons (munged, slurmctld, slurmd) run in
the foreground as child processes, which are stopped at the end.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from contextlib import ExitStack, contextmanager

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "sinfo")

PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])

# A container cannot make control groups, so processes are found by their parents, and jobs are not
# bound to CPUs. squeue lists a job until MinJobAge seconds after its end.
CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=1
MinJobAge=600
ReturnToService=2
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=20000 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def missing():
    """Return the reason why Slurm cannot run here, or None."""
    if os.geteuid() != 0:
        return "starting a Slurm needs root"
    absent = [program for program in PROGRAMS if not shutil.which(program, path=PATH)]
    if absent:
        return (
            f"{', '.join(absent)} missing: apt-get install --no-install-recommends slurm-wlm munge"
        )
    return None


@contextmanager
def slurm(folder):
    """Run a Slurm in a folder with a short path, because the folder contains a socket.

    Yields
    ------
    dict of str to str
        Environment variables for Slurm's commands.
    """
    folder.chmod(0o755)
    for name in ("bin", "munge", "state", "spool"):
        (folder / name).mkdir(mode=0o755)
    key = folder / "munge" / "key"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o400)
    settings = folder / "slurm.conf"
    settings.write_text(
        CONFIGURATION.format(
            host=socket.gethostname().partition(".")[0],
            folder=folder,
            cpus=os.cpu_count(),
            controller_port=_free_port(),
            node_port=_free_port(),
        )
    )
    # Snakemake removes SLURM_CONF within a job.
    srun = folder / "bin" / "srun"
    srun.write_text(f'#!/bin/sh\nSLURM_CONF={settings} exec {shutil.which("srun")} "$@"\n')
    srun.chmod(0o755)
    path = os.pathsep.join([str(srun.parent), PATH])
    environment = {**os.environ, "PATH": path, "SLURM_CONF": str(settings)}
    munge = [f"--{name}-file={folder}/munge/{name}" for name in ("key", "pid", "log", "seed")]
    with ExitStack() as daemons:
        for command in (
            ["munged", "--foreground", f"--socket={folder}/munge/socket", *munge],
            ["slurmctld", "-D"],
            ["slurmd", "-D"],
        ):
            daemons.enter_context(_daemon(command, environment, folder / f"{command[0]}.log"))
            if command[0] == "munged":
                _wait_for((folder / "munge" / "socket").exists, "munged", folder)
        _wait_for(lambda: _node_state(environment) == "idle", "node", folder)
        yield environment


@contextmanager
def _daemon(command, environment, log):
    with log.open("w") as file:
        process = subprocess.Popen(command, env=environment, stdout=file, stderr=file)
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _node_state(environment):
    command = ["sinfo", "--noheader", "--format=%T"]
    return subprocess.run(command, env=environment, capture_output=True, text=True).stdout.strip()


def _wait_for(condition, what, folder, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            logs = "".join(path.read_text() for path in sorted(folder.glob("*.log")))
            raise RuntimeError(f"{what} did not come up in {seconds} s\n{logs}")
        time.sleep(0.2)
