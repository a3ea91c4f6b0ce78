"""What a grid cannot say: random configurations that all its cells share, settings of one cell.

In a sweep file, below `hydra.sweeper`:

    random: {learner.lr: [1.0e-4, 2.0e-3]}             # drawn between these, on a logarithmic scale
    configurations: 8                                  # of them, the same for every cell
    first_seed: 1000                                   # of the first; each has a seed of its own
    cells: {variance=fixed squash=clip: learner.lr=3e-4 gamma=0.98}   # settings of that cell alone

Every cell at every one of the same points is a comparison at equal tuning; each cell tuned by
itself, at other points, is none. What a command line sets wins over both.
"""

import math
from collections.abc import Mapping, Sequence

_DIGITS = 3


class ConfigurationError(ValueError):
    """A sweep cannot be composed; the message is one line."""


def drawn(
    random: Mapping[str, Sequence[float]], configurations: int, first_seed: int
) -> list[list[str]]:
    """Return the overrides of each random configuration, its seed among them.

    The points are a scrambled Sobol sequence (Owen 1998), which fills the space more evenly than
    independent ones; equal arguments give equal points, and more configurations add to the others.

    Args:
        random: setting -> lowest and highest value, above 0.
        configurations: their number.
        first_seed: seed of the first; the others have those that follow.

    Raises:
        ConfigurationError: limits between which nothing can be drawn.
    """
    from scipy.stats import qmc

    for name, limits in random.items():
        if len(limits) != 2 or not 0.0 < limits[0] < limits[1]:
            raise ConfigurationError(
                f"hydra.sweeper.random.{name}={list(limits)}: give the lowest and the highest "
                "value, both above 0"
            )
    if configurations < 1:
        raise ConfigurationError(f"hydra.sweeper.configurations={configurations}: give at least 1")
    sobol = qmc.Sobol(len(random), rng=first_seed)
    points = sobol.random_base2(math.ceil(math.log2(configurations)))[:configurations]
    found = []
    for index, point in enumerate(points):
        values = [
            f"{name}={float(f'{low * (high / low) ** float(share):.{_DIGITS}g}')}"
            for share, (name, (low, high)) in zip(point, random.items(), strict=True)
        ]
        found.append([f"seed={first_seed + index}", *values])
    return found


def of_cell(job: Sequence[str], cells: Mapping[str, str]) -> list[str]:
    """Return the settings of the cell that a job belongs to.

    Args:
        job: its overrides.
        cells: words of a cell -> its settings, both as typed, with spaces between.

    Raises:
        ConfigurationError: there are cells, and the job belongs to none or to several of them.
    """
    fitting = [settings for words, settings in cells.items() if set(words.split()) <= set(job)]
    if cells and len(fitting) != 1:
        raise ConfigurationError(
            f"{' '.join(job)} belongs to {len(fitting)} of hydra.sweeper.cells: give each cell one "
            "line that names all its words"
        )
    return fitting[0].split() if fitting else []
