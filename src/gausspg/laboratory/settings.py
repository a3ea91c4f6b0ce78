"""The settings of one measurement, typed and range-checked, and the objects they describe."""

from collections.abc import Mapping
from functools import partial
from typing import Any, Literal

import torch

from gausspg.estimators.base import Estimator
from gausspg.laboratory.problems.base import OneStep, Problem
from gausspg.laboratory.recipe import Baseline, Recipe, recipe_of
from gausspg.policies.actions import to_plain
from gausspg.policies.base import Policy
from gausspg.ranges import Count, Natural, Positive
from gausspg.streams import Streams
from gausspg.training.build import SettingsError, build, find
from gausspg.training.factory import build_policy
from gausspg.training.settings import Node, Strict, TrackingSettings, validated


class Settings(Strict):
    """Everything that is set for one measurement; a key each of `conf/laboratory/config.yaml`."""

    seed: Natural
    rows: Count
    chunk: Count
    threads: Count
    std: Positive | None
    action_samples: Count
    baseline: Baseline | None
    baseline_value: float | None
    noise: Literal["independent", "antithetic"]
    jobs: Count | None
    sweep_name: str | None
    tracking: TrackingSettings
    problem: Node
    estimator: Node
    policy: Node | None = None
    variance: Node | None = None
    squash: Node | None = None


def check(config: Mapping[str, Any]) -> Settings:
    """Check a resolved configuration.

    Raises:
        SettingsError: the first wrong value, in one line.
    """
    return validated(Settings, config)


def assemble(settings: Settings) -> tuple[Problem, Policy, Recipe]:
    """Build what a measurement consists of; what cannot work is refused here.

    Raises:
        SettingsError: a setting is wrong, or parts do not go together; one line.
    """
    streams = Streams(settings.seed)
    problem: Problem = build(settings.problem, "problem")
    baseline = settings.baseline
    node = _with_baseline(settings.estimator, baseline)
    estimator: Estimator = build(
        node,
        "estimator",
        available=problem.available,
        action_samples=settings.action_samples,
    )
    recipe = recipe_of(
        estimator, baseline, settings.baseline_value, settings.action_samples,
        settings.noise == "antithetic",
    )  # fmt: skip
    policy = problem.own_policy()
    if policy is None:
        policy = _new_policy(settings, problem, streams)
    elif settings.variance or settings.squash or settings.std is not None:
        raise SettingsError(
            "variance, squash and std have no effect on a problem that brings its own policy: "
            "leave them null"
        )
    problem.place(policy, streams.torch("place"))
    _try(problem, policy, recipe)
    return problem, policy, recipe


def effective(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a checked configuration with what `std` sets below the variance mode, for the record.

    Where the problem brings its own policy there is none.
    """
    variance, std = config.get("variance"), config["std"]
    changed = {} if not variance else {"variance": _with_std(variance, std)}
    return {**config, **changed}


def _with_std(variance: Mapping[str, Any], std: float) -> Node:
    return {**variance, "initial_std": std, "initial_action_std": None}


def _with_baseline(node: Node, baseline: Baseline | None) -> Node:
    """Set the baseline of an estimator that applies it itself."""
    if "baseline" not in node:
        return node
    if node["baseline"] is not None:
        raise SettingsError(
            f"estimator.baseline={node['baseline']} is what baseline=WORD sets in the laboratory: "
            "leave it null"
        )
    return {**node, "baseline": "leave_one_out" if baseline == "leave_one_out" else "none"}


def _new_policy(settings: Settings, problem: Problem, streams: Streams) -> Policy:
    if not (settings.policy and settings.variance and settings.squash and settings.std):
        raise SettingsError(
            "this problem needs a policy, variance, squash and std: give the one that is null"
        )
    if isinstance(problem, OneStep) and settings.policy.get("hidden"):
        raise SettingsError(
            f"policy.hidden={settings.policy['hidden']} has no effect without a state: set []"
        )
    spec = {
        "policy": settings.policy,
        "variance": _with_std(settings.variance, settings.std),
        "squash": settings.squash,
        "env_id": find(settings.problem, "problem").__module__.rpartition(".")[2],
        "observation_dim": problem.observation_dim,
        "normalise_observation": False,
        "actions": to_plain(problem.actions),
    }
    return build_policy(spec, streams)


def _try(problem: Problem, policy: Policy, recipe: Recipe) -> None:
    """Take a few rows, so that what does not go together shows before anything is recorded."""
    draw = partial(problem.draw, recipe, policy.latent_dim)
    draws = draw(torch.Generator().manual_seed(0), 2)
    try:
        for component in recipe.components:
            problem.surrogate(component.estimator, policy, draws, 0.0, component.of_one)
    except ValueError as error:
        raise SettingsError(str(error)) from error
