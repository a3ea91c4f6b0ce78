"""What is kept, what is drawn, and what a critic is told about the end of an episode."""

import pytest
import torch
from scipy import stats

from composing import REPLAY, Run, equal, tiny
from gausspg.learners.replay_buffer import ReplayBuffer, Transitions


def steps(first: int, number: int) -> Transitions:
    """Return steps that tell by all their entries which they are."""
    rows = torch.arange(first, first + number).float()
    pairs = torch.stack([rows, -rows], 1)
    return Transitions(pairs, rows[:, None], 10.0 * rows, pairs + 0.5, rows % 2)


def filled(capacity: int, batches: list[int]) -> ReplayBuffer:
    buffer, first = ReplayBuffer(capacity, 2, 1, torch.device("cpu")), 0
    for number in batches:
        buffer.add(steps(first, number))
        first += number
    return buffer


def drawn(buffer: ReplayBuffer, number: int, seed: int = 0) -> Transitions:
    return buffer.sample(number, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("batches", "held"),
    [([3], range(3)), ([3, 2], range(5)), ([3, 3, 3], range(4, 9)), ([1] * 23, range(18, 23))],
)
def test_the_oldest_steps_are_overwritten_first(batches: list[int], held: range) -> None:
    buffer = filled(5, batches)
    assert len(buffer) == len(held)
    assert set(drawn(buffer, 500).latents.flatten().tolist()) == set(held)


def test_the_parts_of_a_step_stay_together() -> None:
    found = drawn(filled(5, [4, 4]), 50)
    expected = [steps(int(row), 1) for row in found.latents.flatten().tolist()]
    for name in ("observations", "latents", "rewards", "next_observations", "terminated"):
        assert torch.equal(getattr(found, name), torch.cat([getattr(e, name) for e in expected]))


@pytest.mark.parametrize(("capacity", "held"), [(6, 6), (50, 6)])
def test_draws_are_uniform_over_what_is_held(capacity: int, held: int) -> None:
    rows = drawn(filled(capacity, [4, 4] if capacity == 6 else [3, 3]), 60_000).latents
    counts = rows.flatten().long().bincount()
    counts = counts[counts > 0]
    assert len(counts) == held
    assert stats.chisquare(counts.numpy()).pvalue > 0.01
    # Standard deviation of a count is 91: a twentieth more of one of them would be seen.
    counts[0] += 500
    assert stats.chisquare(counts.numpy()).pvalue < 1e-3


def test_the_generator_decides_what_is_drawn() -> None:
    buffer = filled(50, [30])
    first, again, other = (drawn(buffer, 20, seed).latents for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("batches", [[2], [3, 4], [4, 4, 4]])
def test_saved_and_loaded_it_goes_on_as_before(batches: list[int]) -> None:
    buffer, loaded = filled(5, batches), ReplayBuffer(5, 2, 1, torch.device("cpu"))
    state = buffer.state_dict()
    loaded.load_state_dict(state)
    for _ in range(2):
        assert len(loaded) == len(buffer)
        assert torch.equal(drawn(buffer, 50).latents, drawn(loaded, 50).latents)
        assert equal(loaded.state_dict(), buffer.state_dict())
        for one in (buffer, loaded):
            one.add(steps(100, 2))
    assert not torch.equal(state["rows"], buffer.state_dict()["rows"]), "a copy was saved"


def clockwork(length: int, ending: str, *words: str) -> Run:
    kwargs = [f"++env.kwargs.{way}={way == ending}" for way in ("truncates", "terminates")]
    return tiny("Clockwork", *REPLAY, *kwargs, f"+env.kwargs.length={length}", *words)


@pytest.mark.parametrize("ending", ["truncates", "terminates"])
def test_what_followed_a_step_is_kept_and_not_what_followed_a_reset(ending: str) -> None:
    """Clockwork shows the name of the episode and the time in it."""
    run = clockwork(3, ending, "learner.rollout_steps=7")
    run.iterate(1)
    rows = run.learner.state_dict()["buffer"]["rows"]
    before, after, terminated = rows[:, :2], rows[:, 4:6], rows[:, -1]
    ends = before[:, 1] == 2.0
    assert (len(rows), int(ends.sum())) == (28, 8)
    assert torch.equal(terminated, ends.float() if ending == "terminates" else torch.zeros(28))
    # After a termination nothing is bootstrapped, so there it does not matter what was seen.
    asked = terminated == 0.0
    assert torch.equal(after[asked], (before + torch.tensor([0.0, 1.0]))[asked])


@pytest.mark.parametrize(("ending", "expected"), [("truncates", 10.0), ("terminates", 1.0)])
def test_a_truncated_episode_is_bootstrapped_and_a_terminated_one_is_not(
    ending: str, expected: float
) -> None:
    """A reward of 1 in every step of an episode of one step; 10 is 1 / (1 - gamma)."""
    run = clockwork(
        1, ending, "+env.kwargs.constant=true", "gamma=0.9", "learner.temperature=0",
        "learner.lr=0.1", "learner.critic_hidden=[]", "learner.target_rate=0.5",
    )  # fmt: skip
    assert run.iterate(20)["critic/target_mean"] == pytest.approx(expected, abs=0.1)
