"""`policy=beta`: a Beta distribution between the bounds of each action, bounded by itself.

Chou, Maturana and Scherer 2017, "Improving stochastic policy gradients in continuous control with
deep reinforcement learning using the Beta distribution", ICML. With x ~ Beta(a, b) on [0, 1] the
latent is u = log(x / (1 - x)) and the action centre + half_range tanh(u / 2), which is
low + (high - low) x; u keeps the digits that x loses near its ends.
"""

import math
from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor, nn

from gausspg.policies.actions import BoxActions
from gausspg.policies.base import ActionDistribution, Policy
from gausspg.policies.box import ActionBox
from gausspg.policies.nets import Activation, linear, mlp, width
from gausspg.policies.normaliser import Normaliser
from gausspg.ranges import Count, Positive

# Newton steps for the quantile and nodes of the quadrature under it: with these it is right to 1e-7
# of the width of the distribution for a and b from 1 to 5,000 and noise of up to 5.
_STEPS, _NODES = 5, 24


class Beta(ActionDistribution):
    """Independent Beta distributions, scaled to the bounds.

    Args:
        a: `[batch, action_dim]`, at least 1, so that the density is bounded and has one peak.
        b: likewise.
        box: the bounds.
    """

    def __init__(self, a: Tensor, b: Tensor, box: ActionBox) -> None:
        self.a, self.b, self._box = a, b, box

    def sample(self, noise: Tensor) -> Tensor:
        """See `ActionDistribution`: the quantile of u at Phi(noise)."""
        with torch.no_grad():
            return _quantile(self.a.double(), self.b.double(), noise.double()).to(self.a.dtype)

    def reparameterise(self, noise: Tensor) -> Tensor:
        """See `ActionDistribution`; the gradient is the implicit one.

        du/dtheta = -(dF/dtheta) / p(u), F being the distribution function of u at fixed u (Figurnov
        et al. 2018, arXiv:1805.08498, equation 5).
        """
        u, noise = self.sample(noise).double(), noise.double()
        side, a, b = _lower_side(self.a.double(), self.b.double(), noise)
        with torch.no_grad():
            density = _log_density(a, b, side * u).exp()
        tail = _tail(a, b, side * u)
        return (u - side * (tail - tail.detach()) / density).to(self.a.dtype)

    def mode(self) -> Tensor:
        """See `ActionDistribution`: the mean of the action, which exists for every a and b."""
        return self.a.log() - self.b.log()

    def action(self, u: Tensor) -> Tensor:
        """See `ActionDistribution`."""
        return self._box.inside(self._box.from_half_ranges(self.action_features(u)))

    def action_features(self, u: Tensor) -> Tensor:
        """See `ActionDistribution`: the action sent, in half-ranges from the centre."""
        return torch.tanh(0.5 * u)

    def log_prob(self, u: Tensor) -> Tensor:
        """See `ActionDistribution`: the density at the action, in the environment's units."""
        log_x, log_rest = nn.functional.logsigmoid(u), nn.functional.logsigmoid(-u)
        of_x = (self.a - 1.0) * log_x + (self.b - 1.0) * log_rest - _log_normaliser(self.a, self.b)
        return (of_x - self._log_range()).sum(-1)

    def entropy(self) -> Tensor:
        """See `ActionDistribution`: in closed form."""
        a, b = self.a, self.b
        of_x = (
            _log_normaliser(a, b)
            - (a - 1.0) * torch.digamma(a)
            - (b - 1.0) * torch.digamma(b)
            + (a + b - 2.0) * torch.digamma(a + b)
        )
        return (of_x + self._log_range()).sum(-1)

    def metrics(self, u: Tensor) -> dict[str, Tensor]:
        """See `ActionDistribution`: the std is that of the action, in half-ranges."""
        total = self.a + self.b
        std = 2.0 * (self.a * self.b / (total + 1.0)).sqrt() / total
        return {
            "std_min": std.min(),
            "std_mean": std.mean(),
            "std_max": std.max(),
            "entropy": self.entropy().mean(),
            "saturation": (self.action_features(u).abs() > 0.99).float().mean(),
        }

    def _log_range(self) -> Tensor:
        return self._box.log_half_range + math.log(2.0)


class BetaPolicy(Policy):
    """a = 1 + softplus(...), b = 1 + softplus(...) from a network with two heads.

    Args:
        hidden: widths of the hidden layers; an empty list makes the heads linear.
        activation: of the hidden layers.
        mean_gain: scale of the last layer's initial weights; 0.01 starts nearly alike in every
            state.
        initial_action_std: std of the action at initialisation, in half-ranges; below 0.577, that
            of the uniform distribution, which is a = b = 1.
        normaliser: of the observations.
        actions: the environment's; every dimension with two finite bounds.
        generator: initialises the layers.

    Raises:
        ValueError: an action without bounds, or a std that no such distribution has.
    """

    actions_type = BoxActions
    differentiable_samples = True

    def __init__(
        self,
        hidden: Sequence[Count],
        activation: Activation,
        mean_gain: Positive,
        initial_action_std: Positive,
        *,
        normaliser: Normaliser,
        actions: BoxActions,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        bounds = torch.tensor([actions.low, actions.high], dtype=torch.float64)
        self.box = ActionBox(bounds[0], bounds[1])
        self.normaliser = normaliser
        observation_dim, action_dim = len(normaliser.mean), len(actions.low)
        self.trunk = mlp(observation_dim, hidden, activation, generator)
        features = width(observation_dim, hidden)
        self.concentrations = linear(features, 2 * action_dim, mean_gain, generator)
        self._check_settings(actions, initial_action_std)
        # Of a = b = c the variance in half-ranges is 1 / (2 c + 1).
        excess = 0.5 * (initial_action_std**-2 - 1.0) - 1.0
        nn.init.constant_(self.concentrations.bias, math.log(math.expm1(excess)))
        self.latent_dim = self.feature_dim = action_dim
        self.usual_target_entropy = -float(action_dim) + float(self.box.log_half_range.sum())

    def _check_settings(self, actions: BoxActions, initial_action_std: float) -> None:
        if not bool(self.box.bounded.all()):
            raise ValueError(
                "policy=beta needs finite action bounds and the environment's are "
                f"{list(actions.low)} to {list(actions.high)}: use policy=gaussian"
            )
        if not initial_action_std < 3.0**-0.5:
            raise ValueError(
                f"policy.initial_action_std={initial_action_std} cannot be reached: a Beta "
                "distribution with one peak scatters by less than 0.577 half-ranges; give less"
            )

    def forward(self, observations: Tensor) -> Beta:
        """See `Policy`."""
        raw = self.concentrations(self.trunk(observations))
        a, b = (1.0 + nn.functional.softplus(raw)).chunk(2, dim=-1)
        return Beta(a, b, self.box)

    def draw_noise(self, generator: torch.Generator, *batch: int) -> Tensor:
        """See `Policy`: standard normal, `[*batch, action_dim]`, as a Gaussian policy's."""
        return torch.randn(*batch, self.latent_dim, generator=generator)


def _log_normaliser(a: Tensor, b: Tensor) -> Tensor:
    return torch.lgamma(a) + torch.lgamma(b) - torch.lgamma(a + b)


def _log_density(a: Tensor, b: Tensor, u: Tensor) -> Tensor:
    """Log-density of u itself: a log sigma(u) + b log sigma(-u) - log B(a, b)."""
    log_x, log_rest = nn.functional.logsigmoid(u), nn.functional.logsigmoid(-u)
    return a * log_x + b * log_rest - _log_normaliser(a, b)


def _lower_side(a: Tensor, b: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return side, a, b such that side u ~ (a, b) lies below its median for this noise.

    -u has a and b exchanged; the smaller tail is the one whose probability keeps its digits.
    """
    above = noise > 0.0
    side = torch.where(above, -1.0, 1.0).to(noise.dtype)
    return side, torch.where(above, b, a), torch.where(above, a, b)


def _tail(a: Tensor, b: Tensor, u: Tensor) -> Tensor:
    """P(U <= u) for u below the median, by Gauss-Legendre quadrature; differentiable in a and b.

    The density of u is log-concave: it falls to the left at least as fast as from its peak, where
    its width is sqrt(1/a + 1/b) and its slope tends to a.
    """
    with torch.no_grad():
        reach = 6.8 * (1.0 / a + 1.0 / b).sqrt() + 23.0 / a
    nodes, weights = _legendre()
    densities = _log_density(
        a.unsqueeze(-1), b.unsqueeze(-1), u.unsqueeze(-1) - reach.unsqueeze(-1) * nodes
    ).exp()
    return reach * (densities @ weights)


@cache
def _legendre() -> tuple[Tensor, Tensor]:
    """Nodes and weights of Gauss and Legendre on [0, 1], from the eigenvalues of their recurrence.

    Golub and Welsch 1969, "Calculation of Gauss quadrature rules".
    """
    k = torch.arange(1.0, _NODES, dtype=torch.float64)
    off_diagonal = k / (4.0 * k.square() - 1.0).sqrt()
    nodes, vectors = torch.linalg.eigh(off_diagonal.diag(1) + off_diagonal.diag(-1))
    return 0.5 * (nodes + 1.0), vectors[0].square()


def _quantile(a: Tensor, b: Tensor, noise: Tensor) -> Tensor:
    """Return the u with P(U <= u) = Phi(noise), by Newton's method on Phi^-1(P(U <= u))."""
    side, a, b = _lower_side(a, b, noise)
    target = -noise.abs()
    u = a.log() - b.log() + (1.0 / a + 1.0 / b).sqrt() * target
    for _ in range(_STEPS):
        normal = torch.special.ndtri(_tail(a, b, u).clamp(1e-300, 0.999999))
        slope = torch.exp(_log_density(a, b, u) + 0.5 * normal.square()) * math.sqrt(math.tau)
        u = u - (normal - target) / slope
    return side * u
