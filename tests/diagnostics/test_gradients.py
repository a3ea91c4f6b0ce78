"""Both estimators' scatter, against `torch.func` row by row and against closed forms."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.func import functional_call, grad, vmap

from gausspg.diagnostics.gradients import Gradients
from gausspg.estimators.base import Batch, Estimator
from gausspg.estimators.reparameterised import Reparameterised
from gausspg.estimators.score_function import ScoreFunction
from gausspg.learners.base import mean_metrics
from gausspg.policies.base import Policy

SF, RP = "gradient/score_function", "gradient/reparameterised"
COSINE = "gradient/estimator_cosine"
K = 3


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def estimators(k: int = K) -> dict[str, Estimator]:
    available: Any = frozenset({"action_values"})
    score_function = ScoreFunction(
        "action_value",
        "leave_one_out",
        None,
        None,
        None,
        available=available,
        action_samples=k,
    )
    return {SF: score_function, RP: Reparameterised("action_value", None)}


def bumpy(features: Tensor) -> Tensor:
    return torch.sin(2.0 * features).sum(-1) + features[..., 0] * features[..., -1].square()


def by_vmap(policy: Policy, observations: Tensor, surrogate: Any, *columns: Tensor) -> Tensor:
    """Return the gradient of each row's surrogate, `[rows, P]`, float64, one row at a time."""
    trained = {n: p.detach() for n, p in policy.named_parameters() if p.requires_grad}

    def of_row(parameters: Any, observation: Tensor, *row: Tensor) -> Tensor:
        distribution = functional_call(policy, parameters, (observation[None],))
        return surrogate(distribution, *(one.unsqueeze(-2) for one in row)).squeeze()

    # Rows of noise `[K, rows, ...]` lie along its second axis.
    axes = (None, 0, *(column.dim() - 2 for column in columns))
    grads = vmap(grad(of_row), axes)(trained, observations, *columns)
    return torch.cat([grads[name].flatten(1) for name in trained], 1).double()


def scatter_of(rows: Tensor) -> tuple[float, float]:
    variance = np.trace(np.atleast_2d(np.cov(rows.numpy().T)))
    return variance, (float(rows.mean(0).square().sum()) - variance / len(rows)) / variance


@pytest.mark.filterwarnings("ignore:There is a performance drop")
@pytest.mark.parametrize(
    ("variance", "squash"),
    [("learned", "tanh"), ("full", "none"), ("learned_global", "clip_mass"), ("fixed", "clip")],
)
def test_it_is_the_scatter_of_the_rows_of_vmap(
    variance: str, squash: str, make_policy: Any, observations: Tensor
) -> None:
    policy = make_policy(variance, squash, hidden=(6,), dims=2)
    metrics = Gradients(1, 64, K).at_fresh_actions(policy, observations, bumpy, generator())
    noise = policy.draw_noise(generator(), K, len(observations))
    means = []
    for name, estimator in estimators().items():

        def surrogate(distribution: Any, noise: Tensor, one: Estimator = estimator) -> Tensor:
            return one.at_fresh_actions(distribution, noise, bumpy)

        rows = by_vmap(policy, observations, surrogate, noise)
        means.append(rows.mean(0))
        trace, ratio = scatter_of(rows)
        assert metrics[f"{name}_variance"] == pytest.approx(trace, rel=1e-4)
        assert metrics[f"{name}_signal_to_noise"] == pytest.approx(ratio, rel=1e-3, abs=1e-5)
    cosine = float(torch.nn.functional.cosine_similarity(*means, dim=0))
    assert metrics[COSINE] == pytest.approx(cosine, abs=1e-4)
    assert metrics[f"{SF}_variance"] > 1.1 * metrics[f"{RP}_variance"]
    other = Gradients(1, 64, K).at_fresh_actions(policy, observations, bumpy, generator(1))
    assert other[f"{SF}_variance"] != pytest.approx(metrics[f"{SF}_variance"], rel=1e-2)


def test_at_taken_actions_it_is_the_estimator_that_trains(
    make_policy: Any, observations: Tensor
) -> None:
    policy = make_policy("learned", "tanh", hidden=(6,), dims=2)
    with torch.no_grad():
        distribution = policy(observations)
        u = distribution.sample(policy.draw_noise(generator(), len(observations)))
        log_probs = distribution.log_prob(u)
    weights = torch.randn(len(observations), generator=generator(2))
    for trained in (
        ScoreFunction(None, None, None, "ppo_clip", None),
        ScoreFunction("reward_to_go", None, None, "plain", None),
    ):
        metrics = Gradients(1, 64, None).at_taken_actions(
            policy, observations, Batch(u, weights, log_probs), trained
        )

        def surrogate(distribution: Any, u: Tensor, weight: Tensor) -> Tensor:
            return distribution.log_prob(u) * weight

        rows = by_vmap(policy, observations, surrogate, u, weights[:, None])
        assert metrics.keys() == {f"{SF}_variance", f"{SF}_signal_to_noise"}
        trace, ratio = scatter_of(rows)
        assert metrics[f"{SF}_variance"] == pytest.approx(trace, rel=1e-4)
        assert metrics[f"{SF}_signal_to_noise"] == pytest.approx(ratio, rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("k", [2, 5])
def test_of_a_linear_q_the_scatter_is_known(k: int, make_policy: Any) -> None:
    # Q = 10 + c a, a = m + s e; without a baseline the 10 alone would make a variance of 100 / s^2
    # per action. Pathwise the bias's gradient is c whatever the noise; the score function, with the
    # others' mean as its baseline, gives c times the sample variance of the K noises, whose own
    # variance is 2 / (K - 1). The weight's gradient is that times the state, which is constant.
    policy = make_policy("fixed", hidden=(), dims=1)
    c, state, rows = 1.7, torch.tensor([1.0, -2.0, 0.5, 0.0, 1.0]), 4000
    size = 1.0 + float(state.square().sum())
    measured, generators = Gradients(1, rows, k), generator()
    found = [
        measured.at_fresh_actions(
            policy,
            state.expand(rows, -1),
            lambda features: 10 + c * features.squeeze(-1),
            generators,
        )
        for _ in range(50)
    ]
    metrics = mean_metrics(found)
    assert metrics[f"{SF}_variance"] == pytest.approx(2 * c**2 * size / (k - 1), rel=0.03)
    assert metrics[f"{SF}_signal_to_noise"] == pytest.approx((k - 1) / 2, rel=0.03)
    assert 0.0 <= metrics[f"{RP}_variance"] < 1e-4 * c**2 * size
    assert metrics[COSINE] == pytest.approx(1.0, abs=1e-4)


def test_without_signal_the_ratio_is_zero_on_average(make_policy: Any) -> None:
    # Q is even and the mean is 0: no direction is better.
    policy = make_policy("fixed", hidden=(), dims=1)
    with torch.no_grad():
        policy.mean.weight.zero_()
    measured = Gradients(1, 20, 2)
    found = [
        measured.at_fresh_actions(
            policy,
            torch.ones(20, 5),
            lambda features: features.square().squeeze(-1),
            generator(seed),
        )
        for seed in range(300)
    ]
    for name in (SF, RP):
        ratios = [one[f"{name}_signal_to_noise"] for one in found]
        standard_error = np.std(ratios) / len(ratios) ** 0.5
        assert abs(np.mean(ratios)) < 4 * standard_error
        # With the noise's share of the squared mean left in it would be a twentieth.
        assert standard_error < 0.05 / 10


def test_what_is_not_finite_is_left_out_and_nothing_is_left_behind(
    make_policy: Any, observations: Tensor
) -> None:
    policy = make_policy("learned", hidden=(6,))
    measured = Gradients(1, 64, None)
    flat = measured.at_fresh_actions(policy, observations, lambda features: 0 * features[..., 0],
                                     generator())  # fmt: skip
    assert flat == {f"{SF}_variance": 0.0, f"{RP}_variance": 0.0}
    broken = measured.at_fresh_actions(policy, observations, lambda features: features[..., 0] / 0,
                                       generator())  # fmt: skip
    assert broken == {}
    assert all(parameter.grad is None for parameter in policy.parameters())
    assert not any(module._forward_hooks for module in policy.modules())
