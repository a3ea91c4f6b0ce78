"""Which observation and action spaces a policy can serve."""

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from gausspg.policies.actions import Actions, BoxActions, DiscreteActions


def describe_actions(space: gym.Space[Any], env_id: str) -> Actions:
    """Return what a policy has to know of an action space.

    Raises:
        ValueError: the space is neither a flat Box nor Discrete, or has no entries.
    """
    _refuse_what_is_no_space(space, "action", env_id)
    if isinstance(space, spaces.Discrete):
        return DiscreteActions(int(space.n), int(space.start))
    if isinstance(space, spaces.Box) and len(space.shape) == 1:
        if space.shape == (0,):
            raise ValueError(
                f"env.id={env_id} has a Box action space without entries, so there is nothing to "
                "decide: choose an environment with at least one action dimension"
            )
        # An integer Box without a bound has the end of its integers in its place.
        low = np.where(space.bounded_below, space.low, -np.inf).astype(float)
        high = np.where(space.bounded_above, space.high, np.inf).astype(float)
        return BoxActions(tuple(low.tolist()), tuple(high.tolist()))
    shape = f" of shape {space.shape}" if isinstance(space, spaces.Box) else ""
    raise ValueError(
        f"env.id={env_id} has a {type(space).__name__} action space{shape}, for which there is no "
        "policy: choose an environment with one-dimensional Box or Discrete actions"
    )


def refuse_observations(space: gym.Space[Any], env_id: str) -> None:
    """Refuse observations that are no fixed number of values once they are flattened.

    Raises:
        ValueError: the space, or a part of it, is of such a kind, or it has no entries.
    """
    _refuse_what_is_no_space(space, "observation", env_id)
    unfit = _without_fixed_length(space)
    if unfit is not None:
        where = "" if unfit is space else f" with a {type(unfit).__name__} space in it"
        raise ValueError(
            f"env.id={env_id} has a {type(space).__name__} observation space{where}, which is no "
            "vector of fixed length: choose an environment with Box, Discrete, MultiBinary or "
            "MultiDiscrete observations, or a Dict or Tuple of these"
        )
    if spaces.flatdim(space) == 0:
        raise ValueError(
            f"env.id={env_id} has an observation space without entries, so a policy has nothing "
            "to go by: let the environment show at least one number"
        )


def needs_flattening(space: gym.Space[Any]) -> bool:
    """Tell whether observations must be flattened to a vector first."""
    return not (isinstance(space, spaces.Box) and len(space.shape) == 1)


def takes_integers(space: gym.Space[Any]) -> bool:
    """Tell whether actions of this space are a Box of integers."""
    return isinstance(space, spaces.Box) and np.issubdtype(space.dtype, np.integer)


def native_actions(actions: NDArray[np.generic], space: gym.Space[Any]) -> list[object]:
    """Turn a policy's actions `[batch, ...]` into what each environment's `step` expects.

    For a Box of integers they are rounded to the nearest; what lies beyond the integers of its
    dtype, which would come out at their other end, is moved to the end it lies beyond.
    """
    if isinstance(space, spaces.Discrete):
        start = int(space.start)
        return [int(action) + start for action in actions]
    if takes_integers(space):
        ends = np.iinfo(space.dtype)
        actions = np.clip(np.rint(actions.astype(np.float64)), ends.min, ends.max)
    return list(actions.astype(space.dtype, copy=False))


def _refuse_what_is_no_space(space: object, kind: str, env_id: str) -> None:
    if not isinstance(space, gym.Space):
        raise ValueError(
            f"env.id={env_id} has {type(space).__module__}.{type(space).__name__} for an {kind} "
            f"space: give its class an {kind}_space of gymnasium.spaces"
        )


def _without_fixed_length(space: gym.Space[Any]) -> gym.Space[Any] | None:
    """Return what in a space cannot be flattened to a fixed number of values; None if nothing."""
    if isinstance(space, spaces.Dict | spaces.Tuple):
        parts = space.spaces.values() if isinstance(space, spaces.Dict) else space.spaces
        return next((found for part in parts if (found := _without_fixed_length(part))), None)
    known = spaces.Box | spaces.Discrete | spaces.MultiBinary | spaces.MultiDiscrete
    return None if isinstance(space, known) else space
