"""How figures look: sizes, fonts, and a colour for every word, the same in all figures.

Every axis has a family of hues of its own, within which colour-blind readers tell the words apart.
"""

import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import seaborn as sns

COLUMN, PAGE = 3.4, 6.9
"""Inches: the width of a column and of a page, at which figures are drawn and printed."""

SEED_ALPHA, BAND_ALPHA = 0.3, 0.15
"""Opacity of a single seed and of an interval."""

FAILURE = "#B00020"
"""Of what is said of runs that failed."""

GREY = "0.55"
"""For what belongs to no word."""

_COLOURS = {
    "fixed": "#444444", "learned": "#882255", "learned_global": "#CC79A7", "full": "#AA7700",
    "full_global": "#DDAA33", "low_rank": "#775500",
    "none": "#999933", "clip": "#117733", "clip_mass": "#44AA99", "tanh": "#6FB9DE",
    "score_function": "#0072B2", "reparameterised": "#CC3311", "measure_valued": "#009E73",
    "score_function baseline=mean": "#56B4E9", "mixture": "#AA4499",
    "wrong_entropy_without_squash": "#E69F00", "wrong_gradient_through_sample": "#000000",
    "wrong_density_of_clipped_value": "#8A7A00",
    "on_policy": "#2A9D8F", "replay": "#7B4FA3",
}  # fmt: skip
_FURTHER = sns.color_palette("colorblind").as_hex()

_SETTINGS: Any = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.4,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "legend.title_fontsize": 7,
    "font.family": ["DejaVu Sans"],
    "figure.constrained_layout.use": True,
    "savefig.dpi": 200,
    # Text in a PDF stays text; the same data give the same bytes.
    "pdf.fonttype": 42,
    "svg.hashsalt": "gausspg",
    "axes.formatter.use_mathtext": False,
    "axes.unicode_minus": True,
}

LABELS = {
    "train/return_mean": "return of training episodes",
    "eval/deterministic_return_mean": "return without noise",
    "policy/std_mean": "standard deviation of the noise",
    "policy/entropy": "entropy (nats)",
    "policy/saturation": "share of actions at a bound",
    "policy/condition_number": "longest by shortest axis, squared",
}
"""Metrics as an axis names them, with the unit where there is one."""


@contextmanager
def applied() -> Iterator[None]:
    """Draw and save in the house's style; also without a display."""
    with mpl.rc_context(sns.axes_style("ticks") | sns.plotting_context("paper") | _SETTINGS):
        yield


def plain(words: str) -> str:
    """Return words of the command line as a reader who does not know it reads them."""
    return words.replace("_", " ").replace("=", " ")


def colour(word: str) -> str:
    """Return the colour of a word of any axis; a new word has one too, and keeps it."""
    return _COLOURS.get(word, _FURTHER[zlib.crc32(word.encode()) % len(_FURTHER)])


def shades(names: Sequence[str]) -> dict[str, str]:
    """Return a colour per cell, in their order; equal cells have equal colours in every figure."""
    return dict(zip(names, sns.color_palette("viridis", len(names)).as_hex(), strict=True))


def label(metric: str) -> str:
    """Return what an axis of this metric is called."""
    return LABELS.get(metric, metric)


def colours(words: Sequence[str]) -> dict[str, str]:
    """Return a colour per word of one axis; values of a setting without their own get a scale."""
    found = {word: colour(word) for word in words}
    if len(set(found.values())) < len(words) or not set(words) <= _COLOURS.keys():
        found = shades(words) if len(words) > 1 else found
    return found
