"""A Slurm cluster of one node on this machine, for as long as a `with` block runs.

    python tests/slurm_cluster.py COMMAND ...      run a command while there is one

It takes root, and Debian's `slurm-wlm`. Its files lie in a temporary folder; commands find it by
`SLURM_CONF`. A job of the partition `high` takes the node from those of `low`, which are requeued.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

NEEDED = ("munged", "slurmctld", "slurmd", "sbatch", "scontrol")
CORES = 2
_SECONDS = 60.0
_CONFIGURATION = """
ClusterName=gausspg
SlurmctldHost={host}
SlurmctldPort={port}
SlurmdPort={slurmd_port}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=2
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
ReturnToService=2
KillWait=30
MpiDefault=none
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} State=UNKNOWN
PartitionName=low Nodes={host} Default=YES PriorityTier=1 PreemptMode=REQUEUE State=UP
PartitionName=high Nodes={host} PriorityTier=2 PreemptMode=OFF State=UP
"""


def missing() -> str | None:
    """Say what a cluster here would lack; None if nothing."""
    lacking = [name for name in NEEDED if shutil.which(name) is None]
    if lacking:
        return f"no {', '.join(lacking)} here"
    return None if os.geteuid() == 0 else "only root may start a cluster"


@contextmanager
def cluster() -> Iterator[Path]:
    """Start a cluster, set `SLURM_CONF`, give its folder; stop it afterwards."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="slurm-")))
        for name in ("state", "spool"):
            (folder / name).mkdir()
        path = folder / "slurm.conf"
        path.write_text(_CONFIGURATION.format(
            folder=folder, host=socket.gethostname().partition(".")[0], cores=CORES,
            port=_free_port(), slurmd_port=_free_port(),
        ))  # fmt: skip
        key = folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        before = os.environ.get("SLURM_CONF")
        os.environ["SLURM_CONF"] = str(path)
        stack.callback(_restore, before)
        munge = (
            "munged", "--foreground", "--force", f"--key-file={key}",
            *(f"--{kind}={folder}/munge.{kind.partition('-')[0]}"
              for kind in ("socket", "pid-file", "log-file", "seed-file")),
        )  # fmt: skip
        daemons = (munge, ("slurmctld", "-D"), ("slurmd", "-D"))
        for number, daemon in enumerate(daemons):
            with (folder / f"{daemon[0]}.out").open("wb") as out:
                process = subprocess.Popen(daemon, stdout=out, stderr=out)
            stack.callback(_stop, process)
            if number == 0:
                _wait_for((folder / "munge.socket").exists, folder)
        _wait_for(lambda: "idle" in output("sinfo", "--noheader", "--format=%T"), folder)
        yield folder


def output(*command: str) -> str:
    """Return what a command of Slurm prints."""
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout + done.stderr


def _restore(value: str | None) -> None:
    if value is None:
        del os.environ["SLURM_CONF"]
    else:
        os.environ["SLURM_CONF"] = value


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait_for(condition: object, folder: Path) -> None:
    assert callable(condition)
    end = time.monotonic() + _SECONDS
    while not condition():
        if time.monotonic() > end:
            logs = "\n".join(path.read_text()[-2000:] for path in folder.glob("*.[lo]*[gt]"))
            raise RuntimeError(f"no cluster after {_SECONDS:.0f} s:\n{logs}")
        time.sleep(0.2)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def main(command: Sequence[str]) -> int:
    """Run a command while there is a cluster; return its status."""
    problem = missing()
    if problem is not None:
        print(problem, file=sys.stderr)
        return 2
    with cluster():
        return subprocess.run(command).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
