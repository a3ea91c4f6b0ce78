"""How far the minibatch gradients of one iteration agree."""

from collections.abc import Sequence

import torch
from torch import Tensor


class GradientNoise:
    """Variance and signal-to-noise ratio of the gradients that one iteration's updates took.

    The parameters move between these gradients, a little; what that adds counts as noise.
    """

    def __init__(self) -> None:
        self._count = 0
        self._mean: Tensor | None = None
        # Summed squared distance to the mean, by Welford's update: no difference of large numbers.
        self._scatter = 0.0

    def add(self, grads: Sequence[Tensor]) -> None:
        """Take in one gradient, before it is clipped."""
        flat = torch.cat([grad.flatten() for grad in grads])
        self._count += 1
        if self._mean is None:
            self._mean = flat
            return
        from_old = flat - self._mean
        self._mean.add_(from_old, alpha=1.0 / self._count)
        # The distance to the new mean is that to the old one, less its share in the move.
        self._scatter += float(torch.dot(from_old, from_old)) * (1.0 - 1.0 / self._count)

    def metrics(self) -> dict[str, float]:
        """Return the metrics by full name; empty with fewer than two gradients, or if all agree.

        `gradient/policy_variance` is the trace V of the gradients' covariance, and
        `gradient/policy_signal_to_noise` is |E g|^2 / V (Roberts and Tedrake 2009, "Signal-to-noise
        ratio analysis of policy gradient algorithms"), both unbiased up to the ratio: the second
        can be negative where there is little signal.
        """
        if self._count < 2 or self._mean is None or self._scatter <= 0.0:
            return {}
        variance = self._scatter / (self._count - 1)
        signal = float(torch.dot(self._mean, self._mean)) - variance / self._count
        return {
            "gradient/policy_variance": variance,
            "gradient/policy_signal_to_noise": signal / variance,
        }
