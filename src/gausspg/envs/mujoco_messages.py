"""MuJoCo's own warnings, printed from C for every environment, and logged where one stands."""

import importlib
import importlib.util
import sys
from functools import cache

import gymnasium as gym


def without_deprecations(env_id: str) -> None:
    """Say what MuJoCo warns of once per process, and nothing of what its models have to change.

    Called before an environment is made; one that is not of MuJoCo leaves its package alone.
    """
    spec = gym.registry.get(env_id)
    if spec is not None and ".mujoco" in str(spec.entry_point):
        _listen()


@cache
def _listen() -> None:
    if importlib.util.find_spec("mujoco") is not None:
        importlib.import_module("mujoco").set_mju_user_warning(_tell)


def _tell(message: str) -> None:
    # The time of the simulation, at the end, would make every repetition another message.
    text = " ".join(message.partition(" Time = ")[0].split())
    if "deprecated" not in text:
        _tell_once(text)


@cache
def _tell_once(text: str) -> None:
    print(f"warning: MuJoCo: {text}", file=sys.stderr)
