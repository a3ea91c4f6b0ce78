"""`squash=none`: a = centre + half_range u, whatever the bounds."""

from torch import Tensor

from gausspg.policies.squash.base import LatentDensity


class Unsquashed(LatentDensity):
    """g(u) = u. What lies beyond the bounds is left to the environment; many clip in `step`."""

    bounds_actions = False

    def bounded_part(self, u: Tensor) -> Tensor:
        """See `Squash`."""
        return u
