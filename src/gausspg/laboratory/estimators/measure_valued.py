"""`estimator=measure_valued`: the difference of two expectations, coupled, for the Gaussian."""

import math

import torch
from torch import Tensor

from gausspg.estimators.base import ActionValue
from gausspg.laboratory.estimators.base import LaboratoryEstimator
from gausspg.policies.base import ActionDistribution
from gausspg.policies.gaussian import SquashedNormal


class MeasureValued(LaboratoryEstimator):
    """Measure-valued derivatives (Mohamed et al. 2020, arXiv:1906.10652, section 6 and table 1).

    With every other dimension left as sampled, dimension i of u is put at mean + std x in turn:

        dE f / d mean_i = (E f(x = W) - E f(x = -W)) / (std_i sqrt(2 pi)),  W ~ Rayleigh(1),
        dE f / d std_i  = (E f(x = M) - E f(x = z)) / std_i,  M double-sided Maxwell, z normal.

    The two sides are coupled: they share W, and z = M U with U uniform on [0, 1] is normal. It
    needs no derivative of f and no score, but 2 values per parameter.
    """

    noises_per_action = 6

    def evaluations(self, action_dim: int, trains_std: bool) -> int:
        """See `LaboratoryEstimator`."""
        return action_dim * (4 if trains_std else 2)

    def at_fresh_actions(
        self, distribution: ActionDistribution, noise: Tensor, value: ActionValue
    ) -> Tensor:
        """See `Estimator`: the gradient means something, the value does not.

        Args:
            distribution: of a Gaussian policy with independent latent dimensions.
            noise: `[6 K, batch, action_dim]`; six numbers make W, M, U and the sampled u.
            value: see `Estimator`.

        Raises:
            ValueError: the latent dimensions are not independent.
        """
        assert isinstance(distribution, SquashedNormal), "the latent u is Gaussian"
        normal = distribution.normal
        if not distribution.independent:
            raise ValueError(
                "estimator=measure_valued changes one latent dimension at a time and those of this "
                "variance are not independent: choose a diagonal variance"
            )
        base, first, second, third, uniform, radius = noise.unflatten(0, (6, -1))
        mean, std = normal.mean.detach(), normal.std.detach()

        def values(x: Tensor) -> Tensor:
            """E f with dimension i at mean + std x, for each i: `[K, batch, action_dim]`."""
            size = mean.shape[-1]
            alone = torch.eye(size, dtype=torch.bool, device=x.device)
            # [action_dim, K, batch, action_dim]: in copy i only dimension i is x.
            moved = torch.where(alone[:, None, None], x, base)
            with torch.no_grad():
                found = value(distribution.action_features(mean + std * moved).flatten(0, 1))
            return found.unflatten(0, (size, -1)).movedim(0, -1)

        rayleigh = torch.sqrt(-2.0 * torch.special.log_ndtr(radius))
        of_mean = (values(rayleigh) - values(-rayleigh)) / (std * math.sqrt(2.0 * math.pi))
        total = (of_mean * normal.mean).sum(-1)
        if normal.log_std.requires_grad:
            length = torch.sqrt(first.square() + second.square() + third.square())
            maxwell = torch.copysign(length, first)
            inner = maxwell * torch.special.ndtr(uniform)
            # dE f / d log std is std times that in std.
            total = total + ((values(maxwell) - values(inner)) * normal.log_std).sum(-1)
        return total.mean(0)
