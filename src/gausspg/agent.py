"""Load a trained policy from a run or a file and compute its actions.

from gausspg.agent import load
agent = load("RUN_ID")          # or a path: load("runs/.../final.pt")
action = agent.act(observation)
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from gausspg.policies.actions import Actions, BoxActions, from_plain
from gausspg.policies.base import Policy
from gausspg.streams import Streams
from gausspg.tracking import location
from gausspg.training import checkpoints
from gausspg.training.factory import build_policy


class Agent:
    """Acts on observations as the environment gives them; normalisation is inside.

    Args:
        policy: trained; not changed.
        actions: the kind of actions the environment takes.
        seed: of the noise of stochastic actions.
    """

    def __init__(self, policy: Policy, actions: Actions, seed: int = 0) -> None:
        self.policy = policy
        self._actions = actions
        self._generator = Streams(seed).torch("agent_noise")

    @torch.no_grad()
    def act(self, observations: ArrayLike, deterministic: bool = True) -> NDArray[Any]:
        """Return the action for one observation, or the actions for a batch of them.

        Args:
            observations: `[observation_dim]` or `[batch, observation_dim]`; what is not a vector
                (Dict, Discrete) flattened as `gymnasium.spaces.flatten` does.
            deterministic: the policy's mode; else a sample.

        Returns:
            `[action_dim]` or `[batch, action_dim]` for Box actions, float32; a number or `[batch]`
            for Discrete ones, int64.

        Raises:
            ValueError: the observation has another size than the policy was trained on.
        """
        array = np.asarray(observations, np.float32)
        expected = len(self.policy.normaliser.mean)
        if array.ndim not in (1, 2) or array.shape[-1] != expected:
            raise ValueError(
                f"observations of shape {array.shape} do not fit a policy trained on "
                f"[{expected}] or [batch, {expected}]: pass one or a batch of those"
            )
        batch = torch.from_numpy(np.atleast_2d(array))
        distribution = self.policy(self.policy.normaliser(batch))
        u = distribution.mode()
        if not deterministic:
            u = distribution.sample(self.policy.draw_noise(self._generator, len(batch)))
        actions: NDArray[Any] = distribution.action(u).numpy()
        if not isinstance(self._actions, BoxActions):
            actions = actions + self._actions.start
        return actions if array.ndim == 2 else actions[0]


def load(source: str | Path, tracking_uri: str | None = None, name: str = "final.pt") -> Agent:
    """Load a trained policy; nothing in the file is executed.

    Args:
        source: an MLflow run id, or the path of a policy file.
        tracking_uri: of the store that has the run; None: the default store.
        name: of the policy within the run, `final.pt` or `best.pt`.

    Raises:
        FileNotFoundError: a path that does not exist.
        StoreError: there is no such run, or it has no such policy.
        ValueError: the file is not a policy of this package.
    """
    content = checkpoints.load(_locate(source, tracking_uri, name))
    try:
        policy = build_policy(content["spec"], Streams(0))
        policy.load_state_dict(content["state_dict"])
        return Agent(policy.eval(), from_plain(content["spec"]["actions"]))
    except (AttributeError, KeyError, RuntimeError, TypeError) as error:
        # A file that is not a policy can fail in any of these ways.
        raise ValueError(f"{source} holds no policy: pass final.pt or best.pt of a run") from error


def _locate(source: str | Path, tracking_uri: str | None, name: str) -> Path:
    path = Path(source)
    if path.is_file():
        return path
    if path.suffix or len(path.parts) > 1:
        raise FileNotFoundError(f"there is no policy file {path}")
    # Only here: a policy in a file needs no MLflow.
    from gausspg.tracking import artifact_file, default_uri

    return artifact_file(tracking_uri or default_uri(location.runs_folder()), str(source), name)
