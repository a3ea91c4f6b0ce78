"""`squash=tanh`: a = centre + half_range tanh(u), with the density by change of variables."""

import math

import torch
from torch import Tensor, nn

from gausspg.policies.normal import Normal
from gausspg.policies.squash.base import Squash

# Nodes of the trapezoidal rule for expectations over a standard normal. On a smooth integrand it
# converges exponentially in the number of nodes; `Tanh.entropy` states what these reach.
_NODES, _REACH = 48, 6.0


class Tanh(Squash):
    """A bounded action with a density that knows it.

    log pi(a) = log N(u) - sum log |da/du| with log |da/du| = log half_range + log(1 - tanh(u)^2).
    u is never recovered from the action: in float32 tanh(u) is 1 from u = 9 on.
    """

    def bounded_part(self, u: Tensor) -> Tensor:
        """See `Squash`."""
        return torch.tanh(u)

    def log_prob(self, normal: Normal, u: Tensor) -> Tensor:
        """See `Squash`."""
        return normal.log_prob(u) - self.log_derivative(u).sum(-1)

    def log_derivative(self, u: Tensor) -> Tensor:
        """Log |da/du| of each dimension, the affine part included, `[..., action_dim]`."""
        return self.log_half_range + self.where_bounded(log_tanh_derivative(u), torch.zeros_like(u))

    def entropy(self, normal: Normal) -> Tensor:
        """See `Squash`: H(a) = H(u) + E[sum log |da/du|].

        The expectation needs the marginals of u only, so it holds for full covariances too. By the
        trapezoidal rule with 48 nodes its error per dimension is below 1e-5 nat for std <= 2 and
        below 1e-2 for std <= 5.
        """
        nodes = torch.linspace(
            -_REACH, _REACH, _NODES, dtype=normal.mean.dtype, device=normal.mean.device
        )
        weights = torch.softmax(-0.5 * nodes.square(), dim=0)
        u = normal.mean.unsqueeze(-1) + normal.std.unsqueeze(-1) * nodes
        return self._entropy(normal, log_tanh_derivative(u) @ weights)

    def entropy_estimate(self, normal: Normal, noise: Tensor) -> Tensor:
        """See `Squash`: the Gaussian's entropy, and E[sum log |da/du|] by the samples."""
        u = normal.transform(noise)
        # Fewer operations than log_tanh_derivative, to an absolute error of 1e-6, which is what
        # counts in a sum of expectations.
        log_derivative = 2.0 * (math.log(2.0) - u - nn.functional.softplus(-2.0 * u))
        return self._entropy(normal, log_derivative.mean(0))

    def _entropy(self, normal: Normal, expected: Tensor) -> Tensor:
        of_tanh = self.where_bounded(expected, torch.zeros_like(expected))
        return normal.base_entropy() + (self.log_half_range + of_tanh).sum(-1)


def log_tanh_derivative(u: Tensor) -> Tensor:
    """Return log(1 - tanh(u)^2), elementwise, to a relative error of about 1e-6 in float32.

    For |u| >= 1 it is 2 (log 2 - |u| - log(1 + exp(-2 |u|))); below, where those terms cancel, it
    is log1p(-tanh(u)^2), which in turn is lost where tanh(u) rounds to 1.
    """
    magnitude = u.abs()
    far = 2.0 * (math.log(2.0) - magnitude - torch.log1p(torch.exp(-2.0 * magnitude)))
    # The clamp keeps the branch not taken finite: its gradient would otherwise be NaN.
    near = torch.log1p(-torch.tanh(u.clamp(-1.0, 1.0)).square())
    return torch.where(magnitude < 1.0, near, far)
