"""Take a real MLflow server away from a run, bring it back, and look for what got lost.

    python tests/outage.py --repetitions 5

trains beside a server on loopback that stays, that is killed in the middle and started again, that
is killed and comes back after the run, and that comes only after the run; `sync.py` sends what is
unsent. The status is other than 0 if a store lacks or doubles a point or has another status. Wall
times are of the runs themselves, from their start to their last record; the environment sleeps for
most of them, so that a busy machine does not decide them. Turns alternate, ratios are of medians.
"""

import argparse
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from collections import Counter
from contextlib import closing
from pathlib import Path

from cli import ROOT, Command, environment_for, eventually
from composing import SMALL
from gausspg.tracking import (
    artifact_file,
    find_runs,
    in_table,
    metric_history,
    read_metrics,
    read_status,
)
from gausspg.tracking.termination import terminate_as_exception

STEPS = 2400
WORDS = (
    *SMALL, "learner.rollout_steps=4", f"steps={STEPS}", f"checkpoint_interval={STEPS}",
    f"evaluation.interval={STEPS}", "evaluation.episodes=1", "evaluation.final_episodes=1",
    "video.frames=0", "env=any", "env.id=cli:Trouble-v0", "+env.kwargs.how=wait",
    "env.rebuild_at_reset=false",
)  # fmt: skip
KINDS = ("stays", "away in the middle", "away until after the end", "away from the start")
ARTIFACTS = ("config.yaml", "provenance.json", "final.pt", "best.pt")

# No telemetry, and no seven processes for jobs that nobody gives it.
_SPARING = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}


class Server:
    """`mlflow server` on loopback, with its store in `folder`; can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self.store = f"sqlite:///{folder / 'mlflow.db'}"
        with closing(socket.create_server(("127.0.0.1", 0))) as free:
            self._port = int(free.getsockname()[1])
        self.uri = f"http://127.0.0.1:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    sys.executable, "-m", "mlflow", "server", "--backend-store-uri", self.store,
                    "--artifacts-destination", str(self._folder / "artifacts"), "--workers", "1",
                    "--host", "127.0.0.1", "--port", str(self._port),
                ],
                stdout=log, stderr=log, start_new_session=True,
                env=os.environ | _SPARING,
            )  # fmt: skip
        assert eventually(self._answers), (self._folder / "log").read_text()

    def kill(self) -> None:
        """End it and its workers without warning."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        try:
            return bool(urllib.request.urlopen(f"{self.uri}/health", timeout=5).status == 200)
        except OSError:
            return False


def train(folder: Path, server: Server, kind: str) -> tuple[float, list[str]]:
    """Train one run during an outage, and deliver what is unsent.

    Returns:
        Seconds from the start of the run to its last record, and what is wrong in the store.
    """
    if kind == "away from the start":
        server.kill()
    uri = f"tracking.uri={server.uri}"
    command = Command(folder / "command", folder, *WORDS, uri, anew=True)
    process = command.start()
    if kind in KINDS[1:3]:
        assert eventually(lambda: _progress(folder) > 0.2)
        server.kill()
    if kind == "away in the middle":
        assert eventually(lambda: _progress(folder) > 0.4)
        server.start()
    assert process.wait() == 0, command.err
    (status,) = folder.glob("runs/*/status.json")
    seconds = status.stat().st_mtime - read_status(status.parent)["started"]
    if kind in KINDS[2:]:
        server.start()
    for _ in range(2):
        subprocess.run([sys.executable, str(ROOT / "src" / "sync.py")], check=True,
                       env=environment_for(folder), stdout=subprocess.DEVNULL)  # fmt: skip
    return seconds, wrong(status.parent, server)


def _progress(folder: Path) -> float:
    found = [read_metrics(path.parent) for path in folder.glob("runs/*/metrics.jsonl")]
    return found[0][-1][0] / STEPS if found and found[0] else 0.0


def wrong(folder: Path, server: Server) -> list[str]:
    """Return in what the store differs from the folder of a run."""
    run_id, found = read_status(folder)["run_id"], []
    history = metric_history(server.store, [run_id], None)
    stored = Counter(zip(history["step"], history["metric"].astype(str), strict=True))
    expected = Counter(
        (step, name) for step, line in read_metrics(folder) for name in line if not in_table(name)
    )
    if stored != expected:
        lost, doubled = expected - stored, stored - expected
        found.append(f"{lost.total()} points lost, {doubled.total()} doubled")
    runs = find_runs(server.store)
    if list(runs["run_id"]).count(run_id) != 1 or len(runs) != len(set(runs["run_id"])):
        found.append("not one run")
    if set(runs["status"]) != {"FINISHED"}:
        found.append("status")
    found += [
        name for name in ARTIFACTS
        if artifact_file(server.uri, run_id, name).read_bytes() != (folder / name).read_bytes()
    ]  # fmt: skip
    return found


def main() -> int:
    """Train, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS, metavar="KIND")
    arguments = parser.parse_args()
    seconds: dict[str, list[float]] = {kind: [] for kind in arguments.kinds}
    failed = 0
    with terminate_as_exception(), tempfile.TemporaryDirectory() as temporary:
        server = Server(Path(temporary) / "server")
        try:
            server.start()
            for turn in range(arguments.repetitions):
                for kind in arguments.kinds:
                    folder = Path(temporary) / "run"
                    took, found = train(folder, server, kind)
                    seconds[kind].append(took)
                    failed += bool(found)
                    print(f"{turn} {kind}: {took:.2f} s, {', '.join(found) or 'all there, once'}",
                          flush=True)  # fmt: skip
                    shutil.rmtree(folder)
        finally:
            server.kill()
    usual = statistics.median(seconds[arguments.kinds[0]])
    for kind, taken in seconds.items():
        grown = statistics.median(taken) / usual - 1
        print(f"{kind}: median {statistics.median(taken):.2f} s, {100 * grown:+.1f}%")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
