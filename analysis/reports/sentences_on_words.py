"""What the numbers say of the words of an axis: which differ, and which depend on one another."""

import math
from collections.abc import Iterable, Sequence

import numpy as np

from reading.study import MissingDataError, Study
from reports.wording import counted, probability, rounded
from stats.contrasts import POWER, Contrast, contrasts, grids
from stats.designs import Grid, balanced, left_out
from stats.estimates import Array, Interval
from stats.paired import bonferroni_level, factorial_effects, seeds_needed

_PAIRS = 6  # unsettled differences of one axis that are written out
_MANY = 1000  # seeds that nobody will run


def differences(study: Study) -> list[str]:
    """Say which words of an axis differ, and which differences are not settled."""
    found = contrasts(study)
    if not found:
        return [] if len(study.cells) < 2 else ["No two words share a seed: nothing is compared."]
    told = []
    if len({one.environment for one in found}) > 1:
        told.append("Returns of different environments have no common scale and are not compared.")
    for environment, axis in dict.fromkeys((one.environment, one.axis) for one in found):
        those = [one for one in found if (one.environment, one.axis) == (environment, axis)]
        told += family(study) if axis == "estimator" else []
        told += [_settled(one) for one in those if one.settled]
        unsettled = [one for one in those if not one.settled]
        told += [_unsettled(one) for one in unsettled[:_PAIRS]]
        if len(unsettled) > _PAIRS:
            more = counted(len(unsettled) - _PAIRS, "further difference")
            told.append(f"{_where(those[0])}: not settled: {more}.")
    return [*told, _method(found)]


def _method(found: Sequence[Contrast]) -> str:
    correction = f"p is corrected by Holm for the {len(found)} comparisons of this study"
    alone = "; one seed says nothing of the spread, and a comparison of one has no interval"
    return (
        "How to read this: a number is a difference of returns of the last policy without noise, "
        "taken within each seed, a mean over the combinations of the other axes that both words "
        "have; intervals are 95% Student-t over seeds, each by itself"
        f"{alone if any(one.seeds[0] < 2 for one in found) else ''}; "
        f"{correction if len(found) > 1 else 'there is one comparison'}. Above p = 0.05 a "
        "difference is called not settled, which does not mean that there is none."
    )


def family(study: Study) -> list[str]:
    """Say so where estimators came with a learner, a critic or a budget of their own."""
    names = {"learner": "learner", "param.learner.critic": "critic", "param.steps": "steps"}
    names = {column: name for column, name in names.items() if column in study.runs}
    settings = study.runs[list(names)].fillna("-").astype(str)
    brought = {
        str(word): sorted(set(map(tuple, settings.loc[rows].to_numpy().tolist())))
        for word, rows in study.runs.groupby("estimator").groups.items()
    }
    if len(set(map(str, brought.values()))) < 2:
        return []
    described = ", ".join(
        f"{word} ran with {' or '.join(_setting(names.values(), one) for one in those)}"
        for word, those in brought.items()
    )
    return [
        f"The estimators did not differ alone: {described}. A difference between them is that of "
        "the whole family (estimator, learner, critic and budget), not of the estimator by itself."
    ]


def _setting(names: Iterable[str], values: Sequence[str]) -> str:
    told = [
        f"{int(value):,} steps" if name == "steps" else f"{name} {value}"
        for name, value in zip(names, values, strict=True)
        if value not in {"-", "None"}
    ]
    return " and ".join(told)


def _where(one: Contrast) -> str:
    return f"{one.environment}, {one.axis}" if one.environment else one.axis


def _settled(one: Contrast) -> str:
    amount, limits = _numbers(one)
    return (
        f"{_where(one)}: {one.words[0]} earns {amount} more than {one.words[1]} (95% interval "
        f"{limits}, {probability(one.adjusted)} after Holm){_coverage(one)}."
    )


def _unsettled(one: Contrast) -> str:
    better, worse = one.words
    amount, limits = _numbers(one)
    said = f"the difference between {better} and {worse} is {amount}"
    if (one.scores[0] == one.scores[1]).all():
        end = f"{better} and {worse} earn exactly the same with every seed"
    elif one.seeds[0] < 2:
        end = f"not settled: {said} with one seed, so there is no interval"
    elif math.isnan(one.difference.p_value):
        end = f"not settled: {said} with every seed, and without spread there is no test"
    else:
        alone = one.difference.low > 0.0 or one.difference.high < 0.0
        end = (
            f"not settled{' once corrected' if alone else ''}: {said} (95% interval {limits}, "
            f"{probability(one.adjusted)} after Holm); at this spread {_further(one)} would settle "
            "a difference of that size"
        )
    return f"{_where(one)}: {end}{_coverage(one)}."


def _numbers(one: Contrast) -> tuple[str, str]:
    by, low, high, _ = one.difference
    half = (high - low) / 2.0 or math.nan
    return rounded(by, half), f"{rounded(low, half)} to {rounded(high, half)}"


def _coverage(one: Contrast) -> str:
    """Say of which part of the runs a comparison is, if not of all."""
    (seeds, of_seeds), (settings, of_settings) = one.seeds, one.settings
    if (seeds, settings) == (of_seeds, of_settings):
        return ""
    parts = [
        f"{seeds} of {of_seeds} seeds" if seeds < of_seeds else "",
        f"{settings} of {of_settings} combinations of the other axes"
        if settings < of_settings
        else "",
    ]
    return f"; over {' and '.join(part for part in parts if part)}"


def _further(one: Contrast) -> str:
    level = bonferroni_level(0.95, one.comparisons)
    more = seeds_needed(float(one.difference.estimate), one.spread, POWER, level) - one.seeds[0]
    if more > _MANY:
        return f"more than {_MANY:,} further seeds"
    return f"about {counted(more, 'further seed')}"


def interactions(study: Study) -> list[str]:
    """Say which interactions stand out, and the shares of the variance between the cells."""
    told = []
    for environment, grid in grids(study):
        where = f"{environment}: " if environment else ""
        if len(grid.names) > 1:
            told += [where + one for one in _interactions(grid)]
    return told


def _interactions(grid: Grid) -> list[str]:
    try:
        whole, grid = grid, balanced(grid)
    except MissingDataError as reason:
        return [f"Interactions are not computed, as the design is not balanced: {reason}."]
    scores = grid.scores
    effects = factorial_effects(scores)
    if all(math.isnan(effect.share) for effect in effects.values()):
        return ["All cells earn the same: there is no variance between them to share out."]
    joint = [axes for axes in effects if len(axes) > 1]
    shares = ", ".join(f"{_crossed(grid, axes)} {one.share:.0%}" for axes, one in effects.items())
    missing = " ".join(["", *left_out(whole, grid)])
    told = [f"Shares of the variance between the cells, noise included: {shares}.{missing}"]
    count = sum(_distinct(scores, axes) for axes in joint)
    wide = factorial_effects(scores, bonferroni_level(0.95, count))
    outstanding = [
        _outstanding(grid, axes, wide[axes].deviations)
        for axes in joint
        if ((wide[axes].deviations.low > 0.0) | (wide[axes].deviations.high < 0.0)).any()
    ]
    return told + (
        [f"{one} (95% interval, all {count} deviations together)." for one in outstanding]
        or [
            f"No interaction stands out: none of {count} deviations from the sum of the effects of "
            "lower order has an interval without zero (95% for all together). That does not mean "
            "that there is none."
        ]
    )


def _crossed(grid: Grid, axes: Sequence[int]) -> str:
    return " x ".join(grid.names[axis] for axis in axes)


def _distinct(scores: Array, axes: Sequence[int]) -> int:
    """Count the deviations of an interaction; those of two levels are each other's negative."""
    sizes = [scores.shape[axis + 1] for axis in axes]
    return math.prod(size if size > 2 else 1 for size in sizes)


def _outstanding(grid: Grid, axes: Sequence[int], deviations: Interval[Array]) -> str:
    certain = np.maximum(deviations.low, -deviations.high)
    at = np.unravel_index(int(certain.argmax()), certain.shape)
    by, low, high = (float(numbers[at]) for numbers in deviations)
    half = (high - low) / 2.0
    words = " with ".join(grid.levels[axis][index] for axis, index in zip(axes, at, strict=True))
    more = "more" if by > 0.0 else "less"
    lowest, highest = sorted((abs(low), abs(high)))
    return (
        f"{_crossed(grid, axes)} stands out: {words} earns {rounded(abs(by), half)} {more} than "
        f"the sum of the effects of lower order, {rounded(lowest, half)} to "
        f"{rounded(highest, half)}"
    )
