"""`squash=clip`: a = centre + half_range clip(u, -1, 1), with the density of u."""

from gausspg.policies.squash.base import Clipping, LatentDensity


class Clip(Clipping, LatentDensity):
    """The standard practice.

    The clip counts as part of the environment: the score function of u is unbiased for the return
    that the clipped action earns. Putting the clipped value into the Gaussian density is not.
    """
