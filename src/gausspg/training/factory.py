"""Build the objects of one run from its settings; refuse what cannot work, in one line."""

import inspect
from collections.abc import Mapping
from functools import partial
from typing import Any

import torch

from gausspg.diagnostics.base import Diagnostics
from gausspg.diagnostics.none import NoDiagnostics
from gausspg.envs.base import BaseEnvironment
from gausspg.learners.base import Context, Learner
from gausspg.policies.actions import BoxActions, from_plain, to_plain
from gausspg.policies.base import Policy
from gausspg.policies.normaliser import Normaliser
from gausspg.streams import Streams
from gausspg.training.build import SettingsError, build, find
from gausspg.training.settings import Settings

PolicySpec = Mapping[str, Any]


def build_device(settings: Settings) -> torch.device:
    """Return the device that policy and critic live on.

    Raises:
        SettingsError: there is no such device here.
    """
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise SettingsError("device=cuda and torch finds no CUDA device here: set device=cpu")
    return torch.device(settings.device)


def build_environment(settings: Settings) -> BaseEnvironment:
    """Build the environment of a run.

    Raises:
        SettingsError: it cannot be made; the message says why and what to do.
    """
    try:
        environment: BaseEnvironment = build(settings.env, "env")
    except ModuleNotFoundError as error:
        raise SettingsError(str(error)) from error
    return environment


def policy_spec(settings: Settings, environment: BaseEnvironment) -> dict[str, Any]:
    """Return everything needed to rebuild a run's policy, as plain values."""
    return {
        "policy": settings.policy,
        "variance": settings.variance,
        "squash": settings.squash,
        "env_id": environment.id,
        "observation_dim": environment.observation_dim,
        "normalise_observation": environment.normalise_observation,
        "actions": to_plain(environment.actions),
    }


def build_policy(spec: PolicySpec, streams: Streams) -> Policy:
    """Build an untrained policy on the CPU.

    Args:
        spec: returned by `policy_spec`.
        streams: the run's randomness; each part draws from a stream of its own, so that the mean
            starts from the same weights under every variance mode.

    Raises:
        SettingsError: the parts do not fit each other or the environment's actions.
    """
    actions = from_plain(spec["actions"])
    target = find(spec["policy"], "policy")
    word = target.__module__.rpartition(".")[2]
    actions_type = getattr(target, "actions_type", None)
    if actions_type is None or not isinstance(actions, actions_type):
        other = "gaussian" if isinstance(actions, BoxActions) else "categorical"
        raise SettingsError(
            f"policy={word} does not serve the {actions} of env.id={spec['env_id']}: "
            f"set policy={other}"
        )
    parts: dict[str, Any] = {
        "actions": actions,
        "normaliser": Normaliser(spec["observation_dim"], spec["normalise_observation"]),
        "generator": streams.torch("initialisation_policy"),
    }
    parameters = inspect.signature(target).parameters
    for axis in ("variance", "squash"):
        if axis in parameters and spec[axis] is None:
            raise SettingsError(f"policy={word} needs a {axis} and none is set: add {axis}=WORD")
        if axis not in parameters and spec[axis] is not None:
            raise SettingsError(
                f"{axis} has no meaning for policy={word}, which serves the {actions} of "
                f"env.id={spec['env_id']}: leave it out with ~{axis}"
            )
    if spec["variance"] is not None:
        generator = streams.torch("initialisation_variance")
        parts["variance"] = partial(build, spec["variance"], "variance", generator=generator)
    if spec["squash"] is not None and isinstance(actions, BoxActions):
        bounds = torch.tensor([actions.low, actions.high], dtype=torch.float64)
        parts["squash"] = build(spec["squash"], "squash", low=bounds[0], high=bounds[1])
    policy: Policy = build(spec["policy"], "policy", **parts)
    return policy


def build_learner(
    settings: Settings,
    environment: BaseEnvironment,
    policy: Policy,
    streams: Streams,
    device: torch.device,
) -> Learner:
    """Build the learner of a run, with its estimator, around `policy`.

    Raises:
        SettingsError: a setting is wrong, or estimator and learner do not fit.
    """
    diagnostics: Diagnostics = (
        NoDiagnostics()
        if settings.diagnostics is None
        else build(settings.diagnostics, "diagnostics")
    )
    context = Context(
        policy, partial(build, settings.estimator, "estimator"), diagnostics,
        environment.differentiable, settings.gamma, environment.num_envs,
        environment.normalise_reward, settings.steps, streams, device,
    )  # fmt: skip
    learner: Learner = build(settings.learner, "learner", context=context)
    return learner
