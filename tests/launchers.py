"""A sweep of 8 under any launcher, of which one raises, one exits and one is killed.

    python tests/launchers.py processes joblib ray_no_retry submitit_local
    python tests/slurm_cluster.py python tests/launchers.py submitit_slurm preempted

5 finish and 3 are told apart, one line each; the exit status is 1; the same command again runs
these 3 and ends with 0. Imported by the jobs as `env.id=launchers:Doomed-v0`.
"""

import csv
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import gymnasium as gym
import numpy as np
import pandas as pd

from cli import Command, eventually
from composing import SMALL, Clockwork
from gausspg.tracking import default_uri, find_runs, read_metrics, read_status

JOBS = 8
LONGEST = 1200.0  # seconds of a sweep; some launchers import everything anew for each job
ERRORS = {
    1: (
        "raise", "FAILED",
        "EnvironmentFailedError: after step 64: launchers:Doomed-v0 raised RuntimeError: the "
        "wheels came off in step 5 of an episode; the run stops, the state of step 0 is kept in "
        "checkpoint.pt",
    ),
    3: ("exit", "FAILED", "exited with status 3 before it returned a result"),
    5: ("kill", "KILLED", "killed by signal 9 (SIGKILL; out of memory?)"),
}  # fmt: skip
WORDS = (
    "-m", *SMALL, "learner.rollout_steps=4", "steps=160", "checkpoint_interval=80",
    "evaluation.interval=160", "evaluation.episodes=1", "evaluation.final_episodes=1",
    "video.frames=0", "env=any", "env.id=launchers:Doomed-v0", "env.rebuild_at_reset=false",
    f"+env.kwargs.number=range({JOBS})", "sweep_name=eight",
)  # fmt: skip
STATUSES = {"FINISHED", "FAILED", "KILLED", "NOT_STARTED"}
OF_LAUNCHER = {
    "processes": (),
    "joblib": ("hydra.launcher.n_jobs=2",),
    "ray_no_retry": ("+hydra.launcher.ray.init.num_cpus=2",),
    "submitit_local": ("hydra.launcher.timeout_min=5", "hydra.sweeper.max_batch_size=4"),
    "submitit_slurm": ("hydra.launcher.timeout_min=5", "hydra.launcher.cpus_per_task=1"),
}


class Doomed(Clockwork):
    """Clockwork that fails in its 20th step if its number says so, the first time it gets there.

    The folder of the runs has a note for each that has failed.
    """

    def __init__(self, number: int, render_mode: str | None = None) -> None:
        super().__init__(render_mode=render_mode)
        self._how, self._steps = ERRORS.get(number, ("", "", ""))[0], 0

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict]:
        self._steps += 1
        note = Path(os.environ["GAUSSPG_ROOT"]) / f"{self._how}.failed"
        if self._how and self._steps == 20 and not note.exists():
            note.touch()
            self._fail()
        return super().step(action)

    def _fail(self) -> None:
        if self._how == "raise":
            raise RuntimeError("the wheels came off")
        if self._how == "exit":
            os._exit(3)
        os.kill(os.getpid(), signal.SIGKILL)


class Slow(Clockwork):
    """Clockwork of 400 steps a second, so that a run takes some seconds."""

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict]:
        time.sleep(0.0025)
        return super().step(action)


for _class in (Doomed, Slow):
    gym.register(f"{_class.__name__}-v0", _class)


def sweep_of_eight(launcher: str, folder: Path) -> list[str]:
    """Run the sweep and the same command again; return what came out otherwise than it should."""
    root, uri = folder / "root", default_uri(folder / "root" / "runs")
    words = (*WORDS, f"hydra/launcher={launcher}", *OF_LAUNCHER[launcher])
    first = Command(folder / "first", root, *words, anew=True)
    found = _compare("status of the first", first.start().wait(LONGEST), 1)
    found += _differences(uri, first.out, ERRORS)
    before = set(find_runs(uri)["run_id"])
    again = Command(folder / "again", root, *words, anew=True)
    found += _compare("status of the second", again.start().wait(LONGEST), 0)
    found += _differences(uri, again.out, {})
    said = "5 of 8 runs are finished already" in again.out
    found += _compare("5 are skipped", said, True)
    found += _compare("runs", set(find_runs(uri)["run_id"]), before)
    return found + ([first.err[-2000:], again.err[-2000:]] if found else [])


def preempted(folder: Path) -> list[str]:
    """Let a job of higher priority take the node from a running one, which is requeued.

    Return what came out otherwise than it should.
    """
    root, uri = folder / "root", default_uri(folder / "root" / "runs")
    words = (
        *SMALL, "learner.rollout_steps=4", "steps=8_000", "checkpoint_interval=400",
        "evaluation.interval=8_000", "evaluation.episodes=1", "evaluation.final_episodes=1",
        "video.frames=0", "env=any", "env.id=launchers:Slow-v0", "env.rebuild_at_reset=false",
    )  # fmt: skip
    launcher = ("hydra/launcher=submitit_slurm", "hydra.launcher.partition=low",
                "hydra.launcher.cpus_per_task=1", "hydra.launcher.timeout_min=10")  # fmt: skip
    command = Command(folder / "out", root, "-m", "seed=0", *words, *launcher, anew=True)
    process = command.start()
    metrics = "runs/*/*-s0/metrics.jsonl"
    if not eventually(lambda: any(path.stat().st_size for path in root.glob(metrics))):
        return [f"the job did not begin: {command.err}"]
    (run,) = (path.parent for path in root.glob(metrics))
    eventually(lambda: (run / "checkpoint.pt").exists())
    subprocess.run(["srun", "--partition=high", "--exclusive", "true"], check=True)
    found = _compare("status once preempted", read_status(run)["status"], "KILLED")
    # A requeued job waits for two minutes of its own accord.
    listed = ["squeue", "--noheader", "--partition=low", "--format=%i"]
    jobs = subprocess.run(listed, stdout=subprocess.PIPE, text=True)
    for job in jobs.stdout.split():
        subprocess.run(["scontrol", "update", f"JobId={job}", "StartTime=now"], check=True)
    found += _compare("status of the command", process.wait(LONGEST), 0)
    runs = find_runs(uri)
    found += _compare("runs", list(runs["status"]), ["FINISHED"])
    found += _compare("errors", [end[1] for end in _ends(runs)], [""])
    steps = [step for step, _ in read_metrics(run)]
    # The last again with the evaluation at the end.
    found += _compare("steps", steps, [*range(16, 8_001, 16), 8_000])
    return found + ([command.err[-2000:]] if found else [])


def _differences(uri: str, out: str, errors: dict[int, tuple[str, str, str]]) -> list[str]:
    """Compare runs, parent, plan and table of the latest sweep with what they should be."""
    runs = find_runs(uri)
    ends = dict(zip(runs["param.env.kwargs.number"].astype(int), _ends(runs), strict=True))
    expected = {n: errors[n][1:] if n in errors else ("FINISHED", "") for n in range(JOBS)}
    found = _compare("runs", ends, expected)
    folder = max((Path(uri.removeprefix("sqlite:///")).parent).glob("*-eight"))
    plan = json.loads((folder / "plan.json").read_text())
    found += _compare("plan", [job["env.kwargs.number"] for job in plan], list(range(JOBS)))
    rows = pd.DataFrame(csv.DictReader((folder / "summary.csv").read_text().splitlines()))
    found += _compare("summary", dict(enumerate(_ends(rows))), expected)
    shown = {
        int(words[0]): next(word for word in words if word in STATUSES)
        for words in map(str.split, out.splitlines())
        if len(words) > 5 and words[0].isdigit() and STATUSES.intersection(words)
    }
    return found + _compare("table", shown, {n: end[0] for n, end in expected.items()})


def _ends(runs: pd.DataFrame) -> list[tuple[str, str]]:
    errors = runs["error"].fillna("") if "error" in runs else [""] * len(runs)
    return list(zip(runs["status"], errors, strict=True))


def _compare(name: str, found: object, expected: object) -> list[str]:
    return [] if found == expected else [f"{name}: {found}, expected {expected}"]


def main() -> int:
    """Try the launchers that are named, print one line each."""
    failed = 0
    for launcher in sys.argv[1:]:
        with tempfile.TemporaryDirectory() as folder:
            if launcher == "preempted":
                found = preempted(Path(folder))
            else:
                found = sweep_of_eight(launcher, Path(folder))
        failed += bool(found)
        print(f"{launcher}: " + ("\n  ".join(found) or "as it should be"), flush=True)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
