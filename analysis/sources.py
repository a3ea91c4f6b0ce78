"""What the commands of the analysis have in common: where their data come from."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from gausspg.tracking import StoreError, default_uri, location
from kinds import Kind
from load import Study, load
from recorded import MANIFEST, DataError

DATA = Path(__file__).parent / "data"
FIGURES = Path(__file__).parent / "figures"


def parser(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with the arguments that name studies."""
    one_line = (description or "").strip().splitlines()[0]
    found = argparse.ArgumentParser(description=one_line)
    found.add_argument(
        "names", nargs="*", metavar="NAME",
        help="sweeps, as in sweeps/; without --store the data sets in analysis/data/, all if none "
        "is named",
    )  # fmt: skip
    found.add_argument(
        "--store", nargs="?", const="", metavar="URI",
        help="read the tracking store instead; without a URI the one runs are recorded in",
    )  # fmt: skip
    return found


def studies(arguments: argparse.Namespace, kind: Kind | None = None) -> Iterator[Study]:
    """Load what the arguments name, one after the other.

    Args:
        arguments: of `parser`.
        kind: of the runs that are wanted; None: whatever they are.

    Raises:
        DataError: there is no such thing, or it is of another kind.
    """
    for study in _named(arguments):
        if kind is None or study.kind == kind:
            yield study
        elif arguments.names:
            raise DataError(
                f"{study.name} is a sweep of {study.kind.name} and this is of {kind.name}: "
                "analysis/make_figures.py draws both"
            )


def _named(arguments: argparse.Namespace) -> Iterator[Study]:
    if arguments.store is not None:
        uri = store_uri(arguments)
        for name in arguments.names or [None]:
            study = load(uri, name)
            if Path(study.name).name != study.name:
                raise DataError(
                    f"the sweep's name {study.name!r} is no folder's: export it by hand"
                )
            yield study
        return
    there = sorted(path.parent.name for path in DATA.glob(f"*/{MANIFEST}"))
    for name in arguments.names or there:
        if name not in there:
            listed = ", ".join(there) or "none"
            raise DataError(
                f"there is no data set {name} in analysis/data; there are: {listed}; to read the "
                "tracking store add --store"
            )
        yield load(DATA / name)


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
