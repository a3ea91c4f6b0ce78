"""Stable-Baselines3 at the settings of a benchmark, in a process of its own, turn by turn.

A process of its own, because what this package does to its process (how memory is kept) would
otherwise help the other as well.
"""

import functools
import multiprocessing
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self

import gymnasium as gym

Turn = Callable[[], float]
Clock = Callable[[], float]


class Peer:
    """A contestant in another process; ends with the `with` block.

    Args:
        contestant: makes what takes a turn and returns its environment steps per second; a
            function of a module, since the process starts afresh.
        settings: passed to it.
    """

    def __init__(self, contestant: Callable[..., Turn], **settings: Any) -> None:
        # Not forked: torch's threads and this process's settings must not be inherited.
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, contestant, settings), daemon=True
        )
        self._process.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        self._process.kill()

    def turn(self) -> float:
        """Let it take a turn and return its steps per second."""
        self._pipe.send(None)
        rate: float = self._pipe.recv()
        return rate


def _serve(pipe: Connection, contestant: Callable[..., Turn], settings: dict[str, Any]) -> None:
    turn = contestant(**settings)
    while True:
        pipe.recv()
        pipe.send(turn())


def ppo(env_id: str, envs: int, steps: int, rows: int, epochs: int, clock: Clock) -> Turn:
    """One iteration of PPO with normalised observations and rewards and a 64-64 network."""
    import torch
    from stable_baselines3 import PPO
    from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

    torch.set_num_threads(1)
    batch = VecNormalize(DummyVecEnv([functools.partial(_make, env_id)] * envs), gamma=0.99)
    model = PPO(
        "MlpPolicy", batch, n_steps=steps, batch_size=rows, n_epochs=epochs, seed=0, device="cpu",
        policy_kwargs={"net_arch": [64, 64]},
    )  # fmt: skip
    return lambda: _learn(model, envs * steps, clock)


def sac(steps: int) -> Turn:
    """Some steps of SAC, with an update each, at rl-zoo3's settings for BipedalWalker."""
    import torch
    from stable_baselines3 import SAC

    torch.set_num_threads(1)
    model = SAC(
        "MlpPolicy", _make("BipedalWalker-v3"), learning_rate=7.3e-4, buffer_size=300_000,
        batch_size=256, tau=0.02,
        gamma=0.98, train_freq=64, gradient_steps=64, learning_starts=256, use_sde=True, seed=0,
        policy_kwargs={"log_std_init": -3, "net_arch": [400, 300]}, device="cpu",
    )  # fmt: skip
    # Past the steps that are taken at random, after which every step has its update.
    _learn(model, 512)
    return lambda: _learn(model, steps)


def _make(env_id: str) -> gym.Env[Any, Any]:
    return gym.make(env_id, disable_env_checker=True)


def _learn(model: Any, steps: int, clock: Clock = time.perf_counter) -> float:
    begin = clock()
    model.learn(steps, reset_num_timesteps=False)
    return steps / (clock() - begin)
