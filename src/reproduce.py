"""Run a recorded run again from its record alone, and say whether it is the same.

    python src/reproduce.py RUN_ID              identical, or where it first differs and why
    python src/reproduce.py runs/.../FOLDER     a run's own folder, also one that share.py exported
    python src/reproduce.py RUN_ID --source present    with the source as it is now

If the source has changed since, the recorded commit and patch are checked out into a temporary
worktree. A patch that no run trained here has is somebody else's program: what it touches is shown,
and it runs only with --trust. The comparison is recorded with the run. Exit status: 0 identical, 1
different, 2 it could not be compared.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
os.environ.setdefault("GAUSSPG_ROOT", str(ROOT))
sys.path.insert(0, str(ROOT / "src"))

import yaml  # noqa: E402

from gausspg.records import comparison, foreign, provenance, reading  # noqa: E402
from gausspg.records.identity import environment, identify, source_hash  # noqa: E402
from gausspg.records.reading import Record, RecordError  # noqa: E402
from gausspg.tracking import (  # noqa: E402
    StoreError,
    add_text,
    current_id,
    default_uri,
    location,
    read_status,
    with_credentials,
)
from gausspg.training import checkpoints, trainer  # noqa: E402

IDENTICAL, DIFFERENT, NOT_COMPARED = 0, 1, 2


def main() -> int:
    """Read the arguments, run, compare, record; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("run", help="run id, or folder of a run")
    parser.add_argument("--store", help="URI of the tracking store; default: that of the runs")
    parser.add_argument(
        "--source", choices=["recorded", "present"],
        help="which source to run; default: the recorded one if it differs",
    )  # fmt: skip
    parser.add_argument("--trust", action="store_true", help="run the patch of somebody else")
    parser.add_argument("--anyway", action="store_true", help="also where versions differ")
    arguments = parser.parse_args()
    in_store = not Path(arguments.run).is_dir()
    try:
        uri = arguments.store or default_uri(location.runs_folder())
        record = (
            reading.from_store(uri, arguments.run)
            if in_store
            else reading.from_folder(Path(arguments.run))
        )
        _refuse_other_environment(record, arguments.anyway)
        verdict, message = _reproduce(record, arguments.source, arguments.trust)
        print(message)
        known = (uri, current_id(uri, arguments.run)) if in_store else _known(Path(arguments.run))
        if known is not None:
            content = {"verdict": message, "environment": environment(record.config)}
            add_text(*known, "reproduction.json", json.dumps(content, indent=1) + "\n")
    except (RecordError, StoreError) as error:
        print(f"error: {error}", file=sys.stderr)
        return NOT_COMPARED
    return verdict


def _known(folder: Path) -> tuple[str, str] | None:
    """Return store and id of a run that was recorded here; None if it is somebody else's."""
    if location.runs_folder() not in folder.absolute().parents:
        return None
    status = read_status(folder)
    if status.get("awaits_store"):
        return None
    return with_credentials(status["store"]), status["run_id"]


def _refuse_other_environment(record: Record, anyway: bool) -> None:
    differing = _differing(record)
    if differing and not anyway:
        raise RecordError(
            f"bits depend on what differs here: {'; '.join(differing)}; install the recorded "
            "versions, or compare --anyway"
        )


def _differing(record: Record) -> list[str]:
    before, now = record.provenance["environment"], environment(record.config)
    return [
        f"{name} {before.get(name, 'none')} -> {now.get(name, 'none')}"
        for name in sorted(before.keys() | now.keys())
        if before.get(name) != now.get(name)
    ]


def _reproduce(record: Record, choice: str | None, trusted: bool) -> tuple[int, str]:
    """Run a record again; return the exit status and what to say."""
    present = identify(record.config)
    same_source = present.source == record.identity.source
    recorded = choice == "recorded" or (choice is None and not same_source)
    if recorded:
        _show_foreign_patch(record, trusted)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with _source(record, folder / "source", recorded) as source:
            print(f"run {record.name}: {'recorded' if recorded else 'present'} source, "
                  f"{record.config['steps']:,} steps", flush=True)  # fmt: skip
            _run(record, source, folder)
        points = reading.points_in(folder / "run")
        final = checkpoints.load(folder / "run" / trainer.FINAL)
    difference = comparison.first_differing_point(record.points, points)
    difference = difference or comparison.first_differing_parameter(record.final, final)
    if difference is None:
        digest = comparison.digest(points, final)
        return IDENTICAL, f"identical: {len(points)} points and all parameters, hash {digest}"
    reasons = _differing(record)
    if not same_source and not recorded:
        reasons.append("the source is not the recorded one")
    if record.points_hash not in (None, reading.points_hash(record.points)):
        reasons.append("the recorded values, which were altered since the run ended")
    message = "; ".join(reasons) or _beyond_versions(record)
    return DIFFERENT, f"different: {difference}; what differs: {message}"


def _show_foreign_patch(record: Record, trusted: bool) -> None:
    """Say what a patch touches that was not made here.

    Raises:
        RecordError: it is not trusted.
    """
    if not record.patch or foreign.is_own(record.patch, location.runs_folder()):
        return
    touched = foreign.touched(record.patch)
    print(f"the patch of run {record.name} is of no run that was trained here; it touches")
    for file in touched:
        print(f"  {file.path}  +{file.added} -{file.removed}")
    if not trusted:
        raise RecordError(
            f"{foreign.summary(touched)} of somebody else would run here, so nothing was run: read "
            "source.patch and add --trust, or compare with --source present"
        )


def _beyond_versions(record: Record) -> str:
    message = "neither source, configuration nor versions"
    before, now = record.provenance["cpu"], provenance.cpu()
    if before != now:
        return f"{message}: the processor, recorded as {before}, is {now}"
    return f"{message}, nor the processor: the recorded values may have been altered"


@contextmanager
def _source(record: Record, folder: Path, recorded: bool) -> Iterator[Path]:
    """Give the folder of the source to run with, for as long as it is needed."""
    if not recorded:
        yield ROOT / "src"
        return
    commit = record.provenance["commit"]
    if commit is None:
        raise RecordError(
            f"run {record.name} was made outside a git repository, and the source differs since: "
            "compare with --source present"
        )
    _git("worktree", "add", "--detach", str(folder), commit)
    try:
        if record.patch:
            _git("apply", "--binary", "-", folder=folder, sent=record.patch)
        if source_hash(folder / "src" / "gausspg") != record.identity.source:
            raise RecordError(
                f"commit {commit[:12]} and the recorded patch do not give the source that run "
                f"{record.name} had, so nothing was run: the record was altered"
            )
        yield folder / "src"
    finally:
        _git("worktree", "remove", "--force", str(folder))


def _git(*arguments: str, folder: Path = ROOT, sent: bytes = b"") -> None:
    done = subprocess.run(["git", *arguments], cwd=folder, input=sent, capture_output=True)
    if done.returncode:
        message = " ".join(done.stderr.decode().split())
        raise RecordError(f"the recorded source cannot be checked out: {message}")


def _run(record: Record, source: Path, folder: Path) -> None:
    config = folder / "config.yaml"
    path = os.pathsep.join(filter(None, [str(source), os.environ.get("PYTHONPATH")]))
    config.write_text(yaml.safe_dump(dict(record.config), sort_keys=False), "utf-8")
    done = subprocess.run(
        # -P: not what lies where the user is, which may be a package of the same name.
        [sys.executable, "-P", "-m", "gausspg.records.rerun", str(config), str(folder / "run")],
        env=os.environ | {"PYTHONPATH": path}, stderr=subprocess.PIPE,
    )  # fmt: skip
    if done.returncode:
        lines = done.stderr.decode().strip().splitlines() or ["no message"]
        raise RecordError(f"it could not be run again: {lines[-1]}")


if __name__ == "__main__":
    sys.exit(main())
