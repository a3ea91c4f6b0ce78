"""The scaler's running statistics against numpy on the whole history."""

import numpy as np
import torch

from gausspg.learners.reward_scaler import RewardScaler

GAMMA = 0.9


def history(batches: int = 4, steps: int = 7, envs: int = 3) -> list[tuple[torch.Tensor, ...]]:
    generator = torch.Generator().manual_seed(0)
    shape = (steps, envs)
    return [
        (torch.randn(shape, generator=generator) * 5, torch.rand(shape, generator=generator) < 0.2)
        for _ in range(batches)
    ]


def sums_by_hand(batches: list[tuple[torch.Tensor, ...]]) -> np.ndarray:
    """Return the discounted sum so far of every step, episode by episode."""
    rewards = torch.cat([rewards for rewards, _ in batches]).double().numpy()
    ends = torch.cat([ends for _, ends in batches]).numpy()
    sums = np.zeros_like(rewards)
    for column in range(rewards.shape[1]):
        start = 0
        for t in range(len(rewards)):
            powers = GAMMA ** np.arange(t - start, -1, -1)
            sums[t, column] = (powers * rewards[start : t + 1, column]).sum()
            if ends[t, column]:
                start = t + 1
    return sums


def scale(
    scaler: RewardScaler, rewards: torch.Tensor, ends: torch.Tensor, valid: torch.Tensor
) -> torch.Tensor:
    scaler.update(rewards, ends, valid)
    return scaler.scale(rewards)


def scale_all(scaler: RewardScaler, batches: list[tuple[torch.Tensor, ...]]) -> torch.Tensor:
    for rewards, ends in batches:
        scaled = scale(scaler, rewards, ends, torch.ones_like(ends))
    return scaled


def test_rewards_are_divided_by_the_std_of_all_discounted_sums_so_far() -> None:
    batches = history()
    scaled = scale_all(RewardScaler(3, GAMMA, enabled=True), batches)
    std = sums_by_hand(batches).std()
    torch.testing.assert_close(scaled, (batches[-1][0] / std).float(), rtol=1e-5, atol=1e-6)
    of_rewards = torch.cat([rewards for rewards, _ in batches]).std(correction=0)
    assert not torch.allclose(scaled, batches[-1][0] / of_rewards, rtol=1e-2)


def test_the_sum_stops_at_the_end_of_an_episode() -> None:
    batches = history()
    endless = [(rewards, torch.zeros_like(ends)) for rewards, ends in batches]
    found, wrong = (scale_all(RewardScaler(3, GAMMA, True), kind) for kind in (batches, endless))
    assert not torch.allclose(found, wrong, rtol=1e-3)


def test_rewards_are_not_shifted() -> None:
    scaler = RewardScaler(1, GAMMA, enabled=True)
    rewards = torch.tensor([[3.0], [5.0], [4.0]])
    scaled = scale(scaler, rewards, torch.zeros(3, 1, dtype=torch.bool), torch.ones(3, 1).bool())
    ratio = rewards / scaled
    torch.testing.assert_close(ratio, ratio[0].expand_as(ratio))


def test_scaled_rewards_are_clipped() -> None:
    scaler = RewardScaler(1, GAMMA, enabled=True)
    none = torch.zeros(1000, 1, dtype=torch.bool)
    rewards = torch.zeros(1000, 1)
    rewards[500] = -100.0
    assert scale(scaler, rewards, none, ~none).min() == -10.0


def test_entries_that_are_not_valid_do_not_count() -> None:
    rewards = torch.tensor([[1.0, 2.0], [3.0, 0.0], [5.0, 0.0]])
    ends = torch.tensor([[False, True], [False, False], [True, False]])
    valid = torch.tensor([[True, True], [True, False], [True, False]])
    scaler = RewardScaler(2, GAMMA, enabled=True)
    scaled = scale(scaler, rewards, ends, valid)
    std = np.std([1.0, 2.0, 3.9, 5.0 + 0.9 * 3.9])
    torch.testing.assert_close(scaled, (rewards / std).float())
    careless = scale(RewardScaler(2, GAMMA, enabled=True), rewards, ends, torch.ones_like(valid))
    assert not torch.allclose(scaled, careless, rtol=1e-3)


def test_disabled_it_changes_nothing() -> None:
    rewards, ends = history()[0]
    scaler = RewardScaler(3, GAMMA, enabled=False)
    assert torch.equal(scale(scaler, rewards, ends, torch.ones_like(ends)), rewards)


def test_statistics_survive_saving_and_sums_begin_anew() -> None:
    batches = history()
    scaler, loaded = (RewardScaler(3, GAMMA, enabled=True) for _ in range(2))
    scale_all(scaler, batches[:-1])
    loaded.load_state_dict(scaler.state_dict())
    kept = RewardScaler(3, GAMMA, enabled=True)
    scale_all(kept, batches[:-1])
    scaler.forget_episodes()
    found, expected, unforgotten = (scale_all(s, batches[-1:]) for s in (loaded, scaler, kept))
    assert torch.equal(found, expected)
    assert not torch.equal(found, unforgotten)


def test_rewards_of_any_shape_are_scaled_alike_and_leave_the_statistics_alone() -> None:
    """A replayed batch is no new experience."""
    scaler, rewards = RewardScaler(3, GAMMA, enabled=True), history()[0][0]
    scale_all(scaler, history())
    first = scaler.scale(rewards)
    assert torch.equal(scaler.scale(rewards.flatten()), first.flatten())
    assert torch.equal(scaler.scale(rewards), first)
