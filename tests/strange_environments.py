"""Give each of the environments of `strange` to the command line, and see what comes of it.

    python tests/strange_environments.py             all of them, some seconds each
    python tests/strange_environments.py Text        those whose name begins so

prints one line per environment. Its status is other than 0 if one is not as expected: trained and
recorded; refused in one sentence with nothing recorded; or failed, with one line about it and the
traceback in the run's folder.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from composing import SMALL
from gausspg.tracking import read_status, run_folders
from interruption import Root
from strange import CASES, Case

WORDS = (
    *SMALL, "learner.rollout_steps=4", "learner.epochs=1", "steps=64", "checkpoint_interval=64",
    "evaluation.interval=64", "evaluation.episodes=1", "evaluation.final_episodes=1",
    "env.rebuild_at_reset=false", "video.frames=0",
)  # fmt: skip
STATUS = {"trained": 0, "failed": 1, "refused": 2}


def problems(case: Case, root: Root) -> tuple[str, list[str]]:
    """Run one; return the line that tells of it, and what is otherwise than it should be."""
    before = set(run_folders(root.folder / "runs"))
    command = root.command(*WORDS, *case.overrides, "existing=rerun")
    status = command.run()
    new = set(run_folders(root.folder / "runs")) - before
    lines = command.err.strip().splitlines() or [""]
    said = [line for line in lines if line.startswith(("note: ", "error: "))]
    found = []
    if status != STATUS[case.outcome]:
        found.append(f"status {status}")
    if "Traceback" in command.out + command.err:
        found.append("a traceback on screen")
    if sum(case.told in line for line in said or [""]) != 1:
        found.append(f"not told once: {case.told}")
    if case.outcome == "refused" and (len(lines) > 1 or new):
        found.append(f"{len(lines)} lines on stderr, {len(new)} runs recorded")
    if case.outcome != "refused":
        (folder,) = new or {root.folder}
        recorded = {"trained": "FINISHED", "failed": "FAILED"}[case.outcome]
        if read_status(folder).get("status") != recorded:
            found.append(f"recorded as {read_status(folder).get('status')}")
        if (folder / "traceback.txt").exists() != (case.outcome == "failed"):
            found.append("traceback.txt")
    if case.outcome == "failed" and not lines[-1].startswith("error: after step "):
        found.append(f"the last line is {lines[-1]}")
    return said[-1] if said else "", found


def main() -> int:
    """Run them, print, return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("name", nargs="?", default="", help="beginning of a name")
    arguments = parser.parse_args()
    table = Table("environment", "is", "", "said")
    odd = 0
    with tempfile.TemporaryDirectory() as temporary:
        root = Root(Path(temporary))
        for case in CASES:
            if case.name.startswith(arguments.name):
                told, found = problems(case, root)
                odd += bool(found)
                verdict = f"NOT as expected: {'; '.join(found)}" if found else "as expected"
                table.add_row(" ".join([case.name, *case.words]), case.outcome, verdict, Text(told))
                print(f"{case.name}: {verdict}", file=sys.stderr, flush=True)
    Console(width=200, markup=False).print(table)
    return int(odd > 0)


if __name__ == "__main__":
    sys.exit(main())
