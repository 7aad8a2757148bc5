"""A Slurm of one node on this machine, with its own folder, keys and ports, for one test."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

# There is no accounting database: `sacct`, by which submitit learns of a job's end, is answered
# from the controller's memory.
SACCT = """#!{python}
import re, subprocess, sys
ids = [sys.argv[i + 1] for i, word in enumerate(sys.argv) if word == "-j"]
print("JobID|State|NodeList")
for number in ids:
    shown = subprocess.run(["scontrol", "show", "job", number, "-o"], stdout=-1, text=True)
    for line in shown.stdout.splitlines():
        field = dict(re.findall(r"(\\w+)=(\\S*)", line))
        task = field.get("ArrayTaskId")
        name = field["JobId"] if task is None else "%s_%s" % (
            field["ArrayJobId"], task if task.isdecimal() else "[%s]" % task)
        print("|".join([name, field["JobState"], field.get("NodeList", "")]))
"""

# cred_expire: a requeued job waits until its old credential has run out.
CONF = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
KillWait=10
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=test Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> str | None:
    """Say why no Slurm can be started here, or None."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return "Slurm's daemons need root"
    for program in ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol"):
        if _find(program) is None:
            return f"{program} is not installed (Debian: slurm-wlm, munge)"
    return None


@contextmanager
def one_node_slurm(folder: Path) -> Iterator[dict[str, str]]:
    """Run a Slurm in `folder`; yield the environment in which its commands find it."""
    for name in ("bin", "state", "spool"):
        (folder / name).mkdir(parents=True)
    key = folder / "munge.key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    folder.chmod(0o755)
    sacct = folder / "bin" / "sacct"
    sacct.write_text(SACCT.format(python=sys.executable))
    sacct.chmod(0o755)
    conf = folder / "slurm.conf"
    controller_port, node_port = _free_ports(2)
    conf.write_text(
        CONF.format(
            host=socket.gethostname().partition(".")[0],
            folder=folder,
            controller_port=controller_port,
            node_port=node_port,
            cpus=os.cpu_count(),
        )
    )
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}{os.pathsep}/usr/sbin"
    environment = {**os.environ, "SLURM_CONF": str(conf), "PATH": path}
    munged = [
        *("munged", "--foreground", "--force", f"--key-file={key}"),
        *(f"--socket={folder}/munge.socket", f"--pid-file={folder}/munged.pid"),
        *(f"--log-file={folder}/munged.log", f"--seed-file={folder}/munged.seed"),
    ]
    with ExitStack() as daemons:
        for daemon in (munged, ["slurmctld", "-D", "-f", str(conf)], ["slurmd", "-D"]):
            daemons.enter_context(_running(daemon, environment, folder))
            time.sleep(1)
        deadline = time.monotonic() + 60
        shown = ""
        while "idle" not in shown:
            if time.monotonic() > deadline:
                raise TimeoutError(f"Slurm's node is not idle but {shown!r}; see {folder}")
            time.sleep(0.5)
            shown = slurm(environment, "sinfo", "-h", "-o", "%T")
        yield {name: environment[name] for name in ("SLURM_CONF", "PATH")}
        slurm(environment, "scancel", "--user=root")


def slurm(environment: dict[str, str], *words: str) -> str:
    """Return what one of Slurm's commands prints."""
    whole = {**os.environ, **environment}
    return subprocess.run(words, env=whole, capture_output=True, text=True, check=False).stdout


@contextmanager
def _running(command: list[str], environment: dict[str, str], folder: Path) -> Iterator[None]:
    program = _find(command[0])
    assert program is not None
    with (folder / f"{command[0]}.out").open("w") as out:
        process = subprocess.Popen(
            [program, *command[1:]], env=environment, stdout=out, stderr=subprocess.STDOUT
        )
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _find(program: str) -> str | None:
    return shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")


def _free_ports(number: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
