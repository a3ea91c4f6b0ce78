"""Both estimators and quadrature over u give one gradient, for every variance mode and squash.

The action's value is a smooth function of the action that is sent. A sample is the gradient of a
batch in all parameters of the policy, so that there is a standard error for each of them.
"""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch.distributions import MultivariateNormal

from one_sample import randn

STATES, ACTIONS, BATCHES = 3, 128, 60


@pytest.fixture
def states(observations):
    return observations[:STATES].double()


@pytest.fixture
def policy(make_policy, pair):
    """A policy whose actions reach the bounds, with a std that depends on the state if it can."""
    policy = make_policy(*pair, dims=2, hidden=(4,)).double()
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.add_(torch.linspace(-0.4, 0.5, parameter.numel()).view_as(parameter))
    return policy


def _value(actions):
    """Q(s, a) of actions `[..., states, 2]`."""
    goal = torch.tensor([[0.9, -0.4], [-0.6, 0.2], [0.1, 1.4]], dtype=torch.float64)
    first, second = (actions - goal).unbind(-1)
    return torch.sin(1.5 * first + 0.5) - 0.6 * second.square() + 0.8 * first * second


def _flat(gradients):
    return torch.cat([gradient.flatten() for gradient in gradients])


def _gradient(policy, surrogate):
    return _flat(torch.autograd.grad(surrogate.mean(), list(policy.parameters())))


def _by_quadrature(policy, states):
    """Gradient of the mean value, from the Gaussian's density on a grid of u that stands still.

    Gauss and Legendre's rule between the lines on which a clip bends.
    """
    nodes, weights = np.polynomial.legendre.leggauss(24)
    edges = (-12.0, -6.0, -3.0, -1.0, 1.0, 3.0, 6.0, 12.0)
    line = np.concatenate([(a + b) / 2 + (b - a) / 2 * nodes for a, b in pairwise(edges)])
    measure = np.concatenate([(b - a) / 2 * weights for a, b in pairwise(edges)])
    grid = torch.cartesian_prod(*(torch.from_numpy(line),) * 2).unsqueeze(1)
    area = torch.from_numpy(np.outer(measure, measure).ravel()).unsqueeze(-1)
    distribution = policy(states)
    zero, unit = torch.zeros(STATES, 2).double(), torch.eye(2).double()
    columns = [distribution.normal.transform(zero + e) - distribution.mode() for e in unit]
    peer = MultivariateNormal(distribution.mode(), scale_tril=torch.stack(columns, -1))
    mass = peer.log_prob(grid).exp() * area
    torch.testing.assert_close(mass.sum(0), torch.ones(STATES).double(), rtol=0.0, atol=1e-6)
    values = _value(policy.squash.action(grid).expand(-1, STATES, -1))
    return _gradient(policy, (mass * values).sum(0))


def test_both_estimators_have_the_gradient_of_the_mean_value(policy, states, fresh, in_se):
    truth = _by_quadrature(policy, states)
    samples = {}
    for name in ("reparameterised", "leave_one_out"):
        estimator = fresh(ACTIONS)[name]
        gradients = []
        for seed in range(BATCHES):
            noise = randn(ACTIONS, STATES, 2, seed=seed)
            surrogate = estimator.at_fresh_actions(policy(states), noise, _value)
            gradients.append(_gradient(policy, surrogate))
        samples[name] = torch.stack(gradients)
        assert in_se(samples[name], truth) < 4.5
        # Every tensor of parameters is told apart from one without a gradient.
        sizes = [parameter.numel() for parameter in policy.parameters()]
        assert min(in_se(part, 0.0) for part in samples[name].split(sizes, -1)) > 10.0
    # From the same noise: the difference is a mean of zero with a spread of its own.
    assert in_se(samples["reparameterised"] - samples["leave_one_out"], 0.0) < 4.5
