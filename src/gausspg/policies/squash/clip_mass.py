"""`squash=clip_mass`: a = centre + half_range clip(u, -1, 1), with its true mixed density."""

import math

import torch
from torch import Tensor

from gausspg.policies.normal import DiagonalNormal, Normal
from gausspg.policies.squash.base import Clipping

_HALF_LOG_TWO_PI = 0.5 * math.log(2.0 * math.pi)


class ClipMass(Clipping):
    """Point masses at the bounds, the Gaussian between them (Fujita & Maeda 2018, 1802.07564).

    The log-density of one dimension is log Phi((-1 - mean) / std) at the lower bound,
    log Phi((mean - 1) / std) at the upper one, and between them the Gaussian's of u less
    log half_range. Its score is the conditional expectation of the Gaussian's given the clipped
    action: unbiased, never more variable. The entropy adds that of the masses to the differential
    one of the part between.

    The tail masses of a full covariance have no closed form, hence `needs_independent`.
    """

    needs_independent = True

    def log_prob(self, normal: Normal, u: Tensor) -> Tensor:
        """See `Squash`."""
        inside = _independent(normal).log_prob_per_dimension(u) - self.log_half_range
        # whiten and not 1/std: both classes of Normal stay interchangeable for the reader.
        below = torch.special.log_ndtr(normal.whiten(u.new_tensor(-1.0).expand_as(u)))
        above = torch.special.log_ndtr(-normal.whiten(u.new_tensor(1.0).expand_as(u)))
        between = torch.where(u >= 1.0, above, inside)
        mixed = torch.where(u <= -1.0, below, between)
        return self.where_bounded(mixed, inside).sum(-1)

    def entropy(self, normal: Normal) -> Tensor:
        """See `Squash`."""
        mean, log_std = _independent(normal).mean, normal.log_std
        low = normal.whiten(mean.new_tensor(-1.0).expand_as(mean))
        high = normal.whiten(mean.new_tensor(1.0).expand_as(mean))
        masses = _mass_entropy(low) + _mass_entropy(-high)
        # Int_low^high phi(z) (z^2 / 2 + log std + log sqrt(2 pi)) dz, with
        # Int phi(z) z^2 dz = Phi(high) - Phi(low) + low phi(low) - high phi(high).
        share = torch.special.ndtr(high) - torch.special.ndtr(low)
        edges = 0.5 * (low * _density(low) - high * _density(high))
        log_unit = _HALF_LOG_TWO_PI + log_std + self.log_half_range
        between = share * (0.5 + log_unit) + edges
        return self.where_bounded(masses + between, (0.5 + log_unit).expand_as(mean)).sum(-1)


def _independent(normal: Normal) -> DiagonalNormal:
    if not isinstance(normal, DiagonalNormal):
        raise TypeError("clip_mass is defined for independent latent dimensions only")
    return normal


def _mass_entropy(z: Tensor) -> Tensor:
    log_mass = torch.special.log_ndtr(z)
    return -log_mass.exp() * log_mass


def _density(z: Tensor) -> Tensor:
    return torch.exp(-0.5 * z.square() - _HALF_LOG_TWO_PI)
