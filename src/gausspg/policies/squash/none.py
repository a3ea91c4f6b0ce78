"""`squash=none`: the latent u is sent to the environment as it is."""

from torch import Tensor

from gausspg.policies.squash.base import LatentDensity


class Unsquashed(LatentDensity):
    """a = u. What lies beyond the bounds is the environment's affair; many clip inside `step`."""

    def action(self, u: Tensor) -> Tensor:
        """See `Squash`."""
        return u
