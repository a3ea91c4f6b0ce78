"""What does a policy do with its variance while it learns?

Over training: the spread of the latent u, the entropy, the share of actions at a bound, and how
far from round the Gaussian is. One figure per varied axis, a line per word: the mean over the cells
of the other axes and then over seeds. Read how soon a word gives up its noise and where it ends;
the thin lines, one per cell, say whether that holds in every company or is the doing of one.

An entropy is of what the squash declares the density to be, and a line never mixes two of a kind:
that of u (`none`, `clip`) and that of the action (`tanh`, `clip_mass`) have panels of their own.
"""

from collections.abc import Iterator, Sequence

from plotting import style
from plotting.curve_pooling import Panel, pooled_drawing
from plotting.drawing import Drawing
from reading.kinds import TRAININGS
from reading.study import MissingDataError, Study
from stats import curves, designs

OF = TRAININGS

STD, CONDITION = "policy/std_mean", "policy/condition_number"
ENTROPY = "policy/entropy"
METRICS = (STD, ENTROPY, "policy/saturation", CONDITION)
_OF_LATENT = ("none", "clip")
"""The squashes whose density, and so whose entropy, is that of u."""


def draw(study: Study) -> Iterator[Drawing]:
    """Yield a figure per varied axis; see the module.

    Raises:
        MissingDataError: no run has recorded any of `METRICS`.
    """
    for place, part in designs.parts(study):
        panels = list(_panels(part))
        if not panels:
            raise MissingDataError(f"no run of {part.name} has recorded {', '.join(METRICS)}")
        for name, column in curves.lines(part):
            yield pooled_drawing(
                f"policy{name}{place}", part, column, panels, *_sentences(column, panels)
            )


def _panels(study: Study) -> Iterator[Panel]:
    for metric in METRICS:
        try:
            binned = curves.binned(study, metric, logarithm=metric in (STD, CONDITION))
        except MissingDataError:
            continue
        if metric != ENTROPY:
            yield Panel(style.label(metric), metric, binned, study.runs)
            continue
        there = study.runs[binned.values.notna().any(axis="columns")]
        kinds = there["squash"].map(_entropy_of)
        for kind in sorted(kinds.unique(), key=lambda kind: (kind != "u", kind)):
            yield Panel(f"entropy of {kind} (nats)", metric, binned, there[kinds == kind])


def _entropy_of(squash: str) -> str:
    """Say what the entropy of a policy with this squash is of."""
    if squash in _OF_LATENT:
        return "u"
    return "action" if squash == "-" else f"action, {squash}"


def _sentences(column: str, panels: Sequence[Panel]) -> Iterator[str]:
    yield (
        "The policy during training; std and condition number are of u, before the squash, and "
        "their means geometric."
    )
    if column != "cell":
        yield f"Means over the cells of the other axes, then over seeds, by {column}."
    entropies = [panel for panel in panels if panel.metric == ENTROPY]
    if len(entropies) > 1:
        yield "Entropies of u and of actions are of different things: not averaged, nor comparable."
