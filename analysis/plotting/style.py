"""How figures look: sizes, fonts, and a colour for every word, the same in all figures.

The colours are those of Okabe and Ito (2008), told apart by colour-blind readers too. Words of one
axis never share a colour; words of two axes may, as no figure has both in one legend.
"""

import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_hex

COLUMN, PAGE = 3.4, 6.9
"""Inches: the width of a column and of a page, at which figures are drawn and printed."""

SEED_ALPHA, BAND_ALPHA = 0.3, 0.15
"""Opacity of a single seed and of an interval."""

GREY = "0.55"
"""For what belongs to no word."""

_PALETTE = ("#0072B2", "#D55E00", "#009E73", "#E69F00", "#56B4E9", "#CC79A7", "#000000", "#8A7A00")
_WORDS = {
    "fixed": 0, "learned": 1, "full": 2, "learned_global": 3, "full_global": 4,
    "none": 6, "clip": 3, "clip_mass": 5, "tanh": 0,
    "score_function": 0, "reparameterised": 1, "score_function baseline=mean": 4,
    "measure_valued": 2, "mixture": 5, "wrong_entropy_without_squash": 3,
    "wrong_gradient_through_sample": 6, "wrong_density_of_clipped_value": 7,
    "on_policy": 2, "replay": 5,
}  # fmt: skip

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
    "eval/final_deterministic_return_mean": "return of the last policy",
    "policy/std_mean": "std of u (units of u)",
    "policy/entropy": "entropy (nats)",
    "policy/saturation": "share of actions at a bound",
    "policy/condition_number": "condition number of the covariance",
    "policy/clip_share": "share of u that is clipped",
    "policy/approximate_kl": "KL of an iteration (nats)",
    "gradient/policy_variance": "variance of the minibatch gradient",
    "gradient/policy_signal_to_noise": "signal-to-noise ratio of the gradient",
}
"""Metrics as an axis names them, with the unit where there is one."""


@contextmanager
def applied() -> Iterator[None]:
    """Draw and save in the house's style; also without a display."""
    with mpl.rc_context(_SETTINGS):
        yield


def colour(word: str) -> str:
    """Return the colour of a word of any axis; a new word has one too, and keeps it."""
    index = _WORDS.get(word)
    return _PALETTE[zlib.crc32(word.encode()) % len(_PALETTE) if index is None else index]


def label(metric: str) -> str:
    """Return what an axis of this metric is called."""
    return LABELS.get(metric, metric)


def colours(words: Sequence[str]) -> dict[str, Any]:
    """Return a colour per word of one axis; values of a setting without their own get a scale."""
    found: dict[str, Any] = {word: colour(word) for word in words}
    if len(set(found.values())) < len(words):
        shades = colormaps["viridis"](np.linspace(0.0, 0.85, len(words)))
        found = {word: to_hex(shade) for word, shade in zip(words, shades, strict=True)}
    return found
