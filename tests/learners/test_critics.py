"""Critics in one batched product per layer, against one plain network after the other."""

from itertools import product

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from by_hand import ACTIVATIONS, action_values
from gausspg.learners.critics import ActionValue, StateValue

OBSERVATION, CODE, BATCH = 3, 2, 11
HIDDEN = ((), (7,), (7, 5))

every_network = pytest.mark.parametrize(
    ("activation", "copies", "hidden"), list(product(ACTIVATIONS, (1, 2), HIDDEN))
)


def network(activation: str, copies: int, hidden: tuple[int, ...], seed: int = 0) -> ActionValue:
    generator = torch.Generator().manual_seed(seed)
    return ActionValue(copies, OBSERVATION, CODE, hidden, activation, generator)


def with_random_biases(activation: str, copies: int, hidden: tuple[int, ...]) -> ActionValue:
    critic = network(activation, copies, hidden).double()
    with torch.no_grad():
        vector_to_parameters(0.6 * draw(len(flat_of(critic))), critic.parameters())
    return critic


def flat_of(critic: nn.Module) -> Tensor:
    return parameters_to_vector(critic.parameters()).detach().clone()


def gradient_of(critic: nn.Module) -> Tensor:
    return torch.cat([p.grad.flatten() for p in critic.parameters() if p.grad is not None])


def draw(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


@every_network
@pytest.mark.parametrize("actions", [(), (4,)])
def test_it_is_one_plain_network_per_copy(
    activation: str, copies: int, hidden: tuple[int, ...], actions: tuple[int, ...]
) -> None:
    critic = with_random_biases(activation, copies, hidden)
    observations, features = draw(BATCH, OBSERVATION), draw(*actions, BATCH, CODE)
    expected = action_values(flat_of(critic), copies, hidden, activation, observations, features)
    assert expected.shape == (copies, *actions, BATCH)
    torch.testing.assert_close(critic(observations, features), expected)
    assert torch.equal(
        critic.lowest(observations, features), critic(observations, features).amin(0)
    )


@every_network
def test_fit_writes_the_gradient_of_the_squared_error(
    activation: str, copies: int, hidden: tuple[int, ...]
) -> None:
    critic = with_random_biases(activation, copies, hidden)
    observations, features, targets = draw(BATCH, OBSERVATION), draw(BATCH, CODE), draw(BATCH)
    flat = flat_of(critic).requires_grad_()
    values = action_values(flat, copies, hidden, activation, observations, features)
    loss = sum(0.5 * (copy - targets).square().mean() for copy in values)
    (expected,) = torch.autograd.grad(loss, flat)
    for parameter in critic.parameters():
        parameter.grad = torch.full_like(parameter, 7.0)
    found = critic.fit(observations, features, targets)
    torch.testing.assert_close(found, loss.detach())
    torch.testing.assert_close(gradient_of(critic), expected)
    assert float(expected.norm()) > 0.01


@every_network
@pytest.mark.parametrize("actions", [(), (4,)])
def test_the_gradient_of_the_lowest_value_is_that_of_the_lowest_copy(
    activation: str, copies: int, hidden: tuple[int, ...], actions: tuple[int, ...]
) -> None:
    critic = with_random_biases(activation, copies, hidden)
    observations, weights = draw(BATCH, OBSERVATION), draw(*actions, BATCH)
    features, same = (draw(*actions, BATCH, CODE).requires_grad_() for _ in range(2))
    values = action_values(flat_of(critic), copies, hidden, activation, observations, features)
    (expected,) = torch.autograd.grad((weights * values.amin(0)).sum(), features, retain_graph=True)
    (weights * critic.lowest(observations, same)).sum().backward()
    torch.testing.assert_close(same.grad, expected)
    assert all(parameter.grad is None for parameter in critic.parameters())
    (mean,) = torch.autograd.grad((weights * values.mean(0)).sum(), features)
    assert torch.allclose(mean, expected) == (copies == 1)


def test_copies_start_different_and_the_same_seed_gives_the_same_bits() -> None:
    first, again, other = (network("tanh", 2, (7,), seed) for seed in (0, 0, 1))
    assert torch.equal(flat_of(first), flat_of(again))
    assert not torch.equal(flat_of(first), flat_of(other))
    one, two = first(torch.ones(5, OBSERVATION), torch.randn(5, CODE))
    assert (one - two).abs().min() > 1e-3


@pytest.mark.parametrize(("activation", "hidden"), list(product(ACTIVATIONS, HIDDEN)))
def test_the_state_value_is_one_plain_network_of_the_state_alone(
    activation: str, hidden: tuple[int, ...]
) -> None:
    generator = torch.Generator().manual_seed(0)
    critic = StateValue(OBSERVATION, hidden, activation, generator).double()
    with torch.no_grad():
        vector_to_parameters(0.6 * draw(len(flat_of(critic))), critic.parameters())
    observations, targets = draw(4, BATCH, OBSERVATION).requires_grad_(), draw(BATCH)
    flat, nothing = flat_of(critic).requires_grad_(), draw(4, BATCH, 0)
    (expected,) = action_values(flat, 1, hidden, activation, observations, nothing)
    torch.testing.assert_close(critic(observations), expected)
    # Through the state too: where rewards are differentiated, the value goes on from there.
    found, wanted = (torch.autograd.grad(v.sum(), observations, retain_graph=True)[0]
                     for v in (critic(observations), expected))  # fmt: skip
    torch.testing.assert_close(found, wanted)
    loss = 0.5 * (expected[0] - targets).square().mean()
    (gradient,) = torch.autograd.grad(loss, flat)
    torch.testing.assert_close(critic.fit(observations[0].detach(), targets), loss.detach())
    torch.testing.assert_close(gradient_of(critic), gradient)
