"""What an environment answers, compared with what it declares: at every step, and in a trial."""

import warnings
from typing import Any, SupportsFloat

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from gausspg.envs.spaces import native_actions

_OLD_GYM = (
    "which is the interface of the old package gym: let it follow gymnasium.Env, or wrap it with "
    "shimmy (pip install 'shimmy[gym-v21]'; env.id=shimmy:GymV21Environment-v0 "
    "+env.kwargs.env_id=ID)"
)


class EnvironmentFailedError(RuntimeError):
    """An environment raised, or answered what it does not declare; names both and the step."""


def observation_as_declared(observation: Any, dim: int) -> NDArray[np.generic]:
    """Return an observation as an array `[dim]`; a number alone is one of length 1.

    Raises:
        ValueError: it is no such array, and writing it into one would repeat or cut it.
    """
    array = np.asarray(observation)
    if dim == 1 and array.shape == ():
        array = array.reshape(1)
    if array.shape != (dim,):
        raise ValueError(
            f"an observation of shape {array.shape}, where its observation space declares ({dim},)"
        )
    if not np.can_cast(array.dtype, np.float64, "same_kind"):
        raise ValueError(f"an observation of {array.dtype}, where numbers are needed")
    return array


def reward_as_number(reward: SupportsFloat | NDArray[np.generic]) -> float:
    """Return a reward, which may be an array of one number, as a float.

    Raises:
        ValueError: it is not one number.
    """
    array = np.asarray(reward)
    if array.size != 1 or not np.can_cast(array.dtype, np.float64, "same_kind"):
        shown = f"of shape {array.shape}" if array.size != 1 else f"of type {type(reward).__name__}"
        raise ValueError(f"a reward {shown}, where one number is needed")
    return float(array.item())


def try_out(env: gym.Env[Any, Any], env_id: str, observation_dim: int, steps: int = 2) -> None:
    """Reset an environment and take some steps, to see that it answers as it declares.

    Args:
        env: just made, flattened.
        env_id: for messages.
        observation_dim: length of an observation.
        steps: to take, with the action nearest to 0.

    Raises:
        ValueError: it does not, or it raises; in one line.
    """
    action = _some_action(env.action_space)
    place = "reset"
    try:
        observation = _unpacked(env.reset(seed=0), 2, "reset")[0]
        observation_as_declared(observation, observation_dim)
        for number in range(1, steps + 1):
            place = f"step {number}"
            observation, reward, terminated, truncated, _ = _unpacked(env.step(action), 5, "step")
            observation_as_declared(observation, observation_dim)
            reward_as_number(reward)
            if terminated or truncated:
                break
    except Exception as error:
        message = _of_old_gym(env, action) or _complaint(error, place)
        raise ValueError(f"env.id={env_id} {message}") from error


def in_one_line(error: BaseException) -> str:
    """Return type and message of an exception in one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


class _WrongNumberError(Exception):
    """Another number of values than the interface has."""


def _unpacked(outcome: Any, number: int, method: str) -> tuple[Any, ...]:
    if not isinstance(outcome, tuple) or len(outcome) != number:
        given = f"{len(outcome)} values" if isinstance(outcome, tuple) else "one value"
        raise _WrongNumberError(f"gives {given} from {method} in place of {number}, {_OLD_GYM}")
    return outcome


def _of_old_gym(env: gym.Env[Any, Any], action: object) -> str | None:
    """Return what of the old interface an environment has; the wrappers around it only raise."""
    bare = env.unwrapped
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _unpacked(bare.reset(seed=0, options=None), 2, "reset")
            _unpacked(bare.step(action), 5, "step")
    except _WrongNumberError as error:
        return str(error)
    except TypeError as error:
        for name in ("seed", "options"):
            if f"unexpected keyword argument '{name}'" in str(error):
                return f"has a reset that takes no {name}, {_OLD_GYM}"
    except Exception:
        return None  # The caller reports what was raised first.
    return None


def _complaint(error: Exception, place: str) -> str:
    if isinstance(error, ValueError) and str(error).startswith(("an observation", "a reward")):
        return f"gives {error} ({place}): correct the environment or what it declares"
    return f"raised {in_one_line(error)} ({place}), so nothing was trained: correct it"


def _some_action(space: gym.Space[Any]) -> Any:
    if isinstance(space, gym.spaces.Box):
        middle = np.clip(np.zeros((1, *space.shape)), space.low, space.high)
        return native_actions(middle, space)[0]
    return native_actions(np.zeros(1, np.int64), space)[0]
