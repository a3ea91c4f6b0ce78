"""`squash=clip_mass`: a = clip(u), with the true mixed density of the clipped action."""

import math

import torch
from torch import Tensor

from gausspg.policies.normal import DiagonalNormal, Normal
from gausspg.policies.squash.base import Clipping

_HALF_LOG_TWO_PI = 0.5 * math.log(2.0 * math.pi)


class ClipMass(Clipping):
    """Point masses at the bounds, the Gaussian between them (Fujita & Maeda 2018, 1802.07564).

    The log-density of one dimension is log Phi((low - mean) / std) at the lower bound,
    log Phi((mean - high) / std) at the upper one and the Gaussian's between. Its score is the
    conditional expectation of the Gaussian's given the clipped action: unbiased, never more
    variable. The entropy adds that of the masses to the differential one of the part between.

    The tail masses of a full covariance have no closed form, hence `needs_independent`.
    """

    needs_independent = True

    def log_prob(self, normal: Normal, u: Tensor) -> Tensor:
        """See `Squash`."""
        inside = _independent(normal).log_prob_per_dimension(u)
        # whiten and not 1/std: both classes of Normal stay interchangeable for the reader.
        below = torch.special.log_ndtr(normal.whiten(self.low.expand_as(u)))
        above = torch.special.log_ndtr(-normal.whiten(self.high.expand_as(u)))
        between = torch.where(u >= self.high, above, inside)
        return torch.where(u <= self.low, below, between).sum(-1)

    def entropy(self, normal: Normal) -> Tensor:
        """See `Squash`."""
        low = _independent(normal).whiten(self.low.expand_as(normal.mean))
        high = normal.whiten(self.high.expand_as(normal.mean))
        masses = _mass_entropy(low) + _mass_entropy(-high)
        # Int_low^high phi(z) (z^2 / 2 + log std + log sqrt(2 pi)) dz, with
        # Int phi(z) z^2 dz = Phi(high) - Phi(low) + low phi(low) - high phi(high).
        share = torch.special.ndtr(high) - torch.special.ndtr(low)
        edges = 0.5 * (low * _density(low) - high * _density(high))
        between = share * (0.5 + _HALF_LOG_TWO_PI + normal.log_scale) + edges
        return (masses + between).sum(-1)


def _independent(normal: Normal) -> DiagonalNormal:
    if not isinstance(normal, DiagonalNormal):
        raise TypeError("clip_mass is defined for independent latent dimensions only")
    return normal


def _mass_entropy(z: Tensor) -> Tensor:
    log_mass = torch.special.log_ndtr(z)
    return -log_mass.exp() * log_mass


def _density(z: Tensor) -> Tensor:
    return torch.exp(-0.5 * z.square() - _HALF_LOG_TWO_PI)
