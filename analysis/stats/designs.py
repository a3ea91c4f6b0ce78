"""Which runs of two sides can be compared, and the parts of a sweep that have a scale in common."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reading.sweep import Sweep


def parts(sweep: Sweep) -> Iterator[tuple[str, Sweep]]:
    """Yield the sweep of each environment with what to add to the name of its figures.

    Returns, entropies and spreads of different tasks have no common scale.
    """
    if "env" not in sweep.varied:
        yield "", sweep
        return
    varied = tuple(axis for axis in sweep.varied if axis != "env")
    for env in sorted(sweep.runs["env"].unique()):
        runs, failed, gaps = (
            _without_name(frame[frame["cell"].str.split(" ").str[0] == env], env)
            if len(frame) else frame
            for frame in (sweep.runs, sweep.failed, sweep.gaps)
        )  # fmt: skip
        yield f"_in_{env}", replace(sweep, runs=runs, failed=failed, gaps=gaps, varied=varied)


def _without_name(rows: pd.DataFrame, env: str) -> pd.DataFrame:
    return rows.assign(cell=rows["cell"].str.removeprefix(f"{env} "))


Mask = NDArray[np.bool_]


def complete_block(there: Mask) -> tuple[Mask, Mask]:
    """Tell which rows (seeds) and columns (cells) make a block without a gap.

    Where one is missing either its row or its column has to go; what keeps more is done, and if it
    is equal the column stays.
    """
    columns = np.atleast_1d(there.any(axis=0))
    rows = np.atleast_1d(there[:, columns].all(axis=1) & columns.any())
    some = np.atleast_1d(there.any(axis=1))
    whole = np.atleast_1d(there[some].all(axis=0) & some.any())
    if some.sum() * whole.sum() > rows.sum() * columns.sum():
        return some, whole
    return rows, columns
