"""A sweep of 40 runs of which four go wrong, each in its way; and jobs that meet no store yet.

    python tests/sweep_of_forty.py               one raises, one exits, one is killed, one finds no
                                                 memory: 36 finish, and the command again runs four
    python tests/sweep_of_forty.py --stores 10   10 times, 8 jobs at once open a store that is not
                                                 there yet: 8 recorded

Its status is other than 0 if anything else comes of it.
"""

import argparse
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from composing import SMALL, Clockwork
from gausspg.tracking import find_runs

JOBS = 40
FAILS = {7: "raise", 15: "exit", 23: "kill", 31: "memory"}
TOLD = {
    "raise": "RuntimeError: the wheels came off",
    "exit": "exited with status 3 before it returned a result",
    "kill": "killed by signal 9 (SIGKILL; out of memory?)",
    "memory": "Unable to allocate",
}
WORDS = (
    "-m", *SMALL, "learner.rollout_steps=4", "steps=160", "checkpoint_interval=80",
    "evaluation.interval=160", "evaluation.episodes=1", "evaluation.final_episodes=1",
    "video.frames=0", "env=any", "env.id=sweep_of_forty:Doomed-v0", "sweep_name=forty",
    "env.rebuild_at_reset=false", f"+env.kwargs.number=range({JOBS})",
)  # fmt: skip
# Where a run notes that it has failed; it does so once.
VARIABLE = "GAUSSPG_TEST_FAILED"


class Doomed(Clockwork):
    """Clockwork that fails in its 20th step if its number says so, and has not failed before."""

    def __init__(self, number: int, render_mode: str | None = None) -> None:
        super().__init__(render_mode=render_mode)
        self._how, self._steps = FAILS.get(number), 0

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict]:
        self._steps += 1
        if self._how is not None and self._steps == 20:
            note = Path(os.environ[VARIABLE]) / self._how
            if not note.exists():
                note.touch()
                self._fail()
        return super().step(action)

    def _fail(self) -> None:
        match self._how:
            case "raise":
                raise RuntimeError("the wheels came off")
            case "exit":
                os._exit(3)
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "memory":
                np.ones(2**50)


gym.register("Doomed-v0", Doomed)


def forty(root: Path) -> list[str]:
    """Run the sweep and the same command again; return what came out otherwise than it should."""
    from interruption import Root

    kept, notes, found = Root(root, anew=True), root / "notes", []
    notes.mkdir()
    os.environ[VARIABLE] = str(notes)
    first = kept.command(*WORDS)
    status = first.start().wait()
    print(f"first: status {status}, {_counts(kept.uri)}", flush=True)
    if status != 1:
        found.append(f"status {status} of the first command: {first.err}")
    # As it is recorded: the printed one cuts long lines.
    (table,) = (root / "runs").glob("*-forty/summary.csv")
    runs = find_runs(kept.uri).set_index("param.env.kwargs.number")
    if (runs["status"] == "FINISHED").sum() != JOBS - len(FAILS):
        found.append("not 36 finished")
    for number, how in FAILS.items():
        error = str(runs.loc[str(number), "error"])
        print(f"  {how}: {runs.loc[str(number), 'status']}, {error}")
        if TOLD[how] not in error or TOLD[how] not in table.read_text():
            found.append(f"{how} is told as {error}")
    before = _ended(kept)
    again = kept.command(*WORDS)
    status = again.start().wait()
    ran = _ended(kept).items() - before.items()
    print(f"again: status {status}, {_counts(kept.uri)}, {len(ran)} ran")
    if status != 0 or len(ran) != len(FAILS) or _counts(kept.uri) != {"FINISHED": JOBS}:
        found.append(f"again: status {status}, {len(ran)} ran: {again.err}")
    return found


def _counts(uri: str) -> dict[str, int]:
    return {str(k): int(n) for k, n in find_runs(uri)["status"].value_counts().items()}


def _ended(root: Any) -> dict[str, float]:
    """Return when each run's record was last written."""
    return {
        path.parent.name: path.stat().st_mtime
        for path in (root.folder / "runs").glob("*-forty/*/status.json")
    }


def meet_no_store(root: Path) -> int:
    """Let 8 jobs open a store that is not there; return how many are recorded as finished."""
    import job_targets
    from gausspg.sweeps.jobs import Job, run_jobs
    from gausspg.sweeps.preload import TRACKING

    jobs = [Job(index, f"run {index}", str(root)) for index in range(8)]
    run_jobs(jobs, job_targets.open_fresh_store, 8, TRACKING)
    runs = find_runs(f"sqlite:///{root / 'mlflow.db'}")
    return int((runs["status"] == "FINISHED").sum())


def main() -> int:
    """Run what is asked for, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--stores", type=int, metavar="N", help="open N stores instead")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        if arguments.stores is None:
            found = forty(Path(temporary))
            print("\n".join(found) or "as it should be")
            return int(bool(found))
        recorded = []
        for turn in range(arguments.stores):
            recorded.append(meet_no_store(Path(temporary) / str(turn)))
            print(f"{turn}: {recorded[-1]} of 8 recorded", flush=True)
        print(f"{recorded.count(8)} of {len(recorded)} times all 8")
        return int(recorded.count(8) < len(recorded))


if __name__ == "__main__":
    sys.exit(main())
