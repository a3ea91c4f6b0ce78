"""Experiments with Gaussian policies, from Python as from the command line.

import gausspg

run = gausspg.train("env=pendulum", "variance=full", steps=20_000)
run.metrics["train/return_mean"].plot()
found = gausspg.sweep("env=pendulum", variance=["fixed", "learned"], seed=[0, 1, 2])
points = gausspg.points("eval/stochastic_return_mean", runs=found.runs)
agent = gausspg.load(run.id)
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gausspg.agent import Agent, load
    from gausspg.sweeps.interface import Run, Sweep, points, runs, sweep, train

__all__ = ["Agent", "Run", "Sweep", "load", "points", "runs", "sweep", "train"]


def __getattr__(name: str) -> object:
    """Import what is asked for: torch with `load` and `Agent` alone."""
    if name not in __all__:
        raise AttributeError(f"module 'gausspg' has no attribute '{name}'")
    from importlib import import_module

    room = "agent" if name in ("Agent", "load") else "sweeps.interface"
    return getattr(import_module(f"gausspg.{room}"), name)
