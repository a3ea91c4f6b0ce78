"""Which observation and action spaces a policy can serve."""

from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from gausspg.policies.actions import Actions, BoxActions, DiscreteActions


def describe_actions(space: gym.Space[Any], env_id: str) -> Actions:
    """Return what a policy has to know of an action space.

    Raises:
        ValueError: the space is neither a flat Box nor Discrete.
    """
    if isinstance(space, gym.spaces.Discrete):
        return DiscreteActions(int(space.n), int(space.start))
    if isinstance(space, gym.spaces.Box) and len(space.shape) == 1:
        return BoxActions(tuple(space.low.tolist()), tuple(space.high.tolist()))
    shape = f" of shape {space.shape}" if isinstance(space, gym.spaces.Box) else ""
    raise ValueError(
        f"env.id={env_id} has a {type(space).__name__} action space{shape}, for which there is no "
        "policy: choose an environment with one-dimensional Box or Discrete actions"
    )


def needs_flattening(space: gym.Space[Any]) -> bool:
    """Tell whether observations must be flattened to a vector first."""
    return not (isinstance(space, gym.spaces.Box) and len(space.shape) == 1)


def native_actions(actions: NDArray[np.generic], space: gym.Space[Any]) -> list[object]:
    """Turn a policy's actions `[batch, ...]` into what each environment's `step` expects."""
    if isinstance(space, gym.spaces.Discrete):
        start = int(space.start)
        return [int(action) + start for action in actions]
    return list(actions.astype(space.dtype, copy=False))
