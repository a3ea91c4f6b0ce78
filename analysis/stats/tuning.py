"""What a cell is worth at equal tuning: all cells tried the same random configurations."""

import numpy as np
from scipy.special import comb

from stats.estimates import Array, Interval, bootstrap_interval, checked


def best_of(scores: Array) -> Array:
    """Expected best score of k configurations of those tried, for k = 1, ..., all of them.

    The mean over all subsets of k, exactly (Dodge et al. 2019, arXiv:1909.03004, draw with
    replacement instead).

    Args:
        scores: `[configurations]`, or `[resamples, configurations]`.
    """
    ordered = np.sort(scores, axis=-1)
    count = ordered.shape[-1]
    k, rank = np.arange(1, count + 1)[:, None], np.arange(count)
    # The best of k is the one of rank r if the other k - 1 are below it.
    weights = comb(rank, k - 1) / comb(count, k)
    return np.asarray(ordered @ weights.T)


def best_of_interval(scores: Array, generator: np.random.Generator) -> Interval[Array]:
    """Return `best_of` with its 95% bootstrap limits over configurations."""
    scores = checked(scores, "scores", "[configurations]", (1, 1))[:, None]
    return bootstrap_interval(
        lambda drawn: best_of(drawn[..., 0]), scores, generator=generator, resamples=2000
    )
