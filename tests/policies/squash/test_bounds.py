"""Units and bounds: what u means on every kind of Box, and that no action leaves it."""

import math

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box
from scipy import integrate, optimize, stats
from torch.testing import assert_close

from gausspg.envs.spaces import describe_actions, native_actions
from gausspg.policies.normal import DiagonalNormal
from gausspg.training.build import SettingsError, build


def _box(low, high, dims, dtype=np.float32):
    """Return a Box whose bounds are of its own dtype, as Gymnasium wants them."""
    bounds = [np.broadcast_to(np.asarray(bound, dtype), (dims,)) for bound in (low, high)]
    return Box(*bounds, dtype=dtype)


KINDS = {
    "asymmetric": _box(5.0, 10.0, 2),
    "far from 0": _box(0.0, 1000.0, 1),
    "huge": _box(-1e9, 3e9, 1),
    "tiny": _box(-0.1, 0.1, 2),
    "tiny in float64": _box(-0.1, 0.1, 2, np.float64),
    "asymmetric in float64": _box(-1.0 / 3.0, 0.7, 2, np.float64),
    "coarse": _box(-0.1, 0.3, 2, np.float16),
    "different": _box([-1.0, 0.0, -0.3], [1.0, 40.0, 0.1], 3, np.float64),
    "one action only": _box([-1.0, 2.0], [1.0, 2.0], 2),
}


@pytest.fixture
def squash_for(load):
    """Return a function (word, space) -> the squash that a run would have there."""

    def make(word, space):
        actions = describe_actions(space, "Test-v0")
        bounds = torch.tensor([actions.low, actions.high], dtype=torch.float64)
        return build(load("squash", word), "squash", low=bounds[0], high=bounds[1])

    return make


@pytest.fixture(params=KINDS, ids=str)
def space(request):
    return KINDS[request.param]


def _latents(space):
    u = torch.cat([torch.linspace(-3.0, 3.0, 101), torch.tensor([-1e4, -1.0, 1.0, 1e4])])
    return u.unsqueeze(-1).expand(-1, space.shape[0])


def test_u_counts_half_ranges_from_the_centre(squash_for, squash_word, space):
    squash, u = squash_for(squash_word, space), _latents(space)
    centre, half = (space.high + space.low) / 2, (space.high - space.low) / 2
    expected = centre.astype(float) + half.astype(float) * squash.scaled(u).double().numpy()
    tolerance = 1e-3 if space.dtype == np.float16 else 1e-6
    np.testing.assert_allclose(
        squash.action(u).double().numpy(), expected, rtol=tolerance, atol=tolerance * half.max()
    )
    assert_close(squash.scaled(torch.zeros(1, space.shape[0])), torch.zeros(1, space.shape[0]))


def test_a_small_u_is_nearly_the_same_action_for_every_squash(squash_for, squash_word, space):
    u = torch.full((1, space.shape[0]), 1e-2)
    assert_close(squash_for(squash_word, space).scaled(u), u, rtol=1e-4, atol=0.0)


def test_no_action_leaves_its_box_in_the_boxs_own_dtype(squash_for, squash_word, space):
    squash = squash_for(squash_word, space)
    sent = native_actions(squash.action(_latents(space)).numpy(), space)
    inside = all(space.contains(action) for action in sent)
    degenerate = bool((space.high == space.low).any()) and len(space.shape) == 1
    assert inside == squash.bounds_actions or degenerate
    if squash.bounds_actions:
        # Both ends are reached, to the precision of float32.
        assert_close(np.max(sent, 0), space.high, rtol=1e-3, atol=0.0, check_dtype=False)


def test_rounding_to_the_nearest_float32_would_leave_a_box_of_float64():
    space = KINDS["tiny in float64"]
    assert not space.contains(np.full(2, np.float32(0.1)).astype(np.float64))


def test_dimensions_without_bounds_are_left_alone(squash_for, squash_word):
    space = _box([-2.0, -np.inf], [4.0, np.inf], 2)
    squash, u = squash_for(squash_word, space), torch.tensor([[0.3, 5.0], [7.0, -80.0]])
    assert_close(squash.action(u)[:, 1], u[:, 1])
    # What it declares is the product of what it declares for each.
    alone = squash_for(squash_word, _box(-2.0, 4.0, 1))
    normal = DiagonalNormal(torch.tensor([[0.1, 4.0], [0.2, -79.0]]), torch.tensor([-0.5, 1.0]))
    first = DiagonalNormal(normal.mean[:, :1], normal.log_std[:1])
    of_second = stats.norm.logpdf(u[:, 1], normal.mean[:, 1], math.e)
    expected = alone.log_prob(first, u[:, :1]).double() + torch.from_numpy(of_second)
    assert_close(squash.log_prob(normal, u).double(), expected, rtol=1e-5, atol=1e-5)
    entropy = alone.entropy(first).double() + stats.norm.entropy(scale=math.e)
    assert_close(squash.entropy(normal).double(), entropy, rtol=1e-5, atol=1e-5)
    noise = torch.randn(4000, 2, 2, generator=torch.Generator().manual_seed(0))
    estimate = squash.entropy_estimate(normal, noise).double()
    assert_close(estimate, entropy, rtol=0.0, atol=0.05)
    assert squash.saturation(torch.tensor([[0.0, 50.0]])).item() == 0.0
    assert squash.clip_share(torch.tensor([[0.0, 50.0]])).item() == 0.0


@pytest.mark.parametrize(("low", "high"), [(-np.inf, np.inf), (-3e38, 3e38)])
def test_a_squash_that_bounds_needs_something_to_bound(make_squash, squash_word, low, high):
    if not make_squash(squash_word).bounds_actions:
        assert make_squash(squash_word, low, high).action(torch.tensor([[5.0]])).item() == 5.0
        return
    with pytest.raises(SettingsError, match=f"squash={squash_word} needs finite action bounds"):
        make_squash(squash_word, low, high)


@pytest.mark.parametrize(("low", "high"), [(0.0, np.inf), (-np.inf, 0.0)])
def test_one_bound_alone_is_refused_where_it_would_count(make_squash, squash_word, low, high):
    if not make_squash(squash_word).bounds_actions:
        make_squash(squash_word, low, high)
        return
    with pytest.raises(SettingsError, match="needs both bounds of an action or none, and dim"):
        make_squash(squash_word, low, high)


@pytest.mark.parametrize(("low", "high"), [(1.0, -1.0), (np.nan, 1.0), (0.0, np.nan)])
def test_bounds_that_are_none_are_refused(make_squash, squash_word, low, high):
    with pytest.raises(SettingsError, match=f"has the bounds {low} and {high}, between which"):
        make_squash(squash_word, low, high)


def test_none_alone_bounds_nothing(make_squash, squash_word):
    known = {"none": False, "clip": True, "clip_mass": True, "tanh": True}
    bounds = make_squash(squash_word).bounds_actions
    assert bounds == known.get(squash_word, bounds)


def _action_std(word, std):
    """Std of g(u) for u ~ N(0, std^2), by scipy's quadrature."""
    maps = {"none": lambda u: u, "tanh": np.tanh}
    g = maps.get(word, lambda u: np.clip(u, -1.0, 1.0))
    places = [-1.0 / std, 1.0 / std] if 1.0 / std < 12.0 else None
    square = integrate.quad(
        lambda z: g(std * z) ** 2 * stats.norm.pdf(z), -12.0, 12.0, points=places, limit=400
    )[0]
    return math.sqrt(square)


@pytest.mark.parametrize("asked", [0.01, 0.1, 0.3, 0.48, 0.7, 0.95])
def test_every_squash_is_inverted_to_the_std_of_the_action(make_squash, squash_word, asked):
    squash = make_squash(squash_word, 5.0, 10.0)
    found = squash.latent_std(torch.tensor([asked])).item()
    assert _action_std(squash_word, found) == pytest.approx(asked, rel=1e-5)
    truth = optimize.brentq(lambda s: _action_std(squash_word, s) - asked, 1e-3, 60.0)
    assert found == pytest.approx(truth, rel=1e-4)


def test_tanh_needs_0_615_where_clip_needs_0_5(make_squash):
    asked = torch.tensor([_action_std("clip", 0.5)])
    assert asked.item() == pytest.approx(0.480, abs=1e-3)
    found = {word: make_squash(word).latent_std(asked).item() for word in ("none", "clip", "tanh")}
    assert found["clip"] == pytest.approx(0.5, abs=1e-4)
    assert found["tanh"] == pytest.approx(0.615, abs=1e-3)
    assert found["none"] == pytest.approx(0.480, abs=1e-3)
    # The same std of u would be another std of the action.
    assert _action_std("tanh", 0.5) == pytest.approx(0.417, abs=1e-3)


def test_samples_have_the_std_of_the_action_that_was_asked_for(make_policy, pair, observations):
    policy = make_policy(*pair, bound=3.0, hidden=(), initial_action_std=[0.2, 0.4, 0.6])
    distribution = policy(torch.zeros(100_000, 5))
    noise = policy.draw_noise(torch.Generator().manual_seed(0), 100_000)
    measured = distribution.action(distribution.sample(noise)).std(0) / 3.0
    assert_close(measured, torch.tensor([0.2, 0.4, 0.6]), rtol=0.015, atol=0.0)


def test_a_std_that_no_bounded_action_has_is_refused(make_policy, pair):
    if pair[1] == "none":
        make_policy(*pair, initial_action_std=1.1)
        return
    with pytest.raises(
        SettingsError, match=r"initial_action_std=1\.1 cannot be reached: an action"
    ):
        make_policy(*pair, initial_action_std=1.1)


def test_both_stds_are_refused(make_policy, variance_word):
    with pytest.raises(SettingsError, match="both say how far actions scatter at the start"):
        make_policy(variance_word, initial_std=0.5, initial_action_std=0.5)
