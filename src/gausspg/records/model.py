"""A trained policy as a model of MLflow's: how it is kept in a run's folder, and loaded."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gausspg.agent import Agent, load
from gausspg.tracking import write_model
from gausspg.training import trainer

FOLDER = "policy"


class Model:
    """What MLflow calls: observations in, actions out."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent

    def predict(
        self, model_input: NDArray[Any] | pd.DataFrame, params: dict[str, Any] | None = None
    ) -> NDArray[Any]:
        """Return actions `[batch, action_dim]`, or `[batch]` of discrete ones.

        Args:
            model_input: observations `[batch, observation_dim]`.
            params: `deterministic`: the policy's mode, else a sample.
        """
        deterministic = bool((params or {}).get("deterministic", True))
        return self._agent.act(np.asarray(model_input), deterministic)


def _load_pyfunc(path: str) -> Model:
    """Load the policy file at `path`; MLflow calls this."""
    return Model(load(path))


def write(folder: Path) -> list[Path]:
    """Write the last policy of the run in `folder` as a model; return the files of it."""
    below = folder / FOLDER
    below.mkdir(exist_ok=True)
    policy = below / trainer.FINAL
    shutil.copyfile(folder / trainer.FINAL, policy)
    agent = load(policy)
    observation_dim = len(agent.policy.normaliser.mean)
    action = agent.act(np.zeros((1, observation_dim), np.float32))
    described = write_model(
        below, __name__, trainer.FINAL, (observation_dim,), action.shape[1:], action.dtype.name
    )
    return [policy, described]
