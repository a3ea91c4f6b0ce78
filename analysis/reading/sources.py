"""What the commands of the analysis have in common: where their data come from."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from gausspg.tracking import StoreError, default_uri, location
from reading.kinds import Kind
from reading.preregistration import FILE, SWEEPS, is_study, read_preregistration, sweeps_of
from reading.recorded import MANIFEST, DataError, Recorded, joined, read, read_several
from reading.study import Study, study_of
from reading.sweep import Sweep, load

DATA = Path(__file__).parents[1] / "data"
RESULTS = Path(__file__).parents[1] / "results"


def parser(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with the arguments that name sweeps and studies."""
    one_line = (description or "").strip().splitlines()[0]
    found = argparse.ArgumentParser(description=one_line)
    found.add_argument(
        "names", nargs="*", metavar="NAME",
        help="sweeps or studies, as in sweeps/; without --store the data sets in analysis/data/, "
        "all if none is named",
    )  # fmt: skip
    found.add_argument(
        "--store", nargs="?", const="", metavar="URI",
        help="read the tracking store instead; without a URI the one runs are recorded in",
    )  # fmt: skip
    return found


def named(arguments: argparse.Namespace, *kinds: Kind) -> Iterator[Sweep | Study]:
    """Load what the arguments name, one after the other.

    Args:
        arguments: of `parser`.
        kinds: that are wanted; none: whatever it is.

    Raises:
        DataError: there is no such thing, or it is of another kind.
    """
    for one in _named(arguments):
        if not kinds or one.kind in kinds:
            yield one
        elif arguments.names:
            wanted = " or ".join(kind.name for kind in kinds)
            raise DataError(
                f"{one.name} is of {one.kind.name} and this is of {wanted}: "
                "analysis/make_figures.py draws both"
            )


def sweeps(arguments: argparse.Namespace, kind: Kind) -> Iterator[Sweep]:
    """Load the sweeps of a kind that the arguments name, see `named`."""
    for one in named(arguments, kind):
        assert isinstance(one, Sweep)
        yield one


def _named(arguments: argparse.Namespace) -> Iterator[Sweep | Study]:
    if arguments.store is not None:
        uri = store_uri(arguments)
        for name in arguments.names or [None]:
            one = _load(uri, name)
            if Path(one.name).name != one.name:
                raise DataError(f"the sweep's name {one.name!r} is no folder's: export it by hand")
            yield one
        return
    there = sorted(path.parent.name for path in DATA.glob(f"*/{MANIFEST}"))
    for name in arguments.names or there:
        if name not in there:
            listed = ", ".join(there) or "none"
            raise DataError(
                f"there is no data set {name} in analysis/data; there are: {listed}; to read the "
                "tracking store add --store"
            )
        yield loaded(name)


def loaded(name: str) -> Sweep | Study:
    """Load a committed data set."""
    return _load(DATA / name, name if is_study(name) else None)


def _load(source: str | Path, name: str | None) -> Sweep | Study:
    if name is None or not is_study(name):
        return load(source, name)
    parts = read_several(source, sweeps_of(name))
    return study_of(parts, read_preregistration(SWEEPS / name / FILE), name)


def record(uri: str, name: str) -> Recorded:
    """Read everything recorded of a sweep, or of all sweeps of a study.

    Raises:
        DataError: there is nothing.
    """
    if not is_study(name):
        return read(uri, name)
    parts = read_several(uri, sweeps_of(name))
    if not parts:
        raise DataError(f"no run of the study {name} is recorded: run its sweeps first")
    return joined(parts, name)


def store_uri(arguments: argparse.Namespace) -> str:
    """Return the URI of the store that is read.

    Raises:
        DataError: it is none that could be.
    """
    try:
        return arguments.store or default_uri(location.runs_folder())
    except StoreError as error:
        raise DataError(str(error)) from error


def fail(error: Exception) -> NoReturn:
    """End the command with the error in one line and exit status 2."""
    print(f"error: {error}", file=sys.stderr)
    raise SystemExit(2)
