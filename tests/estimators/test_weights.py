"""The weights of the score function from trajectories, against sums written out by hand."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from gausspg.estimators.base import Trajectories
from one_sample import one_step, score_function


@pytest.fixture
def trajectories():
    """Two environments, five steps; column 0 ends twice, column 1 is cut at the end."""
    rng = torch.Generator().manual_seed(0)
    rewards, values, following = torch.randn(3, 5, 2, generator=rng, dtype=torch.float64)
    ends = torch.zeros(5, 2, dtype=torch.bool)
    ends[1, 0] = ends[4, 0] = True
    valid = torch.ones(5, 2, dtype=torch.bool)
    return Trajectories(rewards, values, following, ends, valid, 0.9, 0.95)


@pytest.mark.parametrize("gae_lambda", [0.95, 0.0, 1.0])
def test_gae_weights_are_the_double_sum(trajectories, gae_lambda):
    x = replace(trajectories, gae_lambda=gae_lambda)
    deltas = x.rewards + 0.9 * x.next_values - x.values
    expected = torch.zeros_like(deltas)
    for t, n in itertools.product(range(5), range(2)):
        for later in range(t, 5):
            expected[t, n] += (0.9 * gae_lambda) ** (later - t) * deltas[later, n]
            if x.ends[later, n]:
                break
    estimator = score_function(weight="gae", baseline="value")
    weights, targets = estimator.weights(x)
    assert_close(weights, expected)
    assert_close(targets, expected + x.values)


def test_weights_follow_their_settings(trajectories):
    x = trajectories
    to_go, targets = score_function().weights(
        Trajectories(x.rewards, 0 * x.values, 0 * x.values, x.ends, x.valid, 0.9, 0.95)
    )
    r = x.rewards
    hand = [r[0, 0] + 0.9 * r[1, 0], r[1, 0], r[2, 0] + 0.9 * r[3, 0] + 0.81 * r[4, 0]]
    assert_close(to_go[:3, 0], torch.stack(hand))
    assert_close(to_go[3, 1], r[3, 1] + 0.9 * r[4, 1])
    assert_close(targets, to_go)
    with_value, targets = score_function(baseline="value").weights(trajectories)
    assert_close(with_value, targets - x.values)
    assert_close(targets[1, 0], r[1, 0] + 0.9 * x.next_values[1, 0])


def test_total_return_is_the_same_at_every_step_of_an_episode():
    rewards = torch.tensor([[1.0, 2.0], [4.0, 0.0], [2.0, 8.0]])
    ends = torch.tensor([[False] * 2, [False] * 2, [True] * 2])
    values = torch.tensor([[0.5, 1.0], [9.0, 9.0], [9.0, 9.0]])
    zeros, valid = torch.zeros(3, 2), torch.ones(3, 2, dtype=torch.bool)
    whole = score_function(weight="total_return")
    weights, targets = whole.weights(Trajectories(rewards, zeros, zeros, ends, valid, 0.5, 0.95))
    assert_close(weights, torch.tensor([[3.5, 4.0]] * 3))
    assert_close(targets, torch.tensor([[3.5, 4.0], [5.0, 4.0], [2.0, 8.0]]))
    less = score_function(weight="total_return", baseline="value")
    weights, _ = less.weights(Trajectories(rewards, values, zeros, ends, valid, 0.5, 0.95))
    assert_close(weights, torch.tensor([[3.0, 3.0]] * 3))
    assert whole.whole_episodes
    assert not score_function(baseline="value").whole_episodes
    assert less.uses_value
    assert not whole.uses_value


@pytest.mark.parametrize("setting", [{"standardise": True}, {"baseline": "mean"}])
def test_only_valid_entries_count_in_the_batchs_mean_and_std(trajectories, setting):
    x = trajectories
    valid = x.valid.clone()
    valid[3:, 1] = False
    rewards = x.rewards.clone()
    rewards[3:, 1] = 1e6
    spoilt = Trajectories(rewards, 0 * x.values, 0 * x.values, x.ends | ~valid, valid, 0.0, 0.95)
    weights, targets = score_function(**setting).weights(spoilt)
    raw = rewards[valid]
    expected = raw - raw.mean()
    if "standardise" in setting:
        expected = expected / np.std(raw.numpy())
    assert_close(weights[valid], expected)
    assert_close(targets[valid], raw)


def test_equal_weights_standardise_to_zero():
    weights, _ = score_function(standardise=True).weights(one_step(torch.full((6,), 3.0)))
    assert_close(weights, torch.zeros(1, 6))
