"""Returns and advantages by hand, by brute force, and the price of a mishandled time limit."""

import itertools

import pytest
import torch
from torch.testing import assert_close

from gausspg.estimators.returns import (
    generalised_advantage,
    next_values,
    reward_to_go,
    total_return,
)


def _column(*entries, dtype=torch.float64):
    return torch.tensor(entries, dtype=dtype).unsqueeze(-1)


def test_next_values_tell_termination_from_truncation():
    values = torch.tensor([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0], [4.0, 40.0]])
    terminated, truncated = torch.zeros(2, 4, 2, dtype=torch.bool)
    terminated[1, 0] = True
    truncated[0, 1] = truncated[2, 0] = truncated[2, 1] = True
    in_order_of_nonzero = torch.tensor([100.0, 200.0, 300.0])
    last = torch.tensor([5.0, 50.0])
    got = next_values(values, last, terminated, truncated, in_order_of_nonzero)
    # After a termination 0; after a truncation the true last state, never the next episode's first.
    assert_close(got, torch.tensor([[2.0, 100.0], [0.0, 30.0], [200.0, 300.0], [5.0, 50.0]]))


def test_next_values_at_the_last_step_of_a_rollout():
    values, last = torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([7.0, 8.0, 9.0])
    terminated = torch.tensor([[True, False, False]])
    truncated = torch.tensor([[False, True, False]])
    got = next_values(values, last, terminated, truncated, torch.tensor([4.0]))
    assert_close(got, torch.tensor([[0.0, 4.0, 9.0]]))


def test_advantage_by_hand_with_a_termination_and_a_truncation():
    gamma, lam = 0.5, 0.5
    rewards, values = _column(1.0, 2.0, 3.0, 4.0, 5.0), _column(2.0, 4.0, 6.0, 8.0, 1.0)
    terminated = _column(False, True, False, False, False, dtype=torch.bool)
    truncated = _column(False, False, False, True, False, dtype=torch.bool)
    following = next_values(
        values, torch.tensor([2.0]).double(), terminated, truncated, torch.tensor([16.0]).double()
    )
    got = generalised_advantage(rewards, values, following, terminated | truncated, gamma, lam)
    # delta: 1 + .5*4 - 2 = 1;  2 + 0 - 4 = -2;  3 + .5*8 - 6 = 1;  4 + .5*16 - 8 = 4;
    # 5 + .5*2 - 1 = 5; each plus .25 of the next within its episode.
    assert_close(got, _column(1.0 - 0.5, -2.0, 1.0 + 1.0, 4.0, 5.0))


def test_reward_to_go_by_hand():
    rewards = _column(1.0, 2.0, 4.0, 8.0)
    ends = _column(False, True, False, False, dtype=torch.bool)
    following = _column(100.0, 10.0, 100.0, 20.0)
    got = reward_to_go(rewards, following, ends, 0.5)
    # Only where the sum is cut (an end, and T) does the value of the next state count.
    assert_close(got, _column(1.0 + 1.0 + 2.5, 2.0 + 5.0, 4.0 + 4.0 + 5.0, 8.0 + 10.0))


@pytest.fixture
def random_data():
    rng = torch.Generator().manual_seed(0)
    rewards, values = torch.randn(2, 40, 7, generator=rng, dtype=torch.float64)
    last = torch.randn(7, generator=rng, dtype=torch.float64)
    chance = torch.rand(40, 7, generator=rng)
    terminated, truncated = chance < 0.1, chance > 0.9
    stored = torch.randn(int(truncated.sum()), generator=rng, dtype=torch.float64)
    return rewards, values, last, terminated, truncated, stored


def _successor(data, t, n):
    """Value of the state after step t, from the definition."""
    _, values, last, terminated, truncated, stored = data
    if terminated[t, n]:
        return 0.0
    if truncated[t, n]:
        before = truncated.flatten()[: t * truncated.shape[1] + n]
        return stored[int(before.sum())]
    return last[n] if t + 1 == len(values) else values[t + 1, n]


@pytest.mark.parametrize(("gamma", "lam"), [(0.99, 0.95), (0.9, 0.0), (0.97, 1.0), (1.0, 0.5)])
def test_advantages_and_returns_are_the_brute_force_sums(random_data, gamma, lam):
    rewards, values, last, terminated, truncated, stored = random_data
    ends = terminated | truncated
    advantages, to_go = torch.zeros_like(rewards), torch.zeros_like(rewards)
    for t, n in itertools.product(range(40), range(7)):
        for k in range(t, 40):
            following = _successor(random_data, k, n)
            delta = rewards[k, n] + gamma * following - values[k, n]
            advantages[t, n] += (gamma * lam) ** (k - t) * delta
            to_go[t, n] += gamma ** (k - t) * rewards[k, n]
            if ends[k, n] or k == 39:
                to_go[t, n] += gamma ** (k - t + 1) * following
                break
    following = next_values(values, last, terminated, truncated, stored)
    assert_close(generalised_advantage(rewards, values, following, ends, gamma, lam), advantages)
    assert_close(reward_to_go(rewards, following, ends, gamma), to_go)


def test_advantage_with_lambda_one_is_the_reward_to_go_less_the_value(random_data):
    rewards, values, last, terminated, truncated, stored = random_data
    following = next_values(values, last, terminated, truncated, stored)
    ends = terminated | truncated
    advantages = generalised_advantage(rewards, values, following, ends, 0.98, 1.0)
    assert_close(advantages, reward_to_go(rewards, following, ends, 0.98) - values)


def test_total_return_is_the_first_reward_to_go_everywhere():
    to_go = torch.tensor([[3.0, 6.0], [2.0, 5.0], [1.0, 4.0]])
    assert_close(total_return(to_go), torch.tensor([[3.0, 6.0]] * 3))


@pytest.mark.parametrize("gamma", [0.9, 0.99])
def test_time_limit_taken_for_a_termination_gives_a_wrong_value(gamma):
    """An endless task of reward 1 is worth 1 / (1 - gamma), however often it is interrupted."""
    steps, limit = 100, 10
    truth = 1.0 / (1.0 - gamma)
    rewards = torch.ones(steps, 1, dtype=torch.float64)
    ends = torch.zeros(steps, 1, dtype=torch.bool)
    ends[limit - 1 :: limit] = True
    never = torch.zeros_like(ends)

    def fitted_value(terminated, truncated):
        """Return the value of the one state there is that equals the mean of its own targets."""

        def mean_target(value):
            values = torch.full((steps, 1), value, dtype=torch.float64)
            stored = values[: int(truncated.sum()), 0]
            following = next_values(values, values[0], terminated, truncated, stored)
            advantages = generalised_advantage(rewards, values, following, ends, gamma, 0.95)
            return (advantages + values).mean().item()

        intercept = mean_target(0.0)  # the mean target is an affine function of the value
        return intercept / (1.0 - (mean_target(1.0) - intercept))

    assert fitted_value(never, ends) == pytest.approx(truth, rel=1e-9)
    assert fitted_value(ends, never) < 0.8 * truth


def test_inputs_are_left_as_they_were(random_data):
    rewards, values, last, terminated, truncated, stored = random_data
    before = [x.clone() for x in random_data]
    following = next_values(values, last, terminated, truncated, stored)
    ends = terminated | truncated
    kept = following.clone()
    generalised_advantage(rewards, values, following, ends, 0.9, 0.9)
    reward_to_go(rewards, following, ends, 0.9)
    assert torch.equal(following, kept)
    for now, then in zip(random_data, before, strict=True):
        assert torch.equal(now, then)
