"""Diagnostics beside a training: the same bits without, when they are due, and what they say."""

from typing import Any

import pytest
import torch

from composing import REPLAY, equal, run_from, settings_of, tiny
from gausspg.estimators.score_function import ScoreFunction

ON = ("diagnostics=gradients", "diagnostics.rows=32", "diagnostics.interval=2")
SCORE_FUNCTION = {f"gradient/score_function_{name}" for name in ("variance", "signal_to_noise")}
BOTH = SCORE_FUNCTION | {
    "gradient/reparameterised_variance",
    "gradient/reparameterised_signal_to_noise",
    "gradient/estimator_cosine",
}
FRESH = ("learner.rollout_steps=16", "learner.epochs=2", "learner.minibatch_rows=16")
WITH_Q = (*FRESH, "learner.critic=action_value")
KINDS: list[tuple[str, tuple[str, ...], set[str]]] = [
    ("Clockwork", FRESH, SCORE_FUNCTION),
    ("Clockwork", WITH_Q, BOTH),
    ("Clockwork", (*WITH_Q, "estimator=reparameterised", "learner=on_policy"), BOTH),
    ("Clockwork", (*REPLAY, "variance=full_global", "+env.kwargs.actions=2"), BOTH),
    ("Clockwork", (*REPLAY, "estimator=reparameterised"), BOTH),
    ("Offset", ("policy=categorical", *FRESH), SCORE_FUNCTION),
    ("Offset", ("policy=categorical", *REPLAY, "~squash"), SCORE_FUNCTION),
]


def trained(env: str, *words: str) -> tuple[Any, list[dict[str, float]]]:
    """Return what 5 iterations leave behind, and their metrics."""
    run = tiny(env, *words)
    with run.batch() as batch:
        told = [run.learner.iterate(batch, i, 0.0, 10**9).metrics for i in range(5)]
    return (run.policy.state_dict(), run.learner.state_dict()), told


def _name(one: object) -> str:
    # Every process that tests has to find the same names, and the order of a set is its own.
    return str(sorted(one) if isinstance(one, set) else one)[:60]


@pytest.mark.parametrize(("env", "words", "names"), KINDS, ids=_name)
def test_a_run_has_the_same_bits_without(env: str, words: tuple[str, ...], names: set[str]) -> None:
    plain, before = trained(env, *words)
    measured, after = trained(env, *words, *ON)
    assert equal(measured, plain)
    assert not names & set().union(*before)
    for iteration, (told, less) in enumerate(zip(after, before, strict=True)):
        assert told.keys() - less.keys() == (set() if iteration % 2 else names)
        assert equal({name: told[name] for name in less}, less)
    assert not equal(trained(env, *words, "seed=1")[0], plain)


def test_before_the_first_update_there_is_nothing_to_measure() -> None:
    _, told = trained("Clockwork", *REPLAY, "learner.warmup_steps=50", *ON)
    assert [bool(BOTH & metrics.keys()) for metrics in told] == [False, False, False, False, True]


def test_the_noise_is_that_of_the_iteration_and_of_the_seed() -> None:
    words = (*WITH_Q, "diagnostics=gradients", "diagnostics.rows=32", "learner.lr=1e-12")
    name = "gradient/score_function_variance"
    _, told = trained("Clockwork", *words, "+env.kwargs.constant=true", "diagnostics.interval=1")
    assert len({metrics[name] for metrics in told}) == len(told)
    _, again = trained("Clockwork", *words, "+env.kwargs.constant=true", "diagnostics.interval=2")
    assert again[2][name] == told[2][name]


def test_the_critic_that_is_asked_is_the_learners(monkeypatch: pytest.MonkeyPatch) -> None:
    run = tiny("Clockwork", *WITH_Q, *ON)
    seen: list[torch.Tensor] = []
    score = ScoreFunction.at_fresh_actions

    def spying(self: Any, distribution: Any, noise: Any, value: Any) -> torch.Tensor:
        if not seen:
            features = distribution.action_features(distribution.sample(noise))
            # Asked before the first gradient step: the critic is still the initial one.
            seen.extend([value(features), features])
        return score(self, distribution, noise, value)

    monkeypatch.setattr(ScoreFunction, "at_fresh_actions", spying)
    critic = run.learner._critic.network
    rows = run.policy.normaliser(run.rollout(16).observations).flatten(0, 1)[::3]
    with torch.no_grad():
        features = run.policy(rows).action_features(
            run.policy(rows).sample(
                run.policy.draw_noise(run.streams.torch("diagnostics_noise", 0), 2, len(rows))
            )
        )
        expected = critic.lowest(rows, features)
    run.iterate(1)
    assert torch.equal(seen[1], features)
    assert torch.equal(seen[0], expected)


def test_runs_recorded_before_there_were_diagnostics_still_load() -> None:
    settings = settings_of("env=pendulum", *FRESH)
    old = settings.model_dump(exclude={"diagnostics"})
    loaded = type(settings).model_validate(old)
    assert loaded.diagnostics is None
    assert not BOTH & run_from(loaded).iterate(1).keys()
