"""Measurements of gradient estimators as one tidy frame, a row each."""

from collections.abc import Sequence

import pandas as pd

from reading.sweep import MissingDataError, Sweep

WRONG = "wrong_"
"""What the words of estimators begin with that are wrong on purpose."""


def frame(sweep: Sweep) -> pd.DataFrame:
    """Return the measurements of a sweep, in the order of their lines.

    Returns:
        `run_id, cell, seed`, the words of the axes, `line` (the estimator and what else is not a
        number and tells cells apart, as on the command line), and under their own names settings
        ("problem.k"; numbers where all are) and metrics ("gradient/variance").
    """
    settings = sweep.runs.filter(like="param.").rename(columns=lambda name: name[len("param.") :])
    settings = settings.drop(columns=[*sweep.kind.axes, "seed"], errors="ignore")
    metrics = sweep.runs.filter(like="metric.").rename(columns=lambda name: name[len("metric.") :])
    known = sweep.runs[["run_id", "cell", "seed", *sweep.kind.axes]]
    table = pd.concat([known, settings.apply(_numbers), metrics], axis=1)
    lines = table["estimator"].astype(str)
    for name in sweep.others:
        if not pd.api.types.is_numeric_dtype(table[name]):
            said = table[name].astype(str).map(f" {name}={{}}".format)
            lines = lines + said.where(~table[name].isin(["None", ""]), "")
    return table.assign(line=lines).sort_values(["line", "cell", "seed"], ignore_index=True)


def scanned(sweep: Sweep, name: str, problems: Sequence[str] | None = None) -> pd.DataFrame:
    """Return the frame of the problems along which a number was scanned.

    Args:
        sweep: of measurements.
        name: of the setting.
        problems: those that are wanted; None: any.

    Raises:
        MissingDataError: it was not.
    """
    table = frame(sweep)
    if problems is not None:
        table = table[table["problem"].isin(problems)]
    if name in table:
        places = table.groupby(["problem", "line"])[name].nunique()
        table = table[table["problem"].isin(places.index[places > 1].unique("problem"))]
    if name not in table or table.empty:
        of = "" if problems is None else f" of {', '.join(problems)}"
        raise MissingDataError(f"no measurements{of} differ in {name}")
    return table.reset_index(drop=True)


def _numbers(column: "pd.Series[str]") -> "pd.Series[float] | pd.Series[str]":
    # What one problem lacks is still a number for the others.
    numbers = pd.to_numeric(column, errors="coerce")
    return numbers if numbers.notna().sum() == column.notna().sum() else column.fillna("")
