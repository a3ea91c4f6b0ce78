"""What can be analysed: trainings of policies, measurements of estimators, studies of trainings."""

from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class Kind:
    """What runs of one sort have in common.

    Attributes:
        name: what they are, in the plural.
        axes: parameters that are words, in the order in which a cell names them.
        brought: the same in the order in which others bring them along: an estimator its learner,
            that its squash.
        score: metric without which a finished run does not count.
    """

    name: str
    axes: tuple[str, ...]
    brought: tuple[str, ...]
    score: str


TRAININGS = Kind(
    name="trainings",
    axes=("env", "policy", "variance", "squash", "estimator", "learner"),
    brought=("squash", "learner", "policy", "variance", "estimator", "env"),
    score="eval/final_deterministic_return_mean",
)
MEASUREMENTS = Kind(
    name="measurements",
    axes=("problem", "policy", "variance", "squash", "estimator"),
    brought=("policy", "squash", "variance", "estimator", "problem"),
    score="gradient/variance",
)
STUDIES = Kind(name="studies", axes=TRAININGS.axes, brought=TRAININGS.brought, score="")


def kind_of(runs: pd.DataFrame) -> Kind:
    """Tell what runs are: measurements have a problem, trainings an environment.

    Raises:
        ValueError: some are the one and some the other; one line.
    """
    measured = runs["param.problem"].notna() if "param.problem" in runs else runs["run_id"].isna()
    if measured.any() and not measured.all():
        raise ValueError(
            f"{measured.sum()} of {len(runs)} runs are measurements and the others trainings: "
            "choose some with the same name by their settings"
        )
    return MEASUREMENTS if measured.any() else TRAININGS
