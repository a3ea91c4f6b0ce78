"""Means and variances of one sample: Mohamed et al. 2020 (arXiv:1906.10652), and a full covariance.

The cost f is minimised in the closed forms; a value of -f would only change the sign, so f itself
is the value here. With respect to log s: the mean times s, the variance times s^2.
"""

import math

import pytest
import torch

from one_sample import at_fresh, batch_of, leaves, randn, score_function, with_factor

SAMPLES = 100_000
GAUSSIANS = pytest.mark.parametrize(("d", "s"), [(1.0, 1.0), (-2.0, 0.5), (0.5, 2.0)])


def _square(d, s, constant=0.0):
    """f = x^2 + constant: f, its gradient in mean and log-std, variances by estimator."""
    # E[x^2 z^2] for z = eps, and for z = eps^2 - 1.
    with_mean, with_std = d**2 + 3 * s**2, 2 * d**2 + 10 * s**2
    plain = [
        d**4 / s**2 + 14 * d**2 + 15 * s**2 + (2 * constant * with_mean + constant**2) / s**2,
        2 * d**4 + 60 * d**2 * s**2 + 74 * s**4 + 2 * constant * with_std + 2 * constant**2,
    ]
    return (
        lambda x: x.square().squeeze(-1) + constant,
        [2 * d, 2 * s**2],
        {"plain": plain, "reparameterised": [4 * s**2, 4 * d**2 * s**2 + 8 * s**4]},
    )


def _cosine(mean, s, k):
    """f = cos(k x)."""
    a, phase = k * s, k * mean
    first, second = math.exp(-(a**2) / 2), math.exp(-2 * a**2) * math.cos(2 * phase)
    gradient = [-k * first * math.sin(phase), -k * a * first * math.cos(phase)]
    squares = {
        "plain": [
            (1 + (1 - 4 * a**2) * second) / (2 * s**2),
            (2 + (16 * a**4 - 16 * a**2 + 2) * second) / (2 * s**2),
        ],
        "reparameterised": [k**2 / 2 * (1 - second), k**2 / 2 * (1 - (1 - 4 * a**2) * second)],
    }
    variances = {
        name: [of_mean - gradient[0] ** 2, of_std - gradient[1] ** 2]
        for name, (of_mean, of_std) in squares.items()
    }
    return (
        lambda x: torch.cos(k * x).squeeze(-1),
        [gradient[0], s * gradient[1]],
        {name: [of_mean, s**2 * of_std] for name, (of_mean, of_std) in variances.items()},
    )


def _bump(mean, s, k):
    """f = exp(-k x^2); the mean's gradient alone, by tilting the Gaussian."""

    def tilted(c):
        shrink = 1 + 2 * c * s**2
        mass = math.exp(-c * mean**2 / shrink) / shrink**0.5
        return mass, mean / shrink, s**2 / shrink

    mass, centre, _ = tilted(k)
    gradient = -2 * k * mass * centre
    mass, centre, variance = tilted(2 * k)
    return (
        lambda x: torch.exp(-k * x.square()).squeeze(-1),
        [gradient],
        {
            "plain": [mass * ((centre - mean) ** 2 + variance) / s**4 - gradient**2],
            "reparameterised": [4 * k**2 * mass * (centre**2 + variance) - gradient**2],
        },
    )


@pytest.mark.parametrize("name", ["plain", "reparameterised"])
@pytest.mark.parametrize(
    ("mean", "s", "cost"),
    [(d, s, _square(d, s)) for d, s in ((1.0, 1.0), (-2.0, 0.5), (0.5, 2.0))]
    + [(1.0, 0.5, _square(1.0, 0.5, 3.0))]
    + [(0.7, s, _cosine(0.7, s, k)) for s, k in ((1.0, 0.5), (1.0, 2.0), (0.4, 3.0))]
    + [(0.5, s, _bump(0.5, s, k)) for s, k in ((1.0, 0.3), (0.6, 4.0))],
    ids=[*("square",) * 3, "square plus 3", *("cosine",) * 3, *("bump",) * 2],
)
def test_mean_and_variance_of_one_sample(distribution, fresh, in_se, name, mean, s, cost):
    value, gradient, variances = cost
    found = at_fresh(
        fresh(1)[name], distribution(leaves(mean, s, SAMPLES)), randn(1, SAMPLES, 1), value
    )[:, : len(gradient)]
    squares = (found - found.mean(0)).square()
    (other,) = variances.keys() - {name}
    assert in_se(found, torch.tensor(gradient)) < 4.5
    assert in_se(found, 0.0) > 10.0
    assert in_se(squares, torch.tensor(variances[name])) < 4.5
    assert in_se(squares, torch.tensor(variances[other])) > 10.0


def test_neither_estimator_dominates():
    """The closed forms of the test above: a cost that varies faster than the measure."""
    slow, fast = _cosine(1.0, 1.0, 0.5)[2], _cosine(1.0, 1.0, 4.0)[2]
    for parameter in range(2):
        assert slow["reparameterised"][parameter] < 0.5 * slow["plain"][parameter]
        assert fast["reparameterised"][parameter] > 2.0 * fast["plain"][parameter]


@GAUSSIANS
@pytest.mark.parametrize("number", [2, 5])
def test_leave_one_out_is_an_unbiased_covariance(distribution, fresh, in_se, number, d, s):
    """It is the sample covariance of cost and score, whose variance is known (Kendall & Stuart)."""
    policy, noise = distribution(leaves(d, s, SAMPLES)), randn(number, SAMPLES, 1)
    value, gradient, plain = _square(d, s)
    found = at_fresh(fresh(number)["leave_one_out"], policy, noise, value)
    truth = torch.tensor(gradient)
    with_mean_baseline = torch.tensor(
        [8 * d**2 + 10 * s**2, 40 * d**2 * s**2 + 56 * s**4], dtype=torch.float64
    )
    of_cost = 4 * d**2 * s**2 + 2 * s**4
    of_score = torch.tensor([1 / s**2, 2.0])
    fourth = with_mean_baseline + truth.square()
    theory = fourth - (number - 2) / (number - 1) * truth.square()
    theory = (theory + of_cost * of_score / (number - 1)) / number
    squares = (found - found.mean(0)).square()
    assert in_se(found, truth) < 4.5
    # Had the baseline contained the action's own value:
    assert in_se(found, truth * (1 - 1 / number)) > 10.0
    assert in_se(squares, theory) < 4.5
    without_baseline = torch.tensor(plain["plain"], dtype=torch.float64)
    if number == 5:
        assert (theory < without_baseline / number).all()
        assert in_se(squares, without_baseline / number) > 10.0
    else:
        assert in_se(squares, with_mean_baseline / number) > 10.0


def test_a_constant_in_the_value_concerns_the_plain_score_function_alone(
    distribution, fresh, in_se
):
    policy, noise = distribution(leaves(0.7, 0.6, 20_000)), randn(3, 20_000, 1)
    value, gradient, _ = _square(0.7, 0.6)
    spread = {}
    for name, estimator in fresh(3).items():
        bare = at_fresh(estimator, policy, noise, value)
        shifted = at_fresh(estimator, policy, noise, lambda x: value(x) + 50.0)
        assert in_se(shifted, torch.tensor(gradient)) < 4.5
        spread[name] = (shifted - bare).abs().max().item(), shifted.std(0) / bare.std(0)
    assert spread["reparameterised"][0] == 0.0
    assert spread["leave_one_out"][0] < 1e-10
    assert (spread["plain"][1] > 10.0).all()


@pytest.mark.parametrize("kind", ["taken", "plain", "reparameterised"])
def test_full_covariance_on_the_quadratic(distribution, fresh, in_se, kind):
    n, samples = 3, SAMPLES
    a = torch.tensor([[1.0, 0.3, 0.0], [0.3, 0.8, -0.2], [0.0, -0.2, 0.5]]).double()
    delta = torch.tensor([0.5, -1.0, 0.8]).double()
    factor = torch.tensor([[0.7, 0.0, 0.0], [0.44, 1.1, 0.0], [-0.54, 0.45, 0.9]]).double()
    means = delta.repeat(samples, 1).requires_grad_()
    factors = factor.repeat(samples, 1, 1).requires_grad_()
    policy, noise = distribution(with_factor(means, factors)), randn(1, samples, n)

    def value(x):
        return torch.einsum("...i,ij,...j->...", x, a, x)

    if kind == "taken":
        u = policy.sample(noise[0])
        surrogate = score_function().at_taken_actions(policy, batch_of(policy, u, value(u)))
    else:
        surrogate = fresh(1)[kind].at_fresh_actions(policy, noise, value)
    of_mean, of_factor = torch.autograd.grad(surrogate.sum(), [means, factors])
    rows, columns = torch.tril_indices(n, n)
    of_factor = of_factor[:, rows, columns]
    truth = (2 * a @ factor)[rows, columns]
    assert in_se(of_mean, 2 * a @ delta) < 4.5
    assert in_se(of_factor, truth) < 4.5
    assert min(in_se(of_mean, 0.0), in_se(of_factor, 0.0)) > 10.0

    c, b, m = delta @ a @ delta, 2 * factor.T @ a @ delta, factor.T @ a @ factor
    t, mm, eye = m.trace(), m @ m, torch.eye(n, dtype=torch.float64)
    second = (c**2 + b @ b + 2 * c * t + t**2 + 2 * mm.trace()) * eye
    second = second + 2 * torch.outer(b, b) + 4 * c * m + 4 * t * m + 8 * mm
    inverse = torch.linalg.inv(factor)
    rank_one = 4 * torch.outer(a @ delta, a @ delta)
    plain = inverse.T @ second @ inverse - rank_one
    pathwise = 4 * a @ factor @ factor.T @ a
    right, wrong = (pathwise, plain) if kind == "reparameterised" else (plain, pathwise)
    deviations = of_mean - of_mean.mean(0)
    products = deviations.unsqueeze(-1) * deviations.unsqueeze(-2)
    assert in_se(products, right) < 4.5
    assert in_se(products, wrong) > 10.0
    if kind == "reparameterised":
        # Var of 2 (A (delta + L eps))_i eps_j.
        drift, spread = (a @ delta).square()[:, None], (pathwise / 4).diagonal()[:, None]
        variance = 4 * (drift + spread + (a @ factor).square())[rows, columns]
        squares = (of_factor - of_factor.mean(0)).square()
        assert in_se(squares, variance) < 4.5
        assert in_se(squares, 1.2 * variance) > 10.0
