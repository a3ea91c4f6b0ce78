"""The temperature moves toward its target, by the entropy of the density that is declared."""

import copy

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from torch import Tensor

from composing import REPLAY, equal, tiny
from gausspg.learners.temperature import Temperature
from gausspg.training.build import SettingsError

CPU = torch.device("cpu")
CLOCK = ("Clockwork", "+env.kwargs.constant=true", *REPLAY)


def tuned(target: float | None, lr: float = 0.1) -> Temperature:
    return Temperature(0.2, target, lr, CPU)


@pytest.mark.parametrize(("entropy", "sign"), [(0.7, -1), (-0.7, 1)])
def test_too_much_entropy_lowers_it_and_too_little_raises_it(entropy: float, sign: int) -> None:
    temperature = tuned(0.0)
    assert float(temperature.value) == pytest.approx(0.2)
    temperature.update(torch.tensor(entropy), 1.0)
    assert float(temperature.value.log()) == pytest.approx(np.log(0.2) + sign * 0.1, abs=1e-5)


def test_it_descends_alpha_times_the_distance_to_the_target() -> None:
    """Adam on the loss alpha (H - target), by autograd."""
    temperature, log = tuned(-1.0), torch.tensor(0.2).log().requires_grad_()
    adam = torch.optim.Adam([log], lr=0.1)
    for entropy in (0.5, -3.0, -1.1, 2.0):
        temperature.update(torch.tensor(entropy), 1.0)
        adam.zero_grad()
        (log.exp() * (entropy + 1.0)).backward()
        adam.step()
        torch.testing.assert_close(temperature.value, log.detach().exp())


def test_the_learning_rate_falls_with_the_budget() -> None:
    temperature = tuned(0.0)
    temperature.update(torch.tensor(1.0), 0.0)
    assert float(temperature.value) == pytest.approx(0.2)
    temperature.update(torch.tensor(1.0), 0.5)
    temperature.update(torch.tensor(1.0), 0.25)
    assert float(temperature.value.log()) == pytest.approx(np.log(0.2) - 0.075, abs=1e-4)


@pytest.mark.parametrize("initial", [0.0, 0.2])
def test_without_a_target_it_stays(initial: float) -> None:
    temperature = Temperature(initial, None, 0.1, CPU)
    temperature.update(torch.tensor(5.0), 1.0)
    assert float(temperature.value) == pytest.approx(initial)
    assert temperature.is_zero == (initial == 0.0)
    assert not tuned(0.0).is_zero


def test_saved_and_loaded_it_goes_on_as_before() -> None:
    one, other, without = (tuned(0.0) for _ in range(3))
    for factor in (1.0, 0.7):
        one.update(torch.tensor(0.3), factor)
    state = copy.deepcopy(one.state_dict())
    other.load_state_dict(state)
    without.load_state_dict(state | {"optimiser": without.state_dict()["optimiser"]})
    for temperature in (one, other, without):
        temperature.update(torch.tensor(-2.0), 0.5)
    assert equal(other.state_dict(), one.state_dict())
    assert torch.equal(other.value, one.value)
    assert not torch.equal(without.value, one.value), "Adam's averages are part of it"


def entropy_of_tanh(std: float) -> float:
    """-E log p(a) of a = tanh(u), u ~ N(0, std^2), with p written out in terms of a."""

    def integrand(u: float) -> float:
        log_p = stats.norm.logpdf(u, 0.0, std) - np.log(1.0 - np.tanh(u) ** 2)
        return -stats.norm.pdf(u, 0.0, std) * log_p

    return float(integrate.quad(integrand, -8.0, 8.0)[0])


def test_the_entropy_is_that_of_the_action_and_not_of_the_gaussian(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With tanh and a large std one is below the target and the other above."""
    std, target, seen = 1.8, 0.6, []
    update = Temperature.update

    def spying(self: Temperature, entropy: Tensor, factor: float) -> None:
        seen.append(float(entropy.detach()))
        update(self, entropy, factor)

    monkeypatch.setattr(Temperature, "update", spying)
    run = tiny(
        *CLOCK, "squash=tanh", "variance=fixed", f"variance.initial_std={std}", "policy.hidden=[]",
        "learner.tune_temperature=true", f"learner.target_entropy={target}", "learner.lr=1e-4",
        "learner.minibatch_rows=512", "learner.action_samples=8",
    )  # fmt: skip
    start = float(run.learner.state_dict()["temperature"]["log"].exp())
    after = run.iterate(1)["policy/temperature"]
    declared, base = entropy_of_tanh(std), float(stats.norm(0.0, std).entropy())
    assert declared < target - 0.1 < target + 0.1 < base
    # The std of log |da/du| is 1.9, and each update takes its mean over 4096 samples.
    error = 1.9 / (4096 * len(seen)) ** 0.5
    assert np.mean(seen) == pytest.approx(declared, abs=3 * error)
    assert after > start, "too little entropy raises the temperature"


@pytest.mark.parametrize(
    ("words", "moves"),
    [
        (("variance=learned",), True),
        (("variance=learned_global",), True),
        (("variance=fixed",), False),
        (("variance=fixed", "learner.tune_temperature=true"), True),
        (("variance=learned", "learner.tune_temperature=false"), False),
        (("variance=learned", "learner.temperature=0"), False),
    ],
)
def test_it_is_tuned_where_training_changes_the_spread(words: tuple[str, ...], moves: bool) -> None:
    run = tiny(*CLOCK, "learner.temperature=0.1", *words)
    start = 0.0 if "learner.temperature=0" in words else 0.1
    assert (run.iterate(1)["policy/temperature"] != pytest.approx(start, rel=1e-5)) == moves


@pytest.mark.parametrize(
    ("words", "alpha"),
    [
        (("squash=tanh",), 0.1),
        (("squash=clip_mass",), 0.1),
        (("squash=clip",), 0.1),
        (("squash=none",), 0.1),
        (("squash=tanh", "variance=fixed"), 0.0),
        (("squash=clip_mass", "variance=fixed"), 0.0),
        (("squash=tanh", "variance=fixed", "learner.tune_temperature=true"), 0.1),
        (("squash=tanh", "variance=fixed", "learner.temperature=0.3"), 0.3),
        (("squash=none", "variance=fixed"), 0.0),
    ],
)
def test_a_temperature_is_tuned_where_training_can_change_the_std_and_else_0_for_every_squash(
    words: tuple[str, ...], alpha: float
) -> None:
    run = tiny(*CLOCK, "learner.lr=1e-9", *words)
    assert run.iterate(1)["policy/temperature"] == pytest.approx(alpha)


@pytest.mark.parametrize("actions", [1, 2])
def test_the_usual_target_is_minus_the_number_of_dimensions(actions: int) -> None:
    def moved(*words: str) -> float:
        run = tiny(*CLOCK, f"+env.kwargs.actions={actions}", "learner.lr=1e-3", *words)
        return run.iterate(1)["policy/temperature"]

    usual = moved()
    assert usual == moved(f"learner.target_entropy=-{actions}")
    assert usual != moved(f"learner.target_entropy=-{actions + 1}")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("learner.tune_temperature=false", "learner.target_entropy=-1"),
            r"target_entropy=-1\.0 has no effect where the temperature is not tuned",
        ),
        (("variance=fixed", "learner.target_entropy=-1"), r"target_entropy=-1\.0 has no effect"),
        (("learner.temperature=0", "learner.target_entropy=-1"), "target_entropy=-1.0 has no effe"),
        (
            ("learner.temperature=0", "learner.tune_temperature=true"),
            r"learner\.temperature=0 cannot be tuned",
        ),
    ],
)
def test_what_would_have_no_effect_is_refused(words: tuple[str, ...], message: str) -> None:
    with pytest.raises(SettingsError, match=message) as refused:
        tiny(*CLOCK, *words)
    assert "\n" not in str(refused.value)
