"""Kill runs without warning at random moments, start them again, and compare with those left alone.

    python tests/interruption.py --kills 30

prints one line per kill and ends with a status other than 0 if a run did not come out bit for bit
as the one that was never killed, or if its record lacks or doubles a point.
"""

import argparse
import importlib.util
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import warm
from cli import Command
from composing import SMALL, equal
from gausspg.tracking import (
    StoreError,
    artifact_file,
    find_runs,
    in_table,
    metric_history,
    read_metrics,
    read_status,
)
from gausspg.training import checkpoints

SHORT = (
    *SMALL, "learner.rollout_steps=4", "steps=1600", "checkpoint_interval=160",
    "evaluation.interval=400", "evaluation.episodes=1", "evaluation.final_episodes=2",
    "video.frames=0", "env=pendulum",
    # Of 200 an evaluation takes as long as the training.
    "+env.kwargs.max_episode_steps=20",
)  # fmt: skip
KINDS = {
    "on_policy": (*SHORT, "learner.epochs=2"),
    "replay": (*SHORT, "learner=replay", "learner.warmup_steps=8", "learner.minibatch_rows=8"),
}
if importlib.util.find_spec("envpool"):
    KINDS["envpool"] = (*SHORT, "learner.epochs=2", "env.backend=envpool")

Lines = list[tuple[int, dict[str, float]]]


def timeless(lines: Lines) -> Lines:
    """Leave out what no two runs share."""
    return [
        (step, {name: value for name, value in metrics.items() if not name.startswith("time/")})
        for step, metrics in lines
    ]


class Root:
    """A folder of runs with its store, which is empty, or `anew` has yet to be made by a command.

    Commands start anew as well, or with everything imported, see `cli.Command`.
    """

    def __init__(self, folder: Path, anew: bool = False) -> None:
        self.folder, self._anew, self._count = folder, anew, 0
        database = folder / "runs" / "mlflow.db"
        self.uri = f"sqlite:///{database}"
        if not anew:
            database.parent.mkdir(parents=True)
            shutil.copyfile(warm.empty_store(), database)

    def command(self, *words: str) -> Command:
        """Return a command, to be started, whose runs are kept here."""
        self._count += 1
        folder = self.folder / f"command{self._count}"
        return Command(folder, self.folder, *words, anew=self._anew)

    def runs(self) -> list[Path]:
        """Return the folders of the runs."""
        return sorted(path.parent for path in (self.folder / "runs").glob("*/status.json"))


def differences(one: Path, other: Path, uri: str) -> list[str]:
    """Return what tells the run in `other`, recorded in the store, from the run in `one`."""
    found = []
    mine, lines = read_metrics(one), read_metrics(other)
    if timeless(mine) != timeless(lines):
        found.append("metrics")
    for name in ("final.pt", "best.pt"):
        if not equal(checkpoints.load(one / name), checkpoints.load(other / name)):
            found.append(name)
    states = [checkpoints.load(folder / "checkpoint.pt") for folder in (one, other)]
    if not equal(*states):
        found.append("checkpoint.pt")
    if read_status(other)["status"] != "FINISHED":
        found.append("status")
    run_id = read_status(other)["run_id"]
    history = metric_history(uri, [run_id], None)
    stored = Counter(zip(history["step"], history["metric"].astype(str), strict=True))
    expected = Counter(
        (step, name) for step, metrics in lines for name in metrics if not in_table(name)
    )
    if stored != expected:
        found.append(f"{len(stored - expected)} points doubled, {len(expected - stored)} lost")
    for name in ("config.yaml", "provenance.json", "final.pt"):
        try:
            if artifact_file(uri, run_id, name).read_bytes() != (other / name).read_bytes():
                found.append(f"{name} in the store")
        except StoreError:
            found.append(f"no {name} in the store")
    if list(find_runs(uri)["status"]) != ["FINISHED"]:
        found.append("runs in the store")
    return found


def kill_and_go_on(root: Root, words: tuple[str, ...], moment: float) -> tuple[float, str]:
    """Kill a run `moment` seconds after its first record, and give the same command again.

    Returns:
        Seconds after which it was killed, and what the second command said.
    """
    command = root.command(*words)
    process = command.start()
    begin = time.monotonic()
    while process.poll() is None and not any(
        (folder / "metrics.jsonl").exists() for folder in root.runs()
    ):
        time.sleep(0.01)
    time.sleep(moment)
    if process.poll() is None:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    lasted = time.monotonic() - begin
    # The run may have ended while its process had still to say so; given again, a single run that
    # has finished trains once more.
    ended = [read_status(folder)["status"] == "FINISHED" for folder in root.runs()]
    again = root.command(*words, *(("existing=skip",) if any(ended) else ()))
    if again.run() != 0:
        return lasted, f"failed: {again.err.strip()}"
    return lasted, again.out


def main() -> int:
    """Kill, go on, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    failed = 0
    with tempfile.TemporaryDirectory() as temporary:
        whole: dict[str, tuple[Path, float]] = {}
        for kind, words in KINDS.items():
            root = Root(Path(temporary) / kind, anew=True)
            root.command(*words).run()
            (folder,) = root.runs()
            status = read_status(folder)
            whole[kind] = folder, status["ended"] - status["started"]
        for number in range(arguments.kills):
            kind = list(KINDS)[number % len(KINDS)]
            folder, seconds = whole[kind]
            root = Root(Path(temporary) / f"{kind}{number}", anew=True)
            lasted, said = kill_and_go_on(root, KINDS[kind], chance.uniform(0.0, seconds))
            found = differences(folder, root.runs()[0], root.uri)
            failed += bool(found)
            resumed = "resumed" if "go on" in said else "had ended"
            print(f"{number} {kind} killed after {lasted:.2f} s, {resumed}: "
                  f"{', '.join(found) or 'identical'}", flush=True)  # fmt: skip
            shutil.rmtree(root.folder)
    print(f"{arguments.kills - failed} of {arguments.kills} identical")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
